"""The first half of the demo's story: an image, gold version 1, three servers that become themselves, gold version 2."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from goldroot.demo.narrator import Narrator, Ran
from goldroot.demo.roots import Roots
from goldroot.demo.table import Look, Row
from goldroot.image import MAINTENANCE, System
from goldroot.run import run
from goldroot.site import Site

SSHD, NGINX, CRONTAB = "/etc/ssh/sshd_config", "/etc/nginx/nginx.conf", "/etc/crontab"
BACKUP, LATE, SITE_LINK = "/etc/cron.d/backup", "/etc/cron.d/report", "/etc/nginx/sites-enabled/default"
CLONES = ("web1", "web2", "db1")
SHOP, KEYS = "/var/lib/shop", "/etc/chrony/web1.keys"


@dataclass
class Story:
    """What is known while it is told."""

    stage: Narrator
    roots: Roots
    room: str  #: the directory that the site stands in
    runs: bool = False  #: servers are containers, which run
    rows: list[Row] = field(default_factory=list)
    before: dict[str, dict[str, str]] = field(default_factory=dict)  #: clone -> address -> hash of the whole disk
    secrets: dict[str, str] = field(default_factory=dict)  #: clone -> root's password field

    @property
    def image(self) -> str:
        return self.roots.image

    @property
    def busy(self) -> bool:
        """Whether the servers run services."""
        return self.runs and self.roots.form == "real"

    @property
    def site_dir(self) -> str:
        return os.path.join(self.room, "site")

    def look(self, clone: str) -> Look:
        """A clone as it is now."""
        return Look(Site.open(self.site_dir), clone)

    def claim(self, fate: str, server: str, what: str, seen: str, true: bool) -> None:
        """A row of the table at the end."""
        self.rows.append(Row(fate, server, what, seen, true))

    # -- work inside the systems

    def maintain(self, *script: str) -> None:
        """Commands on the maintenance system."""

        def work(words: str) -> Ran:
            if self.roots.enterable:
                return self.stage.silently("maintain", "run", self.image, "/bin/sh", "-ec", words)
            system = System(Site.open(self.site_dir), self.image, MAINTENANCE)
            found = system.host.info(system.disks.values())
            where = {address: str(found[id].where["path"]) for address, id in system.disks.items()}
            return self._outside(words, lambda path: where[system.layout.disk_of(path).address])

        self.stage.shell(f"goldroot maintain enter {self.image}", "maintenance", *script, run=work)

    def on(self, clone: str, *script: str) -> None:
        """Commands that an administrator gives on a clone."""

        def work(words: str) -> Ran:
            if self.runs:
                return self.stage.silently("machine", "run", clone, "/bin/sh", "-ec", words)
            if self.roots.enterable:
                return self.stage.silently("clone", "enter", clone, "/bin/sh", "-ec", words)
            return self._outside(words, lambda path: self.look(clone).tree.root(path) or "")

        enter = f"goldroot machine run {clone} /bin/sh -ec ..." if self.runs else f"goldroot clone enter {clone}"
        self.stage.shell(enter, clone, *script, run=work)

    def _outside(self, script: str, root: Callable[[bytes], str]) -> Ran:
        """The same script by the host's shell, on the directories that the disks are: where nothing can be entered."""

        def place(found: re.Match[str]) -> str:
            return os.path.join(root(found[1].encode()), found[1])

        words = re.sub(r"(?<=[\s'\"])/(etc|var|home|root|srv)(?=/)", place, script)
        done = run(["/bin/sh", "-ec", words])
        return Ran(done.status, done.text())

    def password(self, user: str, word: str) -> str:
        """The command that changes a password, as this release's programs allow."""
        if self.roots.form == "real":
            return f"echo {user}:{word} | chpasswd"
        return f"sed -i 's|^{user}:[^:]*|{user}:$6${word}$hash|' /etc/shadow"


def begin(story: Story) -> None:
    """Everything up to the second gold version."""
    story.stage.say(
        "One gold image, three servers that live on it, a new release of it, and a server that moves there with all that "
        "is its own: every command below is really run, and what is claimed at the end is looked up."
    )
    for chapter in (_site, _first_gold, _clones, _changes, _second_gold):
        chapter(story)


def _site(story: Story) -> None:
    stage, roots = story.stage, story.roots
    stage.chapter("A site, and an image in it")
    stage.say("A site holds everything: configuration, catalog, signing key, and disks, here as plain directories.")
    if story.runs:
        stage.say("Its servers are containers, which run from these disks.")
    stage.goldroot("init", story.site_dir, *(["--host", "nspawn"] if story.runs else []), lines=3)
    stage.prompt(f"export GOLDROOT_SITE={story.site_dir}")
    with open(os.path.join(story.site_dir, "goldroot.toml"), "a", encoding="utf-8") as file:
        file.write(_config(roots))
    if roots.tests:
        stage.say(
            "In goldroot.toml the owner says how the image is tested, and what is checked on a server before a switch:"
        )
        for line in _config(roots).strip().splitlines():
            stage.line("    " + line)
    stage.say("A root file system becomes the maintenance system, split over disks: 1B1 shared, 1B5 and 1B6 local.")
    stage.goldroot("image", "import", story.image, "--from", roots.first, lines=4)


def _config(roots: Roots) -> str:
    tests, checks = (", ".join(f'"{command}"' for command in commands) for commands in (roots.tests, roots.checks))
    return f"\n[images.{roots.image}]\ntests = [{tests}]\nchecks = [{checks}]\n"


