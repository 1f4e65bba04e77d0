"""Files that a server removed and gold has at another place with a change: told by their versions, or by likeness where the
server only renamed its own.

A pool of php-fpm that the server renamed, and that gold ships for the next version (``8.2/fpm/pool.d/www.conf`` and
``8.4/fpm/pool.d/www.conf``, with another socket), would be started again beside the server's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.gone_paths import removed_paths
from goldroot.merge.decide.moved_to import NewPlaces
from goldroot.merge.decide.verdict import Decided, Setting
from goldroot.merge.decide.versions import without_versions
from goldroot.merge.memory import Memory
from goldroot.policy import CONFIG
from goldroot.tree import FILE

#: Of so many files it is looked for what the server renamed them to; one that removed more has removed packages.
_MOST = 64


def renamed_files(
    decided: Decided, setting: Setting, added: Iterable[bytes]
) -> Iterator[tuple[tuple[bytes, bytes], bytes, bytes]]:
    """(cause, place before, path now) of texts of configuration.

    :param added: paths that gold added and nobody asks about.
    """
    comparison, memory = decided.comparison, setting.memory
    texts = {path for path in added if comparison.rules[path].cls == CONFIG and _kind(decided, path) == FILE}
    if not texts:
        return
    removed = _removed_texts(decided)
    versions = {without_versions(path) for path in texts}
    again = {path for path in removed if without_versions(path) in versions}
    # What the server renamed is told by likeness, which reads what it added.
    looked_for = removed if len(removed) <= _MOST else [path for path in removed if path in again]
    sizes = [row.size for path in looked_for if (row := comparison.deltas[path][BASE_SIDE]) is not None]
    renamed = dict(_renamed_before(decided, memory))
    sizes += [row.size for path in renamed if (row := comparison.deltas[path][CLONE_SIDE]) is not None]
    places = NewPlaces(decided, setting, sizes, frozenset(path.split(b"/")[0] for path in (*looked_for, *renamed)))
    for path in looked_for:
        delta = comparison.delta(path)
        new = places.of_version(delta, GOLD_SIDE) if path in again else None
        if new is None and len(removed) <= _MOST and places.of(delta, CLONE_SIDE) is not None:
            new = places.of(delta, GOLD_SIDE)
        if new in texts and new is not None:
            yield (b"renamed " + path, new), delta.place, new
    yield from _remembered(decided, setting, texts)
    for path, old in renamed.items():
        new = places.like(comparison.delta(path), CLONE_SIDE, GOLD_SIDE)
        if new is not None and new in texts:
            yield (b"renamed " + old, new), old, new


def renamed_by_server(decided: Decided, setting: Setting) -> dict[bytes, bytes]:
    """The texts of configuration that the server renamed, of those that neither gold nor it has at the old path any more -> where
    it has them."""
    removed = _removed_texts(decided)
    comparison = decided.comparison
    if not removed or len(removed) > _MOST:
        return {}
    sizes = [row.size for path in removed if (row := comparison.deltas[path][BASE_SIDE]) is not None]
    places = NewPlaces(decided, setting, sizes, frozenset(path.split(b"/")[0] for path in removed))
    found = ((path, places.of(comparison.delta(path), CLONE_SIDE)) for path in removed)
    return {path: now for path, now in found if now is not None}


def _removed_texts(decided: Decided) -> list[bytes]:
    return [
        delta.path
        for delta, base in removed_paths(decided)
        if base.kind == FILE and base.size and delta.rule.cls == CONFIG
    ]


def _renamed_before(decided: Decided, memory: Memory) -> Iterator[tuple[bytes, bytes]]:
    """(path at which the server has it, place before) of texts that it renamed, and that neither base nor gold has there."""
    part, comparison = decided.comparison.part, decided.comparison
    for _, one in memory.paths():
        path = part.inside(one.now) if one.now else None
        if path is None or path not in comparison.deltas or comparison.rules[path].cls != CONFIG:
            continue
        base, gold, _ = comparison.deltas[path]
        if base is None and gold is None:
            yield path, one.place


def _remembered(
    decided: Decided, setting: Setting, texts: Iterable[bytes]
) -> Iterator[tuple[tuple[bytes, bytes], bytes, bytes]]:
    """Of what the server removed before, only the place is known, and that nothing else has its version there."""
    part = decided.comparison.part
    known = {without_versions(one.place): one.place for _, one in setting.memory.paths() if one.content}
    for path in sorted(texts) if known else ():
        place = part.place(path)
        old = known.get(without_versions(place))
        inside = part.inside(old) if old is not None else None
        if old is not None and old != place and inside is not None and not any(part.rows(inside)):
            yield (b"renamed " + old, path), old, path


def _kind(decided: Decided, path: bytes) -> str:
    row = decided.comparison.deltas[path][GOLD_SIDE]
    return "" if row is None else row.kind
