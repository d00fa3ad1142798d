"""The fuel consumption of cars, a table for regression included in the package."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .archive import read_archive


def cars() -> tuple[Array, Array]:
    """Return the properties and the fuel economy of 392 cars of 1970 to 1982.

    The columns have very different scales, so a network learns little until they are standardized.
    Weight, displacement and horsepower rise together, and consumption grows faster than weight.

    Returns
    -------
    x : float32 array (392, 9)
        Number of cylinders, displacement (cubic inches), power (horsepower), weight (pounds),
        acceleration (seconds from 0 to 60 miles per hour), model year (70 to 82), and 1 in one of
        the last three columns for the origin: America, Europe, Japan.
    t : float32 array (392, 1)
        Miles per gallon in the city. Both arrays are new on every call.

    Notes
    -----
    R. Quinlan, Auto MPG, UCI Machine Learning Repository, 1993, under CC BY 4.0. See `CARS.md` for
    the address, the licence, and what was changed.

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.cars()
    >>> x[0].tolist(), t[0].tolist()
    ([8.0, 307.0, 130.0, 3504.0, 12.0, 70.0, 1.0, 0.0, 0.0], [18.0])
    """
    table = read_archive("cars")["table"]
    origin = table[:, 7:] == (1, 2, 3)
    return np.hstack([table[:, 1:7], origin.astype(np.float32)]), table[:, :1].copy()
