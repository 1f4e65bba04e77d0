"""The kernel's command line where a system keeps it, for the boot loaders that read it there.  Pure."""

from __future__ import annotations

import re

#: What an image says of its root is of the machine that it was made on (kernel-command-line(7), bootparam(7)).
_OF_A_ROOT = ("root=", "rootflags=", "rootfstype=", "resume=", "boot=")
_MODES = ("ro", "rw")

#: Files of which a part is a command line, and how that is found: what is before it, its quotes, itself.
_LINES = {
    "etc/default/grub": re.compile(rb"^([ \t]*GRUB_CMDLINE_LINUX=)([\"']?)(.*?)(\2[ \t]*)$", re.MULTILINE),
    "etc/zipl.conf": re.compile(rb"^([ \t]*parameters[ \t]*=[ \t]*)([\"']?)(.*?)(\2[ \t]*)$", re.MULTILINE),
    "etc/sysconfig/bootloader": re.compile(rb"^([ \t]*DEFAULT_APPEND=)([\"']?)(.*?)(\2[ \t]*)$", re.MULTILINE),
}
#: A file that is a command line as a whole (kernel-install(8)).
_WHOLE = "etc/kernel/cmdline"

#: Where a command line may stand; all of these are a server's own configuration.
COMMAND_LINES = (_WHOLE, *_LINES)


def with_words(path: str, content: bytes, words: str) -> bytes:
    """A file of :data:`COMMAND_LINES` whose command line has these words, and none of another root; as it was, where it has.

    :param path: without a slash at the beginning.
    :param words: the last of them that the kernel is told.
    """
    if path == _WHOLE:
        return _converted(content.strip(), words) + b"\n"
    return _LINES[path].sub(
        lambda found: b"".join([*found.group(1, 2), _converted(found[3], words), found[4]]), content
    )


def _converted(line: bytes, words: str) -> bytes:
    kept = [
        word
        for word in line.decode("utf-8", "surrogateescape").split()
        if not word.startswith(_OF_A_ROOT) and word not in (*_MODES, *words.split())
    ]
    return " ".join([*kept, words]).encode("utf-8", "surrogateescape")
