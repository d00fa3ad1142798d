"""Transforms of a batch: functions ``transform(x, t, rng) -> (x, t)`` that vary it at random.

``fit(…, transform=)`` calls one on every batch of the training samples. Any such function will do;
those here return new arrays and take all their randomness from `rng`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ..arrays import Array, ArrayLike, as_array, as_count, as_floats, as_number
from ..errors import InvalidTypeError, InvalidValueError, ShapeError

Transform: TypeAlias = Callable[[Any, Any, np.random.Generator], tuple[Any, Any]]


def shift(pixels: int) -> Transform:
    """Return a transform that shifts each image by up to `pixels` vertically and horizontally.

    Zeros fill the gap, and pixels that leave the image are lost.

    Parameters
    ----------
    pixels : int
        The largest distance along each of the last two axes of x (N, …, H, W). Each distance is
        equally likely.

    Raises
    ------
    ShapeError
        On a call, if x has fewer than three axes.

    Examples
    --------
    >>> move = shift(1)
    >>> x, _ = move(np.ones((1, 2, 3)), [0], np.random.default_rng(0))
    >>> x
    array([[[1., 1., 1.],
            [0., 0., 0.]]])
    """
    pixels = as_count(pixels, "pixels", "shift", least=1)

    def move(x: ArrayLike, t: Any, rng: np.random.Generator) -> tuple[Array, Any]:
        images = _as_images(x, "shift")
        *others, height, width = images.shape
        widths = [(0, 0)] * len(others) + [(pixels, pixels)] * 2
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(images, widths), (height, width), axis=(-2, -1))
        down, right = rng.integers(2 * pixels + 1, size=(2, len(images)))
        return windows[np.arange(len(images)), ..., down, right, :, :], t

    return move


def flip(axis: int = -1, p: float = 0.5) -> Transform:
    """Return a transform that mirrors each sample along an axis with probability `p`.

    Parameters
    ----------
    axis : int
        The axis of x to reverse, -1 for left and right of images (N, C, H, W). Not 0, the axis of
        the samples.
    p : float
        The probability, in [0, 1].

    Examples
    --------
    >>> mirror = flip(p=1)
    >>> mirror([[1.0, 2.0, 3.0]], [0], np.random.default_rng(0))
    (array([[3., 2., 1.]]), [0])
    """
    p = as_number(p, "p", "flip", least=0)
    if p > 1:
        raise InvalidValueError(f"p is {p}, expected at most 1", where="flip")

    def mirror(x: ArrayLike, t: Any, rng: np.random.Generator) -> tuple[Array, Any]:
        samples = _as_samples(x, "flip")
        if axis not in range(-samples.ndim, samples.ndim) or axis % samples.ndim == 0:
            message = f"axis is {axis} and x has shape {samples.shape}, expected an axis of x other than the first"
            raise ShapeError(message, where="flip")
        mirrored = samples.copy()
        chosen = rng.random(len(samples)) < p
        mirrored[chosen] = np.flip(samples[chosen], axis)
        return mirrored, t

    return mirror


def noise(std: float) -> Transform:
    """Return a transform that adds Gaussian noise to x.

    Parameters
    ----------
    std : float
        The standard deviation, in the units of x.

    Examples
    --------
    >>> blur = noise(0.1)
    >>> x, t = blur([[1.0, 2.0]], [0], np.random.default_rng(0))
    >>> x.round(2), t
    (array([[1.01, 1.99]]), [0])
    """
    std = as_number(std, "std", "noise", least=0)

    def add_noise(x: ArrayLike, t: Any, rng: np.random.Generator) -> tuple[Array, Any]:
        samples = as_floats(_as_samples(x, "noise"), where="noise")
        return samples + (std * rng.standard_normal(samples.shape)).astype(samples.dtype), t

    return add_noise


def mixup(alpha: float = 0.2, classes: int | None = None) -> Transform:
    """Return a transform that mixes each sample and its target with another one of the batch.

    ``x ← λ x + (1 - λ) x'`` and ``t ← λ t + (1 - λ) t'``, with one λ ~ Beta(alpha, alpha) per
    batch. Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization", 2018,
    Eq. (1).

    Parameters
    ----------
    alpha : float
        More than 0. The larger, the nearer λ is to 1/2.
    classes : int, optional
        The number of classes if t holds class numbers, which become one-hot rows of x's type.

    Raises
    ------
    InvalidTypeError
        On a call, if t holds integers and `classes` is not given.
    InvalidValueError
        If a class number is not in 0 … classes - 1, or alpha is 0.

    Examples
    --------
    >>> mix = mixup(alpha=1.0, classes=2)
    >>> x, t = mix([[0.0], [1.0]], [0, 1], np.random.default_rng(1))
    >>> x.round(2).tolist(), t.round(2).tolist()
    ([[0.58], [0.42]], [[0.42, 0.58], [0.58, 0.42]])
    """
    alpha = as_number(alpha, "alpha", "mixup", least=0)
    if alpha == 0:
        raise InvalidValueError("alpha is 0, expected more", where="mixup")
    if classes is not None:
        classes = as_count(classes, "classes", "mixup", least=1)

    def mix(x: ArrayLike, t: ArrayLike, rng: np.random.Generator) -> tuple[Array, Array]:
        samples = as_floats(_as_samples(x, "mixup"), where="mixup")
        targets = _as_mixable(as_array(t, "mixup"), classes, samples.dtype)
        share = samples.dtype.type(rng.beta(alpha, alpha))
        others = rng.permutation(len(samples))
        return share * samples + (1 - share) * samples[others], share * targets + (1 - share) * targets[others]

    return mix


def compose(*transforms: Transform) -> Transform:
    """Return a transform that applies several, one after the other.

    Examples
    --------
    >>> both = compose(flip(p=1), noise(0))
    >>> both([[1.0, 2.0]], [0], np.random.default_rng(0))
    (array([[2., 1.]]), [0])
    """
    given: tuple[Any, ...] = transforms
    for each in given:
        if not callable(each):
            message = f"got {each!r}, expected functions (x, t, rng) -> (x, t)"
            raise InvalidTypeError(message, where="compose")

    def apply(x: Any, t: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        for transform in transforms:
            x, t = transform(x, t, rng)
        return x, t

    return apply


def _as_samples(x: Any, where: str) -> Array:
    if isinstance(x, tuple):
        hint = "Write a function (x, t, rng) -> (x, t) that transforms the inputs it should."
        raise InvalidTypeError("got several inputs, expected one array", where=where, hint=hint)
    samples = as_array(x, where)
    if samples.ndim == 0:
        raise ShapeError("got a number, expected samples along the first axis", where=where)
    return samples


def _as_images(x: Any, where: str) -> Array:
    images = _as_samples(x, where)
    if images.ndim < 3:
        hint = "Give images their axes: x.reshape(-1, 1, 8, 8)."
        raise ShapeError(f"got x of shape {images.shape}, expected (N, …, H, W)", where=where, hint=hint)
    return images


def _as_mixable(t: Array, classes: int | None, dtype: np.dtype[Any]) -> Array:
    """Return targets that can be mixed, class numbers as one-hot rows."""
    if classes is None:
        if t.dtype.kind in "iub":
            hint = "For class numbers pass their number: mixup(classes=10). Otherwise convert t to floats."
            raise InvalidTypeError(f"got targets of {t.dtype}, which cannot be mixed", where="mixup", hint=hint)
        return t
    if t.dtype.kind not in "iu":
        raise InvalidTypeError(f"got class numbers of {t.dtype}, expected integers", where="mixup")
    if t.size and not 0 <= t.min() <= t.max() < classes:
        message = f"got class numbers from {t.min()} to {t.max()}, expected 0 to {classes - 1}"
        raise InvalidValueError(message, where="mixup")
    return np.eye(classes, dtype=dtype)[t]
