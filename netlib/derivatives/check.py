"""The gradient check: first what a layer may not do, then numbers, then the name of the mistake."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, as_count
from ..errors import InvalidValueError
from ..layer import Layer, as_layer
from . import probes
from .analytic import Gradients, gradients, spied
from .case import Case
from .complexstep import complex_slopes
from .diagnosis import name_the_mistake, read_contract
from .elsewhere import NOTHING_MOVES, blind_spots, moved
from .inside import has_inner_layers, inner_findings, merge
from .measuring import measure
from .numeric import Differences, Slopes, epsilon
from .report import Finding, GradientReport
from .twin import Twin, chance_preserved

SECONDS = 1.0
"""How long the differences of one check may take; a layer that needs longer is sampled."""


def check_gradients(layer: Layer, *inputs: Any, method: str = "difference", seed: int = 0) -> GradientReport:
    """Compare a layer's backward with its forward, and name what is wrong.

    Works on any layer, container or loss. Inputs of a whole-number type, and the targets of losses, are not differentiated.
    The layer is left as it was: a deep copy is asked, in float64 where it can be.

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
    with chance_preserved(layer), np.errstate(all="ignore"):
        return checked(layer, given, method, seed)


def checked(layer: Layer, inputs: tuple[Any, ...], method: str, seed: int) -> GradientReport:
    """Return the report on a layer: as it is, then on the layers inside, then where the first look was blind."""
    report, case = looked_at(layer, inputs, method, seed)
    if has_inner_layers(layer):
        if report.findings:
            merge(report, inner_findings(layer, inputs, lambda inner, given: looked_at(inner, given, method, seed)[0], 10 * SECONDS))
        else:
            for finding in inner_findings(layer, inputs, lambda inner, given: looked_at(inner, given, "none", seed)[0], SECONDS / 2):
                report.find(finding)
    if case is not None and case.slopes and report.ok:
        look_elsewhere(layer, inputs, case, report, seed)
    return report


def looked_at(layer: Layer, inputs: tuple[Any, ...], method: str, seed: int) -> tuple[GradientReport, Case | None]:
    """Return the report on a layer at these inputs alone; the method "none" leaves out the numbers."""
    rng = np.random.default_rng(seed)
    own = Twin(layer, inputs)
    report = GradientReport(repr(own.layer), method)
    ys = probes.forward_leaves_alone(own, report)
    probes.says_who_owns(own, ys, report)
    probes.types_are_kept(own, probes.random_douts(ys, rng, own.takes_dout), ys, report)
    twin, eps = exact_twin(layer, inputs, own, ys)
    report.precision = "float64" if eps < 1e-12 else f"the layer's own type, spacing {eps:.0e}"
    tolerance = max(1e-10, 1e3 * eps)
    ys = [np.array(y) for y in twin.forward()]
    douts = probes.random_douts(ys, rng, twin.takes_dout)
    probes.backward_leaves_alone(twin, douts, report)
    if not probes.repeats(twin, douts, report):
        return report, None
    probes.adds_up(twin, douts, report, rng, tolerance)
    probes.is_linear(twin, douts, report, rng, tolerance)
    probes.belongs_to_the_last_forward(twin, report, rng, tolerance)
    if method == "none":
        return report, None
    return report, numbers(layer, inputs, twin, ys, douts, eps, report, rng)


def look_elsewhere(layer: Layer, inputs: tuple[Any, ...], case: Case, report: GradientReport, seed: int) -> None:
    """Check once more with other numbers, or with more samples, where the ones given could not show a mistake."""
    spots = blind_spots(case)
    if not spots:
        return
    tried = None
    if not case.is_sampled:
        try:
            other, others = moved(layer, inputs, np.random.default_rng([seed, 1]))
            second, tried = looked_at(other, others, report.method, seed)
        except Exception:
            tried = None
    if tried is None:
        for name, why in spots:
            report.note("vacuous", name, f"{why}; try other numbers")
        return
    report.also.append(f"the same with other numbers, since {spots[0][0]} could hide a mistake: {spots[0][1]}")
    for finding in second.findings:
        finding.cause += " (seen with other numbers than yours, which hide it)"
        report.find(finding)
    left = {name for name, why in blind_spots(tried) if why == NOTHING_MOVES}
    for name, why in spots:
        if name in left:
            report.note("vacuous", name, why)


def exact_twin(layer: Layer, inputs: tuple[Any, ...], own: Twin, ys: list[Any]) -> tuple[Twin, float]:
    """Return a copy in float64, or where the layer refuses that, in its own types; and the spacing of the numbers it computes in."""
    try:
        twin = Twin(layer, inputs, np.dtype(np.float64))
        twin.hands_out_copies, twin.writes_parameters = own.hands_out_copies, own.writes_parameters
        outputs = twin.forward()
        if all(not isinstance(y, np.ndarray) or y.dtype.kind != "f" or y.dtype.itemsize >= 8 for y in outputs):
            return twin, float(np.finfo(np.float64).eps)
    except Exception:
        pass
    twin = Twin(layer, inputs)
    twin.hands_out_copies, twin.writes_parameters = own.hands_out_copies, own.writes_parameters
    return twin, epsilon([*ys, *twin.slots.values()])


