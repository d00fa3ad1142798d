from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_floats
from ..errors import ShapeError
from ..layer import Layer
from .axes import as_axes
from .reduction import along, keep_axes, spread_gradient
from .rules import Shapes


class Max(Layer):
    """The largest x over `axis`, which may be one, several or all axes (None), as in `numpy.max`.

    Raises for empty axes. NaN is passed on, to y and to the gradient.

    y equals one x, so ∂y/∂x = 1 for this x and 0 for the others. If n of them are equally large,
    each gets 1 / n of the gradient, as in `torch.amax`: equal elements have equal gradients, in any
    order.

    >>> largest = Max(axis=1)
    >>> largest.forward([[1.0, 5.0, 2.0], [3.0, 0.0, 3.0]])
    array([5., 3.])
    >>> largest.backward([4.0, 6.0])
    array([[0., 4., 0.],
           [3., 0., 3.]])
    """

    kernel_name = "max"

    def __init__(self, axis: int | Shape | None = None, keepdims: bool = False) -> None:
        self.axis = axis
        self.keepdims = keepdims

    def forward(self, x: ArrayLike) -> Array:
        """Return the largest x."""
        x = as_floats(x, where=self)
        axes = as_axes(x, self.axis, self)
        if any(x.shape[i] == 0 for i in axes):
            raise ShapeError(f"got x of shape {x.shape}, expected elements along the axes to reduce", where=self)
        y = np.asarray(self._extreme(x, axes))
        return self.remember(y if self.keepdims else y.squeeze(axes), x == y, axes)

    @np.errstate(divide="ignore", invalid="ignore", under="ignore")
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, is_largest, axes = self.recall(dout)
        share = keep_axes(dout, is_largest.shape, axes) / is_largest.sum(axis=axes, keepdims=True)
        return share.astype(dout.dtype) * is_largest  # type: ignore[no-any-return]

    def _extreme(self, x: Array, axes: Shape) -> Array:
        """Return the largest x, with axes of length 1 for `axes`."""
        return np.max(x, axis=axes, keepdims=True)  # type: ignore[no-any-return]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the largest x, the only one with a gradient."""
        axes = along(self.axis)
        share = f"{spread_gradient(self.axis, inputs[0])} ⊙ w / sum{axes}(w), where w = [x = max{axes}(x)]"
        return f"y = max{axes}(x); dx = {share}"
