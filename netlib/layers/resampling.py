"""Matrices that turn an axis of length n into one of another length."""

from __future__ import annotations

import numpy as np

from ..arrays import Array


def along(x: Array, matrix: Array, axis: int) -> Array:
    """Return the product of `matrix` (m, n) with each vector along an axis of `x`, of length n.

    >>> along(np.ones((1, 3)), np.ones((2, 3)), axis=1)
    array([[3., 3.]])
    """
    return np.moveaxis(np.moveaxis(x, axis, -1) @ matrix.T, -1, axis)


def mean_matrix(n: int, m: int) -> Array:
    """Return the matrix (m, n) of adaptive pooling: row i is the mean from ⌊i n / m⌋ to ⌈(i + 1) n / m⌉.

    >>> mean_matrix(3, 2)
    array([[0.5, 0.5, 0. ],
           [0. , 0.5, 0.5]])
    """
    matrix = np.zeros((m, n))
    for i in range(m):
        begin, end = adaptive_window(n, m, i)
        matrix[i, begin:end] = 1 / (end - begin)
    return matrix


def adaptive_window(n: int, m: int, i: int) -> tuple[int, int]:
    """Return begin and end of window `i` of `m` windows that cover an axis of length `n`."""
    return i * n // m, -(-(i + 1) * n // m)


def nearest_matrix(n: int, scale: float) -> Array:
    """Return the matrix (⌊n scale⌋, n) whose row i takes number ⌊i / scale⌋.

    >>> nearest_matrix(2, 2)
    array([[1., 0.],
           [1., 0.],
           [0., 1.],
           [0., 1.]])
    """
    m = int(n * scale)
    matrix = np.zeros((m, n))
    matrix[np.arange(m), np.minimum((np.arange(m) / scale).astype(int), n - 1)] = 1
    return matrix


def linear_matrix(n: int, scale: float) -> Array:
    """Return the matrix (⌊n scale⌋, n) of linear interpolation between the centres of pixels.

    The centre of pixel i lies at (i + 1/2) / scale − 1/2; beyond the outer centres, the outer
    numbers stay.

    >>> linear_matrix(2, 2)
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]])
    """
    m = int(n * scale)
    place = np.clip((np.arange(m) + 0.5) / scale - 0.5, 0, n - 1)
    left = np.minimum(place.astype(int), max(n - 2, 0))
    matrix = np.zeros((m, n))
    matrix[np.arange(m), np.minimum(left + 1, n - 1)] = place - left
    matrix[np.arange(m), left] += 1 - (place - left)
    return matrix
