"""Users and groups that the server's own texts name: a program that finds one of them missing does not start.

A pool of php-fpm (``user = shop``), a line of tmpfiles.d(5) or inetd.conf(5), ``su`` in logrotate(8), ``User`` of Apache,
``chown`` in a script.  Taken is any word at a place where a name stands by custom; what is too much keeps an account that
nobody can log in with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAME = rb"[A-Za-z_][\w.-]*\$?"
#: ``user = shop``, ``GROUP="video"``, ``APACHE_RUN_USER=www``, ``listen.owner: shop``; anywhere in a line.
_ASSIGNED = re.compile(
    rb"""(?<![\w$])[\w.-]*(?:user|group|owner|uid|gid|run_?as)\w*["']?[ \t]*[=:]=?[ \t]*["']?
    (%(name)s)(?:[:.](%(name)s))?(?![\w/@])"""
    % {b"name": _NAME},
    re.IGNORECASE | re.VERBOSE,
)
#: ``user www;``, ``SuexecUserGroup a b``, ``su a b``, ``create 640 a b``: the words of a line of its own.
_SETTING = re.compile(
    rb"^[ \t]*(?:user|group|su|create|createolddir|suexecusergroup|assignuserid|runas)[ \t]+([^#;\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
#: A program that is told by its arguments who somebody is.
_COMMAND = re.compile(
    rb"(?:\bchown|\bchgrp|\bsetuidgid|\bchpst -u|--?chuid|--user|--group|\brunuser|\bsudo|\bsu|\binstall)\b([^\n|;&]*)"
)
_WORDS = re.compile(rb"[\s,:;\"'=]+")
#: tmpfiles.d(5): type, path, mode, user, group.
_TMPFILES = re.compile(rb"^[a-zA-Z][-+!=~^$a-zA-Z]*[ \t]+\S+[ \t]+\S+[ \t]+:?(\S+)[ \t]+:?(\S+)", re.MULTILINE)
#: inetd.conf(5): service, socket, protocol, wait, user and perhaps group.
_INETD = re.compile(rb"^\S+[ \t]+\S+[ \t]+\S+[ \t]+(?:no)?wait\S*[ \t]+(\S+)", re.MULTILINE)


def named_accounts(place: bytes, content: bytes) -> set[bytes]:
    """The words of a text that may be names of users or groups it needs.

    :param place: where it stands in the system.
    """
    text = b"\n".join(line for line in content.split(b"\n") if not line.lstrip().startswith((b"#", b";")))
    return set(_words(place, text)) - {b""}


def _words(place: bytes, text: bytes) -> Iterator[bytes]:
    for found in _ASSIGNED.finditer(text):
        yield from (word for word in found.groups() if word)
    for pattern in (_SETTING, _COMMAND):
        for found in pattern.finditer(text):
            yield from _WORDS.split(found[1])
    if place.startswith(b"/etc/tmpfiles.d/"):
        for found in _TMPFILES.finditer(text):
            yield from found.groups()
    if place == b"/etc/inetd.conf":
        for found in _INETD.finditer(text):
            yield from re.split(rb"[.:/]", found[1])
