"""The objects that a layer holds besides layers and parameters."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from .arrays import Array
from .errors import InvalidTypeError
from .layer import Layer
from .parameter import Parameter


def held_objects(layer: Layer) -> Iterator[Any]:
    """Yield each object once that the layer, or a layer inside it, holds.

    It looks into attributes, lists, tuples, dicts and plain objects.
    """
    seen: set[int] = set()
    stack = [vars(each) for _, each in layer.walk()]
    while stack:
        thing: Any = stack.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, dict):
            stack.extend(thing.values())
        elif isinstance(thing, list | tuple):
            stack.extend(thing)
        elif isinstance(thing, Layer | Parameter):
            continue
        else:
            yield thing
            is_plain = not (isinstance(thing, type) or callable(thing) or inspect.ismodule(thing))
            if is_plain and hasattr(thing, "__dict__"):
                stack.append(vars(thing))


def holds_floats(layer: Layer) -> bool:
    """Return whether the layer holds NumPy floats, which may be derived from its parameters."""
    floats = (each for each in held_objects(layer) if isinstance(each, np.ndarray | np.floating))
    return any(each.dtype.kind == "f" for each in floats)


def held_collections(layer: Layer) -> list[Any]:
    """Return the lists and dicts in attributes, which a forward may fill."""
    held = [value for _, each in layer.walk() for value in vars(each).values()]
    return [value for value in held if isinstance(value, list | dict)]


def held_arrays(layer: Layer) -> list[Array]:
    """Return the arrays of plain numbers."""
    arrays = (each for each in held_objects(layer) if isinstance(each, np.ndarray))
    return [each for each in arrays if each.dtype != object]


def held_views(layer: Layer) -> Iterator[tuple[Array, Parameter]]:
    """Yield each array that is a parameter's value or a view of it, together with the parameter.

    It stops being a view when the parameter moves to other memory.
    """
    by_owner: dict[int, list[Parameter]] = {}
    for parameter in layer.parameters().values():
        by_owner.setdefault(id(_owner(parameter.value)), []).append(parameter)
    for thing in held_objects(layer):
        if is_float(thing):
            for parameter in by_owner.get(id(_owner(thing)), ()):
                if thing.dtype == parameter.dtype and np.may_share_memory(thing, parameter.value):
                    yield thing, parameter


def _owner(array: Array) -> Array:
    return array.base if isinstance(array.base, np.ndarray) else array


def same_part(part: Array, whole: Array, other: Array) -> Array:
    """Return the view of `other` that corresponds to the view `part` of `whole`.

    `whole` and `other` have the same shape, and both are in C order.
    """
    n_bytes = part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    offset = n_bytes // whole.itemsize * other.itemsize
    strides = [step // whole.itemsize * other.itemsize for step in part.strides]
    return np.ndarray(part.shape, other.dtype, other, offset, strides)


def is_float(x: Any) -> bool:
    """Return whether `x` is an array of a floating-point type."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def deep_copy(layer: Layer, why: str, memo: dict[int, Any] | None = None) -> Layer:
    """Return a deep copy of `layer`.

    Parameters
    ----------
    layer : Layer
    why : str
        Why a copy is needed, for the error message.
    memo : dict, optional
        Replacements by the id of the object they replace, as `copy.deepcopy` takes them.

    Raises
    ------
    InvalidTypeError
        If the layer cannot be deep-copied.
    """
    try:
        return copy.deepcopy(layer, memo)
    except Exception as error:
        hint = "Keep files, locks and the like out of the layer, or give it a __deepcopy__."
        raise InvalidTypeError(f"cannot be deep-copied, and {why}: {error}", where=_name(layer), hint=hint) from error


def _name(layer: Layer) -> str:
    try:
        return repr(layer)
    except Exception:
        return type(layer).__name__
