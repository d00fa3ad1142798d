"""Code that depends on the Python interpreter: swapped classes, replaced globals, frames.

All of the checker's code of this kind is here. A new version of Python may break it. Mistakes then
get less specific names, and a note says so; the verdict `report.ok` does not change.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from types import CodeType, FrameType, FunctionType
from typing import Any

Site = tuple[tuple[CodeType, int], ...]
"""Where an operation is called: the instruction in the layer's own code, and its callers."""


def set_class(thing: Any, kind: type) -> None:
    """Change the class of an object."""
    thing.__class__ = kind


@contextmanager
def temporary_class(thing: Any, kind: type) -> Iterator[None]:
    """Temporarily change the class of an object."""
    own = type(thing)
    set_class(thing, kind)
    try:
        yield
    finally:
        set_class(thing, own)


def names_of(thing: object, function: FunctionType) -> set[str]:
    """Return the global names by which a function mentions an object."""
    return {name for name in _names(function.__code__) if function.__globals__.get(name) is thing}


def _names(code: CodeType) -> set[str]:
    """Return the names in a function, and in the comprehensions and functions inside it."""
    return set(code.co_names).union(*(_names(each) for each in code.co_consts if isinstance(each, CodeType)))


def with_globals(function: FunctionType, known: dict[str, Any]) -> FunctionType:
    """Return a copy of a function that finds other objects under some global names."""
    other = FunctionType(function.__code__, function.__globals__ | known, function.__name__, function.__defaults__, function.__closure__)
    other.__kwdefaults__ = function.__kwdefaults__
    return other


def with_code(function: FunctionType, module: CodeType) -> FunctionType:
    """Return a copy of a function with the code of its name in a compiled module."""
    code = next(each for each in _codes(module) if each.co_name == function.__name__)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    closure = tuple(cells[name] for name in code.co_freevars)
    other = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, closure)
    other.__kwdefaults__ = function.__kwdefaults__
    return other


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)


def evaluate(text: str, function: FunctionType, local: dict[str, Any]) -> Any:
    """Return the value of an expression among the global names of a function."""
    return eval(compile(text, "<an expression>", "eval"), function.__globals__, local)


def free_names(function: FunctionType) -> list[str]:
    """Return the names that a function takes from the functions around it."""
    return [name for name in function.__code__.co_freevars if name != "__class__"]


def place_of(function: FunctionType) -> tuple[str, int]:
    """Return the file of a function, and the number of its first line."""
    return function.__code__.co_filename, function.__code__.co_firstlineno


def site_in_the_layer() -> Site:
    """Return where the layer's own code calls the operation that is being recorded."""
    frame: FrameType | None = sys._getframe(1)
    found: list[tuple[CodeType, int]] = []
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module == "netlib.checker.twin":
            break
        if not module.startswith(("numpy.", "netlib.checker.")):
            found.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(found)


def line_at(site: Site) -> str:
    """Return the line of source code at a site; "" where it is unknown."""
    code, instruction = site[0]
    numbers = next(islice(code.co_positions(), instruction // 2, None))
    return linecache.getline(code.co_filename, numbers[0] or 0).strip()


def raising_line(error: Exception) -> tuple[str, str]:
    """Return the place and text of the last line of the layer's own code that led to an error."""
    found = "", ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] not in ("numpy", "scipy", "netlib"):
            line = linecache.getline(code.co_filename, trace.tb_lineno).strip()
            found = f"{code.co_filename}:{trace.tb_lineno}", line
        trace = trace.tb_next
    return found


class Frames:
    """The observations of functions that ran: lines, and local names on return."""

    def __init__(self) -> None:
        self.n_lines = 0
        self.local: dict[str, dict[str, Any]] = {}


@contextmanager
def watching_frames(functions: Iterable[FunctionType]) -> Iterator[Frames]:
    """Count the lines that run, and keep the local names of some functions when they return."""
    found = Frames()
    codes = {function.__code__: function.__name__ for function in functions}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        found.n_lines += event == "line"
        if event == "return" and frame.f_code in codes:
            found.local[codes[frame.f_code]] = dict(frame.f_locals)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield found
    finally:
        sys.settrace(before)
