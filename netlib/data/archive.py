"""The archives of arrays included in the package."""

from __future__ import annotations

import numpy as np

from ..arrays import Array


def read_archive(name: str) -> dict[str, Array]:
    """Return the arrays of an archive in this folder, new on every call.

    >>> sorted(read_archive("digits"))
    ['labels', 'pixels']
    """
    from importlib.resources import files

    with files(__package__).joinpath(f"{name}.npz").open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return dict(archive)
