"""Which class was taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import ArrayLike, as_array
from ..errors import InvalidValueError, ShapeError
from ..matplotlib_axes import as_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WHERE = "plot.confusion"
DARK = 0.71
"""The share from which on white is easier to read on its colour than black."""


def confusion(matrix: ArrayLike, labels: Sequence[object] | None = None, ax: Axes | None = None) -> Axes:
    """Draw a confusion matrix: the count stands in each cell, the colour is the share of its row, the true class.

    Parameters
    ----------
    matrix : array_like (C, C)
        As `netlib.confusion_matrix` returns it: rows are true classes, columns predicted ones.
    labels : sequence of C, optional
        Names of the classes instead of their numbers.
    ax : matplotlib axes, optional
        Where to draw; without them, on a new figure.

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ShapeError, InvalidValueError
        For what is not square or counts less than nothing, and labels of another number.
    MissingError
        Without matplotlib.

    Examples
    --------
    >>> import netlib as nl
    >>> from matplotlib.figure import Figure
    >>> counts = nl.confusion_matrix([0, 1, 1, 1], [0, 1, 1, 0])
    >>> ax = nl.plot.confusion(counts, labels=["cat", "dog"], ax=Figure().subplots())
    >>> [text.get_text() for text in ax.texts]
    ['1', '1', '0', '2']
    """
    counts = as_array(matrix, WHERE)
    n = len(counts) if counts.ndim else 0
    if not n or counts.shape != (n, n):
        hint = "Make one: nl.confusion_matrix(y, t)."
        raise ShapeError(f"got an array of shape {counts.shape}, wanted a square matrix (C, C)", where=WHERE, hint=hint)
    if not (np.isfinite(counts).all() and counts.min() >= 0):
        raise InvalidValueError("the matrix holds other than counts of 0 and more", where=WHERE)
    names = [str(label) for label in (range(n) if labels is None else labels)]
    if len(names) != n:
        raise InvalidValueError(f"got {len(names)} labels for {n} classes", where=WHERE)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), np.finfo(float).tiny)

    side = max(4.0, 1.8 + 0.42 * n)
    ax = as_axes(ax, WHERE, size=(side + 0.9, side))
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (i, k), count in np.ndenumerate(counts):
        colour = "white" if shares[i, k] > DARK else "black" if count else "0.45"
        ax.text(k, i, f"{count:.4g}" if counts.dtype.kind == "f" else str(count), ha="center", va="center", color=colour)
    ax.set_xticks(range(n), names, rotation=90 if max(map(len, names)) > 3 else 0)
    ax.set_yticks(range(n), names)
    ax.set(title="confusion matrix", xlabel="predicted class", ylabel="true class")
    ax.figure.colorbar(image, ax=ax, label="share of the true class", shrink=0.8)
    return ax
