"""Arrays that record the operations on them, and can be replaced in single operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
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
    """An index in square brackets, which is not an operand."""

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


class Change(NamedTuple):
    """A replacement for an operation."""

    result: Callable[[list[Array]], Array]
    """From the operands to the result."""
    source: Place | None = None
    """The place of an earlier operand that `result` takes in place of the operation's own."""


class Trace:
    """The operations of one forward on `Traced` arrays, in order."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.is_over = False

    def watch(self, array: Array) -> Array:
        """Return a view of an array whose operations are recorded."""
        traced = array.view(Traced)
        traced.record = self
        return traced

    def perform(self, function: Any, name: str, args: Any, options: dict[str, Any]) -> Any:
        """Return the result of an operation, watched, and record the operation."""
        operands: list[Array] = []
        memory: list[tuple[int, tuple[int, ...]]] = []

        def note(value: Array) -> Array:
            operands.append(value.copy())
            memory.append((value.ctypes.data, value.strides))
            return value

        args, options, held = _with_operands(note, function, args, options)
        result = function(*args, **options, **held)
        held.pop("out", None)
        copied = result.copy() if isinstance(result, np.ndarray) else result
        site = internals.site_in_the_layer()
        self.operations.append(Operation(name, site, function, args, options | held, operands, memory, copied))
        return self.watched(result)

    def watched(self, result: Any) -> Any:
        """Return a result with the arrays in it watched."""
        if isinstance(result, np.ndarray) or isinstance(result, np.floating):  # noqa: SIM101 - twice as fast as one call
            return self.watch(np.asarray(result)) if result.dtype.kind in "fb" else result
        if isinstance(result, tuple) and hasattr(result, "_make"):  # as of np.linalg.slogdet
            return result._make(self.watched(each) for each in result)
        if type(result) in (list, tuple):
            return type(result)(self.watched(each) for each in result)
        return result


class Rerun(Trace):
    """A forward with other operands and operations, identified by their numbers.

    It records no operations.
    """

    def __init__(self, instead: Mapping[Place, Reading], changes: Mapping[int, Change]) -> None:
        super().__init__()
        self._instead = instead
        self._changes = changes
        self._sources: dict[Place, Array] = {}
        self._wanted = {change.source for change in changes.values() if change.source is not None}
        self._touched = {*(n for n, _ in instead), *changes, *(n for n, _ in self._wanted)}
        self._count = 0

    def perform(self, function: Any, name: str, args: Any, options: dict[str, Any]) -> Any:
        """Return the result of an operation or of its replacement, watched."""
        number = self._count
        self._count += 1
        if number in self._touched:
            return self.watched(self._replaced(number, function, args, options))
        return self.watched(function(*bare(args), **bare(options)) if options else function(*bare(args)))

    def _replaced(self, number: int, function: Any, args: Any, options: dict[str, Any]) -> Any:
        operands: list[Array] = []

        def read(value: Array) -> Array:
            place = number, len(operands)
            operands.append(value.copy())
            if place in self._wanted:
                self._sources[place] = operands[-1]
            return self._instead[place](value) if place in self._instead else value

        args, options, held = _with_operands(read, function, args, options)
        result = function(*args, **options, **held)
        if number not in self._changes:
            return result
        change = self._changes[number]
        changed = change.result(operands if change.source is None else [self._sources[change.source]])
        if not (isinstance(result, np.ndarray) and held.get("out") is not None):
            return changed
        result[...] = changed
        return result


def _with_operands(read: Reading, function: Any, args: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return arguments and options with each operand read, and the non-operand options."""

    def plain(thing: Any) -> Any:
        if isinstance(thing, np.ndarray):
            value = thing.view(np.ndarray)
            return read(value) if value.dtype.kind == "f" else value
        return type(thing)(plain(each) for each in thing) if type(thing) in (list, tuple) else thing

    written = args[:1] if function.__name__ in WRITERS else ()
    args = (*bare(written), *plain(args[len(written) :]))
    held = {key: bare(value) for key, value in options.items() if key in ("out", "where")}
    return args, {key: plain(value) for key, value in options.items() if key not in held}, held


class Traced(np.ndarray[Any, np.dtype[Any]]):
    """An array that belongs to a trace, as do the arrays computed from it."""

    record: Trace | None

    def __array_finalize__(self, source: Any) -> None:
        self.record = getattr(source, "record", None)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        """Perform a ufunc, into `out` if given."""
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
        trace = self._trace_of((self, args, kwargs))
        if trace is None:
            return func(*bare(args), **bare(kwargs))
        if func.__name__ in UNFOLDED:
            return func.__wrapped__(*args, **kwargs)
        names = _names_of_parameters(func)
        while 1 < len(args) <= len(names) and names[len(args) - 1] in ("axis", "mode"):  # as in np.sum(x, 1)
            args, kwargs = args[:-1], {names[len(args) - 1]: args[-1]} | kwargs
        return trace.perform(func, func.__name__, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        """Take elements; record the operation if an index is an array."""
        trace = self._trace_of(self)
        if trace is None:
            return super().__getitem__(key)
        if not _has_array(key):
            return trace.watched(super().__getitem__(key))
        return trace.perform(getitem, "indexing", (self, Index(bare(key))), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        """Replace elements; record the operation if an index is an array."""
        trace = self._trace_of(self)
        if trace is not None and _has_array(key):
            key, value = Ellipsis, trace.perform(setitem, "assignment", (self, Index(bare(key)), value), {})
        super().__setitem__(key, bare(value))

    @staticmethod
    def _trace_of(things: Any) -> Trace | None:
        if isinstance(things, Traced):
            return things.record if things.record is not None and not things.record.is_over else None
        kind = type(things)
        if kind is tuple or kind is list or kind is dict:
            for thing in things.values() if kind is dict else things:
                trace = Traced._trace_of(thing)
                if trace is not None:
                    return trace
        return None


@cache
def _names_of_parameters(function: Any) -> list[str]:
    try:
        return list(signature(function).parameters)
    except ValueError:  # before NumPy 2.4, what is written in C has none
        return ["arrays", "axis"] if function is np.concatenate else []


def bare(thing: Any) -> Any:
    """Return plain arrays instead of traced ones."""
    if isinstance(thing, Traced):
        return thing.view(np.ndarray)
    kind = type(thing)
    if kind is tuple or kind is list:
        return kind([bare(each) for each in thing])
    if kind is dict:
        return {key: bare(value) for key, value in thing.items()}
    return thing
