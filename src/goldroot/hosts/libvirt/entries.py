"""Entries of machines as domains of libvirt: the domain has the entry, and the disks that its next start takes.

::

    STORE/
    ├── entries/WEB1.json           the entry as it was last defined, not startable: what counts once there is no domain
    └── running/WEB1/
        ├── defined.xml             the domain as goldroot defined it last: somebody undefined it where there is none
        └── domain.xml              a domain that goldroot undefined with its entry; what it had besides comes back with it

A machine is startable when it has a domain, and that says what it is: one ``virDomainDefineXML`` changes disks, links, marks
and serial together.  Before, and while it is being removed, its file is the entry, as a slot's always is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from goldroot import crash, files
from goldroot.errors import Damaged, HostError, Refused, Unreachable
from goldroot.hosts.entries import Entries
from goldroot.hosts.libvirt.daemon import Daemon, ReplyLost
from goldroot.hosts.libvirt.domain import Ours, drives_of, entry_of, others_of, redefined
from goldroot.hosts.port import Applied, Entry
from goldroot.hosts.sets import check_entry_name, is_live, reads_as
from goldroot.hosts.storefiles import (
    beside_of,
    decode,
    encode,
    put_in_place,
    store_errors,
    token_of,
    write_beside,
    write_whole,
)
from goldroot.ids import new_id

FORMER, DEFINED = "domain.xml", "defined.xml"

#: What :func:`goldroot.hosts.storefiles.beside_of` calls what lies beside an entry's file.
_BESIDE = re.compile(r"\.(.+)\.json\.new")


class DomainEntries(Entries):
    """The entries of a store, of which those of machines are domains.

    :param daemon: whose domains they are.
    :param prefix: stands before an entry's name in its domain's.
    :param blank: a new domain's XML, by the entry's name.
    :param ours: what a domain is to have of an entry; the JSON that it carries is the second argument.
    """

    def __init__(
        self,
        store: str,
        daemon: Daemon,
        prefix: str,
        *,
        blank: Callable[[str], str],
        ours: Callable[[Entry, str], Ours],
    ) -> None:
        super().__init__(os.path.abspath(store))
        self._daemon = daemon
        self._prefix = prefix
        self._blank = blank
        self._ours = ours

    def domain(self, name: str) -> str:
        """The name of an entry's domain."""
        return self._prefix + name

    def text(self, name: str) -> str | None:
        """The domain of an entry, where goldroot has made it; ``None``: there is none."""
        text = self._daemon.text(self.domain(name))
        return text if text is not None and self.is_ours(text) else None

    def is_ours(self, text: str) -> bool:
        """Whether a domain belongs to this store."""
        found = entry_of(text)
        return found is not None and found[0] == self.store

    # -- questions

    def find(self, name: str) -> Entry | None:
        """As :meth:`goldroot.hosts.Host.find`."""
        problem: Damaged | None = None
        try:
            kept = super().find(name)
        except Damaged as error:
            kept, problem = None, error
        if kept is not None and kept.role == "owner":
            return kept
        if (text := self.text(check_entry_name(name))) is not None:
            return self._read(name, text)
        if problem is not None:
            raise problem
        return kept

    # -- changes

    def define(self, entry: Entry) -> Entry:
        """As :meth:`goldroot.hosts.Host.define`."""
        check_entry_name(entry.name)
        text = None if entry.role == "owner" else self._daemon.text(self.domain(entry.name))
        if text is not None and not self.is_ours(text):
            raise self._foreign(entry.name)
        return super().define(entry)

    def apply(self, wanted: Entry) -> Applied:
        """As :meth:`goldroot.hosts.Host.apply`."""
        try:
            return super().apply(wanted)
        except ReplyLost:
            try:
                now = self.find(wanted.name)
            except Unreachable:
                return Applied("unknown", None)
        if now is not None and reads_as(now, wanted):
            return Applied("done", now)
        return Applied("unchanged" if now is not None and now.token == wanted.token else "unknown", now)

    def was_undefined(self, name: str) -> bool:
        """Whether somebody else has undefined a machine's domain: goldroot did not, and there is none."""
        return os.path.exists(self._kept(name, DEFINED)) and self._daemon.text(self.domain(name)) is None

    def renew(self, name: str) -> None:
        """Define a domain again from its entry as it is: where its disks stand may be another path now."""
        with self.locked():
            entry = self.get(name)
            self._write(entry, entry)

    def tidy(self) -> None:
        """Files beside entries, which killed commands left: what is in force is kept, and nothing lies beside it."""
        for left in sorted(os.listdir(self._directory)):
            if (found := _BESIDE.fullmatch(left)) is not None:
                with self.locked():
                    self._settle(found[1])

    def give_up(self, name: str) -> None:
        """Put an entry that cannot be read aside: its domain is kept as a file beside the others."""
        with self.locked():
            text = self.text(name)
            if text is not None and self._is_damaged(name):
                files.write(os.path.join(self._directory, f"{name}.xml.damaged-{new_id()}"), text.encode())
                self._daemon.undefine(self.domain(name))
        super().give_up(name)

    # -- inside

    def _names(self) -> list[str]:
        """Also domains whose file was lost."""
        ours = {
            domain.removeprefix(self._prefix)
            for domain, text in self._daemon.texts()
            if domain.startswith(self._prefix) and self.is_ours(text)
        }
        return sorted({*super()._names(), *ours})

    def _put(self, entry: Entry) -> str:
        if entry.role == "owner":
            return super()._put(entry)
        text = self.text(entry.name)
        if not entry.startable:
            return self._put_away(entry, text)
        if text is None:
            text = self._former(entry.name) or self._blank(entry.name)
        # What is not goldroot's is seen each time; only what a person wrote into the file stays written.
        said = replace(entry, others=entry.others - others_of(text, self.store))
        wanted = redefined(text, self._ours(entry, encode(said).decode()))
        path = self._path(entry.name)
        with store_errors(path):
            beside = write_beside(path, encode(replace(said, startable=False)))
            try:
                now = self._daemon.define(wanted)
            except ReplyLost:  # which of the two counts is seen by who tidies
                raise
            except (HostError, Refused) as error:
                os.unlink(beside)
                raise self._foreign(entry.name) if isinstance(error, Refused) else error from None
            crash.point("host.libvirt.defined")
            put_in_place(beside, path)
        files.make_directory(os.path.dirname(self._kept(entry.name, DEFINED)))
        files.write(self._kept(entry.name, DEFINED), now.encode())
        self._forget(entry.name, FORMER)
        return token_of(now.encode())

    def _settle(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(beside_of(self._path(name)))
        with suppress(Damaged):  # that is told by who asks for it
            if (text := self.text(name)) is not None:
                entry = self._read(name, text)
                said = replace(entry, startable=False, others=entry.others - others_of(text, self.store))
                write_whole(self._path(name), encode(said))

    def _put_away(self, entry: Entry, text: str | None) -> str:
        said = entry if text is None else replace(entry, others=entry.others - others_of(text, self.store))
        content = encode(said)
        write_whole(self._path(entry.name), content)
        crash.point("host.libvirt.put-away")
        if text is not None:
            files.make_directory(os.path.dirname(self._kept(entry.name, FORMER)))
            files.write(self._kept(entry.name, FORMER), text.encode())
            self._forget(entry.name, DEFINED)  # before: who finds neither takes nothing for somebody else's act
            self._daemon.undefine(self.domain(entry.name))
        return token_of(content)

    def _take_away(self, name: str) -> None:
        if self.text(name) is not None:
            self._daemon.undefine(self.domain(name))
        with suppress(FileNotFoundError):
            super()._take_away(name)

    def _read(self, name: str, text: str) -> Entry:
        found = entry_of(text)
        assert found is not None, "it was asked before"
        domain = f"the domain {self.domain(name)} of libvirt"
        entry = decode(found[1].encode(), domain, name)
        own = {a: disk.id for a, disk in entry.disks.items() if is_live(a)}
        there = {
            a: os.path.basename(drive.image).rpartition(".")[0] for a, drive in drives_of(text, self.store).items()
        }
        live = {*own, *(a for a in entry.links if is_live(a))}
        if wrong := sorted(a for a in live | there.keys() if a not in there or own.get(a, there[a]) != there[a]):
            raise Damaged(
                f"{domain} has not the disks that its entry says, at {', '.join(wrong)}",
                meaning="Somebody changed its disks, or took a snapshot that lies in another file. Nothing was changed.",
                todo=f"Look at it with `virsh dumpxml {self.domain(name)}`, and put its disks right with `virsh edit`.",
            )
        return replace(entry, others=entry.others | others_of(text, self.store), token=token_of(text.encode()))

    def _is_damaged(self, name: str) -> bool:
        try:
            self.find(name)
        except Damaged:
            return True
        return False

    def _former(self, name: str) -> str | None:
        for kept in (FORMER, DEFINED):
            with suppress(FileNotFoundError), open(self._kept(name, kept), encoding="utf-8") as file:
                return file.read()
        return None

    def _kept(self, name: str, kept: str) -> str:
        return os.path.join(self.store, "running", name, kept)

    def _forget(self, name: str, kept: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._kept(name, kept))

    def _foreign(self, name: str) -> Refused:
        return Refused(
            f"libvirt has a domain {self.domain(name)} that is not of this store",
            meaning="Domains that others made are never touched.",
            todo="Choose another name, or set `prefix` for the host.",
        )
