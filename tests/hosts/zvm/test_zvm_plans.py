"""Plans for a system programmer: what they say is what is sent, and who does it by hand can check it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goldroot.errors import Refused
from goldroot.hosts import Mark
from goldroot.hosts.zvm import (
    Around,
    Plan,
    around_directory,
    plan_create,
    plan_delete,
    plan_differs,
    plan_from_file,
    plan_prune,
    plan_publish,
    plan_rollback,
    plan_said,
    plan_update,
)
from goldroot.hosts.zvm.reading import Standing
from goldroot.hosts.zvm.simulated import Socket
from goldroot.zvm.directory import Directory
from goldroot.zvm.simulator.site import DIRECTORY
from goldroot.zvm.smapi.encode import find_layout
from support.commands import data, said
from support.zvmfleet import ZvmFleet

#: A server that was switched by hand, with one disk of its own.
SWITCHED = """\
USER S10RO9 NOLOG 512M 1G G
 LINK S10GOLD2 11B1 01B1 RR
 LINK S10GOLD 11B1 05B1 RR
 MDISK 01B5 3390 00001 00100 LX9001 MR
 MDISK 05B5 3390 00101 00100 LX9001 RR
"""


def paper(text: str = DIRECTORY) -> Around:
    """The directory of a site that follows the paper, and that goldroot never saw."""
    return around_directory(Directory.parse(text.encode()), prefixes={}, group="LINUX")


def lines(plan: Plan, where: str, *, by_hand: bool = False) -> list[str]:
    return [text for step in plan.steps for at, text in (step.by_hand if by_hand else step.calls) if at == where]


def test_an_update_of_the_papers_clone_by_hand() -> None:
    plan = plan_update(paper(), "S10RO1", "S10GOLD2", patience=60)
    assert lines(plan, "DIRMAINT", by_hand=True) == [
        "FOR S10RO1 GET",
        "FOR S10RO1 REPLACE",
        "FOR S10RO1 AMDISK 05B5 3390 AUTOG 100 LINUX RR",
        "FOR S10RO1 AMDISK 05B6 3390 AUTOG 600 LINUX RR",
        "FOR S10RO1 AMDISK 05B7 3390 AUTOG 200 LINUX RR",
        "FOR S10RO1 GET",
        "FOR S10RO1 REPLACE",
    ]
    assert lines(plan, "SMAPI", by_hand=True) == []
    commands = lines(plan, "CP", by_hand=True)
    # Nothing of its disks is read before it is off: there is no FLASHCOPY here.
    assert commands.index("SIGNAL SHUTDOWN S10RO1 WITHIN 60") < commands.index("LINK S10RO1 01B5 F000 R")
    assert commands[-2:] == ["XAUTOLOG S10RO1", "QUERY S10RO1"]
    # The new gold at all places of the old one, and no record of goldroot's in an entry that it does not manage.
    switch = plan.steps[-2]
    assert "+ LINK S10GOLD2 11B1 01B1 RR" in switch.diff
    assert "+ MDISK 05B5 3390 03001 00100 LX3002 RR ******** ******** ********" in switch.diff
    assert not any("GOLDROOT" in line or "READ" in line for step in plan.steps for line in step.diff)
    assert plan.after["1B1"] == "link S10GOLD2 1B1"
    assert plan.after["5B5"] == "disk LX3002:3001:100 ro"
    assert plan.after["1B5"] == "disk new, 100 cylinders rw"


def test_a_server_of_another_member_is_stopped_and_started_there() -> None:
    around = paper()
    words = replace(around.style.words, cached=False)
    around = replace(around, style=replace(around.style, words=words), member_of={"S10RO1": "ZVM2"})
    plan = plan_update(around, "S10RO1", "S10GOLD2", patience=60)
    commands = lines(plan, "CP", by_hand=True)
    assert "AT ZVM2 CMD SIGNAL SHUTDOWN S10RO1 WITHIN 60" in commands
    assert commands[-2:] == ["AT ZVM2 CMD XAUTOLOG S10RO1", "AT ZVM2 CMD QUERY S10RO1"]
    # What one member may keep of it would be old when another one has written: new disks are kept out of that.
    made = [step for step in plan.steps if any("AMDISK" in text for _, text in step.by_hand)]
    assert [step.diff for step in made] == [("+ MINIOPT NOMDC",)] * 3
    assert [text for _, text in made[0].by_hand][-2:] == [
        "S10RO1 DIRECT: remove the records with -, add those with +", "FOR S10RO1 REPLACE"
    ]  # fmt: skip


def test_every_link_is_given_back_in_the_reverse_order() -> None:
    for plan in (plan_update(paper(), "S10RO1", "S10GOLD2"), plan_update(paper(), "S10RO2", "S10GOLD3")):
        for step in plan.steps:
            for told in (step.calls, step.by_hand):
                taken = [line.text.split()[3] for line in told if line.text.startswith("LINK")]
                gone = [line.text.split()[1] for line in told if line.text.startswith("DETACH")]
                assert gone == taken[::-1]


@pytest.mark.parametrize("kind", ["update", "rollback"])
def test_copies_of_a_running_server_stay_until_they_are_read_and_go_then(kind: str) -> None:
    around = replace(paper(), snapshots=True)
    switched = paper(DIRECTORY + SWITCHED) if kind == "rollback" else around
    plan = (
        plan_update(around, "S10RO1", "S10GOLD2")
        if kind == "update"
        else plan_rollback(replace(switched, snapshots=True), "S10RO9")
    )
    copied = 0
    for step in plan.steps:
        there: set[str] = set()
        for line in step.calls:
            words = line.text.split()
            if line.where == "CP" and words[0] in ("LINK", "DEFINE"):
                assert words[3] not in there
                there.add(words[3])
                copied += words[0] == "DEFINE"
            elif line.where == "CP" and words[0] == "DETACH":
                there.remove(words[1])
        assert not there
    assert copied == (3 if kind == "update" else 1)
    off = next(at for at, step in enumerate(plan.steps) if any("SIGNAL" in text for _, text in step.by_hand))
    assert any("FLASHCOPY F000 0 END" in text for step in plan.steps[:off] for _, text in step.by_hand)


@pytest.mark.parametrize("addresses", [(), ("F000",), tuple(f"F00{digit}" for digit in range(9))])
@pytest.mark.parametrize("snapshots", [False, True])
def test_a_plan_leaves_no_disk_out_where_addresses_are_too_few(addresses: tuple[str, ...], snapshots: bool) -> None:
    around = replace(paper(), addresses=("F010", *addresses)[: len(addresses) or 1], snapshots=snapshots)
    with pytest.raises(Refused, match="disks are linked at once, and goldroot may link at"):
        plan_update(around, "S10RO1", "S10GOLD2")


def test_who_edits_by_hand_is_told_that_passwords_stay() -> None:
    edits = lines(plan_update(paper(), "S10RO1", "S10GOLD2"), "edit", by_hand=True)
    assert [text for text in edits if text.endswith("(******** is a password, which stays as it is)")] == edits[-1:]


#: Users beside those of the paper's, as they stand in directories.
OTHERS = """\
PROFILE TAKES5B5
 LINK MAINT 0190 05B5 RR
