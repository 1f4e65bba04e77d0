"""``goldroot.toml``: what the owner of a site says about it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from goldroot import toml
from goldroot.errors import BadInput, UsageError
from goldroot.hosts.registry import DIRECTORY, ONLY_HOST, BadTable, HostTable, host_table
from goldroot.site.reach import NOT_REACHED, Reach, read_reach
from goldroot.system import MIB, NETWORK_VALUES, USUAL_HEALTH, HealthCheck, Limits, Mode, health_check

FEWEST_SLOTS = 2
#: More than any host has room for: a slip of the hand should not fill the catalog.
MOST_SLOTS = 1000
#: A hundred years, which every calendar can count.
MOST_DAYS = 36500

#: Of the sets of a machine, 1 is live, and 5 and 6 to F are for what is prepared or kept.
MOST_SETS = 11

#: Limits above these would be none: bytes of memory, processes, and seconds that the kernel can count.
MOST_MIB, MOST_PROCESSES, MOST_SECONDS = 1 << 40, 1 << 22, 366 * 86400

#: The forms that a site may demand.
REQUIRED: tuple[Mode, ...] = ("shift",)

#: An image's name becomes the beginning of its machines' names: ``s10`` -> S10GOLD, S10RWMNT.
IMAGE_NAME = re.compile(r"[a-z][a-z0-9]{0,15}")
CLONE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")

#: What a new site's file says.
TEMPLATE = """\
# This is a goldroot site. Commands find it in the current directory or above it, by --site, or by GOLDROOT_SITE.

slots = 3             # how many gold versions of an image can stand at the same time; two at least
fallback_days = 14    # how long the old disks of a clone are kept after an update
keep_sets = 3         # of how many updates at most; the oldest go with the next one
# catalog = "postgresql://user@host/goldroot"    # without it, catalog.sqlite beside this file
# group = "admins"    # of this machine: its members may look (status, log, clone list, update list, fallback list)

[host]
kind = "directory"    # directory, nspawn, qemu, libvirt or zvm (docs: hosts)
store = "store"       # where; relative to this file
# running = ["/usr/local/sbin/is-running"]   # called with a machine's name; status 0: it runs, 1: it does not
# Several hosts have a table each, in place of [host]; one that stood there is [hosts.local]. Above all tables:
# default_host = "local"                     # for images and clones that name none; without it, the first table's

# Commands in systems run without any right over this machine; what one may take (0: no limit; sizes in MiB):
# [limits]
# memory = 4096
# processes = 2048
# output = 64           # of what it says
# disk = 32768          # by which it may fill the file systems of its disks
# time = 600            # seconds; without it, 600 for a check, 1800 for a test, and no limit for a person
# [confine]
# require = "shift"     # refuse to run commands where they cannot be confined so well (docs: isolation)

# Commands run by /bin/sh -c in the whole system, without a network. What its services find in /run is there, so that
# `sshd -t` works as it stands; no service runs.
# [images.debian]
# slots = 4                                            # of this image, in place of the number above
# tests = ["dpkg --audit", "nginx -t"]                 # run on the test system, read-write and read-only
# limits = { memory = 1024 }                           # in place of those above
# test_time = 3600                                     # seconds for each test (else limits.time, else 1800; 0: no limit)
# check_time = 900                                     # for each check and rebuild (else limits.time, else 600; 0: no limit)
# checks = ["sshd -t", "visudo -c"]                    # run on a merged clone before it is switched
# policy = "policy.toml"                               # rules of the merge; without it, the default policy
# Where the host starts servers: what a server must answer after a switch, or it goes back by itself.
# health = ["units", "port 22", "http 80 /", "run systemctl is-active nginx"]
# health_time = 120                                    # seconds for the boot and these answers
# trial = "boot"                                       # before a switch the new system is started in isolation;
#                                                      # "commands": only the checks are run in it; "none": nothing more

