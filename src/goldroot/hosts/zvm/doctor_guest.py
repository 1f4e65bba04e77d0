"""Points of ``goldroot zvm doctor`` that are asked of the management guest: CP, and the programs of its Linux."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

from goldroot.hosts.zvm.cp import Cp, CpRefused, users
from goldroot.hosts.zvm.doctor import Asked, Point
from goldroot.hosts.zvm.doctor_smapi import (
    authorisations,
    caching,
    cluster,
    comments,
    largest,
    left,
    links,
    names,
    room,
    server,
)
from goldroot.hosts.zvm.elsewhere import RemoteVmcp

#: Programs of s390-tools that make a minidisk a disk of Linux.
PROGRAMS = ("chccwdev", "dasdfmt", "fdasd", "udevadm", "vmcp", "zipl")
_DASD = re.compile(r"^DASD ([0-9A-F]{4})\b", re.MULTILINE)


def guest(asked: Asked) -> Iterator[Point]:
    """Whether CP answers, as whom, and in which privilege class."""
    said = " ".join(asked.cp.command("QUERY USERID").split())
    me = said.split()[0] if said else ""
    yield Point(
        "guest",
        "Does CP answer, and as whom?",
        "well" if me == asked.me else "wrong",
        (said,),
        "" if me == asked.me else f"`guest` in the host's table is {asked.me}: goldroot has to run on that guest.",
    )
    for key, what, command in (
        ("cp-level", "Which level of CP is it?", "QUERY CPLEVEL"),
        ("classes", "Which privilege classes has the management guest?", "QUERY PRIVCLASS"),
    ):
        try:
            yield Point(key, what, "well", tuple(asked.cp.command(command).strip().splitlines()[:4]))
        except CpRefused as error:
            yield Point(key, what, "unknown", (error.text or error.brief,))


def passwords(asked: Asked) -> Iterator[Point]:
    """Whether the management guest needs the passwords of minidisks, which goldroot never gives."""
    entry = asked.manager.read(asked.me)
    parts = [] if entry is None else [entry, *asked.manager.beside(entry)]
    words = {word.upper() for part in parts for one in part.code("OPTION") for word in one.operands}
    allowed = any(word.startswith("LNKNO") for word in words)
    yield Point(
        "passwords",
        "May the management guest link without passwords (OPTION LNKNOPAS)?",
        "well" if allowed else "note",
        ("its entry has the option" if allowed else "its entry does not have the option",),
        "" if allowed else "Without it, and without a security manager that allows each disk, LINK is refused: add it.",
    )


def addresses(asked: Asked) -> Iterator[Point]:
    """Whether goldroot's addresses of the management guest are free."""
    there = set(_DASD.findall(asked.cp.command("QUERY VIRTUAL DASD")))
    taken = sorted(there & set(asked.addresses))
    yield Point(
        "addresses",
        "Are goldroot's addresses of the management guest free?",
        "note" if taken else "well",
        tuple(taken[:20]) or (f"{asked.addresses[0]} to {asked.addresses[-1]}",),
        "Left by a command that was killed (the next one gives it back), or another's: name another range with "
        "link_addresses." if taken else "",
    )  # fmt: skip


def queries(asked: Asked) -> Iterator[Point]:
    """Whether QUERY LINKS is allowed and understood: without it nobody knows who has a disk."""
    there = _DASD.findall(asked.cp.command("QUERY VIRTUAL DASD"))
    if not there:
        yield Point(
            "query-links", "Is QUERY LINKS understood?", "unknown", ("the management guest has no disk to ask about",)
        )
        return
    found = users(asked.cp, there[0])
    mine = any(one.name == asked.me for one in found)
    yield Point(
        "query-links",
        "Is QUERY LINKS allowed and understood?",
        "well" if mine else "wrong",
        (f"{there[0]}: {', '.join(map(str, found)) or 'nobody could be read out of the answer'}",),
        "" if mine else "Its text differs from what goldroot reads: attach `vmcp query links ADDRESS` to a report.",
    )


def flashcopy(asked: Asked) -> Iterator[Point]:
    """FLASHCOPY is only tried by a copy; so only what is configured can be told."""
    yield Point(
        "flashcopy",
        "Is FLASHCOPY there?",
        "unknown",
        (f"live_view is {'flashcopy' if asked.snapshots else 'none'}; it is tried by the first copy, never by doctor",),
        "Needed are a storage server with the feature and a privilege class for FLASHCOPY. Refused: copies are made in Linux, "
        "and disks of running servers are not read.",
    )


def programs(asked: Asked) -> Iterator[Point]:
    """What of s390-tools the management guest has."""
    if asked.simulated:
        yield Point("programs", "Are the programs of s390-tools here?", "unknown", ("a simulator needs none of them",))
        return
    missing = [name for name in PROGRAMS if not has_program(asked.cp, name)]
    yield Point(
        "programs",
        "Are the programs of s390-tools here?",
        "wrong" if missing else "well",
        tuple(f"{name} is missing" for name in missing) or PROGRAMS,
        "Install s390-tools, and load the module vmcp." if missing else "",
    )


def has_program(cp: Cp, name: str) -> bool:
    """Whether the management guest has a program, where goldroot runs or where ssh leads to."""
    return cp.has(name) if isinstance(cp, RemoteVmcp) else shutil.which(name) is not None


#: What only a change can show, and what goldroot does meanwhile.
UNSEEN = {
    "replace": (
        "May Image_Replace_DM move addresses, with passwords masked or not?",
        "Try it on a test guest: goldroot zvm plan, then one update.",
    ),
    "unlock": (
        "Does a replacement always take the lock away, also an asynchronous one?",
        "A lock that stays is found by its note, and given back by the next command.",
    ),
    "async": ("Where does the number of an asynchronous operation stand?", "Both forms are read."),
    "deactivate": (
        "How does a guest that ignores the signal end?",
        "After the patience it is logged off at once (IMMED).",
    ),
}


def never_asked(asked: Asked) -> Iterator[Point]:
    """What only a change can show, so that nobody takes its absence for a good answer."""
    for key, (what, follows) in UNSEEN.items():
        yield Point(key, what, "unknown", ("doctor changes nothing, so it cannot see this",), follows)


#: Key, question, and what asks, in the order of the report.
QUESTIONS = (
    ("server", "Does SMAPI answer?", server),
    ("authorisations", "Which changing calls may it make?", authorisations),
    ("comments", "Does the directory manager keep comments?", comments),
    ("size", "How large is the largest entry?", largest),
    ("names", "Do user IDs with @ # $ come through?", names),
    ("gold-links", "How is gold linked?", links),
    ("cache", "Is gold kept out of the minidisk cache?", caching),
    ("cluster", "Do the other members of the cluster answer?", cluster),
    ("locks", "Is an entry of goldroot's locked?", left),
    ("room", "Has the group room?", room),
    ("guest", "Does CP answer, and as whom?", guest),
    ("passwords", "May the management guest link without passwords?", passwords),
    ("addresses", "Are goldroot's addresses of the management guest free?", addresses),
    ("query-links", "Is QUERY LINKS allowed and understood?", queries),
    ("flashcopy", "Is FLASHCOPY there?", flashcopy),
    ("programs", "Are the programs of s390-tools here?", programs),
    ("changes", "What only a change can show", never_asked),
)
