"""The shape checks that layers with several inputs share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from ..errors import ShapeError


def require_inputs(inputs: Sequence[object], where: object) -> None:
    """Raise if there are no inputs."""
    if not inputs:
        raise ShapeError("got no inputs, expected at least one array", where=where)


def require_broadcastable(xs: Sequence[Array], where: object) -> None:
    """Raise if NumPy cannot broadcast the shapes of `xs` together."""
    first = xs[0].shape
    if all(x.shape == first for x in xs):
        return
    try:
        np.broadcast_shapes(*(x.shape for x in xs))
    except ValueError:
        shapes = " and ".join(str(x.shape) for x in xs)
        hint = "Counted from the last axis, lengths must be equal or 1."
        raise ShapeError(f"got shapes {shapes}, which do not broadcast", where=where, hint=hint) from None