# [clones.web1]
# hostname = "web1.example.org"
# interface = "eth0"
# address = "192.0.2.10/24"
# gateway = "192.0.2.1"
# nameservers = ["192.0.2.53"]
# ssh = "root@192.0.2.10"      # by which a running server is read whose disks its host cannot read; also for an image, with {name}
# ssh_key = "keys/reader"      # else as ssh's own settings say
# bridge = "br0"               # of this machine, where the host runs containers; "none": private
# ports = ["8080:80"]          # of this machine, and of the server
"""


#: How far a merged system is tried before the switch.
Trial = Literal["boot", "commands", "none"]
_TRIALS = ("boot", "commands", "none")
_A_DAY = 86400


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Times are in seconds.

    :param health: what a server must answer after a switch.
    :param health_time: for its boot and these answers.
    :param trial: "boot" counts as "commands" where the host starts no trials.
    :param trial_time: for the boot of the trial, and as much for what is asked of it.
    :param stop_time: that a server gets to shut down before it is killed.
    """

    health: tuple[HealthCheck, ...] = USUAL_HEALTH
    health_time: int = 120
    trial: Trial = "boot"
    trial_time: int = 120
    stop_time: int = 90


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """``[images.NAME]``: ``tests`` run on the test system, ``checks`` on a merged clone; both by ``/bin/sh -c``."""

    slots: int
    limits: Limits = field(default_factory=Limits)
    tests: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    policy: str | None = None  #: absolute path; ``None``: the default policy
    #: Seconds for each of the tests; 0: no limit; ``None``: as the limits say, or the usual time.
    test_time: int | None = None
    #: The same for each of the checks, and for what is made again in a merged system.
    check_time: int | None = None
    running: RunConfig = field(default_factory=RunConfig)
    reach: Reach = NOT_REACHED  #: of its clones


@dataclass(frozen=True, slots=True)
class CloneConfig:
    """``[clones.NAME]``: the address table.  Empty texts where nothing is said."""

    hostname: str = ""
    interface: str = ""
    address: str = ""  #: with its prefix length, 192.0.2.10/24
    gateway: str = ""
    nameservers: tuple[str, ...] = ()
    bridge: str = ""  #: of its host; "none": private, whatever the host's table says
    ports: tuple[str, ...] = ()  #: published ones, as ``--port`` has them
    reach: Reach = NOT_REACHED


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    file: str
    hosts: Mapping[str, HostTable]  #: by name, as they stand in the file
    default_host: str  #: for images and clones that name none
    slots: int = 3
    fallback_days: int = 14
    keep_sets: int = 3  #: how many fallbacks of a clone there are at most after an update
    catalog: str = ""  #: a database URL, or "" for the site's own SQLite file
    group: str = ""  #: of this machine, whose members may look at exported views; "": nobody else may
    confine: Mode | None = None  #: the form that commands in systems must have; ``None``: the best that there is
    limits: Limits = field(default_factory=Limits)
    images: Mapping[str, ImageConfig] = field(default_factory=dict)
    clones: Mapping[str, CloneConfig] = field(default_factory=dict)

    def image(self, name: str) -> ImageConfig:
        """What is said of an image; the defaults where nothing is."""
        return self.images.get(name, ImageConfig(self.slots, self.limits))

    def reach(self, clone: str, image: str) -> Reach:
        """How a clone is reached by ssh: as it says itself, else as its image says; nowhere where neither does."""
        own = self.clone(clone).reach
        return own if own.host else self.image(image).reach.of(clone)

    def clone(self, name: str) -> CloneConfig:
        """The address table of a clone; empty where there is none."""
        return self.clones.get(name, CloneConfig())


def check_clone_name(name: str) -> str:
    """The name, if a clone may have it.

    :raises UsageError: it cannot be one.
    """
    if not CLONE_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a clone's name",
            todo="Use 1 to 32 small letters, digits and '-', beginning with a letter or digit.",
        )
    return name


