from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_floats
from ..errors import ShapeError
from ..layer import Layer
from .rules import Shapes, format_shape


class Expand(Layer):
    """x with new axes of length 1 at the positions `axis` of y, as in `numpy.expand_dims`.

    Every element is copied unchanged, so ∂L/∂x is ∂L/∂y in x's shape. To repeat x along the new
    axis, add `BroadcastTo`.

    >>> expand = Expand(axis=1)
    >>> expand.forward([1.0, 2.0]), expand.backward([[3.0], [4.0]])
    (array([[1.],
           [2.]]), array([3., 4.]))
    """

    kernel_name = "expand"

    def __init__(self, axis: int | Shape) -> None:
        self.axis = axis

    def forward(self, x: ArrayLike) -> Array:
        """Return a copy of x with the new axes."""
        x = as_floats(x, where=self, copy=True)
        try:
            return self.remember(np.expand_dims(x, self.axis), x.shape)
        except (ValueError, TypeError) as error:
            raise ShapeError(f"got x of shape {x.shape} and axis {self.axis!r}: {error}", where=self) from None

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x, of x's shape."""
        dout, shape = self.recall(dout)
        return dout.copy().reshape(shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return both shapes."""
        return f"y = x, reshaped to {format_shape(output)}; dx = dy, reshaped to {format_shape(inputs[0])}"
