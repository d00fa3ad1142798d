"""Confusion matrices."""

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
"""The share above which white text is easier to read than black."""


def confusion(matrix: ArrayLike, labels: Sequence[object] | None = None, ax: Axes | None = None) -> Axes:
    """Draw a confusion matrix.

    Each cell shows a count. Its colour is the share of its row, the samples of a true class.

    Parameters
    ----------
    matrix : array_like (C, C)
        As returned by `netlib.confusion_matrix`: rows are true classes, columns predicted ones.
    labels : sequence of C, optional
        The names of the classes. By default, their numbers.
    ax : matplotlib axes, optional
        The axes to draw on. By default, those of a new figure.

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ShapeError, InvalidValueError
        If the matrix is not square or has negative counts, or the number of labels is wrong.
    MissingError
        If matplotlib is not installed.

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
        message = f"got an array of shape {counts.shape}, expected a square matrix (C, C)"
        raise ShapeError(message, where=WHERE, hint=hint)
    if not (np.isfinite(counts).all() and counts.min() >= 0):
        raise InvalidValueError("the matrix has values that are not counts of 0 or more", where=WHERE)
    names = [str(label) for label in (range(n) if labels is None else labels)]
    if len(names) != n:
        raise InvalidValueError(f"got {len(names)} labels for {n} classes", where=WHERE)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), np.finfo(float).tiny)

    side = max(4.0, 1.8 + 0.42 * n)
    ax = as_axes(ax, WHERE, size=(side + 0.9, side))
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (i, k), count in np.ndenumerate(counts):
        colour = "white" if shares[i, k] > DARK else "black" if count else "0.45"
        text = f"{count:.4g}" if counts.dtype.kind == "f" else str(count)
        ax.text(k, i, text, ha="center", va="center", color=colour)
    ax.set_xticks(range(n), names, rotation=90 if max(map(len, names)) > 3 else 0)
    ax.set_yticks(range(n), names)
    ax.set(title="confusion matrix", xlabel="predicted class", ylabel="true class")
    ax.figure.colorbar(image, ax=ax, label="share of the true class", shrink=0.8)
    return ax
