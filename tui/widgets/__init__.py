"""Widgets: small, drawn line by line, so that a change costs only the cells it changes."""
