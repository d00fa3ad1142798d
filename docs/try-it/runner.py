"""Run the code of the page "Try it": what it prints, the value of its last line, what is wrong."""

import ast
import io
import linecache
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

FILE = "your_code.py"
MOST_TEXT = 100_000
"""Characters that are shown; a loop that prints for ever would fill the page."""


def run(source: str, show: Callable[..., object]) -> None:
    """Run `source` in a new module and call `show` with each result.

    Calls are ``show("text", printed)``, ``show("picture", svg, page, description)`` for a last line
    that is a drawing, and ``show("error", message)``. The code is in a file, since the gradient
    checker reads the source of a layer.
    """
    Path(FILE).write_text(source, encoding="utf-8")
    linecache.checkcache(FILE)
    module = sys.modules["your_code"] = ModuleType("your_code")
    module.__file__ = FILE
    output = _Output(show)
    with redirect_stdout(output), redirect_stderr(output):
        try:
            _show_value(_run(source, vars(module)), show)
        except BaseException as error:
            show("error", _explained(error))


class _Output(io.TextIOBase):
    def __init__(self, show: Callable[..., object]) -> None:
        self._show, self._left = show, MOST_TEXT

    def write(self, text: str) -> int:
        if self._left > 0:
            self._show("text", text[: self._left] + ("\n… what follows is not shown\n" if len(text) >= self._left else ""))
        self._left -= len(text)
        return len(text)


def _run(source: str, names: dict[str, Any]) -> Any:
    """Run the lines, and return the value of the last one if it is an expression."""
    tree = ast.parse(source, FILE)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, FILE, "exec"), names)
    return eval(compile(ast.Expression(last.value), FILE, "eval"), names) if last else None


def _show_value(value: Any, show: Callable[..., object]) -> None:
    if hasattr(value, "_repr_svg_"):
        wrong = f"; wrong gradients, in red: {', '.join(value.wrong)}" if value.wrong else ""
        show("picture", value.svg, value.html, f"{value}{wrong}")
    elif value is not None:
        print(repr(value))


def _explained(error: BaseException) -> str:
    """Return the error as Python shows it, with the lines of the user's own code alone."""
    lines = traceback.TracebackException.from_exception(error)
    lines.stack = traceback.StackSummary.from_list([frame for frame in lines.stack if frame.filename == FILE])
    return "".join(lines.format(chain=False)).rstrip()
