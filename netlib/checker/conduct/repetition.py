"""Forward and backward are repeatable, and a backward belongs to the last forward."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array
from ...random_state import global_generator, same_state, state
from ..analytic import Gradients, Rng, as_numbers, backward_or_none, gradients, random_douts, repeat
from ..equality import is_close, is_same
from ..guards import UserCodeError, describe
from ..report import Finding, GradientReport
from ..twin import Twin
from .samples import Passes

KEEP_A_GENERATOR = "draw from a generator of the layer: self.rng = np.random.default_rng(seed), in __init__"


def check_repetition(twin: Twin, passes: Passes, report: GradientReport) -> Passes | None:
    """Report passes that differ from earlier ones in the same random state.

    Returns the repeatable outputs and gradients: a container may round differently from its second
    forward on, which runs by a plan. None if forward is not repeatable, or earlier backward passes
    affect later ones.
    """
    ys, douts, once = passes
    shared = global_generator()
    twin.rewind()
    before = copy.deepcopy(state(shared))
    second = twin.forward()
    if not same_state(before, state(shared)):
        cause = "forward draws from NumPy's global random state, which any other code may seed or draw from"
        report.find(Finding("nondeterministic", "forward", cause, KEEP_A_GENERATOR))
    if not all(map(is_same, ys, second)):
        ys = [np.array(y) for y in second]
        once = gradients(twin, douts)
        second = twin.forward()
    if not all(map(is_same, ys, second)):
        cause = "forward gives different outputs for the same input and the same random state"
        report.find(Finding("nondeterministic", "forward", cause, KEEP_A_GENERATOR))
        return None
    del second
    again = gradients(twin, douts)
    if _differ_by_rounding(once, again):
        once = again
        twin.forward()
        again = gradients(twin, douts)
    if all(is_same(g, again.by_name.get(name)) for name, g in once.by_name.items()):
        again = once  # in less memory
    repeated = gradients(twin, douts)
    if once.error is not None or repeated.error is not None:
        if once.error is None:
            cause = f"a second backward of the same forward raises {describe(repeated.error)}: backward uses up what forward kept"
            report.find(Finding("stale-cache", "backward", cause, "do not change what forward kept"))
        return Passes(ys, douts, once)
    is_spoiled = False
    for name in once.by_name:
        if _keeps_adding(*(g.by_name[name] for g in (once, again, repeated))):
            cause = "every backward adds to what the one before it left: a buffer is never cleared"
            report.find(Finding("stale-cache", name, cause, "a new array in every backward, = in place of +="))
            is_spoiled |= not is_same(once.by_name[name], again.by_name[name])
        elif not is_same(once.by_name[name], again.by_name[name]):
            cause = "the same forward and the same dout give a different gradient each time: backward draws new random numbers"
            report.find(Finding("nondeterministic", name, cause, "keep what forward drew (self.mask = …), and use that in backward"))
        elif not twin.writes_parameters and not is_same(again.by_name[name], repeated.by_name[name]):
            cause = "a second backward of the same forward gives a different gradient"
            if _draws_in_backward(twin, douts):
                report.find(
                    Finding("nondeterministic", name, cause + ": backward draws new random numbers", "the mask that forward drew and kept")
                )
            else:
                hint = "a new array in place of writing into what forward kept"
                report.find(Finding("stale-cache", name, cause + ": backward changes what forward kept", hint))
    return None if is_spoiled else Passes(ys, douts, once)


def _differ_by_rounding(once: Gradients, again: Gradients) -> bool:
    pairs = [(g, again.by_name.get(name)) for name, g in once.by_name.items()]
    return not all(is_same(*pair) for pair in pairs) and all(is_close(*pair, 1e-4) for pair in pairs)


def _keeps_adding(once: Any, again: Any, repeated: Any) -> bool:
    """Return whether a backward returns its gradient and those of earlier backward passes."""
    if is_same(again, repeated):
        return False
    first, second, third = (
        np.array(np.nan) if g is None or as_numbers(g) is None else np.asarray(g, float) for g in (once, again, repeated)
    )
    if not first.shape == second.shape == third.shape or not np.isfinite(first + second + third).all():
        return False
    is_buffer = is_close(first, second, 1e-12) and is_close(2 * second, third, 1e-12)  # cleared before forward
    return bool((third != second).any()) and (is_buffer or is_close(third - second, second - first, 1e-6))


def _draws_in_backward(twin: Twin, douts: Sequence[Array]) -> bool:
    """Return whether backward draws from a random generator."""
    twin.forward()
    before = twin.random_states()
    gradients(twin, douts)
    return not twin.has_random_states(before)


def check_last_forward(twin: Twin, report: GradientReport, rng: Rng, tolerance: float) -> None:
    """Report a backward that uses an earlier forward, and results that a later pass changes.

    The second forward gets changed weights and other numbers, with another order of targets and
    indices if the layer accepts it, and then one sample fewer.
    """
    here = twin.inputs
    n = len(here[0]) if np.ndim(here[0]) and len({np.shape(x)[:1] for x in here}) == 1 else 0
    moved = [_others(x, rng) if i in twin.float_inputs else x for i, x in enumerate(here)]
    turned = [x if i in twin.float_inputs else _turned(x) for i, x in enumerate(moved)]
    if not _check_second_forward(twin, here, turned, report, rng, tolerance):
        _check_second_forward(twin, here, moved, report, rng, tolerance)
    if n > 2 and not any(finding.mistake == "stale-cache" for finding in report.findings):
        _check_second_forward(twin, here, [x[: n - 1] for x in turned], report, rng, tolerance)


def check_evaluation(twin: Twin, ys: Sequence[Any], douts: Sequence[Array], report: GradientReport, rng: Rng, tolerance: float) -> None:
    """Report a backward that, in evaluation, uses the cache of a forward in training."""
    if twin.layer.training:
        return
    inputs, buffers = twin.inputs, {path: buffer.value.copy() for path, buffer in twin.layer.buffers().items()}
    found = []
    twin.reset()
    try:
        for _ in range(2):
            twin.inputs = [_others(x, rng) if i in twin.float_inputs else x for i, x in enumerate(inputs)]
            twin.layer.train()
            twin.forward_on()
            twin.layer.eval()
            for path, buffer in twin.layer.buffers().items():
                buffer.value[...] = buffers[path]
            twin.inputs = inputs
            if not all(map(is_same, ys, twin.forward_on())):
                return
            found.append(gradients(twin, douts))
    except UserCodeError:
        return
    finally:
        twin.inputs = inputs
        twin.reset()
        twin.layer.eval()
    for name, g in found[0].by_name.items():
        if found[0].error is None and found[1].error is None and not is_close(g, found[1].by_name[name], tolerance):
            cause = "in evaluation backward still uses what a forward in training kept"
            report.find(Finding("stale-cache", name, cause, "keep it in every forward, in evaluation, too: self.mask = np.ones(x.shape)"))


def _check_second_forward(twin: Twin, here: list[Any], elsewhere: list[Any], report: GradientReport, rng: Rng, tolerance: float) -> bool:
    """Check a forward after another one; return whether the layer takes the second inputs."""
    inputs = twin.inputs
    try:
        twin.inputs = here
        try:
            first = twin.forward()
        except UserCodeError:
            return False
        held = [np.array(y) for y in first]
        dx = _arrays(backward_or_none(twin, random_douts(first, rng, twin.takes_dout)))
        dx_held = [np.array(d) for d in dx]
        then = twin.random_states()
        for parameter in twin.parameters.values():
            parameter.value[...] *= repeat(lambda n: rng.uniform(0.8, 1.2, n), parameter.shape, parameter.dtype)
        twin.inputs = elsewhere
        try:
            returned = twin.forward_on()
        except UserCodeError:
            return False
        if not all(map(is_same, held, first)):
            cause = "a second forward overwrites the array that the first one returned"
            report.find(Finding("aliases-output", "forward", cause, "return a new array each time, or y.copy()"))
        del first, held
        second = [np.array(y) for y in returned]
        del returned
        douts = random_douts(second, rng, twin.takes_dout)
        keeps, twin.writes_parameters = twin.writes_parameters, False
        got = gradients(twin, douts)
        if not all(map(is_same, dx_held, dx)):
            cause = "a second backward overwrites the array that the first one returned"
            report.find(Finding("aliases-output", "backward", cause, "return a new array each time, or dx.copy()"))
        del dx, dx_held
        twin.reset()
        twin.set_random_states(then)
        fresh = [np.array(y) for y in twin.forward_on()]
        wanted = gradients(twin, douts)
        twin.writes_parameters = keeps
        if keeps or wanted.error is not None or not all(map(is_same, fresh, second)):
            return True
        if got.error is not None:
            cause = f"after a second forward, backward raises {describe(got.error)}: it uses what an earlier forward kept"
            report.find(Finding("stale-cache", "backward", cause, "keep what backward needs in every forward"))
            return True
        for name, g in wanted.by_name.items():
            if name not in nondeterministic_names(report) and not is_close(g, got.by_name[name], tolerance):
                cause = "after two forwards, backward still uses what an earlier one kept"
                report.find(Finding("stale-cache", name, cause, "self.x = … in every forward, without a condition"))
        return True
    finally:
        twin.inputs = inputs
        twin.restore_parameters()


def _others(x: Array, rng: Rng) -> Array:
    """Return other numbers in other places, so that a mask of the first ones does not fit."""
    return np.asarray(np.flip(x) * rng.uniform(0.5, 1.5, x.shape), x.dtype)


def _turned(x: Any) -> Any:
    """Return targets or indices in another order of the samples."""
    return x[::-1].copy() if np.ndim(x) else x


def _arrays(dx: Any) -> list[Array]:
    return [d for d in (dx if isinstance(dx, tuple | list) else [dx]) if isinstance(d, np.ndarray)]


def nondeterministic_names(report: GradientReport) -> set[str]:
    """Return the names whose gradients are random."""
    return {finding.where for finding in report.findings if finding.mistake == "nondeterministic"}


def unrepeated_names(report: GradientReport) -> set[str]:
    """Return the names whose gradients differ from one backward to the next."""
    return {finding.where for finding in report.findings if finding.mistake in ("nondeterministic", "stale-cache")}
