"""Programs that stand where those of s390-tools stand: they write down how they were called, and act on files.

A disk of the simulator is an image file; its partition is a loop device over all but the first two tracks.  There is no
DASD here: what these programs do not know, no test has tried.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

#: Where the one partition of the compatible disk layout begins: behind two tracks of twelve blocks of 4 KiB.
FIRST = 2 * 12 * 4096

_PROGRAM = """\
#!{python} -I
import json, os, socket, subprocess, sys
name, argv = os.path.basename(sys.argv[0]), sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(" ".join([name, *argv]) + "\\n")

def content(address):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect({socket!r})
        connection.sendall(json.dumps({{"user": "GOLDMGMT", "disk": address}}).encode() + b"\\n")
        said = json.loads(connection.makefile().readline())
    if said["rc"]:
        sys.exit(said["text"])
    return said["text"]

if name == "chccwdev":
    address = argv[1].removeprefix("0.0.")
    device = os.path.join({devices!r}, argv[1] and "ccw-" + argv[1])
    part = device + "-part1"
    if argv[0] == "-e":
        image = content(address.upper())
        loop = ["losetup", "--find", "--show", "--offset", "{first}", image]
        os.symlink(image, device)
        os.symlink(subprocess.run(loop, check=True, capture_output=True, text=True).stdout.strip(), part)
    elif os.path.lexists(device):
        subprocess.run(["losetup", "-d", os.readlink(part)], check=True)
        os.unlink(part)
        os.unlink(device)
elif name == "dasdfmt":
    size = os.path.getsize(argv[-1])
    os.truncate(argv[-1], 0)
    os.truncate(argv[-1], size)
if name in ("dasdfmt", "fdasd") and "-l" in argv:
    with open(argv[-1], "r+b") as disk:
        disk.seek(8192)
        disk.write(("VOL1VOL1" + argv[argv.index("-l") + 1]).encode("cp500"))
"""


def write_shims(folder: Path, socket: str, devices: Path, first: int = FIRST) -> Path:
    """chccwdev, dasdfmt, fdasd, blockdev and udevadm in a directory; the file that they write their calls into.

    :param first: where partitions begin, in bytes.
    """
    folder.mkdir()
    devices.mkdir()
    log = folder / "log"
    log.touch()
    text = _PROGRAM.format(python=sys.executable, log=str(log), socket=socket, devices=str(devices), first=first)
    for name in ("blockdev", "chccwdev", "dasdfmt", "fdasd", "udevadm"):
        (folder / name).write_text(text)
        os.chmod(folder / name, 0o700)
    return log


_ZIPL = """\
#!{python} -I
import json, os, sys
words = sys.argv[1:]
given = dict(zip(words, words[1:]))
def read(option):
    return open(given[option], "rb").read().decode("latin-1")
with open({log!r}, "w") as log:
    json.dump(dict(words=words, target=os.path.realpath(given["--target"]), image=read("--image"),
                   ramdisk=read("--ramdisk"), parameters=given["--parameters"]), log)
with open(os.path.join(given["--target"], "bootmap"), "w") as file:
    file.write("of this disk")
"""


def write_zipl(folder: Path) -> Path:
    """A zipl in a directory, which writes a bootmap; the file in which it says with what it was called last."""
    folder.mkdir(exist_ok=True)
    log = folder / "zipl.json"
    (folder / "zipl").write_text(_ZIPL.format(python=sys.executable, log=str(log)))
    os.chmod(folder / "zipl", 0o700)
    return log
