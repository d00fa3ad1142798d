from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_floats
from ..errors import ShapeError
from ..layer import Layer
from .rules import Shapes, format_shape


class Reshape(Layer):
    """x in another `shape`, as in `numpy.reshape`.

    `shape` includes the batch axis, and one length may be -1. Every element is copied unchanged, so
    dL/dx is dL/dy in x's shape.

    >>> reshape = Reshape((-1, 2))
    >>> reshape.forward([1.0, 2.0, 3.0, 4.0])
    array([[1., 2.],
           [3., 4.]])
    >>> reshape.backward([[1.0, 2.0], [3.0, 4.0]])
    array([1., 2., 3., 4.])
    """

    kernel_name = "reshape"

    def __init__(self, shape: int | Shape) -> None:
        self.shape = shape

    def forward(self, x: ArrayLike) -> Array:
        """Return a copy of x in the new shape."""
        x = as_floats(x, where=self, copy=True)
        try:
            y = x.reshape(self.shape)
        except (ValueError, TypeError) as error:
            raise ShapeError(f"got x of shape {x.shape}, which {error}", where=self) from None
        return self.remember(y, x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x, of x's shape."""
        dout, shape = self.recall(dout)
        return np.array(dout).reshape(shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return both shapes."""
        return f"y = x, reshaped to {format_shape(output)}; dx = dy, reshaped to {format_shape(inputs[0])}"
