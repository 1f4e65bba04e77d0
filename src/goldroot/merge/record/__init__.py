"""Recording: what is written down of a merge, and what of it may be shown."""
