"""A site: one directory with everything that belongs together.

::

    SITE/
    ├── goldroot.toml          the configuration, written by a person
    ├── catalog.sqlite         what exists and what happened
    ├── workflow.sqlite        which steps of an update are done
    ├── keys/
    │   ├── site, site.pub     the key that signs gold versions (ed25519, no passphrase, 0600)
    │   └── allowed_signers    whose signatures count: the site's own; others may be added by hand
    ├── locks/                 one file per thing that a command works on; it names its holder
    ├── store/                 the disks and entries of the host, where its table names no other place
    ├── images/debian/         per image: layout.toml, and per version manifests, accounts, packages, signature
    ├── records/               records of merges
    ├── reserve                room for commands that make room, see :mod:`goldroot.site.space`
    ├── commands/              commands of many names that were cut off, see :mod:`goldroot.fleet.many`
    └── work/                  what a running command needs for a while, see :mod:`goldroot.site.space`

Everything here is its owner's alone, whatever the umask (:mod:`goldroot.files`); only what is on the disks of the
store has modes of its own, below a directory that nobody else can enter.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from goldroot import files, private, sshsig
from goldroot.counted import counted
from goldroot.errors import BadInput, GoldrootError, NoPermission, NotFound, Refused
from goldroot.hosts import Host
from goldroot.hosts.registry import DIRECTORY, SiteHost, open_host
from goldroot.locks import lock, lock_file, refuse_held
from goldroot.site import signing
from goldroot.site.config import IMAGE_NAME, Config, default_table, load_config, store_of, template

if TYPE_CHECKING:
    from goldroot.catalog import Catalog

CONFIG = "goldroot.toml"
ENVIRONMENT = "GOLDROOT_SITE"
#: In ``images/``, while an image gets another name (:mod:`goldroot.site.renamed`).
RENAMING = ".renaming"
#: The lock of who puts a backup back.
RESTORE = "restore"

_DIRECTORIES = ("keys", "locks", "images", "records", "work")
_DATABASES = [
    name + beside for name in ("catalog.sqlite", "workflow.sqlite") for beside in ("", "-wal", "-shm", "-journal")
]
#: What no directory holds in which a site was only begun to be made.
_OF_A_SITE = ("catalog.sqlite", "store", "workflow.sqlite")


class Site:
    """An open site.  Opening reads the configuration alone; catalog and host are opened when they are first used."""

    def __init__(self, root: str, config: Config) -> None:
        self.root = root
        self.config = config
        #: What a person should be told of the opening, in words.
        self.told: list[str] = []
        #: Whether nothing at all is to be changed by the opening.
        self.looking = False
        self._closed_up: list[str] = []
        self._hosts: dict[str, SiteHost] = {}
        #: Hosts whose store was seen to be this site's.
        self._checked: set[str] = set()
        #: The copies of gold versions (image, number, host) whose disks were seen to be what was published.
        self.genuine: set[tuple[str, int, str]] = set()
        #: Signed records that were verified, by image and number: with what was seen of their files then.
        self.verified: dict[tuple[str, int], tuple[object, Mapping[str, Any]]] = {}

    @classmethod
    def open(cls, directory: str | None = None, *, looking: bool = False) -> Site:
        """The site at ``directory``, else ``$GOLDROOT_SITE``, else the one that holds the current directory.

        What an older goldroot left open to others is closed to them.

        :param looking: for who must change nothing at all, such as a plan.
        :raises NotFound: there is none. :raises BadPolicy: a mistake in ``goldroot.toml``.
        :raises NoPermission: something is open to others, and the caller cannot change that.
        """
        root = _found(directory or os.environ.get(ENVIRONMENT) or None)
        _check_utf8(root)
        site = cls(root, load_config(os.path.join(root, CONFIG)))
        site.looking = looking
        if not looking:
            site.close_to_others()
        return site

    @classmethod
    def find(cls) -> str:
        """The directory of the site that :meth:`open` would open where none is named; it may be one that was lost.

        :raises NotFound: nothing names one, and there is none around the current directory.
        """
        named = os.environ.get(ENVIRONMENT)
        return os.path.abspath(named) if named else _found(None)

    def close_to_others(self) -> None:
        """See that everything in the site is its owner's alone; the disks' contents have modes of their own.

        :raises NoPermission: something is open to others, and the caller cannot change that.
        """
        paths = self._own_paths()
        if not any(map(files.is_loose, [*paths, *self._own_paths(within="keys")])):
            return
        trees = [path for name in self.config.hosts for path in self._host(name).trees]
        self._closed_up = private.tighten(paths, trees, os.stat(self.root).st_uid)
        if self._closed_up:
            self.told.append(_closed(self.root, len(self._closed_up)))

    def _own_paths(self, *, within: str = "") -> list[str]:
        """What goldroot keeps, the top last; ``within`` a directory of the site: what stands in that."""
        if within:
            place = self.path(within)
            with suppress(OSError):  # not there, or another user's: that is told by what is above it
                return [os.path.join(place, name) for name in os.listdir(place)]
            return []
        files = [self.path(CONFIG), *(self.path(name) for name in _DATABASES)]
        if self.catalog_file:
            files += [self.catalog_file + beside for beside in ("", "-wal", "-shm", "-journal")]
        stores = [path for name in self.config.hosts for path in self._host(name).own_paths]
        return [
            *map(self.path, _DIRECTORIES),
            self.path("manifests"),
            self.path("commands"),
            *stores,
            *files,
            *([] if self._is_shared() else [self.root]),
        ]

    def _is_shared(self) -> bool:
        """Whether the group that the configuration names, and nobody else, can go through the site's directory."""
        if not self.config.group:
            return False
        import grp

        found = os.stat(self.root)
        try:
            return found.st_mode & 0o777 == 0o710 and found.st_gid == grp.getgrnam(self.config.group).gr_gid
        except KeyError:
            return False

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog, open."""
        from goldroot.catalog import open_catalog

        catalog = open_catalog(self.config.catalog or self.path("catalog.sqlite"))
        if self._closed_up:
            self._note_closed(catalog)
        return catalog

    def _note_closed(self, catalog: Catalog) -> None:
        with suppress(GoldrootError), catalog.begin() as tx:
            tx.event("closed-to-others", "site", paths=len(self._closed_up), first=self._closed_up[:10])

    @property
    def catalog_file(self) -> str:
        """The file that the catalog is, or "" where a server has it."""
        where = (self.config.catalog or self.path("catalog.sqlite")).removeprefix("sqlite:///")
        return "" if "://" in where else where

    @property
    def host(self) -> Host:
        """The host for images and clones that name none.  What is done with one that exists asks its own host."""
        return self.host_named(self.config.default_host)

    def host_named(self, name: str) -> Host:
        """A host of the site, by its name: where disks and machines live.

        :raises NotFound: the configuration has none of that name.
        :raises Refused: the store is another site's, or not made yet.
        """
        from goldroot.hosts.directory import DirectoryHost, is_former
        from goldroot.site.disks import check_own

        host = self._host(name)
        if name not in self._checked:
            if isinstance(host, DirectoryHost) and is_former(host.store):
                from goldroot.site.older_store import convert_store

                convert_store(self, host)
            check_own(self, host)
            self._checked.add(name)
        return host

    def look_at_host(self, name: str) -> SiteHost:
        """A host, without a look at whose its store is: for those who compare a catalog with what stands there.

        :raises NotFound: the configuration has none of that name.
        """
        return self._host(name)

    def check_host(self, name: str) -> str:
        """The name, if the site has such a host; ``NotFound``."""
        if name in self.config.hosts:
            return name
        raise NotFound(
            f"there is no host {name!r} in {self.config.file}",
            todo=f"Hosts: {', '.join(self.config.hosts)}. If it has another name now, write that name as it was.",
        )

    def _host(self, name: str) -> SiteHost:
        if name not in self._hosts:
            table = self.config.hosts[self.check_host(name)]
            self._hosts[name] = open_host(table, os.path.dirname(os.path.abspath(self.config.file)))
        return self._hosts[name]

    def take_store_as_checked(self) -> None:
        """For those who look at disks while another process, which checks whose a store is, opens the catalog."""
        self._checked |= self.config.hosts.keys()

    @cached_property
    def key(self) -> signing.SiteKey:
        """The key that signs gold versions."""
        return signing.SiteKey(self.path("keys"))

    def path(self, *names: str) -> str:
        """A path inside the site."""
        return os.path.join(self.root, *names)

    def image_path(self, image: str, *names: str) -> str:
        """A path inside an image's directory."""
        return self.path("images", check_image_name(image), *names)

    def lock(self, name: str, *, wait: float = 0.0, doing: str = "") -> AbstractContextManager[None]:
        """Hold the lock of a thing (``image-debian``, ``clone-web1``); ``Busy`` names who has it.

        :raises Refused: the image, or that of the server, is being renamed.
        """
        if self.is_renaming():
            self._refuse_renaming(name)
        return self.lock_anyway(name, wait=wait, doing=doing)

    def is_renaming(self) -> bool:
        """Whether an image is being renamed: which one, :func:`goldroot.site.begun_renaming` says."""
        return os.path.lexists(self.path("images", RENAMING))

    def _refuse_renaming(self, lock_name: str) -> None:
        from goldroot.site.renamed import refuse_renaming

        kind, _, name = lock_name.partition("-")
        if kind == "clone":
            from goldroot.catalog import clones

            with self.catalog.read() as tx:
                found = clones.find(tx, name)
            name = "" if found is None else found.image
        refuse_renaming(self, name)

    def lock_anyway(self, name: str, *, wait: float = 0.0, doing: str = "") -> AbstractContextManager[None]:
        """:meth:`lock` for who renames, and for who must have it whatever is under way; but for a restore.

        :raises Busy: another command has it, or a restore puts another catalog in place.
        """
        return self._beside_no_restore(lock(lock_file(self.path("locks"), name), wait, doing or None))

    @contextmanager
    def _beside_no_restore(self, held: AbstractContextManager[None]) -> Iterator[None]:
        # The restore takes its lock, and then looks for others; whoever is the later of the two sees the other one.
        with held:
            self.refuse_held(RESTORE)
            yield

    def refuse_held(self, name: str) -> None:
        """For a plan, which holds nothing and makes no file: ``Busy`` while another command has this lock."""
        refuse_held(lock_file(self.path("locks"), name))

    def close(self) -> None:
        """Close the catalog, if it was opened."""
        if "catalog" in self.__dict__:
            self.catalog.close()


