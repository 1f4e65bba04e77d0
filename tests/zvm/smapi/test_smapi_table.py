"""The table of layouts, the texts of the codes, and the page that is made from the table."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goldroot.zvm.smapi import Client, results
from goldroot.zvm.smapi.reference import reference
from goldroot.zvm.smapi.table import NUMBER_BYTES, CallLayout, TableError, Value, layouts, parse_table
from goldroot.zvm.smapi.texts import TODO, legal_codes, meaning, todo

ROOT = Path(__file__).parents[3]
SHARED = Path(os.environ.get("GOLDROOT_SHARED", ROOT.parent / "shared")) / "zvm"

#: What a driver of clones needs: the functions that this client must speak.
NEEDED = [
    "Check_Authentication",
    "Query_API_Functional_Level",
    "Query_Directory_Manager_Level_DM",
    "Image_Query_DM",
    "Image_Lock_DM",
    "Image_Unlock_DM",
    "Image_Lock_Query_DM",
    "Image_Replace_DM",
    "Image_Create_DM",
    "Image_Delete_DM",
    "Image_Name_Query_DM",
    "Query_All_DM",
    "Directory_Manager_Search_DM",
    "Image_Disk_Create_DM",
    "Image_Disk_Copy_DM",
    "Image_Disk_Delete_DM",
    "Image_Disk_Share_DM",
    "Image_Disk_Unshare_DM",
    "Image_Disk_Share",
    "Image_Disk_Unshare",
    "Image_Activate",
    "Image_Recycle",
    "Image_Deactivate",
    "Image_Status_Query",
    "Image_MDISK_Link_Query",
    "Image_Disk_Query",
    "Image_Volume_Space_Query_DM",
    "Response_Recovery",
    "Query_Asynchronous_Operation_DM",
    "Directory_Manager_Task_Cancel_DM",
]


def shared(name: str) -> Any:
    file = SHARED / name
    if not file.exists():
        pytest.skip(f"no {file}: set GOLDROOT_SHARED to the folder that holds zvm/{name}")
    return json.loads(file.read_text())


def structures(values: tuple[Value, ...]) -> Iterator[Value]:
    for value in values:
        if value.members:
            yield value
            yield from structures(value.members)


@pytest.mark.parametrize("api", NEEDED)
def test_what_a_driver_needs_is_typed(api: str) -> None:
    assert api in layouts()
    method = getattr(Client, api.lower())
    assert "return" in inspect.get_annotations(method)


def test_classes_have_the_members_of_the_table() -> None:
    seen = []
    for layout in layouts().values():
        for value in structures(layout.values):
            if (known := getattr(results, value.struct, None)) is not None:
                seen.append(value.struct)
                assert [one.name for one in dataclasses.fields(known)] == [one.name for one in value.members]
    assert {"SearchHit", "DirectoryEntry", "Failing", "Dasd"} <= set(seen)


def test_names_are_used_once() -> None:
    for layout in layouts().values():
        names = [param.name for param in layout.params] + [name for one in layout.params for name in one.aliases]
        assert len(names) == len(set(names)), layout.api
        assert layout.does.endswith("."), layout.api


@pytest.mark.parametrize(
    "text",
    [
        "Image_X nothing | No such kind.",
        "Image_X read |",
        "Image_X read | Good.\n    > name strange",
        "Image_X read | Good.\n    > name str 1",
        "Image_X read | Good.\n    < name strange",
        "Image_X read | Good.\n    < name array struct Empty",
        "Image_X read | Good.\n    < name str\n        < member str",
        "Image_X read | Good.\n        < too_deep str",
        "Image_X read | Good.\n  < odd str",
    ],
)
def test_a_wrong_table_is_told_by_its_line(text: str) -> None:
    with pytest.raises(TableError):
        list(parse_table(text))


def test_the_reference_is_up_to_date() -> None:
    page = (ROOT / "docs/zvm/calls.md").read_text("utf-8")
    assert page == reference(), "run python -m goldroot.zvm.smapi.reference > docs/zvm/calls.md"


def test_texts_of_codes() -> None:
    assert meaning("Image_Replace_DM", 400, 24) == "Image name is not locked"
    assert meaning("Image_Disk_Create_DM", 408, 24) == "Requested image disk space not available"
    assert meaning("Query_API_Functional_Level", 0, 640) == "The API functional level is z/VM V6.4"
    assert meaning("Image_Activate", 396, 45).startswith("Internal system error")
    assert meaning("Image_Activate", 24, 1213) == "Syntax error in function parameter 12 (rule 13)"
    assert meaning("Image_Activate", 452, 4) != ""  # Not in its list: the general one has it.
    assert meaning("Image_Activate", 99999, 1) == ""
    assert legal_codes("No_Such_API") == {}


def test_advice_is_for_codes_that_exist() -> None:
    every = {key for api in layouts() for key in legal_codes(api)}
    unknown = [code for code in TODO if f"{code[0]}_{code[1]}" not in every and str(code[0]) not in every]
    assert all(meaning("Image_Query_DM", code[0], code[1] or 0) for code in unknown)
    assert todo(596, 3213) == TODO[(596, None)]
    assert todo(7, 7) == ""


def test_every_pair_of_the_book_is_in_the_texts() -> None:
    """The packed texts against the list that they were made from."""
    missed = []
    book = shared("smapi-rc-by-api.json")
    for api, pairs in book.items():
        packed = legal_codes(api.strip())
        clean = {key: " ".join(text.split()) for key, text in pairs.items()}
        missed += [(api, key) for key in clean.keys() | packed.keys() if clean.get(key) != packed.get(key)]
    assert missed == []
    print(f"{sum(map(len, book.values()))} pairs of {len(book)} functions")


#: Where Feilong's list of a request is read otherwise than it is sent: its extraction shows keywords and arrays twice.
FEILONG_KIND = {"len4+bytes": "text", "int1": "int1", "int4": "int4", "int8": "int8", "asciiz": "text"}


def plain(layout: CallLayout) -> list[str] | None:
    """The kinds of the parameters; None for an API of keywords or arrays."""
    kinds = [param.type for param in layout.params]
    if any(kind not in ("str", "secret", "bytes", *NUMBER_BYTES) for kind in kinds):
        return None
    return [kind if kind in NUMBER_BYTES else "text" for kind in kinds]


#: Where the list is known to say something else, and why.
FEILONG_DIFFERS = {
    "Query_All_DM": "one keyword is listed as a length and a keyword",
    "System_Disk_IO_Query": "one keyword is listed as a length and a keyword",
    "Shared_Memory_Create": "the list lacks the two page numbers of eight bytes, which a captured frame has",
    "SSI_Query": "the target is listed as a parameter",
    "System_Image_Performance_Query": "the target is listed as a parameter",
    "System_Processor_Query": "the target is listed as a parameter",
}


def test_parameters_stand_in_the_order_that_feilong_sends() -> None:
    compared, differs = 0, list[str]()
    for api, listed in shared("smapi-layout-feilong.json").items():
        ours = plain(layouts()[api]) if api in layouts() else None
        if ours is None or not listed.get("request"):
            continue
        compared += 1
        theirs = [FEILONG_KIND[one["kind"]] for one in listed["request"][3:]]
        if ours != theirs:
            differs.append(api)
    print(f"{compared} requests compared")
    assert sorted(differs) == sorted(FEILONG_DIFFERS)
    assert compared > 90
