"""What makes a server itself: host name, machine-id, keys, ids, addresses.

It is made when the server is made, or when a gold first brings it, and is never shared.  Formats: machine-id(5), sethostid(3),
the files of NetworkManager's and systemd's secrets, rndc.conf(5), make-ssl-cert(8).
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module

from goldroot import sshkeys
from goldroot.run import run
from goldroot.sshkeys import KINDS, Kind
from goldroot.system.identity_places import Tree, to_remove, unique_contents
from goldroot.system.network import NetworkSettings, checked_settings, host_name, network_files
from goldroot.system.own_disks import OwnDisks

# -- What goldroot makes, as no program of its own makes it again: file by file, its content

MACHINE_ID, DBUS_ID = b"etc/machine-id", b"var/lib/dbus/machine-id"
NVME_ID, NVME_NAME = b"etc/nvme/hostid", b"etc/nvme/hostnqn"
SNAKEOIL_KEY, SNAKEOIL = b"etc/ssl/private/ssl-cert-snakeoil.key", b"etc/ssl/certs/ssl-cert-snakeoil.pem"
RNDC_KEYS = (b"etc/bind/rndc.key", b"etc/rndc.key")
NAMED = (b"etc/bind", b"etc/named", b"etc/named.d", b"etc")

_NM_PREFIX = b"nm-v2:"
_INCLUDE = re.compile(rb'^\s*include\s+"([^"]*)"', re.MULTILINE)
_SECRET = re.compile(rb'(secret\s+")([^"]*)(")')
DAYS = 3650


def new_machine_id() -> bytes:
    """The content of ``/etc/machine-id``."""
    return secrets.token_hex(16).encode() + b"\n"


def _uuid_line() -> bytes:
    return str(uuid.uuid4()).encode() + b"\n"


def _seed(old: bytes) -> bytes:
    return secrets.token_bytes(len(old) if 16 <= len(old) <= 4096 else 32)


def _secret_key(old: bytes) -> bytes:
    if old.startswith(_NM_PREFIX):
        return _NM_PREFIX + base64.b64encode(secrets.token_bytes(32)) + b"\n"
    return secrets.token_bytes(32)


def _rndc_key(old: bytes) -> bytes:
    """The same key's name and algorithm, with another secret of the same length."""

    def other(found: re.Match[bytes]) -> bytes:
        size = max(16, len(found[2]) * 3 // 4 - found[2].count(b"="))
        return found[1] + base64.b64encode(secrets.token_bytes(size)) + found[3]

    return _SECRET.sub(other, old)


#: Path -> the new content, made from what gold has there.
CONTENTS: Mapping[bytes, Callable[[bytes], bytes]] = {
    NVME_ID: lambda old: _uuid_line(),
    NVME_NAME: lambda old: b"nqn.2014-08.org.nvmexpress:uuid:" + _uuid_line(),
    b"etc/iscsi/initiatorname.iscsi": lambda old: (
        b"InitiatorName=iqn.1993-08.org.debian:01:" + secrets.token_hex(6).encode() + b"\n"
    ),
    b"etc/hostid": lambda old: secrets.token_bytes(4),
    b"var/lib/systemd/random-seed": _seed,
    b"var/lib/urandom/random-seed": _seed,
    b"var/lib/misc/random-seed": _seed,
    b"var/lib/NetworkManager/secret_key": _secret_key,
}


def to_make(tree: Tree) -> Iterator[bytes]:
    """The files of gold's that every system needs its own of; not machine-id, nor keys of sshd."""
    for path in CONTENTS:
        if tree.kind(path) == "file":
            yield path
    for path in RNDC_KEYS:
        if tree.kind(path) == "file" and b"/" + path in _included(tree):
            yield path
    for path in (SNAKEOIL_KEY, SNAKEOIL):
        if tree.kind(path) == "file":
            yield path


def _included(tree: Tree) -> set[bytes]:
    """The files that the name server's configuration includes."""
    places = [place + b"/" + name for place in NAMED for name in tree.names(place) if name.startswith(b"named")]
    return {one for path in places for one in _INCLUDE.findall(tree.read(path) or b"")}


def make_contents(wanted: Iterable[bytes], gold: Tree, hostname: str, room: str) -> dict[bytes, bytes]:
    """The new contents of these files.

    :param room: a directory of the caller's own (0700), for a program that makes a certificate.
    :raises MissingProgram: a certificate is wanted, and there is neither the library nor the program that makes one.
    """
    made: dict[bytes, bytes] = {}
    for path in wanted:
        old = gold.read(path) or b""
        if path in CONTENTS:
            made[path] = CONTENTS[path](old)
        elif path in RNDC_KEYS:
            made[path] = _rndc_key(old)
        elif path in (SNAKEOIL_KEY, SNAKEOIL) and path not in made:  # a key and its certificate belong together
            made[SNAKEOIL_KEY], made[SNAKEOIL] = make_certificate(hostname, room)
    if NVME_ID in made and NVME_NAME in made:
        made[NVME_NAME] = made[NVME_NAME].rpartition(b":")[0] + b":" + made[NVME_ID]
    return made


def make_certificate(hostname: str, room: str) -> tuple[bytes, bytes]:
    """A key and a certificate that it signed itself, for ten years, as Debian's ssl-cert makes them: both PEM.

    :raises MissingProgram: there is neither the library ``cryptography`` nor ``openssl``.
    """
    name = hostname[:63]
    try:
        import_module("cryptography")
    except ImportError:
        return _by_openssl(name, hostname, room)
    return _by_library(name, hostname)


def _by_library(name: str, hostname: str) -> tuple[bytes, bytes]:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


def _by_openssl(name: str, hostname: str, room: str) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory(prefix="certificate-", dir=room) as directory:
        key, certificate = os.path.join(directory, "key"), os.path.join(directory, "certificate")
        subject = [
            "-subj",
            f"/CN={name}",
            "-addext",
            f"subjectAltName=DNS:{hostname}",
            "-addext",
            "basicConstraints=CA:FALSE",
        ]
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(DAYS), *subject,
             "-keyout", key, "-out", certificate])  # fmt: skip
        with open(key, "rb") as one, open(certificate, "rb") as other:
            return one.read(), other.read()


