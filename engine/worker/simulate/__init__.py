"""The training step, executed symbolically: what it allocates, without weights or a GPU."""