def init_site(directory: str, kind: str = DIRECTORY) -> Site:
    """Make a site, or finish one whose making was cut off: what is there already stays as it is.

    :param kind: of the host of a new site; one that is there has what its configuration says.
    :raises BadInput: ``directory`` holds other things, or is none.
    :raises MissingProgram: nothing here makes keys.
    :raises Refused: the catalog or the configuration of a site that has had a life is missing.
    """
    from goldroot.site.space import keep_reserve

    root = os.path.abspath(directory)
    text = template(kind)
    _refuse_lost(root)
    _look_for_needs()
    for name in ("", *_DIRECTORIES):
        files.make_directory(os.path.join(root, name).rstrip("/") or "/")
    config = os.path.join(root, CONFIG)
    if not os.path.exists(config):
        # Last in time would be right for a marker, but everything below reads it; a second run finishes the rest.
        files.write(config, text.encode())
    site = Site(root, load_config(config))
    site.key.make()
    _make_stores(site)
    keep_reserve(site)
    site.close_to_others()
    return site


def plan_init(directory: str, kind: str = DIRECTORY) -> list[str]:
    """What :func:`init_site` would make, as paths; the same refusals."""
    root = os.path.abspath(directory)
    template(kind)
    _refuse_lost(root)
    _look_for_needs()
    stores = [store_of(table, root) for table in _config_of(root).hosts.values()]
    names = [CONFIG, "catalog.sqlite", "keys/site", "keys/site.pub", *stores, *_DIRECTORIES]
    return [path for name in names if not os.path.exists(path := os.path.join(root, name))]


