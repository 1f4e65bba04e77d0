"""SQL that was compiled once is compiled for the whole run.

A command compiles each statement that it needs once, for its one engine.  Tests open thousands of engines in one process,
and a fifth of their time would go into compiling the same statements again.  What is executed stays the same.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache

_COMPILED: LRUCache[Any, Any] = LRUCache(5000)


class OneDialect(SQLiteDialect_pysqlite):
    """The dialect of SQLite as everybody has it: what one engine compiled fits all others."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OneDialect)

    def __hash__(self) -> int:
        return hash(OneDialect)


def share_compiled() -> None:
    """From now on SQLite's engines of this process share what they compile."""
    sa.dialects.registry.register("sqlite", __name__, OneDialect.__name__)
    init = Engine.__init__

    def shared(self: Engine, *args: Any, **options: Any) -> None:
        init(self, *args, **options)
        if self.dialect.name == "sqlite":
            self.update_execution_options(compiled_cache=_COMPILED)

    Engine.__init__ = shared  # type: ignore[method-assign]
