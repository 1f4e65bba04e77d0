"""What a failed unit said itself is told, not only what systemd says of it afterwards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from goldroot.errors import Refused
from goldroot.run import Done
from goldroot.system import refusals, unit_lines

#: (fields, message), as a journal has them: systemd's own lines come last.
SHOP = [
    ({"_SYSTEMD_UNIT": "init.scope", "_PID": "1", "UNIT": "shop.service"}, "Starting shop.service - The shop..."),
    ({"_SYSTEMD_UNIT": "shop.service", "_PID": "77"}, "reading   /etc/shop.conf"),
    ({"_SYSTEMD_UNIT": "shop.service", "_PID": "77"}, "line 3: no such colour"),
    ({"_SYSTEMD_UNIT": "other.service", "_PID": "78"}, "all is well"),
    *[
        ({"_SYSTEMD_UNIT": "init.scope", "_PID": "1", "UNIT": "shop.service"}, text)
        for text in (
            "shop.service: Main process exited, code=exited, status=1/FAILURE",
            "shop.service: Failed with result 'exit-code'.",
            "Failed to start shop.service - The shop.",
            "shop.service: Consumed 12ms CPU time.",
        )
    ],
]


@dataclass
class Journal:
    """A system whose journalctl understands fields, ``--unit`` and ``--lines``."""

    rows: list[tuple[dict[str, str], str]]

    def command(self, argv: Sequence[str], timeout: float) -> Done:
        assert argv[0] == "journalctl" and "--boot" in argv
        wanted = dict(word.split("=", 1) for word in argv[1:] if not word.startswith("-"))
        (count,) = (int(word.split("=")[1]) for word in argv if word.startswith("--lines="))
        found = [text for fields, text in self.rows if wanted.items() <= fields.items()]
        return Done(0, "".join(f"{text}\n" for text in found[-count:]).encode(), b"")

    def gone(self) -> bool:
        return False


class Silent(Journal):
    """One that has ended."""

    def command(self, argv: Sequence[str], timeout: float) -> Done:
        raise Refused("it has ended")


def test_the_cause_stands_before_what_systemd_says() -> None:
    assert unit_lines(Journal(SHOP), ["shop.service"]) == [
        "shop.service: reading /etc/shop.conf",
        "shop.service: line 3: no such colour",
        "shop.service: Main process exited, code=exited, status=1/FAILURE",
        "shop.service: Failed with result 'exit-code'.",
    ]


def test_a_unit_that_says_much_is_heard_at_its_end() -> None:
    much = [({"_SYSTEMD_UNIT": "shop.service", "_PID": "77"}, f"step {number}") for number in range(100)]
    assert unit_lines(Journal(much), ["shop.service"])[-1] == "shop.service: step 99"
    assert len(unit_lines(Journal(much), ["shop.service"])) < 12


def test_a_unit_that_says_nothing_is_told_by_systemd() -> None:
    why = "Condition check resulted in The shop being skipped."
    rows = [({"_PID": "1", "UNIT": "shop.service"}, why)]
    assert unit_lines(Journal(rows), ["shop.service"]) == [f"shop.service: {why}"]


@pytest.mark.parametrize("units", [[], ["shop.service"]])
def test_where_nothing_can_be_asked_there_are_no_lines(units: list[str]) -> None:
    assert unit_lines(Silent(SHOP), units) == []


class Refusing(Journal):
    """A system whose journal is asked by a shell."""

    def command(self, argv: Sequence[str], timeout: float) -> Done:
        assert argv[:2] == ["/bin/sh", "-c"] and "journalctl --boot" in argv[2]
        lines = (json.dumps({**fields, "MESSAGE": text}) for fields, text in self.rows)
        return Done(0, "".join(f"{line}\n" for line in (*lines, "not JSON", "[]")).encode(), b"")


def test_what_a_read_only_root_refused_is_told_by_unit_with_what_to_do() -> None:
    refused = "mkdir: cannot create directory '/usr/share/shop/cache': Read-only file system"
    rows = [
        ({"_SYSTEMD_UNIT": "shop.service"}, refused),
        ({"_SYSTEMD_UNIT": "shop.service"}, refused),
        ({"_SYSTEMD_UNIT": "init.scope", "UNIT": "systemd-remount-fs.service"}, "mount: /: read-only file system."),
        ({"_SYSTEMD_UNIT": "init.scope", "SYSLOG_IDENTIFIER": "kmod"}, "open(/lib/modules/x.new): EROFS"),
        ({"_SYSTEMD_UNIT": "grub.service"}, "cp: /boot/grub/env: Read-only file system"),
        ({"_SYSTEMD_UNIT": "apt-daily.service"}, "E: /var is a Read-only file system"),
        ({}, "Read-only file system"),
        ({"_SYSTEMD_UNIT": "web.service"}, "VFS: mounted with EROFSX, all is well"),
        ({"_SYSTEMD_UNIT": "binary.service"}, [82, 101]),
    ]
    found = refusals(Refusing(rows))  # type: ignore[arg-type]
    assert [(one.unit, one.path) for one in found] == [
        ("shop.service", "/usr/share/shop/cache"),
        ("systemd-remount-fs.service", ""),
        ("kmod", "/lib/modules/x.new"),
        ("grub.service", "/boot/grub/env"),
        ("apt-daily.service", "/var"),
        ("the kernel", ""),
    ]
    assert "/usr/share/shop/cache" in found[0].todo and "shop.service" in found[0].todo
    assert "goldroot image convert" in found[1].todo
    assert "Kernels come with the image" in found[3].todo
    assert "Packages come with the image" in found[4].todo
    assert str(found[0]) == f"shop.service: {refused}"
    assert refusals(Silent([])) == []