USER WEB1 NOLOG 512M 1G G
 INCLUDE TAKES5B5
 LINK S10GOLD 11B1 01B1 RR
 MDISK 01B5 3390 00001 00100 LX9001 MR
USER WEB2 NOLOG 512M 1G G
 COMMAND DEFINE NIC 05B4 TYPE QDIO
 LINK S10GOLD 11B1 01B1 RR
 MDISK 01B5 3390 00101 00100 LX9001 MR
USER WEB3 NOLOG 512M 1G G
 LINK S10GOLD 11B1 01B1 RR
 MDISK 01B5 3390 00201 00100 LX9001 MR
 MDISK 05B5 3390 T-DISK 10
USER FREE NOLOG 32M 32M G
 MDISK 11B1 3390 00301 00450 LX9001 MR
"""


@pytest.mark.parametrize("name", ["WEB1", "WEB2", "WEB3"])
def test_what_stands_where_a_set_would_be_made_is_seen_in_a_plan(name: str) -> None:
    with pytest.raises(Refused, match=f"5B5 of {name} is taken by something that goldroot does not manage"):
        plan_update(paper(DIRECTORY + OTHERS), name, "S10GOLD2")


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (lambda around: plan_update(around, "S10RO1", "S10RO2"), "S10RO2 is not a slot of gold"),
        (lambda around: plan_create(around, "NEW", "S10RWMNT", ["1B5"]), "S10RWMNT is not a slot of gold"),
        (lambda around: plan_create(around, "NEW", "S10GOLD", ["5B5"]), "S10GOLD has no disk at 5B5"),
        (lambda around: plan_create(around, "NEW", "S10GOLD", ["1B5", "XYZ"]), "S10GOLD has no disk at XYZ"),
        (lambda around: plan_publish(around, "S10RO1", "S10RWMNT"), "S10RO1 is not a slot of gold"),
        (
            lambda around: plan_publish(around, "S10GOLD", "S10RWMNT"),
            "S10GOLD is linked by S10RO1, S10RO2, S10RO3, WEB",
        ),
        (lambda around: plan_publish(around, "S10GOLD2", "S10RO1"), "S10RO1 owns no disk at 1B0, 1B1, 1B8, 1BE, 1BF"),
    ],
)
def test_a_plan_never_writes_what_is_not_gold_or_what_somebody_has(plan: Callable[[Around], Plan], why: str) -> None:
    with pytest.raises(Refused, match=why):
        plan(paper(DIRECTORY + OTHERS))


@pytest.mark.parametrize("slot", ["S10GOLD2", "S10GOLD9", "FREE"])
def test_an_entry_that_is_made_by_hand_has_no_records_of_goldroots(slot: str) -> None:
    around = paper(DIRECTORY + OTHERS)
    for plan in (plan_publish(around, slot, "S10RWMNT"), plan_create(around, "NEW", "S10GOLD", ["1B5"])):
        assert not any("GOLDROOT" in line for step in plan.steps for line in step.diff)
        assert plan.after["1B1"]


@pytest.mark.parametrize(
    ("boot", "root", "record"),
    [
        (" IPL 1B1\n", " MDISK 01B1 3390 00401 00450 LX9001 MR\n", True),
        (" IPL 190 PARM AUTOCR\n", " MDISK 01B1 3390 00401 00450 LX9001 MR\n", True),
        ("", " MDISK 01B1 3390 00401 00450 LX9001 MR\n", True),
        (" IPL CMS\n", " LINK S10GOLD 11B1 01B1 RR\n", False),
        (" IPL 1B1\n", " LINK S10GOLD 11B1 01B1 RR\n", False),
    ],
)
def test_a_root_of_its_own_gets_its_boot_record_however_it_is_booted(boot: str, root: str, record: bool) -> None:
    text = f"USER OWN NOLOG 512M 1G G\n{boot}{root} MDISK 01B5 3390 00901 00100 LX9001 MR\n"
    plan = plan_update(paper(DIRECTORY + text), "OWN", "S10GOLD2")
    assert any(line.startswith("zipl") for line in lines(plan, "Linux", by_hand=True)) == record


#: A server that boots CMS from a minidisk of its own, and keeps its data on others.
WITH_CMS = """\
USER CMS NOLOG 512M 1G G
 IPL CMS
 LINK S10GOLD 11B1 01B1 RR
 MDISK 0191 3390 00401 00005 LX9001 MR
 MDISK 01B5 3390 00501 00100 LX9001 MR
 MDISK 01D0 3390 00601 00100 LX9001 MR
