"""Nested plain values and arrays as JSON values and arrays by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays import Array
from .building import Builder
from .contents import as_portable
from .description import plain_value


def pack(value: Any, name: str, where: str) -> tuple[Any, dict[str, Array]]:
    """Return the description of `value` in JSON, and its arrays, named `name` and a number.

    Raises
    ------
    InvalidTypeError
        If something in `value` cannot be stored. The message has the path to it, after `where`.

    Examples
    --------
    >>> pack({"best": (0.5, np.zeros(2))}, "early", "save")[0]
    {'dict': [['best', {'tuple': [0.5, {'array': 'early.0'}]}]]}
    """
    arrays: dict[str, Array] = {}

    def describe(each: Any, path: str) -> Any:
        if type(each) is np.ndarray:
            array = f"{name}.{len(arrays)}"
            arrays[array] = as_portable(each, "the array", path)
            return {"array": array}
        return plain_value(each, path, lambda key, inner: describe(inner, f"{path}.{key}"))

    return describe(value, where), arrays


def unpack(described: Any, arrays: Mapping[str, Array], where: str) -> Any:
    """Return the value that `pack` described.

    Examples
    --------
    >>> unpack({"dict": [["steps", 3]]}, {}, "checkpoint")
    {'steps': 3}
    """
    return Builder(arrays, {}, [], where).value(described, where, 0)
