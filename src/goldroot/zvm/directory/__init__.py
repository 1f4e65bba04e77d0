"""User directories: read without loss, looked at, checked, compared and edited.

::

    directory = Directory.parse(data)             any bytes; directory.to_bytes() == data
    entry = directory.entry("LINUX1")
    for disk, statement in disks(entry): ...      typed views
    new = exchange(relink(entry, "S10GOLD", "S10GOLD2"), "1B5", "5B5")
    for difference in differences(entry, new): print(difference.text())
    directory = directory.replaced(entry, new)

Nothing here speaks to a z/VM system.  What is shown goes through ``redact``: no password leaves this room except by
``to_bytes()``, ``Secret.reveal()`` and ``keyword_form(..., reveal=True)``.
"""

from goldroot.zvm.directory.check import check
from goldroot.zvm.directory.compare import Difference, differences, meaning, same_meaning
from goldroot.zvm.directory.edit import add_link, add_mdisk, edited, exchange, relink, remove
from goldroot.zvm.directory.findings import Finding
from goldroot.zvm.directory.keywordform import keyword_form
from goldroot.zvm.directory.model import Directory, Entry
from goldroot.zvm.directory.secret import Secret
from goldroot.zvm.directory.statement import Statement, address_of
from goldroot.zvm.directory.template import filled, names_in, with_entry
from goldroot.zvm.directory.views import Link, Mdisk, disks, links, view, views

__all__ = [
    "Difference",
    "Directory",
    "Entry",
    "Finding",
    "Link",
    "Mdisk",
    "Secret",
    "Statement",
    "add_link",
    "add_mdisk",
    "address_of",
    "check",
    "differences",
    "disks",
    "edited",
    "exchange",
    "filled",
    "keyword_form",
    "links",
    "meaning",
    "names_in",
    "relink",
    "remove",
    "same_meaning",
    "view",
    "views",
    "with_entry",
]
