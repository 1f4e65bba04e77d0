"""The second half of the demo's story: updates, a review, the switch, and the ways back; with what it claims of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from goldroot.demo.story import BACKUP, CLONES, CRONTAB, KEYS, LATE, NGINX, SHOP, SITE_LINK, SSHD, Story
from goldroot.demo.table import Look
from goldroot.image import open_version
from goldroot.site import Site
from goldroot.system import fingerprints

#: Keeps the clone's side at each marker of a conflict.
EDITOR = "sed -i -e '/^<<<<<<< /d' -e '/^|||||||/,/^>>>>>>>/d'"


def move(story: Story) -> None:
    """Everything after the second gold version."""
    for chapter in (_review, _others, _carry, _plain, _end):
        chapter(story)


def _review(story: Story) -> None:
    stage = story.stage
    stage.chapter("web1 moves, with a review")
    stage.say("What would happen? A plan reads, and changes nothing.")
    stage.goldroot("update", "plan", "web1", ok=(1,), lines=18)
    stage.say(
        "The merge goes to new disks at 5B5 and 5B6. gold and web1 both changed the same line of sshd_config: that is not "
        "for a program to decide, so the update waits, and web1 lives on as it was."
    )
    stage.goldroot("update", "run", "web1", ok=(1,))
    story.claim(
        "kept", "web1", f"all of {' '.join(story.before['web1'])}, while a review is open", "byte for byte as before",
        story.look("web1").digests(busy=story.busy) == story.before["web1"],
    )  # fmt: skip
    stage.goldroot("review", "list", ok=(1,))
    stage.goldroot("review", "show", "web1", ok=(1,), lines=11, last=13)
    stage.say("Meanwhile life goes on: somebody adds another job. It will be merged in as well, before the switch.")
    story.on("web1", f"echo '0 7 * * 1 root report' > {LATE}")
    stage.say(
        "The administrator decides: in an editor (here sed plays the administrator), which opens the file with everything "
        "merged that could be, and markers at the one line. web1's line stays; all else that gold changed arrives."
    )
    with _editor(EDITOR):
        stage.prompt(f'EDITOR="{EDITOR}" goldroot review edit web1 {SSHD}')
        stage.show(stage.silently("review", "edit", "web1", SSHD, "--note", "no root login from outside"))
    if story.runs:
        stage.say(
            "web1 runs all the while. The new system is tried beside it, in isolation; then web1 is stopped, switched, "
            "started, and asked how it does. If that were bad, it would be back on its old disks by itself."
        )
    stage.goldroot("update", "run", "web1")
    _claim_runs(story, "web1")
    _claim_web1(story)


def _claim_runs(story: Story, name: str) -> None:
    """By what the host says."""
    if story.runs:
        found = json.loads(story.stage.silently("machine", "list", name, "--json").out)["machines"][0]
        word = (found["power"], found["runs"])
        story.claim("from gold", name, "its machine", "runs, from the new disks", word == ("on", "current"))


@contextmanager
def _editor(command: str) -> Iterator[None]:
    before = {name: os.environ.pop(name) for name in ("VISUAL", "EDITOR") if name in os.environ}
    os.environ["EDITOR"] = command
    try:
        yield
    finally:
        del os.environ["EDITOR"]
        os.environ.update(before)


def _claim_web1(story: Story) -> None:
    stage, roots, look = story.stage, story.roots, story.look("web1")
    stage.say(f"web1 runs {'Debian 13' if roots.form == 'real' else 'release 2'} now, and is still itself:")
    if roots.enterable:
        how = ("machine", "run", "web1") if story.runs else ("clone", "enter", "web1")
        stage.goldroot(*how, "grep", "PRETTY_NAME", "/etc/os-release")
        said = stage.silently(*how, "cat", "/usr/lib/os-release").out
        word = 'VERSION_ID="13"' if roots.form == "real" else 'VERSION_ID="2"'
        story.claim("from gold", "web1", "/usr, linked", word, word in said)
    _kept_rows(story, look)
    _merged_rows(story, look)
    story.claim("reviewed", "web1", SSHD, "web1's line, all else of gold's", _decided(look))
    if roots.owners:
        _renumbered_row(story, look)


def _decided(look: Look) -> bool:
    """The line of the server, a line that gold changed elsewhere in the file, and the word of the record."""
    text = look.text(SSHD)
    return "\nPermitRootLogin no\n" in text and "COLORTERM" in text and "decided" in look.outcome(SSHD)


def _kept_rows(story: Story, look: Look) -> None:
    def row(what: str, seen: str, true: bool) -> None:
        story.claim("kept", "web1", what, seen, true)

    root = look.password("root")
    row("root's password", "as web1 set it", root.startswith("$") and root == story.secrets["web1"])
    ops = dict(look.accounts().users).get(b"ops")
    row("user ops", "uid 1000", ops == 1000)
    for path in (BACKUP, LATE):
        row(path, "added by web1", "root" in look.text(path) and look.outcome(path) == "clone")
    row(SITE_LINK, "stays removed", not look.exists(SITE_LINK))
    state = look.text(f"{SHOP}/layout") + look.text(f"{SHOP}/orders")
    row(SHOP, "whole: its layout 1, its orders", state == "layout 1\n17 books\n")


def _merged_rows(story: Story, look: Look) -> None:
    nginx = look.text(NGINX)
    both = "worker_connections 4096" in nginx and "ssl_protocols TLSv1.2 TLSv1.3" in nginx
    story.claim(
        "merged", "web1", NGINX, "web1's connections, gold's protocols", both and look.outcome(NGINX) == "merged"
    )
    crontab = "run-weekly" in look.text(CRONTAB) and look.mode(CRONTAB) == 0o600
    story.claim("merged", "web1", CRONTAB, "web1's job, gold's mode 0600", crontab)


def _renumbered_row(story: Story, look: Look) -> None:
    site = Site.open(story.site_dir)
    old, new = (dict(open_version(site, story.image, n).accounts.groups)[b"_chrony"] for n in (1, 2))
    story.claim(
        "renumbered", "web1", KEYS, f"group _chrony was {old}, is {new}", look.group(KEYS) == new and old != new
    )


def _others(story: Story) -> None:
    stage = story.stage
    stage.chapter("The others follow")
    stage.say("web2 has the same question as web1 had, and it is answered already. db1 has none.")
    stage.goldroot("update", "run", "web2", "db1", lines=12)
    web2, db1 = story.look("web2"), story.look("db1")
    story.claim("reviewed", "web2", SSHD, "answered by web1's decision", _decided(web2))
    story.claim(
        "from gold", "web2", SHOP, "layout 2: web2 never touched it", web2.text(f"{SHOP}/layout") == "layout 2\n"
    )
    story.claim(
        "merged", "db1", CRONTAB, "db1's note, gold's mode 0600",
        "see the wiki" in db1.text(CRONTAB) and db1.mode(CRONTAB) == 0o600,
    )  # fmt: skip
    prints = [fingerprints(story.look(name).tree) for name in CLONES]
    every = [value for one in prints for value in one.values()]
    own = len(prints[0]) > 1 and len(every) == len(set(every)) == 3 * len(prints[0])
    story.claim("kept", "all", "host name, machine-id, host keys", "each its own", own)
    stage.say("Who is on which gold? The slot of version 1 is still held: by the fallbacks, which are the way back.")
    stage.goldroot("linked")


def _carry(story: Story) -> None:
    stage = story.stage
    stage.chapter("Something goes wrong on web2: back, with what was changed since")
    stage.say("web2 has worked on version 2 for a day. Its root password was changed, its shop has sold something.")
    story.on(
        "web2",
        story.password("root", "web2-new"),
        f"echo '0 4 * * * root tidy' > {BACKUP}",
        f"echo '3 maps' > {SHOP}/orders",
    )
    secret = story.look("web2").password("root")
    stage.say("Then the shop turns out not to work with the new release. What would going back mean?")
    stage.goldroot("rollback", "web2", "--plan", lines=14)
    stage.say(
        "With --carry, configuration and accounts that were changed since are merged onto the fallback. The shop's data "
        "is not: it may be in the format of the new release, so that is asked, and the fallback's is proposed."
    )
    stage.goldroot("rollback", "web2", "--carry", ok=(1,), lines=6)
    stage.goldroot("review", "show", "web2", "--brief", ok=(1,), lines=6)
    stage.goldroot("rollback", "web2", "--carry", "--take-proposals", lines=10)
    look = story.look("web2")

    def row(what: str, seen: str, true: bool) -> None:
        story.claim("rolled back", "web2", what, seen, true)

    row("to gold 1, in one step", f"gold {look.clone.version}, read-only link and disks", look.clone.version == 1)
    row("root's password of yesterday", "carried", look.password("root") == secret != story.secrets["web2"])
    row(BACKUP, "carried", "tidy" in look.text(BACKUP))
    state = look.text(f"{SHOP}/layout") + look.text(f"{SHOP}/orders")
    row(SHOP, "the fallback's: layout 1", state == "layout 1\nnone\n")


def _plain(story: Story) -> None:
    stage = story.stage
    stage.chapter("db1 goes back, too: plainly")
    stage.say("Without --carry the old disks are simply live again. They were never written, so db1 is what it was.")
    stage.goldroot("rollback", "db1", lines=6)
    look = story.look("db1")
    same = look.digests(busy=story.busy) == story.before["db1"]
    disks = " ".join(story.before["db1"])
    story.claim("rolled back", "db1", f"all of {disks}", "byte for byte as before the update", same)
    stage.say("What was live until now is set aside, and kept until a date, as are the fallbacks.")
    stage.goldroot("fallback", "list")


def _end(story: Story) -> None:
    stage = story.stage
    stage.chapter("The end")
    stage.say("web1 stays on version 2, and gold is still what was signed:")
    stage.goldroot("linked")
    for number in (1, 2):
        ran = stage.goldroot("gold", "verify", story.image, str(number), lines=3)
        story.claim("kept", "gold", f"version {number}", "verified: as it was signed", ran.status == 0)
