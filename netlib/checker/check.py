"""The gradient check: first what a layer may not do, then numbers, then the name of the mistake."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, as_count
from ..errors import InvalidTypeError, InvalidValueError
from ..inspection import holds_floats
from ..layer import Layer, as_layer
from ..random_state import preserve_random_state
from .analytic import Gradients, random_douts
from .blame import has_inner_layers, inner_findings, merge, own_report
from .conduct.dtypes import types_are_kept
from .conduct.linearity import adds_up, is_linear
from .conduct.ownership import backward_leaves_alone, forward_leaves_alone, says_who_owns, says_who_reads
from .conduct.repetition import belongs_to_the_last_forward, repeats
from .conduct.rows import row_by_row
from .context import CheckContext
from .equality import is_same
from .guards import UserCodeError, attempt
from .measuring.budget import SECONDS
from .measuring.comparison import compare, is_only_here
from .measuring.complex_steps import complex_slopes
from .measuring.differences import epsilon
from .measuring.elements import agrees_along, measure
from .measuring.second_look import NOTHING_MOVES, blind_spots, moved, stepped
from .naming.contract import read_contract
from .naming.mixed_rows import look_at_rows
from .naming.rules import name_the_mistake
from .report import Finding, GradientReport
from .tracing.ledger import Logs, spied
from .twin import Twin


def check_gradients(layer: Layer, *inputs: Any, method: str = "difference", seed: int = 0) -> GradientReport:
    """Compare a layer's backward with its forward, and name what is wrong.

    Works on any layer, container or loss. Inputs of a whole-number type, and the targets of losses, are not differentiated.
    The layer is left as it was: a deep copy is asked, in float64 where it can be. Large layers are sampled, and ``report.covered`` says
    how far. That goes by sizes, so that a busy machine sees what an idle one sees; the clock is asked only about a forward that takes ten
    times longer than its size lets expect.

    Parameters
    ----------
    layer : Layer
        In the mode, training or evaluation, that is to be checked.
    *inputs : array_like
        What forward takes. Best are random numbers, several samples, and sizes that all differ.
    method : {"difference", "complex"}
        Differences of forward at nearby points; or complex steps (Squire and Trapp, 1998), exact to rounding where forward is analytic,
        and refused where it is not.
    seed : int
        Of the dout that is sent in, and of the choice of elements in a large layer.

    Returns
    -------
    GradientReport
        ``report.ok``, ``report.errors``, ``report.findings``; ``print(report)`` explains.

    Raises
    ------
    InvalidTypeError
        For a layer that cannot be deep-copied.
    InvalidValueError
        For an unknown method, and for complex steps through what is not analytic.

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
    given = tuple(np.array(x) for x in inputs)
    try:
        with preserve_random_state(layer), np.errstate(all="ignore"):
            report = checked(layer, given, method, seed)
    except UserCodeError as raised:
        raise raised.error from raised.error.__cause__
    report.checked = layer, given
    return report


def checked(layer: Layer, inputs: tuple[Any, ...], method: str, seed: int) -> GradientReport:
    """Return the report on a layer: as it is, then after a step of an optimizer, then where the first look was blind."""
    report, context = looked_through(layer, inputs, method, seed)
    if context is not None and context.slopes and report.ok:
        if layer.parameters() and holds_floats(layer):
            look_after_a_step(layer, inputs, context, report, seed)
        if report.ok:
            look_elsewhere(layer, inputs, context, report, seed)
    return report


def looked_through(layer: Layer, inputs: tuple[Any, ...], method: str, seed: int) -> tuple[GradientReport, CheckContext | None]:
    """Return the report on a layer and on the layers inside."""
    report, context = looked_at(layer, inputs, method, seed)
    if has_inner_layers(layer):
        is_wrong = bool(report.findings)
        how, seconds = (method, 10 * SECONDS) if is_wrong else ("none", SECONDS / 2)

        def check(part: Layer, given: tuple[Any, ...]) -> GradientReport:
            found = looked_at(part, given, how, seed)[0]
            report.take_failures(found)
            return found

        inner, blamed = inner_findings(layer, inputs, check, seconds, is_wrong, report)
        if inner:
            merge(report, inner, own_report(layer, inputs, inner, blamed, check, report))
    return report, context


