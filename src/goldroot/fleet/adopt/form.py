"""What a person asks for when a server is adopted, and what the answer is."""

from __future__ import annotations

from dataclasses import dataclass

from goldroot.fleet.adopt.report import Report


@dataclass(frozen=True)
class AdoptForm:
    """What a person asks for.

    :param source: a directory, an archive, or ``ssh:HOST``; ``sudo``: read that by sudo.
    :param number: the gold version; ``None``: the nearest.
    :param host: where the clone will live; "": on the site's default host.
    :param read_write: with copies of gold's shared disks, not with links to them.
    """

    source: str
    image: str
    number: int | None = None
    host: str = ""
    sudo: bool = False
    read_write: bool = False


@dataclass(frozen=True)
class Adopted:
    """What was made, or would be: ``report`` is the data of the view ``clone-adopted``."""

    report: Report
    waits: bool  #: something in it is for a person
