"""The samples of the estimators, dense or sparse."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from ..arrays import Array
from ..layer import Layer

ROWS = 8192
"""How many rows are predicted at a time."""
DENSE_BYTES = 2**26
"""The largest sparse matrix that becomes dense as a whole, which is faster."""


class Samples(NamedTuple):
    """Inputs, which may be a sparse matrix, targets of the network, and weights or None."""

    x: Any
    t: Array
    weight: Array | None

    def take(self, rows: Array) -> Samples:
        """Return these rows."""
        return Samples(self.x[rows], self.t[rows], None if self.weight is None else self.weight[rows])


def as_rows(x: Any) -> Any:
    """Return rows that a trainer can read: an array, or a large sparse matrix batch by batch."""
    if not issparse(x):
        return x
    return x.toarray() if math.prod(x.shape) * x.dtype.itemsize <= DENSE_BYTES else SparseRows(x)


class SparseRows:
    """The rows of a sparse matrix, as dense arrays when they are read.

    The trainer reads it batch by batch, as it reads arrays on disk.

    >>> from scipy.sparse import csr_array
    >>> SparseRows(csr_array([[0.0, 1.0], [2.0, 0.0]]))[[1, 0]]
    array([[2., 0.],
           [0., 1.]])
    """

    def __init__(self, matrix: Any) -> None:
        self.matrix, self.shape, self.dtype = matrix, matrix.shape, matrix.dtype

    def __getitem__(self, rows: Any) -> Array:
        dense: Array = self.matrix[rows].toarray()
        return dense


def predict(model: Layer, x: Any) -> Array:
    """Return the outputs of the model for a dense or sparse matrix."""
    if issparse(x):
        return np.concatenate([model.predict(x[i : i + ROWS].toarray()) for i in range(0, x.shape[0], ROWS)])
    outputs: Array = model.predict(x, batch_size=ROWS)
    return outputs
