"""Building: rows become a directory."""
