"""``goldroot demo --zvm``: the paper's story with its names, on a simulated z/VM, with every call and command told."""

from __future__ import annotations

import filecmp
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from goldroot.demo.narrator import Narrator, Ran
from goldroot.demo.roots import small_roots
from goldroot.demo.table import Row
from goldroot.hosts.zvm import ZvmHost
from goldroot.run import run
from goldroot.site import Site
from goldroot.zvm.simulator import Simulator, Storage
from goldroot.zvm.simulator.site import GROUPS, VOLUMES

IMAGE, ADMIN, GUEST = "s10", "GOLDADM", "GOLDMGMT"
SSHD, CRONTAB = "/etc/ssh/sshd_config", "/etc/crontab"
CLONES = ("s10ro1", "s10ro2", "s10rw1")

#: What the system has before: who administers it, the profile of the Linux guests, and the management guest.
DIRECTORY = """\
PROFILE LINDFLT
 CLASS G
 MACHINE ESA 4
 CONSOLE 0009 3215 T
 SPOOL 000C 2540 READER *
USER MAINT MAINT 128M 1000M ABCDEFG
 OPTION LNKNOPAS
USER GOLDADM GOLDADM 64M 64M G
USER GOLDMGMT GOLDMGMT 2G 4G BG
 INCLUDE LINDFLT
 OPTION LNKNOPAS
 NICDEF 0600 TYPE QDIO LAN SYSTEM VSWITCH1
 MDISK 0100 3390 00001 03338 LX3001 MR READ    WRITE   MULTIPLE
"""
TABLE = """\
default_host = "zvm"

[hosts.zvm]
kind = "zvm"
server = "{server}"
port = {port}
tls = false
user = "{admin}"
password_file = "smapi-password"
guest = "{guest}"
group = "LINUX"
disk_sizes = {{ B1 = 312, B5 = 70, B6 = 420 }}
live_view = "flashcopy"
template = ["USER {{user}} NOLOG 512M 1G G", " INCLUDE LINDFLT", " IPL 1B1", " NICDEF 0600 TYPE QDIO LAN SYSTEM VSWITCH1"]
simulator = "{cp}"
"""
#: Calls and commands that only ask: they are counted, not shown one by one.
ASKING = ("Query", "QUERY", "Search", "Check_", "Response_")


@dataclass
class ZvmStory:
    """What is known while it is told.

    :param heard: what z/VM was told since the last look: SMAPI or CP, and the text.
    """

    stage: Narrator
    room: str
    sim: Simulator
    rows: list[Row] = field(default_factory=list)
    heard: list[tuple[str, str]] = field(default_factory=list)
    total: Counter[str] = field(default_factory=Counter)
    second: str = ""  #: the root of the next release

    @property
    def site_dir(self) -> str:
        return os.path.join(self.room, "site")

    def claim(self, fate: str, server: str, what: str, seen: str, true: bool) -> None:
        """A row of the table at the end."""
        self.rows.append(Row(fate, server, what, seen, true))

    # -- commands, and what z/VM heard of them

    def goldroot(self, *words: str, ok: tuple[int, ...] = (0,), lines: int = 10, last: int = 0) -> Ran:
        """A command, and every call and command that it gave to z/VM."""
        ran = self.stage.goldroot(*words, ok=ok, lines=lines, last=last)
        self.tell_heard()
        return ran

    def tell_heard(self) -> None:
        """What z/VM was told; questions are counted."""
        heard, self.heard[:] = list(self.heard), []
        self.total.update(where for where, _ in heard)
        asked = Counter(text.split()[0] if where == "SMAPI" else " ".join(text.split()[:2])
                        for where, text in heard if _asks(text))  # fmt: skip
        for where, text in heard:
            if not _asks(text):
                self.stage.line(f"    {where:<5} {text[: self.stage.width - 10]}", fg="yellow")
        if asked:
            said = ", ".join(f"{name} {count}" for name, count in sorted(asked.items()))
            self.stage.say(f"and it was asked {sum(asked.values())} questions: {said}.")

    # -- what is looked up

    def entry(self, user: str) -> list[str]:
        """The records of a directory entry, as z/VM has them."""
        return [" ".join(record.split()) for record in self.sim.system.directory.entries[user].records]

    def file(self, clone: str, path: str) -> str:
        """A file of a server's live system: etc on 1B5, all else on 1B1."""
        try:
            with open(self.place(clone, path), encoding="utf-8") as opened:
                return opened.read()
        except FileNotFoundError:
            return ""

    def on(self, clone: str, *script: str) -> None:
        """What an administrator types on a server: here the host's shell does it on the server's minidisks."""

        def work(words: str) -> Ran:
            done = run(["/bin/sh", "-ec", words.replace(" /etc/", f" {self.place(clone, '/etc')}/")])
            return Ran(done.status, done.text())

        self.stage.shell(f"ssh root@{clone}", clone, *script, run=work)

    def place(self, clone: str, path: str) -> str:
        """Where a file of a system's live disks is."""
        site = Site.open(self.site_dir)
        try:
            host = site.host_named("zvm")
            assert isinstance(host, ZvmHost)
            entry = host.find(clone.upper())
            assert entry is not None, f"the demo made {clone}"
            id = entry.disks["1B5" if path.startswith("/etc") else "1B1"].id
            where = host.info([id])[id].where
        finally:
            site.close()
        name = f"{where['volume']}.{where['start']:09d}"
        self.heard.clear()  # the demo's own look
        return os.path.join(self.room, "minidisks", name, path.lstrip("/"))


