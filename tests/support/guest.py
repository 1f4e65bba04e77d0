"""A guest that boots in seconds under emulation: a distribution's kernel, and a busybox that reads what goldroot gives it."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

from goldroot.guest.cpio import cpio
from support.hosts import need_programs

#: In the order in which they can be loaded; what a kernel has built in is not there.
MODULES = (
    "virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk", "virtio_console",
    "crc32c_generic", "libcrc32c", "crc16", "mbcache", "jbd2", "ext4", "lz4_decompress", "erofs", "evdev", "button", "dummy",
    "failover", "net_failover", "virtio_net",
)  # fmt: skip
#: As ``uname -m`` has them -> Debian's name, and its kernel for machines of QEMU.
DEBIAN = {"x86_64": ("amd64", "linux-image-cloud-amd64"), "s390x": ("s390x", "linux-image-s390x")}


#: Puts its root together as goldroot says, tries to write where it may not, and listens as qemu-guest-agent does and, once
#: ``/etc/no-agent`` is there, to the power button alone.  Of commands it runs ``sh -c``, beside its root, which is ``/system``;
#: its systemctl is ``/etc/systemctl``, where that is there.
INIT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in /modules/*; do insmod $module $(case $module in *dummy*) echo numdummies=0 ;; esac); done
end() {
    umount /system/tmp
    echo "$goldroot_mounted" | while read -r one; do [ -z "$one" ] || umount "$one"; done
    poweroff -f
}
mkdir -p /system
. /goldroot/mount.sh
goldroot_patience=3
goldroot_root /system
touch /system/x 2>/dev/null && echo "the root was written"
dd if=/dev/zero of="$(goldroot_device 1B1)" count=1 conv=fsync 2>/dev/null && echo "the root's disk was written"
touch /system/etc/written && sync && echo "etc was written"
[ -d /sys/bus/ccw/devices ] && echo channel devices $(ls /sys/bus/ccw/devices)
echo "links: $(cd /sys/class/net; echo *)"
[ -e /system/etc/systemctl ] && cp /system/etc/systemctl /bin/systemctl
[ -e /system/etc/run ] && sh /system/etc/run
echo "up as $(cat /system/etc/hostname) on $(uname -m)"
[ -e /system/etc/dirty ] && { sync; echo ready; sleep 1000; }
if [ -e /system/etc/no-agent ]; then
    button=$(grep -l "Power Button" /sys/class/input/event*/device/name | cut -d/ -f5)
    echo ready
    head -c 24 "/dev/input/$button" > /dev/null
    echo "the button was pressed"
    end
fi
for port in /dev/vport*p1; do exec 3<>"$port"; done  # its first number counts all virtio devices
echo ready
while :; do
    read -r line <&3 || { sleep 1; continue; }  # nobody is at the other end
    case "$line" in
        *guest-sync*) id="${line##*:}"; echo "{\"return\": ${id%%\}*}}" >&3 ;;
        *guest-exec-status*)
            echo "{\"return\": {\"exited\": true, \"exitcode\": $status, \"out-data\": \"$(base64 /said | tr -d '\n')\"}}" >&3 ;;
        *guest-exec*)
            script=$(printf '%s' "$line" | sed 's/.*"-c", "//; s/"\], "capture-output.*//; s/\\"/"/g')
            sh -c "$(printf '%b' "$script")" >/said 2>&1 </dev/null 3>&-
            status=$?
            echo "{\"return\": {\"pid\": 1}}" >&3 ;;
        *guest-network-get-interfaces*)
            links=$(for one in /sys/class/net/*; do printf '{"name": "%s"}, ' "${one##*/}"; done)
            echo "{\"return\": [${links%, }]}" >&3 ;;
        *guest-ping*) echo "{\"return\": {}}" >&3 ;;
        *guest-shutdown*) echo "the agent was asked"; end ;;
        *) echo "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"it cannot\"}}" >&3 ;;
    esac
done
"""


def extract_kernel(place: Path, architecture: str = "x86_64", *more: str) -> Path:
    """A Debian kernel, a static busybox and ``more`` packages, unpacked and not installed."""
    need_programs("mmdebstrap", f"qemu-system-{architecture}", "setpriv")
    name, kernel = DEBIAN[architecture]
    words = [
        "mmdebstrap",
        "--quiet",
        "--variant=extract",
        f"--architectures={name}",
        f"--include={','.join((kernel, 'busybox-static', *more))}",
    ]
    subprocess.run([*words, "bookworm", place], check=True)
    return place


#: What checks blocks by a tree of hashes (dm-verity), in the same order.
CHECKING = ("dax", "reed_solomon", "dm-mod", "dm-bufio", "dm-verity")


def put_boot(unpacked: Path, root: Path, init: str = INIT, *, checking: bool = False) -> None:
    """Put the kernel and an initial file system of its own into a root; ``init`` is what that does.

    :param checking: with this machine's veritysetup, and the modules that it needs.
    """
    (root / "boot").mkdir(exist_ok=True)
    (kernel,) = (unpacked / "boot").glob("vmlinuz-*")
    version = kernel.name.removeprefix("vmlinuz-")
    shutil.copy(kernel, root / "boot")
    (busybox,) = (path for path in unpacked.rglob("bin/busybox") if path.is_file())
    files: dict[str, bytes] = {"init": init.encode(), "bin/busybox": busybox.read_bytes()}
    there = {path.stem: path for path in (unpacked / "lib/modules" / version).rglob("*.ko")}
    modules = (*MODULES, *CHECKING) if checking else MODULES
    files |= _veritysetup() if checking else {}
    for number, name in enumerate(name for name in modules if name in there):
        files[f"modules/{number:02}-{name}.ko"] = there[name].read_bytes()
    (root / f"boot/initrd.img-{version}").write_bytes(
        gzip.compress(cpio(files, ("proc", "sys", "dev", "bin"), console=True), 1)
    )


def _veritysetup() -> dict[str, bytes]:
    """The program with all of its libraries, by their paths."""
    program = shutil.which("veritysetup", path="/usr/sbin:/sbin")
    assert program is not None
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    libraries = [word for line in said.splitlines() for word in line.split() if word.startswith("/")]
    return {path.lstrip("/"): Path(path).read_bytes() for path in libraries} | {
        "bin/veritysetup": Path(program).read_bytes()
    }
