from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array, ArrayLike, as_array, as_common_floats
from ...errors import ShapeError
from ...layer import Layer
from .gather import part, pointers, wrapped


class Scatter(Layer):
    """A copy of x with updates written to some places, or added there with ``add=True``.

    Where a number is replaced, ∂y/∂x is 0, and ∂y/∂u is 1 for the update u written there: the last,
    if several have the same place. If it is added, both are 1. Indices have no gradient.

    A subclass defines the places of the indices.
    """

    n_nondifferentiable_inputs = 1

    def __init__(self, add: bool = False) -> None:
        self.add = add

    def places(self, x: Array, indices: Array) -> tuple[Any, ...]:
        """Return an index for `x` whose parts broadcast to the updates."""
        raise NotImplementedError

    def forward(self, x: ArrayLike, updates: ArrayLike, indices: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x, updates = as_common_floats((x, updates), self)
        places = self.places(x, as_array(indices, self))
        expected = part(x, places, self).shape
        if expected != updates.shape:
            raise ShapeError(f"got updates of shape {updates.shape}, expected {expected}", where=self)
        y = x.copy()
        if self.add:
            np.add.at(y, places, updates)
            return self.remember(y, places, True)
        number, owner = np.arange(updates.size).reshape(updates.shape), np.zeros(x.shape, int)
        y[places], owner[places] = updates, number
        return self.remember(y, places, owner[places] == number)

    def backward(self, dout: ArrayLike) -> tuple[Array, Array]:
        """Return ∂L/∂x and ∂L/∂u."""
        dout, places, stays = self.recall(dout)
        dx = dout.copy()
        if not self.add:
            dx[places] = 0
        return dx, dout[places] * stays


class ScatterElements(Scatter):
    """`Scatter` where each update has its index along `axis`, and its own place along the others.

    >>> scatter = ScatterElements(axis=0)
    >>> scatter.forward([1.0, 2.0, 3.0], [9.0, 8.0], [2, 0]), scatter.backward([1.0, 10.0, 100.0])
    (array([8., 2., 9.]), (array([ 0., 10.,  0.]), array([100.,   1.])))
    """

    def __init__(self, axis: int = 0, add: bool = False) -> None:
        super().__init__(add)
        self.axis = axis

    def places(self, x: Array, indices: Array) -> tuple[Any, ...]:
        """Return the indices along the axis, and the places themselves along the others."""
        if indices.ndim != x.ndim:
            raise ShapeError(f"got indices of shape {indices.shape}, expected {x.ndim} axes", where=self)
        axis = self.axis % x.ndim
        places: list[Array] = list(np.indices(indices.shape, sparse=True))
        places[axis] = wrapped(indices, x.shape[axis], self)
        return tuple(places)


class ScatterND(Scatter):
    """`Scatter` where the last axis of the indices points into the first axes of x.

    >>> scatter = ScatterND(add=True)
    >>> scatter.forward([1.0, 2.0], [5.0, 6.0], [[1], [1]]), scatter.backward([1.0, 10.0])
    (array([ 1., 13.]), (array([ 1., 10.]), array([10., 10.])))
    """

    def places(self, x: Array, indices: Array) -> tuple[Any, ...]:
        """Return the indices for each of the first axes."""
        return pointers(x, indices, 0, self)
