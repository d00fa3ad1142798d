"""The objects that a layer holds other than layers and parameters."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import ModuleType, NoneType
from typing import Any

import numpy as np

from .arrays import Array
from .errors import InvalidTypeError
from .layer import Layer
from .parameter import Buffer, Parameter

COLLECTIONS = (list, tuple, set, frozenset)
LEAVES = {NoneType, bool, int, float, str, np.ndarray, Parameter}
"""Common types that hold nothing else, or nothing of interest."""


def walk_held(held: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the path and the object of everything held, each object once.

    The walk enters layers, lists, tuples, sets, dicts and plain objects. It does not enter
    parameters, functions, classes, modules, and the programs of containers.

    Examples
    --------
    >>> [place for place, _ in walk_held({"scale": 2.0, "table": {"a": [1]}})]
    ['table', "table['a']", "table['a'][0]", 'scale']
    """
    seen: set[int] = set()
    stack = list(held.items())
    while stack:
        place, thing = stack.pop()
        if id(thing) not in seen:
            seen.add(id(thing))
            yield place, thing
            if type(thing) not in LEAVES:
                stack += _items_in(place, thing)


def _items_in(place: str, thing: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(thing, dict):
        return [(f"{place}[{key!r}]", value) for key, value in thing.items()]
    if isinstance(thing, COLLECTIONS):
        return [(f"{place}[{i}]", value) for i, value in enumerate(thing)]
    if _is_opaque(thing):
        return []
    slots = {name: getattr(thing, name) for name in _slot_names(thing.__class__) if hasattr(thing, name)}
    return [(f"{place}.{name}", value) for name, value in {**slots, **getattr(thing, "__dict__", {})}.items()]


def _is_opaque(thing: Any) -> bool:
    if isinstance(thing, Layer):
        return False
    is_program = type(thing).__module__.startswith("netlib.containers.")
    return callable(thing) or isinstance(thing, Parameter | ModuleType) or is_program


@cache
def _slot_names(kind: Any) -> list[str]:
    declared = [vars(each).get("__slots__", ()) for each in kind.__mro__]
    return [name for names in declared for name in ([names] if isinstance(names, str) else names)]


def attributes_of(layer: Layer) -> dict[str, Any]:
    """Return the attributes of a layer and of all layers inside it, by path."""
    return {f"{path}.{name}" if path else name: value for path, each in layer.walk() for name, value in vars(each).items()}


def held_objects(layer: Layer) -> Iterator[Any]:
    """Yield the objects held in `layer`, other than layers, parameters and collections."""
    for _, thing in walk_held(attributes_of(layer)):
        if not isinstance(thing, (Layer, Parameter, dict, *COLLECTIONS)):
            yield thing


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
    """Return a deep copy of `layer`; a module that it holds, as in ``self.xp = np``, is shared.

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
    modules = {id(thing): thing for thing in held_objects(layer) if isinstance(thing, ModuleType)}
    try:
        return copy.deepcopy(layer, modules | (memo or {}))
    except Exception as error:
        hint = "Keep files, locks and the like out of the layer, or give it a __deepcopy__."
        raise InvalidTypeError(f"cannot be deep-copied, and {why}: {error}", where=_name(layer), hint=hint) from error


def cast_copy(layer: Layer, dtype: np.dtype[Any], why: str, before: np.dtype[Any] | None = None) -> Layer:
    """Return a deep copy that computes in `dtype`; an error says `why` a copy is needed.

    Parameters are converted, and buffers, arrays and dtypes that the layer holds: those of dtype
    `before`, or all floating ones if it is None.
    """

    def is_cast(kind: np.dtype[Any]) -> bool:
        return kind.kind == "f" if before is None else kind == before

    memo: dict[int, Any] = {}
    for parameter in layer.parameters().values():
        memo[id(parameter)] = Parameter(np.asarray(parameter.value, dtype), parameter.trainable)
    for buffer in layer.buffers().values():
        if is_cast(buffer.value.dtype):
            memo[id(buffer)] = Buffer(buffer.value.astype(dtype))
    for thing in held_objects(layer):
        if isinstance(thing, np.ndarray) and is_cast(thing.dtype):
            memo[id(thing)] = np.array(thing, dtype)
        elif isinstance(thing, np.dtype) and is_cast(thing):
            memo[id(thing)] = dtype
    return copy_with_views(layer, why, memo)


def computes_in(layer: Layer, dtype: np.dtype[Any]) -> bool:
    """Return whether the layer holds floating-point numbers of `dtype` only."""
    held = [thing for thing in held_objects(layer) if isinstance(thing, np.ndarray | np.dtype)]
    kinds = [thing if isinstance(thing, np.dtype) else thing.dtype for thing in held]
    kinds += [each.dtype for each in layer.parameters().values()] + [buffer.value.dtype for buffer in layer.buffers().values()]
    return all(kind == dtype for kind in kinds if kind.kind == "f")


def copy_with_views(layer: Layer, why: str, memo: dict[int, Any]) -> Layer:
    """Return a deep copy in which an array that is a view of a parameter is a view of its copy."""
    for view, parameter in held_views(layer):
        memo[id(view)] = same_part(view, parameter.value, copy.deepcopy(parameter, memo).value)
    return deep_copy(layer, why, memo)


def _name(layer: Layer) -> str:
    try:
        return repr(layer)
    except Exception:
        return type(layer).__name__