@contextmanager
def simulated(room: str) -> Iterator[Simulator]:
    """A z/VM for the story, whose minidisks are directories below ``room``."""
    storage = Storage(dict(VOLUMES), dict(GROUPS), os.path.join(room, "minidisks"), "tree")
    sim = Simulator(DIRECTORY, storage=storage, active=("MAINT", GUEST), cp=os.path.join(room, "cp"), cp_user=GUEST)
    with sim:
        yield sim


def tell(story: ZvmStory) -> None:
    """All of it."""
    story.sim.system.heard = lambda where, text: story.heard.append((where, text))
    story.stage.say(
        "This is the story of the paper (Sharing and maintaining SLES 10 SP2 Linux under z/VM) with its names and addresses, "
        "on a simulated z/VM: nothing here was ever run on a live one. Below each command stands what it sent: every "
        "SMAPI call with its return and reason code, and every CP command of the management guest."
    )
    for chapter in (_site, _gold, _clones, _next_gold, _plan, _update, _fault, _back, _end):
        chapter(story)


def _site(story: ZvmStory) -> None:
    stage = story.stage
    stage.chapter("A z/VM system, and a site on it")
    stage.prompt("goldroot zvm simulate --disks minidisks --disk-form tree --cp cp")
    stage.say(
        f"Who may call SMAPI: {ADMIN}. Where goldroot runs, and links minidisks: {GUEST}. The site's file says so:"
    )
    os.makedirs(story.site_dir, mode=0o700)
    table = TABLE.format(server=story.sim.host, port=story.sim.port, admin=ADMIN, guest=GUEST, cp="../cp")
    with open(os.path.join(story.site_dir, "goldroot.toml"), "w", encoding="utf-8") as file:
        file.write(table)
    secret = os.open(os.path.join(story.site_dir, "smapi-password"), os.O_WRONLY | os.O_CREAT, 0o600)
    with open(secret, "w", encoding="ascii") as file:
        file.write(f"{ADMIN}\n")
    for line in table.splitlines():
        stage.line(f"    {line}")
    story.goldroot("init", story.site_dir, lines=2)
    stage.prompt(f"export GOLDROOT_SITE={story.site_dir}")
    stage.say("What is this system like? Nothing is changed by the question.")
    story.goldroot("zvm", "doctor", ok=(0, 1), lines=6, last=1)


