"""Arrays that write down every operation that they go into, and in whose place another array can be put into one of them."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array

Place = tuple[int, int]
"""The number of an operation in a forward, and the number of an operand in it."""

Reading = Callable[[Array], Array]
"""What an operation reads where an operand stands."""

REDUCTIONS = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}


class Operation(NamedTuple):
    """What an operation was, the plain arrays that went into it, and what came out."""

    text: str
    operands: list[Array]
    result: Any


class Trace:
    """The operations of one forward on arrays derived from a `Traced` one, with the operands that are such arrays."""

    def __init__(self, instead: Mapping[Place, Reading] | None = None, results: Mapping[int, Array] | None = None) -> None:
        self.instead = instead or {}
        """What is read in the place of an operand."""
        self.results = results or {}
        """What is put in the place of the result of an operation."""
        self.operands: dict[Place, Array] = {}
        self.operations: list[Operation] = []
        self.is_over = False

    def watch(self, array: Array) -> Array:
        """Return a view of an array whose operations are written down."""
        traced = array.view(Traced)
        traced.record = self
        return traced

    def perform(self, operation: Any, name: str, args: Any, options: dict[str, Any]) -> Any:
        """Return what an operation gives on plain arrays, in an array that is watched again."""
        number, n_operands = len(self.operations), 0

        def plain(thing: Any) -> Any:
            nonlocal n_operands
            if isinstance(thing, Traced):
                value = thing.view(np.ndarray)
                if value.dtype.kind != "f":
                    return value
                place = number, n_operands
                n_operands += 1
                self.operands[place] = value.copy()
                return self.instead[place](value) if place in self.instead else value
            if type(thing) in (list, tuple):
                return type(thing)(plain(each) for each in thing)
            return thing

        args = plain(args)
        options = {key: bare(value) if key in ("out", "where") else plain(value) for key, value in options.items()}
        result = operation(*args, **options)
        held = [a for each in args for a in (each if isinstance(each, list | tuple) else [each])]
        self.operations.append(Operation(name, [a for a in held if isinstance(a, np.ndarray) and a.dtype.kind == "f"], result))
        return self._watched(self.results.get(number, result))

    def _watched(self, result: Any) -> Any:
        if isinstance(result, np.ndarray | np.floating) and result.dtype.kind in "fb":
            return self.watch(np.asarray(result))
        if type(result) in (list, tuple):
            return type(result)(self._watched(each) for each in result)
        return result


class Traced(np.ndarray[Any, np.dtype[Any]]):
    """An array that belongs to a trace, as do the arrays that are computed with it."""

    record: Trace | None

    def __array_finalize__(self, source: Any) -> None:
        self.record = getattr(source, "record", None)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        """Perform a ufunc, into `out` where that is given."""
        if out is not None:
            options["out"] = out
        trace = self._trace_of((inputs, out))
        if trace is None:
            return getattr(ufunc, method)(*bare(inputs), **bare(options))
        result = trace.perform(
            getattr(ufunc, method),
            described(REDUCTIONS.get(ufunc.__name__, ufunc.__name__) if method == "reduce" else ufunc.__name__),
            inputs,
            options,
        )
        return result if out is None else out[0] if len(out) == 1 else out

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Perform any other function of NumPy."""
        trace = self._trace_of((args, kwargs))
        if trace is None:
            return func(*bare(args), **bare(kwargs))
        return trace.perform(func, described(func.__name__), args, kwargs)

    @staticmethod
    def _trace_of(things: Any) -> Trace | None:
        if isinstance(things, Traced):
            return things.record if things.record is not None and not things.record.is_over else None
        inner = things.values() if isinstance(things, dict) else things if isinstance(things, list | tuple) else ()
        return next((trace for trace in map(Traced._trace_of, inner) if trace is not None), None)


def bare(thing: Any) -> Any:
    """Return plain arrays in the place of traced ones."""
    if isinstance(thing, Traced):
        return thing.view(np.ndarray)
    if type(thing) in (list, tuple):
        return type(thing)(bare(each) for each in thing)
    if type(thing) is dict:
        return {key: bare(value) for key, value in thing.items()}
    return thing


def described(operation: str) -> str:
    """Return the name of an operation, with the line of the layer that it stands in."""
    frame = sys._getframe(2)
    while frame.f_back is not None and ("numpy" in (name := frame.f_globals.get("__name__", "")).split(".") or name == __name__):
        frame = frame.f_back
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    return f"{operation}, in `{line}`," if line else operation
