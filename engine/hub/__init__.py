"""Where a base model lies: a local folder or a name on the hub, checked before anything starts."""

from engine.hub.place import ModelPlace, find_model

__all__ = ["ModelPlace", "find_model"]