def _gold(story: ZvmStory) -> None:
    stage = story.stage
    stage.chapter("S10RWMNT, the maintenance system, and S10GOLD")
    stage.say("A root file system is split over three minidisks: 1B1 root, 1B5 local, 1B6 var.")
    roots = small_roots(os.path.join(story.room, "roots"))
    _with_kernels(roots.first, roots.second)
    story.goldroot("image", "import", IMAGE, "--from", roots.first, lines=3)
    stage.say("The gold disks are owned by S10GOLD, whom nobody can log on; on them, 1B1 is 11B1.")
    story.goldroot("gold", "publish", IMAGE, "--untested", lines=2, last=1)
    gold = story.entry("S10GOLD")
    story.claim("from gold", "S10GOLD", "who can log it on", "nobody (NOLOG)", gold[0].split()[2] == "NOLOG")
    story.second = roots.second


def _clones(story: ZvmStory) -> None:
    stage = story.stage
    stage.chapter("CLONERO and CLONERW")
    stage.say("S10RO1 and S10RO2 link gold's root read-only, and own 1B5 and 1B6. S10RW1 owns copies of all.")
    story.goldroot("clone", "create", "s10ro1", "s10ro2", "--image", IMAGE, lines=2)
    story.goldroot("clone", "create", "s10rw1", "--image", IMAGE, "--read-write", lines=2)
    stage.say("The directory entry of S10RO1, as z/VM has it; the comments are goldroot's marks:")
    for line in story.entry("S10RO1"):
        stage.line(f"    {line}")
    story.goldroot("machine", "start", *CLONES)
    story.goldroot("linked")
    story.claim(
        "from gold", "S10RO1", "1B1", "a read-only link to S10GOLD 11B1", "LINK S10GOLD 11B1 01B1 RR" in story.entry("S10RO1")
    )  # fmt: skip
    on = set(story.sim.system.active())
    story.claim("from gold", "all", "guests", "logged on", {name.upper() for name in CLONES} <= on)
    stage.say("Their administrators do what they do.")
    story.on("s10ro1", f"sed -i 's/^#PermitRootLogin.*/PermitRootLogin no/' {SSHD}",
             f"echo '30 2 * * * root backup' >> {CRONTAB}")  # fmt: skip


def _next_gold(story: ZvmStory) -> None:
    stage = story.stage
    stage.chapter("The next service pack: S10GOLD2")
    story.goldroot("image", "import", IMAGE, "--replace", "--from", story.second, lines=2)
    story.goldroot("gold", "publish", IMAGE, "--untested", lines=2, last=1)
    stage.say("Guests IPL 1B1: each published root has a boot record of its own, which lists blocks of that very disk.")
    records = [os.path.join(story.place(slot, "/"), "boot/bootmap") for slot in ("S10GOLD", "S10GOLD2")]
    own = all(os.path.exists(one) for one in records) and not filecmp.cmp(records[0], records[1], shallow=False)
    story.claim("from gold", "S10GOLD2", "11B1", "a boot record of its own (zipl)", own)


def _plan(story: ZvmStory) -> None:
    stage = story.stage
    stage.chapter("What would be sent? A plan for the system programmer")
    story.goldroot("zvm", "plan", "update", "S10RO1", "--to", "S10GOLD2", lines=14, last=14)
    stage.say("For a site that allows no SMAPI the same is told as DIRMAINT and CP commands:")
    story.goldroot("zvm", "plan", "update", "S10RO1", "--to", "S10GOLD2", "--by-hand", lines=12)


