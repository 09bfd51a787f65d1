"""The screens: they draw what the engine says and start nothing heavy themselves."""
