"""Arrays that record the operations on them, and can be replaced in single operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Array
from . import internals

Place = tuple[int, int]
"""The number of an operation in a forward, and the number of an operand in it."""

Reading = Callable[[Array], Array]
"""The array that an operation gets in place of an operand."""

REDUCTIONS = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}

UNFOLDED = {"diff", "gradient", "trapezoid", "cov", "corrcoef"}
"""Functions that use an array several times, so that the operations inside them tell more."""

WRITERS = {"at", "copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"}
"""Functions that write into their first argument, which is no operand then."""


class Index(NamedTuple):
    """An index in square brackets, which is no operand."""

    key: Any


def getitem(array: Array, index: Index) -> Array:
    """Return the elements of an array at an index."""
    return np.asarray(array[index.key])


def setitem(array: Array, index: Index, value: Any) -> Array:
    """Return an array with other elements at an index."""
    changed = array.copy()
    changed[index.key] = value
    return changed


def _has_array(key: Any) -> bool:
    return any(isinstance(each, np.ndarray | list) for each in (key if isinstance(key, tuple) else (key,)))


class Operation(NamedTuple):
    """An operation, with copies of its floating operands and of its result."""

    name: str
    site: internals.Site
    function: Callable[..., Any]
    args: Any
    options: dict[str, Any]
    operands: list[Array]
    memory: list[tuple[int, tuple[int, ...]]]
    """The addresses of the operands, and their strides."""
    result: Any

    @property
    def text(self) -> str:
        """The operation in words, with its line in the layer."""
        line = internals.line_at(self.site)
        return f"{self.name}, in `{line}`," if line else self.name

    def again(self, operands: Iterable[Array], **options: Any) -> Array:
        """Return the result for other operands and options."""
        left = iter(operands)

        def put(thing: Any) -> Any:
            if isinstance(thing, np.ndarray) and thing.dtype.kind == "f":
                return next(left)
            return type(thing)(put(each) for each in thing) if type(thing) in (list, tuple) else thing

        args = put(self.args)
        return np.asarray(self.function(*args, **{key: put(value) for key, value in self.options.items()} | options))


Change = Callable[["Trace", list[Array]], Array]
"""A replacement for an operation: from the trace and the operands to the result."""


class Trace:
    """The operations of one forward on `Traced` arrays, in order.

    Sites, addresses and results take time to record, and are left out unless `is_full`.
    """

    def __init__(
        self, instead: Mapping[Place, Reading] | None = None, changes: Mapping[int, Change] | None = None, is_full: bool = True
    ) -> None:
        self.instead = instead or {}
        """Readings that replace operands."""
        self.changes = changes or {}
        """Changes that replace operations."""
        self.is_full = is_full
        self.operations: list[Operation] = []
        self.is_over = False

    @property
    def operands(self) -> dict[Place, Array]:
        """All operands by their places."""
        return {(n, k): a for n, operation in enumerate(self.operations) for k, a in enumerate(operation.operands)}

    def watch(self, array: Array) -> Array:
        """Return a view of an array whose operations are recorded."""
        traced = array.view(Traced)
        traced.record = self
        return traced

    def perform(self, function: Any, name: str, args: Any, options: dict[str, Any]) -> Any:
        """Return the result of an operation, watched, and record the operation."""
        number = len(self.operations)
        operands: list[Array] = []
        memory: list[tuple[int, tuple[int, ...]]] = []

        def plain(thing: Any) -> Any:
            if isinstance(thing, np.ndarray):
                value = thing.view(np.ndarray)
                if value.dtype.kind != "f":
                    return value
                place = number, len(operands)
                operands.append(value.copy())
                if self.is_full:
                    memory.append((value.ctypes.data, value.strides))
                return self.instead[place](value) if place in self.instead else value
            return type(thing)(plain(each) for each in thing) if type(thing) in (list, tuple) else thing

        written = args[:1] if function.__name__ in WRITERS else ()
        args = (*bare(written), *plain(args[len(written) :]))
        held = {key: bare(value) for key, value in options.items() if key in ("out", "where")}
        options = {key: plain(value) for key, value in options.items() if key not in held}
        result = function(*args, **options, **held)
        out = held.pop("out", None)
        site = internals.site_in_the_layer() if self.is_full else ()
        copied = result.copy() if self.is_full and isinstance(result, np.ndarray) else result
        self.operations.append(Operation(name, site, function, args, options | held, operands, memory, copied))
        if number in self.changes:
            changed = self.changes[number](self, operands)
            if isinstance(result, np.ndarray) and out is not None:
                result[...] = changed
            else:
                result = changed
        return self.watched(result)

    def watched(self, result: Any) -> Any:
        """Return a result with the arrays in it watched."""
        if isinstance(result, np.ndarray | np.floating) and result.dtype.kind in "fb":
            return self.watch(np.asarray(result))
        if isinstance(result, tuple) and hasattr(result, "_make"):  # as of np.linalg.slogdet
            return result._make(self.watched(each) for each in result)
        if type(result) in (list, tuple):
            return type(result)(self.watched(each) for each in result)
        return result


class Traced(np.ndarray[Any, np.dtype[Any]]):
    """An array that belongs to a trace, as do the arrays computed from it."""

    record: Trace | None

    def __array_finalize__(self, source: Any) -> None:
        self.record = getattr(source, "record", None)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        """Perform a ufunc, into `out` where that is given."""
        if out is not None:
            options["out"] = out
        trace = self._trace_of(self) or self._trace_of((inputs, out))
        if trace is None:
            return getattr(ufunc, method)(*bare(inputs), **bare(options))
        name = REDUCTIONS.get(ufunc.__name__, ufunc.__name__) if method == "reduce" else ufunc.__name__
        result = trace.perform(getattr(ufunc, method), name, inputs, options)
        return result if out is None else out[0] if len(out) == 1 else out

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Perform any other function of NumPy."""
        trace = self._trace_of(self) or self._trace_of((args, kwargs))
        if trace is None:
            return func(*bare(args), **bare(kwargs))
        if func.__name__ in UNFOLDED:
            return func.__wrapped__(*args, **kwargs)
        names = list(signature(func).parameters)
        while 1 < len(args) <= len(names) and names[len(args) - 1] in ("axis", "mode"):  # as in np.sum(x, 1)
            args, kwargs = args[:-1], {names[len(args) - 1]: args[-1]} | kwargs
        return trace.perform(func, func.__name__, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        """Take elements; record the operation where an index is an array."""
        trace = self._trace_of(self)
        if trace is None:
            return super().__getitem__(key)
        if not _has_array(key):
            return trace.watched(super().__getitem__(key))
        return trace.perform(getitem, "indexing", (self, Index(bare(key))), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        """Replace elements; record the operation where an index is an array."""
        trace = self._trace_of(self)
        if trace is not None and _has_array(key):
            key, value = Ellipsis, trace.perform(setitem, "assignment", (self, Index(bare(key)), value), {})
        super().__setitem__(key, bare(value))

    @staticmethod
    def _trace_of(things: Any) -> Trace | None:
        if isinstance(things, Traced):
            return things.record if things.record is not None and not things.record.is_over else None
        inner = things.values() if isinstance(things, dict) else things if isinstance(things, list | tuple) else ()
        return next((trace for trace in map(Traced._trace_of, inner) if trace is not None), None)


def bare(thing: Any) -> Any:
    """Return plain arrays in place of traced ones."""
    if isinstance(thing, Traced):
        return thing.view(np.ndarray)
    if type(thing) in (list, tuple):
        return type(thing)(bare(each) for each in thing)
    if type(thing) is dict:
        return {key: bare(value) for key, value in thing.items()}
    return thing
