"""The gradient check: first behaviour, then the numbers, then the name of each mistake."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..arrays import Array, as_count
from ..errors import InvalidTypeError, InvalidValueError
from ..layer import Layer, as_layer
from ..random_state import preserve_random_state
from ..underflow import ignore_all
from .analytic import Gradients, estimate_rounding, gradients, left_out, random_douts
from .blame import check_own_code, check_parts, has_inner_layers, merge
from .blocks import LARGE
from .conduct.dtypes import check_dtypes, note_float32
from .conduct.linearity import check_accumulation, check_linearity, check_magnitudes
from .conduct.ownership import check_backward_writes, check_forward_writes, note_cached_outputs, note_output_views
from .conduct.repetition import check_evaluation, check_last_forward, check_repetition
from .conduct.results import check_results, note_bare_weights, note_nothing_compared
from .conduct.rows import compare_rows
from .conduct.samples import Passes, few_samples
from .context import CheckContext
from .correcting.conduct import correct_conduct
from .correcting.search import find_corrections
from .domain import Draw, make_draw
from .equality import is_same
from .guards import UserCodeError, attempt
from .inputs import as_inputs, non_finite, require_usable
from .measuring.budget import SECONDS
from .measuring.comparison import approximation_error, compare, is_choice_at_kinks
from .measuring.complex_steps import complex_slopes
from .measuring.differences import epsilon
from .measuring.elements import measure
from .measuring.matrices import matrix_kind
from .naming.contract import read_contract
from .naming.mixed_rows import check_rows, find_mixed_rows
from .naming.rules import PROVEN_BY_CONDUCT, name_mistakes
from .report import Correction, Finding, GradientReport
from .second_look import check_changed_parameters, check_domain, check_repeated_rows, note_other_inputs
from .tracing.ledger import Logs, record_additions
from .twin import Twin, make_twin


def check_gradients(
    layer: Layer, *inputs: Any, method: str = "difference", seed: int = 0, domain: Callable[[np.random.Generator], Any] | None = None
) -> GradientReport:
    """Compare a layer's backward with its forward, and name what is wrong.

    Works on any layer, container or loss. Integer inputs and the targets of losses are not
    differentiated. The check runs on a deep copy, in float64 where the layer allows it, and leaves
    the layer itself unchanged. Large layers are sampled; ``report.covered`` says how far. How much
    is sampled depends on sizes, not on time, so that a busy machine gives the same report. Only a
    forward that takes ten times longer than its size suggests is timed.

    Parameters
    ----------
    layer : Layer
        In the mode to check, training or evaluation.
    *inputs : array_like
        The inputs of forward. Random numbers, several samples and axes of different lengths reveal
        the most mistakes.
    method : {"difference", "complex"}
        Differences of forward at nearby points, or complex steps (Squire and Trapp, 1998), which
        are exact up to rounding but need an analytic forward.
    seed : int
        Seed of all random numbers: dout, the choice of elements in a large layer, other inputs.
    domain : callable, optional
        ``domain(rng)`` draws valid inputs of the layer: an array, or a tuple of them. A mistake at
        any of these is a mistake. Without a domain, the layer passes if its gradients agree at the
        given inputs, and differences at other inputs are notes. With a domain, `inputs` may be
        omitted.

    Returns
    -------
    GradientReport
        ``report.ok``, ``report.errors``, ``report.findings``; ``print(report)`` explains.

    Raises
    ------
    InvalidTypeError
        For a layer that cannot be deep-copied, and for a domain that cannot be called.
    InvalidValueError
        For an unknown method, and for complex steps if forward is not analytic.
    ShapeError
        For a domain that draws a different number of inputs than given.

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

    The logarithm of numbers that are never below 1e-8:

    >>> class Log(nl.Layer):
    ...     def forward(self, x):
    ...         self.x = np.maximum(x, 1e-8)
    ...         return np.log(self.x)
    ...     def backward(self, dout):
    ...         return dout / self.x
    >>> check_gradients(Log(), domain=lambda rng: rng.uniform(0.1, 2, (4, 3))).ok
    True
    """
    layer = as_layer(layer, "check_gradients")
    if method not in ("difference", "complex"):
        raise InvalidValueError(f"method is {method!r}, expected 'difference' or 'complex'", where="check_gradients")
    seed = as_count(seed, "seed", "check_gradients")
    draw = None if domain is None else make_draw(domain, len(inputs), seed)
    given = as_inputs(layer, draw() if draw is not None and not inputs else inputs)
    try:
        with preserve_random_state(layer), ignore_all():
            report = check(layer, given, method, seed, draw)
    except UserCodeError as raised:
        raise raised.error from raised.error.__cause__
    report.checked = layer, given
    return report


def check(layer: Layer, inputs: tuple[Array, ...], method: str, seed: int, draw: Draw | None) -> GradientReport:
    """Return the report on a layer.

    The layer is checked as given, and then with other numbers if the given ones could hide a
    mistake.
    """
    report = GradientReport(repr(layer), method)
    check_results(layer, inputs, report)
    if report.findings:
        return report
    require_usable(layer, inputs)
    report, context = check_tree(layer, inputs, method, seed)

    def check_again(layer: Layer, inputs: tuple[Any, ...]) -> GradientReport:
        return check_once(layer, inputs, method, seed)[0]

    def check_briefly(layer: Layer, inputs: tuple[Any, ...]) -> GradientReport:
        return check_trial(layer, inputs, method, seed, SECONDS / 10)

    def check_tree_again(layer: Layer, inputs: tuple[Any, ...]) -> GradientReport:
        return check_tree(layer, inputs, method, seed)[0]

    if context is None:
        return report
    if context.slopes:
        if report.ok:
            check_changed_parameters(layer, inputs, context, check_tree_again, seed)
        if report.ok and draw is not None:
            check_domain(layer, report, draw, check_tree_again)
        if report.ok:
            check_repeated_rows(layer, inputs, context, check_again)
        if report.ok and draw is None:
            note_other_inputs(layer, inputs, context, check_briefly, seed)
    note_nothing_compared(context)
    del context  # and its arrays
    if report.ok:
        note_float32(layer, inputs, report)
    return report


def check_tree(layer: Layer, inputs: tuple[Any, ...], method: str, seed: int) -> tuple[GradientReport, CheckContext | None]:
    """Return the report on a layer and the layers inside it."""
    report, context = compare_once(layer, inputs, method, seed)
    if has_inner_layers(layer):
        is_wrong = bool(report.findings or (context is not None and context.wrong))
        how, seconds = (method, 10 * SECONDS) if is_wrong else ("none", SECONDS / 2)

        def check_part(part: Layer, given: tuple[Any, ...]) -> GradientReport:
            found = check_once(part, given, how, seed)[0]
            report.take_failures(found)
            return found

        inner, blamed = check_parts(layer, inputs, check_part, seconds, is_wrong, report)
        if inner:
            merge(report, inner, check_own_code(layer, inputs, inner, blamed, check_part, report))
            return report, context
    name_and_correct(layer, inputs, report, context, seed, SECONDS)
    return report, context


def check_once(
    layer: Layer, inputs: tuple[Any, ...], method: str, seed: int, seconds: float = SECONDS
) -> tuple[GradientReport, CheckContext | None]:
    """Return the report on a layer at these inputs; the method "none" checks behaviour only."""
    report, context = compare_once(layer, inputs, method, seed, seconds)
    name_and_correct(layer, inputs, report, context, seed, seconds)
    return report, context


def compare_once(
    layer: Layer, inputs: tuple[Any, ...], method: str, seed: int, seconds: float = SECONDS, is_trial: bool = False
) -> tuple[GradientReport, CheckContext | None]:
    """Return the report without names: those of inner layers may make them unnecessary.

    A trial searches for no corrections.
    """
    rng = np.random.default_rng(seed)
    own = Twin(layer, inputs)
    report = GradientReport(repr(own.layer), method)
    given = check_forward_writes(own, report)
    note_output_views(own, given, report)
    twin, ys, eps = make_exact_twin(layer, inputs, own, given)
    if twin is not own:
        check_dtypes(own, given, gradients(own, random_douts(given, rng, own.takes_dout)), report)
    del given
    report.precision = "float64" if eps < 1e-12 else f"the layer's own type, spacing {eps:.0e}"
    tolerance = max(1e-10, 1e3 * eps)
    douts = random_douts(ys, rng, twin.takes_dout)
    plain = check_backward_writes(twin, douts, report)
    if twin is own:
        check_dtypes(own, ys, plain, report)
    del own
    with few_samples(twin, Passes(ys, douts, plain), rng) as first:
        is_sampled = first.plain is not plain
        few = check_repetition(twin, first, report)
        del first
        if few is None:
            return report, None
        if not is_sampled:
            ys, plain = list(few.ys), few.plain
        note_bare_weights(layer, twin, report)
        note_cached_outputs(twin, few.douts, few.plain, report, rng)
        check_accumulation(twin, few.douts, few.plain, report, rng, tolerance)
        nothing = estimate_rounding(twin, *few, eps)
        check_linearity(twin, few.douts, few.plain, report, rng, tolerance, nothing)
        check_magnitudes(twin, few.douts, few.plain, report, nothing)
        check_last_forward(twin, report, rng, tolerance)
        check_evaluation(twin, few.ys, few.douts, report, rng, tolerance)
    if method == "none":
        return report, None
    if not all(np.isfinite(y).all() for y in ys):
        if not non_finite(inputs):
            report.find(Finding("non-finite", "forward", "the output has infinities or NaN, so there is nothing to compare"))
        return report, None

    def record() -> tuple[Gradients, Logs]:
        unlogged: tuple[Gradients, Logs] = plain, {}
        return attempt(report, "backward", lambda: record_additions(twin, douts), unlogged)

    del few  # and its arrays
    if is_sampled:
        twin.forward()
        nothing = estimate_rounding(twin, ys, douts, plain, eps)
    rows = compare_rows(twin, ys, douts, tolerance)
    context = CheckContext(twin, ys, douts, plain if plain.error is None else record()[0], record, rows, eps, nothing, report)
    context.watching *= seconds / SECONDS
    if not is_trial:
        context.search = partial(search_corrections, layer, inputs)
    compare_numbers(layer, inputs, context, rng, seconds)
    return report, context


def make_exact_twin(layer: Layer, inputs: tuple[Any, ...], own: Twin, ys: list[Any]) -> tuple[Twin, list[Array], float]:
    """Return a copy in float64, its outputs and the spacing of its numbers.

    The copy keeps the layer's own types if the layer rejects float64. It is `own` if these are
    float64 and forward left everything unchanged.
    """
    if own.computes_in(np.dtype(np.float64)) and not own.copies_inputs and not own.writes_parameters:
        outputs = [np.array(y) for y in ys]
        if _are_exact(outputs):
            return own, outputs, float(np.finfo(np.float64).eps)
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
        if dtype is None or _are_exact(outputs):
            break
    return twin, outputs, float(np.finfo(np.float64).eps) if dtype is not None else epsilon([*ys, *twin.slots.values()])


def _are_exact(ys: list[Array]) -> bool:
    return all(y.dtype.kind != "f" or y.dtype.itemsize >= 8 for y in ys)


def compare_numbers(layer: Layer, inputs: tuple[Any, ...], context: CheckContext, rng: np.random.Generator, seconds: float) -> None:
    """Compare backward with differences, element by element."""
    context.of_conduct = [finding for finding in context.report.findings if finding.mistake not in PROVEN_BY_CONDUCT]
    twin = context.twin
    twin.forward()
    twin.settle()
    twin.is_stateful = sum(x.size for x in twin.slots.values()) > LARGE or depends_on_state(twin, context.ys)
    for name in left_out(twin, context.yours):
        twin.leave_out(name)
        del context.yours.returned[name]
        text = "backward leaves out these whole numbers, as for labels or a mask, and so does the check"
        context.report.note("vacuous", name, f"{text}; n_nondifferentiable_inputs says this of the last inputs")
    if context.report.method == "complex":
        context.slopes = complex_slopes(twin, Twin(layer, inputs, np.dtype(np.float64)), context.douts)
    else:
        measure(context, rng, seconds)
    for name in read_contract(context):
        here = compare(context, name)
        error = approximation_error(context, name, here) if here.any() else None
        kind = matrix_kind(context, name) if here.any() else ""
        if kind:
            context.report.errors[name] = 0.0
            text = f"yours is right as long as the matrix stays {kind}, and not for each element alone"
            context.report.note("matrix-kind", name, text)
        elif error is not None:
            text = f"yours and forward's slope differ by at most {error:.0e} of the largest element"
            why = "forward may be an approximation, or backward may leave out a tiny term"
            context.report.note("approximation", name, f"{text}: {why}")
        elif here.any() and not is_choice_at_kinks(layer, inputs, context, name, here, rng):
            n, total = context.report.covered[name]
            if n == total or not find_mixed_rows(context, name, context.numeric(name), here):
                context.wrong[name] = here
        else:
            check_rows(context, name)
        if name not in context.wrong:
            context.accepted.add(name)


def name_and_correct(
    layer: Layer, inputs: tuple[Any, ...], report: GradientReport, context: CheckContext | None, seed: int, seconds: float
) -> None:
    """Name the mistakes, and find corrected lines."""
    if context is not None:
        name_mistakes(context)
        for finding in report.findings:
            correction = context.correction(finding.where) if finding.where in context.slopes else None
            if correction is not None and finding not in context.of_conduct:
                finding.correct(correction)
    if report.method != "none":

        def check_edited(edited: Layer, how: str) -> GradientReport:
            return check_trial(edited, inputs, how, seed, seconds)

        attempt(report, "backward", lambda: correct_conduct(layer, report, check_edited), None)


def check_trial(layer: Layer, inputs: tuple[Any, ...], method: str, seed: int, seconds: float) -> GradientReport:
    """Return the report on an edited layer, without corrections."""
    report, context = compare_once(layer, inputs, method, seed, seconds, is_trial=True)
    if context is not None:
        name_mistakes(context)
    return report


def search_corrections(layer: Layer, inputs: tuple[Any, ...], context: CheckContext) -> list[Correction]:
    """Return edits of the layer's source that make wrong gradients right.

    None is sought if an earlier training forward is at fault, since it would be right only in
    evaluation.
    """
    if not layer.training and "stale-cache" in context.report.mistakes:
        return []

    def search() -> list[Correction]:
        twin = make_twin(layer, inputs, context.eps)
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
