"""Pooling over all axes after the second."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, ArrayLike
from ..layer import Layer
from .images import as_images
from .rules import Shape, Shapes, format_axes, format_shape


class GlobalAvgPool(Layer):
    """The mean of each channel: (N, C, …) to (N, C).

    Each of the n numbers of a channel gets ∂L/∂y / n.

    >>> pool = GlobalAvgPool()
    >>> pool.forward([[[1.0, 3.0], [2.0, 6.0]]]), pool.backward([[2.0, 4.0]]).tolist()
    (array([[2., 4.]]), [[[1.0, 1.0], [2.0, 2.0]]])
    """

    kernel_name = "global_avg_pool"

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C)."""
        x = as_images(x, self)
        return self.remember(x.mean(axis=tuple(range(2, x.ndim))), x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, shape = self.recall(dout)
        share = dout * dout.dtype.type(1 / math.prod(shape[2:]))
        return np.array(np.broadcast_to(share.reshape(*share.shape, *(1,) * (len(shape) - 2)), shape))

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the mean, with dy divided by n and spread."""
        axes, n = format_axes(range(2, len(inputs[0]))), math.prod(inputs[0][2:])
        spread = f"spread to {format_shape(inputs[0])} along axis {axes}"
        return f"y = mean[axis={axes}](x); dx = dy / {n}, {spread}"


class GlobalMaxPool(Layer):
    """The largest number of each channel: (N, C, …) to (N, C).

    ∂L/∂x is ∂L/∂y at the largest number, the first of equals, and 0 elsewhere.

    >>> pool = GlobalMaxPool()
    >>> pool.forward([[[1.0, 3.0], [2.0, 2.0]]]), pool.backward([[5.0, 7.0]]).tolist()
    (array([[3., 2.]]), [[[0.0, 5.0], [7.0, 0.0]]])
    """

    kernel_name = "global_max_pool"

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C)."""
        x = as_images(x, self)
        numbers = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
        winners = numbers.argmax(axis=2)[..., None]
        return self.remember(np.take_along_axis(numbers, winners, axis=2)[..., 0], winners, x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, winners, shape = self.recall(dout)
        dx = np.zeros((*shape[:2], math.prod(shape[2:])), dout.dtype)
        np.put_along_axis(dx, winners, dout[..., None], axis=2)
        return dx.reshape(shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the largest numbers; dy goes to where they were."""
        return f"y = max[axis={format_axes(range(2, len(inputs[0])))}](x); dx = to_winners[windows=1](dy, x)"
