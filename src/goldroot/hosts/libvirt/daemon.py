"""What is asked of libvirt's daemon, through its own Python binding (https://libvirt.org/python.html).

The binding gives errors as numbers, and a question costs a millisecond.  A connection lasts for one question: a daemon may
be started again at any time, and a forked process must not speak over its parent's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from goldroot.errors import HostError, MissingPackage, Refused, Unreachable
from goldroot.files import json_of
from goldroot.hosts.libvirt.copying import back_up

#: Seconds that the guest's agent gets for an answer.
AGENT_PATIENCE = 8


class ReplyLost(Unreachable):
    """A change was asked for, and it is not known whether it was made."""

    kind = "reply-lost"


@dataclass(frozen=True, slots=True)
class Active:
    """A domain that runs: what libvirt calls its state, and the XML that it was started from."""

    state: str
    text: str


class Daemon:
    """:param uri: of a daemon on this machine, as virsh(1) has it: ``qemu:///system``."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    # -- questions

    def text(self, name: str) -> str | None:
        """A domain as it is defined: what its next start takes; ``None``: it is not."""
        with self._domain(name) as (libvirt, domain):
            if domain is None or not domain.isPersistent():
                return None
            return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))

    def active(self, name: str) -> Active | None:
        """A domain that runs now; ``None``: it does not."""
        with self._domain(name) as (libvirt, domain):
            if domain is None or not domain.isActive():
                return None
            try:
                return Active(_STATES.get(domain.state()[0], "running"), str(domain.XMLDesc(0)))
            except libvirt.libvirtError as error:
                if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
                    return None  # it ended just now
                raise

    def is_saved(self, name: str) -> bool:
        """Whether a domain's memory was saved (virsh managedsave): its next start goes on from that."""
        with self._domain(name) as (_, domain):
            return domain is not None and bool(domain.hasManagedSaveImage())

    def texts(self) -> Iterator[tuple[str, str]]:
        """The names of all domains that are defined, and these."""
        with self._asked() as (libvirt, connection):
            for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT):
                with suppress(libvirt.libvirtError):  # it went just now
                    yield (
                        domain.name(),
                        domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE),
                    )

    def offers_kvm(self, architecture: str) -> bool:
        """Whether this daemon can run machines of an architecture by KVM."""
        with self._asked() as (libvirt, connection):
            try:
                connection.getDomainCapabilities(None, architecture, None, "kvm", 0)
            except libvirt.libvirtError:
                return False
            return True

    def has_network(self, name: str) -> bool:
        """Whether libvirt has a network of that name, active or not; not where this daemon has none at all."""
        with self._asked() as (libvirt, connection):
            try:
                connection.networkLookupByName(name)
            except libvirt.libvirtError as error:
                if error.get_error_code() in (libvirt.VIR_ERR_NO_NETWORK, libvirt.VIR_ERR_NO_SUPPORT):
                    return False
                raise
            return True

    # -- changes

    def define(self, text: str) -> str:
        """Define a domain, or define it again, as a whole; gives it as it reads then.

        :raises Refused: a domain of that name is there, and is another one.
        :raises ReplyLost: it is not known whether it was done.
        """
        with self._asked(changing=True) as (libvirt, connection):
            try:
                domain = connection.defineXML(text)
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_OPERATION_FAILED and "already exists" in str(error):
                    raise Refused(f"libvirt: {error.get_error_message()}", meaning="Nothing was changed.") from error
                raise
            return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))

    def undefine(self, name: str) -> None:
        """Take a definition away, with what libvirt keeps of it besides; one that runs goes on.  Again: nothing."""
        with self._domain(name, changing=True) as (libvirt, domain):
            if domain is not None and domain.isPersistent():
                domain.undefineFlags(
                    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
                    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
                    | libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
                )

    # -- power

    def start(self, name: str) -> None:
        """:raises HostError: it does not begin, and why."""
        with self._domain(name) as (_, domain):
            _there(name, domain).create()

    def kill(self, name: str) -> None:
        """End a domain at once; one that has ended: nothing."""
        with self._domain(name) as (libvirt, domain):
            try:
                if domain is not None:
                    domain.destroy()
            except libvirt.libvirtError as error:
                if error.get_error_code() not in (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN):
                    raise

    def press(self, name: str) -> None:
        """As the power button does."""
        with self._domain(name) as (libvirt, domain):
            if domain is not None and domain.isActive():
                domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)

    def shut_down(self, name: str) -> None:
        """Ask the guest's agent, which answers nothing where it does so.

        :raises HostError: no agent answers.
        """
        with self.agent(name) as agent:
            agent.ask("guest-ping")
            with suppress(HostError):
                agent.ask("guest-shutdown", mode="powerdown")

    @contextmanager
    def agent(self, name: str, patience: float = AGENT_PATIENCE) -> Iterator[Agent]:
        """The guest's agent, in the block.

        :param patience: seconds that it has for each answer: a guest that is busy answers late.
        """
        with self._domain(name) as (_, domain):
            yield Agent(_there(name, domain), max(int(patience), AGENT_PATIENCE))

    def back_up(self, name: str, wanted: Mapping[str, str], rest: Sequence[str]) -> None:
        """Copy disks of a running domain at one moment (virsh backup-begin), file systems frozen where that can be done.

        :param wanted: libvirt's name of a disk -> path of its copy, a file of its size.
        :param rest: the other disks.
        :raises HostError: it could not; what is there is a part.
        """
        with self._domain(name) as (libvirt, domain):
            back_up(libvirt, _there(name, domain), Agent(domain), wanted, rest)

    # -- inside

    @contextmanager
    def _domain(self, name: str, *, changing: bool = False) -> Iterator[tuple[Any, Any]]:
        """libvirt, and a domain; ``None``: there is none of that name."""
        with self._asked(changing=changing) as (libvirt, connection):
            try:
                domain = connection.lookupByName(name)
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
                domain = None
            yield libvirt, domain

    @contextmanager
    def _asked(self, *, changing: bool = False) -> Iterator[tuple[Any, Any]]:
        libvirt = _library()
        try:
            connection = libvirt.open(self.uri)
        except libvirt.libvirtError as error:
            raise Unreachable(
                f"libvirt at {self.uri} does not answer: {error.get_error_message()}",
                meaning="Nothing is known, and nothing was changed.",
                todo=f"Look whether its daemon runs: virsh -c '{self.uri}' version",
            ) from error
        try:
            yield libvirt, connection
        except libvirt.libvirtError as error:
            raise _told(libvirt, error, changing) from error
        finally:
            with suppress(libvirt.libvirtError):
                connection.close()


