"""Fitting: the verdicts of a part as one tree in which everything has its place."""
