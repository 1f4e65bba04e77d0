"""A guest that boots in seconds under emulation: a distribution's kernel, and a busybox that does what goldroot's hook does."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.hosts import need_programs

#: In the order in which they can be loaded; what a kernel has built in is not there.
MODULES = (
    "virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk", "virtio_console",
    "crc32c_generic", "libcrc32c", "crc16", "mbcache", "jbd2", "ext4", "lz4_decompress", "erofs", "evdev", "button",
)  # fmt: skip
#: As ``uname -m`` has them -> Debian's name, and its kernel for machines of QEMU.
DEBIAN = {"x86_64": ("amd64", "linux-image-cloud-amd64"), "s390x": ("s390x", "linux-image-s390x")}


#: Finds its disks by serial, mounts the shared root read-only and its own disk, and listens as qemu-guest-agent does
#: and, once ``/etc/no-agent`` is there, to the power button alone.
INIT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in /modules/*; do insmod $module; done
disk() { for one in /sys/block/*; do [ "$(cat $one/serial 2>/dev/null)" = "$1" ] && echo /dev/${one##*/} && return; done; }
end() { umount /system/etc /own; umount /system; poweroff -f; }
mount -t erofs -o ro "$(disk 1B1)" /system || echo "no root"
mount -t ext4 "$(disk 1B5)" /own || echo "no own disk"
mount --bind /own/etc /system/etc
touch /system/x 2>/dev/null && echo "the root was written"
dd if=/dev/zero of="$(disk 1B1)" count=1 conv=fsync 2>/dev/null && echo "the root's disk was written"
touch /system/etc/written && sync && echo "etc was written"
[ -d /sys/bus/ccw/devices ] && echo channel devices $(ls /sys/bus/ccw/devices)
echo "up as $(cat /system/etc/hostname) on $(uname -m)"
[ -e /system/etc/dirty ] && { sync; echo ready; sleep 1000; }
if [ -e /system/etc/no-agent ]; then
    button=$(grep -l "Power Button" /sys/class/input/event*/device/name | cut -d/ -f5)
    echo ready
    head -c 24 "/dev/input/$button" > /dev/null
    echo "the button was pressed"
    end
fi
exec 3<>/dev/vport0p1 || exec 3<>/dev/vport1p1 || exec 3<>/dev/vport2p1
echo ready
while :; do
    read -r line <&3 || { sleep 1; continue; }  # nobody is at the other end
    case "$line" in
        *guest-sync*) id="${line##*: }"; echo "{\"return\": ${id%%\}*}}" >&3 ;;
        *guest-shutdown*) echo "the agent was asked"; end ;;
    esac
done
"""


def extract_kernel(place: Path, architecture: str = "x86_64") -> Path:
    """A Debian kernel and a static busybox, unpacked and not installed."""
    need_programs("mmdebstrap", f"qemu-system-{architecture}", "setpriv")
    name, kernel = DEBIAN[architecture]
    words = [
        "mmdebstrap",
        "--quiet",
        "--variant=extract",
        f"--architectures={name}",
        f"--include={kernel},busybox-static",
    ]
    subprocess.run([*words, "bookworm", place], check=True)
    return place


def put_boot(unpacked: Path, root: Path, init: str = INIT) -> None:
    """Put the kernel and an initial file system of its own into a root; ``init`` is what that does."""
    (root / "boot").mkdir(exist_ok=True)
    (kernel,) = (unpacked / "boot").glob("vmlinuz-*")
    version = kernel.name.removeprefix("vmlinuz-")
    shutil.copy(kernel, root / "boot")
    (busybox,) = (path for path in unpacked.rglob("bin/busybox") if path.is_file())
    files: dict[str, bytes] = {"init": init.encode(), "bin/busybox": busybox.read_bytes()}
    there = {path.stem: path for path in (unpacked / "lib/modules" / version).rglob("*.ko")}
    for number, name in enumerate(name for name in MODULES if name in there):
        files[f"modules/{number:02}-{name}.ko"] = there[name].read_bytes()
    (root / f"boot/initrd.img-{version}").write_bytes(gzip.compress(cpio(files), 1))


def cpio(files: Mapping[str, bytes]) -> bytes:
    """An archive for the kernel (Documentation/driver-api/early-userspace/buffer-format.rst): programs and directories."""
    directories = {"proc", "sys", "dev", "system", "own", *(os.path.dirname(name) for name in files)} - {""}
    parts = [_member(name, stat.S_IFDIR | 0o755, b"") for name in sorted(directories)]
    parts += [_member(name, stat.S_IFREG | 0o755, content) for name, content in files.items()]
    parts += [_member("dev/console", stat.S_IFCHR | 0o600, b"", os.makedev(5, 1)), _member("TRAILER!!!", 0, b"")]
    return b"".join(parts)


def _member(name: str, mode: int, content: bytes, device: int = 0) -> bytes:
    numbers = [0, mode, 0, 0, 1, 0, len(content), 0, 0, os.major(device), os.minor(device), len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)
