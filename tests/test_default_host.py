"""What is done with a server, an image or gold that exists is done on its own host, never on the site's default host."""

from __future__ import annotations

import re
from pathlib import Path

import goldroot

SOURCE = Path(goldroot.__file__).parent

#: Who asks for the default host, and why that is right: a server that is not made yet; the demo, whose site has one host.
KNOWN = {"fleet/update/reconcile.py", "demo/command.py"}


def test_nobody_asks_for_the_default_host_of_what_exists() -> None:
    found = {
        str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if re.search(r"\bsite\.host\b", path.read_text())
    }
    assert found == KNOWN
