"""What happened, in words: the events of the catalog as a person reads them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from goldroot.catalog import Event, clones, events, images, updates
from goldroot.conflicts import answer_word
from goldroot.errors import NotFound
from goldroot.site import Site
from goldroot.tree import path_text

#: What happened -> a sentence about it.  Fields are those of the event; what is not here is a step on the way, and is told
#: only where every event is asked for.
SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "image-created": "was imported",
        "image-deleted": "was deleted",
        "image-renamed": "has this name now; before it was {was}",
        "tested": "was tested in {form} form, and {result}",
        "published": "gold {version} was published{untested}",
        "version-found": "gold {version} was found in slot {slot}, and noted",
        "publish-abandoned": "the publish of gold {version} was given up",
        "version-retired": "gold {version} was retired",
        "version-restored": "gold {version} was taken back from its retirement",
        "version-removed": "gold {version} was removed",
        "decided": "{what} was answered with {answer} by {who}",
        "decision-withdrawn": "the answer {short} was forgotten",
        "clone-created": "was created from {image} {version}",
        "clone-deleted": "was deleted; it was on {image} {version}",
        "clone-found": "was found to be {now}, and noted so",
        "clone-adopted": "was found on its host with gold {version} of {image}, and adopted",
        "clone-forgotten": "was found to be gone, and forgotten",
        "image-found": "was found on its hosts, and adopted",
        "version-found-removed": "gold {version} was found by its record, without disks",
        "catalog-rebuilt": "the catalog was made again from what stands on the hosts",
        "repaired": "was repaired: {text}",
        "update-begun": "update {update} to gold {to_version} was begun",
        "update-needs-review": "update {update} waits for a review",
        "update-done": "was updated{versions} (update {update})",
        "update-failed": "update {update} failed",
        "update-cancelled": "update {update} was given up",
        "update-found": "update {update} was found to be {now}, and noted so",
        "rollback-begun": "rollback {update} to gold {to_version} was begun",
        "rollback-needs-review": "rollback {update} waits for a review",
        "rollback-done": "was rolled back{versions} (rollback {update})",
        "rollback-failed": "rollback {update} failed",
        "rollback-cancelled": "rollback {update} was given up",
        "rollback-found": "rollback {update} was found to be {now}, and noted so",
        "tried": "was tried in isolation: {tried}",
        "health-failed": "was not well after its switch, and goes back: {why}",
        "not-started-again": "could not be started again: {why}",
        "rebuild-failed": "a rebuild command failed: {command}",
        "written-since": "{paths} paths had been written since the switch",
        "fallback-pruned": "fallback {fallback} was pruned",
        "closed-to-others": "{paths} paths that others could read were closed to them",
    }
)


class _Missing(dict[str, str]):
    """An older goldroot kept less of an event: what is not known is a question mark."""

    def __missing__(self, key: str) -> str:
        return "?"


def sentence(event: Event) -> str:
    """What happened, without its subject; the event's own word and data where there is no sentence for it."""
    data = event.data
    if event.what not in SENTENCES:
        more = ", ".join(f"{key} {value}" for key, value in data.items() if value not in ("", None))
        return f"{event.what}{': ' + more if more else ''}"
    words = {key: str(value) for key, value in data.items()} | {
        "result": "passed" if data.get("passed") else "failed",
        "untested": ", untested" if data.get("untested") else "",
        "versions": f" from gold {data['from_version']} to {data['to_version']}" if "from_version" in data else "",
        "answer": answer_word(str(data.get("take", "?"))),
        "tried": "; ".join(map(str, data.get("wrong", ()))) or "nothing was worse",
        "short": str(data.get("key", "?"))[:12],
        "who": str(data.get("who") or "somebody"),
    }
    words["what"] = _asked(data, words["short"])
    return SENTENCES[event.what].format_map(_Missing(words))


def _asked(data: Mapping[str, Any], short: str) -> str:
    if "path" not in data:
        return f"the question {short}"
    return f"{path_text(os.fsencode(str(data['path'])))} [{data['axis']}]"


def history(site: Site, name: str | None = None, *, limit: int = 30, every: bool = False) -> list[dict[str, Any]]:
    """The newest events, oldest of them first, as JSON data.

    :param name: of a clone or an image, also of one that is gone; a clone's has the answers to its questions, too.
    :param every: also the steps on the way.
    :raises NotFound: nothing ever happened to one of that name.
    """
    kinds = None if every else tuple(SENTENCES)
    with site.catalog.read() as tx:
        if name is None:
            found = events.latest(tx, limit=limit, kinds=kinds)
        else:
            subjects = (f"clone:{name}", f"image:{name}")
            found = events.latest(tx, subjects, limit=limit, kinds=kinds)
            clone = clones.find(tx, name)
            if clone is not None:
                numbers = {one.id for one in updates.every(tx, name)}
                answers = events.latest(tx, (f"image:{clone.image}",), limit=limit, kinds=("decided",))
                found += [one for one in answers if numbers & set(one.data.get("updates", ()))]
                found = sorted(found, key=lambda one: one.id)[-limit:]
            if not found and clone is None and name not in [one.name for one in images.every(tx)]:
                raise NotFound(f"nothing is known of a clone or image {name!r}", todo="See: goldroot log")
    return [event_data(one) for one in found]


def event_data(event: Event) -> dict[str, Any]:
    """An event as JSON data."""
    kind, _, name = event.subject.partition(":")
    return {
        "id": event.id, "at": event.at, "what": event.what, "kind": kind, "name": name, "text": sentence(event),
        "data": dict(event.data),
    }  # fmt: skip
