"""What can be done to the rows of a data set, one module per kind of act."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from engine.data.acts import drop, filter_rows, fix, repeats, truncate
from engine.data.acts.act import Act

ACTS: Mapping[str, Act] = MappingProxyType(
    {act.name: act for act in (drop.ACT, repeats.ACT, filter_rows.ACT, *fix.ACTS, truncate.ACT)}
)
