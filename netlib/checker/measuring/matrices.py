"""Structured matrices, such as symmetric ones, and gradients that are right within their kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...arrays import Array
from ..blocks import largest
from ..context import CheckContext
from .differences import Slopes


def matrix_kind(context: CheckContext, name: str) -> str:
    """Return the kind of matrices within which your gradient of an input is right, else "".

    A step that keeps the input symmetric moves two elements at once, so only the sum of their
    gradients is determined. A triangle of zeros has no gradient if it stays zero.
    """
    x, slopes = context.twin.slots[name], context.slopes[name]
    if not name.startswith("input") or x.ndim < 2 or x.shape[-1] != x.shape[-2] or np.ptp(x) == 0:
        return ""
    for kind, is_of_kind, keep in KINDS:
        if not is_of_kind(x):
            continue
        kept = Slopes(x.size, 0)
        kept.slope, kept.noise = keep(context.numeric(name)).ravel(), np.full(x.size, slopes.noise.max())
        is_right = context.agrees(keep(np.asarray(context.yours.by_name[name], float)).ravel(), kept)
        is_known = ~np.isnan(kept.slope)
        if 2 * is_known.sum() > x.size and is_right[is_known].all():
            return kind
    return ""


def _transposed(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)


def _diagonal(x: Array) -> Array:
    return np.diagonal(x, axis1=-2, axis2=-1)


def is_symmetric(x: Array) -> bool:
    """Return whether the last two axes are symmetric matrices."""
    if x.ndim < 2 or x.shape[-1] != x.shape[-2] or x.shape[-1] < 2:
        return False
    atol = 1e-9 * largest(x)
    has_equal_edges = np.allclose(x[..., 0, :], x[..., :, 0], rtol=1e-6, atol=atol)  # a quick answer, mostly no
    return has_equal_edges and bool(np.allclose(x, _transposed(x), rtol=1e-6, atol=atol))


def _is_symmetric_with_fixed_diagonal(x: Array) -> bool:
    return is_symmetric(x) and any(np.allclose(_diagonal(x), fixed, rtol=0, atol=1e-9) for fixed in (0, 1))


def _is_lower(x: Array) -> bool:
    return bool(np.tril(x, -1).any()) and not np.triu(x, 1).any()


def symmetric_part(g: Array) -> Array:
    """Return the mean of matrices and their transposes."""
    return (g + _transposed(g)) / 2


def _off_diagonal_part(g: Array) -> Array:
    return np.where(np.eye(g.shape[-1], dtype=bool), 0, symmetric_part(g))


KINDS: list[tuple[str, Callable[[Array], bool], Callable[[Array], Array]]] = [
    ("symmetric", is_symmetric, symmetric_part),
    ("symmetric with its diagonal", _is_symmetric_with_fixed_diagonal, _off_diagonal_part),
    ("lower triangular", _is_lower, np.tril),
    ("upper triangular", lambda x: _is_lower(_transposed(x)), np.triu),
]
