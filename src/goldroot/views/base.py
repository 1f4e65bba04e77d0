"""What every view has in common."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """A shape that is shown or exported.

    Unknown fields are refused, so that what is printed is what the schema says; a view does not change once it is made.
    Fields whose name is a word of Python (``from``) have an alias, and it is the alias that is printed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @classmethod
    def of(cls, what: object) -> Self:
        """The view of an object whose attributes, and theirs, have the names of the fields; it may have more."""
        return cls.model_validate(what, from_attributes=True)

    def as_json(self) -> dict[str, object]:
        """The view as JSON data, by the names that are exported; what was never set is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
