from __future__ import annotations

import math

import numpy as np

from ...arrays import Array, ArrayLike, Shape, as_floats
from ...layer import Layer
from ...layers.axes import as_axes, keepdims_shape


class Product(Layer):
    """The product over `axis`, which may be one, several or all axes (None), as in `numpy.prod`.

    ∂y/∂x_i is the product of all other x, which is computed without a division, so that it also
    holds for zeros.

    >>> product = Product()
    >>> product.forward([2.0, 0.0, 4.0]), product.backward(1.0)
    (array(0.), array([0., 8., 0.]))
    """

    def __init__(self, axis: int | Shape | None = None, keepdims: bool = False) -> None:
        self.axis = axis
        self.keepdims = keepdims

    def forward(self, x: ArrayLike) -> Array:
        """Return the product."""
        x = as_floats(x, where=self)
        axes = as_axes(x, self.axis, self)
        return self.remember(np.asarray(x.prod(axis=axes, keepdims=self.keepdims)), x, axes)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, x, axes = self.recall(dout)
        n = len(axes)
        flat = np.moveaxis(x, axes, range(x.ndim - n, x.ndim))
        last = flat.reshape(*flat.shape[: x.ndim - n], math.prod(flat.shape[x.ndim - n :]))
        ones = np.ones((*last.shape[:-1], 1), x.dtype)
        before = np.concatenate([ones, last[..., :-1]], axis=-1).cumprod(axis=-1)
        after = np.flip(np.concatenate([ones, np.flip(last, -1)[..., :-1]], axis=-1).cumprod(axis=-1), -1)
        others = np.moveaxis((before * after).reshape(flat.shape), range(x.ndim - n, x.ndim), axes)
        return dout.reshape(keepdims_shape(x.shape, axes)) * others  # type: ignore[no-any-return]
