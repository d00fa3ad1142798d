"""The construction of a model from the plain values of a `Description`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..containers.graph import Constant, Input, Weight
from ..errors import FormatError, NetlibError
from ..initializers import Zeros, initial_value, limited_memory, placeholders
from ..layer import Layer
from ..node import Node
from ..parameter import Parameter
from ..representation import constructor_parameters
from .classes import BIT_GENERATORS, INITIALIZERS, LAYERS, is_own
from .contents import DTYPES as PORTABLE
from .description import MAX_NESTING

Entry = dict[str, Any]
DTYPES = {dtype.name: dtype for dtype in (*PORTABLE, np.dtype(np.longdouble))}
MAX_SHOWN = 80
MT19937_LENGTH = 624
FREE_MEMORY = 1 << 20
"""Bytes that a user's constructor may need for parameters besides twice those in the file."""


class Builder:
    """A builder of a model from a list of entries, each of which may use earlier ones.

    Parameters are placeholders at first, and receive their arrays later. The classes are netlib's
    own and `classes`: nothing is imported or looked up by a name in the file.

    Parameters
    ----------
    arrays : dict of str to ndarray
    classes : dict of str to type
        The user's own classes by name.
    generators : list of numpy.random.Generator
    where : str
        The file, for messages.
    """

    def __init__(
        self,
        arrays: Mapping[str, Array],
        classes: Mapping[str, type[Layer]],
        generators: Sequence[np.random.Generator],
        where: str,
    ) -> None:
        self._arrays, self._classes, self._generators, self._where = arrays, classes, generators, where
        self._built: list[Any] = []
        self._weights: dict[str, Parameter] = {}
        self._constants: set[str] = set()
        self._limit = FREE_MEMORY + 2 * sum(array.nbytes for array in arrays.values())

    def build(self, objects: object, n_parameters: int) -> Layer:
        """Return the model: the last of `objects`, which have at most `n_parameters` parameters.

        Raises
        ------
        FormatError
            If an entry does not describe a layer or node, or its constructor raises.
        """
        entries = _as_list(objects, "objects", self._where)
        with placeholders(n_parameters):
            for number, entry in enumerate(entries):
                where = f"{self._where}, objects[{number}]"
                if not isinstance(entry, dict):
                    raise FormatError(f"is {_shown(entry)}, expected an object", where=where)
                self._built.append(self._build(entry, where))
        model = self._built[-1] if self._built else None
        if not isinstance(model, Layer):
            raise FormatError("the last of the objects is no layer", where=self._where)
        return model

    def _build(self, entry: Entry, where: str) -> Any:
        if "arguments" in entry:
            kind = self._class(entry, where)
            return self._call(kind, _as_dict(entry["arguments"], "arguments", where), f"{where} {kind.__name__}")
        try:
            match entry:
                case {"input": name}:
                    return Input(name)
                case {"weight": name, "value": array}:
                    return self._weight(name, array, where)
                case {"constant": name, "value": array}:
                    return self._constant(name, array, where)
                case {"call": number, "sources": sources, "name": name}:
                    layer = self._object(number, Layer, where)
                    nodes = [self._node(each, where) for each in _as_list(sources, "sources", where)]
                    if nodes:
                        return nodes[0].record_call(layer, nodes, name)
        except NetlibError as error:
            raise _as_format_error(error, where) from error
        raise FormatError(f"has the keys {_shown(sorted(entry))}, expected those of a layer or node", where=where)

    def _weight(self, name: Any, array: Any, where: str) -> Weight:
        """Return a node; two nodes over the same array share their parameter."""
        values = self._array(array, where)
        if values.dtype.kind != "f":
            raise FormatError(f"refers to the array {array!r} of {values.dtype}, expected floats", where=where)
        if array not in self._weights:
            self._weights[array] = Parameter.wrap(initial_value(Zeros(), values.shape, values.dtype, None, where))
        return Weight.over(name, self._weights[array])

    def _constant(self, name: Any, array: Any, where: str) -> Constant:
        """Return a node with a copy of an array, separate from those of other nodes."""
        values = self._array(array, where)
        if array in self._constants:
            raise FormatError(f"refers to the array {array!r} of another constant", where=where)
        self._constants.add(array)
        return Constant.over(name, values.copy())

    def _class(self, entry: Entry, where: str) -> type[Layer]:
        name = entry.get("class")
        if isinstance(name, str) and name in LAYERS:
            return LAYERS[name]
        user_name = entry.get("user class")
        if isinstance(user_name, str) and user_name in self._classes:
            return self._classes[user_name]
        if isinstance(user_name, str):
            hint = f"Pass it: nl.load(path, classes=[{user_name}])."
            raise FormatError(f"has the class {_shown(user_name)}, which is not netlib's own", where=where, hint=hint)
        raise FormatError(f"has the class {_shown(name)}, which netlib does not have", where=where)

    def _call(self, kind: type[Any], described: Entry, where: str, depth: int = 0) -> Any:
        """Return ``kind(**described)``."""
        values = {name: self.value(value, f"{where}, argument {name!r}", depth) for name, value in described.items()}
        positional = []
        parameters = constructor_parameters(kind)  # type: ignore[arg-type]
        has_star = any(each.kind is each.VAR_POSITIONAL and each.name in values for each in parameters)
        for each in parameters:
            if each.kind is each.VAR_POSITIONAL and each.name in values:
                positional += _as_list(values.pop(each.name), each.name, where)
            elif each.kind is each.POSITIONAL_ONLY or (has_star and each.kind is each.POSITIONAL_OR_KEYWORD):
                positional.append(values.pop(each.name, each.default))
        if any(value is inspect.Parameter.empty for value in positional):
            raise FormatError(f"has the arguments {_shown(sorted(described))}, and some are missing", where=where)
        try:
            if issubclass(kind, Layer) and not is_own(kind):
                with limited_memory(self._limit):  # its constructor may change the initial values
                    return kind(*positional, **values)
            return kind(*positional, **values)
        except NetlibError as error:
            raise _as_format_error(error, where) from error
        except Exception as error:
            hint = "Is the class still the one that was saved?" if kind.__name__ in self._classes else ""
            raise FormatError(f"cannot be built: {type(error).__name__}: {error}", where=where, hint=hint) from error

    def values(self, described: Any, where: str) -> Entry:
        """Return the values that the entries of an object stand for."""
        return {name: self.value(each, where, 0) for name, each in _as_dict(described, "the object", where).items()}

    def value(self, described: Any, where: str, depth: int) -> Any:
        """Return the value that `described` stands for."""
        if not isinstance(described, list | dict):
            return described
        if depth > MAX_NESTING:
            raise FormatError(f"is nested more than {MAX_NESTING} times", where=where)

        def values_of(items: Any) -> list[Any]:
            return [self.value(each, where, depth + 1) for each in _as_list(items, "value", where)]

        if isinstance(described, list):
            return values_of(described)
        match described:
            case {"layer": number}:
                return self._object(number, Layer, where)
            case {"node": node}:
                return self._node(node, where)
            case {"array": name}:
                return self._array(name, where)
            case {"generator": number} if _is_index(number, self._generators):
                return self._generators[number]
            case {"initializer": str(name), "arguments": dict(arguments)} if name in INITIALIZERS:
                return self._call(INITIALIZERS[name], arguments, where, depth + 1)
            case {"class": _} | {"user class": _}:
                return self._class(described, where)
            case {"float": "nan" | "inf" | "-inf" as text}:
                return float(text)
            case {"dtype": str(name)} if name in DTYPES:
                return DTYPES[name]
            case {"scalar type": str(name)} if name in DTYPES:
                return DTYPES[name].type
            case {"scalar": str(name), "value": number} if name in DTYPES:
                return self._scalar(DTYPES[name], self.value(number, where, depth + 1), where)
            case {"tuple": list(items)}:
                return tuple(values_of(items))
            case {"slice": [_, _, _] as items}:
                return slice(*values_of(items))
            case {"dict": list(items)} if all(isinstance(each, list) and len(each) == 2 and isinstance(each[0], str) for each in items):
                return {key: self.value(inner, where, depth + 1) for key, inner in items}
        raise FormatError(f"is {_shown(described)}, which stands for no value", where=where)

    def _scalar(self, dtype: np.dtype[Any], number: object, where: str) -> Any:
        if not isinstance(number, int | float):
            raise FormatError(f"is {_shown(number)}, expected a number", where=where)
        try:
            with np.errstate(all="raise"):
                return dtype.type(number)
        except (OverflowError, ValueError, ArithmeticError) as error:
            raise FormatError(f"is {number}, which is no {dtype}: {error}", where=where) from None

    def _object(self, number: Any, kind: type[Any], where: str) -> Any:
        if not _is_index(number, self._built) or not isinstance(self._built[number], kind):
            raise FormatError(f"refers to object {_shown(number)}, which is no {kind.__name__} before it", where=where)
        return self._built[number]

    def _node(self, described: Any, where: str) -> Node:
        match described:
            case [number, index] if _is_index(number, self._built):
                made = self._built[number]
                if isinstance(made, Node) and index == 0:
                    return made
                if isinstance(made, tuple) and _is_index(index, made) and isinstance(made[index], Node):
                    return made[index]  # type: ignore[no-any-return]
        raise FormatError(f"refers to {_shown(described)}, which is no node before it", where=where)

    def _array(self, name: Any, where: str) -> Array:
        if not isinstance(name, str) or name not in self._arrays:
            raise FormatError(f"refers to the array {_shown(name)}, which the file does not have", where=where)
        return self._arrays[name]


