"""Further checks if the given numbers may hide a mistake.

A difference counts as a mistake with changed parameters, since training changes them, with repeated
rows, since they are the given ones, and with inputs from the layer's domain. With any other inputs
it is a note: the layer may never receive such inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array
from ..inspection import holds_floats
from ..layer import Layer
from .context import CheckContext
from .domain import Draw
from .equality import is_close
from .guards import UserCodeError
from .measuring.elements import find_moving
from .measuring.other_numbers import COPIES, OtherInputs, has_special_values, other_inputs, repeat_rows, step_parameters
from .report import Finding, GradientReport
from .twin import Twin, make_twin

Inputs = tuple[Any, ...]
Check = Callable[[Layer, Inputs], GradientReport]

DRAWS = 4
"""How many inputs are drawn from a domain."""
DIFFERS = "other-numbers"
"""The kind of note on what differs with other inputs."""
NOTHING_MOVES = "all true gradients are zero, so a backward that returns zeros would pass"


def check_changed_parameters(layer: Layer, inputs: Inputs, context: CheckContext, check: Check, seed: int) -> None:
    """Check with slightly changed parameters in new memory, as after a step of an optimizer.

    Parameters with special values, such as ones, change first, and then the others. A mistake shows
    both along the gradients and against them.
    """
    values = {path: parameter.value for path, parameter in layer.parameters().items()}
    special = {path for path, value in values.items() if has_special_values(value)}
    if special and not context.report.findings:
        for finding in _find_beside(layer, inputs, context, special, check, seed):
            finding.cause += f" (seen with other values of {', '.join(sorted(special))}; those given hide it)"
            context.report.find(finding)
    others = set(values) - special if holds_floats(layer) else set()
    if others and not context.report.findings:
        cause = (
            "it is right with the parameters as they are and wrong after an optimizer step: the layer keeps what it made from old values"
        )
        hint = "self.….value, read again in every forward and backward"
        for finding in _find_beside(layer, inputs, context, others, check, seed):
            if finding.evidence is not None:
                context.report.find(Finding("stale-cache", finding.where, cause, hint, finding.evidence, finding.layer))


def _find_beside(layer: Layer, inputs: Inputs, context: CheckContext, paths: set[str], check: Check, seed: int) -> list[Finding]:
    """Return what is wrong after a step along the gradients and after one against them."""
    gradients = {path: np.asarray(g) for path, g in context.yours.grads.items() if path in paths and g is not None and np.isfinite(g).all()}
    for sign in (1, -1):
        changed = step_parameters(layer, gradients, sign)
        try:
            if find_moving(make_twin(changed, inputs, context.eps), context.eps, np.random.default_rng([seed, 3])) is not None:
                return []
        except UserCodeError:
            return []
    found = check(changed, inputs)
    context.report.take_failures(found)
    return found.findings


def check_repeated_rows(layer: Layer, inputs: Inputs, context: CheckContext, check: Check) -> None:
    """Check a single row again as several equal ones, if forward keeps rows separate."""
    repeated = repeat_rows(inputs)
    if repeated is None:
        return
    report = context.report
    if not _keeps_rows_apart(make_twin(layer, repeated, context.eps), context.ys):
        report.note("vacuous", "input 0", "a batch of 1 hides a mean in place of a sum; try several rows")
        return
    found = check(layer, repeated)
    report.take_failures(found)
    for finding in found.findings:
        finding.cause += f" (seen with the given row {COPIES} times; a batch of 1 hides it)"
        report.find(finding)


def _keeps_rows_apart(twin: Twin, ys: list[Array]) -> bool:
    """Return whether outputs repeat like the rows; a single number may be a mean or a sum."""
    try:
        outputs = [np.asarray(y) for y in twin.forward()]
    except UserCodeError:
        return False
    return len(outputs) == len(ys) and all(
        is_close(many, np.repeat(y, COPIES, axis=0), 1e-9) if y.ndim else is_close(many, y, 1e-9) or is_close(many, COPIES * y, 1e-9)
        for many, y in zip(outputs, ys, strict=True)
    )


def check_domain(layer: Layer, report: GradientReport, draw: Draw, check: Check) -> None:
    """Check with inputs drawn from the layer's domain."""
    for _ in range(DRAWS):
        found = check(layer, draw())
        report.take_failures(found)
        for finding in found.findings:
            finding.cause += " (seen with inputs drawn from the domain)"
            report.find(finding)
        if found.findings:
            return
    report.also.append(f"the same with {DRAWS} draws from the domain")


def note_other_inputs(layer: Layer, inputs: Inputs, context: CheckContext, check: Check, seed: int) -> None:
    """Note differences with inputs unlike the given ones, and what the given ones hide."""
    report, rng = context.report, np.random.default_rng([seed, 1])
    moving: set[str] = set()
    agreeing = []
    for other in other_inputs(inputs, context.twin.n_given):
        moved = None if context.is_sampled else _try(layer, inputs, other, context, check, rng)
        if moved:
            moving |= moved
            agreeing.append(other.what)
        elif moved is None and other.hides:
            report.note("vacuous", other.name, f"{other.hides}; try {other.what}")
        if any(note.kind == DIFFERS for note in report.notes):
            break  # one question at a time
    if agreeing:
        report.also.append(f"all at once along a random direction with {', '.join(agreeing)}")
    for name in names_that_never_move(context):
        if name not in moving:
            report.note("vacuous", name, NOTHING_MOVES)


def _try(
    layer: Layer, inputs: Inputs, other: OtherInputs, context: CheckContext, check: Check, rng: np.random.Generator
) -> set[str] | None:
    """Return the names of nonzero gradients that agree; note differences.

    None if the layer does not accept these inputs.
    """
    report, others = context.report, other.make(inputs, rng)
    try:
        moved = find_moving(make_twin(layer, others, context.eps), context.eps, rng)
        if moved is not None:
            return moved
        found = check(layer, others)
        report.take_failures(found)
    except UserCodeError:
        return None
    for finding in found.findings:
        cause = f"with {other.what} the gradients differ: {finding.mistake}, {finding.cause}"
        report.note(DIFFERS, finding.where, f"{cause}; can the layer be given such inputs?")
    return set()


def names_that_never_move(context: CheckContext) -> list[str]:
    """Return the names of arrays whose measured gradients are all zero."""
    names = []
    for name, slopes in context.slopes.items():
        known = ~np.isnan(slopes.slope)
        moves = (np.abs(slopes.slope[known]) > 4 * slopes.noise[known]).any() or slopes.is_kink.any()
        if known.any() and not moves:
            names.append(name)
    return names
