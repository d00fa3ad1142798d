"""Outputs and gradients keep the floating type of the inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...errors import InvalidTypeError
from ...inspection import is_float
from ...layer import Layer
from ..analytic import Gradients, gradients, random_douts
from ..guards import UserCodeError
from ..report import Finding, GradientReport
from ..twin import Twin


def check_dtypes(own: Twin, ys: Sequence[Any], found: Gradients, report: GradientReport) -> None:
    """Report outputs and gradients of another floating type."""
    for finding in _changed(own, ys, found):
        report.find(finding)


def note_float32(layer: Layer, inputs: tuple[Any, ...], report: GradientReport) -> None:
    """Note the same for a copy in float32, if all given numbers are float64 and so hide it."""
    if _types(layer, inputs) != {"float64"}:
        return
    try:
        twin = Twin(layer, inputs, np.dtype(np.float32))
        ys = twin.forward()
        found = list(_changed(twin, ys, gradients(twin, random_douts(ys, np.random.default_rng(0), twin.takes_dout))))
    except (UserCodeError, InvalidTypeError):
        return  # the layer takes float64 alone
    for finding in found:
        report.note(finding.mistake, finding.where, f"in float32 {finding.cause}; {finding.hint}")


def _types(layer: Layer, inputs: Sequence[Any]) -> set[str]:
    """Return the floating types of the differentiable inputs and of the parameters."""
    given = inputs[: layer.count_differentiable(len(inputs))]
    return {x.dtype.name for x in given if is_float(x)} | {p.dtype.name for p in layer.parameters().values()}


def _changed(twin: Twin, ys: Sequence[Any], found: Gradients) -> Iterator[Finding]:
    """Yield a finding for each output and gradient of another floating type."""
    came = _types(twin.layer, twin.inputs)
    if not came:
        return
    for i, y in enumerate(ys):
        kind = np.asarray(y).dtype
        if isinstance(y, np.ndarray) and kind.kind == "f" and kind.name not in came:
            cause = f"the output is {kind.name}, though all inputs and parameters are {' or '.join(sorted(came))}"
            where = "forward" if len(ys) == 1 else f"output {i}"
            yield Finding("dtype-changed", where, cause, "give constants and buffers the type of x: np.zeros(shape, x.dtype)")
    allowed = came | {np.asarray(y).dtype.name for y in ys if isinstance(y, np.ndarray)}
    for name, d in found.returned.items():
        if isinstance(d, np.ndarray) and d.dtype.name not in allowed:
            expected = twin.slots[name].dtype.name
            cause = f"the gradient is {d.dtype.name}, though input and dout are {' and '.join(sorted({expected, *allowed}))}"
            yield Finding("dtype-changed", name, cause, f"give constants and buffers the type of dout, here {expected}")