# -- A new server

HOSTNAME, SUSE_HOSTNAME, HOSTS = b"etc/hostname", b"etc/HOSTNAME", b"etc/hosts"
SSH = b"etc/ssh"

_KEY = re.compile(rb"ssh_host_([a-z0-9]+)_key")


@dataclass(frozen=True, slots=True)
class Identity:
    """``hostname`` may have a domain; ``network`` is ``None`` where the image's own settings stay."""

    hostname: str
    network: NetworkSettings | None = None

    def __post_init__(self) -> None:
        host_name(self.hostname)
        if self.network is not None:
            checked_settings(self.network)

    def as_dict(self) -> dict[str, object]:
        """For the catalog; there are no secrets in it."""
        data: dict[str, object] = {"hostname": self.hostname}
        if self.network is not None:
            data |= {"interface": self.network.interface, "address": self.network.address}
        return data


def write_identity(tree: OwnDisks, identity: Identity, room: str) -> list[str]:
    """Make a copy of gold a server of its own.

    :param room: an empty directory of this command's own, for keys until they are in their place.
    :returns: the paths written and removed, for a person.
    """
    written = [*_names(tree, identity.hostname), *_machine_id(tree)]
    made = make_contents(to_make(tree), tree, identity.hostname, room)
    for path, content in made.items():
        tree.put_like(path, content, tree)
    written += [*made, *_keys(tree, identity.hostname, room)]
    if identity.network is not None:
        for file in network_files(identity.network, lambda path: _has(tree, path)):
            tree.put(file.path, file.content.encode(), file.mode)
            written.append(file.path)
    removed = list(to_remove(tree))
    for path in removed:
        tree.remove(path)
    return ["/" + os.fsdecode(path) for path in (*written, *removed)]


