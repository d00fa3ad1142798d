"""Thirty broken layers and three gradient checkers: netlib's, PyTorch's and JAX's.

Run ``python -m benchmarks.thirty`` (extra `bench`) for the table in docs/thirty-mistakes.md. The
layers reach the other two checkers as in `benchmarks.checkers`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import netlib as nl

from .checkers import check_by_jax, check_by_torch
from .thirty_layers import BROKEN, Broken

NOT_APPLICABLE = {
    ("AddBroadcastRaw", "PyTorch"): "PyTorch sums the gradient itself",
    ("ReluWritesDout", "JAX"): "arrays are read-only",
    ("Float64Gradient", "PyTorch"): "PyTorch casts the gradient itself",
    ("Float64Gradient", "JAX"): "JAX casts the gradient itself",
}


def instance(broken: Broken) -> tuple[nl.Layer, tuple[Any, ...]]:
    """Return the layer and its inputs, always with the same random numbers."""
    rng = np.random.default_rng(0)
    return broken.make(rng), broken.draw(rng)


def names_and_places(report: nl.GradientReport) -> str:
    """Return each mistake that netlib names, with the arrays that it affects."""
    places: dict[str, list[str]] = {}
    for finding in report.findings:
        places.setdefault(finding.mistake, []).append(finding.where)
    return "; ".join(f"{mistake} in {', '.join(where)}" for mistake, where in places.items()) or "passes"


def verdict(message: str, names: list[str]) -> str:
    """Return what another checker's message says: it passes, or fails, if possible with where."""
    if message == "passes":
        return message
    if mismatch := re.match(r"Jacobian mismatch for output \d+ with respect to input (\d+)", message):
        return f"fails in {names[int(mismatch[1])]}"
    if "VJP cotangent projection" in message:
        return "fails"
    return f"fails: “{textwrap.shorten(message, 60, placeholder=' …')}”"


def peer(who: str, check: Callable[..., str], broken: Broken) -> str:
    """Return the verdict of PyTorch's or JAX's checker, or why the mistake does not exist there."""
    layer, inputs = instance(broken)
    if reason := NOT_APPLICABLE.get((type(layer).__name__, who)):
        return f"not applicable: {reason}"
    n = len(inputs) - layer.n_nondifferentiable_inputs
    return verdict(check(layer, *inputs), [*(f"input {i}" for i in range(n)), *layer.parameters()])


def count(verdicts: Sequence[str]) -> str:
    """Return how many of the mistakes that exist for a checker it finds."""
    applicable = [verdict for verdict in verdicts if not verdict.startswith("not applicable")]
    return f"finds {len(applicable) - applicable.count('passes')} of {len(applicable)}"


def table_and_sums() -> str:
    """Check every layer three times; return the table, and how many mistakes each checker finds."""
    rows, n_named = [], 0
    for broken in BROKEN:
        layer, inputs = instance(broken)
        report = nl.check_gradients(layer, *inputs)
        n_named += not report.ok and {finding.mistake for finding in report.findings} <= broken.accepted
        verdicts = (names_and_places(report), peer("PyTorch", check_by_torch, broken), peer("JAX", check_by_jax, broken))
        rows.append((type(layer).__name__, broken.mistake, *verdicts))
    by_netlib, by_torch, by_jax = list(zip(*rows, strict=True))[2:]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"""| layer | the mistake | netlib | PyTorch | JAX |
|---|---|---|---|---|
{table}

- netlib {count(by_netlib)}, and gives {n_named} a name that the layer's author accepts.
- PyTorch {count(by_torch)}.
- JAX {count(by_jax)}."""


if __name__ == "__main__":
    print(table_and_sums())
