"""The results of forward, which must be arrays; weights that are not parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...inspection import deep_copy
from ...layer import Layer
from ...recording import record_calls
from ..analytic import backward_or_none
from ..context import CheckContext
from ..guards import UserCodeError, call_user_code
from ..report import Finding, GradientReport
from ..twin import Twin


def check_results(layer: Layer, inputs: tuple[Any, ...], report: GradientReport) -> None:
    """Report layers whose forward returns anything but numbers.

    Exceptions of forward are raised, unless a layer before it is to blame.
    """
    try:
        if not describe_result(Twin(layer, inputs).result()):
            return
        error = None
    except UserCodeError as raised:
        error = raised
    running = deep_copy(layer, "the check works on a copy")
    with record_calls(running) as calls:
        try:
            y = call_user_code(running.forward, *(x.copy() for x in inputs))
        except UserCodeError:
            y = np.zeros(0)
    for path, part, _, output in [*calls, ("", running, (), y)]:
        what = describe_result(output)
        if what:
            hint = "return y" if output is None else "return y, or return y1, y2"
            report.find(Finding("wrong-output", f"{path}: forward" if path else "forward", what, hint, layer=f"{path} {part!r}".strip()))
            return
    if error is not None:
        raise error


def describe_result(y: Any) -> str:
    """Return, in words, what is wrong with a result of forward; "" if nothing is."""
    if y is None:
        return "forward returns nothing: its last line should return the output"
    if isinstance(y, tuple | list) and y and all(not describe_result(each) for each in y):
        return ""
    if not isinstance(y, np.ndarray | np.number | float | int):
        return f"forward returns a {type(y).__name__}, expected an array, or a tuple of arrays"
    if np.asarray(y).dtype.kind not in "fiub":
        return f"forward returns an array of {np.asarray(y).dtype}, expected real numbers"
    return ""


def note_bare_weights(layer: Layer, twin: Twin, report: GradientReport) -> None:
    """Note arrays for which backward keeps a gradient, although they are not parameters."""
    before, after = _arrays(vars(layer)), _arrays(vars(twin.layer))
    for key, value in before.items():
        for other, gradient in after.items():
            is_its_gradient = other.replace("_", "").lower() in {f"d{key}".lower(), f"grad{key}".lower(), f"{key}grad".lower()}
            if is_its_gradient and gradient.shape == value.shape:
                text = f"a plain array, so self.{other} was not compared, and no optimizer will see it"
                report.note("not-compared", f"self.{key}", f"{text}; self.{key} = nl.Parameter(…), and self.{key}.grad += … in backward")


def note_nothing_compared(context: CheckContext) -> None:
    """Note why no gradient was compared although there are some; the report is then not ok."""
    report, twin = context.report, context.twin
    if report.findings or report.directions or any(n for n, _ in report.covered.values()):
        return
    if twin.slots:
        name, array = next(iter(twin.slots.items()))
        report.is_empty = True
        report.note("not-compared", name, "no slope could be measured" if array.size else "it has no elements; pass some")
        return
    twin.forward()
    dx = backward_or_none(twin, context.douts)
    for i, g in enumerate(dx if isinstance(dx, tuple | list) else [dx]):
        if isinstance(g, np.ndarray) and g.dtype.kind == "f" and g.any():
            report.is_empty = True
            report.note("not-compared", f"input {i}", "it holds integers, which have no slopes; pass floating-point numbers")


def _arrays(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if isinstance(value, np.ndarray) and value.dtype.kind == "f"}
