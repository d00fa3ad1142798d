"""Stand-ins during a pass: parameters with other values, and a NumPy that makes watched arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
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
    """Temporarily replace ``parameter.value`` by ``read(parameter.value)``."""
    with internals.temporary_class(parameter, _reading_class(parameter, read)):
        yield


def _reading_class(parameter: Parameter, read: Callable[[Array], Array]) -> type:
    plain = vars(Parameter)["value"]
    members = {"__slots__": (), "value": property(lambda self: read(plain.fget(self)), plain.fset)}
    return type("Read", (type(parameter),), members)


class WatchedNumPy:
    """NumPy, except that copies and new arrays belong to a trace."""

    trace: Trace

    def __getattr__(self, name: str) -> Any:
        thing = getattr(np, name)
        if name in ("zeros", "empty", "ones", "full"):
            return lambda *args, **options: self.trace.watched(thing(*args, **options))
        if name in ("array", "asarray", "asanyarray", "ascontiguousarray"):
            return lambda a, *args, **options: self._copied(thing, name, (a, *args), options)
        return thing

    def _copied(self, function: Any, name: str, args: Any, options: Any) -> Any:
        is_watched = isinstance(args[0], Traced) and args[0].dtype.kind == "f"
        return self.trace.perform(function, name, args, options) if is_watched else function(*args, **options)


class StandIns:
    """Classes in which the layers find a `WatchedNumPy`, and the parameters have watched values.

    They are created once and serve many forwards.
    """

    def __init__(self, layer: Layer, parameters: Iterable[Parameter]) -> None:
        self._numpy = numpy = WatchedNumPy()
        self._kinds: list[tuple[object, type]] = [(each, _class_with(numpy, type(each))) for _, each in layer.walk()]
        self._kinds += [(each, _reading_class(each, self._watch)) for each in parameters]

    def _watch(self, value: Array) -> Array:
        return self._numpy.trace.watch(value)

    @contextmanager
    def watching(self, trace: Trace) -> Iterator[None]:
        """Record the operations of a forward in a trace."""
        self._numpy.trace = trace
        with ExitStack() as stack:
            for thing, kind in self._kinds:
                stack.enter_context(internals.temporary_class(thing, kind))
            yield


def _class_with(numpy: WatchedNumPy, kind: type[Layer]) -> type:
    """Return a subclass whose methods find another NumPy."""
    others: dict[str, Any] = {}
    for name in dir(kind):
        method = inspect.getattr_static(kind, name)
        if isinstance(method, FunctionType) and (names := internals.names_of(np, method)):
            others[name] = internals.with_globals(method, dict.fromkeys(names, numpy))
    return type(kind.__name__, (kind,), others)
