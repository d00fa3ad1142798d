"""Splitting data into a part to train on and a part to test on."""

from __future__ import annotations

import math

from ..arrays import RNG, Array, ArrayLike, as_number, as_rng
from ..errors import InvalidValueError
from .aligned import as_aligned


def train_test_split(*arrays: ArrayLike, test: float = 0.2, rng: RNG = None) -> tuple[Array, ...]:
    """Split arrays by chance, row by row, into a part for training and a part for testing.

    Parameters
    ----------
    *arrays : array_like (N, ...)
        Rows of the same number belong together and stay together.
    test : float
        The share of rows for testing, between 0 and 1. A fraction of a row is rounded up, as scikit-learn does.
    rng : int or Generator, optional
        Where chance comes from. The same seed gives the same split.

    Returns
    -------
    tuple of ndarray
        The training part and the test part of the first array, then of the second, and so on: all copies, in shuffled order.

    Raises
    ------
    ShapeError
        Where the arrays differ in their number of rows.
    InvalidValueError
        Where `test` is no share, or would leave no row for training.

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
        raise InvalidValueError(f"test is {share:g}, wanted a share between 0 and 1, neither of them", where=where)
    rng = as_rng(rng, where)
    n = len(rows[0])
    n_test = math.ceil(share * n)
    if not 0 < n_test < n:
        raise InvalidValueError(
            f"got {n} rows, of which test={share:g} would leave {n - n_test} for training and {n_test} for testing", where=where
        )
    order = rng.permutation(n)
    parts = order[n_test:], order[:n_test]
    return tuple(a[part] for a in rows for part in parts)
