"""Servers that were not made from gold: what becomes of each of their files, and what is said of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from goldroot.fleet.adopt.adopt import AdoptForm, Adopted, adopt_server, plan_adoption
from goldroot.site import Site
from support.fleet import IMAGE, ROOT, dump, small_site, text
from support.trees import Dir, File, Link, Node, make_tree

Files = Mapping[str, Node]


def md5(content: str) -> str:
    return hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()


def packaged(*packages: tuple[str, str, Mapping[str, str]]) -> dict[str, Node]:
    """What dpkg knows of packages: name, version, and the content that each brought by path."""
    status, info = [], {}
    for name, version, files in packages:
        conf = [f" /{path} {md5(content)}" for path, content in files.items() if path.startswith("etc/")]
        fields = [f"Package: {name}", "Status: install ok installed", f"Version: {version}", "Architecture: amd64"]
        status.append("\n".join([*fields, *(["Conffiles:", *conf] if conf else [])]))
        others = {path: content for path, content in files.items() if not path.startswith("etc/")}
        above = sorted({"/" + str(parent) for path in files for parent in Path(path).parents if str(parent) != "."})
        info[f"var/lib/dpkg/info/{name}.list"] = "".join(f"{path}\n" for path in ["/.", *above, *("/" + p for p in files)])
        info[f"var/lib/dpkg/info/{name}.md5sums"] = "".join(f"{md5(c)}  {p}\n" for p, c in others.items())
    return {"var/lib/dpkg/status": "\n\n".join(status) + "\n", **info}


TOOL = "#!/bin/sh\necho 1\n"
APP = str(ROOT["etc/app.conf"])
GOLDS = packaged(
    ("base", "1", {"usr/bin/tool": TOOL, "etc/app.conf": APP, "etc/plain.conf": "plain\n", "etc/gone.conf": "gone\n"}),
    ("new", "1", {"etc/new.conf": "new\n", "usr/bin/new": "new\n"}),
)
GOLD: Files = {
    **ROOT, **GOLDS, "etc/gone.conf": "gone\n", "etc/new.conf": "new\n", "usr/bin/new": File("new\n", mode=0o755),
    "etc/site.conf": "of the site\n", "var/lib/new/data": "new",
}  # fmt: skip
#: The server has `base`, which it changed; not `new`; and `own`, which gold does not have.
SERVER: dict[str, Node] = {
    **ROOT,
    **packaged(
        ("base", "1", {"usr/bin/tool": TOOL, "etc/app.conf": APP, "etc/plain.conf": "plain\n", "etc/gone.conf": "gone\n"}),
        ("own", "3", {"usr/bin/own": "own\n", "etc/own.conf": "own\n"}),
    ),
    "etc/hostname": "shop\n", "etc/machine-id": "00000000000000000000000000000042\n",
    "etc/app.conf": APP.replace("three = 3", "three = 33"), "etc/own.conf": "own = 1\n",
    "usr/bin/own": File("own\n", mode=0o755), "var/lib/mysql/ibdata": "full", "srv/www/index": "hello\n",
    "usr/local/bin/script": File("mine\n", mode=0o755),
}  # fmt: skip


@pytest.fixture
def gold_site(room: Path) -> Iterator[Site]:
    made = small_site(room, GOLD)
    yield made
    made.close()


def form(room: Path, files: Files, **more: Any) -> AdoptForm:
    return AdoptForm(str(make_tree(room / "server", files)), IMAGE, **more)


def adopt(site: Site, room: Path, files: Files, **more: Any) -> dict[str, Any]:
    return adopt_server(site, "shop", form(room, files, **more)).report


def test_a_server_keeps_what_it_changed_and_gets_the_rest_from_gold(gold_site: Site, room: Path) -> None:
    report = adopt(gold_site, room, SERVER)
    assert (report["version"], report["hostname"]) == (1, "shop")
    for path, content in {
        "etc/app.conf": APP.replace("three = 3", "three = 33"),  # changed
        "etc/plain.conf": "plain\n",
        "etc/gone.conf": None,  # removed, and its package is there
        "etc/new.conf": "new\n",  # of a package that it never had
        "etc/site.conf": "of the site\n",  # nobody's
        "etc/own.conf": "own = 1\n",
        "var/lib/new/data": "new",
        "var/lib/mysql/ibdata": "full",
        "srv/www/index": "hello\n",
        "usr/local/bin/script": "mine\n",
        "etc/machine-id": "00000000000000000000000000000042\n",
        "etc/hostname": "shop\n",
    }.items():
        assert text(gold_site, "shop", path) == content, path
    assert report["removed"] == ["/etc/gone.conf"]
    assert report["extra"] == [{"name": "own", "server": "3", "gold": ""}]
    assert report["missing"] == [{"name": "new", "server": "", "gold": "1"}]
    assert report["lost"] == []
