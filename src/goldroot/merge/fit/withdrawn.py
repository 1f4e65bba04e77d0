"""Trust that gold withdrew, and that the server keeps at a place of its own: certificate authorities, and keys of sshd."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from goldroot.conflicts import CLONE, Conflict
from goldroot.files import digest_of
from goldroot.merge.compare.compare import Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Names, read_unless_torn
from goldroot.merge.decide.contents import reader_of
from goldroot.merge.decide.line_sets import blobs_of, is_key_file
from goldroot.merge.decide.verdict import Rebuild
from goldroot.merge.fit.one_tree import PartPlan, ResultFiles
from goldroot.merge.special import DEBIAN_BUNDLE, REDHAT_BUNDLE, SUSE_BUNDLE
from goldroot.policy import LINES, Policy
from goldroot.tree import FILE, Note, path_text

# -- Certificate authorities: after the rebuild of the store they must be gone, or a person was asked. A store is made from
# what the system ships and from what the server put beside it. Gold's own certificates leave it with the rebuild, so a
# server is not switched before that has succeeded. One that the server itself keeps among its own would come back with
# the rebuild: that is its administrator's choice, and is asked about once.

WITHDRAWN_CA: Final = "withdrawn-ca"

#: No certificate's file is larger; a bundle of all authorities has a quarter of this.
MAX_SIZE = 1 << 20


class Store(NamedTuple):
    """A bundle of all authorities, and where a server keeps its own."""

    bundle: bytes
    own: tuple[bytes, ...]


STORES = (
    Store(DEBIAN_BUNDLE, (b"/usr/local/share/ca-certificates",)),  # Debian, Ubuntu
    Store(SUSE_BUNDLE, (b"/etc/pki/trust/anchors", b"/usr/local/share/pki/trust/anchors")),  # SUSE
    Store(REDHAT_BUNDLE, (b"/etc/pki/ca-trust/source/anchors",)),  # Red Hat
)

_PEM = re.compile(rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END (?:TRUSTED )?CERTIFICATE-----")


def withdrawn_authorities(parts: Sequence[PartPlan], policy: Policy) -> Iterator[Conflict]:
    """Ask about each authority that gold withdrew and the server keeps; note in the parts which stores have to be made again."""
    for store in STORES:
        found = next(((one, path) for one in parts if (path := _inside(one, store.bundle)) is not None), None)
        if found is None:
            continue
        one, path = found
        gone = _withdrawn(one, path)
        if not gone:
            continue
        rule = policy.match(store.bundle)
        if rule.rebuild:
            one.decided.rebuilds[path] = Rebuild(
                rule.rebuild, f"gold withdrew {len(gone)} of its authorities: to be made again by: {rule.rebuild}"
            )
        for place in store.own:
            for other in parts:
                yield from _kept(other, place, gone, policy)


def certificates(content: bytes) -> set[bytes]:
    """The certificates of a file, in PEM or DER, each as its DER bytes."""
    found = set()
    for match in _PEM.finditer(content):
        try:
            found.add(base64.b64decode(b"".join(match[1].split())))
        except (binascii.Error, ValueError):
            continue
    return found or ({content} if content[:1] == b"\x30" else set())


def _inside(one: PartPlan, place: bytes) -> bytes | None:
    """A place's path in a part whose trees hold it on any side."""
    prefix = one.part.place(b"").rstrip(b"/") + b"/"
    path = place[len(prefix) :] if place.startswith(prefix) else None
    return path if path is not None and any(one.part.rows(path)) else None


def _withdrawn(one: PartPlan, path: bytes) -> set[bytes]:
    base, gold, _ = rows = one.decided.comparison.deltas.get(path, (None, None, None))
    if base is None or gold is None or base.kind != FILE or gold.kind != FILE or base.content == gold.content:
        return set()
    delta = Delta(path, one.part.place(path), rows, one.decided.comparison.rules[path])
    was, now = (certificates(reader_of(one.part)(delta, side)) for side in (BASE_SIDE, GOLD_SIDE))
    return was - now


def _kept(one: PartPlan, place: bytes, gone: set[bytes], policy: Policy) -> Iterator[Conflict]:
    """The server's own files that hold one of these authorities."""
    directory = _inside(one, place)
    if directory is None:
        return
    read = reader_of(one.part)
    for row in one.part.trees[CLONE_SIDE].manifest.below(directory):
        base, gold, _ = one.part.rows(row.path)
        if row.kind != FILE or row.size > MAX_SIZE or base is not None or gold is not None:
            continue  # what gold put there is gold's to take away
        where = one.part.place(row.path)
        delta = Delta(row.path, where, (None, None, row), policy.match(where))
        held = certificates(read(delta, CLONE_SIDE)) & gone
        if held:
            yield Conflict(
                where, WITHDRAWN_CA, WITHDRAWN_CA, (b"", digest_of(sorted(held)), b""), (CLONE,), CLONE,
                "gold withdrew this certificate authority, and the server keeps it among its own: it stays trusted",
            )  # fmt: skip


# -- Keys of sshd: access that gold took away goes from the list in which gold had it. Where the server has the key
# elsewhere, too, for another account or in the same one's second list, that is its administrator's choice: it stays, and
# is told.

WITHDRAWN_KEY: Final = "withdrawn-key-elsewhere"


def withdrawn_keys(parts: Sequence[PartPlan], names: Names) -> Iterator[Note]:
    """A note for each list of the result that has a key that gold withdrew from another one."""
    withdrawn: dict[bytes, bytes] = {}  #: blob -> from where
    lists = []
    for one in parts:
        for path, verdict in one.decided.verdicts.items():
            rule, place = one.decided.comparison.rules[path], one.part.place(path)
            if rule.cls != LINES or not is_key_file(place):
                continue
            base, gold = _keys(one, path, BASE_SIDE), _keys(one, path, GOLD_SIDE)
            withdrawn.update(dict.fromkeys(base - gold, place))
            if verdict.want is not None and verdict.want.kind == FILE:
                lists.append((place, base | gold))
    files = ResultFiles(parts, names)
    for place, had in lists if withdrawn else ():
        there = blobs_of(files.text(place) or b"") - had
        for blob in sorted(there & withdrawn.keys()):
            if withdrawn[blob] != place:
                text = f"it has a key that gold withdrew from {path_text(withdrawn[blob])}"
                yield Note(WITHDRAWN_KEY, place, text, {"from": path_text(withdrawn[blob])})


def _keys(one: PartPlan, path: bytes, side: int) -> set[bytes]:
    row = one.decided.comparison.deltas[path][side]
    if row is None or row.kind != FILE:
        return set()
    return blobs_of(read_unless_torn(one.part.trees[one.part.source(side, path)], path) or b"")
