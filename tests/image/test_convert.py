"""The read-only conversion of a maintenance system: what is written, what is told, and how its boot is checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from goldroot.errors import ProgramFailed, Refused
from goldroot.image import MAINTENANCE, BootCheck, Conversion, System, check_boot, convert_image, plan_conversion
from goldroot.image import test_system as try_system
from goldroot.image.convert import FileChange
from goldroot.site import Site
from goldroot.system import Refusal
from goldroot.views import ImageConverted
from support import booting
from support.booting import BootingHost, behave
from support.fleet import IMAGE, small_site

FSTAB = "UUID=a / ext4 defaults 0 1\nUUID=b /var xfs defaults 0 2\nUUID=c /data ext4 nofail 0 2\n"
MAKER = "#!/bin/sh\necho made > /boot/initrd.img-1; echo $* > /boot/words\n"


def filled(site: Site, files: Mapping[str, str], *directories: str) -> None:
    system = System(site, IMAGE, MAINTENANCE)
    with system.host.hold(system.machine), system.open("rw") as opened:
        for path, text in files.items():
            place = Path(opened[system.layout.disk_of(path.encode()).address].path, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            place.chmod(0o755 if text.startswith("#!") else 0o640)
        for path in directories:
            Path(opened[system.layout.disk_of(path.encode()).address].path, path).mkdir(parents=True, exist_ok=True)


def text_of(site: Site, path: str) -> str:
    system = System(site, IMAGE, MAINTENANCE)
    with system.open() as opened:
        return Path(opened[system.layout.disk_of(path.encode()).address].path, path).read_text()


def written(site: Site) -> list[str]:
    return [change.path for change in plan_conversion(site, IMAGE).changes]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = small_site(tmp_path)
    yield site
    site.close()


def test_what_a_plan_says_is_done_and_a_second_conversion_writes_nothing(site: Site) -> None:
    filled(
        site,
        {"etc/fstab": FSTAB, "etc/default/grub": 'GRUB_CMDLINE_LINUX="root=/dev/sda1 quiet"\n'},
        "usr/share/initramfs-tools/hooks",
    )
    before = text_of(site, "etc/fstab")
    plan = plan_conversion(site, IMAGE)
    assert [change.path for change in plan.changes] == [
        "/etc/fstab",
        "/etc/default/grub",
        "/usr/lib/goldroot/mount.sh",
        "/usr/lib/goldroot/table",
        "/usr/share/initramfs-tools/hooks/goldroot",
        "/usr/share/initramfs-tools/scripts/goldroot",
    ]
    assert [line.split(":")[0] for line in plan.disks] == [
        "1B1 shared, read-only",
        "1B5 of each server",
        "1B6 of each server",
    ]
    assert [note for note in plan.notes if "other disks" in note and note.endswith("/data")]
    assert text_of(site, "etc/fstab") == before, "a plan changes nothing"
    assert convert_image(site, IMAGE).changes == plan.changes
    assert text_of(site, "etc/fstab") == (
        "# goldroot: UUID=a / ext4 defaults 0 1\n# goldroot: UUID=b /var xfs defaults 0 2\nUUID=c /data ext4 nofail 0 2\n"
    )
    assert text_of(site, "etc/default/grub") == 'GRUB_CMDLINE_LINUX="quiet boot=goldroot ro"\n'
    table = text_of(site, "usr/lib/goldroot/table").splitlines()
    assert table[:2] == ["disk 1B1 ro auto", "disk 1B5 rw auto"]
    assert table[3] == "path 1B1 /" and "path 1B6 /var" in table
    assert written(site) == []


def test_each_program_that_makes_initial_file_systems_gets_its_own_files(site: Site) -> None:
    assert written(site) == [], "without one nothing would read them"
    filled(site, {}, "usr/lib/dracut/modules.d")
    assert [path.rpartition("/")[2] for path in written(site)] == [
        "mount.sh", "table", "module-setup.sh", "cmdline.sh", "mount.sh",
    ]  # fmt: skip
    convert_image(site, IMAGE)
    assert 'boot=goldroot "*)' in text_of(site, "usr/lib/dracut/modules.d/90goldroot/cmdline.sh")


@pytest.mark.root
def test_initial_file_systems_are_made_again_in_the_system_itself(small: Site) -> None:
    filled(small, {"usr/sbin/update-initramfs": MAKER})
    assert plan_conversion(small, IMAGE).rebuild == ("/usr/sbin/update-initramfs", "-u", "-k", "all")
    convert_image(small, IMAGE)
    assert (text_of(small, "boot/initrd.img-1"), text_of(small, "boot/words")) == ("made\n", "-u -k all\n")
    filled(small, {"usr/sbin/update-initramfs": "#!/bin/sh\necho no room >&2; exit 3\n"})
    with pytest.raises(ProgramFailed, match="status 3") as caught:
        convert_image(small, IMAGE)
    assert list(caught.value.lines) == ["no room"]


def test_programs_for_another_architecture_are_not_run(site: Site) -> None:
    filled(site, {"usr/sbin/update-initramfs": MAKER})
    system = System(site, IMAGE, MAINTENANCE)
    with system.host.hold(system.machine), system.open("rw") as opened:
        shell = Path(opened["1B1"].path, "usr/bin/dash")
        shell.write_bytes(b"\x7fELF\2\2\1" + bytes(11) + b"\0\x16" + bytes(32))  # s390x
    plan = plan_conversion(site, IMAGE)
    assert plan.rebuild == ()
    assert [note for note in plan.notes if "another architecture" in note]


@pytest.fixture
def starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Its host starts trials."""
    monkeypatch.setattr("goldroot.hosts.registry.KINDS", booting.kinds())
    monkeypatch.setattr(BootingHost, "abilities", replace(BootingHost.abilities, trials=True))
    monkeypatch.setattr("goldroot.system.health._STANDS", 0.0)
    site = small_site(tmp_path)
    yield site
    site.close()


