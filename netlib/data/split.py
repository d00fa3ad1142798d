"""Train-test splits."""

from __future__ import annotations

import math

from ..arrays import RNG, Array, ArrayLike, as_number, as_rng
from ..errors import InvalidValueError
from .aligned import as_aligned


def train_test_split(*arrays: ArrayLike, test: float = 0.2, rng: RNG = None) -> tuple[Array, ...]:
    """Split the rows of arrays at random into a training part and a test part.

    Parameters
    ----------
    *arrays : array_like (N, ...)
        Arrays with equal numbers of rows. All are split in the same way.
    test : float
        The share of rows for testing, between 0 and 1. The number of rows is rounded up, as in
        scikit-learn.
    rng : int or Generator, optional
        Random generator or seed. The same seed gives the same split.

    Returns
    -------
    tuple of ndarray
        The training part and the test part of the first array, then of the second, and so on. All
        are copies, in shuffled order.

    Raises
    ------
    ShapeError
        If the arrays differ in their number of rows.
    InvalidValueError
        If `test` is not between 0 and 1, or leaves no row for training.

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.digits()
    >>> x_train, x_test, t_train, t_test = nl.data.train_test_split(x, t, test=0.2, rng=0)
    >>> x_train.shape, x_test.shape, t_train.shape, t_test.shape
    ((1437, 64), (360, 64), (1437,), (360,))
    """
    where = "train_test_split"
    rows = as_aligned(arrays, where)
    share = as_number(test, "test", where)
    if not 0 < share < 1:
        message = f"test is {share:g}, expected a share between 0 and 1, excluding both"
        raise InvalidValueError(message, where=where)
    rng = as_rng(rng, where)
    n = len(rows[0])
    n_test = math.ceil(share * n)
    if not 0 < n_test < n:
        parts = f"{n - n_test} for training and {n_test} for testing"
        message = f"got {n} rows, of which test={share:g} would leave {parts}"
        raise InvalidValueError(message, where=where)
    order = rng.permutation(n)
    train_and_test = order[n_test:], order[:n_test]
    return tuple(a[part] for a in rows for part in train_and_test)
