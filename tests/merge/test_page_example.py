"""The example with which docs/explanation/merging.md begins, to the last path."""

from __future__ import annotations

from pathlib import Path

from support.merging import merge_tables
from support.trees import File


def test_the_example_of_the_page_about_merging(tmp_path: Path) -> None:
    middle = "".join(f"Option{number} x\n" for number in range(9))
    sshd = "etc/ssh/sshd_config"
    base: dict[str, str] = {
        sshd: f"Port 22\n{middle}X11Forwarding yes\n", "etc/hosts": "10.0.0.1 mirror\n", "etc/logrotate.d/app": "x\n",
        "etc/cron.d/app": "0 3 * * *\n", "etc/cron.d/other": "o\n", "etc/app.conf": "level = 1\n", "etc/logrotate.d/other": "o\n",
        "var/lib/x": "x",
    }  # fmt: skip
    gold: dict[str, str | File] = {
        **base, sshd: File(f"Port 22\n{middle}X11Forwarding no\n", mode=0o600), "etc/hosts": "10.0.0.1 mirror apt\n",
        "etc/app.conf": "level = 2\n", "etc/new.conf": "n\n",
    }  # fmt: skip
    clone: dict[str, str] = {
        **base, sshd: f"Port 2222\n{middle}X11Forwarding yes\n", "etc/hosts": "10.0.0.1 mirror\n10.0.0.7 db\n",
        "etc/app.conf": "level = 3\n", "var/lib/app/data": "d",
    }  # fmt: skip
    del gold["etc/cron.d/app"], clone["etc/logrotate.d/app"]
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.conflicts == [("/etc/app.conf", "content")]
    assert (done.text(sshd), done.tree[sshd].mode) == (f"Port 2222\n{middle}X11Forwarding no\n", 0o600)
    assert done.text("etc/hosts") == "10.0.0.1 mirror apt\n10.0.0.7 db\n"
    assert (done.text("etc/app.conf"), done.text("etc/new.conf"), done.text("var/lib/app/data")) == (
        "level = 3\n",
        "n\n",
        "d",
    )
    assert not {"etc/logrotate.d/app", "etc/cron.d/app"} & set(done.tree)
    assert {entry["path"] for entry in done.record["entries"]} == {
        f"/{sshd}", "/etc/hosts", "/etc/logrotate.d/app", "/etc/cron.d/app", "/etc/app.conf", "/etc/new.conf", "/var/lib/app",
    }  # fmt: skip
