"""Referring: what the server keeps must not point at what gold took away."""