def _first_gold(story: Story) -> None:
    stage = story.stage
    stage.chapter("Gold version 1")
    stage.say(
        "A change is made on the maintenance system, never on gold: here a shop that keeps data in /var/lib/shop."
    )
    story.maintain(f"mkdir -p {SHOP}", f"echo 'layout 1' > {SHOP}/layout", f"echo none > {SHOP}/orders")
    _test_and_publish(story, "first")


def _test_and_publish(story: Story, note: str) -> None:
    stage = story.stage
    if story.roots.enterable:
        stage.say("It is tested on a copy, with read-only and with read-write root; only then it can be published.")
        if story.runs:
            stage.say("The copy is booted for that, in each form, and the tests run in what runs.")
        stage.goldroot("maintain", "test", story.image)
        stage.goldroot("gold", "publish", story.image, "--note", note, lines=6)
    else:
        stage.say("Namespaces are not allowed here, so it cannot be tested; the record of the version will say so.")
        stage.goldroot("gold", "publish", story.image, "--untested", "--note", note, lines=6)


def _clones(story: Story) -> None:
    stage = story.stage
    stage.chapter("Three servers from it")
    stage.say(
        "web1 and web2 link gold's shared disk, read-only, and own copies of the small ones. db1 is read-write: it owns "
        "copies of all. Each gets a host name, a machine-id and ssh host keys of its own."
    )
    stage.goldroot("clone", "create", "web1", "web2", "--image", story.image)
    stage.goldroot("clone", "create", "db1", "--image", story.image, "--read-write")
    stage.goldroot("linked")
    if story.runs:
        stage.say(
            "They are started: all from the one root, which none of them can write but db1, whose root is its own."
        )
        stage.goldroot("machine", "start", *CLONES)
        stage.goldroot("machine", "list")
        read_only = stage.silently("machine", "run", "web1", "/bin/sh", "-c", "exec 2>&1; echo > /usr/x", ok=(2,)).out
        story.claim("from gold", "web1", "/usr, from inside", "nobody can write it", "ead-only" in read_only)


def _changes(story: Story) -> None:
    stage = story.stage
    stage.chapter("The servers become themselves")
    stage.say(
        "Administrators do what they do: a password, a user, a service tuned, a job, a site removed, data written."
    )
    story.on(
        "web1",
        story.password("root", "web1-root"),
        *_add_user(story.roots),
        f"sed -i 's/^#PermitRootLogin.*/PermitRootLogin no/' {SSHD}",
        f"sed -i 's/worker_connections 768/worker_connections 4096/' {NGINX}",
        f"echo '30 2 * * * root run-weekly' >> {CRONTAB}",
        f"echo '0 3 * * * root backup' > {BACKUP}",
        f"rm {SITE_LINK}",
        # Else the port is open until the next start, and the trial of the new system tells that it is not any more.
        *(["systemctl reload nginx"] if story.busy else []),
        f"echo '17 books' > {SHOP}/orders",
        *_keys(story.roots),
    )
    stage.say("web2 hardens ssh in the same way, and db1 has a note in its cron table.")
    story.on("web2", f"sed -i 's/^#PermitRootLogin.*/PermitRootLogin no/' {SSHD}")
    story.on("db1", f"echo '# dumps: see the wiki' >> {CRONTAB}")
    stage.say(
        "What has web1 changed against its gold? State, such as the shop's data, is one line; secrets are not shown."
    )
    stage.goldroot("clone", "diff", "web1", ok=(1,), lines=16, last=2)
    stage.goldroot("clone", "diff", "web1", "/etc/shadow", "--patch", ok=(1,), lines=9)
    for name in CLONES:
        look = story.look(name)
        story.before[name], story.secrets[name] = look.digests(busy=story.busy), look.password("root")


def _add_user(roots: Roots) -> tuple[str, ...]:
    if roots.form == "real":
        return ("useradd -m -u 1000 ops",)
    return (
        "echo 'ops:x:1000:1000::/home/ops:/bin/sh' >> /etc/passwd",
        "echo 'ops:x:1000:' >> /etc/group",
        "echo 'ops:!:19800:0:99999:7:::' >> /etc/shadow",
    )


def _keys(roots: Roots) -> tuple[str, ...]:
    if not roots.owners:
        return ()
    return (f"echo '1 SHA1 HEX:demo' > {KEYS}", f"chown root:_chrony {KEYS}", f"chmod 640 {KEYS}")


def _second_gold(story: Story) -> None:
    stage, roots = story.stage, story.roots
    stage.chapter("Gold version 2: a new release")
    stage.say(
        "The next release is built again, as distributions are: other packages, other defaults, and system accounts that "
        "have other numbers."
    )
    stage.goldroot("image", "import", story.image, "--replace", "--from", roots.second, lines=4)
    story.maintain(
        f"mkdir -p {SHOP}",
        f"echo 'layout 2' > {SHOP}/layout",
        f"echo none > {SHOP}/orders",
        f"sed -i 's/^#PermitRootLogin.*/PermitRootLogin prohibit-password/' {SSHD}",
        f"chmod 600 {CRONTAB}",
    )
    _test_and_publish(story, "the new release")
    stage.goldroot("gold", "diff", story.image, "1", "2", ok=(0, 1), lines=8)
