"""The flags that stand for settings on any command line that names a spec."""

from __future__ import annotations

# flag, as argparse keeps it -> the dotted path of its setting
FLAGS = {
    "model": "model.path",
    "data": "data.path",
    "profile": "profile",
    "name": "name",
    "method": "train.method",
    "epochs": "train.epochs",
    "max_length": "data.max_length",
}
