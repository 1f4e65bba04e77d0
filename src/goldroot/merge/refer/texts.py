"""The paths that the server's other texts below /etc name, and the programs that run its scripts.

A web server does not start without a file that it includes, nobody logs in by a PAM module that is gone, a volume is not opened
without its key, and a script is not run without its interpreter: these are asked about.  Any other path in a setting is told, as
nobody knows whether it must be there; and only what was there before the update and is gone after it counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from goldroot.merge.refer.commands import GUARDED, Finder, Named, words_of
from goldroot.policy import ASK, NOTE

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
