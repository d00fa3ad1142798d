"""The axes that a picture is drawn on, and its colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InvalidTypeError, not_installed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
"""Eight colours that people with any colour vision tell apart: M. Okabe and K. Ito, Color Universal Design, 2002."""


def as_axes(ax: Any, where: str, size: tuple[float, float] = (6.4, 4.8)) -> Axes:
    """Return `ax`, or axes on a new figure of pyplot's if it is None. Nothing is shown.

    Raises
    ------
    MissingError
        Without matplotlib.
    InvalidTypeError
        For anything but axes.
    """
    try:
        from matplotlib.axes import Axes
    except ImportError as error:
        raise not_installed("matplotlib", "plot", where) from error
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.figure(figsize=size, layout="constrained").add_subplot()
    if not isinstance(ax, Axes):
        raise InvalidTypeError(f"ax is {ax!r}, wanted matplotlib axes", where=where, hint="Make some: fig, ax = plt.subplots().")
    return ax


def class_colours(n: int) -> list[Any]:
    """Return a colour for each of `n` classes."""
    if n <= len(OKABE_ITO):
        return list(OKABE_ITO[:n])
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0, 1, n)))
