"""Guests: whether one runs, since when, and from what; logged on and off by SMAPI.

A guest's devices come from the directory when it logs on.  So a file of the host's store says of each guest that
goldroot has logged on when that was, by z/VM's own word, and what it was given then: as long as z/VM says the same time,
it runs from that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress

from goldroot import crash, files
from goldroot.errors import HostError, Refused, StillRunning
from goldroot.hosts.storefiles import write_whole
from goldroot.hosts.zvm.limits import Places
from goldroot.hosts.zvm.manager import UNSURE
from goldroot.hosts.zvm.members import FIRST, NOT_ON, Members, at
from goldroot.zvm.smapi import CallRefused, Client

ALREADY_ON, GOING = (200, 8), (200, 16)
#: Seconds between two looks at a guest that comes or goes, and for which one that was logged on is waited for.
LOOK = 1.0
COMING = 120.0
#: In the place of the time, of a guest that is being logged on.
_COMING = "coming"


class Guests:
    """:param folder: of the files about guests that goldroot has logged on.

    :param members: who is asked about guests.
    :param places: how many are logged on at once.
    """

    def __init__(self, members: Members, folder: str, places: Places) -> None:
        self._members = members
        self._clock = members.clients[FIRST].clock
        self._folder = folder
        self._places = places

    def create(self) -> None:
        """Make the directory; what is there stays."""
        files.make_directory(self._folder)

    def is_on(self, user: str) -> bool:
        """Whether a guest is logged on, or on its way out, at whichever member."""
        return any(said for _, said in self._members.say(user, lambda client: client.image_status_query(user)))

    def everybody(self) -> set[str]:
        """The user IDs of all guests that are logged on, in one call for each member."""
        return {one for _, said in self._members.say("", lambda client: client.image_status_query("*")) for one in said}

    def since(self, user: str) -> str:
        """When it was logged on, in z/VM's words, and where, if that is another member; "" where it is not."""
        return next((f"{said}{at(member)}" for member, said in self._members.having(user)), "")

    def runs_from(self, user: str, since: str) -> dict[str, str] | None:
        """What goldroot gave the guest that was logged on then; ``None``: somebody else has logged it on."""
        noted = self._noted(user)
        return noted[1] if noted is not None and noted[0] == since else None

    def log_on(self, user: str, given: Mapping[str, str]) -> None:
        """Returns when it is logged on.  Again: nothing.

        What it is given is written down before: a guest that was off then, and is on now, runs from that.

        :raises HostError: z/VM does not log it on.
        """
        if self.is_on(user):
            if self._noted(user) == (_COMING, dict(given)):
                self._note(user, self.since(user), given)
            return
        with self._places.one("logons"):
            self._come(user, given)

    def _come(self, user: str, given: Mapping[str, str]) -> None:
        self._note(user, _COMING, given)
        try:
            self._members.clients[self._members.home(user)].image_activate(user)
        except CallRefused as error:
            if error.code != ALREADY_ON:
                raise
            if not self.is_on(user):
                raise Refused(
                    f"z/VM says that {user} is logged on already, and it is not here",
                    meaning="It is logged on at another member of the cluster, with the devices of its logon there.",
                    todo=f"Log it off there, or ask there: QUERY {user}.",
                ) from error
        except UNSURE:
            pass  # looked at next
        crash.point("zvm.logged-on")
        if not self._becomes(user, on=True, within=COMING):
            raise HostError(f"{user} was to be logged on and is not, after {COMING:g} seconds")
        self._note(user, self.since(user), given)

    def forget(self, user: str) -> None:
        """It is off, and its entry may change: what was noted of it is no more."""
        with suppress(FileNotFoundError):
            os.unlink(self._file(user))

    def log_off(self, user: str, patience: float) -> str:
        """How it ended: "off" (it was), "asked", "killed".

        :raises StillRunning: it is there still.
        :raises Refused: an IDENTITY, which is logged on at several members.
        """
        if not self.is_on(user):
            return "off"
        client = self._members.clients[self._only_member(user)]
        if patience >= 1:
            self._deactivate(client, user, f"WITHIN {min(int(patience), 65535)}")
            if self._becomes(user, on=False, within=patience):
                return "asked"
        self._deactivate(client, user, "IMMED")
        if self._becomes(user, on=False, within=max(patience, COMING)):
            return "killed"
        raise StillRunning(f"{user} was to be logged off and is still there", todo="Look at it: FORCE, or its console.")

    def _only_member(self, user: str) -> str:
        if len(self._members) == 1:
            return FIRST
        there = [member for member, _ in self._members.having(user)] or [self._members.home(user)]
        if len(there) > 1:
            raise Refused(
                f"{user} is logged on at several members of the cluster: {', '.join(name or 'this one' for name in there)}",
                meaning="Only an IDENTITY can be so. goldroot's disks are those of the IDENTITY, so all of them have the same ones.",
                todo="Log it off there until it is logged on at one of them.",
            )
        return there[0]

    @staticmethod
    def _deactivate(client: Client, user: str, when: str) -> None:
        try:
            client.image_deactivate(user, when)
        except CallRefused as error:
            if error.code not in (NOT_ON, GOING):
                raise
        except UNSURE:
            pass  # looked at next

    def _becomes(self, user: str, *, on: bool, within: float) -> bool:
        clock = self._clock
        begun = clock.now()
        while self.is_on(user) != on:
            if clock.now() - begun >= within:
                return False
            clock.sleep(LOOK)
        return True

    def _note(self, user: str, since: str, given: Mapping[str, str]) -> None:
        write_whole(self._file(user), json.dumps({"since": since, "given": dict(given)}).encode() + b"\n")

    def _noted(self, user: str) -> tuple[str, dict[str, str]] | None:
        try:
            with open(self._file(user), encoding="utf-8") as file:
                said = files.json_of(file.read())
            return str(said["since"]), {str(key): str(value) for key, value in said["given"].items()}
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def _file(self, user: str) -> str:
        return os.path.join(self._folder, f"{user}.json")
