"""Outputs and gradients keep the floating type of the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array
from ..analytic import gradients
from ..report import Finding, GradientReport
from ..twin import Twin


def check_dtypes(twin: Twin, douts: Sequence[Array], ys: Sequence[Any], report: GradientReport) -> None:
    """Report outputs of the last forward, and gradients, of another floating type."""
    floats = [twin.inputs[i].dtype for i in twin.float_inputs]
    came = {d.name for d in floats} | {p.dtype.name for p in twin.parameters.values()}
    if not came:
        return
    for i, y in enumerate(ys):
        kind = np.asarray(y).dtype
        if isinstance(y, np.ndarray) and kind.kind == "f" and kind.name not in came:
            cause = f"the output is {kind.name}, though all inputs and parameters are {' or '.join(sorted(came))}"
            where = "forward" if len(ys) == 1 else f"output {i}"
            report.find(Finding("dtype-changed", where, cause, "give constants and buffers the type of x: np.zeros(shape, x.dtype)"))
    given = gradients(twin, douts)
    allowed = came | {np.asarray(y).dtype.name for y in ys if isinstance(y, np.ndarray)}
    for name, d in given.returned.items():
        if isinstance(d, np.ndarray) and d.dtype.name not in allowed:
            wanted = twin.slots[name].dtype.name
            cause = f"the gradient is {d.dtype.name}, though input and dout are {' and '.join(sorted({wanted, *allowed}))}"
            report.find(Finding("dtype-changed", name, cause, f"give constants and buffers the type of dout, here {wanted}"))
