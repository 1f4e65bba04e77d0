"""What one ``update run`` imports: counted, not timed.  A module more is a millisecond more for each server of a fleet."""

from __future__ import annotations

import json
import subprocess
import sys

from goldroot.fleet import clones
from goldroot.site import Site
from goldroot.workflow.port import NOT_ON_SQLITE
from support.fleet import IMAGE, next_gold, on_clone

RUN = """
import json, sys
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
status = guarded(cli, ["update", "run", "web1", "--site", sys.argv[1]])
print(json.dumps([status, sorted(sys.modules)]))
"""

#: What other commands need: schemas, colours, migrations, and pages about special things.
NOT_FOR_AN_UPDATE = {
    "alembic", "libvirt", "pydantic", "rich", *NOT_ON_SQLITE,
    "goldroot.cli.rollback", "goldroot.fleet.answers", "goldroot.hosts.directory.former_store", "goldroot.hosts.images",
    "goldroot.hosts.machines", "goldroot.hosts.zvm", "goldroot.image.found", "goldroot.image.publish",
    "goldroot.site.older_store", "goldroot.system.confine", "goldroot.zvm",
}  # fmt: skip


def test_an_update_imports_what_it_uses(site: Site) -> None:
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(site, {"etc/app.conf": "one = 2\n"})
    site.close()
    done = subprocess.run([sys.executable, "-c", RUN, site.root], capture_output=True, text=True, check=True)
    status, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == 0, done
    assert not NOT_FOR_AN_UPDATE.intersection(modules)
    assert len([name for name in modules if name.startswith("goldroot")]) <= 275
    assert len([name for name in modules if name.startswith(("sqlalchemy", "dbos", "psycopg"))]) <= 165
