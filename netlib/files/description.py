"""A model as plain values: classes by name, constructor arguments, and arrays by name.

The description contains what `repr` shows: the attributes that are named like the parameters of the
constructor. So a layer needs no method for it. Layers and nodes of graphs are in one list, inner
ones before outer ones, so that neither writing nor reading recurses over their depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any

import numpy as np

from ..arrays import Array
from ..containers.graph import Input
from ..errors import InvalidTypeError, NetlibError
from ..initializers import Initializer
from ..layer import Layer
from ..node import Call, Node
from ..parameter import Buffer, Parameter
from ..random_state import is_generator
from ..representation import MISSING, arguments_of
from .classes import BIT_GENERATORS, INITIALIZERS, is_own
from .contents import OWN, as_portable, is_unicode

MAX_NESTING = 32
"""How deeply tuples, lists and dicts may be nested in an argument."""
MAX_INT = 2**128
"""One more than the largest number, which the states of random generators need."""


class Description:
    """The plain values that describe a model, and the arrays that they refer to by name.

    Parameters
    ----------
    model : Layer

    Attributes
    ----------
    objects : list of dict
        The layers and nodes, the model last.
    generators : list of dict
        The states of the random generators.
    constants : dict of str to ndarray
        Arrays that are arguments, and so not part of the state.
    classes : dict of str to type
        The user's classes by name.

    Raises
    ------
    InvalidTypeError
        If an argument cannot be described. The message names layer and attribute.
    """

    def __init__(self, model: Layer) -> None:
        self.objects: list[dict[str, Any]] = []
        self.generators: list[dict[str, Any]] = []
        self.constants: dict[str, Array] = {}
        self.classes: dict[str, type[Layer]] = {}
        self._arrays = {id(array): path for path, array in model._state().items()}
        self._numbers: dict[int, int] = {}
        self._generator_numbers: dict[int, int] = {}
        self._alive: list[object] = []  # so that no id is used again
        self._describe_all(model)

    def _describe_all(self, model: Layer) -> None:
        stack: list[tuple[Any, bool]] = [(model, False)]
        entered: set[int] = set()
        while stack:
            thing, inner_done = stack.pop()
            if inner_done:
                self._numbers[id(thing)] = len(self.objects)
                self.objects.append(self._entry(thing))
            elif id(thing) not in self._numbers:
                if id(thing) in entered:
                    hint = "A layer must not be an argument of a layer inside it."
                    raise InvalidTypeError("contains itself", where=_short(thing), hint=hint)
                entered.add(id(thing))
                stack.append((thing, True))
                stack += [(inner, False) for inner in reversed([*_objects_in(thing)])]

    def _entry(self, thing: Any) -> dict[str, Any]:
        self._alive.append(thing)
        if isinstance(thing, Input):
            return {"input": thing.name}
        if isinstance(thing, Call):
            return self._call_entry(thing)
        return {**self._class_entry(type(thing)), "arguments": self._arguments(thing)}

    def _class_entry(self, kind: type[Layer]) -> dict[str, str]:
        """Return the description of a class of layers: its name, and whether it is netlib's own."""
        if is_own(kind):
            return {"class": kind.__name__}
        if self.classes.setdefault(kind.__name__, kind) is not kind:
            raise InvalidTypeError(f"has two classes called {kind.__name__!r}", where="the model", hint="Rename one.")
        return {"user class": kind.__name__}

    def _call_entry(self, call: Call) -> dict[str, Any]:
        if call.sources:
            sources = [self._node(node) for node in call.sources]
            return {"call": self._numbers[id(call.layer)], "sources": sources, "name": call.name}
        kind, value = next(iter(vars(call.layer).items()))
        if kind == "parameter":
            return {"weight": call.name, "value": self._arrays[id(value)]}
        return {"constant": call.name, "value": self._constant(value, f"Constant({call.name!r})")}

    def _arguments(self, thing: Layer | Initializer) -> dict[str, Any]:
        described = {}
        for parameter, value in arguments_of(thing):
            if value is not MISSING:
                where = f"{_short(thing)}, attribute {parameter.name!r}"
                described[parameter.name] = self._value(value, where, 0)
            elif parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL:
                message = f"the constructor takes {parameter.name!r}, but the layer has no such attribute"
                hint = f"Write in __init__: self.{parameter.name} = {parameter.name}."
                raise InvalidTypeError(message, where=_short(thing), hint=hint)
        return described

    def _value(self, value: Any, where: str, depth: int) -> Any:
        """Return the description of `value`."""
        if isinstance(value, Layer):
            return {"layer": self._numbers[id(value)]}
        if isinstance(value, Node):
            return {"node": self._node(value)}
        if isinstance(value, Parameter | Buffer):
            if id(value) not in self._arrays:
                raise InvalidTypeError("is not among the parameters and buffers of the model", where=where)
            return {"array": self._arrays[id(value)]}
        if type(value) is np.ndarray:
            return {"array": self._constant(value, where)}
        if is_generator(value):
            return {"generator": self.generator(value, where)}
        if INITIALIZERS.get(type(value).__name__) is type(value):
            return {"initializer": type(value).__name__, "arguments": self._arguments(value)}
        if isinstance(value, type) and issubclass(value, Layer):
            return self._class_entry(value)
        if depth == MAX_NESTING:
            raise InvalidTypeError(f"is nested more than {MAX_NESTING} times", where=where)
        return plain_value(value, where, lambda key, inner: self._value(inner, f"{where}[{key!r}]", depth + 1))

    def generator(self, generator: Any, where: str) -> int:
        """Return the index of a random generator in the list of their states."""
        if id(generator) not in self._generator_numbers:
            self._generator_numbers[id(generator)] = len(self.generators)
            self.generators.append(generator_state(generator, where))
        return self._generator_numbers[id(generator)]

    def _node(self, node: Node) -> list[int]:
        return [self._numbers[id(node if node.call is None else node.call)], node.index]

    def _constant(self, array: Array, where: str) -> str:
        name = f"{OWN}.{len(self.constants)}"
        self.constants[name] = as_portable(array, "the array", where)
        return name


