"""The lines of an fstab, as fstab(5), mount(8) and systemd.mount(5) have them, and the units that systemd makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_DEVICE = re.compile(rb"(?i:/dev/|UUID=|LABEL=|PARTUUID=|PARTLABEL=|ID=)")
#: What udev writes as ``\xNN`` in the names of its links (encode_devnode_name(), src/shared/device-nodes.c of systemd).
_NOT_IN_LINKS = re.compile(rb"[^0-9A-Za-z#+.:=@_\x80-\xff-]")
_ESCAPED = re.compile(rb"\\([0-7]{3})")

#: How a mount point is called, in a unit as in fstab.
MOUNT_POINT = b"mount point"

#: With one of these a boot does not wait for the mount, or does not make it.
_LENIENT = (b"noauto", b"nofail", b"x-systemd.automount")

#: Options whose value is a file with secrets: mount.cifs(8), mount.ceph(8), sshfs(1), mount.ecryptfs(8).
_FILES = (
    b"credentials",
    b"cred",
    b"secretfile",
    b"identityfile",
    b"keyfile",
    b"passphrase_passwd_file",
    b"passwd_file",
)
#: File systems of which the source is several directories: mergerfs(1), unionfs(8).
_SEVERAL = (b"fuse.mergerfs", b"mergerfs", b"fuse.unionfs", b"fuse.mhddfs", b"mhddfs")


@dataclass(frozen=True, slots=True)
class MountLine:
    """One line; fields are without their escapes."""

    source: bytes
    point: bytes
    kind: bytes
    options: tuple[bytes, ...]
    number: int = 0  #: of the line in its file, from 1

    @property
    def said(self) -> bytes:
        """The line for a person, without its options, which may hold a password."""
        return b"line %d: %s" % (self.number, b" ".join((self.source, self.point, self.kind)))

    @property
    def device(self) -> bytes:
        """The device, where ``source`` is one: a path below ``/dev``, or a tag such as ``UUID=`` without its quotes; else ``b""``."""
        return self.source.replace(b'"', b"") if _DEVICE.match(self.source) else b""

    @property
    def node(self) -> bytes:
        """The path by which systemd knows the source: of a tag, the link that udev makes (systemd.swap(5))."""
        kind, is_tag, value = self.device.partition(b"=")
        return b"/dev/disk/by-" + kind.lower() + b"/" + _NOT_IN_LINKS.sub(_encoded, value) if is_tag else self.source

    @property
    def lenient(self) -> bool:
        """Whether a boot goes on without it."""
        return any(option in _LENIENT for option in self.options)

    @property
    def mounts(self) -> bool:
        """Whether something is mounted at ``point``."""
        return self.point.startswith(b"/") and self.kind != b"swap"

    def paths(self) -> Iterator[tuple[bytes, bytes]]:
        """(what it is, path) of all that must be there for it: ``mount point``, ``source``, ``swap file``, ``credentials``."""
        if self.mounts:
            yield MOUNT_POINT, self.point
        if self.source.startswith(b"/") and not self.source.startswith((b"/dev/", b"//")):
            sources = self.source.split(b":") if self.kind in _SEVERAL else [self.source]
            yield from ((b"swap file" if self.kind == b"swap" else b"source", source) for source in sources)
        for option in self.options:
            name, _, value = option.partition(b"=")
            if name.lower() in _FILES and value.startswith(b"/"):
                yield b"credentials", value
            elif self.kind in (b"overlay", b"overlayfs") and name in (b"lowerdir", b"upperdir", b"workdir"):
                yield from ((b"source", path) for path in value.split(b":") if path.startswith(b"/"))


def parse_fstab(content: bytes) -> list[MountLine]:
    """The lines of an fstab that mount something; others say nothing."""
    lines = (parse_line(line, number) for number, line in enumerate(content.split(b"\n"), 1))
    return [line for line in lines if line is not None]


def parse_line(line: bytes, number: int = 0) -> MountLine | None:
    """One line of an fstab; ``None`` where it mounts nothing."""
    fields = [_ESCAPED.sub(_unescaped, field) for field in line.split()]
    if len(fields) < 3 or line.lstrip().startswith(b"#"):
        return None
    options = tuple(fields[3].split(b",")) if len(fields) > 3 else ()
    return MountLine(fields[0], _plain(fields[1]), fields[2], options, number)


def _unescaped(found: re.Match[bytes]) -> bytes:
    number = int(found[1], 8)
    return bytes((number,)) if number < 256 else found[0]


def _encoded(found: re.Match[bytes]) -> bytes:
    return b"\\x%02x" % found[0][0]


def _plain(point: bytes) -> bytes:
    return b"/" + _steps(point) if point.startswith(b"/") else point


def _steps(path: bytes) -> bytes:
    """A path without slashes that say nothing."""
    return b"/".join(step for step in path.split(b"/") if step)


def unit_names(lines: list[MountLine]) -> set[bytes]:
    """The units that systemd makes of an fstab: systemd-fstab-generator(8)."""
    names = set()
    for line in lines:
        if line.mounts:
            names.add(unit_name(line.point, b".mount"))
            if b"x-systemd.automount" in line.options:
                names.add(unit_name(line.point, b".automount"))
        elif line.kind == b"swap" and line.node.startswith(b"/"):
            names.add(unit_name(line.node, b".swap"))
    return names


def unit_name(path: bytes, suffix: bytes) -> bytes:
    """The name of the unit of a path: systemd-escape(1)."""
    plain = _steps(path)
    if not plain:
        return b"-" + suffix
    written = bytearray()
    for place, byte in enumerate(plain):
        char = bytes((byte,))
        if char == b"/":
            written += b"-"
        elif (char.isalnum() and byte < 128) or char in b":_" or (char == b"." and place):
            written += char
        else:
            written += b"\\x%02x" % byte
    return bytes(written) + suffix


def path_of_unit(name: bytes) -> bytes | None:
    """The path that a ``.mount`` unit mounts at; ``None`` for other units."""
    if not name.endswith(b".mount"):
        return None
    plain = name.removesuffix(b".mount").replace(b"-", b"/")
    return b"/" + re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), plain).strip(b"/")
