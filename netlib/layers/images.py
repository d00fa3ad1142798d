"""The check of images, (N, C, …)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..errors import ShapeError


def as_images(x: ArrayLike, where: object, *, axes: int | None = None, channels: int | None = None,
              dtype: np.dtype[Any] | None = None) -> Array:  # fmt: skip
    """Return `x` as a floating-point array (N, channels, …), or raise.

    Parameters
    ----------
    x : array_like
    where : object
        The layer, for the message.
    axes : int, optional
        The number of axes after the channels. By default, any number.
    channels : int, optional
        The number of channels. By default, any number.
    dtype : dtype, optional
        By default, a floating type is kept.

    Examples
    --------
    >>> as_images([[[1, 2, 3]]], "Conv1d", axes=1, channels=1).shape
    (1, 1, 3)
    """
    x = as_floats(x, dtype, where)
    has_axes = x.ndim >= 2 if axes is None else x.ndim == axes + 2
    if has_axes and channels in (None, x.shape[1]) and 0 not in x.shape[2:]:
        return x
    after = "…" if axes is None else "L" if axes == 1 else ", ".join("DHW"[-axes:])
    expected = f"(N, {'C' if channels is None else channels}, {after})"
    message = f"got x of shape {x.shape}, expected {expected}"
    raise ShapeError(message, where=where, hint=_hint(x, has_axes, axes, channels))


def _hint(x: Array, has_axes: bool, axes: int | None, channels: int | None) -> str:
    if 0 in x.shape[2:]:
        return "An image needs at least one pixel."
    if has_axes and x.ndim > 2 and x.shape[-1] == channels:
        return "Axis 1 must hold the channels: np.moveaxis(x, -1, 1)."
    if has_axes:
        return f"Give the layer {x.shape[1]} channels."
    if axes is not None and x.ndim == axes + 1:
        is_one_image = channels is None or (x.shape[0] == channels and channels > 1)
        return "For one image, write x[None]." if is_one_image else "For images with one channel, write x[:, None]."
    return ""
