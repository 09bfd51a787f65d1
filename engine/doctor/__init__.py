"""The doctor: what this box is, whether it can train, and the fix where it cannot."""
