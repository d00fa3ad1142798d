from __future__ import annotations

from typing import Self

import numpy as np

from ..arrays import Array, ArrayLike, DTypeLike, as_count, as_dtype, as_floats, as_number
from ..errors import ShapeError
from ..initializers import Full, initial_value
from ..layer import Layer
from ..parameter import Parameter
from ..underflow import ignore_underflow
from .images import as_images
from .rules import Shape, Shapes, format_axes, lift


class PReLU(Layer):
    """``y = x`` where x > 0, ``weight * x`` elsewhere: `LeakyReLU` with a slope that is learned.

    He et al., 2015. `weight` is one number for all of x, of any shape, or with ``channels > 1`` one
    for each channel of x, (N, channels, …). Its initial value is `negative_slope`.

    ∂y/∂x is 1 where x > 0 and weight elsewhere, including the kink x = 0. ∂y/∂weight is 0 where
    x > 0 and x elsewhere, which is min(x, 0), so ∂L/∂weight = Σ ∂L/∂y min(x, 0) over the elements
    that share a weight.

    >>> layer = PReLU(dtype="float64")
    >>> layer.forward([-4.0, 2.0]), layer.backward([8.0, 8.0]), layer.weight.grad
    (array([-1.,  2.]), array([2., 8.]), array([-32.]))
    """

    kernel_name = "prelu"

    def __init__(self, channels: int = 1, negative_slope: float = 0.25, *, dtype: DTypeLike = np.float32) -> None:
        self.channels = as_count(channels, "channels", "PReLU", least=1)
        self.negative_slope = as_number(negative_slope, "negative_slope", "PReLU")
        self.dtype = as_dtype(dtype, "PReLU")
        self.weight = Parameter.wrap(initial_value(Full(self.negative_slope), (self.channels,), dtype, None, "PReLU"))

    @classmethod
    def from_arrays(cls, weight: ArrayLike) -> Self:
        """Return a layer with a copy of `weight`, of shape (channels,), in its dtype."""
        weight = as_floats(weight, where="PReLU.from_arrays")
        if weight.ndim != 1:
            raise ShapeError(f"got a weight of shape {weight.shape}, expected (channels,)", where="PReLU.from_arrays")
        layer = cls(len(weight), dtype=weight.dtype)
        layer.weight.value = weight
        return layer

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        if self.channels == 1:
            x = as_floats(x, self.weight.dtype, self)
        else:
            x = as_images(x, self, channels=self.channels, dtype=self.weight.dtype)
        slope = np.where(x > 0, x.dtype.type(1), self._weight_for(x.ndim))
        return self.remember(x * slope, np.minimum(x, 0), slope)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradient of weight, and return ∂L/∂x."""
        dout, below, slope = self.recall(dout)
        self.weight.add_grad(np.sum(dout * below, axis=self._shared_axes(dout.ndim)).reshape(self.weight.shape))
        return dout * slope  # type: ignore[no-any-return]

    @property
    def is_positionwise(self) -> bool:
        """Whether there is one weight for all of x, whatever axis 1 is."""
        return self.channels == 1

    def _weight_for(self, ndim: int) -> Array:
        """Return the weight in a shape that broadcasts over x."""
        w = self.weight.value
        return w.reshape(self.channels, *[1] * (ndim - 2)) if self.channels > 1 else w[0]

    def _shared_axes(self, ndim: int) -> Shape:
        """Return the axes of x along which the weight is the same."""
        return tuple(i for i in range(ndim) if i != 1 or self.channels == 1)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x or weight times x, and the gradient of weight, summed where it is shared."""
        w = lift("weight", len(output) - 2) if self.channels > 1 else "weight"
        axes = self._shared_axes(len(output))
        total = f"sum[axis={format_axes(axes)}]" if axes else ""
        return f"y = max(0, x) + {w} ⊙ min(0, x)\ndx = dy ⊙ ([x > 0] + {w} ⊙ [x ≤ 0])\ndweight = {total}(dy ⊙ min(0, x))"
