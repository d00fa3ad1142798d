"""What probes share: random dout, and how to tell whether two arrays are one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array
from ..analytic import as_numbers
from ..report import GradientReport
from ..twin import Twin

Rng = np.random.Generator


def random_douts(ys: Sequence[Any], rng: Rng, is_used: bool = True) -> list[Array]:
    """Return a random dout for each output, of both signs and never near zero; ones for a backward that takes none."""
    douts = []
    for y in map(np.asarray, ys):
        d = rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape) if is_used else np.ones(y.shape)
        douts.append(np.asarray(d, y.dtype if y.dtype.kind == "f" else float))
    return douts


def same(a: Any, b: Any) -> bool:
    """Return whether two outputs or gradients are the same, bit for bit but for NaN."""
    if a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc" and b.dtype.kind in "fc"))


def close(a: Any, b: Any, tolerance: float) -> bool:
    """Return whether two arrays agree, measured against the largest element."""
    a, b = (None if g is None else as_numbers(g) for g in (a, b))
    if a is None or b is None:
        return a is b
    if a.shape != b.shape:
        return False
    if not a.size:
        return True
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return bool(np.array_equal(np.isfinite(a), np.isfinite(b)))
    return float(np.abs(a - b).max()) <= tolerance * max(float(np.abs(a).max()), float(np.abs(b).max()))


def random_names(report: GradientReport) -> set[str]:
    """Return the names whose gradients backward draws anew each time."""
    return {finding.where for finding in report.findings if finding.mistake == "nondeterministic"}


def backward_quietly(twin: Twin, douts: list[Array]) -> Any:
    """Return what backward returns; None where it raises."""
    try:
        return twin.backward(douts)
    except Exception:
        return None


def said(error: Exception | None) -> str:
    """Return an error in words."""
    return f"{type(error).__name__} ({error})"
