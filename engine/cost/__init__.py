"""Time and money of a run: before it starts, while it goes, and of a box that idles after it."""
