"""Broken references as questions and notes: one for each cause, and what an answer does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from goldroot.conflicts import CLONE, GOLD, Conflict
from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.units import UNIT_GONE, newer_beside, unit_delta
from goldroot.merge.decide.verdict import CONFLICT, Setting, Verdict, settle_conflict, want_of
from goldroot.merge.fit.alternatives import slaves_of
from goldroot.merge.fit.one_tree import PartPlan
from goldroot.merge.refer.refer import FSTAB, Asked, Broken, Referrer, read_side
from goldroot.merge.refer.view import (
    ALTERNATIVE,
    LIBRARY,
    MOUNT,
    NAMED,
    NAMED_UNIT,
    RESOLVER,
    SHELL,
    UNIT,
    Reference,
)
from goldroot.policy import ASK
from goldroot.tree import DIRECTORY, FILE, Note, path_text, some_paths

AXIS = "reference"
#: Kind of the conflict and of the note.
BROKEN: Final = "reference-broken"

#: Where update-alternatives keeps its records.
_RECORDS = (b"var/lib/dpkg/alternatives", b"var/lib/alternatives")


def ask_about(parts: Sequence[PartPlan], settings: Sequence[Setting], broken: Iterable[Broken]) -> Asked:
    """Ask one question for each cause, or note it; carry out what was answered, in the parts.

    On the way back nothing is asked.
    """
    asked = Asked()
    for group in _groups(parts, broken):
        level = ASK if any(one.reference.level == ASK for one in group) else ""
        if level != ASK or settings[0].going_back:
            asked.notes.append(_note(group))
        else:
            _ask(parts, settings, group, asked)
    return asked


def _groups(parts: Sequence[PartPlan], broken: Iterable[Broken]) -> Iterator[list[Broken]]:
    """References that are gone for one reason, each group in the order of paths.

    Of alternatives, those of a master's manual pages belong to it.  A note is about a whole class of places (/home), a question
    about one unit (a site below /srv), a link of configuration about what all that lead to it miss.
    """
    groups: dict[tuple[object, ...], list[Broken]] = {}
    found = list(broken)
    slaves = _slaves(parts) if any(one.reference.kind == ALTERNATIVE for one in found) else {}
    for one in sorted(found, key=lambda one: (one.reference.path, one.reference.who)):
        reference = one.reference
        if reference.kind == ALTERNATIVE and _is_slave(reference.path, reference.text, slaves):
            continue
        if reference.kind in (UNIT, ALTERNATIVE):
            cause: tuple[object, ...] = (
                reference.kind,
                reference.subject,
                reference.kind == ALTERNATIVE and reference.path,
            )
        elif reference.kind == SHELL:
            cause = (reference.kind, one.place, reference.level)
        elif reference.kind in (MOUNT, RESOLVER):
            cause = (reference.kind, one.place)
        elif reference.kind in (NAMED_UNIT, LIBRARY):
            cause = (reference.kind, reference.subject)
        elif reference.kind == NAMED:
            cause = (reference.kind, one.cause, reference.level)
        elif reference.group:
            cause = (reference.kind, _place_of(reference))
        else:
            cause = (reference.kind, one.cause)
        groups.setdefault(cause, []).append(one)
    yield from groups.values()


def _slaves(parts: Sequence[PartPlan]) -> Mapping[bytes, bytes]:
    """Slave -> master of the alternatives of the server, as update-alternatives(1) keeps them: the mode, the master's link,
    then a name and a link for each slave, to the first empty line."""
    found: dict[bytes, bytes] = {}
    for one in parts:
        tree = one.part.trees[CLONE_SIDE]
        for directory in _RECORDS:
            inside = one.part.inside(b"/" + directory)
            for entry in tree.manifest.below(inside) if inside is not None else ():
                if entry.kind == FILE:
                    lines = read_side(one, CLONE_SIDE, entry.path).split(b"\n")
                    end = lines.index(b"") if b"" in lines else len(lines)
                    name = entry.path.rpartition(b"/")[2]
                    found.update(dict.fromkeys(lines[2:end:2], name))
    return found


def _is_slave(path: bytes, text: bytes, slaves: Mapping[bytes, bytes]) -> bool:
    """Without a record of the name, a manual page is taken for a slave."""
    return path.rpartition(b"/")[2] in slaves or b"/man/" in text


def _place_of(reference: Reference) -> bytes:
    """Where one asks about links of a state unit: at the unit; where one notes them: at what holds the units."""
    noted = reference.level != ASK and reference.kind not in (SHELL, MOUNT, NAMED, LIBRARY)
    return reference.group.rpartition(b"/")[0] if noted else reference.group


def _head(group: Sequence[Broken]) -> bytes:
    return _place_of(group[0].reference) or group[0].reference.path


def _words(group: Sequence[Broken]) -> str:
    first = group[0].reference
    places = sorted({one.place for one in group})
    place = some_paths(places)
    if first.kind == SHELL:
        names = some_paths([one.reference.who for one in group])
        said = f"the login shell {place} is gone in the new system"
        return f"{said}, and {names} {'has' if len(group) == 1 else 'have'} it"
    lines = some_paths(list(dict.fromkeys(one.reference.line for one in group)))
    if first.kind == MOUNT and first.path == FSTAB:
        uses = some_paths(sorted({one.reference.who for one in group}))
        return f"fstab names {place} ({uses}), which is gone in the new system; {lines}"
    if first.kind in (MOUNT, NAMED, LIBRARY):
        files = some_paths(sorted({one.reference.path for one in group}))
        return f"the server's {files} names {place} ({lines}), which {'is' if len(places) == 1 else 'are'} gone in the new system"
    if first.kind == NAMED_UNIT:
        unit = path_text(first.text.partition(b"/")[2])
        return f"the server's units need {unit} ({lines}), and the new system has no unit of that name"
    if first.kind == RESOLVER:
        return f"it leads to {path_text(first.text)}, and what makes that ({place}) is gone in the new system"
    more = (
        f" ({some_paths([one.reference.path for one in group])})"
        if len(group) > 1 or _head(group) != first.path
        else ""
    )
    if first.kind == UNIT:
        return f"the server enables {path_text(first.text)}{more}, and the new system has no unit of that name"
    are = "is" if len(places) == 1 else "are"
    return f"the server links to {place}{more}, which {are} gone in the new system"


def _note(group: Sequence[Broken]) -> Note:
    return Note(BROKEN, _head(group), _words(group), {"references": len(group)})


def _ask(parts: Sequence[PartPlan], settings: Sequence[Setting], group: Sequence[Broken], asked: Asked) -> None:
    setting = settings[0]
    links = [one.link for one in group if one.link is not None]
    can_take = len(links) == len(group) and all(_can_take(parts[number], path) for number, path in links)
    answers = (CLONE, GOLD) if can_take else (CLONE,)
    stands = setting.prefer if setting.prefer in answers else CLONE
    secret = any(_is_secret(parts[number], path) for number, path in links)
    values = (_together(one.place for one in group), b"", _together(one.reference.text for one in group))
    conflict = Conflict(_head(group), AXIS, BROKEN, values, answers, stands, _words(group), secret)
    verdict = Verdict(None, CONFLICT)
    answer, _ = settle_conflict(verdict, conflict, setting)
    asked.conflicts += verdict.conflicts
    for number, path in links:
        if answer == GOLD:
            _take_gold(parts[number], path, settings[number], verdict)
            if group[0].reference.kind == ALTERNATIVE:
                _take_slaves(parts[number], path, settings[number], verdict, parts)
        elif verdict.decided and path in parts[number].decided.verdicts:
            parts[number].decided.verdicts[path].decided[AXIS] = answer


def _take_slaves(one: PartPlan, master: bytes, setting: Setting, asked: Verdict, parts: Sequence[PartPlan]) -> None:
    """The slaves of a master that becomes what gold has become so, too."""
    above, _, name = master.rpartition(b"/")
    for slave in sorted(slaves_of((each.part for each in parts), name)):
        path = above + b"/" + slave
        _, gold, clone = one.part.rows(path)
        settled = path in one.decided.verdicts and one.decided.verdicts[path].conflicts
        if gold != clone and not settled and _can_take(one, path) and path in one.decided.comparison.deltas:
            _take_gold(one, path, setting, asked)


def _together(values: Iterable[bytes]) -> bytes:
    return b"\0".join(sorted(set(values)))


def _is_secret(one: PartPlan, path: bytes) -> bool:
    rule = one.decided.comparison.rules.get(path)
    return rule is not None and rule.secret


def _can_take(one: PartPlan, path: bytes) -> bool:
    """Whether a link can become what gold has there; a directory would be one without what is in it."""
    gold = one.part.trees[GOLD_SIDE].manifest.get(path)
    return gold is None or gold.kind != DIRECTORY


def _take_gold(one: PartPlan, path: bytes, setting: Setting, asked: Verdict) -> None:
    """A link becomes what gold has at its place; nothing, and it goes."""
    comparison, rows = one.decided.comparison, one.part.rows(path)
    gold = rows[GOLD_SIDE]
    want = None if gold is None else want_of(gold, setting.names[GOLD_SIDE], GOLD_SIDE)
    if path not in comparison.deltas:
        top = next(unit for unit in comparison.units.values() if path == unit.path or path.startswith(unit.path + b"/"))
        comparison.add(path, rows, unit_delta(comparison, top).rule)
    word = CONFLICT if asked.conflicts else GOLD
    one.decided.verdicts[path] = Verdict(want, word, {AXIS: word}, decided=dict(asked.decided))


# -- The port that two versions of one service would both take: said where gold deleted the state of the older one

#: ``port = 5432`` in postgresql.conf, ``port=3306`` in my.cnf, ``port 6379`` in redis.conf.
_PORT = re.compile(rb"^[ \t]*port[ \t]*[=: \t][ \t]*'?([0-9]{1,5})\b", re.MULTILINE | re.IGNORECASE)
_ENDINGS = (b".conf", b".cnf")
#: So many files of one configuration are read.
_MOST = 32
#: Configuration is smaller (bytes).
_LARGEST = 1 << 20

_STATE, _CONFIGURATION = b"/var/lib/", b"/etc/"


def say_ports(parts: Sequence[PartPlan], referrer: Referrer) -> None:
    """Add to each question about a deleted unit the port that its configuration and a newer one's both name, in place."""
    for one in parts:
        for path, verdict in one.decided.units.items():
            if verdict.conflict is None or verdict.conflict.kind != UNIT_GONE:
                continue
            own = _ports(parts, referrer, one.part.place(path))
            for beside in newer_beside(one.decided.comparison, path) if own else ():
                if both := own & _ports(parts, referrer, one.part.place(beside)):
                    ports = ", ".join(sorted(port.decode() for port in both))
                    detail = f"{verdict.conflict.detail}; both are configured for port {ports}"
                    verdict.conflict = replace(verdict.conflict, detail=detail)


def _ports(parts: Sequence[PartPlan], referrer: Referrer, state: bytes) -> set[bytes]:
    """The ports in the configuration of a state directory: /etc/postgresql/15 for /var/lib/postgresql/15."""
    if not state.startswith(_STATE):
        return set()
    directory = _CONFIGURATION + state[len(_STATE) :]
    return {port for place in _files(parts, directory) for port in _PORT.findall(referrer.content(place, None))}


def _files(parts: Sequence[PartPlan], directory: bytes) -> Iterator[bytes]:
    found = {
        one.part.place(entry.path)
        for one in parts
        if (inside := one.part.inside(directory)) is not None
        for tree in one.part.trees
        for entry in tree.manifest.below(inside)
        if entry.kind == FILE and entry.path.endswith(_ENDINGS) and entry.size <= _LARGEST
    }
    yield from sorted(found)[:_MOST]
