"""goldroot's program on a host of its own, as root or as an ordinary user: ``python -m support.escapes.command UID TOP WORD...``.

What comes of it can break nothing but that host.  TOP is the directory of the project.
"""

from __future__ import annotations

import os
import sys

from support.escapes.host import become, reachable, up


def main() -> int:
    uid, top = int(sys.argv[1]), sys.argv[2]
    if os.geteuid() == 0:
        up("lo")
        if uid != 0:
            reachable([sys.base_prefix, sys.prefix, top])
    become(uid)
    from goldroot.cli.main import main as program

    sys.argv[1:] = sys.argv[3:]
    return int(program() or 0)


if __name__ == "__main__":
    sys.exit(main())
