"""Layers that keep or reorder parts of x along an axis, as another input specifies."""

from __future__ import annotations

import numpy as np

from ...arrays import Array, ArrayLike, as_array, as_floats
from ...errors import ShapeError
from ...layer import Layer


class Compress(Layer):
    """The parts of x along `axis` where a condition holds, as in `numpy.compress`.

    Without an axis, x is flattened first. ∂L/∂x is ∂L/∂y where the condition holds, 0 elsewhere.

    >>> compress = Compress()
    >>> compress.forward([1.0, 2.0, 3.0], [True, False, True]), compress.backward([5.0, 6.0])
    (array([1., 3.]), array([5., 0., 6.]))
    """

    n_nondifferentiable_inputs = 1

    def __init__(self, axis: int | None = None) -> None:
        self.axis = axis

    def forward(self, x: ArrayLike, condition: ArrayLike) -> Array:
        """Return y."""
        x, places = as_floats(x, where=self), np.flatnonzero(as_array(condition, self))
        n = x.size if self.axis is None else x.shape[self.axis]
        if places.size and places[-1] >= n:
            raise ShapeError(f"got a condition that holds at {places[-1]}, but only {n} elements", where=self)
        return self.remember(x.take(places, axis=self.axis), x.shape, places)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, shape, places = self.recall(dout)
        dx = np.zeros(shape, dout.dtype)
        if self.axis is None:
            dx.reshape(-1)[places] = dout
        else:
            np.moveaxis(dx, self.axis, 0)[places] = np.moveaxis(dout, self.axis, 0)
        return dx


class ReverseSequence(Layer):
    """Sequences with their first steps in reverse order, as many as each is long.

    The lengths have no gradient. ∂L/∂x is ∂L/∂y, reversed in the same way.

    >>> reverse = ReverseSequence()
    >>> reverse.forward([[1.0, 2.0, 3.0]], [2]), reverse.backward([[5.0, 6.0, 7.0]])
    (array([[2., 1., 3.]]), array([[6., 5., 7.]]))
    """

    n_nondifferentiable_inputs = 1

    def __init__(self, time_axis: int = 1, batch_axis: int = 0) -> None:
        self.time_axis = time_axis
        self.batch_axis = batch_axis

    def forward(self, x: ArrayLike, lengths: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x, n = as_floats(x, where=self), as_array(lengths, self).astype(int)[:, None]
        if len(n) != x.shape[self.batch_axis]:
            raise ShapeError(f"got {len(n)} lengths for x of shape {x.shape}", where=self)
        steps = np.arange(x.shape[self.time_axis])
        return self.remember(self._ordered(x, np.where(steps < n, n - 1 - steps, steps)), n)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, n = self.recall(dout)
        steps = np.arange(dout.shape[self.time_axis])
        return self._ordered(dout, np.where(steps < n, n - 1 - steps, steps))

    def _ordered(self, x: Array, order: Array) -> Array:
        """Return the steps of each sequence in an order (N, T)."""
        axes = (self.batch_axis, self.time_axis)
        rows = np.moveaxis(x, axes, (0, 1))
        return np.array(np.moveaxis(rows[np.arange(len(order))[:, None], order], (0, 1), axes), order="C")
