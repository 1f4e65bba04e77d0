"""A gold is examined before it is published, and what is nothing new takes no slot."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from goldroot.catalog import gold as catalog_gold
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.errors import BadInput, Refused
from goldroot.image.check import check_gold
from goldroot.image.gold_version import read_gold_record
from goldroot.image.publish import Consent, plan_publish, publish_gold, publish_system
from goldroot.image.systems import MAINTENANCE, System
from goldroot.site import Site
from goldroot.system import remove_path
from support.former import former, path_of

NEW = Consent(untested=True, only_new=True)


def put(site: Site, path: str, text: str | None) -> Path:
    """A change of the maintenance system; ``None`` removes the file."""
    system = System(site, "small", MAINTENANCE)
    file = Path(path_of(system, system.layout.disk_of(os.fsencode(path)).address), path)
    if text is None:
        file.unlink()
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return file


def numbers(site: Site) -> list[int]:
    with site.catalog.read() as tx:
        return [version.number for version in catalog_gold.every(tx, "small")]


def test_a_gold_without_hashes_is_not_published(bare: Site) -> None:
    put(bare, "etc/shadow", None)
    with pytest.raises(Refused, match="nobody can log in"):
        publish_gold(bare, "small", untested=True)
    assert numbers(bare) == []
    assert [one.key for one in plan_publish(bare, "small").checked.refused] == ["no-hashes"]


def test_what_was_accepted_is_recorded_and_remembered_by_finding(bare: Site) -> None:
    shadow = put(bare, "etc/shadow", "root:*:1::::::\ngone:!:1::::::\n")
    with pytest.raises(Refused, match=r"--accept|gone"):
        publish_gold(bare, "small", untested=True)
    publish_system(bare, "small", Consent(untested=True, accept=("orphans",)))
    assert read_gold_record(bare, "small", 1)["accepted"] == [
        "/etc/shadow has a record of gone, and there is no such account"
    ]
    shadow.write_text("root:*:1::::::\ngone:!:1::::::\nlate:!:1::::::\n")
    checked = check_gold(bare, "small")
    assert ([one.key for one in checked.accepted], [one.key for one in checked.refused]) == (
        ["orphans:shadow:gone"], ["orphans:shadow:late"],
    )  # fmt: skip
    check_gold(bare, "small", accept=["orphans:shadow:late"])
    assert check_gold(bare, "small").refused == ()
    publish_gold(bare, "small", untested=True)


def test_what_the_version_before_has_too_is_a_warning(bare: Site) -> None:
    publish_gold(bare, "small", untested=True)
    gold = Path(former(bare).at("SMALLGOLD", "1B5").path, "etc/group")
    text = gold.read_text() + "twin:x:101:\n"
    gold.write_text(text)  # published by a goldroot that did not look
    put(bare, "etc/group", text)
    checked = check_gold(bare, "small")
    assert ([one.key for one in checked.known], checked.refused) == (["doubled:gid:101"], ())


def test_only_what_could_be_found_is_accepted(bare: Site) -> None:
    for ask in (
        lambda: check_gold(bare, "small", accept=["everything"]),
        lambda: publish_system(bare, "small", Consent(accept=("shadow",))),
        lambda: plan_publish(bare, "small", accept=["x"]),
    ):
        with pytest.raises(BadInput, match="nothing that could be accepted"):
            ask()


def test_cleaning_removes_files_and_no_directory(bare: Site) -> None:
    history = put(bare, "root/.bash_history", "mysql -psecret\n")
    log, empty = put(bare, "var/log/nginx/access.log", "x\n"), put(bare, "var/log/btmp", "")
    conf = put(bare, "etc/app.conf", "level = 2\n")
    checked = check_gold(bare, "small")
    assert sorted(path for _, path in checked.leftovers) == [b"root/.bash_history", b"var/log/nginx/access.log"]
    assert check_gold(bare, "small", clean=True).cleaned == 2
    assert [one.exists() for one in (history, log, empty, log.parent, conf)] == [False, False, True, True, True]
    assert check_gold(bare, "small").leftovers == ()


def test_cleaning_follows_no_link(bare: Site, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.log").write_text("kept\n")
    log = put(bare, "var/log/app/x.log", "x\n")
    system = System(bare, "small", MAINTENANCE)
    checked = check_gold(bare, "small")
    log.unlink()
    log.parent.rmdir()
    log.parent.symlink_to(outside)
    for address, path in checked.leftovers:
        remove_path(path_of(system, address), path)
    assert (outside / "x.log").read_text() == "kept\n"


def test_an_equal_gold_takes_no_slot(bare: Site) -> None:
    first = publish_system(bare, "small", NEW)
    assert first.new
    put(bare, "root/.bash_history", "ls\n")
    put(bare, "var/log/syslog", "x\n")
    put(bare, "var/cache/apt/archives/x.deb", "x")
    put(bare, "etc/machine-id", "0" * 32 + "\n")
    os.utime(put(bare, "etc/app.conf", "level = 1\n"))
    again = publish_system(bare, "small", NEW)
    assert (again.new, again.version.number, numbers(bare)) == (False, 1, [1])
    put(bare, "etc/app.conf", "level = 2\n")
    assert publish_system(bare, "small", NEW).version.number == 2


@pytest.mark.slow
@pytest.mark.parametrize("change", ["mode", "gone", "link", "directory"])
def test_what_is_no_file_of_another_text_is_new_too(bare: Site, change: str) -> None:
    publish_system(bare, "small", NEW)
    file = put(bare, "etc/app.conf", "level = 1\n")
    if change == "mode":
        file.chmod(0o600)
    elif change == "directory":
        (file.parent / "new").mkdir()
    else:
        file.unlink()
        if change == "link":
            file.symlink_to("other")
    assert publish_system(bare, "small", NEW).version.number == 2


def test_the_command_line(bare: Site, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*args: str) -> tuple[int, str]:
        capsys.readouterr()
        status = guarded(cli, [*args, "--site", bare.root])
        return status, "".join(capsys.readouterr())

    put(bare, "etc/gshadow", "root:*::\ngone:!::\n")
    put(bare, "root/.bash_history", "x\n")
    status, text = said("gold", "check", "small")
    assert status == 1
    assert "refused: /etc/gshadow has a record of gone" in text and "/root/.bash_history" in text
    status, text = said("gold", "publish", "small", "--untested")
    assert status == 3 and "--accept orphans" in text
    status, text = said("gold", "publish", "small", "--untested", "--plan")
    assert status == 0 and "would be refused: see goldroot gold check small" in text
    status, text = said("gold", "check", "small", "--clean", "--accept", "orphans", "--json")
    found = json.loads(text)
    assert (status, found["cleaned"], found["leftovers"], found["refused"]) == (0, 1, [], [])
    assert [one["name"] for one in found["accepted"]] == ["orphans:gshadow:gone"]
    assert said("gold", "publish", "small", "--untested")[0] == 0
    status, text = said("gold", "publish", "small", "--untested")
    assert status == 0 and "Nothing new: small is gold version 1" in text
    assert json.loads(said("gold", "publish", "small", "--untested", "--json")[1])["new"] is False
    assert said("gold", "publish", "small", "--untested", "--unchanged")[0] == 0
    assert numbers(bare) == [1, 2]
    assert said("gold", "check", "small", "--accept", "nonsense")[0] == 2
