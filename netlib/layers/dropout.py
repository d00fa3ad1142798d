from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import RNG, Array, ArrayLike, as_floats, as_number, as_rng
from ..layer import Layer
from .axes import as_axes, keepdims_shape
from .rules import Shape, Shapes


def draw_scale(rng: np.random.Generator, p: float, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Return mask / (1 - p), where each element of the mask is 0 with probability p, 1 otherwise.

    >>> draw_scale(np.random.default_rng(0), 0.5, (5,), np.dtype(float))
    array([2., 2., 2., 0., 0.])
    """
    return (rng.random(shape, np.float32) >= p) / dtype.type(1 - p)  # type: ignore[no-any-return]


class Dropout(Layer):
    """``y = x * mask / (1 - p)`` in training mode, ``y = x`` in evaluation mode.

    Every forward draws a new mask, whose elements are 0 with probability p and 1 otherwise. The
    mask is constant along `axes`: ``axes=(2, 3)`` drops whole channels of images. `rng` is the
    random generator or seed.

    ∂y/∂x = mask / (1 - p), with the mask that forward drew. The factor 1 / (1 - p) keeps the mean
    of y equal to that of x (inverted dropout, Srivastava et al., 2014).

    >>> dropout = Dropout(0.5, rng=0)
    >>> dropout.forward(np.ones(5)), dropout.backward(np.ones(5))
    (array([2., 2., 2., 0., 0.]), array([2., 2., 2., 0., 0.]))
    >>> dropout.eval().forward(np.ones(5))
    array([1., 1., 1., 1., 1.])
    """

    kernel_name = "dropout"
    is_positionwise = True

    def __init__(self, p: float = 0.5, axes: int | Shape = (), *, rng: RNG = None) -> None:
        self.p = as_number(p, "p", "Dropout", least=0, below=1)
        self.axes = axes
        self._rng = as_rng(rng, "Dropout")

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        scale = np.ones((), x.dtype)
        if self.training and self.p > 0:
            shape = keepdims_shape(x.shape, as_axes(x, self.axes, self))
            scale = draw_scale(self._rng, self.p, shape, x.dtype)
        return self.remember(x * scale, scale)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, scale = self.recall(dout)
        return dout * scale  # type: ignore[no-any-return]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x, times the scaled mask in training mode."""
        if not self.training or not self.p:
            return "y = x; dx = dy"
        return f"y = x ⊙ mask / {1 - self.p:g}; dx = dy ⊙ mask / {1 - self.p:g}"
