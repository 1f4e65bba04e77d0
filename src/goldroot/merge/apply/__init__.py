"""Applying: the rows of the new tree, and the place where it appears whole."""
