"""One setting that a merge by lines would leave twice in a text, with two values.

Gold adds ``PermitRootLogin yes`` at the top of sshd_config, the server has added ``PermitRootLogin no`` at its end: no place was
changed by both, and sshd goes by the first.  Looked for where a key has one value by custom: ``key = value``, by its section, and
keywords of OpenSSH and login.defs(5).  A key that stands more than once on one side is a list there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

#: Here ``key = value`` is not a setting with one value: lists of systemd's, rules, scripts, tables.
_NOT_HERE = re.compile(
    rb"/etc/(?:systemd/|udev/|init\.d/|cron|sudoers|pam\.d/|fstab|hosts)|.*\.(?:rules|sh|py|pl)\Z", re.DOTALL
)
_ASSIGNED = re.compile(rb"[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_][\w.-]*)[ \t]*=(?!=)[ \t]*(?P<value>.*?)[ \t\r]*")
_SECTION = re.compile(rb"[ \t]*\[[^\]]+\][ \t\r]*")

_KEYWORDS = re.compile(rb"/etc/(?:ssh/sshd?_config(?:\.d/[^/]+)?|login\.defs)", re.DOTALL)
_KEYWORD = re.compile(rb"[ \t]*(?P<key>[A-Za-z_]\w*)(?:[ \t]*=[ \t]*|[ \t]+)(?P<value>\S.*?)[ \t\r]*")
_BLOCK = re.compile(rb"[ \t]*(?:match|host)[ \t]", re.IGNORECASE)
#: Of these each line counts: sshd_config(5), ssh_config(5).
_LISTS = frozenset(
    (
        b"acceptenv", b"allowusers", b"allowgroups", b"denyusers", b"denygroups", b"hostkey", b"hostcertificate", b"include",
        b"identityfile", b"certificatefile", b"listenaddress", b"localforward", b"remoteforward", b"sendenv", b"setenv", b"subsystem",
    )
)  # fmt: skip

Setting = tuple[bytes, bytes]  #: section and key


def set_twice(place: bytes, base: bytes, gold: bytes, clone: bytes, merged: bytes) -> list[bytes]:
    """The keys of a merged text that stand there twice with two values, and at most once on each side.

    :param place: where the text stands in the system.
    """
    if _NOT_HERE.match(place) or merged.startswith(b"#!"):
        return []
    sides = [Counter(setting for setting, _ in _settings(place, text)) for text in (base, gold, clone)]
    values: dict[Setting, set[bytes]] = {}
    for setting, value in _settings(place, merged):
        values.setdefault(setting, set()).add(value)
    return [
        setting[1] for setting, found in values.items() if len(found) > 1 and all(side[setting] <= 1 for side in sides)
    ]


def _settings(place: bytes, text: bytes) -> Iterator[tuple[Setting, bytes]]:
    has_keywords = _KEYWORDS.fullmatch(place) is not None
    if not has_keywords and re.search(rb"^[^#;\n]*\{[ \t\r]*$", text, re.MULTILINE):
        return  # blocks: what is in one says nothing of another
    section = b""
    for line in text.split(b"\n"):
        if (_BLOCK if has_keywords else _SECTION).match(line):
            section = b" ".join(line.split())
        elif found := (_KEYWORD if has_keywords else _ASSIGNED).fullmatch(line):
            key = found["key"].lower() if has_keywords else found["key"]
            if key not in _LISTS:
                yield (section, key), found["value"]
