from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_floats
from ..layer import Layer
from .axes import as_axes, keepdims_shape
from .rules import Shapes, format_axes, format_shape


class Sum(Layer):
    """The sum over `axis`, which may be one, several or all axes (None), as in `numpy.sum`.

    ∂y/∂x = 1 for every x that y sums, so dL/dy is broadcast back over the summed axes.

    >>> total = Sum(axis=0)
    >>> total.forward([[1.0, 2.0], [3.0, 4.0]])
    array([4., 6.])
    >>> total.backward([5.0, 7.0])
    array([[5., 7.],
           [5., 7.]])
    """

    kernel_name = "sum"

    def __init__(self, axis: int | Shape | None = None, keepdims: bool = False) -> None:
        self.axis = axis
        self.keepdims = keepdims

    def forward(self, x: ArrayLike) -> Array:
        """Return the sum."""
        x = as_floats(x, where=self)
        axes = as_axes(x, self.axis, self)
        return self.remember(x.sum(axis=axes, keepdims=self.keepdims), x.shape, axes)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, shape, axes = self.recall(dout)
        return np.array(np.broadcast_to(dout.reshape(keepdims_shape(shape, axes)), shape))

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the sum, with dy broadcast back."""
        if self.axis is None:
            return f"y = sum(x); dx = dy, spread to {format_shape(inputs[0])}"
        axes = format_axes(np.atleast_1d(self.axis).tolist())
        return f"y = sum[axis={axes}](x); dx = dy, spread to {format_shape(inputs[0])} along axis {axes}"
