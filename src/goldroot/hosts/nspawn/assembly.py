"""The system of a container, put together of its disks: paths at their places, and what is known of it by looking."""

from __future__ import annotations

import os
import stat

from goldroot.errors import BadInput, Damaged, HostError
from goldroot.hosts.nspawn import mounts


def gives_itself(root: str) -> bool:
    """Whether the system of this root has ifupdown, which fails where a link has the address already that it is to get."""
    try:
        place = mounts.below_path(root, "/etc/network")
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.stat("interfaces", dir_fd=place, follow_symlinks=False).st_mode)
    except OSError:
        return False
    finally:
        os.close(place)


#: What systemd-nspawn reads by its path, as root of this machine, before the container has a root of its own.
_READ_FROM_OUTSIDE = "etc/machine-id"


def refuse_led_out(name: str, root: str) -> None:
    """systemd-nspawn reads one file of a container as if it were this machine's: links lead to this machine's files there, and
    a pipe or a device is opened.

    :param name: of the machine.
    :raises Damaged: that is not a file of the container.
    """
    place = os.path.join(root, _READ_FROM_OUTSIDE)
    there = os.path.realpath(place)
    try:
        mode = os.lstat(there).st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = stat.S_IFREG  # it is not there: nspawn gives the container one
    if there.startswith(f"{os.path.realpath(root)}/") and stat.S_ISREG(mode):
        return
    raise Damaged(
        f"/{_READ_FROM_OUTSIDE} of {name} is not a file, or a link that leads out of the server",
        meaning="systemd-nspawn would read what it leads to on this machine, and was not started.",
        todo="Put a file in its place, which may be empty.",
    )


def put_at(disk: int, root: str, path: str, how: tuple[int, int]) -> None:
    """Let a path of a disk stand at the same path of the system; no link is followed on either way."""
    try:
        source, target = mounts.below(disk, path), mounts.below_path(root, path)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be mounted: {error.filename or path}: {error.strerror}",
            meaning="It has to be a directory, without a link on the way, on its disk and where it is mounted.",
            todo="Compare `paths` of the host with the image's layout.",
        ) from error
    try:
        mounts.place(source, target, *how)
    except OSError as error:
        raise HostError(
            f"{path} cannot be mounted with other owners: {error.strerror}",
            meaning="The store's file system, or this kernel, has no mapped mounts.",
            todo="Put the store on ext4, xfs, btrfs or tmpfs, with Linux 5.12 or newer.",
        ) from error
    finally:
        os.close(source)
        os.close(target)
