"""Parameters of which forward uses an old copy."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from ..context import CheckContext


def find_unread(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a parameter without effect where the layer holds the same numbers elsewhere."""
    if name.startswith("input") or np.isnan(context.numeric(name)).any() or context.numeric(name).any():
        return False
    numbers = np.sort(context.twin.slots[name], axis=None)
    for path, layer in context.twin.layer.walk():
        for key, held in vars(layer).items():
            if isinstance(held, np.ndarray) and held.size == numbers.size and np.array_equal(np.sort(held, axis=None), numbers):
                kept = ".".join(filter(None, ("self", path, key)))
                cause = f"forward uses {kept}, an old copy of it, and does not see the changes of an optimizer"
                context.find("stale-cache", name, cause, f"self.{name}.value, read again in every forward and backward")
                return True
    return False
