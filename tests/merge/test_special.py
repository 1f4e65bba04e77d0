"""Rules for special things are entered by a table of places: it never leaves out what a rule would have said."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldroot.merge import Options, Trees, plan_trees, special
from goldroot.merge.compare.compare import Comparison, Unit
from goldroot.merge.compare.parts import Part, Tree
from goldroot.merge.decide import rc_links, services, together
from goldroot.merge.decide.line_sets import is_key_file, key_files_of
from goldroot.merge.fit import derived, withdrawn
from goldroot.merge.refer.refer import Referrer
from goldroot.packagedb import DPKG_STATUS, RPM_PLACES
from goldroot.policy import Policy
from goldroot.tree import Manifest

Sides = tuple[str | None, str | None, str | None]

#: A special thing -> its content in base, gold and the clone; ``None`` where a tree has none.
THINGS: dict[str, Sides] = {
    "etc/ipsec.d/cert9.db": ("1", "2", "3"),
    "etc/app/state.db-wal": (None, "2", "3"),
    "etc/rc2.d/S07cron": ("->../init.d/cron", "->../init.d/cron", None),
    "etc/rc2.d/S08cron": (None, "->../init.d/cron", None),
    "etc/systemd/system/multi-user.target.wants/x.service": ("->/lib/systemd/system/x.service", None, None),
    "usr/lib/systemd/system/multi-user.target.wants/x.service": (None, "->../x.service", None),
    "etc/alternatives/editor": ("->/usr/bin/ed", "->/usr/bin/vim", "->/usr/bin/nano"),
    "var/lib/dpkg/alternatives/editor": (
        "auto\n/usr/bin/editor\n\n/usr/bin/ed\n1\n\n", "auto\n/usr/bin/editor\n\n/usr/bin/vim\n2\n\n", None,
    ),
    "etc/postfix/virtual": ("a b\n", "a c\n", "a d\n"),
    "etc/postfix/virtual.db": ("\0one", "\0two", "\0three"),
    "opt/app/data": ("1", "2", "3"),
    "var/lib/machines/x/etc/passwd": ("root:x:0:0::/:/bin/sh\n", "root:x:0:0::/:/bin/ash\n", "root:x:0:0::/:/bin/sh\n"),
    "etc/nginx/old.conf": ("a\n", None, None),
    "etc/hosts": ("10.0.0.1 a\n10.0.0.2 b\n", "10.0.0.1 a\n10.0.0.3 c\n", "10.0.0.1 a\n10.0.0.4 d\n"),
    "etc/resolv.conf": ("->../run/systemd/resolve/stub-resolv.conf",) * 3,
    "etc/shells": ("/bin/sh\n/bin/zsh\n", "/bin/sh\n", "/bin/sh\n/bin/zsh\n"),
    "etc/fstab": ("", "UUID=1234 /data ext4 defaults 0 2\n", ""),
    "root/.ssh/authorized_keys": ("ssh-ed25519 AAAAone a\n", "", "ssh-ed25519 AAAAone a\n"),
    "home/x/.ssh/authorized_keys2": ("", "", "ssh-ed25519 AAAAone b\n"),
    "var/lib/dpkg/status": (
        "Package: a\nVersion: 1\n\n", "Package: a\nVersion: 2\n\n", "Package: a\nVersion: 1\n\nPackage: b\nVersion: 1\n\n",
    ),
}  # fmt: skip


def write(root: Path, things: dict[str, str | None]) -> Path:
    for path, content in {"etc/passwd": "root:x:0:0::/root:/bin/sh\n", "etc/plain.conf": root.name, **things}.items():
        place = root / path
        if content is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(content[2:]) if content.startswith("->") else place.write_text(content)
    return root


def trees_of(room: Path, things: dict[str, Sides]) -> Trees:
    base, gold, clone = (
        write(room / side, {path: held[number] for path, held in things.items()}) for number, side in enumerate("bgc")
    )
    return Trees(base, gold, clone)


@pytest.mark.parametrize("path", [*THINGS, "", "all"])
def test_what_is_said_is_what_all_rules_together_say(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = trees_of(tmp_path, {one: THINGS[one] for one in THINGS if path in (one, "all")})
    said = plan_trees(trees, options=Options(jobs=1)).record.data
    asked: list[special.Special] = []
    monkeypatch.setattr(Comparison, "touches", lambda comparison, things: asked.append(things) or True)
    for gate in ("has_removed", "has_changed_twice"):
        monkeypatch.setattr(Comparison, gate, True)
    monkeypatch.setattr(Referrer, "_may_lead_away", lambda referrer, place: True)
    for gate in ("_has_own_tables", "may_hold_systems"):
        monkeypatch.setattr(f"goldroot.merge.plan.{gate}", lambda *of: True)
    monkeypatch.setattr("goldroot.merge.fit.accounts.unchanged_tables", lambda *of: None)
    assert plan_trees(trees, options=Options(jobs=1)).record.data == said
    assert {special.DATABASES, special.RUNLEVELS, special.SERVICES, special.PACKAGES} <= {*asked}


def test_nothing_special_is_touched_by_an_ordinary_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for rule in (
        "decide.removed.settle_removed", "refer.ask.ask_about", "refer.tables.look_at_tables", "fit.hard_links.links_of",
        "decide.together.settle_together", "decide.rc_links.settle_rc_links", "fit.alternatives.settle_alternatives",
        "fit.derived.follow_sources", "fit.remarks.own_packages", "fit.remarks.unknown_devices", "fit.withdrawn.withdrawn_keys",
        "plan.settle_static_units",
    ):  # fmt: skip
        monkeypatch.setattr(f"goldroot.merge.{rule}", pytest.fail)
    monkeypatch.setattr("goldroot.accounts.merge.merge_account_tables", pytest.fail)
    same = {path: (held[0], held[0], held[0]) for path, held in THINGS.items()}
    assert plan_trees(trees_of(tmp_path, same)).conflicts  # about etc/plain.conf alone


def test_a_state_unit_that_holds_special_things_touches_them() -> None:
    nothing = Manifest.from_rows([])
    part = Part("root", b"/", (Tree(b"/b", nothing), Tree(b"/g", nothing), Tree(b"/c", nothing)))
    comparison = Comparison(part, lambda path: None)
    assert not comparison.touches(special.PACKAGES)
    comparison.units[b"var"] = Unit(b"var", Policy.default().match(b"/var/lib/x"), [True, True, True])
    assert comparison.touches(special.PACKAGES)
    assert not comparison.touches(special.BOOT_DEVICES)


def test_the_table_has_the_places_that_its_rules_go_by() -> None:
    assert {f"/{place}".encode() for place in (DPKG_STATUS, *RPM_PLACES)} == {*special.PACKAGES.tops}
    assert all(special.MAIL_MAPS.has(place + b"/x.db") for place in derived.PLACES)
    assert special.MAIL_MAPS.has(derived.ALONE + b".db")
    assert all(special.DATABASES.has(b"/etc/x/" + name) for name in together.NSS)
    assert all(special.DATABASES.has(b"/x.db" + end) for end in together._BESIDE)
    assert {store.bundle for store in withdrawn.STORES} == {*special.AUTHORITIES.tops}
    assert all(special.SERVICES.has(place + b"/S01x") for place in (services.SYSTEMD, *services._RUNLEVELS))
    assert all(special.RUNLEVELS.has(place + b"/S01x") for place in services._RUNLEVELS)
    assert all(special.SSHD_KEYS.has(place) == is_key_file(place) for place in key_files_of(b"anna", b"/home/anna"))


@pytest.mark.parametrize("above", [b"/etc/", b"/etc/rc.d/", b"/etc/init.d/"])
def test_every_directory_of_runlevels_is_in_the_table(above: bytes) -> None:
    directories = [above + name for name in (b"rc2.d", b"rcS.d", b"boot.d")]
    assert all(rc_links._DIRECTORY.fullmatch(one) and special.RUNLEVELS.has(one + b"/S01x") for one in directories)
