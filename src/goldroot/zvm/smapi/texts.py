"""What a (return code, reason code) means for an API, and what to do about it.

The texts are IBM's, from the SMAPI book of z/VM 7.1 (SC24-6327), kept in ``rc_texts.json``: a list of texts; the pairs
that nearly every API shares (``-`` in an API lists those that it has not); the pairs of each API; and, for levels
newer than the book, a general list from Feilong's ``rcdescriptions.c``.  A key without a reason code stands for all.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TypedDict, cast


class _Data(TypedDict):
    texts: list[str]
    shared: dict[str, int]
    general: dict[str, int]
    apis: dict[str, dict[str, int | list[str]]]


#: What to do, by (return code, reason code); a reason code of None stands for every other one.
TODO: dict[tuple[int, int | None], str] = {
    (4, 4): "The server knows no such request any more: query what the request was to change.",
    (8, 3002): "Look up the keyword in the SMAPI book; the answer names the one that is not known.",
    (24, None): "Compare the parameter with goldroot zvm call --list API; --plan shows what would be sent.",
    (100, 8): "Let the security administrator allow this user the function for this target.",
    (100, 12): "Give this user the authority in the directory manager (DirMaint: AUTHFOR).",
    (100, 16): "Add this user to the server's authorization file, or use Authorization_List_Add.",
    (120, 0): "Check user ID and password; too many tries may lock the user out.",
    (128, 0): "The password is expired: set a new one for this user.",
    (200, 4): "There is no running machine of that name: check the name, or log it on.",
    (200, 8): "Nothing to do: the machine is logged on already.",
    (200, 12): "The machine is not logged on: Image_Activate does that.",
    (200, 16): "It is being logged off: wait until Image_Status_Query answers 0/12.",
    (200, 36): "Ask for a shorter interval; the server sets the longest one.",
    (396, None): "The reason code is one of CP's message numbers (HCPnnnn): see HELP HCPnnnnE.",
    (400, 4): "There is no entry of that name in the user directory: check the name.",
    (400, 8): "An entry of that name exists: query it, and choose another name or update that one.",
    (400, 12): "Image_Lock_Query_DM says who holds the lock; Image_Unlock_DM frees one that was left behind.",
    (400, 24): "Lock the entry first (Image_Lock_DM), query it again, then repeat.",
    (404, 12): "Image_Lock_Query_DM says who holds the disk; wait for that work to end.",
    (404, 24): "The disks are of different types: make the new one like the old one.",
    (404, 28): "The disks are of different sizes: make the new one like the old one.",
    (408, 4): "A disk at that address exists: query the entry, and use another address.",
    (408, 8): "No disk at that address is in the entry: query the entry.",
    (408, 12): "Another operation works on that disk: wait for it, or look with Image_Lock_Query_DM.",
    (408, 16): "The owner's entry does not allow this link: check the modes and passwords of its MDISK.",
    (408, 24): "Free some space, or name another group or volume: Image_Volume_Space_Query_DM shows what is free.",
    (420, 8): "Image_Volume_Space_Query_DM lists the groups, regions and volumes that are defined.",
    (436, 4): "Create the profile, or include one that exists.",
    (452, 4): "The operation is unknown: it has ended, or its number is wrong.",
    (500, 4): "The directory manager takes no updates now: try later, or ask its operator (DIRM STATUS).",
    (500, 8): "The directory manager is not running: log it on (DIRMAINT), then repeat.",
    (596, None): "The reason code is a message number of the directory manager (DVHnnnn): see HELP DVHnnnnE.",
    (900, 12): "This level of z/VM has no such function: Query_API_Functional_Level tells the level.",
    (900, 20): "The server reads this request otherwise than this client: report it, with the z/VM level.",
    (900, 36): "The server reads this request otherwise than this client: report it, with the z/VM level.",
}


@cache
def _data() -> _Data:
    text = resources.files(__package__).joinpath("rc_texts.json").read_text("utf-8")
    return cast(_Data, json.loads(text))


def legal_codes(api: str) -> dict[str, str]:
    """The pairs that the book lists for an API: ``"rc_rs"`` (or ``"rc"``, for any reason code) -> text."""
    data = _data()
    own = data["apis"].get(api)
    if own is None:
        return {}
    lacks = own.get("-", [])
    shared = {key: at for key, at in data["shared"].items() if not (isinstance(lacks, list) and key in lacks)}
    merged = {**shared, **{key: at for key, at in own.items() if isinstance(at, int)}}
    return {key: data["texts"][at] for key, at in merged.items()}


def meaning(api: str, return_code: int, reason_code: int) -> str:
    """IBM's text for a pair; "" where neither the API's list nor the general one has it."""
    data = _data()
    own = legal_codes(api)
    for key in (f"{return_code}_{reason_code}", str(return_code)):
        if key in own:
            return _filled(own[key], return_code, reason_code)
    for key in (f"{return_code}_{reason_code}", str(return_code)):
        if key in data["general"]:
            return _filled(data["texts"][data["general"][key]], return_code, reason_code)
    return ""


def todo(return_code: int, reason_code: int) -> str:
    """What a person does about a pair."""
    for key in ((return_code, reason_code), (return_code, None)):
        if key in TODO:
            return TODO[key]
    return ""


def _filled(text: str, return_code: int, reason_code: int) -> str:
    """A text with its variable parts: for 24 the reason code is pprr, parameter and rule."""
    if return_code != 24:
        return text
    parameter, rule = divmod(reason_code, 100)
    return f"Syntax error in function parameter {parameter} (rule {rule})"
