"""goldroot's program on a host of its own, as root or as an ordinary user: ``python -m support.escapes.command UID TOP COMMANDS``.

What comes of it can break nothing but that host.  TOP is the directory of the project, COMMANDS a JSON list of lists of
words: the first one that does not end with 0 is the last.
"""

from __future__ import annotations

import json
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

    for words in json.loads(sys.argv[3]):
        sys.argv[1:] = words
        try:
            status = program()
        except SystemExit as ended:
            status = ended.code
        if status:
            return int(status)
    return 0


if __name__ == "__main__":
    sys.exit(main())
