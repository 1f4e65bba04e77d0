"""The kernel's command line of an image, in the files in which boot loaders have it."""

from __future__ import annotations

import pytest

from goldroot.system import COMMAND_LINES, with_words

WORDS = "boot=goldroot ro"


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("etc/kernel/cmdline", b"root=UUID=a rw quiet rootflags=subvol=x\n", b"quiet boot=goldroot ro\n"),
        (
            "etc/default/grub",
            b'# GRUB_CMDLINE_LINUX="x"\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="net.ifnames=0 rw"\n',
            b'# GRUB_CMDLINE_LINUX="x"\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'
            b'GRUB_CMDLINE_LINUX="net.ifnames=0 boot=goldroot ro"\n',
        ),
        ("etc/default/grub", b"GRUB_CMDLINE_LINUX=\nX=1\n", b"GRUB_CMDLINE_LINUX=boot=goldroot ro\nX=1\n"),
        (
            "etc/zipl.conf",
            b"[a]\n  parameters = 'root=/dev/dasda1 TERM=dumb'\n[b]\nparameters=\"ro x\"\n",
            b"[a]\n  parameters = 'TERM=dumb boot=goldroot ro'\n[b]\nparameters=\"x boot=goldroot ro\"\n",
        ),
        ("etc/sysconfig/bootloader", b'DEFAULT_APPEND="resume=/dev/x a"\n', b'DEFAULT_APPEND="a boot=goldroot ro"\n'),
        ("etc/default/grub", b"GRUB_TIMEOUT=5\n", b"GRUB_TIMEOUT=5\n"),
    ],
)
def test_a_command_line_loses_another_root_and_gets_what_a_server_is_told(
    path: str, before: bytes, after: bytes
) -> None:
    assert path in COMMAND_LINES
    assert with_words(path, before, WORDS) == after
    assert with_words(path, after, WORDS) == after, "again: nothing"
