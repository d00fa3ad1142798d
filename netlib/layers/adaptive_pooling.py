"""Adaptive pooling: as many windows as asked for, whatever the size of the image."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, Shape
from ..errors import ShapeError
from ..layer import Layer
from .resampling import adaptive_window, along, mean_matrix
from .windows import as_per_axis, as_pixels, channels_first


class AdaptivePooling(Layer):
    """The base class: `output_size` windows along each axis.

    Window i of m along an axis of length n goes from ⌊i n / m⌋ to ⌈(i + 1) n / m⌉, so windows may
    overlap by one.
    """

    axes = 0

    def __init__(self, output_size: int | Shape) -> None:
        self.output_size = output_size
        self._sizes = as_per_axis(output_size, self.axes, "output_size", type(self).__name__)

    def _as_image(self, x: ArrayLike) -> Array:
        image = as_pixels(x, self.axes, self)
        if 0 in image.shape[1:-1]:
            raise ShapeError(f"got x of shape {np.shape(x)}, which has no pixels", where=self)
        return image


class AdaptiveAvgPooling(AdaptivePooling):
    """y is the mean under each window. Along each axis it is a product A x with a matrix of weights.

    So ∂L/∂x = Aᵀ ∂L/∂y, one axis after the other.
    """

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C, \\*output_size)."""
        y = self._as_image(x)
        matrices = [mean_matrix(n, m).astype(y.dtype) for n, m in zip(y.shape[1:-1], self._sizes, strict=True)]
        for i, matrix in enumerate(matrices):
            y = along(y, matrix, 1 + i)
        return self.remember(channels_first(y), matrices)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dx, matrices = self.recall(dout)
        for i, matrix in enumerate(matrices):
            dx = along(dx, matrix.T, 2 + i)
        return dx


class AdaptiveMaxPooling(AdaptivePooling):
    """y is the largest number under each window, for each channel.

    ∂L/∂x is ∂L/∂y at the largest number, the first of equals, and 0 at the others. Where windows
    overlap, the gradients add up.
    """

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C, \\*output_size)."""
        image = self._as_image(x)
        y = np.empty((len(image), *self._sizes, image.shape[-1]), image.dtype)
        winners = np.empty(y.shape, np.intp)
        numbers = np.arange(np.prod(image.shape[1:-1])).reshape(image.shape[1:-1])
        for position in np.ndindex(*self._sizes):
            axes = zip(image.shape[1:-1], self._sizes, position, strict=True)
            window = tuple(slice(*adaptive_window(n, m, i)) for n, m, i in axes)
            flat = image[(slice(None), *window)].reshape(len(image), -1, image.shape[-1])
            first = flat.argmax(axis=1)
            y[(slice(None), *position)] = np.take_along_axis(flat, first[:, None], axis=1)[:, 0]
            winners[(slice(None), *position)] = numbers[window].ravel()[first]
        return self.remember(channels_first(y), winners, image.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, winners, shape = self.recall(dout)
        dx = np.zeros((shape[0], int(np.prod(shape[1:-1])), shape[-1]), dout.dtype)
        n, _, c = np.ogrid[: shape[0], :1, : shape[-1]]
        np.add.at(dx, (n, winners.reshape(shape[0], -1, shape[-1]), c), np.moveaxis(dout, 1, -1).reshape(shape[0], -1, shape[-1]))
        return channels_first(dx.reshape(shape))


class AdaptiveAvgPool1d(AdaptiveAvgPooling):
    axes = 1


class AdaptiveAvgPool2d(AdaptiveAvgPooling):
    axes = 2


class AdaptiveAvgPool3d(AdaptiveAvgPooling):
    axes = 3


class AdaptiveMaxPool1d(AdaptiveMaxPooling):
    axes = 1


class AdaptiveMaxPool2d(AdaptiveMaxPooling):
    axes = 2


class AdaptiveMaxPool3d(AdaptiveMaxPooling):
    axes = 3
