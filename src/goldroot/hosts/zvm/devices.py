"""Which device numbers a directory statement takes, of its machine or by a command that CP gives for it at its logon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from goldroot.zvm import directory as source
from goldroot.zvm.directory import Statement, address_of, view
from goldroot.zvm.directory.statement import is_address
from goldroot.zvm.directory.views import Command, Device, Nicdef, is_short

#: Devices of a network adapter where no number is said.
ADAPTER = 3
#: SPECIAL devices that are network adapters (IBM, CP Planning and Administration).
_ADAPTERS = ("HIPERSOCKETS", "QDIO", "IEDN", "INMN")
#: What DEFINE makes and no device is.
_NO_DEVICES = (
    "CHPID", "CPU", "CU", "DEVICE", "LAN", "PATH", "RELODOMAIN", "STORAGE", "STANDBY", "TIMEZONE", "VSWITCH",
)  # fmt: skip


def taken(statement: Statement) -> Iterator[str]:
    """The device numbers (four digits) that a statement takes."""
    said = view(statement)
    if isinstance(said, Nicdef):
        given = next((number for word, number in said.operands if word == "DEVICES"), "")
        yield from _several(said.address, given)
    elif isinstance(said, Device) and said.kind == "SPECIAL" and _is_adapter(said.devtype):
        yield from _several(said.address, said.rest[0] if said.rest else "")
    elif isinstance(said, Command):
        yield from _by_command(said.text.reveal().upper().replace("'", " ").split())
    elif isinstance(said, source.Link | source.Mdisk | Device) and is_address(said.address):
        yield said.address


def _is_adapter(devtype: str) -> bool:
    return any(is_short(devtype, name, 4) for name in _ADAPTERS)


def _several(first: str, given: str, usual: int = ADAPTER) -> Iterator[str]:
    """So many numbers from one on."""
    if is_address(first):
        count = int(given) if given.isdecimal() else usual
        for number in range(int(first, 16), int(first, 16) + count):
            yield f"{number:04X}"


def _by_command(words: Sequence[str]) -> Iterator[str]:
    """What CP DEFINE, LINK and ATTACH give a machine; a command that is not understood gives nothing."""
    verb, *said = words[1:] if words[:1] == ["CP"] else words or [""]
    if is_short(verb, "DEFINE", 3):
        yield from _defined(said)
    elif is_short(verb, "LINK", 1):
        said = [word for word in said if word not in ("TO", "AS")]
        if len(said) > 2 and is_address(said[2]):
            yield address_of(said[2])
    elif is_short(verb, "ATTACH", 3):
        yield from _attached([word for word in said if word not in ("TO", "AS")])


def _defined(said: Sequence[str]) -> Iterator[str]:
    """``DEFINE type [AS] vdev ...``, ``DEFINE NIC vdev [TYPE] type [DEVICES n]``, ``DEFINE vdev [AS] vdev``."""
    if not said or any(is_short(said[0], name, 3) for name in _NO_DEVICES):
        return
    where = said[2:3] if said[1:2] == ["AS"] else said[1:2]
    if said[0] == "NIC":
        given = next((said[at + 1] for at, word in enumerate(said[:-1]) if at > 1 and is_short(word, "DEVICES", 3)), "")
        yield from _several("".join(where), given)
    elif is_address("".join(where)):
        yield address_of(where[0])


def _attached(said: Sequence[str]) -> Iterator[str]:
    """``ATTACH rdev[-rdev] [TO] user [AS] [vdev]``: at the real devices' numbers, or from ``vdev`` on."""
    first, _, last = said[0].partition("-") if said else ("", "", "")
    if is_address(first) and is_address(last or first):
        count = int(last or first, 16) - int(first, 16) + 1
        yield from _several(said[2] if len(said) > 2 and is_address(said[2]) else first, str(max(count, 1)))