def load_config(path: str) -> Config:
    """Read ``goldroot.toml``; ``BadPolicy`` with the line of a mistake."""
    top = toml.read(path)
    here = os.path.dirname(os.path.abspath(path))
    slots = top.number("slots", 3, least=FEWEST_SLOTS, most=MOST_SLOTS)
    limits = _limits(top.table("limits"), Limits())
    hosts = read_hosts(top, here)
    config = Config(
        file=path,
        hosts=hosts,
        default_host=_default_host(top, hosts),
        slots=slots,
        fallback_days=top.number("fallback_days", 14, most=MOST_DAYS),
        keep_sets=top.number("keep_sets", 3, least=1, most=MOST_SETS),
        catalog=top.text("catalog", ""),
        group=top.text("group", ""),
        confine=_confine(top.table("confine")),
        limits=limits,
        images=_images(top.table("images"), slots, limits, here),
        clones=_clones(top.table("clones")),
    )
    top.done()
    return config


def _default_host(top: toml.Table, hosts: Mapping[str, HostTable]) -> str:
    name = top.text("default_host", next(iter(hosts)))
    if name not in hosts:
        raise top.error(f"there is no host {name!r}", "default_host", todo=f"Hosts: {', '.join(hosts)}.")
    return name


def _confine(table: toml.Table) -> Mode | None:
    wanted = table.text("require", "")
    table.done()
    for mode in REQUIRED:
        if mode == wanted:
            return mode
    if wanted:
        raise table.error(f"commands cannot be confined by {wanted!r}", "require", todo='Use require = "shift".')
    return None


