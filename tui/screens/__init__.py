"""Screens: one file each; a screen lays out panes and widgets and turns keys into calls."""
