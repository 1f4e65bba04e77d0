"""Trees of hashes of sealed images (dm-verity): whoever knows the root hash can tell that nothing was written since.

A guest that has device-mapper checks each block as it reads it; here all of them are checked at once, by program.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass

from goldroot.errors import Damaged, MissingProgram, ProgramFailed
from goldroot.hosts.storefiles import write_whole
from goldroot.run import find, run

_TREE, _ROOT = ".verity", ".roothash"
_SAID = re.compile(r"^Root hash:\s*([0-9a-f]{64})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verity:
    """The root hash (64 hexadecimal digits) of an image, and the file of its tree of hashes."""

    root: str
    tree: str


def there() -> bool:
    """Whether this machine can make such trees."""
    try:
        find("veritysetup")
    except MissingProgram:
        return False
    return True


def make(image: str) -> Verity:
    """Make the tree of an image and its root hash, in the place of older ones."""
    making = f"{image}{_TREE}.new"
    with suppress(FileNotFoundError):
        os.unlink(making)
    said = _SAID.search(run(["veritysetup", "format", "--hash=sha256", image, making]).text())
    if said is None:
        raise ProgramFailed("veritysetup did not say the root hash")
    os.rename(making, image + _TREE)
    write_whole(image + _ROOT, said[1].encode() + b"\n")
    return Verity(said[1], image + _TREE)


def of(image: str) -> Verity | None:
    """What was made of an image; ``None``: nothing.

    :raises Damaged: it is not what was written here.
    """
    try:
        with open(image + _ROOT, encoding="ascii", errors="replace") as file:
            root = file.read().strip()
    except FileNotFoundError:
        return None
    if not re.fullmatch("[0-9a-f]{64}", root) or not os.path.isfile(image + _TREE):
        raise Damaged(f"the tree of hashes of {image!r} is not what was made", todo="Publish the version again.")
    return Verity(root, image + _TREE)


def check(image: str, found: Verity) -> None:
    """Read all of an image and compare it with its root hash.

    :raises Damaged: it is another one.
    """
    try:
        run(["veritysetup", "verify", image, found.tree, found.root])
    except ProgramFailed as error:
        raise Damaged(
            f"the disk {image!r} is not what was sealed: {error.brief}",
            meaning="Somebody wrote to it, or the disk under it is failing.",
            todo="Publish the version again, or put the file back from another host.",
        ) from error


def remove(image: str) -> None:
    """Again: nothing."""
    for path in (image + _ROOT, image + _TREE, f"{image}{_TREE}.new"):
        with suppress(FileNotFoundError):
            os.unlink(path)
