"""Toy data sets: small random problems for classification and regression.

Every row is drawn independently, so any part of the rows is a fair sample. Row i belongs to class
``i % classes``.
"""

from __future__ import annotations

import numpy as np

from ..arrays import RNG, Array, ArrayLike, as_count, as_floats, as_number, as_rng
from ..errors import ShapeError


def xor(n: int = 4, noise: float = 0.0, rng: RNG = None) -> tuple[Array, Array]:
    """Return corners of the unit square; the class is the exclusive or of the two coordinates.

    Parameters
    ----------
    n : int
        The number of points, at the four corners in turn. By default, one point per corner.
    noise : float
        Standard deviation of the Gaussian noise on each coordinate.
    rng : int or Generator, optional
        Random generator or seed for the noise.

    Returns
    -------
    x : float32 array (n, 2)
    t : int64 array (n,)

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.xor()
    >>> x.tolist(), t.tolist()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    n, noise, rng = _check_arguments("xor", n, noise, rng)
    corners = np.array([(0, 0), (0, 1), (1, 0), (1, 1)], np.int64)[np.arange(n) % 4]
    return _add_noise(corners, noise, rng), corners[:, 0] ^ corners[:, 1]


def spirals(n: int = 300, classes: int = 3, noise: float = 0.03, rng: RNG = None) -> tuple[Array, Array]:
    """Return points on spiral arms around the origin, one arm per class, within the unit circle.

    Parameters
    ----------
    n : int
        The total number of points on all arms.
    classes : int
        The number of arms.
    noise : float
        Standard deviation of the Gaussian noise on each coordinate.
    rng : int or Generator, optional
        Random generator or seed.

    Returns
    -------
    x : float32 array (n, 2)
    t : int64 array (n,)

    Notes
    -----
    At radius r, arm k has the angle ``4 r + 2 pi k / classes``.

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.spirals(6, classes=3, rng=0)
    >>> x.shape, t
    ((6, 2), array([0, 1, 2, 0, 1, 2]))
    """
    n, noise, rng = _check_arguments("spirals", n, noise, rng)
    t = np.arange(n, dtype=np.int64) % as_count(classes, "classes", "spirals", least=1)
    radius = rng.uniform(size=n)
    return _add_noise(_on_circle(4 * radius + 2 * np.pi * t / classes, radius), noise, rng), t


def moons(n: int = 200, noise: float = 0.1, rng: RNG = None) -> tuple[Array, Array]:
    """Return points on two interleaving half circles.

    Parameters
    ----------
    n : int
        The number of points in both classes together.
    noise : float
        Standard deviation of the Gaussian noise on each coordinate.
    rng : int or Generator, optional
        Random generator or seed.

    Returns
    -------
    x : float32 array (n, 2)
    t : int64 array (n,)

    Notes
    -----
    Class 0 is the upper half of the unit circle around (0, 0), class 1 the lower half of the unit
    circle around (1, 0.5).

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.moons(4, rng=0)
    >>> x.shape, t
    ((4, 2), array([0, 1, 0, 1]))
    """
    n, noise, rng = _check_arguments("moons", n, noise, rng)
    t = np.arange(n, dtype=np.int64) % 2
    points = _on_circle(np.pi * (rng.uniform(size=n) + t))
    return _add_noise(points + np.outer(t, (1, 0.5)), noise, rng), t


def circles(n: int = 200, noise: float = 0.05, rng: RNG = None) -> tuple[Array, Array]:
    """Return points on two circles around the origin: class 0 has radius 1, class 1 radius 1/2.

    Parameters
    ----------
    n : int
        The number of points in both classes together.
    noise : float
        Standard deviation of the Gaussian noise on each coordinate.
    rng : int or Generator, optional
        Random generator or seed.

    Returns
    -------
    x : float32 array (n, 2)
    t : int64 array (n,)

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.circles(4, noise=0, rng=0)
    >>> np.hypot(x[:, 0], x[:, 1]).round(6), t
    (array([1. , 0.5, 1. , 0.5], dtype=float32), array([0, 1, 0, 1]))
    """
    n, noise, rng = _check_arguments("circles", n, noise, rng)
    t = np.arange(n, dtype=np.int64) % 2
    return _add_noise(_on_circle(2 * np.pi * rng.uniform(size=n), 1 - t / 2), noise, rng), t


def blobs(n: int = 300, classes: int = 3, features: int = 2, noise: float = 1.0, rng: RNG = None) -> tuple[Array, Array]:
    """Return points scattered around one centre per class.

    The coordinates of the centres are uniform between -10 and 10.

    Parameters
    ----------
    n : int
        The total number of points in all classes.
    classes : int
        The number of centres.
    features : int
        The number of coordinates.
    noise : float
        Standard deviation of the Gaussian noise on each coordinate.
    rng : int or Generator, optional
        Random generator or seed.

    Returns
    -------
    x : float32 array (n, features)
    t : int64 array (n,)

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.blobs(5, classes=2, features=3, rng=0)
    >>> x.shape, t
    ((5, 3), array([0, 1, 0, 1, 0]))
    """
    n, noise, rng = _check_arguments("blobs", n, noise, rng)
    classes = as_count(classes, "classes", "blobs", least=1)
    features = as_count(features, "features", "blobs", least=1)
    t = np.arange(n, dtype=np.int64) % classes
    centres = rng.uniform(-10, 10, (classes, features))
    return _add_noise(centres[t], noise, rng), t


def sine(n: int = 200, noise: float = 0.1, rng: RNG = None) -> tuple[Array, Array]:
    """Return ``t = sin x + noise`` for x uniform between -pi and pi.

    Parameters
    ----------
    n : int
        The number of points.
    noise : float
        Standard deviation of the Gaussian noise on t.
    rng : int or Generator, optional
        Random generator or seed.

    Returns
    -------
    x, t : float32 arrays (n, 1)

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.sine(100, noise=0, rng=0)
    >>> bool(np.allclose(t, np.sin(x), atol=1e-6))
    True
    """
    n, noise, rng = _check_arguments("sine", n, noise, rng)
    x = rng.uniform(-np.pi, np.pi, (n, 1))
    return x.astype(np.float32), _add_noise(np.sin(x), noise, rng)


def linear(
    n: int = 200,
    weight: ArrayLike = (2.0, -3.0),
    bias: float = 1.0,
    noise: float = 0.1,
    rng: RNG = None,
) -> tuple[Array, Array]:
    """Return ``t = x @ weight + bias + noise`` for x from the standard normal distribution.

    Parameters
    ----------
    n : int
        The number of points.
    weight : array_like (features,)
        The weight that a regression should find.
    bias : float
        The bias that a regression should find.
    noise : float
        Standard deviation of the Gaussian noise on t.
    rng : int or Generator, optional
        Random generator or seed.

    Returns
    -------
    x : float32 array (n, features)
    t : float32 array (n, 1)

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.linear(100, weight=(1, 2, 3), bias=4, noise=0, rng=0)
    >>> bool(np.allclose(t[:, 0], x @ (1, 2, 3) + 4, atol=1e-5))
    True
    """
    n, noise, rng = _check_arguments("linear", n, noise, rng)
    w = as_floats(weight, np.dtype(np.float64), "linear")
    if w.ndim != 1:
        raise ShapeError(f"weight has shape {w.shape}, expected (features,)", where="linear")
    b = as_number(bias, "bias", "linear")
    x = rng.normal(size=(n, len(w)))
    return x.astype(np.float32), _add_noise((x @ w + b)[:, None], noise, rng)


def _check_arguments(where: str, n: int, noise: float, rng: RNG) -> tuple[int, float, np.random.Generator]:
    return as_count(n, "n", where), as_number(noise, "noise", where, least=0), as_rng(rng, where)


def _on_circle(angle: Array, radius: Array | float = 1.0) -> Array:
    points: Array = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return points


def _add_noise(exact: Array, noise: float, rng: np.random.Generator) -> Array:
    return (exact + noise * rng.normal(size=exact.shape)).astype(np.float32)
