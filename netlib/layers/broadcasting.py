"""The shape checks that nodes with several inputs share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from ..errors import ShapeError


def refuse_nothing(inputs: Sequence[object], where: object) -> None:
    """Refuse a call without inputs."""
    if not inputs:
        raise ShapeError("got no inputs, wanted at least one array", where=where)


def refuse_unfit(xs: Sequence[Array], where: object) -> None:
    """Refuse shapes that NumPy cannot broadcast together."""
    first = xs[0].shape
    if all(x.shape == first for x in xs):
        return
    try:
        np.broadcast_shapes(*(x.shape for x in xs))
    except ValueError:
        shapes = " and ".join(str(x.shape) for x in xs)
        raise ShapeError(f"got shapes {shapes}, wanted shapes that broadcast: equal, or 1, on each axis from the right", where=where) from None
