"""Comparing what a site says of itself with what stands on its hosts, and bringing the two together again.

::

    findings.py       what can be wrong, and what each kind means
    seen.py           what stands on the hosts, and what the catalog knows: read once, changed by nobody
    compare.py        the two against each other: clones; images.py, disks.py, papers.py: the rest
    adopt.py          rows for what stands on a host and the catalog does not know
    repair.py         what is done about each kind of finding
    rebuild.py        a catalog that was lost
    doctor.py         all of it, in order

Comparing changes nothing.  What a command works on at this moment is left out: it is not wrong, it is not done yet.
"""