"""


def test_minidisks_that_are_no_place_of_gold_s_are_left_alone() -> None:
    around = paper(DIRECTORY + WITH_CMS)
    plan = plan_update(around, "CMS", "S10GOLD2")
    told = [text for step in plan.steps for _, text in step.by_hand] + [
        line for step in plan.steps for line in step.diff
    ]
    assert not any(number in text for text in told for number in ("0191", "0591", "01D0", "05D0"))
    assert {address for address in plan.after if address.endswith(("91", "D0"))} == set()
    own = DIRECTORY + WITH_CMS.replace(" LINK S10GOLD 11B1 01B1 RR\n", "")
    assert "5B5" in plan_update(paper(own), "CMS", "S10GOLD2").after
    assert "591" not in plan_update(paper(own), "CMS", "S10GOLD2").after


def test_a_server_with_disks_of_others_is_not_planned_away() -> None:
    around = paper(DIRECTORY + WITH_CMS)
    assert not any("0191" in text for step in plan_delete(around, "CMS").steps for _, text in step.by_hand)
    with pytest.raises(Refused, match=r"CMS has disks that goldroot did not make: 0191 \(LX9001:401:5\)"):
        plan_delete(replace(around, others_disks=lambda name: ["0191 (LX9001:401:5)"]), "CMS")


def test_an_adopted_entry_gets_its_records_with_the_first_change() -> None:
    around = paper()
    find = around.find

    def adopted(name: str) -> Standing | None:
        found = find(name)
        mark = Mark("live", "k3v9s1m2qx", "s10", "s10ro1", 1, "2026-11-26T09:30:00Z")
        return found and replace(found, entry=replace(found.entry, marks={"1": mark}))

    plan = plan_update(replace(around, find=adopted), "S10RO1", "S10GOLD2")
    first = next(step for step in plan.steps if step.diff)
    assert "+ * GOLDROOT 1 LIVE K3V9S1M2QX S10 S10RO1 1 20261126T093000Z" in first.diff


def test_a_plan_without_a_way_is_refused() -> None:
    with pytest.raises(Refused, match="no disk of its own"):
        plan_update(paper(), "SYSADMIN", "S10GOLD2")
    with pytest.raises(Refused, match="nothing in set 5"):
        plan_rollback(paper(), "S10RO1")
    with pytest.raises(Refused, match="no set 6"):
        plan_prune(paper(), "S10RO1", "6")
    with pytest.raises(Refused, match="no set 1 that could go"):
        plan_prune(paper(), "S10RO1", "1")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("", ""), []),
        (("LINK S10GOLD 11B1 01B1", "LINK S10GOLD2 11B1 01B1"), ["1B1: link S10GOLD2 1B1, and planned was link S10GOLD 1B1"]),
        (("01B5 3390 03001 00100 LX3002 MR", "01B5 3390 03001 00100 LX3002 RR"),
         ["1B5: disk LX3002:3001:100 ro, and planned was disk LX3002:3001:100 rw"]),
        (("USER S10RO1 S10RO1", "USER S10RO1 NOLOG"), ["logon: not allowed, and planned was allowed"]),
        (("01B5 3390 03001", "06B5 3390 03001"),
         ["1B5: nothing, and planned was disk LX3002:3001:100 rw", "6B5: disk LX3002:3001:100 rw, and planned was nothing"]),
    ],
)  # fmt: skip
def test_what_is_not_as_planned_is_told(change: tuple[str, str], told: list[str]) -> None:
    around, after = paper(), paper(DIRECTORY.replace(*change))
    names = around.style.words.names
    wanted = plan_said(around.get("S10RO1"), names)
    assert plan_differs(plan_said(after.get("S10RO1"), names), wanted) == told


def test_a_planned_disk_may_lie_anywhere_but_has_its_size() -> None:
    wanted = {"1B5": "disk new, 100 cylinders rw"}
    assert plan_differs({"1B5": "disk LX3004:17:100 rw"}, wanted) == []
    assert plan_differs({"1B5": "disk LX3004:17:99 rw"}, wanted) != []
    assert plan_differs({"1B5": "disk LX3004:17:100 ro"}, wanted) != []
    assert plan_differs({"1B5": "link S10GOLD 1B5"}, wanted) != []


def test_who_does_it_by_hand_checks_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tmp_path / "USER.DIRECT"
    before.write_text(DIRECTORY)
    plan = ("zvm", "plan", "rollback", "S10RO1", "--directory", str(before))
    status, text = said(capsys, *plan, "--by-hand")
    assert status == 3, text  # nothing to go back to yet
    update = ("zvm", "plan", "update", "s10ro1", "--to", "s10gold2", "--directory", str(before))
    assert "DIRMAINT  FOR S10RO1 AMDISK 05B5 3390 AUTOG 100 GROUP RR" in said(capsys, *update, "--by-hand")[1]
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(data(capsys, *update)))
    status, text = said(capsys, "zvm", "plan", "check", str(file), "--directory", str(before))
    assert status == 1
    assert "S10RO1 is not as it was planned" in text
    assert "1B1: link S10GOLD 1B1, and planned was link S10GOLD2 1B1" in text

    # What the person makes of it: the links, the exchange, and disks where there was room.
    after = DIRECTORY
    entry = after[after.index("USER S10RO1") : after.index("USER S10RO2")]
    new = entry
    for place in ("B0", "B1", "B8", "BE", "BF"):
        new = new.replace(f" LINK S10GOLD 11{place} 01{place} RR\n",
                          f" LINK S10GOLD2 11{place} 01{place} RR\n LINK S10GOLD 11{place} 05{place} RR\n")  # fmt: skip
    new = new.replace(" MDISK 01B", " MDISK 05B").replace(" LX3002 MR", " LX3002 RR")
    for start, (place, size) in enumerate((("B5", 100), ("B6", 600), ("B7", 200)), 1):
        new += f" MDISK 01{place} 3390 {start * 1000} {size} LX3004 MR READ WRITE MULTIPLE\n"
    before.write_text(after.replace(entry, new))
    status, text = said(capsys, "zvm", "plan", "check", str(file), "--directory", str(before))
    assert (status, text) == (0, "S10RO1 is as it was planned.\n")
    assert said(capsys, *plan)[0] == 0


def test_another_file_is_no_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plan.json"
    for text in (b"", b"[]", b'{"form": 2}', b'{"form": 1, "user": "X"}', b"\xff\x93", b"[" * 100_000):
        file.write_bytes(text)
        status, out = said(capsys, "zvm", "plan", "check", str(file), "--directory", str(file))
        assert status == 2
        assert "not the file of a plan" in out


# -- what is sent


def changing(calls: Iterable[str]) -> list[str]:
    return [call for call in calls if find_layout(call.split()[0]).kind != "read"]


def planned(plans: Sequence[Any]) -> tuple[list[str], set[str]]:
    """The SMAPI calls of plans that change something, and the links, without the addresses of the management guest."""
    told = [call for plan in plans for step in plan["steps"] for call in step["calls"]]
    calls = []
    for call in told:
        if call["where"] == "SMAPI":
            words = call["text"].split()
            calls.append(
                " ".join([*words[:2], *(w.partition("=")[2] for w in words if w.startswith("image_disk_number="))])
            )
    return changing(calls), links(call["text"] for call in told)


def links(commands: Iterable[str]) -> set[str]:
    return {" ".join((*words[:3], words[4])) for line in commands if (words := line.split())[0] == "LINK"}


@pytest.mark.slow
def test_what_a_plan_says_is_what_is_sent(fleet: ZvmFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    command = Socket.command

    def noted(self: Socket, text: str) -> str:
        given.append(text)
        return command(self, text)

    monkeypatch.setattr(Socket, "command", noted)

    def both(*words: str, plan: Sequence[str] = ("--plan",), more: Sequence[str] = ()) -> None:
        calls, linked = planned(fleet.data(*words, *plan, "--commands")["commands"])
        given.clear()
        sent = fleet.calls(*(["update", "run", words[2]] if words[:2] == ("update", "plan") else words), *more)
        assert changing(sent) == calls, words
        # Gold that is not part of the change may be read besides.
        other = {one for one in links(given) - linked if not (one.startswith("LINK S10GOLD") and one.endswith("R"))}
        assert (linked - links(given), other) == (set(), set()), words

    fleet.image()
    both("clone", "create", "web1", "--image", "s10")
    both("machine", "start", "web1")
    for text in ("2", "3"):
        fleet.write("S10RWMNT", {"etc/plain.conf": f"{text}\n"})
        both("gold", "publish", "s10", more=("--untested",))
    fleet("gold", "retire", "s10", "2", "--remove")
    fleet.write("S10RWMNT", {"etc/plain.conf": "4\n"})
    both("gold", "publish", "s10", more=("--untested",))  # into a slot that was used before
    both("update", "plan", "web1", plan=())
    both("rollback", "web1")
    fleet("update", "run", "web1")  # over what was set aside, which is parked
    both("rollback", "web1")
    both("machine", "stop", "web1")
    both("fallback", "prune", "web1", "--force")
    both("clone", "delete", "web1")


@pytest.mark.slow
def test_a_plan_is_checked_against_the_entry_in_force(fleet: ZvmFleet) -> None:
    fleet.image()
    fleet("clone", "create", "web1", "--image", "s10")
    fleet.publish({"etc/plain.conf": "2\n"})
    file = fleet.root / "plan.json"
    file.write_text(fleet("zvm", "plan", "update", "web1", "--to", "s10gold2", "--json"))
    assert plan_from_file(file.read_text())[0] == "WEB1"
    assert "5B5: nothing, and planned was disk" in fleet("zvm", "plan", "check", str(file), ok=1)
    fleet("update", "run", "web1")
    assert fleet("zvm", "plan", "check", str(file)) == "WEB1 is as it was planned.\n"


@pytest.mark.slow
def test_commands_are_for_plans_and_for_zvm(fleet: ZvmFleet, tmp_path: Path) -> None:
    fleet.image()
    assert "--commands belongs to --plan" in fleet("gold", "publish", "s10", "--commands", ok=2)
    assert "by hand" not in fleet("clone", "create", "web1", "--image", "s10", "--plan")
    assert "DIRMAINT  ADD WEB1" in fleet("clone", "create", "web1", "--image", "s10", "--plan", "--by-hand")
    assert fleet.data("clone", "list") == []
