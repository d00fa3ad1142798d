from __future__ import annotations

import numpy as np

from ...arrays import Array, ArrayLike, Shape, as_floats
from ...errors import ShapeError
from ...layer import Layer


class Tile(Layer):
    """x repeated as a whole along each axis, as in `numpy.tile`.

    Each x is in y as often as the product of `repeats`, so ∂L/∂x is the sum of ∂L/∂y over the
    copies.

    >>> tile = Tile((2,))
    >>> tile.forward([1.0, 2.0]), tile.backward([1.0, 2.0, 3.0, 4.0])
    (array([1., 2., 1., 2.]), array([4., 6.]))
    """

    def __init__(self, repeats: Shape) -> None:
        self.repeats = repeats

    def forward(self, x: ArrayLike) -> Array:
        """Return y, with longer axes."""
        x = as_floats(x, where=self)
        if len(self.repeats) != x.ndim:
            raise ShapeError(f"got x of shape {x.shape}, expected {len(self.repeats)} axes", where=self)
        return self.remember(np.tile(x, self.repeats), x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, shape = self.recall(dout)
        pairs = [length for pair in zip(self.repeats, shape, strict=True) for length in pair]
        return dout.reshape(pairs).sum(axis=tuple(range(0, len(pairs), 2)))  # type: ignore[no-any-return]
