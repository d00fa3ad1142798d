"""The gradient check: first conduct, then the numbers, then the name of each mistake."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, as_count
from ..errors import InvalidTypeError, InvalidValueError
from ..inspection import holds_floats
from ..layer import Layer, as_layer
from ..random_state import preserve_random_state
from .analytic import Gradients, random_douts
from .blame import check_own_code, check_parts, has_inner_layers, merge
from .conduct.dtypes import check_dtypes
from .conduct.linearity import check_accumulation, check_linearity
from .conduct.ownership import check_backward_writes, check_forward_writes, note_cached_outputs, note_output_views
from .conduct.repetition import check_evaluation, check_last_forward, check_repetition
from .conduct.results import check_results, note_bare_weights, note_nothing_compared
from .conduct.rows import compare_rows
from .context import CheckContext
from .correcting.conduct import correct_conduct
from .correcting.search import find_corrections
from .equality import is_same
from .guards import UserCodeError, attempt
from .inputs import as_inputs, non_finite, require_usable
from .measuring.budget import SECONDS
from .measuring.comparison import compare, is_choice_at_kinks
from .measuring.complex_steps import complex_slopes
from .measuring.differences import epsilon
from .measuring.elements import agrees_along, measure
from .measuring.second_look import NOTHING_MOVES, blind_spots, move_inputs, step_parameters
from .naming.contract import read_contract
from .naming.mixed_rows import check_rows
from .naming.rules import PROVEN_BY_CONDUCT, name_mistakes
from .report import Correction, Finding, GradientReport
from .tracing.ledger import Logs, record_additions
from .twin import Twin


def check_gradients(layer: Layer, *inputs: Any, method: str = "difference", seed: int = 0) -> GradientReport:
    """Compare a layer's backward with its forward, and name what is wrong.

    Works on any layer, container or loss. Integer inputs and the targets of losses are not
    differentiated. The check runs on a deep copy, in float64 where the layer allows it, and leaves
    the layer itself unchanged. Large layers are sampled; ``report.covered`` says how far. How much
    is sampled depends on sizes and not on the clock, so that a busy machine gives the same report.
    Only a forward that takes ten times longer than its size suggests is timed.

    Parameters
    ----------
    layer : Layer
        In the mode to check, training or evaluation.
    *inputs : array_like
        The inputs of forward. Random numbers, several samples and axes of different lengths
        show the most.
    method : {"difference", "complex"}
        Differences of forward at nearby points, or complex steps (Squire and Trapp, 1998), which
        are exact to rounding but need an analytic forward.
    seed : int
        Seed of the random dout, and of the choice of elements in a large layer.

    Returns
    -------
    GradientReport
        ``report.ok``, ``report.errors``, ``report.findings``; ``print(report)`` explains.

    Raises
    ------
    InvalidTypeError
        For a layer that cannot be deep-copied.
    InvalidValueError
        For an unknown method, and for complex steps where forward is not analytic.

    Examples
    --------
    >>> import netlib as nl
    >>> class Scale(nl.Layer):
    ...     def __init__(self):
    ...         self.weight = nl.Parameter([2.0, 3.0, 4.0])
    ...     def forward(self, x):
    ...         self.x = np.array(x)
    ...         return x * self.weight.value
    ...     def backward(self, dout):
    ...         self.weight.grad += (dout * self.x).mean(axis=0)
    ...         return dout * self.weight.value
    >>> report = check_gradients(Scale(), np.random.default_rng(0).normal(size=(5, 3)))
    >>> [(finding.mistake, finding.where) for finding in report.findings]
    [('wrong-scale', 'weight')]
    """
    layer = as_layer(layer, "check_gradients")
    if method not in ("difference", "complex"):
        raise InvalidValueError(f"method is {method!r}, wanted 'difference' or 'complex'", where="check_gradients")
    seed = as_count(seed, "seed", "check_gradients")
    given = as_inputs(layer, inputs)
    try:
        with preserve_random_state(layer), np.errstate(all="ignore"):
            report = check(layer, given, method, seed)
    except UserCodeError as raised:
        raise raised.error from raised.error.__cause__
    report.checked = layer, given
    return report


def check(layer: Layer, inputs: tuple[Any, ...], method: str, seed: int) -> GradientReport:
    """Return the report on a layer.

    The layer is checked as it is, then after a step of an optimizer, and then with other inputs
    where the first check could not see a mistake.
    """
    report = GradientReport(repr(layer), method)
    check_results(layer, inputs, report)
    if report.findings:
        return report
    require_usable(layer, inputs)
    report, context = check_tree(layer, inputs, method, seed)
    if context is not None and context.slopes and report.ok:
        if layer.parameters() and holds_floats(layer):
            check_after_step(layer, inputs, context, seed)
        if report.ok:
            look_again(layer, inputs, context, seed)
    if context is not None:
        note_nothing_compared(context)
    return report


def check_tree(layer: Layer, inputs: tuple[Any, ...], method: str, seed: int) -> tuple[GradientReport, CheckContext | None]:
    """Return the report on a layer and the layers inside it."""
    report, context = check_once(layer, inputs, method, seed)
    if has_inner_layers(layer):
        is_wrong = bool(report.findings)
        how, seconds = (method, 10 * SECONDS) if is_wrong else ("none", SECONDS / 2)

        def check_part(part: Layer, given: tuple[Any, ...]) -> GradientReport:
            found = check_once(part, given, how, seed)[0]
            report.take_failures(found)
            return found

        inner, blamed = check_parts(layer, inputs, check_part, seconds, is_wrong, report)
        if inner:
            merge(report, inner, check_own_code(layer, inputs, inner, blamed, check_part, report))
    return report, context


def check_once(
    layer: Layer, inputs: tuple[Any, ...], method: str, seed: int, seconds: float = SECONDS
) -> tuple[GradientReport, CheckContext | None]:
    """Return the report on a layer at these inputs; the method "none" checks conduct only."""
    report, context = check_as_written(layer, inputs, method, seed, seconds)
    if method != "none":

        def check_edited(edited: Layer, how: str) -> GradientReport:
            return check_as_written(edited, inputs, how, seed, seconds, is_trial=True)[0]

        attempt(report, "backward", lambda: correct_conduct(layer, report, check_edited), None)
    return report, context


def check_as_written(
    layer: Layer, inputs: tuple[Any, ...], method: str, seed: int, seconds: float, is_trial: bool = False
) -> tuple[GradientReport, CheckContext | None]:
    """Return the report without corrections of conduct, and of a trial without any."""
    rng = np.random.default_rng(seed)
    own = Twin(layer, inputs)
    report = GradientReport(repr(own.layer), method)
    ys = check_forward_writes(own, report)
    note_output_views(own, ys, report)
    check_dtypes(own, random_douts(ys, rng, own.takes_dout), ys, report)
    twin, ys, eps = make_exact_twin(layer, inputs, own, ys)
    report.precision = "float64" if eps < 1e-12 else f"the layer's own type, spacing {eps:.0e}"
    tolerance = max(1e-10, 1e3 * eps)
    douts = random_douts(ys, rng, twin.takes_dout)
    check_backward_writes(twin, douts, report)
    plain = check_repetition(twin, douts, report)
    if plain is None:
        return report, None
    note_bare_weights(layer, twin, report)
    note_cached_outputs(twin, douts, plain, report, rng)
    check_accumulation(twin, douts, plain, report, rng, tolerance)
    check_linearity(twin, douts, plain, report, rng, tolerance)
    check_last_forward(twin, report, rng, tolerance)
    check_evaluation(twin, ys, douts, report, rng, tolerance)
    if method == "none":
        return report, None
    if not all(np.isfinite(y).all() for y in ys):
        if not non_finite(inputs):
            report.find(Finding("non-finite", "forward", "the output has infinities or NaN, so there is nothing to compare"))
        return report, None

    def record() -> tuple[Gradients, Logs]:
        dtype = np.dtype(np.float64) if eps < 1e-12 else None
        unlogged: tuple[Gradients, Logs] = plain, {}
        return attempt(report, "backward", lambda: record_additions(Twin(layer, inputs, dtype), douts), unlogged)

    rows = compare_rows(twin, ys, douts, tolerance)
    context = CheckContext(twin, ys, douts, plain if plain.error is None else record()[0], record, rows, eps, report)
    if not is_trial:
        context.search = lambda: search_corrections(layer, inputs, context)
    compare_numbers(layer, inputs, context, rng, seconds)
    return report, context


def look_again(layer: Layer, inputs: tuple[Any, ...], context: CheckContext, seed: int) -> None:
    """Check again with other numbers or more samples where the given ones could hide a mistake."""
    report, spots = context.report, blind_spots(context)
    if not spots:
        return
    tried = None
    if not context.is_sampled:
        try:
            other, others = move_inputs(layer, inputs, np.random.default_rng([seed, 1]))
            second, tried = check_once(other, others, report.method, seed, SECONDS / 10)
            if second.findings:
                second, tried = check_once(other, others, report.method, seed)
            report.take_failures(second)
        except UserCodeError:
            tried = None
    if tried is None:
        for name, why in spots:
            report.note("vacuous", name, f"{why}; try other numbers")
        return
    how = "the same" if not tried.is_sampled else "all at once along random directions, and some elements alone,"
    report.also.append(f"{how} with other numbers, since {spots[0][0]} could hide a mistake: {spots[0][1]}")
    for finding in second.findings:
        finding.cause += " (seen with other numbers; yours hide it)"
        report.find(finding)
    left = {name for name, why in blind_spots(tried) if why == NOTHING_MOVES}
    for name, why in spots:
        if name in left:
            report.note("vacuous", name, why)


def check_after_step(layer: Layer, inputs: tuple[Any, ...], context: CheckContext, seed: int) -> None:
    """Check again with changed parameters in new memory, as after a step of an optimizer."""
    report, rng = context.report, np.random.default_rng([seed, 2])
    try:
        later = step_parameters(layer, rng, {name for name, _ in blind_spots(context)})
        if agrees_along(Twin(later, inputs, np.dtype(np.float64) if context.eps < 1e-12 else None), context.eps, rng):
            return
        found = check_tree(later, inputs, report.method, seed)[0]
    except UserCodeError:
        return
    cause = "it is right with the parameters as they are and wrong after an optimizer step: the layer keeps something made from old values"
    report.take_failures(found)
    for finding in found.findings:
        if finding.evidence is not None:
            hint = "self.….value, read again in every forward and backward"
            report.find(Finding("stale-cache", finding.where, cause, hint, finding.evidence, finding.layer))


def make_exact_twin(layer: Layer, inputs: tuple[Any, ...], own: Twin, ys: list[Any]) -> tuple[Twin, list[Array], float]:
    """Return a copy in float64, its outputs and the spacing of its numbers.

    The copy keeps the layer's own types where the layer refuses float64.
    """
    kinds: list[np.dtype[Any] | None] = [np.dtype(np.float64), None]
    for dtype in kinds:
        try:
            twin = Twin(layer, inputs, dtype)
            twin.copies_inputs, twin.writes_parameters = own.copies_inputs, own.writes_parameters
            outputs = [np.array(y) for y in twin.forward()]
        except (UserCodeError, InvalidTypeError):
            if dtype is None:
                raise
            continue
        if dtype is None or all(y.dtype.kind != "f" or y.dtype.itemsize >= 8 for y in outputs):
            break
    return twin, outputs, float(np.finfo(np.float64).eps) if dtype is not None else epsilon([*ys, *twin.slots.values()])


def compare_numbers(layer: Layer, inputs: tuple[Any, ...], context: CheckContext, rng: np.random.Generator, seconds: float) -> None:
    """Compare backward with differences, element by element, and name the mistakes."""
    of_conduct = [finding for finding in context.report.findings if finding.mistake not in PROVEN_BY_CONDUCT]
    twin = context.twin
    twin.forward()
    twin.settle()
    twin.is_stateful = depends_on_state(twin, context.ys)
    if context.report.method == "complex":
        context.slopes = complex_slopes(twin, Twin(layer, inputs, np.dtype(np.float64)), context.douts)
    else:
        measure(context, rng, seconds)
    wrong = {}
    for name in read_contract(context):
        here = compare(context, name)
        if here.any() and not is_choice_at_kinks(layer, inputs, context, name, here, rng):
            wrong[name] = here
        else:
            check_rows(context, name)
    name_mistakes(context, wrong)
    for finding in context.report.findings:
        correction = context.correction(finding.where) if finding.where in context.slopes else None
        if correction is not None and finding not in of_conduct:
            finding.correct(correction)


def search_corrections(layer: Layer, inputs: tuple[Any, ...], context: CheckContext) -> list[Correction]:
    """Return edits of the layer's source that make wrong gradients right.

    None is sought where an earlier training forward is at fault, since it would be right in
    evaluation alone.
    """
    if not layer.training and "stale-cache" in context.report.mistakes:
        return []

    def search() -> list[Correction]:
        twin = Twin(layer, inputs, np.dtype(np.float64) if context.eps < 1e-12 else None)
        twin.copies_inputs, twin.writes_parameters = context.twin.copies_inputs, context.twin.writes_parameters
        return find_corrections(layer, inputs, twin, context)

    return attempt(context.report, "backward", search, [])


def depends_on_state(twin: Twin, ys: list[Array]) -> bool:
    """Return whether forward gives another result when attributes are not restored."""
    for _ in range(2):
        twin.rewind()
        if not all(map(is_same, ys, twin.forward_on())):
            return True
    return False
