from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, ArrayLike, as_count, as_floats
from ..errors import ShapeError
from ..layer import Layer
from .rules import Shape, Shapes, format_shape


class Flatten(Layer):
    """x with all axes from `start_axis` on merged into one; by default, all but the batch axis.

    Every element is copied unchanged, so dL/dx is dL/dy in x's shape.

    >>> flatten = Flatten()
    >>> flatten.forward(np.zeros((2, 3, 4))).shape, flatten.backward(np.zeros((2, 12))).shape
    ((2, 12), (2, 3, 4))
    """

    kernel_name = "flatten"

    def __init__(self, start_axis: int = 1) -> None:
        self.start_axis = as_count(start_axis, "start_axis", "Flatten")

    def forward(self, x: ArrayLike) -> Array:
        """Return a copy of x, flattened."""
        x = as_floats(x, where=self, copy=True)
        if x.ndim <= self.start_axis:
            raise ShapeError(f"got x of shape {x.shape}, which has no axis {self.start_axis}", where=self)
        y = x.reshape(*x.shape[: self.start_axis], math.prod(x.shape[self.start_axis :]))
        return self.remember(y, x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x, of x's shape."""
        dout, shape = self.recall(dout)
        return np.array(dout).reshape(shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return both shapes."""
        return f"y = x, reshaped to {format_shape(output)}; dx = dy, reshaped to {format_shape(inputs[0])}"