def check_image_name(name: str) -> str:
    """The name, if an image may have it; ``BadInput``."""
    if not IMAGE_NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be an image's name",
            todo="Use 1 to 16 small letters and digits, beginning with a letter: debian, s10.",
        )
    return name


def _look_for_needs() -> None:
    """What a site is made with is missed before anything is made; the packages of the extra first, for it brings the other."""
    import_module("goldroot.catalog.store")
    sshsig.ready()


def _make_stores(site: Site) -> None:
    from goldroot.catalog import open_catalog

    for name in site.config.hosts:
        site._host(name).create()
    open_catalog(site.config.catalog or site.path("catalog.sqlite"), create=True).close()


def _check_utf8(root: str) -> None:
    """The engine of the workflows takes its database as a URL, in which other bytes cannot be written."""
    try:
        root.encode()
    except UnicodeEncodeError:
        raise BadInput(
            f"the path of the site, {root!r}, is not UTF-8",
            meaning="Updates could not be run there.",
            todo="Choose, or move the site to, a path that is.",
        ) from None


def _check_place(root: str) -> None:
    _check_utf8(root)
    if not os.path.lexists(root) or os.path.exists(os.path.join(root, CONFIG)):
        return
    if not os.path.isdir(root):
        raise BadInput(f"{root} is not a directory", todo="Name a new directory, or an empty one.")
    if was := sorted({*_OF_A_SITE} & set(os.listdir(root))):
        _refuse_without_config(root, was)
    # A run that was cut off before the configuration was written has made these at most.
    if foreign := sorted(set(os.listdir(root)) - {*_DIRECTORIES, f"{CONFIG}.new"}):
        raise BadInput(
            f"{root} is not empty (it holds {foreign[0]})",
            meaning="Nothing was written.",
            todo="Name a new directory, or an empty one.",
        )


