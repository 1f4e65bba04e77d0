"""The way back: what is kept for it, and going back, with what was written since or without."""
