"""The paths that the server's own texts name: its units, cron tables, mail settings, other texts below /etc, and who runs its scripts.

Taken are words that are absolute paths.  That is more than what must be there; but only what was there before the update and
is gone after it is told.  Left out is what its line itself allows to be missing: ``ExecStart=-/x``, ``[ -x /x ] && /x``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.fstab import MOUNT_POINT
from goldroot.merge.decide.verdict import Verdict
from goldroot.merge.fit.one_tree import PartPlan
from goldroot.merge.refer.view import LIBRARY, MOUNT, NAMED, NAMED_UNIT, Reference
from goldroot.merge.special import CRONTABS
from goldroot.policy import ASK, CONFIG, NOTE, OPAQUE
from goldroot.tree import FILE

_UNIT_FILES = re.compile(
    rb"/etc/systemd/(?:system|user)/(?:[^/]+\.d/[^/]+\.conf|[^/]+\.(?:service|socket|mount|automount|swap|path|timer))",
    re.DOTALL,
)
_CRON_TABLES = re.compile(rb"/etc/(?:crontab|cron\.d/[^/]+)", re.DOTALL)
_POSTFIX = (b"/etc/postfix/main.cf", b"/etc/postfix/master.cf")

#: systemd.service(5), systemd.exec(5), systemd.mount(5): settings whose value names files.
_EXEC = re.compile(rb"Exec(?:Start|Stop|Reload|StartPre|StartPost|StopPost|Condition)")
_PATHS = (b"WorkingDirectory", b"RootDirectory", b"RootImage", b"EnvironmentFile", b"AssertPathExists")
#: Of these each word is a path, or ends with one; a ``-`` before it lets it be missing.
_MANY_PATHS = (
    b"Environment", b"BindPaths", b"BindReadOnlyPaths", b"ReadWritePaths", b"ReadOnlyPaths", b"LoadCredential",
)  # fmt: skip
_A_PATH = re.compile(rb"(?:^|=)[\"']?\+?(/[^\s\"':%*]+)|^[A-Za-z0-9_.-]+:(/[^\s:%*]+)")
#: systemd.unit(5), systemd.timer(5), systemd.socket(5): without these units a unit is not started, or starts nothing.
_NEEDED_UNITS = (b"Requires", b"Requisite", b"BindsTo", b"Unit", b"Service", b"Sockets")
#: Not those that systemd makes itself (devices, slices), mounts, and what has a specifier.
_A_UNIT = re.compile(rb"[^%/\s]+\.(?:service|socket|timer|path|target)")
#: Not ``service.d``, nor ``foo-.service.d``, which are for many units.
_DROP_IN = re.compile(rb"([^/]*[^/.-]\.(?:service|socket|timer|path|mount|automount|swap|target))\.d/")
#: What stands before a program: systemd.service(5), "COMMAND LINES".
_PREFIXES = b"-@:+!|"

_WORD = re.compile(rb"""(?<![^\s;|&()<>"'`={,:])(?P<path>/[^\s;|&()<>"'`={},:]+)""")
#: A path that is looked for first, and one that is only written.
GUARDED = re.compile(rb"(?:\[\s+|\btest\s+)(?:!\s+)?-[a-z]\s+[\"']?(/[^\s\"'\]]+)")
_WRITTEN = re.compile(rb"(?:[12&]?>>?)\s*(/\S+)")

_CRON_LINE = re.compile(rb"\s*(?:@[a-z]+|(?:\S+\s+){4}\S+)\s+(?P<rest>\S.*)", re.DOTALL)
_SETTING = re.compile(rb"\s*[A-Za-z_][A-Za-z0-9_]*\s*=")

#: How Postfix names a table (postfix(1), DATABASE_README) -> the ending of the file that it reads.
_MAPS = {
    b"hash": b".db", b"btree": b".db", b"lmdb": b".lmdb", b"cdb": b".cdb", b"dbm": b".pag", b"sdbm": b".pag",
    b"texthash": b"", b"regexp": b"", b"pcre": b"", b"cidr": b"",
}  # fmt: skip
_MAP = re.compile(rb"(?<![\w-])(?P<kind>%s):(?P<path>/[^\s,;{}]+)" % b"|".join(_MAPS))


class Named(NamedTuple):
    """A path that a line of a file names."""

    path: bytes
    line: bytes  #: what names it, for a person; nothing else of its line, which may hold a secret
    is_point: bool = False  #: something is mounted on it
    level: str = ASK
    is_unit: bool = False  #: ``path`` is ``system/NAME`` or ``user/NAME`` of a unit
    is_library: bool = False  #: ``path`` is what must be in a directory of libraries


Finder = Callable[[bytes], Iterator[Named]]


def finder_of(place: bytes) -> Finder | None:
    """What finds the paths that a file of the system names; ``None`` where nothing is looked for in it."""
    if _UNIT_FILES.fullmatch(place):
        return lambda content: chain(_of_unit(content), _units_in(place, content))
    if _CRON_TABLES.fullmatch(place):
        return lambda content: _of_cron(content, has_user=True)
    if place.startswith(CRONTABS[-1]):
        return lambda content: _of_cron(content, has_user=False)
    return _of_postfix if place in _POSTFIX else None


def _of_unit(content: bytes) -> Iterator[Named]:
    for line in re.sub(rb"\\\n", b" ", content).split(b"\n"):
        name, equals, value = (part.strip() for part in line.partition(b"="))
        if not equals or name.startswith((b"#", b";")):
            continue
        if _EXEC.fullmatch(name):
            command = value.lstrip(_PREFIXES)
            if b"-" not in value[: len(value) - len(command)]:
                yield from (Named(path, name + b"=" + path) for path in words_of(command))
        elif name in _PATHS and value.startswith(b"/"):
            yield Named(value, name + b"=" + value)
        elif name in _MANY_PATHS:
            for word in value.split():
                if found := _A_PATH.search(word):
                    path = found[1] or found[2]
                    yield Named(path.rstrip(b"/") or b"/", name + b"=" + path)
        elif name == b"What" and value.startswith(b"/") and not value.startswith((b"/dev/", b"//")):
            yield Named(value, b"What=" + value)
        elif name == b"Where" and value.startswith(b"/"):
            yield Named(value.rstrip(b"/") or b"/", b"Where=" + value, is_point=True)


def _units_in(place: bytes, content: bytes) -> Iterator[Named]:
    """The units that another unit cannot do without, and the one that a drop-in is for."""
    scope, _, name = place.removeprefix(b"/etc/systemd/").partition(b"/")
    if found := _DROP_IN.match(name):
        yield Named(scope + b"/" + found[1], name, is_unit=True)
    for line in content.split(b"\n"):
        setting, equals, value = (part.strip() for part in line.partition(b"="))
        for unit in value.split() if equals and setting in _NEEDED_UNITS else ():
            if _A_UNIT.fullmatch(unit):
                yield Named(scope + b"/" + unit, setting + b"=" + unit, is_unit=True)


def _of_cron(content: bytes, *, has_user: bool) -> Iterator[Named]:
    """crontab(5); the system's own tables have a user before the command."""
    for line in content.split(b"\n"):
        found = None if line.lstrip().startswith(b"#") or _SETTING.match(line) else _CRON_LINE.fullmatch(line)
        if found is None:
            continue
        command = found["rest"].split(None, 1)[-1] if has_user else found["rest"]
        yield from (Named(path, path) for path in words_of(command))


def words_of(command: bytes) -> Iterator[bytes]:
    """The absolute paths of a command, but for those that it looks for itself, or writes."""
    left = {*GUARDED.findall(command), *_WRITTEN.findall(command)}
    for found in _WORD.finditer(command):
        path = found["path"]
        if path not in left and not re.search(rb"[%$*?\[\\]", path):
            yield path.rstrip(b"/") or b"/"


def _of_postfix(content: bytes) -> Iterator[Named]:
    for line in content.split(b"\n"):
        if not line.startswith(b"#"):
            for found in _MAP.finditer(line):
                yield Named(found["path"] + _MAPS[found["kind"]], found["kind"] + b":" + found["path"])


# -- Other texts below /etc. A web server does not start without a file that it includes, nobody logs in by a PAM module that
# is gone, a volume is not opened without its key, and a script is not run without its interpreter: these are asked about.
# Any other path in a setting is told, as nobody knows whether it must be there.

#: A person's setting is not longer (bytes).
LARGEST = 1 << 18

#: Tables with finders or mergers of their own, and texts in which a path is not a need.
_OTHERS = (
    b"/etc/systemd/", b"/etc/fstab", b"/etc/passwd", b"/etc/group", b"/etc/shadow", b"/etc/gshadow", b"/etc/shells", b"/etc/motd",
    b"/etc/issue", b"/etc/mtab", b"/etc/alternatives/", b"/etc/ld.so.cache", b"/etc/.git/", b"/etc/ssl/certs/", b"/etc/skel/",
)  # fmt: skip
#: Here a path that is missing does no harm: what may be done with it, or is to be watched.
_LENIENT = (
    b"/etc/apparmor", b"/etc/sudoers", b"/etc/logrotate", b"/etc/audit", b"/etc/aide", b"/etc/updatedb.conf", b"/etc/rkhunter",
    b"/etc/security/", b"/etc/ld.so.preload", b"/etc/profile", b"/etc/bash", b"/etc/default/locale", b"/etc/etckeeper/",
)  # fmt: skip
#: Filled and emptied while the system runs.
_PASSING = (b"/var/cache/", b"/var/run/", b"/var/lock/", b"/var/tmp/", b"/var/spool/", b"/var/log/")

_SCRIPTS = re.compile(rb"/usr/local/s?bin/[^/]+", re.DOTALL)
_INTERPRETER = re.compile(rb"#![ \t]*(/\S+)(?:[ \t]+(?:-S[ \t]+)?([^\s/=-][^\s/=]*)?)?")

#: First words of lines that read, load or run a file.
_NEEDS = re.compile(
    rb"\W*(?:[\w.-]*(?:include|load|module|cert|key|exec|command|program|script|plugin|extension|daemon|library|interpreter"
    rb"|source|file)[\w.-]*|\.)(?=[\s=:])",
    re.IGNORECASE,
)
#: What says of itself that it may be missing: IncludeOptional, !include_try.
_MAY_BE_MISSING = re.compile(rb"\W*\w*(?:optional|_try|tryinclude)|\W*-include", re.IGNORECASE)
_INCLUDE = re.compile(rb"\s*[!@$]?include\w*\s+[\"']?([A-Za-z0-9_][^\s\"';*?\[]*)[\"']?\s*;?\s*", re.IGNORECASE)
_STATEMENT = re.compile(rb"[{};]")
_REMARK = (b"#", b";", b"//")


#: In glibc itself.
_BUILT_IN = (b"files", b"dns")
_PAM = re.compile(rb"\s*(?:(?:auth|account|password|session)\s+(?P<control>\[[^\]]*\]|\S+)|@include)\s+(?P<what>\S+)")


def is_text_of_interest(place: bytes) -> bool:
    """Whether paths are looked for in a text at this place."""
    return _finder_of(place) is not None


def named_in_text(place: bytes, content: bytes, gold: bytes) -> Iterator[Named]:
    """The paths that the lines name that gold's text of that name has not, and that are not named there in other lines.

    :param gold: gold's text; empty where it has none.
    """
    find = _finder_of(place)
    if find is None or b"\0" in content[:8192]:
        return
    golds = set(_lines(gold))
    # Whose the first line is says what runs a script.
    own = b"\n".join(line for line in _lines(content) if line not in golds or line.startswith(b"#!"))
    guarded: set[bytes] | None = None
    for named in find(own):
        if guarded is None:
            guarded = set(GUARDED.findall(content))
        word = named.line if find in (_of_pam, _of_nsswitch) else named.path
        if named.path not in guarded and not re.search(re.escape(word) + rb"(?![\w.-])", gold):
            yield named


def _lines(content: bytes) -> list[bytes]:
    return content.replace(b"\\\n", b" ").split(b"\n")


def _finder_of(place: bytes) -> Finder | None:
    if _SCRIPTS.fullmatch(place):
        return _of_script
    if not place.startswith(b"/etc/") or place.startswith(_OTHERS):
        return None
    if place.startswith(b"/etc/pam.d/"):
        return _of_pam
    return _TABLES.get(place) or partial(_of_text, place)


def _of_script(content: bytes) -> Iterator[Named]:
    found = _INTERPRETER.match(content)
    if found is None:
        return
    yield Named(found[1], b"#!" + found[1])
    if found[1].endswith(b"/env") and found[2]:
        yield Named(b"/usr/bin/" + found[2], b"#!" + found[1] + b" " + found[2])


def _of_pam(content: bytes) -> Iterator[Named]:
    """pam.conf(5); a ``-`` before the type, and ``optional``, let a module be missing."""
    for line in content.split(b"\n"):
        found = _PAM.match(line)
        if found is None or found["control"] == b"optional":
            continue
        what = found["what"]
        if found["control"] in (b"include", b"substack", None):
            yield Named(what if what.startswith(b"/") else b"/etc/pam.d/" + what, what)
        elif what.startswith(b"/"):
            yield Named(what, what)
        else:
            yield Named(b"security/" + what, what, is_library=True)


def _of_crypttab(content: bytes) -> Iterator[Named]:
    """crypttab(5)."""
    for line in content.split(b"\n"):
        fields = line.split()
        if len(fields) > 2 and not fields[0].startswith(b"#"):
            options = fields[3].split(b",") if len(fields) > 3 else []
            level = NOTE if {b"nofail", b"noauto"} & {*options} else ASK
            paths = [fields[2], *(option.partition(b"=")[2] for option in options if option.startswith(b"header="))]
            said = b" ".join(fields[:2])
            yield from (
                Named(path, said, level=level) for path in paths if path.startswith(b"/") and not _is_made(path)
            )


def _of_nsswitch(content: bytes) -> Iterator[Named]:
    """nsswitch.conf(5): without its module nobody of that source is known; who is asked for names of hosts can be missing."""
    for line in content.split(b"\n"):
        database, _, sources = line.partition(b"#")[0].partition(b":")
        level = ASK if database.strip() in (b"passwd", b"group", b"shadow", b"sudoers", b"automount") else NOTE
        for source in re.sub(rb"\[[^\]]*\]", b" ", sources).split():
            if source not in _BUILT_IN:
                yield Named(b"libnss_%s.so.2" % source, source, level=level, is_library=True)


_TABLES = {b"/etc/crypttab": _of_crypttab, b"/etc/nsswitch.conf": _of_nsswitch}


def _of_text(place: bytes, content: bytes) -> Iterator[Named]:
    yield from _of_script(content)
    is_script = content.startswith(b"#!")
    may_need = not is_script and not place.startswith(_LENIENT)
    for line in content.split(b"\n"):
        if (b"/" not in line and b"nclude" not in line) or line.lstrip().startswith(_REMARK):
            continue
        for said in [line] if is_script else _STATEMENT.split(line):
            yield from _of_statement(place, said.strip(), may_need=may_need)


def _of_statement(place: bytes, said: bytes, *, may_need: bool) -> Iterator[Named]:
    paths = [path for path in words_of(said) if not _is_made(path)] if b"/" in said else []
    needs = may_need and _NEEDS.match(said) is not None
    if (paths or needs) and not _MAY_BE_MISSING.match(said):
        yield from (Named(path, path, level=ASK if needs else NOTE) for path in paths)
        if needs and (found := _INCLUDE.fullmatch(said)):
            yield from _relative(place, found[1])


def _relative(place: bytes, name: bytes) -> Iterator[Named]:
    """What a text includes by a relative path: from its own directory, or from that of its program in /etc."""
    own, top = place.rpartition(b"/")[0], b"/".join(place.split(b"/")[:3])
    yield from (Named(directory + b"/" + name, name) for directory in dict.fromkeys((own, top)) if directory != place)


def _is_made(path: bytes) -> bool:
    return path.startswith((b"/dev/", b"/proc/", b"/sys/", b"/run/", b"/tmp/", *_PASSING)) or path.count(b"/") < 2


# -- Which texts are looked at, and what they refer to

#: Nobody's unit is larger (bytes).
_LARGEST = 1 << 20


def files_of(one: PartPlan) -> Iterator[bytes]:
    """Paths in the trees of files that end as the server's, or merged, and may name others."""
    for path, verdict in one.decided.verdicts.items():
        want, gold = verdict.want, one.decided.comparison.deltas[path][GOLD_SIDE]
        if want is None or want.kind != FILE or (gold is not None and gold.content == want.content):
            continue
        if _is_looked_at(one, path, verdict) and not any(c.axis == "content" for c in verdict.conflicts):
            yield path
    spool = one.part.inside(CRONTABS[-1].rstrip(b"/"))
    for entry in one.part.trees[CLONE_SIDE].manifest.below(spool) if spool is not None else ():
        is_table = entry.kind == FILE and one.part.place(entry.path).rpartition(b"/")[0] + b"/" in CRONTABS
        is_own = entry.path not in one.decided.verdicts and one.side_over(entry.path) == CLONE_SIDE
        if is_table and is_own and entry.size <= _LARGEST:
            yield entry.path


def _is_looked_at(one: PartPlan, path: bytes, verdict: Verdict) -> bool:
    place = one.part.place(path)
    if finder_of(place) is not None:
        return True
    if verdict.conflicts or "presence" in verdict.decided:
        return False  # whether the text is there at all is asked, or was
    rows, rule = one.decided.comparison.deltas[path], one.decided.comparison.rules[path]
    small = all(row is None or row.size <= LARGEST for row in rows)
    return small and rule.cls in (CONFIG, OPAQUE) and not rule.secret and is_text_of_interest(place)


def _named(place: bytes, content: bytes, gold: bytes) -> Iterator[Named]:
    """What a file names and gold's does not; of Postfix's settings there are tables, and others as in any text."""
    find = finder_of(place)
    if find is not None:
        golds = {named.path for named in find(gold)} if gold else set()
        yield from (named for named in find(content) if named.path not in golds)
    if find is None or place.startswith(b"/etc/postfix/"):
        yield from named_in_text(place, content, gold)


def named_in(place: bytes, content: bytes, gold: bytes) -> Iterator[Reference]:
    """The paths that a file names and gold's file of that name does not."""
    is_noted = place.startswith(CRONTABS[-1])
    found: dict[bytes, Named] = {}
    for named in _named(place, content, gold):
        if named.path not in found or named.level == ASK:
            found[named.path] = named
    for named in found.values():
        kind = MOUNT if named.is_point else NAMED_UNIT if named.is_unit else LIBRARY if named.is_library else NAMED
        who = MOUNT_POINT if named.is_point else place
        yield Reference(kind, place, named.path, named.path, place, NOTE if is_noted else named.level, who, named.line)
