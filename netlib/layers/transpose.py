from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..arrays import Array, ArrayLike, Shape, as_floats
from ..errors import ShapeError
from ..layer import Layer
from .axes import as_axes
from .rules import Shapes, format_axes


class Transpose(Layer):
    """x with its axes in the order `axes`, or reversed (None), as in `numpy.transpose`.

    Every element is copied unchanged, so dL/dx is dL/dy with its axes in the original order.

    >>> transpose = Transpose()
    >>> transpose.forward([[1.0, 2.0, 3.0]]), transpose.backward([[1.0], [2.0], [3.0]])
    (array([[1.],
           [2.],
           [3.]]), array([[1., 2., 3.]]))
    """

    kernel_name = "transpose"

    def __init__(self, axes: Shape | None = None) -> None:
        self.axes = axes

    def forward(self, x: ArrayLike) -> Array:
        """Return a copy of x, transposed."""
        x = as_floats(x, where=self)
        order = tuple(range(x.ndim))[::-1] if self.axes is None else as_axes(x, self.axes, self)
        if len(order) != x.ndim:
            message = f"got x of shape {x.shape}, expected one axis for each of {self.axes!r}"
            raise ShapeError(message, where=self)
        return self.remember(np.array(x.transpose(order), order="C"), np.argsort(order))

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x, of x's shape."""
        dout, back = self.recall(dout)
        return np.array(dout.transpose(back), order="C")

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the order of the axes, forward and back."""
        n = len(output)
        backwards = tuple(range(n))[::-1]
        order = backwards if self.axes is None else normalize_axis_tuple(self.axes, n)
        if n <= 2 and order == backwards:
            return "y = xᵀ; dx = dyᵀ"
        back = sorted(range(n), key=order.__getitem__)
        y, dx = (f"its axes in the order {format_axes(each)}" for each in (order, back))
        return f"y = x, {y}; dx = dy, {dx}"
