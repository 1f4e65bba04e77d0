"""A site: its configuration, the open site, its locks, its layouts and its keys."""
