"""The rules and their order."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from ..context import CheckContext
from ..measuring.differences import Slopes
from .axes import find_extra_sum, find_wrong_axis
from .copies import find_unread
from .couplings import find_coupling, find_shared
from .explanations import find_known_explanation, join_explained
from .formulas import find_in_places, pattern
from .masks import find_mask, find_missing_choice
from .missing_paths import find_path, find_path_of_one_run, find_scaled_path
from .missing_terms import find_double_count, find_targets, find_term
from .mixed_rows import find_mixed_rows
from .other_forwards import find_lost_repeat, find_variant
from .outputs import find_one_output
from .scale import find_scale, find_zero
from .swaps import find_exchanged_outputs, find_other_input
from .transposes import find_reordering, find_reversed, find_transpose, find_transposed_weight

PROVEN_BY_CONDUCT = {"ignores-upstream", "missing-mask", "wrong-formula", "nondeterministic"}
CONSEQUENCE_OF = {"mutates-parameters", "mutates-input", "stale-cache"}


def name_mistakes(context: CheckContext) -> None:
    """Report why gradients differ from the measured ones.

    Of those that a single edit of backward corrects, only the first is reported.
    """
    left = dict(context.wrong)
    while left:
        name = next(iter(left))
        correction = context.correction(name)
        n = len(context.report.findings)
        name_mistake(context, name, left.pop(name))
        follow = [] if correction is None else [other for other in left if other in correction.names]
        for finding in context.report.findings[n:]:
            if correction is not None and follow and finding.mistake == "wrong-formula":
                finding.mistake = correction.mistake
            if follow:
                finding.consequences += follow
        for other in follow:
            del left[other]
    join_explained(context)


def name_mistake(context: CheckContext, name: str, wrong: Array) -> None:
    """Report why the gradient of an array differs from the measured one."""
    for finding in context.report.findings:
        is_of_training = finding.mistake == "stale-cache" and not context.twin.layer.training
        if finding.where == name and (finding.mistake in PROVEN_BY_CONDUCT or is_of_training):
            finding.evidence = finding.evidence or context.evidence(name, wrong)
            if finding.mistake == "ignores-upstream":
                _find_second_mistake(context, name)
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


def _find_second_mistake(context: CheckContext, name: str) -> None:
    """Report a second mistake in a gradient that ignores dout: compare it with one for dout = 1."""
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
            any(rule(context, name, yours, wrong) for rule in (find_zero, find_scale, find_transpose, find_mask, find_targets))
    finally:
        context.slopes[name] = slopes


def find_non_finite(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report infinities and NaN."""
    here = ~np.isfinite(yours)
    if not here.any():
        return False
    n = int(here.sum())
    cause = f"{n} of {yours.size} elements {'is' if n == 1 else 'are'} infinite or NaN"
    if np.isfinite(context.numeric(name)[here]).any():
        cause += ", where the slope is a plain number"
        is_large = any(np.abs(a).max(initial=0.0) > OVERFLOWING for a in context.operands.values())
        hint = "a form without overflow: subtract the largest before exp, or work with logarithms" if is_large else NO_DIVISION
    else:
        cause += ": forward has no finite slope there, which spoils every gradient before it, too"
        hint = "keep forward away from that point, as np.sqrt(x + 1e-8) does at 0, or return a finite number there"
    context.find("non-finite", name, cause, hint)
    return True


OVERFLOWING = 80.0
"""Beyond it, exp leaves float32."""
NO_DIVISION = "a form that does not divide by zero: / np.where(n == 0, 1, n) in place of / n"


def find_overwritten(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a gradient that is right with += instead of =."""
    log = context.logs.get(name, [])
    if not any(act == "=" for act, _ in log[1:]) or any(value.shape != yours.shape for _, value in log):
        return False
    if not context.is_gradient(np.asarray(sum(value for _, value in log)), name):
        return False
    context.find("not-accumulated", name, "backward assigns several terms with = in place of +=: only the last is left", "+=")
    return True


RULES = (
    find_non_finite,
    find_zero,
    find_overwritten,
    find_unread,
    find_scale,
    find_transpose,
    find_mask,
    find_wrong_axis,
    find_other_input,
    find_exchanged_outputs,
    find_known_explanation,
    find_lost_repeat,
    find_coupling,
    find_term,
    find_path,
    find_double_count,
    find_one_output,
    find_variant,
    find_shared,
    find_extra_sum,
    find_scaled_path,
    find_path_of_one_run,
    find_transposed_weight,
    find_reordering,
    find_reversed,
    find_mixed_rows,
    find_missing_choice,
    find_in_places,
)
