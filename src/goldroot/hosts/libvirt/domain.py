"""A domain's XML (https://libvirt.org/formatdomain.html): what of it is goldroot's, and how that is changed.

goldroot's are the disks whose images stand in its store, ``<kernel>`` and ``<initrd>``, an interface with the alias
``ua-goldroot``, QEMU's arguments that name ``goldroot-ports``, and one element of the metadata, which has the entry as JSON::

    <metadata>
      <goldroot:entry xmlns:goldroot="urn:goldroot:entry:1" store="/srv/machines" domain="WEB1">{"format": 1, ...}</goldroot:entry>
    </metadata>

It says which domain it is for: whoever makes another one of the same XML (virt-clone, ``virsh dumpxml``) has one that is not
goldroot's.

All else is the administrator's, and stays as it is.  Nothing here asks libvirt.
"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from goldroot.errors import Damaged
from goldroot.hosts.qemu.arguments import Board, Drive

NAMESPACE = "urn:goldroot:entry:1"
_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
_ENTRY = f"{{{NAMESPACE}}}entry"
#: Prefixes as people know them; the names are what counts.
for _prefix, _name in {
    "goldroot": NAMESPACE,
    "qemu": _QEMU,
    "libosinfo": "http://libosinfo.org/xmlns/libvirt/domain/1.0",
}.items():
    ET.register_namespace(_prefix, _name)

#: What marks goldroot's own card, and that of published ports.
_CARD, PORTS = "ua-goldroot", "goldroot-ports"
_LINE, _ARG = f"{{{_QEMU}}}commandline", f"{{{_QEMU}}}arg"

_ADDRESS = re.compile("[0-9A-F]{3}")
#: libvirt's names of disks; the guest knows its disks by serial alone.
_TARGETS = [f"vd{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]


@dataclass(frozen=True, slots=True)
class Blank:
    """What a new domain begins with; later all of this is its administrator's."""

    name: str
    board: Board
    architecture: str
    accelerator: str  #: "kvm" or "tcg"
    memory: int  #: MiB
    processors: int
    parameters: str  #: of the kernel, after those for its console
    console: str  #: path of the file that keeps what the machine writes there
    network: str = ""  #: a network of libvirt's that it is joined to; "": none
    account: str = ""  #: what QEMU runs as, as libvirt's labels have it ("+0:+0"); "": what libvirt says


@dataclass(frozen=True, slots=True)
class Joined:
    """What a link of a machine leads to."""

    kind: str  #: "bridge": of this machine; "network": of libvirt's
    name: str
    card: str  #: its hardware address


@dataclass(frozen=True, slots=True)
class Ours:
    """What a domain has of goldroot."""

    entry: str  #: as JSON
    store: str
    kernel: str
    initrd: str
    drives: Sequence[Drive]
    shared: frozenset[str]  #: addresses of disks that other machines have, too
    joined: Joined | None = None
    ports: Sequence[str] = ()  #: QEMU's words for the card of published ports