def _limits(table: toml.Table, default: Limits) -> Limits:
    """Sizes are in MiB, the time in seconds; what is not said is as in ``default``, and 0 means no limit."""

    def size(name: str, known: int) -> int:
        return table.number(name, known // MIB, most=MOST_MIB) * MIB

    limits = Limits(
        memory=size("memory", default.memory),
        processes=table.number("processes", default.processes, most=MOST_PROCESSES),
        output=size("output", default.output),
        disk=size("disk", default.disk),
        time=table.number("time", int(default.time), most=MOST_SECONDS),
    )
    table.done()
    return limits


def _images(table: toml.Table, slots: int, limits: Limits, here: str) -> dict[str, ImageConfig]:
    found = {}
    for name in table.names():
        one = table.table(name)
        if not IMAGE_NAME.fullmatch(name):
            raise one.error(f"{name!r} cannot be an image's name: small letters and digits, 16 at most")
        policy = one.text("policy", "")
        found[name] = ImageConfig(
            slots=one.number("slots", slots, least=FEWEST_SLOTS, most=MOST_SLOTS),
            limits=_limits(one.table("limits"), limits),
            tests=one.texts("tests", ()),
            checks=one.texts("checks", ()),
            policy=os.path.join(here, policy) if policy else None,
            test_time=_time(one, "test_time"),
            check_time=_time(one, "check_time"),
            running=read_running(one),
            reach=read_reach(one),
        )
        one.done()
    return found


def _time(table: toml.Table, name: str) -> int | None:
    """Seconds; ``None`` where nothing is said."""
    return table.number(name, 0, most=MOST_SECONDS) if name in table.names() else None


def _clones(table: toml.Table) -> dict[str, CloneConfig]:
    found = {}
    for name in table.names():
        one = table.table(name)
        if not CLONE_NAME.fullmatch(name):
            raise one.error(f"{name!r} cannot be a clone's name: small letters, digits and '-', 32 at most")
        texts = {key: one.text(key, "") for key in ("hostname", "interface", "address", "gateway", "bridge")}
        found[name] = CloneConfig(
            **texts, nameservers=one.texts("nameservers", ()), ports=one.texts("ports", ()), reach=read_reach(one)
        )
        one.done()
        _check_values(one, found[name])
    return found


def _check_values(table: toml.Table, clone: CloneConfig) -> None:
    """An option may say the rest of what an address needs; what is said here must be right by itself."""
    for key, check in NETWORK_VALUES.items():
        said = getattr(clone, key)
        for value in filter(None, said if isinstance(said, tuple) else [said]):
            try:
                check(value)
            except UsageError as error:
                raise table.error(error.brief, key, todo=error.todo) from None


def read_hosts(top: toml.Table, here: str) -> dict[str, HostTable]:
    """By name, as they stand in the file; a file that names none has a directory host.

    :param top: the file's top table.
    :param here: the directory to which stores are relative.
    :raises BadPolicy: a mistake, with its line.
    """
    alone, several = top.table("host"), top.table("hosts")
    if "host" in top and several.names():
        raise top.error(
            "there are [host] and [hosts.NAME]",
            "hosts",
            todo=f"Give each host a table [hosts.NAME]; the one of [host] is called {ONLY_HOST}: [hosts.{ONLY_HOST}].",
        )
    tables = {name: several.table(name) for name in several.names()} or {ONLY_HOST: alone}
    found = {name: _read(name, table) for name, table in tables.items()}
    _check_apart(tables, found, here)
    return found


def store_of(table: HostTable, here: str) -> str:
    """The absolute path of what a host keeps as its own."""
    return os.path.normpath(os.path.join(here, table.config.store))


def default_table() -> HostTable:
    """The host of a site whose file names none."""
    return host_table(ONLY_HOST, {"kind": DIRECTORY})


def template(kind: str) -> str:
    """The file of a new site whose host is of that kind.

    :raises BadInput: there is no such kind, or its table cannot be written without knowing more.
    """

    try:
        host_table(ONLY_HOST, {"kind": kind})
    except BadTable as error:
        if error.key:
            raise BadInput(error.brief, todo=error.todo) from None
        raise BadInput(
            f"a host of kind {kind!r} is made only from a table that says more: {error.brief}",
            todo="Make the site with a directory host, then write the table in its goldroot.toml, and run init again.",
        ) from None
    return TEMPLATE.replace(f'kind = "{DIRECTORY}"', f'kind = "{kind}"', 1)


def _read(name: str, table: toml.Table) -> HostTable:
    try:
        return host_table(name, table.values())
    except BadTable as error:
        raise table.error(error.brief, error.key, todo=error.todo) from None
    except UsageError as error:
        raise table.error(error.brief, todo=error.todo) from None


def _check_apart(tables: dict[str, toml.Table], hosts: dict[str, HostTable], here: str) -> None:
    """No store is another host's, or stands in it: each takes what it does not know there for what was left."""
    seen: dict[str, str] = {}
    for name, table in hosts.items():
        store = os.path.realpath(store_of(table, here))
        for other, place in seen.items():
            if os.path.commonpath([store, place]) in (store, place):
                raise tables[name].error(
                    f"the stores of hosts {other!r} and {name!r} are the same, or one is in the other",
                    "store",
                    todo="Give each host a store of its own.",
                )
        seen[name] = store


def read_running(table: toml.Table) -> RunConfig:
    """What an image's table says of it.

    :raises BadPolicy: a mistake, with its line.
    """
    usual = RunConfig()
    trial = table.text("trial", usual.trial)
    if trial not in _TRIALS:
        raise table.error(f"there is no trial {trial!r}", "trial", todo=f"Use {', '.join(map(repr, _TRIALS))}.")
    return RunConfig(
        health=tuple(_checks(table)) if "health" in table else usual.health,
        health_time=table.number("health_time", usual.health_time, least=1, most=_A_DAY),
        trial=cast("Trial", trial),
        trial_time=table.number("trial_time", usual.trial_time, least=1, most=_A_DAY),
        stop_time=table.number("stop_time", usual.stop_time, least=1, most=_A_DAY),
    )


def _checks(table: toml.Table) -> Iterator[HealthCheck]:
    for text in table.texts("health"):
        try:
            yield health_check(text)
        except UsageError as error:
            raise table.error(error.brief, "health", todo=error.todo) from None
