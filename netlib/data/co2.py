"""The carbon dioxide in the air over 44 years, a time series included in the package."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .archive import read_archive


def co2() -> tuple[Array, Array]:
    """Return the weekly concentration of carbon dioxide in the air over Hawaii, 1958 to 2001.

    It rises, faster and faster, and swings with the seasons. A network that fits the past closely
    may still fail on later years, which a random split does not show: hold out the last years.

    Returns
    -------
    x : float32 array (2225, 1)
        The time in years, such as 1958.24. The 59 weeks without a measurement are left out.
    t : float32 array (2225, 1)
        The mole fraction of carbon dioxide in parts per million. Both arrays are new on every call.

    Notes
    -----
    C. D. Keeling and T. P. Whorf, Atmospheric CO2 concentrations derived from flask air samples at
    sites in the SIO network, Carbon Dioxide Information Analysis Center, U.S. Department of Energy,
    2004: in the public domain. See `CO2.md` for where the file comes from, and what was changed.

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.co2()
    >>> [f"{year:.2f}: {ppm:.1f}" for (year,), (ppm,) in zip(x[:3], t[:3], strict=True)]
    ['1958.24: 316.1', '1958.26: 317.3', '1958.28: 317.6']
    """
    ppm = read_archive("co2")["ppm"]
    week = np.datetime64("1958-03-29") + 7 * np.arange(ppm.size)
    year = week.astype("datetime64[Y]")
    days = (week - year).astype(int) / ((year + 1).astype("datetime64[D]") - year.astype("datetime64[D]")).astype(int)
    x = (1970 + year.astype(int) + days).astype(np.float32)
    is_measured = ~np.isnan(ppm)
    return x[is_measured, np.newaxis], ppm[is_measured, np.newaxis]
