"""Panes: the parts of a screen, drawn from frozen values."""