def as_generator(state: Any, where: str) -> np.random.Generator:
    """Return a random generator in the state of `generator_state`."""
    try:
        bits = BIT_GENERATORS[state["bit_generator"]](0)
        if state["bit_generator"] == "MT19937" and not 0 <= state["state"]["pos"] <= MT19937_LENGTH:
            raise ValueError(f"the position is {state['state']['pos']}")  # NumPy would read outside the array
        bits.state = _with_arrays(state, bits.state)
    except (TypeError, KeyError, ValueError, OverflowError, IndexError) as error:
        message = f"has the state {_shown(state)} of a random generator, which is not valid: {error}"
        raise FormatError(message, where=where) from None
    return np.random.Generator(bits)


def _with_arrays(state: Any, like: Any) -> Any:
    """Return `state` with arrays where `like`, another state, has arrays."""
    if isinstance(like, dict):
        return {key: _with_arrays(state[key], value) for key, value in like.items()}
    if isinstance(like, np.ndarray):
        array = np.array(state[: like.size], like.dtype)
        if array.shape != like.shape:
            raise ValueError(f"{array.size} numbers in place of {like.size}")
        return array
    if type(state) is not type(like) or (type(state) is int and state < 0):
        raise ValueError(f"{_shown(state)} in place of {_shown(like)}")
    return state


def _as_list(thing: Any, name: str, where: str) -> list[Any]:
    if not isinstance(thing, list | tuple):
        raise FormatError(f"{name} is {_shown(thing)}, expected a list", where=where)
    return list(thing)


def _as_dict(thing: Any, name: str, where: str) -> Entry:
    if not isinstance(thing, dict):
        raise FormatError(f"{name} is {_shown(thing)}, expected an object", where=where)
    return thing


def _is_index(number: Any, sequence: Sequence[Any]) -> bool:
    return type(number) is int and 0 <= number < len(sequence)


def _shown(thing: Any) -> str:
    text = repr(thing)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def _as_format_error(error: NetlibError, where: str) -> FormatError:
    if isinstance(error, FormatError):
        return error
    return FormatError(str(error), where=where)
