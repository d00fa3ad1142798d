"""A backward that raises."""

from __future__ import annotations

import re

import numpy as np

from ..context import CheckContext
from ..guards import attempt
from ..tracing import internals


def name_error(context: CheckContext, error: Exception) -> None:
    """Report a backward that raises, by its message and the line that raised it."""
    if any(finding.mistake == "stale-cache" for finding in context.report.findings):
        return  # which is why it raises
    place, line = attempt(context.report, "backward", lambda: internals.raising_line(error), ("", ""))
    said = f"backward raises {type(error).__name__}: {error}"
    said += f", at {place}" if place else ""
    said += f", `{line}`" if line else ""
    name = _target_of(context, line)
    correction = context.correction(name)
    is_product = "matmul" in str(error) or "not aligned" in str(error) or "mismatch in its core dimension" in str(error)
    if is_product:
        context.find("missing-transpose", name, f"{said}: the factors of the product do not fit", context.line(name))
    elif correction is not None and correction.mistake in OF_SHAPES:
        context.find(correction.mistake, name, said)
    else:
        context.find("raises", name if name in context.slopes and line else "backward", said)
    context.report.errors[name] = np.inf


OF_SHAPES = {"missing-transpose", "missing-batch-sum", "wrong-axis", "wrong-shape"}
"""Mistakes that can make backward raise, where their correction makes it pass."""


def _target_of(context: CheckContext, line: str) -> str:
    """Return the gradient that a line computes: of a parameter it mentions, or the first."""
    for path in context.twin.parameters:
        if re.search(rf"\b{re.escape(path.split('.')[-1])}\.(grad|add_grad)", line):
            return path
    name = re.match(r"d_?(\w+)\s*=", line)
    if name:
        for path in context.twin.parameters:
            if path.split(".")[-1].lower().startswith(name.group(1).lower()):
                return path
    return next(iter(context.yours.returned or context.slopes or {"backward": None}))
