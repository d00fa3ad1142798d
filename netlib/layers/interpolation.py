"""Where the pixels of an enlarged axis come from, and their weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays import Array

Sources = list[tuple[Array, Array]]
"""For each pixel of the new axis, the indices of the pixels it is made of, and their weights."""


def nearest(n: int, m: int, scale: float) -> Sources:
    """Return which of `n` pixels each of `m` copies: ⌊i / scale⌋, with the weight 1."""
    return [((np.arange(m) / scale).astype(int), np.ones(m))]


def linear(n: int, m: int, scale: float) -> Sources:
    """Return the two of `n` pixels between whose centres each of `m` lies, and their weights.

    The centre of pixel i lies at (i + 1/2) / scale − 1/2. Beyond the outer centres, the outer
    pixels continue.

    >>> (left, left_weights), (right, right_weights) = linear(2, 4, scale=2.0)
    >>> left_weights * left + right_weights * right
    array([0.  , 0.25, 0.75, 1.  ])
    """
    place = np.clip((np.arange(m) + 0.5) / scale - 0.5, 0, n - 1)
    left = place.astype(int)
    return [(left, 1 - (place - left)), (np.minimum(left + 1, n - 1), place - left)]


MODES: dict[str, Callable[[int, int, float], Sources]] = {"nearest": nearest, "linear": linear}
