"""Scanning: a directory becomes a manifest."""
