"""Mini-batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..arrays import RNG, Array, ArrayLike, as_count, as_rng
from ..errors import InvalidValueError
from .aligned import as_aligned


def batches(*arrays: ArrayLike, batch_size: int, shuffle: bool = False, rng: RNG = None) -> Iterator[Any]:
    """Iterate over the rows of arrays once, in batches.

    Parameters
    ----------
    *arrays : array_like (N, ...)
        Arrays with equal numbers of rows. A batch has the same rows of each.
    batch_size : int
        The number of rows per batch. The last batch may be smaller.
    shuffle : bool
        Whether to shuffle the rows.
    rng : int or Generator, optional
        Random generator or seed for `shuffle`. A seed gives the same order on every call, so create
        one Generator before the first epoch and pass it in every epoch.

    Yields
    ------
    ndarray, or tuple of ndarray if there are several arrays
        Copies of at most `batch_size` rows.

    Raises
    ------
    ShapeError
        If the arrays differ in their number of rows. Like all errors here, it is raised by the call
        itself, not by the first batch.
    InvalidValueError
        If `batch_size` is below 1, or `rng` is given without `shuffle`.

    Examples
    --------
    >>> import netlib as nl
    >>> for x, t in nl.data.batches([[1.0], [2.0], [3.0]], [0, 1, 0], batch_size=2):
    ...     print(x.tolist(), t.tolist())
    [[1.0], [2.0]] [0, 1]
    [[3.0]] [0]
    >>> rng = np.random.default_rng(0)
    >>> for epoch in range(2):
    ...     batches = nl.data.batches([1, 2, 3], batch_size=2, shuffle=True, rng=rng)
    ...     print([x.tolist() for x in batches])
    [[3, 1], [2]]
    [[3, 2], [1]]
    """
    where = "batches"
    rows = as_aligned(arrays, where)
    size = as_count(batch_size, "batch_size", where, least=1)
    if rng is not None and not shuffle:
        message = "got an rng without shuffle, so it would have no effect"
        raise InvalidValueError(message, where=where, hint="Pass shuffle=True.")
    rng = as_rng(rng, where)
    n = len(rows[0])
    order = rng.permutation(n) if shuffle else np.arange(n)
    parts = row_batches(rows, size, order)
    return (part[0] for part in parts) if len(rows) == 1 else map(tuple, parts)


def row_batches(arrays: Sequence[Array], batch_size: int, order: Array) -> Iterator[list[Array]]:
    """Yield copies of `batch_size` rows of each array at a time, in this `order`.

    Examples
    --------
    >>> x, t = np.array([1.0, 2.0, 3.0]), np.array([0, 1, 0])
    >>> for some_x, some_t in row_batches([x, t], 2, np.array([2, 1, 0])):
    ...     print(some_x, some_t)
    [3. 2.] [0 1]
    [1.] [0]
    """
    for start in range(0, len(order), batch_size):
        yield [a.take(order[start : start + batch_size], axis=0) for a in arrays]
