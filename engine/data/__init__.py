"""Data files: recognised, mapped, read into rows, reported on."""
