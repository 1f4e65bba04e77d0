"""goldroot: fleets of Linux servers on one shared, versioned, read-only gold image."""

__version__ = "0.1.0"
