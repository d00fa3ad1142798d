"""The first names included in the package."""

from __future__ import annotations


def names() -> list[str]:
    """Return 5,163 first names, in alphabetical order.

    Returns
    -------
    list of str
        Each name occurs once, in the letters A to Z, with one capital. The list is new on every
        call.

    Notes
    -----
    U.S. Census Bureau, the frequent first names of the 1990 census, 1995: in the public domain. See
    `NAMES.md` for where the file comes from, and what was changed.

    Examples
    --------
    >>> import netlib as nl
    >>> names = nl.data.names()
    >>> len(names), names[:3], names[-1]
    (5163, ['Aaron', 'Abbey', 'Abbie'], 'Zulma')
    """
    from importlib.resources import files

    return files(__package__).joinpath("names.txt").read_text(encoding="ascii").split()
