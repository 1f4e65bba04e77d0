"""Comparing: three manifests side by side; what is not the same in all three trees."""
