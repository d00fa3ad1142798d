"""The axes and colours of plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InvalidTypeError, not_installed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
"""Eight colours that people with any colour vision can distinguish.

M. Okabe and K. Ito, Color Universal Design, 2002.
"""


def as_axes(ax: Any, where: str, size: tuple[float, float] = (6.4, 4.8)) -> Axes:
    """Return `ax`, or if it is None, the axes of a new pyplot figure, which is not shown.

    Raises
    ------
    MissingError
        If matplotlib is not installed.
    InvalidTypeError
        If `ax` is neither axes nor None.
    """
    try:
        from matplotlib.axes import Axes
    except ImportError as error:
        raise not_installed("matplotlib", "plot", where) from error
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.figure(figsize=size, layout="constrained").add_subplot()
    if not isinstance(ax, Axes):
        hint = "Make some: fig, ax = plt.subplots()."
        raise InvalidTypeError(f"ax is {ax!r}, expected matplotlib axes", where=where, hint=hint)
    return ax


def class_colours(n: int) -> list[Any]:
    """Return a colour for each of `n` classes."""
    if n <= len(OKABE_ITO):
        return list(OKABE_ITO[:n])
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0, 1, n)))
