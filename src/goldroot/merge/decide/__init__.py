"""Deciding: what becomes of each path and state unit that the comparison found."""
