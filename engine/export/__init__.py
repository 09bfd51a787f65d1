"""Export: what can be written, its plan and its model card."""
