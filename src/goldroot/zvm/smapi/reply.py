"""An answer of SMAPI, read."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    :param values: by the names of the table; nothing for a value that was not in the answer.
    :param operations: ids of asynchronous operations that the call started.
    :param detail: what the answer adds to an error code, as text.

    The values are left out of the repr: entries come with their passwords.
    """

    api: str
    request_id: int
    return_code: int
    reason_code: int
    values: dict[str, object] = field(default_factory=dict, repr=False)
    operations: tuple[int, ...] = ()
    detail: str = field(default="", repr=False)

    @property
    def code(self) -> tuple[int, int]:
        return self.return_code, self.reason_code

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty when it was not in the answer."""
        found = self.values.get(name, ())
        return tuple(str(item) for item in found) if isinstance(found, tuple) else ()

    def text(self, name: str) -> str:
        """A text; empty when it was not in the answer."""
        found = self.values.get(name, "")
        return found if isinstance(found, str) else ""

    def number(self, name: str) -> int | None:
        """A number; None when it was not in the answer."""
        found = self.values.get(name)
        return found if isinstance(found, int) else None
