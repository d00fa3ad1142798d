"""What needs no differences: what a backward may not do, and what must repeat, add up, and stay as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from .analytic import Gradients, as_numbers, gradients
from .report import Finding, GradientReport
from .twin import Twin

Rng = np.random.Generator


def random_douts(ys: Sequence[Any], rng: Rng, is_used: bool = True) -> list[Array]:
    """Return a random dout for each output, of both signs and never near zero; ones for a backward that takes none."""
    douts = []
    for y in map(np.asarray, ys):
        d = rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape) if is_used else np.ones(y.shape)
        douts.append(np.asarray(d, y.dtype if y.dtype.kind == "f" else float))
    return douts


def same(a: Any, b: Any) -> bool:
    """Return whether two outputs or gradients are the same, bit for bit but for NaN."""
    if a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc" and b.dtype.kind in "fc"))


def close(a: Any, b: Any, tolerance: float) -> bool:
    """Return whether two arrays agree, measured against the largest element."""
    a, b = (None if g is None else as_numbers(g) for g in (a, b))
    if a is None or b is None:
        return a is b
    if a.shape != b.shape:
        return False
    if not a.size:
        return True
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return bool(np.array_equal(np.isfinite(a), np.isfinite(b)))
    return float(np.abs(a - b).max()) <= tolerance * max(float(np.abs(a).max()), float(np.abs(b).max()))


def forward_leaves_alone(twin: Twin, report: GradientReport) -> list[Any]:
    """Return the outputs of a first forward, which leaves inputs and parameters as they were."""
    return _watch(twin, report, "forward", twin.forward)  # type: ignore[no-any-return]


def backward_leaves_alone(twin: Twin, douts: Sequence[Array], report: GradientReport) -> None:
    """Look whether dout, inputs and parameters are after backward what they were."""
    twin.forward()
    given = [np.array(d) for d in douts]

    def backward() -> None:
        for parameter in twin.parameters.values():
            parameter.grad.fill(0)
        _quietly(twin, given)

    _watch(twin, report, "backward", backward)
    for before, after in zip(douts, given, strict=True):
        if not same(before, after):
            mend = "a new array, such as dout * mask in place of dout[~mask] = 0"
            report.find(Finding("mutates-upstream", "backward", "backward writes into dout, which others still use", mend))


def _watch(twin: Twin, report: GradientReport, act: str, run: Callable[[], Any]) -> Any:
    values = {path: p.value.copy() for path, p in twin.parameters.items()}
    inputs = [np.array(x) for x in twin.inputs]
    outcome = run()
    for i, (before, after) in enumerate(zip(inputs, twin.inputs, strict=True)):
        if not same(before, after):
            twin.hands_out_copies = True
            if isinstance(after, np.ndarray):
                after[...] = before
            mend = "a new array, such as np.where(x > 0, x, 0) in place of x[x < 0] = 0"
            report.find(Finding("mutates-input", f"input {i}", f"{act} writes into its input, which belongs to the caller", mend))
    for path, before in values.items():
        if not same(before, twin.parameters[path].value):
            twin.writes_parameters = True
            twin.parameters[path].value[...] = before
            cause = f"{act} changes the parameter's value: what comes after it is computed with other numbers"
            report.find(Finding("mutates-parameters", path, cause, "self.….grad += …, and leave the step to the optimizer"))
    return outcome


def repeats(twin: Twin, douts: Sequence[Array], report: GradientReport) -> bool:
    """Return whether the same chance gives the same numbers: forward repeats itself, and backward draws nothing."""
    first = [np.array(y) for y in twin.forward()]
    second = [np.array(y) for y in twin.forward()]
    if not all(map(same, first, second)):
        cause = "forward gives another output for the same input, though its random generators were put back"
        mend = "draw from a generator that the layer is given and keeps: self.rng = np.random.default_rng(seed), once, in __init__"
        report.find(Finding("nondeterministic", "forward", cause, mend))
        return False
    once = gradients(twin, douts)
    twin.forward()
    again = gradients(twin, douts)
    twin.forward()
    kept = gradients(twin, douts)
    repeated = gradients(twin, douts)
    if once.error is not None or repeated.error is not None:
        if once.error is None:
            cause = f"a second backward of the same forward raises {_said(repeated.error)}: backward uses up what forward kept"
            report.find(Finding("stale-cache", "backward", cause, "leave what forward kept as it is"))
        return True
    for name in once.by_name:
        if not same(once.by_name[name], again.by_name[name]):
            cause = "the same forward and the same dout give another gradient each time: backward draws anew"
            report.find(Finding("nondeterministic", name, cause, "keep what forward drew (self.mask = …), and use that in backward"))
        elif not twin.writes_parameters and not same(kept.by_name[name], repeated.by_name[name]):
            cause = "a second backward of the same forward gives another gradient"
            if _draws_in_backward(twin, douts):
                report.find(Finding("nondeterministic", name, cause + ": backward draws anew", "the mask that forward drew and kept"))
            else:
                mend = "a new array in place of writing into what forward kept"
                report.find(Finding("stale-cache", name, cause + ": backward changes what forward kept", mend))
    return True


def _draws_in_backward(twin: Twin, douts: Sequence[Array]) -> bool:
    """Return whether backward moves a random generator on."""
    twin.forward()
    before = twin.chance()
    gradients(twin, douts)
    return not twin.is_chance(before)


def adds_up(twin: Twin, douts: Sequence[Array], report: GradientReport, rng: Rng, tolerance: float) -> None:
    """Backward adds to what is in the gradients already."""
    twin.forward()
    plain = gradients(twin, douts)
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
            path in random_names(report)
            or total is None
            or total.shape != alone.shape
            or not np.isfinite(alone).all()
            or close(total, start[path] + alone, tolerance)
        ):
            continue
        if close(total, alone, tolerance) or close(total, np.where(alone != 0, alone, start[path]), tolerance):
            cause = "backward replaces the gradient that is there already, so a second backward or a second use of the parameter is lost"
            report.find(Finding("not-accumulated", path, cause, f"self.{path}.grad += …  (in place of =)"))
        else:
            cause = "what is in the gradient already is counted again: it should be what it was plus the new gradient"
            report.find(Finding("double-counted", path, cause, f"self.{path}.grad += …, with the new gradient alone on the right"))


def is_linear(twin: Twin, douts: Sequence[Array], report: GradientReport, rng: Rng, tolerance: float) -> None:
    """backward(d1 + 2 d2) = backward(d1) + 2 backward(d2), for each input and parameter."""
    if not twin.takes_dout:
        return
    others = random_douts(douts, rng)
    at = [gradients_at(twin, d) for d in (douts, others, [a + 2 * b for a, b in zip(douts, others, strict=True)])]
    if any(g.error is not None for g in at):
        return
    for name in at[0].by_name:
        a, b, both = (None if g.by_name[name] is None else as_numbers(g.by_name[name]) for g in at)
        if name in random_names(report) or a is None or b is None or both is None or not np.shape(a) == np.shape(b) == np.shape(both):
            continue
        if not (np.isfinite(a).all() and np.isfinite(b).all() and np.isfinite(both).all()):
            continue
        scale = max((float(np.abs(g).max()) for g in (a, b, both) if g.size), default=0.0)
        rounding = 1e-3 * np.finfo(both.dtype).eps * max(float(np.abs(d).max(initial=0)) for d in douts)
        if not both.size or float(np.abs(a + 2 * b - both).max()) <= tolerance * scale + rounding:
            continue
        if close(a, b, tolerance):
            cause = "the gradient is the same whatever dout is: backward forgets to multiply by it"
            report.find(Finding("ignores-upstream", name, cause, "… * dout: the chain rule, dL/dx = dL/dy · dy/dx"))
            continue
        if any(finding.mistake.startswith("mutates") for finding in report.findings):
            continue  # what was changed on the way shows here, too
        none = gradients_at(twin, [0 * d for d in douts]).by_name[name]
        if none is not None and np.shape(none) == a.shape and np.any(none):
            cause = "with dout = 0 the gradient is not 0: a term is not multiplied by dout"
            mistake = "ignores-upstream" if np.allclose(np.asarray(none) + (a - none), a) and close(none, b, 0.5) else "wrong-formula"
            report.find(Finding(mistake, name, cause, "every term of a backward has dout as a factor"))
            continue
        d = np.concatenate([np.ravel(each) for each in douts])
        if a.size == d.size and bool((a.ravel()[d < 0] == 0).all()):
            cause = "the gradient is zero where dout is negative: the mask is that of dout in place of that of the input"
            report.find(Finding("missing-mask", name, cause, "dout * (x > 0), with the x of forward"))
        else:
            cause = "the gradient does not follow dout in proportion: doubling dout must double it, adding must add"
            report.find(Finding("wrong-formula", name, cause, "use dout once, as a plain factor"))


def gradients_at(twin: Twin, douts: Sequence[Array]) -> Gradients:
    """Return what backward says for this dout, after a forward of its own."""
    twin.forward()
    return gradients(twin, douts)


def belongs_to_the_last_forward(twin: Twin, report: GradientReport, rng: Rng, tolerance: float) -> None:
    """After two forwards, with a step of the weights between, backward is that of the second; what the first returned stays as it was."""
    inputs = twin.inputs
    elsewhere = [np.asarray(x * rng.uniform(0.5, 1.5, x.shape), x.dtype) if i in twin.float_inputs else x for i, x in enumerate(inputs)]
    try:
        first = twin.forward()
        held = [np.array(y) for y in first]
        dx = _arrays(_quietly(twin, random_douts(first, rng, twin.takes_dout)))
        dx_held = [np.array(d) for d in dx]
        then = twin.chance()
        for parameter in twin.parameters.values():
            parameter.value[...] *= np.asarray(rng.uniform(0.8, 1.2, parameter.shape), parameter.dtype)
        twin.inputs = elsewhere
        try:
            second = [np.array(y) for y in twin.forward_on()]
        except Exception:
            return
        if not all(map(same, held, first)):
            cause = "a second forward overwrites the array that the first one returned"
            report.find(Finding("aliases-output", "forward", cause, "return a new array each time, or y.copy()"))
        douts = random_douts(second, rng, twin.takes_dout)
        keeps, twin.writes_parameters = twin.writes_parameters, False
        got = gradients(twin, douts)
        if not all(map(same, dx_held, dx)):
            cause = "a second backward overwrites the array that the first one returned"
            report.find(Finding("aliases-output", "backward", cause, "return a new array each time, or dx.copy()"))
        twin.reset()
        twin.set_chance(then)
        fresh = [np.array(y) for y in twin.forward_on()]
        wanted = gradients(twin, douts)
        twin.writes_parameters = keeps
        if keeps or wanted.error is not None or not all(map(same, fresh, second)):
            return
        if got.error is not None:
            cause = f"after a second forward, backward raises {_said(got.error)}: it works with what an earlier forward kept"
            report.find(Finding("stale-cache", "backward", cause, "keep anew in every forward what backward needs"))
            return
        for name, g in wanted.by_name.items():
            if name not in random_names(report) and not close(g, got.by_name[name], tolerance):
                cause = "after two forwards, backward still works with what an earlier one kept"
                report.find(Finding("stale-cache", name, cause, "self.x = …, anew in every forward and without a condition"))
    finally:
        twin.inputs = inputs
        twin.restore_parameters()


def random_names(report: GradientReport) -> set[str]:
    """Return the names whose gradients backward draws anew each time."""
    return {finding.where for finding in report.findings if finding.mistake == "nondeterministic"}


def _quietly(twin: Twin, douts: list[Array]) -> Any:
    try:
        return twin.backward(douts)
    except Exception:
        return None


def _arrays(dx: Any) -> list[Array]:
    return [d for d in (dx if isinstance(dx, tuple | list) else [dx]) if isinstance(d, np.ndarray)]


def _said(error: Exception | None) -> str:
    return f"{type(error).__name__} ({error})"


def says_who_owns(twin: Twin, ys: Sequence[Any], report: GradientReport) -> None:
    """Note outputs that share memory with an input or a parameter: they change when that does."""
    owners = {f"input {i}": x for i, x in enumerate(twin.inputs)} | {path: p.value for path, p in twin.parameters.items()}
    for y in ys:
        for name, owner in owners.items():
            if isinstance(y, np.ndarray) and isinstance(owner, np.ndarray) and np.may_share_memory(y, owner):
                report.note("aliases-output", "forward", f"the output shares memory with {name} and changes with it; return a copy")


def types_are_kept(twin: Twin, douts: Sequence[Array], ys: Sequence[Any], report: GradientReport) -> None:
    """Look whether outputs and gradients have a floating type that came in."""
    floats = [twin.inputs[i].dtype for i in twin.float_inputs]
    came = {d.name for d in floats} | {p.dtype.name for p in twin.parameters.values()}
    if not came:
        return
    for i, y in enumerate(ys):
        kind = np.asarray(y).dtype
        if isinstance(y, np.ndarray) and kind.kind == "f" and kind.name not in came:
            cause = f"the output is {kind.name}, though everything that came in is {' or '.join(sorted(came))}"
            where = "forward" if len(ys) == 1 else f"output {i}"
            report.find(Finding("dtype-changed", where, cause, "give constants and buffers the type of x: np.zeros(shape, x.dtype)"))
    twin.forward()
    given = gradients(twin, douts)
    allowed = came | {np.asarray(y).dtype.name for y in ys if isinstance(y, np.ndarray)}
    for name, d in given.returned.items():
        if isinstance(d, np.ndarray) and d.dtype.name not in allowed:
            wanted = twin.slots[name].dtype.name
            cause = f"the gradient is {d.dtype.name}, though input and dout are {' and '.join(sorted({wanted, *allowed}))}"
            report.find(Finding("dtype-changed", name, cause, f"give constants and buffers the type of dout, here {wanted}"))
