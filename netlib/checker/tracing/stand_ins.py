"""Stand-ins during a pass: parameters with other values, and a NumPy that makes watched arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FunctionType
from typing import Any

import numpy as np

from ...arrays import Array
from ...layer import Layer
from ...parameter import Parameter
from . import internals
from .trace import Trace, Traced


@contextmanager
def reading(parameter: Parameter, read: Callable[[Array], Array]) -> Iterator[None]:
    """Replace ``parameter.value`` by ``read(parameter.value)`` for a while."""
    plain = vars(Parameter)["value"]
    members = {"__slots__": (), "value": property(lambda self: read(plain.fget(self)), plain.fset)}
    with internals.temporary_class(parameter, type("Read", (type(parameter),), members)):
        yield


class WatchedNumPy:
    """NumPy, except that copies and new arrays belong to a trace."""

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
    """Return the methods of each layer that mention NumPy, with the names they use for it."""
    found: Methods = []
    for _, each in layer.walk():
        members = {name: inspect.getattr_static(type(each), name) for name in dir(type(each))}
        methods = {name: member for name, member in members.items() if isinstance(member, FunctionType)}
        names = {name: internals.names_of(np, method) for name, method in methods.items()}
        found.append((each, {name: (methods[name], used) for name, used in names.items() if used}))
    return found


@contextmanager
def replace_numpy(methods: Methods, numpy: WatchedNumPy) -> Iterator[None]:
    """Replace NumPy in these methods for a while."""
    with ExitStack() as stack:
        for layer, mentioning in methods:
            kind = type(layer)
            others = {name: internals.with_globals(f, dict.fromkeys(names, numpy)) for name, (f, names) in mentioning.items()}
            stack.enter_context(internals.temporary_class(layer, type(kind.__name__, (kind,), others)))
        yield