def _update(story: ZvmStory) -> None:
    stage = story.stage
    stage.chapter("Page 53: S10RO1 moves to the new gold, and keeps what it had")
    stage.say(
        "New minidisks at 5B5 and 5B6, the merge onto them while S10RO1 runs, then logoff, one Image_Replace_DM under a lock, "
        "logon."
    )
    before = {line.split()[1]: line.split()[3:6] for line in story.entry("S10RO1") if line.startswith("MDISK")}
    story.goldroot("update", "run", "s10ro1", ok=(0, 1), lines=6)
    after = {line.split()[1]: line.split()[3:6] for line in story.entry("S10RO1") if line.startswith("MDISK")}
    entry = story.entry("S10RO1")
    story.claim("from gold", "S10RO1", "1B1", "links S10GOLD2", "LINK S10GOLD2 11B1 01B1 RR" in entry)
    kept = all(after.get("05B" + place) == before["01B" + place] for place in "56")
    story.claim("kept", "S10RO1", "5B5 5B6", "the very minidisks that were 1B5 and 1B6", kept)
    mine = "PermitRootLogin no" in story.file("s10ro1", SSHD) and "backup" in story.file("s10ro1", CRONTAB)
    story.claim("kept", "S10RO1", SSHD, "S10RO1's own line", mine)
    story.claim("merged", "S10RO1", SSHD, "and gold's new one", "COLORTERM" in story.file("s10ro1", SSHD))
    story.goldroot("linked")


def _fault(story: ZvmStory) -> None:
    stage = story.stage
    stage.chapter("And if a reply is lost?")
    stage.say(
        "S10RO2 is updated, and the connection ends right after z/VM has replaced the entry for the switch. The lock that is "
        "gone, and the entry as it reads, say what happened: the update goes on."
    )
    story.sim.faults.add("lost-reply@Image_Replace_DM#3")
    story.goldroot("update", "run", "s10ro2", lines=3)
    entry = story.entry("S10RO2")
    story.claim(
        "from gold", "S10RO2", "1B1, in spite of lost replies", "links S10GOLD2", "LINK S10GOLD2 11B1 01B1 RR" in entry
    )
    locks = [name for name in story.sim.system.directory.entries if story.sim.system.manager.locks.image(name)]
    story.claim(
        "kept", "z/VM", "locks and links of the management guest", "none is left", not locks and not _links(story)
    )


def _back(story: ZvmStory) -> None:
    stage = story.stage
    stage.chapter("Back to the previous gold, and the end of the old disks")
    story.goldroot("rollback", "s10ro1", lines=3)
    entry = story.entry("S10RO1")
    story.claim("rolled back", "S10RO1", "1B1", "links S10GOLD again", "LINK S10GOLD 11B1 01B1 RR" in entry)
    story.claim("rolled back", "S10RO1", SSHD, "as before the update", "COLORTERM" not in story.file("s10ro1", SSHD))
    story.goldroot("fallback", "list")
    stage.say(
        "S10RO2 stays. A kept disk can be deleted once its guest does not have it any more: after the next logoff."
    )
    story.goldroot("machine", "stop", "s10ro2")
    story.goldroot("fallback", "prune", "s10ro2", "--force", lines=3)
    gone = not any(word in line for line in story.entry("S10RO2") for word in (" 05B5 ", " 05B6 ", " 05B1 "))
    story.claim("from gold", "S10RO2", "its fallback", "gone, and with it the link to S10GOLD", gone)


def _end(story: ZvmStory) -> None:
    stage = story.stage
    stage.chapter("The end")
    story.goldroot("linked")
    for number in ("1", "2"):
        ran = story.goldroot("gold", "verify", IMAGE, number, lines=3)
        story.claim("kept", "gold", f"version {number}", "verified: as it was signed", ran.status == 0)
    stage.say(f"z/VM was given {story.total['SMAPI']} SMAPI calls and {story.total['CP']} CP commands in all.")
    story.claim("kept", "z/VM", "answers of the simulator", "all legal by IBM's list of codes", story.sim.bugs == [])


def _with_kernels(*roots: str) -> None:
    """What a boot record is made of: here a few bytes each."""
    for number, root in enumerate(roots, 1):
        for name in (f"vmlinuz-{number}.0", f"initrd.img-{number}.0"):
            with open(os.path.join(root, "boot", name), "w", encoding="ascii") as file:
                file.write(f"{name}\n")


def _links(story: ZvmStory) -> list[str]:
    return [one.address for one in story.sim.system.query_virtual(GUEST) if one.address.startswith("F")]


def _asks(text: str) -> bool:
    return text.startswith("QUERY") or any(word in text.split()[0] for word in ASKING)
