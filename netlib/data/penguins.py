"""The measurements of penguins, a table for classification included in the package."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .archive import read_archive


def penguins() -> tuple[Array, Array]:
    """Return the measurements of 342 penguins, and their species.

    Any single measurement confuses two species. Two together nearly separate all three, as a plot
    shows. The classes differ in size.

    Returns
    -------
    x : float32 array (342, 4)
        Length and depth of the bill (mm), length of the flipper (mm), and body mass (g).
    t : int64 array (342,)
        0 for Adelie (151), 1 for Chinstrap (68), 2 for Gentoo (123), in this order. Both arrays are
        new on every call.

    Notes
    -----
    K. B. Gorman, T. D. Williams and W. R. Fraser, "Ecological sexual dimorphism and environmental
    variability within a community of Antarctic penguins (genus Pygoscelis)", 2014; published as
    palmerpenguins under CC0. See `PENGUINS.md` for where the file comes from, and what was changed.

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.penguins()
    >>> x[0].tolist(), np.bincount(t).tolist()
    ([39.099998474121094, 18.700000762939453, 181.0, 3750.0], [151, 68, 123])
    """
    archive = read_archive("penguins")
    return archive["measurements"], archive["species"].astype(np.int64)