def _has(tree: OwnDisks, path: bytes) -> bool:
    if path.startswith(b"link:"):
        return tree.kind(path[5:]) == "link"
    return bool(tree.kind(path))


def _names(tree: OwnDisks, hostname: str) -> list[bytes]:
    short = hostname.partition(".")[0]
    tree.put(HOSTNAME, short.encode() + b"\n")
    written = [HOSTNAME]
    if tree.kind(SUSE_HOSTNAME) == "file":
        tree.put(SUSE_HOSTNAME, hostname.encode() + b"\n")
        written.append(SUSE_HOSTNAME)
    tree.put(HOSTS, hosts_with(tree.read(HOSTS) or b"", hostname))
    return [*written, HOSTS]


def hosts_with(hosts: bytes, hostname: str) -> bytes:
    """``/etc/hosts`` with the server's own line (127.0.1.1, as Debian has it) in the place of any other such line."""
    short = hostname.partition(".")[0]
    names = f"{hostname} {short}" if hostname != short else short
    own = f"127.0.1.1\t{names}".encode()
    lines = hosts.split(b"\n") if hosts else [b"127.0.0.1\tlocalhost", b""]
    kept = [line for line in lines if line.split()[:1] != [b"127.0.1.1"]]
    place = next((i + 1 for i, line in enumerate(kept) if line.split()[:1] == [b"127.0.0.1"]), 0)
    return b"\n".join([*kept[:place], own, *kept[place:]])


def _machine_id(tree: OwnDisks) -> list[bytes]:
    number = new_machine_id()
    tree.put(MACHINE_ID, number, 0o444)
    if tree.kind(DBUS_ID) != "file":
        return [MACHINE_ID]
    tree.put(DBUS_ID, number, 0o444)
    return [MACHINE_ID, DBUS_ID]


def _keys(tree: OwnDisks, hostname: str, room: str) -> list[bytes]:
    """New ssh host keys, of the kinds that gold has; what gold had is removed even where no new one is made."""
    kinds = key_kinds(tree)
    for name in tree.names(SSH):
        if name.startswith(b"ssh_host_"):
            tree.remove(SSH + b"/" + name)
    return [path for kind in kinds for path in make_host_key(tree, kind, hostname, room)]


def key_kinds(tree: OwnDisks) -> list[Kind]:
    """The kinds of host keys that a server of this gold has: those of gold, or all where its sshd has none yet."""
    if tree.kind(SSH) != "directory":
        return []
    names = tree.names(SSH)
    there = {found[1].decode() for name in names if (found := _KEY.fullmatch(name.removesuffix(b".pub")))}
    kinds = [kind for kind in KINDS if kind in there]
    return kinds or (list(KINDS) if b"sshd_config" in names else [])


def make_host_key(tree: OwnDisks, kind: Kind, hostname: str, room: str) -> list[bytes]:
    """A new host key in its place; the paths of its two files."""
    private = host_key(kind)
    pair = sshkeys.make_key(kind, f"root@{hostname.partition('.')[0]}", room)
    tree.put(private, pair.private, 0o600)
    tree.put(private + b".pub", pair.public)
    return [private, private + b".pub"]


def host_key(kind: Kind) -> bytes:
    """Where sshd has its private key of a kind."""
    return SSH + f"/ssh_host_{kind}_key".encode()


