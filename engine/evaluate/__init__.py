"""Evaluation: held-out loss and answers, base against tuned."""
