"""What depends on the Python interpreter: exchanged classes, functions with other globals, frames.

All of the checker's code of this kind is here. A new version of Python may break it. Mistakes then
get vaguer names, and a note says so; the verdict `report.ok` is the same.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from types import CodeType, FrameType, FunctionType
from typing import Any

Site = tuple[tuple[CodeType, int], ...]
"""Where an operation is called: the instruction in the layer's own code, and its callers."""


def set_class(thing: Any, kind: type) -> None:
    """Give an object another class."""
    thing.__class__ = kind


@contextmanager
def temporary_class(thing: Any, kind: type) -> Iterator[None]:
    """Give an object another class for a while."""
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


def raising_line(error: Exception) -> str:
    """Return the last line of the layer's own code on the way to an error."""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "netlib/checker/" not in code.co_filename.replace("\\", "/"):
            found = linecache.getline(code.co_filename, trace.tb_lineno).strip() or found
        trace = trace.tb_next
    return found
