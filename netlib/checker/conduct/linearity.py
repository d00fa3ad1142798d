"""Backward is linear in dout, and adds to the existing gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ...arrays import Array
from ..analytic import Gradients, Rng, as_numbers, gradients, random_douts, repeat
from ..blocks import blocks, largest, largest_finite
from ..equality import is_close
from ..report import Finding, GradientReport
from ..twin import Twin
from .repetition import nondeterministic_names, unrepeated_names

SOLVED = 1e-7
"""A relative error that a backward may have which solves an equation."""
LARGE, SMALL = 40, -10
"""Exponents of 2 by which dout grows and shrinks."""
OFF = 1e-4
"""The relative error that counts where dout has another size, and a solution fewer digits."""


def check_accumulation(twin: Twin, douts: Sequence[Array], plain: Gradients, report: GradientReport, rng: Rng, tolerance: float) -> None:
    """Report a backward that does not add to the existing gradients."""
    if plain.error is not None:
        return
    scale = {path: 1.0 if g is None or not g.size else largest(g) or 1.0 for path, g in plain.grads.items()}
    start = {path: repeat(partial(_away_from_zero, rng, scale[path]), p.shape, p.dtype) for path, p in twin.parameters.items()}
    twin.forward()
    after = gradients(twin, douts, prefilled=start)
    for path, g in plain.grads.items():
        total = after.grads[path]
        alone = np.zeros(start[path].shape) if g is None else g
        if path in nondeterministic_names(report) or total is None or total.shape != alone.shape or not np.isfinite(largest(alone)):
            continue
        wanted = np.add(start[path], alone, out=start[path])
        if is_close(total, wanted, tolerance):
            continue
        is_added = np.abs(total - wanted) <= tolerance * scale[path]
        if is_close(total, np.where(is_added, total, alone), tolerance):
            cause = "backward replaces the gradient that is there already, so a second backward or a second use of the parameter is lost"
            report.find(Finding("not-accumulated", path, cause, f"self.{path}.grad += …  (in place of =)"))
        else:
            cause = "the gradient that is there already is counted again: the result should be the old plus the new one"
            report.find(Finding("double-counted", path, cause, f"self.{path}.grad += …, with the new gradient alone on the right"))


def _away_from_zero(rng: Rng, scale: float, n: int) -> Array:
    return np.asarray(scale * (1 + rng.random(n)))


def check_linearity(
    twin: Twin, douts: Sequence[Array], plain: Gradients, report: GradientReport, rng: Rng, tolerance: float, rounding: float
) -> None:
    """Report gradients without backward(d1 + 2 d2) = backward(d1) + 2 backward(d2)."""
    tolerance = max(tolerance, SOLVED)
    if not twin.takes_dout:
        return
    others = random_douts(douts, rng)
    at = [plain, gradients_at(twin, others)]
    for d, other in zip(douts, others, strict=True):
        np.multiply(other, 2, out=other)
        np.add(d, other, out=other)
    at.append(gradients_at(twin, others, are_spent=True))
    del others
    if any(g.error is not None for g in at):
        return
    numbers = map(as_numbers, (*douts, *at[0].by_name.values()))
    size = max(largest_finite(g) for g in numbers if g is not None)
    terms = sum(d.size for d in douts)
    for name in at[0].by_name:
        a, b, both = (None if g.by_name[name] is None else as_numbers(g.by_name[name]) for g in at)
        if name in unrepeated_names(report) or a is None or b is None or both is None or not np.shape(a) == np.shape(b) == np.shape(both):
            continue
        sizes = [largest(g) for g in (a, b, both)]
        if not np.isfinite(sizes).all():
            continue
        apart = max((largest(i + 2 * j - k) for i, j, k in blocks(a, b, both)), default=0.0)
        cancelled = float(np.finfo(both.dtype).eps) * terms * size
        if apart <= tolerance * max(sizes) + max(rounding, cancelled):
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


def check_magnitudes(twin: Twin, douts: Sequence[Array], plain: Gradients, report: GradientReport, rounding: float) -> None:
    """Report gradients that do not scale with dout."""
    if not twin.takes_dout or plain.error is not None:
        return
    wrong = {finding.where for finding in report.findings}
    if any(finding.mistake.startswith("mutates") for finding in report.findings):
        return  # what was changed on the way shows here, too
    for exponent in (LARGE, SMALL):
        times = 2.0 ** max(-_reach(douts), min(exponent, _reach(douts)))
        there = gradients_at(twin, [np.asarray(d * times, d.dtype) for d in douts], are_spent=True)
        for name in plain.by_name:
            a, b = (None if g.by_name.get(name) is None else as_numbers(g.by_name[name]) for g in (plain, there))
            if name in wrong or a is None or b is None or a.shape != b.shape:
                continue
            size, most = largest(a), largest(b)
            if not np.isfinite([size, most]).all():
                continue
            if max((largest(j / times - i) for i, j in blocks(a, b)), default=0.0) <= OFF * size + rounding:
                continue
            wrong.add(name)
            if times > 1 and (np.abs(b) == most).sum() > 1:
                cause = f"with a dout {times:.0e} times larger no element exceeds {most:g}: backward clips the gradient"
                hint = "leave np.clip out of backward, and clip after it: nl.clip_grad_norm(model, …)"
            else:
                cause = f"with a dout {times:.0e} times as large the gradient is not {times:.0e} times as large"
                hint = "use dout once, as a plain factor"
            report.find(Finding("wrong-formula", name, cause, hint))


def _reach(douts: Sequence[Array]) -> float:
    """Return the exponent of 2 by which dout may grow or shrink in its floating type."""
    return min((np.finfo(d.dtype).maxexp / 4 for d in douts), default=0.0)


def gradients_at(twin: Twin, douts: Sequence[Array], are_spent: bool = False) -> Gradients:
    """Return the gradients for this dout, after another forward."""
    twin.forward()
    return gradients(twin, douts, are_spent=are_spent)
