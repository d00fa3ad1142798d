from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_count
from ..errors import ShapeError
from ..layer import Layer
from .images import as_images
from .rules import Shape, Shapes, format_shape


class PixelShuffle(Layer):
    """x enlarged by `factor` r: channels become pixels, (N, C r², H, W) to (N, C, H r, W r).

    y[n, c, h r + i, w r + j] = x[n, c r² + i r + j, h, w] (Shi et al., 2016). Every element is
    moved unchanged, so ∂L/∂x is ∂L/∂y moved back.

    >>> shuffle = PixelShuffle(2)
    >>> shuffle.forward(np.arange(4.0).reshape(1, 4, 1, 1))
    array([[[[0., 1.],
             [2., 3.]]]])
    >>> shuffle.backward([[[[5.0, 6.0], [7.0, 8.0]]]]).ravel()
    array([5., 6., 7., 8.])
    """

    kernel_name = "pixel_shuffle"

    def __init__(self, factor: int) -> None:
        self.factor = as_count(factor, "factor", "PixelShuffle", least=1)

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C, H r, W r)."""
        x, r = as_images(x, self, axes=2), self.factor
        n, channels, h, w = x.shape
        if channels % r**2:
            raise ShapeError(f"got x of shape {x.shape}, expected (N, C·{r**2}, H, W)", where=self)
        y = x.reshape(n, channels // r**2, r, r, h, w).transpose(0, 1, 4, 2, 5, 3)
        return self.remember(np.array(y, order="C").reshape(n, channels // r**2, h * r, w * r), x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        (dout, shape), r = self.recall(dout), self.factor
        n, channels, h, w = shape
        dx = dout.reshape(n, channels // r**2, h, r, w, r).transpose(0, 1, 3, 5, 2, 4)
        return np.array(dx, order="C").reshape(shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the moves forward and back."""
        (n, channels, h, w), r = inputs[0], self.factor
        apart, together = (n, channels // r**2, r, r, h, w), (n, channels // r**2, h, r, w, r)
        y = f"reshaped to {format_shape(apart)}, its axes in the order (0, 1, 4, 2, 5, 3), reshaped to {format_shape(output)}"
        dx = f"reshaped to {format_shape(together)}, its axes in the order (0, 1, 3, 5, 2, 4), reshaped to {format_shape(inputs[0])}"
        return f"y = x, {y}; dx = dy, {dx}"
