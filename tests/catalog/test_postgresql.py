"""What is different on PostgreSQL: opening, waiting, errors; and the workflow engine on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

import goldroot
from goldroot.catalog import copies, gold, images, open_catalog
from goldroot.catalog.schema import metadata
from goldroot.errors import BadInput, Failed, GoldrootError, NewerVersion, NotFound, Refused

pytestmark = pytest.mark.slow
Cluster = Callable[[], str]
STORY = str(Path(__file__).parents[1] / "workflow" / "story.py")


def test_it_is_made_on_demand_and_as_the_code_speaks_of_it(cluster: Cluster) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    url = cluster()
    with pytest.raises(NotFound):
        open_catalog(url)
    with open_catalog(url, create=True) as catalog, catalog.begin() as tx:
        assert compare_metadata(MigrationContext.configure(tx._connection), metadata) == []
        tx.write(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerVersion):
        open_catalog(url)


def test_a_database_of_another_program_is_refused(cluster: Cluster) -> None:
    url = cluster()
    engine = sa.create_engine(url.replace("postgresql", "postgresql+psycopg", 1))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE songs (name TEXT)"))
    engine.dispose()
    with pytest.raises(BadInput):
        open_catalog(url, create=True)


def test_publishes_at_once_take_one_slot_each(cluster: Cluster) -> None:
    url = cluster()
    with open_catalog(url, create=True) as catalog:
        with catalog.begin() as tx:
            for name in ("a", "b", "c", "d"):
                images.create(tx, name, "shared-usr", {})

        def publish() -> None:
            for name in ("a", "b", "c", "d"):
                with catalog.begin() as tx:
                    version = gold.begin_publish(tx, name)
                    gold.finish_publish(tx, name, version.number, digests={}, signature={})

        threads = [threading.Thread(target=publish) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with catalog.read() as tx:
            for name in ("a", "b", "c", "d"):
                assert [slot.version for slot in copies.all_slots(tx, name)] == [1, 2, 3]


def test_an_error_has_words_and_no_password(cluster: Cluster) -> None:
    url = cluster()
    with open_catalog(url, create=True) as catalog, pytest.raises(Refused, match="foreign key"), catalog.begin() as tx:
        images.touched(tx, "nobody", "maintenance")
    with pytest.raises(Failed) as caught:
        open_catalog("postgresql://ann:geheim@/none?host=/nowhere")
    assert isinstance(caught.value, GoldrootError)
    assert "geheim" not in caught.value.brief + caught.value.meaning + caught.value.todo


def test_a_workflow_that_was_killed_is_finished(cluster: Cluster, tmp_path: Path) -> None:
    source = os.path.dirname(os.path.dirname(goldroot.__file__))
    env = {**os.environ, "PYTHONPATH": source, "STORY_DATABASE": cluster()}
    args = [sys.executable, STORY, str(tmp_path), "k:1"]
    killed = subprocess.run(args, env={**env, "GOLDROOT_CRASH_AT": "story.two.done"}, check=False)
    assert killed.returncode == -signal.SIGKILL
    done = subprocess.run(args, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"clone": "web1", "one": 1, "two": 2, "three": 3}
    assert [line.split()[0] for line in (tmp_path / "did").read_text().splitlines()] == ["one", "two", "two", "three"]