def fingerprints(tree: OwnDisks) -> dict[str, str]:
    """What must be unique, as hashes of it: name of the thing -> hex SHA-256.  Empty things are left out."""
    found: dict[str, bytes] = {}
    for word, path in (("machine-id", MACHINE_ID), ("host name", HOSTNAME), ("host name (SUSE)", SUSE_HOSTNAME)):
        found[word] = (tree.read(path) or b"").strip()
    for name in tree.names(SSH):
        if _KEY.fullmatch(name.removesuffix(b".pub")) and name.endswith(b".pub"):
            fields = (tree.read(SSH + b"/" + name) or b"").split()
            found[f"ssh host key ({name.decode()})"] = b" ".join(fields[:2])
    found |= unique_contents(tree)
    return {
        word: hashlib.sha256(value).hexdigest() for word, value in found.items() if value not in (b"", b"uninitialized")
    }


# -- A new gold. A service arrives with an update, its key does not: class ``identity`` is the server's always, so a host key
# of gold's never comes to a server; and what a state unit of gold's brings (a DHCP id) would be the same on all servers.
# What the old gold had already, and the server deleted, stays deleted.


@dataclass(frozen=True, slots=True)
class UpdateTrees:
    """The own disks of one update: of the old gold, the new gold, the server, and of the merge's result."""

    base: OwnDisks
    gold: OwnDisks
    clone: OwnDisks
    result: OwnDisks

    def is_first(self, path: bytes) -> bool:
        """Whether neither the old gold nor the server has something there."""
        return not self.base.kind(path) and not self.clone.kind(path)

    def is_made(self, path: bytes) -> bool:
        """Whether the result has something there that is not gold's: an earlier attempt made it."""
        return bool(self.result.kind(path)) and self.result.read(path) != self.gold.read(path)


@dataclass(frozen=True, slots=True)
class FirstIdentity:
    """What was done; paths without a leading slash."""

    made: tuple[bytes, ...] = ()  #: now, or by an earlier attempt
    removed: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.made or self.removed)


def make_first(trees: UpdateTrees, hostname: str, room: str) -> FirstIdentity:
    """Make in a result what its server must have of its own since this gold; done again, it changes nothing.

    :param room: an empty directory of this command's own, for keys until they are in their place.
    """
    result = trees.result
    wanted = list(_wanted(trees))
    missing = [path for path in wanted if not trees.is_made(path)]
    contents = make_contents(missing, trees.gold, hostname, room) | _machine_ids(trees, missing)
    for path, content in contents.items():
        result.put_like(path, content, trees.gold)
    for kind in _new_kinds(trees):
        if not result.kind(host_key(kind)):
            make_host_key(result, kind, hostname, room)
        wanted += [host_key(kind), host_key(kind) + b".pub"]
    removed = [path for path in to_remove(trees.gold) if trees.is_first(path) and result.kind(path)]
    for path in removed:
        result.remove(path)
    return FirstIdentity(tuple(wanted), tuple(removed))


def _wanted(trees: UpdateTrees) -> Iterator[bytes]:
    pair = (SNAKEOIL_KEY, SNAKEOIL)
    # A key and its certificate belong together: who has the one is not given the other.
    whole = all(trees.is_first(path) for path in pair)
    ids = (path for path in (MACHINE_ID, DBUS_ID) if trees.gold.kind(path) == "file")
    for path in (*ids, *to_make(trees.gold)):
        if whole if path in pair else trees.is_first(path):
            yield path


def _machine_ids(trees: UpdateTrees, wanted: Collection[bytes]) -> dict[bytes, bytes]:
    found = {MACHINE_ID: new_machine_id()} if MACHINE_ID in wanted else {}
    if DBUS_ID in wanted:
        found[DBUS_ID] = found.get(MACHINE_ID) or trees.result.read(MACHINE_ID) or new_machine_id()
    return found


def _new_kinds(trees: UpdateTrees) -> list[Kind]:
    """The kinds of host keys that the new gold's servers have, and the old one's had not."""
    if trees.result.kind(SSH) != "directory":
        return []
    had = key_kinds(trees.base)
    return [
        kind for kind in key_kinds(trees.gold)
        if kind not in had and not trees.clone.kind(host_key(kind))
    ]  # fmt: skip
