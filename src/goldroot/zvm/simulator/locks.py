"""Locks on directory entries, and on single devices of them."""

from __future__ import annotations

from collections.abc import Iterator


class Locks:
    """Who locked what; names and addresses are given in the form in which the directory has them."""

    def __init__(self) -> None:
        self._images: dict[str, str] = {}
        self._devices: dict[tuple[str, str], str] = {}

    def image(self, name: str) -> str | None:
        """Who locked the whole entry."""
        return self._images.get(name)

    def device(self, name: str, address: str) -> str | None:
        return self._devices.get((name, address))

    def devices(self, name: str) -> Iterator[tuple[str, str]]:
        """Locked devices of an entry: (address, by whom)."""
        return ((address, by) for (owner, address), by in self._devices.items() if owner == name)

    def lock(self, name: str, by: str, address: str = "") -> bool:
        """Lock an entry, or one of its devices; False where it is locked already, even by the same user."""
        if address:
            if (name, address) in self._devices:
                return False
            self._devices[(name, address)] = by
            return True
        if name in self._images:
            return False
        self._images[name] = by
        return True

    def unlock(self, name: str, address: str = "") -> bool:
        """False where nothing was locked."""
        gone = self._devices.pop((name, address), None) if address else self._images.pop(name, None)
        return gone is not None

    def forget(self, name: str) -> None:
        """The entry is gone, and its locks with it."""
        self._images.pop(name, None)
        for key in [key for key in self._devices if key[0] == name]:
            del self._devices[key]
