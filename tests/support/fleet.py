"""A small site with an image of a few files, for tests of the fleet."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from goldroot.fleet import clones, engine_of, run_update
from goldroot.image import MAINTENANCE, System, import_image, open_version, publish_gold
from goldroot.site import Site, init_site
from goldroot.system import OwnDisks
from goldroot.workflow import InProcess
from support.former import former, path_of
from support.trees import Dir, File, Link, Node, Seen, dump_tree, make_tree

PASSWD = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nmysql:x:101:101::/var/lib/mysql:/bin/false\n"
GROUP = "root:x:0:\ndaemon:x:1:\nmysql:x:101:\n"
SHADOW = "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\nmysql:!:19000::::::\n"

#: The first gold version.
ROOT: Mapping[str, Node] = {
    "etc/passwd": PASSWD,
    "etc/group": GROUP,
    "etc/shadow": File(SHADOW, mode=0o640),
    "etc/hosts": "127.0.0.1\tlocalhost\n",
    "etc/hostname": "gold\n",
    "etc/machine-id": "",
    "etc/app.conf": "one = 1\ntwo = 2\nthree = 3\nfour = 4\nfive = 5\nsix = 6\nseven = 7\n",
    "etc/plain.conf": "plain\n",
    "etc/network/interfaces": "source /etc/network/interfaces.d/*\n",
    "etc/resolv.conf": Link(target="../run/resolv.conf"),
    "root/.profile": "# profile\n",
    "srv": Dir(),
    "home": Dir(),
    "usr/bin/tool": File("#!/bin/sh\necho 1\n", mode=0o755),
    "usr/local/bin": Dir(),
    "usr/lib/os-release": 'NAME="Small"\nVERSION_ID="1"\n',
    "var/lib/dpkg/status": "",
    "var/lib/mysql/ibdata": "empty",
    "var/log/syslog": "",
    "var/spool/mail": Dir(),
    "proc": Dir(),
    "sys": Dir(),
    "dev": Dir(),
    "run": Dir(),
    "tmp": Dir(mode=0o1777),
}

IMAGE = "small"


def small_site(
    room: Path,
    root: Mapping[str, Node] = ROOT,
    *,
    versions: int = 1,
    layout: str = "readonly-root",
    servers: Sequence[str] = (),
) -> Site:
    """A site in ``room/site`` with the image ``small``, so many gold versions, and servers on the newest."""
    which = repr((list(root.items()), versions, layout, servers))
    if which not in _TEMPLATES:
        _TEMPLATES[which] = _template(root, versions, layout, servers)
    template = _TEMPLATES[which]
    room.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", template / "site", template / "root", room], check=True)
    return Site.open(str(room / "site"))


#: The sites that tests begin with, made once: a copy costs a tenth.
_TEMPLATES: dict[str, Path] = {}


def _template(root: Mapping[str, Node], versions: int, layout: str, servers: Sequence[str]) -> Path:
    place = Path(tempfile.mkdtemp(prefix="goldroot-template-"))
    place.chmod(0o755)
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    site = _made(place, root, versions, layout)
    for name in servers:
        clones.create_clone(site, name, IMAGE)
    with engine_of(site) as engine:
        engine.pending()  # its tables, made once for all tests
    site.close()
    return place


def _made(room: Path, root: Mapping[str, Node], versions: int, layout: str) -> Site:
    site = init_site(str(room / "site"))
    make_tree(room / "root", root)
    import_image(site, IMAGE, str(room / "root"), layout=layout)
    for _ in range(versions):
        publish_gold(site, IMAGE, untested=True)
    return site


def moved_site(room: Path) -> Site:
    """A site in ``room/site``: web1 was moved to gold 2 and has a fallback, web2 is on gold 1."""
    if "moved" not in _TEMPLATES:
        template = _TEMPLATES["moved"] = Path(tempfile.mkdtemp(prefix="goldroot-template-"))
        template.chmod(0o755)
        atexit.register(shutil.rmtree, template, ignore_errors=True)
        site = small_site(template, servers=("web1", "web2"))
        next_gold(site, {"etc/plain.conf": "gold\n"})
        run_update(site, InProcess(), "web1")
        site.close()
    room.mkdir(exist_ok=True)
    template = _TEMPLATES["moved"]
    subprocess.run(["cp", "-a", "--reflink=auto", template / "site", template / "root", room], check=True)
    return Site.open(str(room / "site"))


def next_gold(site: Site, files: Mapping[str, str | None], *, renumber_ok: bool = True) -> int:
    """Change files of the maintenance system (``None`` removes one) and publish it."""
    system = System(site, IMAGE, MAINTENANCE)
    for path, content in files.items():
        write(path_of(system, system.layout.disk_of(path.encode()).address), path, content)
    return publish_gold(site, IMAGE, untested=True, renumber_ok=renumber_ok).version.number


def write(root: str, path: str, content: str | None) -> None:
    """Write or remove one file, in the manner of an administrator."""
    full = os.path.join(root, path)
    if content is None:
        os.unlink(full)
        return
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as file:
        file.write(content)


def on_clone(site: Site, name: str, files: Mapping[str, str | None]) -> None:
    """Change files of a clone's live disks."""
    tree = live(site, name)
    for path, content in files.items():
        root = tree.root(path.encode())
        assert root is not None, f"{path} stands on a shared disk"
        write(root, path, content)


def live(site: Site, name: str) -> OwnDisks:
    """The live disks of a clone."""
    with site.catalog.read() as tx:
        clone = clones.catalog_clones.get(tx, name)
    disks = former(site).get(clone.machine).disks
    paths = {address: former(site).disk_path(disk.disk) for address, disk in disks.items() if address.startswith("1")}
    return OwnDisks(open_version(site, clone.image, clone.version).layout, paths)


def text(site: Site, name: str, path: str) -> str | None:
    """A file of a clone's live system."""
    found = live(site, name).read(path.encode())
    return None if found is None else found.decode()


def dump(site: Site, name: str) -> dict[str, Seen]:
    """Everything on a clone's live disks, and what its links show."""
    machine = former(site).get(name.upper())
    found: dict[str, Seen] = {}
    for address in machine.addresses():
        if address.startswith("1"):
            there = dump_tree(former(site).at(name.upper(), address).path)
            found |= {f"{address}:{path}": seen for path, seen in there.items()}
    return found


def configured(site: Site, words: str) -> Site:
    """The same site, opened again with more said of the image."""
    with open(site.path("goldroot.toml"), "a", encoding="utf-8") as file:
        file.write(f"[images.{IMAGE}]\n{words}\n")
    return Site.open(site.root)