def plain_value(value: Any, where: str, describe: Callable[[Any, Any], Any]) -> Any:
    """Return the description of a value in JSON, with ``describe(key, inner)`` for inner values."""
    if value is None or type(value) is bool or (type(value) is int and abs(value) < MAX_INT):
        return value
    if type(value) is str and is_unicode(value):
        return value
    if type(value) is float:
        return value if isfinite(value) else {"float": str(value)}
    if isinstance(value, np.dtype):
        return {"dtype": value.name}
    if isinstance(value, type) and issubclass(value, np.generic):
        return {"scalar type": np.dtype(value).name}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {"scalar": value.dtype.name, "value": plain_value(value.item(), where, describe)}
    if type(value) is list:
        return [describe(i, inner) for i, inner in enumerate(value)]
    if type(value) is tuple:
        return {"tuple": [describe(i, inner) for i, inner in enumerate(value)]}
    if type(value) is slice:
        return {"slice": [describe(name, getattr(value, name)) for name in ("start", "stop", "step")]}
    if type(value) is dict and all(type(key) is str and is_unicode(key) for key in value):
        return {"dict": [[key, describe(key, inner)] for key, inner in value.items()]}
    if type(value) in (int, str):
        raise InvalidTypeError(f"is {value!r:.40}, which cannot be saved", where=where)
    kind = type(value).__name__
    hint = "Use a layer in its place." if callable(value) else "Use numbers, text, arrays, layers, or tuples, lists and dicts of them."
    raise InvalidTypeError(f"is a {kind}, which cannot be saved", where=where, hint=hint)


def generator_state(generator: Any, where: str) -> dict[str, Any]:
    """Return the state of a `numpy.random.Generator` as plain values."""
    state = getattr(generator, "bit_generator", None) and generator.bit_generator.state
    if state is None or state["bit_generator"] not in BIT_GENERATORS:
        hint = "Use numpy.random.default_rng()."
        raise InvalidTypeError(f"is a {type(generator).__name__}, whose state cannot be saved", where=where, hint=hint)
    return _as_lists(state)  # type: ignore[no-any-return]


def _as_lists(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _as_lists(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def _objects_in(thing: Any) -> Iterator[Layer | Call | Input]:
    """Yield the layers, calls and inputs that `thing` is made of."""
    if isinstance(thing, Call):
        if thing.sources:
            yield thing.layer
        stack: list[Any] = list(reversed(thing.sources))
    elif isinstance(thing, Layer):
        stack = [value for _, value in arguments_of(thing)][::-1]
    else:
        return
    seen: set[int] = set()
    while stack:
        value = stack.pop()
        if isinstance(value, Layer):
            yield value
        elif isinstance(value, Node):
            yield value if value.call is None else value.call  # type: ignore[misc]
        elif type(value) in (list, tuple, dict) and id(value) not in seen:
            seen.add(id(value))
            stack += reversed(value.values() if isinstance(value, dict) else value)


def _short(thing: object) -> str:
    """Return a short name of a layer, which may hold thousands of others."""
    if hasattr(thing, "short"):
        return str(thing.short)
    try:
        return repr(thing)
    except (NetlibError, AttributeError):
        return type(thing).__name__