def numbers(layer: Layer, inputs: tuple[Any, ...], twin: Twin, ys: list[Array], douts: list[Array], eps: float,
            report: GradientReport, rng: np.random.Generator) -> Case | None:  # fmt: skip
    """Compare backward with differences, element by element, and have what differs diagnosed."""
    if not all(np.isfinite(y).all() for y in ys):
        report.find(Finding("non-finite", "forward", "the output has infinities or NaN, so there is nothing to compare"))
        return None
    yours, logs = your_gradients(layer, inputs, twin, douts, eps)
    twin.forward()
    twin.settle()
    twin.is_stateful = depends_on_state(twin, ys)
    case = Case(twin, ys, douts, yours, logs, eps, report)
    if report.method == "complex":
        case.slopes = complex_slopes(twin, douts)
    else:
        measure(case, rng, SECONDS)
    shapes_fit = read_contract(case)
    for name in shapes_fit:
        wrong = compare(case, name)
        if wrong.any() and not is_only_here(layer, inputs, case, name, wrong, rng):
            name_the_mistake(case, name, wrong)
    return case


def your_gradients(layer: Layer, inputs: tuple[Any, ...], twin: Twin, douts: list[Array], eps: float) -> tuple[Gradients, Any]:
    """Return what backward says, and what it added to each parameter on the way."""
    twin.forward()
    yours = gradients(twin, douts)
    spy = Twin(layer, inputs, np.dtype(np.float64) if eps < 1e-12 else None)
    seen, logs = spied(spy, douts)
    return (seen if yours.error is not None else yours), logs


def depends_on_state(twin: Twin, ys: list[Array]) -> bool:
    """Return whether forward gives something else when attributes are not put back."""
    for _ in range(2):
        twin.rewind()
        if not all(map(probes.same, ys, twin.forward_on())):
            return True
    return False


def is_only_here(layer: Layer, inputs: tuple[Any, ...], case: Case, name: str, wrong: Array, rng: np.random.Generator) -> bool:
    """Return whether what differs is the choice of slopes at kinks inside the layer, which mix: beside this point all agrees.

    A kink that only one output feels mixes with nothing: there the slope has to lie between those on its two sides.
    """
    slopes = case.slopes[name]
    flat = wrong.ravel()
    if slopes.jacobian is None or (flat & ~slopes.is_kink).any() or (flat & ((slopes.jacobian != 0).sum(axis=1) <= 1)).any():
        return False
    elements = rng.permutation(np.flatnonzero(flat))[:64]
    for _ in range(2):
        twin = Twin(layer, inputs, np.dtype(np.float64) if case.eps < 1e-12 else None)
        twin.hands_out_copies, twin.writes_parameters = case.twin.hands_out_copies, case.twin.writes_parameters
        for array in twin.slots.values():
            size = float(np.sqrt(np.mean(np.square(array)))) or 1.0 if array.size else 1.0
            array[...] += np.asarray(1e-3 * size * rng.normal(size=array.shape), array.dtype)
        nearby = Case(twin, case.ys, case.douts, case.yours, case.logs, case.eps, case.report)
        twin.forward()
        yours = gradients(twin, case.douts).by_name.get(name)
        if yours is None or np.shape(yours) != wrong.shape:
            return False
        differences = Differences(twin, case.douts, case.eps)
        there = Slopes(slopes.slope.size, differences.y.size)
        differences.measure(name, elements, there, np.inf)
        differences.refine(name, elements, there, np.inf)
        if not nearby.agrees(np.asarray(yours, float).ravel(), there)[elements].all():
            return False
    case.report.kinks[name] = case.report.kinks.get(name, 0) + int(flat.sum())
    case.report.errors[name] = 0.0
    return True


def compare(case: Case, name: str) -> Array:
    """Write down how far off an array is, and return which elements are wrong."""
    slopes = case.slopes[name]
    yours = np.asarray(case.yours.by_name[name], float).ravel()
    known = ~np.isnan(slopes.slope)
    case.report.covered[name] = int(known.sum()), yours.size
    wrong = known & ~case.agrees(yours, slopes)
    kinks = known & slopes.is_kink & ~wrong
    if kinks.any():
        case.report.kinks[name] = int(kinks.sum())
    smooth = known & ~kinks
    with np.errstate(all="ignore"):
        larger = np.maximum(np.abs(yours), np.abs(slopes.slope))[smooth]
        apart = np.abs(yours - slopes.slope)[smooth]
        floor = 1e-3 * float(larger[np.isfinite(larger)].max(initial=0.0))
        relative = np.where(apart == 0, 0.0, apart / np.maximum(np.maximum(larger, floor), np.finfo(float).tiny))
    case.report.errors[name] = float(np.where(np.isnan(relative), np.inf, relative).max(initial=0.0))
    return np.asarray(wrong.reshape(case.twin.slots[name].shape))