def looked_at(
    layer: Layer, inputs: tuple[Any, ...], method: str, seed: int, seconds: float = SECONDS
) -> tuple[GradientReport, CheckContext | None]:
    """Return the report on a layer at these inputs alone; the method "none" leaves out the numbers."""
    rng = np.random.default_rng(seed)
    own = Twin(layer, inputs)
    report = GradientReport(repr(own.layer), method)
    ys = forward_leaves_alone(own, report)
    says_who_owns(own, ys, report)
    types_are_kept(own, random_douts(ys, rng, own.takes_dout), ys, report)
    twin, ys, eps = exact_twin(layer, inputs, own, ys)
    report.precision = "float64" if eps < 1e-12 else f"the layer's own type, spacing {eps:.0e}"
    tolerance = max(1e-10, 1e3 * eps)
    douts = random_douts(ys, rng, twin.takes_dout)
    backward_leaves_alone(twin, douts, report)
    plain = repeats(twin, douts, report)
    if plain is None:
        return report, None
    says_who_reads(twin, douts, plain, report, rng)
    adds_up(twin, douts, plain, report, rng, tolerance)
    is_linear(twin, douts, plain, report, rng, tolerance)
    belongs_to_the_last_forward(twin, report, rng, tolerance)
    if method == "none":
        return report, None
    if not all(np.isfinite(y).all() for y in ys):
        report.find(Finding("non-finite", "forward", "the output has infinities or NaN, so there is nothing to compare"))
        return report, None

    def spy() -> tuple[Gradients, Logs]:
        dtype = np.dtype(np.float64) if eps < 1e-12 else None
        unlogged: tuple[Gradients, Logs] = plain, {}
        return attempt(report, "backward", lambda: spied(Twin(layer, inputs, dtype), douts), unlogged)

    rows = row_by_row(twin, ys, douts, tolerance)
    context = CheckContext(twin, ys, douts, plain if plain.error is None else spy()[0], spy, rows, eps, report)
    numbers(layer, inputs, context, rng, seconds)
    return report, context


def look_elsewhere(layer: Layer, inputs: tuple[Any, ...], context: CheckContext, report: GradientReport, seed: int) -> None:
    """Check once more with other numbers, or with more samples, where the ones given could not show a mistake."""
    spots = blind_spots(context)
    if not spots:
        return
    tried = None
    if not context.is_sampled:
        try:
            other, others = moved(layer, inputs, np.random.default_rng([seed, 1]))
            second, tried = looked_at(other, others, report.method, seed, SECONDS / 10)
            if second.findings:
                second, tried = looked_at(other, others, report.method, seed)
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
        finding.cause += " (seen with other numbers than yours, which hide it)"
        report.find(finding)
    left = {name for name, why in blind_spots(tried) if why == NOTHING_MOVES}
    for name, why in spots:
        if name in left:
            report.note("vacuous", name, why)


def look_after_a_step(layer: Layer, inputs: tuple[Any, ...], context: CheckContext, report: GradientReport, seed: int) -> None:
    """Check once more with the parameters changed and elsewhere in memory, as after a step of an optimizer."""
    rng = np.random.default_rng([seed, 2])
    try:
        later = stepped(layer, rng, {name for name, _ in blind_spots(context)})
        if agrees_along(Twin(later, inputs, np.dtype(np.float64) if context.eps < 1e-12 else None), context.eps, rng):
            return
        found = looked_through(later, inputs, report.method, seed)[0]
    except UserCodeError:
        return
    cause = "it is right with the parameters as they are, and wrong after a step, which changes and moves them: something old is kept"
    report.take_failures(found)
    for finding in found.findings:
        if finding.evidence is not None:
            hint = "self.….value, read anew in every forward and backward"
            report.find(Finding("stale-cache", finding.where, cause, hint, finding.evidence, finding.layer))


def exact_twin(layer: Layer, inputs: tuple[Any, ...], own: Twin, ys: list[Any]) -> tuple[Twin, list[Array], float]:
    """Return a copy in float64, or where the layer refuses that, in its own types; its outputs; the spacing of its numbers."""
    kinds: list[np.dtype[Any] | None] = [np.dtype(np.float64), None]
    for dtype in kinds:
        try:
            twin = Twin(layer, inputs, dtype)
            twin.hands_out_copies, twin.writes_parameters = own.hands_out_copies, own.writes_parameters
            outputs = [np.array(y) for y in twin.forward()]
        except (UserCodeError, InvalidTypeError):
            if dtype is None:
                raise
            continue
        if dtype is None or all(y.dtype.kind != "f" or y.dtype.itemsize >= 8 for y in outputs):
            break
    return twin, outputs, float(np.finfo(np.float64).eps) if dtype is not None else epsilon([*ys, *twin.slots.values()])


def numbers(layer: Layer, inputs: tuple[Any, ...], context: CheckContext, rng: np.random.Generator, seconds: float) -> None:
    """Compare backward with differences, element by element, and have what differs diagnosed."""
    twin = context.twin
    twin.forward()
    twin.settle()
    twin.is_stateful = depends_on_state(twin, context.ys)
    if context.report.method == "complex":
        context.slopes = complex_slopes(twin, Twin(layer, inputs, np.dtype(np.float64)), context.douts)
    else:
        measure(context, rng, seconds)
    shapes_fit = read_contract(context)
    for name in shapes_fit:
        wrong = compare(context, name)
        if wrong.any() and not is_only_here(layer, inputs, context, name, wrong, rng):
            name_the_mistake(context, name, wrong)
        else:
            look_at_rows(context, name)


def depends_on_state(twin: Twin, ys: list[Array]) -> bool:
    """Return whether forward gives something else when attributes are not put back."""
    for _ in range(2):
        twin.rewind()
        if not all(map(is_same, ys, twin.forward_on())):
            return True
    return False
