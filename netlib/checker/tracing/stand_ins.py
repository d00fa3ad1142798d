"""Experiments inside a pass: a parameter whose value reads as another array, and a NumPy whose new arrays are watched."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from ...arrays import Array
from ...layer import Layer
from ...parameter import Parameter
from .trace import Trace, Traced


@contextmanager
def reading(parameter: Parameter, read: Callable[[Array], Array]) -> Iterator[None]:
    """Let every ``parameter.value`` go through `read`."""
    kind = type(parameter)
    plain = vars(Parameter)["value"]
    parameter.__class__ = type("Read", (kind,), {"__slots__": (), "value": property(lambda self: read(plain.fget(self)), plain.fset)})
    try:
        yield
    finally:
        parameter.__class__ = kind


class WatchedNumPy:
    """NumPy, but that what copies an array or makes a new one gives one that belongs to a trace."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __getattr__(self, name: str) -> Any:
        thing = getattr(np, name)
        if name in ("zeros", "empty", "ones", "full"):
            return lambda *args, **options: self._trace.watched(thing(*args, **options))
        if name in ("array", "asarray", "asanyarray", "ascontiguousarray"):
            return lambda a, *args, **options: self._copied(thing, name, (a, *args), options)
        return thing

    def _copied(self, function: Any, name: str, args: Any, options: Any) -> Any:
        is_watched = isinstance(args[0], Traced) and args[0].dtype.kind == "f"
        return self._trace.perform(function, name, args, options) if is_watched else function(*args, **options)


Methods = list[tuple[Layer, dict[str, tuple[FunctionType, set[str]]]]]


def methods_with_numpy(layer: Layer) -> Methods:
    """Return the methods of a layer, and of those inside it, that NumPy is mentioned in, each with what that is called there."""
    found: Methods = []
    for _, each in layer.walk():
        methods = {name: inspect.getattr_static(type(each), name) for name in dir(type(each))}
        plainly = {name: method for name, method in methods.items() if isinstance(method, FunctionType)}
        called = {name: {key for key in _names(f.__code__) if f.__globals__.get(key) is np} for name, f in plainly.items()}
        found.append((each, {name: (plainly[name], keys) for name, keys in called.items() if keys}))
    return found


def _names(code: CodeType) -> set[str]:
    """Return the names in a function, and in the comprehensions and functions inside it."""
    return set(code.co_names).union(*(_names(each) for each in code.co_consts if isinstance(each, CodeType)))


@contextmanager
def seeing(methods: Methods, numpy: WatchedNumPy) -> Iterator[None]:
    """Let these methods see another NumPy."""
    kinds = [type(layer) for layer, _ in methods]
    for (layer, mentioning), kind in zip(methods, kinds, strict=True):
        others = {name: _with(f, dict.fromkeys(keys, numpy)) for name, (f, keys) in mentioning.items()}
        layer.__class__ = type(kind.__name__, (kind,), others)
    try:
        yield
    finally:
        for (layer, _), kind in zip(methods, kinds, strict=True):
            layer.__class__ = kind


def _with(f: FunctionType, known: dict[str, Any]) -> FunctionType:
    """Return a function that knows other things by their names."""
    other = FunctionType(f.__code__, f.__globals__ | known, f.__name__, f.__defaults__, f.__closure__)
    other.__kwdefaults__ = f.__kwdefaults__
    return other
