"""Backward is linear in dout, and adds to the gradients that are there already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...arrays import Array
from ..analytic import Gradients, Rng, as_numbers, gradients, random_douts
from ..equality import is_close
from ..report import Finding, GradientReport
from ..twin import Twin
from .repetition import nondeterministic_names


def check_accumulation(twin: Twin, douts: Sequence[Array], plain: Gradients, report: GradientReport, rng: Rng, tolerance: float) -> None:
    """Report a backward that does not add to the gradients that are there already."""
    if plain.error is not None:
        return
    scale = {path: 1.0 if g is None or not g.size else float(np.abs(g).max()) or 1.0 for path, g in plain.grads.items()}
    start = {path: np.asarray(scale[path] * (1 + rng.random(p.shape)), p.dtype) for path, p in twin.parameters.items()}
    twin.forward()
    after = gradients(twin, douts, prefilled=start)
    for path, g in plain.grads.items():
        total = after.grads[path]
        alone = np.zeros(start[path].shape) if g is None else g
        if (
            path in nondeterministic_names(report)
            or total is None
            or total.shape != alone.shape
            or not np.isfinite(alone).all()
            or is_close(total, start[path] + alone, tolerance)
        ):
            continue
        is_added = np.abs(total - start[path] - alone) <= tolerance * scale[path]
        if is_close(total, np.where(is_added, total, alone), tolerance):
            cause = "backward replaces the gradient that is there already, so a second backward or a second use of the parameter is lost"
            report.find(Finding("not-accumulated", path, cause, f"self.{path}.grad += …  (in place of =)"))
        else:
            cause = "the gradient that is there already is counted again: the result should be the old plus the new one"
            report.find(Finding("double-counted", path, cause, f"self.{path}.grad += …, with the new gradient alone on the right"))


def check_linearity(twin: Twin, douts: Sequence[Array], plain: Gradients, report: GradientReport, rng: Rng, tolerance: float) -> None:
    """Report gradients without backward(d1 + 2 d2) = backward(d1) + 2 backward(d2)."""
    if not twin.takes_dout:
        return
    others = random_douts(douts, rng)
    at = [plain, *(gradients_at(twin, d) for d in (others, [a + 2 * b for a, b in zip(douts, others, strict=True)]))]
    if any(g.error is not None for g in at):
        return
    for name in at[0].by_name:
        a, b, both = (None if g.by_name[name] is None else as_numbers(g.by_name[name]) for g in at)
        if (
            name in nondeterministic_names(report)
            or a is None
            or b is None
            or both is None
            or not np.shape(a) == np.shape(b) == np.shape(both)
        ):
            continue
        if not (np.isfinite(a).all() and np.isfinite(b).all() and np.isfinite(both).all()):
            continue
        scale = max((float(np.abs(g).max()) for g in (a, b, both) if g.size), default=0.0)
        rounding = np.finfo(both.dtype).eps * sum(float(np.abs(d).sum()) for d in douts)  # of a sum that cancels
        if not both.size or float(np.abs(a + 2 * b - both).max()) <= tolerance * scale + rounding:
            continue
        if is_close(a, b, tolerance):
            cause = "the gradient is the same whatever dout is: backward forgets to multiply by it"
            report.find(Finding("ignores-upstream", name, cause, "… * dout: the chain rule, dL/dx = dL/dy · dy/dx"))
            continue
        if any(finding.mistake.startswith("mutates") for finding in report.findings):
            continue  # what was changed on the way shows here, too
        none = gradients_at(twin, [0 * d for d in douts]).by_name[name]
        if none is not None and np.shape(none) == a.shape and np.any(none):
            cause = "with dout = 0 the gradient is not 0: a term is not multiplied by dout"
            mistake = "ignores-upstream" if np.allclose(np.asarray(none) + (a - none), a) and is_close(none, b, 0.5) else "wrong-formula"
            report.find(Finding(mistake, name, cause, "every term of a backward has dout as a factor"))
            continue
        d = np.concatenate([np.ravel(each) for each in douts])
        if a.size == d.size and bool((a.ravel()[d < 0] == 0).all()):
            cause = "the gradient is zero where dout is negative: the mask is that of dout in place of that of the input"
            report.find(Finding("missing-mask", name, cause, "dout * (x > 0), with the x of forward"))
        else:
            cause = "the gradient is not linear in dout: twice the dout must give twice the gradient"
            report.find(Finding("wrong-formula", name, cause, "use dout once, as a plain factor"))


def gradients_at(twin: Twin, douts: Sequence[Array]) -> Gradients:
    """Return the gradients for this dout, after another forward."""
    twin.forward()
    return gradients(twin, douts)
