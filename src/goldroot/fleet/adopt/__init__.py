"""Servers that exist already: one that was not made from gold becomes a clone of the gold version that is nearest to it.

::

    nearest    the packages of each gold version against the server's -> the version, and what differs
    base       gold's rows and the server's -> what both are taken to have come from
    lost       what the server has otherwise on the disks that will be shared
    result     the rows that come out, and what they have otherwise than gold
    found      all of it for one server: the plan, as data
    fill       a plan -> the disks of a new clone
    adopt      the order of effects
    again      a later look at the same server -> only what is new there
    later      and the order of its effects

A merge needs what the server came from.  It came from packages, so that is what their database says they brought; for
what nobody brought, it is gold's.
"""
