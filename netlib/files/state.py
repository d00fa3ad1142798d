"""Saving and loading a dict of arrays."""

from __future__ import annotations

from collections.abc import Mapping

from ..arrays import Array
from ..data.path import Path
from .contents import OWN, Contents, as_storable
from .formats import format_of, read_contents, write_contents


def save_state(state: Mapping[str, Array], path: Path) -> None:
    """Write a dict of arrays to a file, such as the `state_dict` of a model.

    Parameters
    ----------
    state : dict of str to ndarray
        Arrays of booleans, integers or floats of 16, 32 or 64 bits.
    path : str or path
        The file: ``.npz``, which `numpy.load` reads, or ``.safetensors``, which other libraries
        read (extra ``safetensors``). The same arrays give the same bytes.

    Raises
    ------
    InvalidTypeError
        If an entry is not an array, or its type is not portable.
    InvalidValueError
        If a name cannot be stored, or the suffix is unknown.
    OSError
        If the file cannot be written. The old file is unchanged.

    Examples
    --------
    >>> import netlib as nl, numpy as np, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "state.npz")
    ...     nl.save_state({"mean": np.array([1.0, 2.0])}, path)
    ...     nl.load_state(path)
    {'mean': array([1., 2.])}
    """
    format_of(path, "save_state")
    write_contents(path, Contents(as_storable(state, "save_state"), None), "save_state")


def load_state(path: Path) -> dict[str, Array]:
    """Read the arrays of a file, including files written by other libraries.

    Parameters
    ----------
    path : str or path
        A ``.npz`` or ``.safetensors`` file. The arrays of a model that `save` wrote are its state.

    Returns
    -------
    dict of str to ndarray
        New arrays, which belong to the caller. Arrays of bfloat16 become float32, with a warning.

    Raises
    ------
    FormatError
        If the file is damaged, or holds anything but arrays of plain numbers.
    InvalidValueError
        If the suffix is unknown.
    OSError
        If the file cannot be read.
    """
    return {name: array for name, array in read_contents(path, "load_state").arrays.items() if not name.startswith(OWN)}