class Agent:
    """qemu-guest-agent, see :class:`goldroot.hosts.qemu.monitor.Asked`."""

    def __init__(self, domain: Any, patience: int = AGENT_PATIENCE) -> None:
        self._domain = domain
        self._patience = patience

    def ask(self, command: str, **arguments: Any) -> Any:
        """What is returned.

        :raises HostError: it says no, or does not answer.
        """
        import libvirt_qemu

        said = {"execute": command, **({"arguments": arguments} if arguments else {})}
        try:
            answer = libvirt_qemu.qemuAgentCommand(self._domain, json.dumps(said), self._patience, 0)
        except _library().libvirtError as error:
            raise HostError(f"the guest's agent: {error.get_error_message()}") from error
        try:
            return json_of(answer)["return"]
        except (KeyError, TypeError, ValueError) as error:  # it is the guest's, and says what that likes
            raise HostError("the guest's agent says what is not an answer") from error


#: virDomainState, where it is not simply running.
_STATES: Mapping[int, str] = {3: "paused", 4: "shutting down", 7: "suspended"}


def _library() -> Any:
    try:
        import libvirt
    except ImportError:
        raise MissingPackage(
            "hosts of kind 'libvirt' need libvirt's Python binding, which is not installed",
            meaning="Nothing was changed.",
            todo="Install it: pip install 'goldroot[libvirt]' (it is built: on Debian with libvirt-dev, pkg-config and gcc), or "
            "the system's own package (on Debian: python3-libvirt).",
        ) from None
    libvirt.registerErrorHandler(lambda *_: None, None)  # else it writes each one to standard error, too
    return libvirt


def _there(name: str, domain: Any) -> Any:
    if domain is None:
        raise HostError(f"libvirt has no domain {name}", todo="Somebody has undefined it: look with virsh list --all.")
    return domain


def _told(libvirt: Any, error: Any, changing: bool) -> HostError:
    """An error of libvirt, as ours."""
    said = f"libvirt: {error.get_error_message()}"
    if error.get_error_domain() in (libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE):
        kind = ReplyLost if changing else Unreachable
        return kind(said, meaning="The daemon has gone; what it did last is not known.", todo="Run the command again.")
    return HostError(said)