def new(blank: Blank) -> str:
    """A domain without anything of goldroot's."""
    kvm, ccw = blank.accelerator == "kvm", blank.board.bus == "ccw"
    root = ET.Element("domain", type="kvm" if kvm else "qemu")
    _add(root, "name", text=blank.name)
    _add(root, "memory", text=str(blank.memory), unit="MiB")
    _add(root, "vcpu", text=str(blank.processors))
    os_ = _add(root, "os")
    _add(os_, "type", text="hvm", arch=blank.architecture, machine=blank.board.machine)
    _add(os_, "cmdline", text=f"console={blank.board.console} {blank.parameters}".strip())
    if not ccw:
        _add(_add(root, "features"), "acpi")
    _add(root, "cpu", mode="host-passthrough" if kvm else "maximum")
    for event, act in {"on_poweroff": "destroy", "on_reboot": "restart", "on_crash": "destroy"}.items():
        _add(root, event, text=act)
    devices = _add(root, "devices")
    line = _add(devices, "console" if ccw else "serial", type="pty")
    _add(line, "log", file=blank.console, append="on")
    if ccw:
        _add(line, "target", type="sclp", port="0")
    channel = _add(devices, "channel", type="unix")
    _add(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    _add(_add(devices, "rng", model="virtio"), "backend", text="/dev/urandom", model="random")
    if blank.network:
        card = _add(devices, "interface", type="network")
        _add(card, "source", network=blank.network)
        _add(card, "model", type="virtio")
    if blank.account:
        label = _add(root, "seclabel", type="static", model="dac", relabel="no")
        _add(label, "label", text=blank.account)
    return ET.tostring(root, encoding="unicode")


def redefined(text: str, ours: Ours) -> str:
    """A domain as it is to be: goldroot's part is new, all else stays."""
    root = _parsed(text)
    metadata = _child(root, "metadata")
    for old in metadata.findall(_ENTRY):
        metadata.remove(old)
    _add(metadata, _ENTRY, text=ours.entry, store=ours.store, domain=root.findtext("name") or "")
    boot = _child(root, "os")
    _child(boot, "kernel").text = ours.kernel
    _child(boot, "initrd").text = ours.initrd
    ccw = any("ccw" in kind.get("machine", "") for kind in boot.findall("type"))
    devices = _child(root, "devices")
    there = dict(_own(root, ours.store))
    wanted = {drive.address: drive for drive in ours.drives}
    for address, disk in there.items():
        if address not in wanted:
            devices.remove(disk)
    for address, drive in wanted.items():
        disk = there[address] if address in there else _new_disk(devices, address, ccw=ccw)
        _child(disk, "driver").set("type", "raw")
        _child(disk, "source").set("file", drive.image)
        _flag(disk, "readonly", on=drive.access == "ro")
        _flag(disk, "shareable", on=address in ours.shared)
    _join(devices, ours.joined)
    _publish(root, ours.ports)
    return ET.tostring(root, encoding="unicode")


def entry_of(text: str) -> tuple[str, str] | None:
    """The store that a domain belongs to, and its entry as JSON; ``None``: it is not goldroot's, or a copy of one that is."""
    root = _parsed(text)
    found = root.find(f"metadata/{_ENTRY}")
    if found is None or found.get("domain") != root.findtext("name"):
        return None
    return found.get("store", ""), found.text or ""


def drives_of(text: str, store: str) -> Mapping[str, Drive]:
    """The disks of a domain whose images stand in a store, by address; trees of hashes are no such disks."""
    return {address: drive for address, drive in _drives(_parsed(text), store).items() if _ADDRESS.fullmatch(address)}


def targets_of(text: str) -> Mapping[str, str]:
    """libvirt's names of all disks of a domain -> their images; "": it has no file."""
    found = _parsed(text).findall("devices/disk")
    return {target.get("dev", ""): _image(disk) for disk in found for target in disk.findall("target")}


def others_of(text: str, store: str) -> frozenset[str]:
    """Addresses that disks of somebody else have as their serial: a guest would take them for goldroot's."""
    root = _parsed(text)
    serials = {_serial(disk) for disk in root.findall("devices/disk") if not _is_own(disk, store)}
    return frozenset(serial for serial in serials if _ADDRESS.fullmatch(serial))


def next_start(text: str, store: str) -> tuple[object, ...]:
    """What the next start takes of goldroot's: kernel, initial file system, disks, and what it is joined to."""
    root = _parsed(text)
    joined = [(card.get("type"), _child(card, "source").attrib) for card in _cards(_child(root, "devices"))]
    ports = [arg.get("value") for _, args in _published(root) for arg in args]
    return root.findtext("os/kernel"), root.findtext("os/initrd"), _drives(root, store), joined, ports


def shape_of(text: str) -> tuple[int, int, str]:
    """MiB of memory, the number of processors, and what the kernel is told.

    libvirt's own unit is KiB, whatever somebody wrote: it changes that.  A text that it has not seen yet has MiB.
    """
    root = _parsed(text)
    memory, processors = root.find("memory"), root.findtext("vcpu") or "1"
    count = int("1024" if memory is None else memory.text or "1024")
    in_mib = memory is None or memory.get("unit") == "MiB"
    return count if in_mib else count >> 10, int(processors), root.findtext("os/cmdline") or ""


# -- inside


def _parsed(text: str) -> ET.Element:
    try:
        return ET.fromstring(text)
    except ET.ParseError as error:
        raise Damaged(f"libvirt gave a domain that cannot be read: {error}") from error


def _drives(root: ET.Element, store: str) -> Mapping[str, Drive]:
    return {
        address: Drive(address, _image(disk), "ro" if disk.find("readonly") is not None else "rw")
        for address, disk in _own(root, store)
    }


def _own(root: ET.Element, store: str) -> Iterator[tuple[str, ET.Element]]:
    for disk in root.findall("devices/disk"):
        if _is_own(disk, store):
            yield _serial(disk), disk


def _is_own(disk: ET.Element, store: str) -> bool:
    return os.path.dirname(_image(disk)) == os.path.join(store, "disks")


def _image(disk: ET.Element) -> str:
    source = disk.find("source")
    return "" if source is None else source.get("file", "")


def _serial(disk: ET.Element) -> str:
    return disk.findtext("serial") or ""


def _new_disk(devices: ET.Element, address: str, *, ccw: bool) -> ET.Element:
    taken = {target.get("dev") for target in devices.findall("disk/target")}
    disk = _add(devices, "disk", type="file", device="disk")
    _add(disk, "driver", name="qemu", type="raw", discard="unmap")
    _add(disk, "target", dev=next(name for name in _TARGETS if name not in taken), bus="virtio")
    _add(disk, "serial", text=address)
    if ccw and _ADDRESS.fullmatch(address):
        _add(disk, "address", type="ccw", cssid="0xfe", ssid="0x0", devno=f"0x{int(address, 16):04x}")
    return disk


def _join(devices: ET.Element, joined: Joined | None) -> None:
    """An administrator may have changed what the card is otherwise (model, target): it stays while it leads to the same."""
    kept = None
    for card in _cards(devices):
        if kept is None and joined is not None and card.get("type") == joined.kind:
            kept = card
        else:
            devices.remove(card)
    if joined is None:
        return
    if kept is None:
        kept = _add(devices, "interface", type=joined.kind)
        _add(kept, "model", type="virtio")
        _add(kept, "alias", name=_CARD)
    source = _child(kept, "source")
    if source.get(joined.kind) != joined.name:
        source.attrib = {joined.kind: joined.name}
    _child(kept, "mac").set("address", joined.card)


def _cards(devices: ET.Element) -> list[ET.Element]:
    """goldroot's own: an alias that begins with "ua-" is the user's to choose, and stays."""
    return [one for one in devices.findall("interface") if _child_name(one) == _CARD]


def _child_name(card: ET.Element) -> str:
    alias = card.find("alias")
    return "" if alias is None else alias.get("name", "")


def _publish(root: ET.Element, words: Sequence[str]) -> None:
    """Arguments of somebody else's stay."""
    for line, args in _published(root):
        for arg in args:
            line.remove(arg)
        if args and len(line) == 0:
            root.remove(line)
    if words:
        line = _child(root, _LINE)
        for word in words:
            _add(line, _ARG, value=word)


def _published(root: ET.Element) -> list[tuple[ET.Element, list[ET.Element]]]:
    """The elements with arguments, and which of these are goldroot's: a value that names its card, and the option before it."""
    found = []
    for line in root.findall(_LINE):
        args = line.findall(_ARG)
        ours = [at for at, arg in enumerate(args) if PORTS in re.split(r"[^\w-]", arg.get("value", ""))]
        found.append((line, [args[at] for at in sorted({*ours, *(at - 1 for at in ours if at)})]))
    return found


def _add(parent: ET.Element, tag: str, *, text: str | None = None, **attributes: str) -> ET.Element:
    new = ET.SubElement(parent, tag, attributes)
    new.text = text
    return new


def _child(parent: ET.Element, tag: str) -> ET.Element:
    found = parent.find(tag)
    return ET.SubElement(parent, tag) if found is None else found


def _flag(disk: ET.Element, tag: str, *, on: bool) -> None:
    found = disk.find(tag)
    if on and found is None:
        ET.SubElement(disk, tag)
    elif not on and found is not None:
        disk.remove(found)
