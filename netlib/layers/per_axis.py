"""The arguments of layers for images that take one number for all axes, or one for each."""

from __future__ import annotations

from typing import Any

from ..arrays import Shape, as_count
from ..errors import InvalidValueError

Pads = tuple[tuple[int, int], ...]
"""The widths of a border before and after each axis."""


def as_per_axis(value: Any, axes: int, name: str, where: object, least: int = 1) -> Shape:
    """Return a whole number for each axis, from one for all or one for each.

    >>> as_per_axis(3, 2, "kernel_size", "Conv2d"), as_per_axis((3, 5), 2, "kernel_size", "Conv2d")
    ((3, 3), (3, 5))
    """
    if not isinstance(value, tuple | list):
        return (as_count(value, name, where, least),) * axes
    if len(value) != axes:
        raise InvalidValueError(f"{name} is {value!r}, expected one number or {axes}", where=where)
    return tuple(as_count(each, name, where, least) for each in value)


def as_pads(padding: Any, axes: int, where: object) -> Pads | None:
    """Return the border before and after each axis, or None for "same".

    >>> as_pads(1, 2, "Conv2d"), as_pads(((0, 1), (2, 2)), 2, "Conv2d")
    (((1, 1), (1, 1)), ((0, 1), (2, 2)))
    """
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            message = f"padding is {padding!r}, expected a number, pairs, 'same' or 'valid'"
            raise InvalidValueError(message, where=where)
        return None if padding == "same" else ((0, 0),) * axes
    if isinstance(padding, tuple | list) and any(isinstance(each, tuple | list) for each in padding):
        if len(padding) != axes or not all(isinstance(each, tuple | list) and len(each) == 2 for each in padding):
            message = f"padding is {padding!r}, expected a pair (before, after) for each of {axes} axes"
            raise InvalidValueError(message, where=where)
        return tuple((as_count(a, "padding", where), as_count(b, "padding", where)) for a, b in padding)
    return tuple((n, n) for n in as_per_axis(padding, axes, "padding", where, least=0))
