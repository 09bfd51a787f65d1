"""Runs: their folder, events, state, lock, launch and acts."""
