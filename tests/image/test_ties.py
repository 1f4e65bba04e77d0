"""What ties a system to one host is not published for all of them without a word."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from goldroot.cli.main import cli
from goldroot.errors import Refused
from goldroot.image.gold_version import read_gold_record
from goldroot.image.publish import Consent, plan_publish, publish_gold, publish_system
from goldroot.image.systems import MAINTENANCE, System
from goldroot.site import Site
from support.former import path_of


def put(site: Site, path: str, text: str) -> None:
    system = System(site, "small", MAINTENANCE)
    file = Path(path_of(system, system.layout.disk_of(os.fsencode(path)).address), path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_keytab_is_published_only_by_a_word_that_the_record_keeps(bare: Site) -> None:
    put(bare, "etc/krb5.keytab", "key")
    put(bare, "var/lib/samba/private/secrets.tdb", "secret")
    with pytest.raises(Refused, match=r"/etc/krb5\.keytab \(a Kerberos keytab\); /var/lib/samba") as caught:
        publish_gold(bare, "small", untested=True)
    assert "--keep" in caught.value.todo
    assert len(plan_publish(bare, "small").ties) == 2
    done = publish_system(bare, "small", Consent(untested=True, keep=True))
    kept = read_gold_record(bare, "small", done.version.number)["kept"]
    assert kept == [
        "/etc/krb5.keytab (a Kerberos keytab)",
        "/var/lib/samba/private/secrets.tdb (Samba's secrets of a domain)",
    ]


@pytest.mark.parametrize(("path", "status"), [("etc/krb5.keytab", 1), ("root/.ssh/id_rsa", 0)])
def test_gold_check_says_so_before(bare: Site, capsys: pytest.CaptureFixture[str], path: str, status: int) -> None:
    put(bare, path, "key")
    command = ["gold", "check", "small", "--site", bare.root]
    assert cli.main(command, standalone_mode=False) == status
    word = "refused" if status else "warning"
    assert word in next(line for line in capsys.readouterr().out.splitlines() if path in line)
    assert cli.main([*command, "--json"], standalone_mode=False) == status
    data = json.loads(capsys.readouterr().out)
    assert [path in str(data[key]) for key in ("ties", "doubtful")] == [bool(status), not status]


def test_what_is_perhaps_not_meant_for_all_is_noted(bare: Site) -> None:
    put(bare, "root/.ssh/id_ed25519", "key")
    put(bare, "etc/mailname", "gold.example.org\n")
    done = publish_gold(bare, "small", untested=True)
    notes = {os.fsdecode(note.path): note.text for note in done.notes if note.kind == "own-of-one-host"}
    assert sorted(notes) == ["/etc/mailname", "/root/.ssh/id_ed25519"]
    assert read_gold_record(bare, "small", done.version.number)["kept"] == []
