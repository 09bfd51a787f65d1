"""The memory budget: predicted bytes per component and phase."""