def test_a_check_boots_it_with_a_read_only_root_and_tells_what_was_refused(starting: Site) -> None:
    line = "cannot write /usr/lib/x: Read-only file system"
    behave(starting.host, 0, failed=["x.service"], journal=[{"_SYSTEMD_UNIT": "x.service", "MESSAGE": line}])
    found = check_boot(starting, IMAGE)
    assert found.wrong == ("the unit x.service has failed",)
    assert [(one.unit, one.path) for one in found.refused] == [("x.service", "/usr/lib/x")]
    assert "/usr/lib/x" in found.refused[0].todo
    assert [line for line in found.said if line.startswith("x.service: ")]
    assert isinstance(starting.host, BootingHost)
    assert starting.host.log(System(starting, IMAGE, MAINTENANCE).machine) == ["try 0 without 1B1"]
    behave(starting.host, 0)
    assert check_boot(starting, IMAGE) == type(found)((), (), ())


def test_one_that_does_not_begin_is_not_well(starting: Site) -> None:
    behave(starting.host, 0, no_trial="no process 1")
    assert check_boot(starting, IMAGE).wrong == ("no process 1",)


def test_a_host_that_starts_nothing_cannot_check(site: Site) -> None:
    with pytest.raises(Refused, match="starts nothing"):
        check_boot(site, IMAGE)


@pytest.mark.slow
def test_a_test_says_what_is_not_converted(starting: Site) -> None:
    filled(starting, {"etc/fstab": FSTAB})
    log = try_system(starting, IMAGE).forms[0].log
    assert "not converted: /etc/fstab: lines that the layout takes the place of: /, /var" in log
    convert_image(starting, IMAGE)
    assert "not converted" not in try_system(starting, IMAGE).forms[0].log


def test_the_command_prints_what_it_did_as_json(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    from goldroot.cli.main import cli

    filled(site, {"etc/fstab": FSTAB})
    words = ["image", "convert", IMAGE, "--site", str(site.root), "--json"]
    cli.main([*words, "--plan"], standalone_mode=False)
    planned = json.loads(capsys.readouterr().out)
    cli.main(words, standalone_mode=False)
    done = json.loads(capsys.readouterr().out)
    assert planned["plan"] and not done["plan"]
    assert ImageConverted.model_validate(done).as_json() == done
    assert [one["path"] for one in done["changes"]] == [one["path"] for one in planned["changes"]] == ["/etc/fstab"]


def test_its_json_has_what_a_read_only_root_refused() -> None:
    refused = Refusal("a.service", "/etc/a", "EROFS", "let it write elsewhere")
    done = Conversion(
        "debian", (), (FileChange("/etc/fstab", "why", b"content", None),), (), (), check=BootCheck((), (refused,), ())
    )
    shown = ImageConverted.of(done).as_json()
    assert shown["changes"] == [{"path": "/etc/fstab", "why": "why"}]
    assert shown["check"] == {"wrong": [], "refused": [asdict(refused)], "said": []}
