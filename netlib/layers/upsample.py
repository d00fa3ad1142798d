from __future__ import annotations

from collections.abc import Callable

from ..arrays import Array, ArrayLike, as_floats, as_number
from ..errors import InvalidValueError, ShapeError
from ..layer import Layer
from .resampling import along, linear_matrix, nearest_matrix

MATRICES: dict[str, Callable[[int, float], Array]] = {"nearest": nearest_matrix, "linear": linear_matrix}


class Upsample(Layer):
    """Enlarge all axes after the second by `scale`, one factor for all or one for each.

    ``"nearest"`` repeats pixels, and ``"linear"`` interpolates between their centres, along one
    axis after the other, which is bilinear interpolation for two axes.

    Along each axis, y is a product A x with a matrix of weights. So ∂L/∂x = Aᵀ ∂L/∂y, one axis after
    the other: each pixel gets the sum of the gradients of its copies.

    >>> upsample = Upsample(2)
    >>> upsample.forward([[[1.0, 2.0]]]), upsample.backward([[[1.0, 2.0, 3.0, 4.0]]])
    (array([[[1., 1., 2., 2.]]]), array([[[3., 7.]]]))
    """

    kernel_name = "upsample"

    def __init__(self, scale: float | tuple[float, ...], mode: str = "nearest") -> None:
        if mode not in MATRICES:
            raise InvalidValueError(f"mode is {mode!r}, expected 'nearest' or 'linear'", where="Upsample")
        scales = scale if isinstance(scale, tuple | list) else (scale,)
        if min((as_number(each, "scale", "Upsample", least=0) for each in scales), default=0) == 0:
            raise InvalidValueError(f"scale is {scale!r}, expected positive numbers", where="Upsample")
        self.scale, self.mode = scale, mode

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C, …) with longer axes."""
        x = as_floats(x, where=self)
        matrices = [MATRICES[self.mode](n, scale).astype(x.dtype) for n, scale in self._axes(x)]
        y = x
        for i, matrix in enumerate(matrices):
            y = along(y, matrix, 2 + i)
        return self.remember(y, matrices)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dx, matrices = self.recall(dout)
        for i, matrix in enumerate(matrices):
            dx = along(dx, matrix.T, 2 + i)
        return dx

    def _axes(self, x: Array) -> list[tuple[int, float]]:
        """Return the length and the scale of each axis after the second."""
        scales = self.scale if isinstance(self.scale, tuple | list) else (self.scale,) * (x.ndim - 2)
        if x.ndim < 3 or len(scales) != x.ndim - 2:
            expected = f"{len(scales)} axes after (N, C)" if isinstance(self.scale, tuple | list) else "(N, C, …)"
            raise ShapeError(f"got x of shape {x.shape}, expected {expected}", where=self)
        return list(zip(x.shape[2:], scales, strict=True))
