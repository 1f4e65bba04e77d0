"""What runs between goldroot and a confined command: a process of its own, which starts in milliseconds.

These modules import nothing of goldroot and as little of Python as they can (``re``, ``json``, ``enum`` alone would cost
as much time as everything that is done here).  :mod:`~goldroot.system.inside.enter` is where it begins.
"""
