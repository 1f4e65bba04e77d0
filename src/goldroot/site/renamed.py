"""An image that got another name: what says so in the site, what is refused meanwhile, and its table in goldroot.toml.

::

    images/.renaming          while it is done: the two names, so that the same command finishes what was cut off
    images/NAME/former-names  the names that the image had: its signed records name it by these, one a line
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from contextlib import suppress

from goldroot import files
from goldroot.errors import Damaged, Refused
from goldroot.site.site import RENAMING, Site

FORMER_NAMES = "former-names"


def begun_renaming(site: Site) -> tuple[str, str] | None:
    """The old and the new name of an image whose renaming was begun, and is not done; ``None``: of none."""
    try:
        with open(site.path("images", RENAMING), encoding="utf-8") as file:
            data = files.json_of(file.read())
        return str(data["from"]), str(data["to"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"{site.path('images', RENAMING)} does not say which image is being renamed ({error})",
            meaning="A command was cut off while it gave an image another name, or the file was damaged. Nothing was changed.",
            todo='Write the two names into it again, as {"from": "OLD", "to": "NEW"}; then goldroot image rename OLD NEW finishes '
            "it. If no image was being renamed, remove it.",
        ) from error


def begin_renaming(site: Site, old: str, new: str) -> None:
    """Write down that it is begun."""
    files.write(site.path("images", RENAMING), json.dumps({"from": old, "to": new}).encode() + b"\n")


def end_renaming(site: Site) -> None:
    """It is done."""
    with suppress(FileNotFoundError):
        os.unlink(site.path("images", RENAMING))


def refuse_renaming(site: Site, image: str) -> None:
    """:raises Refused: the image is being renamed, which was cut off, or goes on: half of what names it says so."""
    if (names := begun_renaming(site)) is not None and image in names:
        old, new = names
        raise Refused(
            f"image {old} is being renamed to {new}, and that is not done",
            meaning="A command does it at this moment, or was cut off. Nothing was changed.",
            todo=f"Finish it: goldroot image rename {old} {new}. Or take it back: goldroot image rename {new} {old}",
        )


def former_names(site: Site, image: str) -> tuple[str, ...]:
    """The names that an image had before, oldest first."""
    try:
        with open(site.image_path(image, FORMER_NAMES), encoding="utf-8") as file:
            return tuple(file.read().split())
    except (FileNotFoundError, NotADirectoryError):
        return ()


def note_former_name(site: Site, image: str, name: str) -> None:
    """Remember that an image had this name; what it is called now is not among them."""
    names = [one for one in former_names(site, image) if one != name]
    files.write(site.image_path(image, FORMER_NAMES), "".join(f"{one}\n" for one in [*names, name]).encode())


def table_renamed(text: str, old: str, new: str) -> str:
    """The text of a goldroot.toml in which the table of an image has another name.

    Where there is none of the old name, it stays as it is.

    :raises Refused: both names have one, or it is not written as a table of its own.
    """
    data = tomllib.loads(text)
    tables = data.get("images", {})
    if old not in tables:
        return text
    if new in tables:
        raise Refused(
            f"goldroot.toml has tables for both, [images.{old}] and [images.{new}]",
            meaning="Which of them holds is not known. Nothing was changed.",
            todo="Remove one of them.",
        )
    wanted = {**data, "images": {new if name == old else name: table for name, table in tables.items()}}
    quoted = f"(?:{old}|\"{old}\"|'{old}')"
    made = re.sub(rf"(?m)^(\s*\[\s*images\s*\.\s*){quoted}(?=\s*[.\]])", rf"\g<1>{new}", text)
    if tomllib.loads(made) != wanted:
        raise Refused(
            f"the settings of image {old} do not stand in a table [images.{old}] of goldroot.toml",
            meaning="They have to get the new name, too, and goldroot only changes the heading of a table. Nothing was changed.",
            todo=f"Write them as [images.{old}] first.",
        )
    return made
