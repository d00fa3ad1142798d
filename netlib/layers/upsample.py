from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_number
from ..errors import InvalidValueError, ShapeError
from ..layer import Layer
from .images import as_images
from .interpolation import MODES, Sources
from .rules import Shape, Shapes, format_options, format_per_axis, format_shape


class Upsample(Layer):
    """x with all axes after the second enlarged by `scale`, one factor for all or one for each.

    ``"nearest"`` repeats pixels. ``"linear"`` interpolates between their centres, along one axis
    after the other: with two axes this is bilinear interpolation.

    Along an axis, every number of y is a weighted sum of numbers of x. So ∂L/∂x is the sum of
    ∂L/∂y, with the same weights, over all elements of y to which a number contributes.

    >>> upsample = Upsample(2)
    >>> upsample.forward([[[1.0, 2.0]]]), upsample.backward([[[1.0, 2.0, 3.0, 4.0]]])
    (array([[[1., 1., 2., 2.]]]), array([[[3., 7.]]]))
    """

    kernel_name = "upsample"

    def __init__(self, scale: float | tuple[float, ...], mode: str = "nearest") -> None:
        if mode not in MODES:
            raise InvalidValueError(f"mode is {mode!r}, expected 'nearest' or 'linear'", where="Upsample")
        scales = scale if isinstance(scale, tuple | list) else (scale,)
        if min((as_number(each, "scale", "Upsample", least=0) for each in scales), default=0) == 0:
            raise InvalidValueError(f"scale is {scale!r}, expected positive numbers", where="Upsample")
        self.scale, self.mode = scale, mode

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C, …) with longer axes."""
        x = as_images(x, self)
        sources = self._sources(x)
        y = x
        for axis, pairs in enumerate(sources, start=2):
            y = sum((y.take(index, axis) * _along(weight, axis, x) for index, weight in pairs), start=np.zeros((), x.dtype))
        return self.remember(y, sources, x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dx, sources, shape = self.recall(dout)
        for axis, pairs in enumerate(sources, start=2):
            dy, dx = dx, np.zeros((*shape[: axis + 1], *dx.shape[axis + 1 :]), dx.dtype)
            for index, weight in pairs:
                np.add.at(dx, (slice(None),) * axis + (index,), dy * _along(weight, axis, dy))
        return dx

    def _sources(self, x: Array) -> list[Sources]:
        """Return where the numbers of each axis after the second come from, and their weights."""
        scales = self.scale if isinstance(self.scale, tuple | list) else (self.scale,) * (x.ndim - 2)
        if x.ndim < 3 or len(scales) != x.ndim - 2:
            expected = f"{len(scales)} axes after (N, C)" if isinstance(self.scale, tuple | list) else "(N, C, …)"
            raise ShapeError(f"got x of shape {x.shape}, expected {expected}", where=self)
        lengths = [int(n * scale) for n, scale in zip(x.shape[2:], scales, strict=True)]
        if 0 in lengths:
            raise ShapeError(f"got x of shape {x.shape}, which would shrink to nothing", where=self)
        return [MODES[self.mode](n, m, scale) for n, m, scale in zip(x.shape[2:], lengths, scales, strict=True)]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the enlargement, and its transpose."""
        scales = self.scale if isinstance(self.scale, tuple | list) else (self.scale,)
        options = {"scale": format_per_axis(scales)} | ({"mode": "linear"} if self.mode == "linear" else {})
        transposed = format_options(**options, to=format_shape(inputs[0][2:]))
        return f"y = upsample{format_options(**options)}(x); dx = upsample_transpose{transposed}(dy)"


def _along(weight: Array, axis: int, x: Array) -> Array:
    """Return weights in the type of `x`, with a shape that broadcasts along `axis`."""
    return weight.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - axis - 1))
