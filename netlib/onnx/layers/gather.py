from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array, ArrayLike, as_array, as_floats
from ...errors import InvalidValueError, ShapeError
from ...layer import Layer


class GatherElements(Layer):
    """``y = numpy.take_along_axis(x, indices, axis)``; negative indices count from the end.

    Each y is one x, so ∂L/∂x adds up ∂L/∂y over the places that took it. Indices have no gradient.

    >>> gather = GatherElements(axis=0)
    >>> gather.forward([1.0, 2.0], [1, 1]), gather.backward([1.0, 10.0])
    (array([2., 2.]), array([ 0., 11.]))
    """

    n_nondifferentiable_inputs = 1

    def __init__(self, axis: int = 0) -> None:
        self.axis = axis

    def forward(self, x: ArrayLike, indices: ArrayLike) -> Array:
        """Return y, of the shape of the indices."""
        x = as_floats(x, where=self)
        if np.ndim(indices) != x.ndim:
            raise ShapeError(f"got x of shape {x.shape} and indices of shape {np.shape(indices)}", where=self)
        axis = self.axis % x.ndim
        places: list[Array] = list(np.indices(np.shape(indices), sparse=True))
        places[axis] = wrapped(as_array(indices, self), x.shape[axis], self)
        return self.remember(part(x, tuple(places), self), x.shape, tuple(places))

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, shape, places = self.recall(dout)
        dx = np.zeros(shape, dout.dtype)
        np.add.at(dx, places, dout)
        return dx


class GatherND(Layer):
    """The parts of x at `indices`, each a vector that points into the axes of x.

    The first `batch_dims` axes belong to both, and the vectors point into the axes after them. Each
    y is one x, so ∂L/∂x adds up ∂L/∂y over the places that took it. Indices have no gradient.

    >>> gather = GatherND()
    >>> gather.forward([[1.0, 2.0], [3.0, 4.0]], [[0, 1], [1, 0]]), gather.backward([5.0, 6.0])
    (array([2., 3.]), array([[0., 5.],
           [6., 0.]]))
    """

    n_nondifferentiable_inputs = 1

    def __init__(self, batch_dims: int = 0) -> None:
        self.batch_dims = batch_dims

    def forward(self, x: ArrayLike, indices: ArrayLike) -> Array:
        """Return y."""
        x, given = as_floats(x, where=self), as_array(indices, self)
        n = self.batch_dims
        axes = tuple(range(n, given.ndim - 1))
        counted: list[Array] = list(np.indices(x.shape[:n], sparse=True))
        batch = [np.expand_dims(each, axes) for each in counted]
        places = (*batch, *pointers(x, given, n, self))
        return self.remember(np.array(part(x, places, self)), x.shape, places)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, shape, places = self.recall(dout)
        dx = np.zeros(shape, dout.dtype)
        np.add.at(dx, places, dout)
        return dx


def part(x: Array, places: tuple[Any, ...], where: object) -> Array:
    """Return ``x[places]``, or raise if these are not valid places of x."""
    try:
        return x[places]  # type: ignore[no-any-return]
    except IndexError as error:
        raise ShapeError(f"got x of shape {x.shape} and indices that do not fit: {error}", where=where) from None


def pointers(x: Array, indices: Array, first: int, where: object) -> tuple[Array, ...]:
    """Return the parts of vectors that point into the axes of x from `first` on, or raise."""
    n = indices.shape[-1] if indices.ndim else x.ndim + 1
    if first + n > x.ndim:
        raise ShapeError(f"got x of shape {x.shape} and indices of shape {indices.shape}, whose last axis is too long", where=where)
    return tuple(wrapped(indices[..., i], x.shape[first + i], where) for i in range(n))


def wrapped(indices: Array, n: int, where: object) -> Array:
    """Return the indices of an axis of length n, each counted from the start, or raise."""
    if indices.size and not -n <= indices.min() <= indices.max() < n:
        raise InvalidValueError(f"got indices outside of -{n} to {n - 1}", where=where)
    return np.where(indices < 0, indices + n, indices)
