"""What a layer holds besides layers and parameters."""

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
    """Yield what the layer and those inside it hold in attributes, lists, tuples, dicts and plain objects, each once."""
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
            if hasattr(thing, "__dict__") and not isinstance(thing, type) and not callable(thing) and not inspect.ismodule(thing):
                stack.append(vars(thing))


def holds_floats(layer: Layer) -> bool:
    """Return whether the layer or one inside it holds floating numbers of NumPy, which may be made of its parameters."""
    return any(isinstance(thing, np.ndarray | np.floating) and thing.dtype.kind == "f" for thing in held_objects(layer))


def held_collections(layer: Layer) -> list[Any]:
    """Return the lists and dicts in attributes, which a forward may fill."""
    return [value for _, each in layer.walk() for value in vars(each).values() if isinstance(value, list | dict)]


def held_arrays(layer: Layer) -> list[Array]:
    """Return the arrays of plain numbers."""
    return [each for each in held_objects(layer) if isinstance(each, np.ndarray) and each.dtype != object]


def held_views(layer: Layer) -> Iterator[tuple[Array, Parameter]]:
    """Yield the arrays that are a parameter's value or a view of it, each with its parameter: until that is given other memory."""
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
    """Return the part of another array of the same shape, in C order as the first, that `part` is of `whole`."""
    offset = (part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]) // whole.itemsize * other.itemsize
    return np.ndarray(part.shape, other.dtype, other, offset, [step // whole.itemsize * other.itemsize for step in part.strides])


def is_float(x: Any) -> bool:
    """Return whether something is an array of floating numbers."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def deep_copy(layer: Layer, why: str, memo: dict[int, Any] | None = None) -> Layer:
    """Return a deep copy, or refuse and say `why` there must be one; what stands in `memo` takes the place of the original.

    Raises
    ------
    InvalidTypeError
        For a layer that cannot be deep-copied.
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
