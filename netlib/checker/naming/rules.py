"""Which rule is asked when."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from ..context import CheckContext
from ..measuring.differences import Slopes
from .axes import axis, summed
from .copies import unread
from .couplings import coupling, shared
from .explanations import as_elsewhere
from .formulas import in_places, pattern
from .masks import mask, unmasked
from .missing_paths import path, path_of_one_run, scaled_path
from .missing_terms import double, targets, term
from .mixed_rows import mixed_rows
from .other_forwards import lost_repeat, variant
from .outputs import one_output
from .scale import scale, zero
from .swaps import of_another_input
from .transposes import reordering, transpose, transposed_weight

PROVEN_BY_PROBES = {"ignores-upstream", "missing-mask", "wrong-formula", "nondeterministic"}
CONSEQUENCE_OF = {"mutates-parameters", "mutates-input", "stale-cache"}


def name_the_mistake(context: CheckContext, name: str, wrong: Array) -> None:
    """Report why the gradient of one array differs from the measured one."""
    for finding in context.report.findings:
        if finding.where == name and finding.mistake in PROVEN_BY_PROBES:
            finding.evidence = finding.evidence or context.evidence(name, wrong)
            if finding.mistake == "ignores-upstream":
                _besides(context, name)
            return
    yours = np.asarray(context.yours.by_name[name], float)
    for rule in RULES:
        if rule(context, name, yours, wrong):
            return
    for finding in context.report.findings:
        if finding.mistake in CONSEQUENCE_OF:
            finding.evidence = finding.evidence or context.evidence(name, wrong)
            return
    context.find("wrong-formula", name, pattern(context, name, yours, wrong), context.line(name))


def _besides(context: CheckContext, name: str) -> None:
    """Look for a second mistake in a gradient that ignores dout: compare it with what a dout of ones gives."""
    slopes = context.slopes[name]
    if slopes.jacobian is None or np.isnan(slopes.jacobian).any():
        return
    plain = Slopes(slopes.slope.size, slopes.jacobian.shape[1])
    plain.slope, plain.noise = slopes.jacobian.sum(axis=1), slopes.noise
    yours = np.asarray(context.yours.by_name[name], float)
    context.slopes[name] = plain
    try:
        wrong = ~context.agrees(yours.ravel(), plain).reshape(yours.shape)
        if wrong.any():
            any(rule(context, name, yours, wrong) for rule in (zero, scale, transpose, mask, targets))
    finally:
        context.slopes[name] = slopes


def non_finite(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report infinities and NaN."""
    here = ~np.isfinite(yours)
    if not here.any():
        return False
    n = int(here.sum())
    cause = f"{n} of {yours.size} elements {'is' if n == 1 else 'are'} infinite or NaN"
    if np.isfinite(context.numeric(name)[here]).any():
        cause += ", where the slope is a plain number"
        hint = "a form that neither overflows nor divides by zero: subtract the largest before exp, work with logarithms"
    else:
        cause += ": forward has no finite slope there, and from here on back every gradient is spoilt"
        hint = "keep forward away from that point, as np.sqrt(x + 1e-8) does at 0, or return a finite number there"
    context.find("non-finite", name, cause, hint)
    return True


def overwritten(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a gradient that is right with += where backward has = in between."""
    log = context.logs.get(name, [])
    if not any(act == "=" for act, _ in log[1:]) or any(value.shape != yours.shape for _, value in log):
        return False
    if not context.is_gradient(np.asarray(sum(value for _, value in log)), name):
        return False
    context.find("not-accumulated", name, "backward has several terms for it, and = in the place of +=: the last one alone is left", "+=")
    return True


RULES = (
    non_finite, zero, overwritten, unread, scale, transpose, mask, axis, of_another_input, as_elsewhere, lost_repeat, coupling, term,
    path, double, one_output, variant, shared, summed, scaled_path, path_of_one_run, transposed_weight, reordering, mixed_rows, unmasked,
    in_places,
)  # fmt: skip
