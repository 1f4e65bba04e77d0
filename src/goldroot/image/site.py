"""A site: one directory with everything that belongs together.

::

    SITE/
    ├── goldroot.toml          the configuration, written by a person
    ├── catalog.sqlite         what exists and what happened
    ├── keys/
    │   ├── site, site.pub     the key that signs gold versions (ed25519, no passphrase, 0600)
    │   └── allowed_signers    whose signatures count: the site's own; others may be added by hand
    ├── locks/                 one file per thing that a command works on; it names its holder
    ├── store/                 the disks and machines of the directory host
    ├── images/debian/         per image: layout.toml, and per version manifests, accounts, packages, signature
    ├── records/               records of merges
    └── work/                  what a running command needs for a while, see :mod:`goldroot.image.workroom`
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from goldroot import sshkeys
from goldroot.errors import BadInput, NotFound
from goldroot.hosts import Host
from goldroot.image import signing
from goldroot.image.config import IMAGE_NAME, TEMPLATE, Config, load
from goldroot.locks import lock, lock_file, refuse_held

if TYPE_CHECKING:
    from goldroot.catalog.store import Catalog

CONFIG = "goldroot.toml"
ENVIRONMENT = "GOLDROOT_SITE"

_DIRECTORIES = ("keys", "locks", "images", "records", "work")


class Site:
    """An open site.  Opening reads the configuration alone; catalog and host are opened when they are first used."""

    def __init__(self, root: str, config: Config) -> None:
        self.root = root
        self.config = config
        #: The gold versions (image and number) whose disks were seen to be what was published.
        self.genuine: set[tuple[str, int]] = set()

    @classmethod
    def open(cls, directory: str | None = None) -> Site:
        """The site at ``directory``, else ``$GOLDROOT_SITE``, else the one that holds the current directory.

        :raises NotFound: there is none. :raises BadPolicy: a mistake in ``goldroot.toml``.
        """
        root = _found(directory or os.environ.get(ENVIRONMENT) or None)
        _check_utf8(root)
        return cls(root, load(os.path.join(root, CONFIG)))

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog, open."""
        from goldroot.catalog.store import open_catalog

        return open_catalog(self.config.catalog or self.path("catalog.sqlite"))

    @property
    def catalog_file(self) -> str:
        """The file that the catalog is, or "" where a server has it."""
        where = (self.config.catalog or self.path("catalog.sqlite")).removeprefix("sqlite:///")
        return "" if "://" in where else where

    @cached_property
    def host(self) -> Host:
        """Where disks and machines live."""
        from goldroot.hosts.directory import DirectoryHost

        return DirectoryHost(self.config.host.store, running_command=self.config.host.running)

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
        """Hold the lock of a thing (``image-debian``, ``clone-web1``); ``Busy`` names who has it."""
        return lock(lock_file(self.path("locks"), name), wait, doing or None)

    def refuse_held(self, name: str) -> None:
        """For a plan, which holds nothing and makes no file: ``Busy`` while another command has this lock."""
        refuse_held(lock_file(self.path("locks"), name))

    def close(self) -> None:
        """Close the catalog, if it was opened."""
        if "catalog" in self.__dict__:
            self.catalog.close()


def init_site(directory: str) -> Site:
    """Make a site, or finish one whose making was cut off: what is there already stays as it is.

    :raises BadInput: ``directory`` holds other things, or is none.
    :raises MissingProgram: nothing here makes keys.
    """
    root = os.path.abspath(directory)
    _check_place(root)
    _look_for_needs()
    os.makedirs(root, exist_ok=True)
    for name in _DIRECTORIES:
        os.makedirs(os.path.join(root, name), mode=0o700, exist_ok=True)
    config = os.path.join(root, CONFIG)
    if not os.path.exists(config):
        # Last in time would be right for a marker, but everything below reads it; a second run finishes the rest.
        with open(config, "x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    site = Site(root, load(config))
    site.key.make()
    _make_stores(site)
    return site


def plan_init(directory: str) -> list[str]:
    """What :func:`init_site` would make, as paths; the same refusals."""
    root = os.path.abspath(directory)
    _check_place(root)
    _look_for_needs()
    names = [CONFIG, "catalog.sqlite", "keys/site", "keys/site.pub", "store", *_DIRECTORIES]
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
    sshkeys.ready()


def _make_stores(site: Site) -> None:
    from goldroot.catalog.store import open_catalog
    from goldroot.hosts.directory import DirectoryHost

    DirectoryHost.create(site.config.host.store)
    open_catalog(site.config.catalog or site.path("catalog.sqlite"), create=True).close()


def _check_utf8(root: str) -> None:
    """The engine of the workflows takes its database as a URL, in which other bytes cannot be written."""
    try:
        root.encode()
    except UnicodeEncodeError:
        raise BadInput(
            f"the path of the site, {root!r}, is no UTF-8",
            meaning="Updates could not be run there.",
            todo="Choose, or move the site to, a path that is.",
        ) from None


def _check_place(root: str) -> None:
    _check_utf8(root)
    if not os.path.lexists(root) or os.path.exists(os.path.join(root, CONFIG)):
        return
    if not os.path.isdir(root):
        raise BadInput(f"{root} is not a directory", todo="Name a new directory, or an empty one.")
    # A run that was cut off before the configuration was written has made these at most.
    if foreign := sorted(set(os.listdir(root)) - set(_DIRECTORIES)):
        raise BadInput(
            f"{root} is not empty (it holds {foreign[0]})",
            meaning="Nothing was written.",
            todo="Name a new directory, or an empty one.",
        )


def _found(directory: str | None) -> str:
    if directory is not None:
        root = os.path.abspath(directory)
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
