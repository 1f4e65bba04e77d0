"""``goldroot demo``: the whole story in a temporary site, narrated."""
