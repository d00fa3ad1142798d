from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_count, as_floats, unbroadcast
from ..errors import ShapeError
from ..layer import Layer
from .rules import Shapes, format_shape, sum_to_shape


class BroadcastTo(Layer):
    """x repeated to `shape`, as in `numpy.broadcast_to`.

    Axes of length 1 and new axes in front are repeated. -1 in `shape` stands for the length that x
    has there, so ``BroadcastTo((-1, 3))`` takes a batch (N, 1) of any size to (N, 3).

    Each element of y is a copy of one x, so ∂L/∂x is the sum of ∂L/∂y over the copies.

    >>> rows = BroadcastTo((2, 3))
    >>> rows.forward([1.0, 2.0, 3.0]), rows.backward([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    (array([[1., 2., 3.],
           [1., 2., 3.]]), array([11., 22., 33.]))
    """

    kernel_name = "broadcast to"

    def __init__(self, shape: int | Shape) -> None:
        lengths = shape if isinstance(shape, tuple | list) else (shape,)
        self.shape = tuple(as_count(n, "shape", "BroadcastTo", least=-1) for n in lengths)

    def forward(self, x: ArrayLike) -> Array:
        """Return x, repeated."""
        x = as_floats(x, where=self)
        own = (-1,) * (len(self.shape) - x.ndim) + x.shape  # -1 where x has no axis
        try:
            shape = tuple(length if n == -1 else n for n, length in zip(self.shape, own, strict=True))
            y = np.array(np.broadcast_to(x, shape))
        except ValueError:
            hint = "Counted from the last axis, lengths must be equal or 1; -1 keeps a length that x has."
            raise ShapeError(f"got x of shape {x.shape}, which does not broadcast to {self.shape}", where=self, hint=hint) from None
        return self.remember(y, x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x, of x's shape."""
        dout, shape = self.recall(dout)
        return unbroadcast(dout, shape).copy()

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the shape, and the sum over the copies."""
        return f"y = x, spread to {format_shape(output)}; dx = {sum_to_shape('dy', inputs[0], output)}"