def _refuse_lost(root: str) -> None:
    """Where something is there already, it is a site, or one whose making was cut off before it was ever used."""
    from goldroot.site.disks import refuse_lost_catalog

    _check_place(root)
    refuse_lost_catalog(Site(root, _config_of(root)))


def _config_of(root: str) -> Config:
    """What a site's file says, or will say."""
    config = os.path.join(root, CONFIG)
    if os.path.exists(config):
        return load_config(config)
    table = default_table()
    return Config(config, {table.name: table}, table.name)


def _refuse_without_config(root: str, there: list[str]) -> None:
    """:raises Refused: this was a site, and nobody knows its settings."""
    raise Refused(
        f"{root} was a site (it holds {', '.join(there)}), and its {CONFIG} is missing",
        meaning="Where its store and its catalog are stands there. Nothing was written.",
        todo=f"Put {CONFIG} back from a backup. Where none is left, an empty one stands for the settings that a new site has: "
        f"touch {shlex.quote(os.path.join(root, CONFIG))}",
    )


def _closed(root: str, count: int) -> str:
    could = f"{counted(count, 'path')} of the site {root} could be read by others"
    return f"{could}, as an older goldroot made them; now only their owner can."


def _refuse_unreachable(root: str) -> None:
    """:raises NoPermission: it is another user's site, perhaps: nothing in it can be seen."""
    try:
        os.stat(os.path.join(root, CONFIG))
    except PermissionError as error:
        raise NoPermission(
            f"{root} may not be entered: {error.strerror}",
            meaning="What a site keeps is its owner's alone.",
            todo="Run it as the owner of the site, or as root.",
        ) from error
    except OSError:
        return


def _found(directory: str | None) -> str:
    if directory is not None:
        root = os.path.abspath(directory)
        _refuse_unreachable(root)
        if not os.path.isfile(os.path.join(root, CONFIG)):
            raise NotFound(f"{root} is not a goldroot site", todo=f"Make one with: goldroot init {directory}")
        return root
    here = os.getcwd()
    while not os.path.isfile(os.path.join(here, CONFIG)):
        if here == "/":
            raise NotFound(
                "there is no goldroot site here",
                todo=f"Go to one, name it with --site or {ENVIRONMENT}, or make one with: goldroot init DIR",
            )
        here = os.path.dirname(here)
    return here
