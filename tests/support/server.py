"""A tree with its own account tables, looked at and changed as an administrator does: owners by name.

Nothing here uses goldroot, so that what is read is a second opinion.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ACL_ACCESS, ACL_DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
_ACL_WORDS = {1: "user:", 2: "user:", 4: "group:", 8: "group:", 16: "mask:", 32: "other:"}


@dataclass(frozen=True)
class Facts:
    """What stands at a path, without times."""

    kind: str
    mode: int
    owner: str
    group: str
    content: str  #: a file's SHA-256, a link's target, a device's number
    xattrs: tuple[tuple[str, str], ...]  #: ACLs with names


class Server:
    """A root file system in a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def at(self, path: str) -> Path:
        """The place of an absolute path; its last component is not followed."""
        return self.root / path.lstrip("/")

    # -- accounts

    @cached_property
    def users(self) -> dict[str, int]:
        return self._table("passwd")

    @cached_property
    def groups(self) -> dict[str, int]:
        return self._table("group")

    @cached_property
    def _user_names(self) -> dict[int, str]:
        return {number: name for name, number in reversed(self.users.items())}

    @cached_property
    def _group_names(self) -> dict[int, str]:
        return {number: name for name, number in reversed(self.groups.items())}

    def _table(self, name: str) -> dict[str, int]:
        lines = [line.split(":") for line in self.text(f"/etc/{name}").splitlines()]
        return {fields[0]: int(fields[2]) for fields in lines}

    def user_name(self, number: int) -> str:
        return self._user_names.get(number, f"#{number}")

    def group_name(self, number: int) -> str:
        return self._group_names.get(number, f"#{number}")

    def record(self, file: str, name: str) -> list[str]:
        """A line of an account file as its fields; empty where there is none."""
        lines = [line.split(":") for line in self.text(f"/etc/{file}").splitlines()]
        return next((fields for fields in lines if fields[0] == name), [])

    # -- looking

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.at(path))

    def text(self, path: str) -> str:
        return self.at(path).read_text()

    def owner(self, path: str) -> str:
        """``user:group``, as names."""
        held = os.lstat(self.at(path))
        return f"{self.user_name(held.st_uid)}:{self.group_name(held.st_gid)}"

    def mode(self, path: str) -> int:
        return stat.S_IMODE(os.lstat(self.at(path)).st_mode)

    def target(self, path: str) -> str:
        return os.readlink(self.at(path))

    def names(self, path: str) -> list[str]:
        """What is in a directory."""
        return sorted(os.listdir(self.at(path)))

    def acl(self, path: str, name: str = ACL_ACCESS) -> set[str]:
        """An ACL's entries with names, such as ``user:alice:6``; the entries of the mode bits have none."""
        return set(self._acl(os.getxattr(self.at(path), name, follow_symlinks=False)))

    def _acl(self, value: bytes) -> list[str]:
        words = []
        for tag, permissions, number in struct.iter_unpack("<HHI", value[4:]):
            name = self.user_name(number) if tag == 2 else self.group_name(number) if tag == 8 else ""
            words.append(f"{_ACL_WORDS[tag]}{name}:{permissions}")
        return words

    # -- changing

    def write(self, path: str, text: str | bytes, owner: str = "root:root", mode: int = 0o644) -> None:
        """A new file, its directories made where they are missing."""
        place = self.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode() if isinstance(text, str) else text)
        self.chown(path, owner)
        place.chmod(mode)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that must be there, in place."""
        text = self.text(path)
        assert old in text, f"{path} does not hold {old!r}"
        with open(self.at(path), "w") as file:
            file.write(text.replace(old, new, 1))

    def append(self, path: str, text: str) -> None:
        with open(self.at(path), "a") as file:
            file.write(text)

    def mkdir(self, path: str, owner: str = "root:root", mode: int = 0o755) -> None:
        self.at(path).mkdir(parents=True, exist_ok=True)
        self.chown(path, owner)
        self.at(path).chmod(mode)

    def link(self, path: str, target: str) -> None:
        """A symbolic link, in place of what is there."""
        self.at(path).parent.mkdir(parents=True, exist_ok=True)
        self.at(path).unlink(missing_ok=True)
        self.at(path).symlink_to(target)

    def chown(self, path: str, owner: str) -> None:
        user, _, group = owner.partition(":")
        os.chown(self.at(path), self.users[user], self.groups[group], follow_symlinks=False)

    def set_acl(self, path: str, *entries: tuple[int, int, str], name: str = ACL_ACCESS) -> None:
        """Entries (tag, permissions, name) of acl(5) as the kernel stores them."""
        numbers = [
            (tag, permissions, self.users[who] if tag == 2 else self.groups[who] if tag == 8 else 0xFFFFFFFF)
            for tag, permissions, who in entries
        ]
        packed = b"".join(struct.pack("<HHI", *entry) for entry in sorted(numbers, key=lambda e: (e[0], e[2])))
        os.setxattr(self.at(path), name, struct.pack("<I", 2) + packed)

    def add_user(self, name: str, uid: int, gid: int, home: str, shell: str = "/bin/bash", password: str = "!") -> None:
        """A user and a group of the same name, as useradd(8) adds them."""
        self.append("/etc/passwd", f"{name}:x:{uid}:{gid}::{home}:{shell}\n")
        self.append("/etc/shadow", f"{name}:{password}:19700:0:99999:7:::\n")
        self.add_group(name, gid)

    def add_group(self, name: str, gid: int) -> None:
        self.append("/etc/group", f"{name}:x:{gid}:\n")
        self.append("/etc/gshadow", f"{name}:!::\n")
        self.forget()

    def join(self, user: str, group: str) -> None:
        """A user becomes a member of a group, as ``usermod -aG`` does it."""
        for file, at in (("group", 3), ("gshadow", 3)):
            lines = [line.split(":") for line in self.text(f"/etc/{file}").splitlines()]
            for fields in lines:
                if fields[0] == group:
                    fields[at] = ",".join([*filter(None, fields[at].split(",")), user])
            with open(self.at(f"/etc/{file}"), "w") as out:
                out.write("".join(":".join(fields) + "\n" for fields in lines))
        self.forget()

    def forget(self) -> None:
        """Read the account files again."""
        for name in ("users", "groups", "_user_names", "_group_names"):
            self.__dict__.pop(name, None)

    # -- everything

    def every(self) -> Iterator[str]:
        """All absolute paths, the root as ``/``."""
        yield "/"
        top = os.fsencode(self.root)
        for directory, names, files in os.walk(top):
            below = directory[len(top) :]
            for name in (*names, *files):
                yield os.fsdecode(below + b"/" + name)

    def facts(self, path: str, *, content: bool = True) -> Facts | None:
        """What stands there; ``None`` where nothing does."""
        place = self.at(path)
        try:
            held = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return None
        kind = stat.filemode(held.st_mode)[0]
        attributes = {
            name: os.getxattr(place, name, follow_symlinks=False) for name in os.listxattr(place, follow_symlinks=False)
        }
        spoken = {
            name: " ".join(sorted(self._acl(value))) if name in (ACL_ACCESS, ACL_DEFAULT) else value.hex()
            for name, value in attributes.items()
        }
        return Facts(
            kind, stat.S_IMODE(held.st_mode), self.user_name(held.st_uid), self.group_name(held.st_gid),
            _content(place, kind, held) if content else "", tuple(sorted(spoken.items())),
        )  # fmt: skip


def _content(place: Path, kind: str, held: os.stat_result) -> str:
    if kind == "-":
        with open(place, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if kind == "l":
        return os.readlink(place)
    return f"{os.major(held.st_rdev)}:{os.minor(held.st_rdev)}" if kind in "bc" else ""
