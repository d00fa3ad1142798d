"""A backward that raises."""

from __future__ import annotations

import linecache
import re
from typing import Any

import numpy as np

from ..context import CheckContext


def name_the_error(context: CheckContext, error: Exception) -> None:
    """Report a backward that raises, from what it says and the line it stands in."""
    line, at = _raising_line(error)
    said = f"backward raises {type(error).__name__}: {error}" + (f", at `{line}`" if line else "")
    name = _target_of(context, line, at)
    is_product = "matmul" in str(error) or "not aligned" in str(error) or "mismatch in its core dimension" in str(error)
    if is_product:
        context.find("missing-transpose", name, f"{said}: the factors of the product do not fit as they stand", context.line(name))
    elif isinstance(error, ValueError):
        context.find("wrong-shape", name, said, context.line(name))
    else:
        context.find("raises", name, said, context.line(name))
    context.report.errors[name] = np.inf


def _raising_line(error: Exception) -> tuple[str, Any]:
    """Return the last line of the layer's own code on the way to the error, and its frame."""
    found: tuple[str, Any] = ("", None)
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "netlib/checker/" not in code.co_filename.replace("\\", "/"):
            line = linecache.getline(code.co_filename, trace.tb_lineno).strip()
            found = (line, trace.tb_frame) if line else found
        trace = trace.tb_next
    return found


def _target_of(context: CheckContext, line: str, frame: Any) -> str:
    """Return which gradient the line computes: that of the parameter whose grad it mentions, else the first input's."""
    for path in context.twin.parameters:
        if re.search(rf"\b{re.escape(path.split('.')[-1])}\.(grad|add_grad)", line):
            return path
    name = re.match(r"d_?(\w+)\s*=", line)
    if name:
        for path in context.twin.parameters:
            if path.split(".")[-1].lower().startswith(name.group(1).lower()):
                return path
    return next(iter(context.yours.returned or context.slopes or {"backward": None}))
