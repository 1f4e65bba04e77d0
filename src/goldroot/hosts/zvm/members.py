"""The members of a cluster: a guest is logged on at one of them, and each has a SMAPI server of its own to ask.

The directory, its locks, the volumes that members share and CP's links are the cluster's, and are asked where goldroot
runs.  Only who is logged on is each member's own to tell: whether a SMAPI server tells of the other members' guests, too,
was never seen, and either will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from goldroot.errors import BadInput
from goldroot.zvm.smapi import CallRefused, CannotConnect, Client

T = TypeVar("T")

#: A guest is not logged on: return and reason code (IBM, SC24-6327).
NOT_ON = (200, 12)
#: The form of dates that is asked for: yyyy-mm-dd.
DATE = 4

#: The member that all else is asked of: the one of the management guest.
FIRST = ""


class Members:
    """:param first: SMAPI of the member where goldroot runs.

    :param others: that of each other member, by the member's name.
    :param homes: user ID -> the member at which goldroot logs it on; all others: the first.
    :raises BadInput: a home is not a member.
    """

    def __init__(
        self, first: Client, others: Mapping[str, Client] | None = None, homes: Mapping[str, str] | None = None
    ) -> None:
        self.clients = {FIRST: first, **(others or {})}
        self._homes = dict(homes or {})
        for user, member in self._homes.items():
            if member not in self.clients:
                raise BadInput(
                    f"{user} is to run at {member}, which is not a member in the host's table",
                    todo=f'Name its SMAPI server: members = {{ {member} = "HOST" }}.',
                )

    def __len__(self) -> int:
        return len(self.clients)

    def home(self, user: str) -> str:
        """The member at which goldroot logs a guest on."""
        return self._homes.get(user, FIRST)

    def say(self, user: str, question: Callable[[Client], T]) -> Iterator[tuple[str, T]]:
        """What each member answers about a guest, its home first.

        Another one that does not answer is left out: its guests' links are the cluster's, and keep their disks from being written.

        :raises CannotConnect: the home does not answer.
        """
        home = self.home(user)
        yield home, question(self.clients[home])
        for name, client in self.clients.items():
            if name == home:
                continue
            try:
                said = question(client)
            except CannotConnect:
                continue
            yield name, said

    def having(self, user: str) -> Iterator[tuple[str, str]]:
        """The members at which a guest is logged on, and since when in z/VM's words: an IDENTITY may be so at several."""
        return ((member, said) for member, said in self.say(user, lambda client: _since(client, user)) if said)


def _since(client: Client, user: str) -> str:
    try:
        found = client.call("Image_Query_Activate_Time", user, date_format_indicator=DATE)
    except CallRefused as error:
        if error.code == NOT_ON:
            return ""
        raise
    return f"{found.text('activation_date')} {found.text('activation_time')}".strip()


def at(member: str) -> str:
    """Where, behind what is said of a guest; "": at the member where goldroot runs."""
    return f" at {member}" if member else ""
