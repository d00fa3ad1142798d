"""Arrays that a pass may not write into, and memory that it may not share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...arrays import Array
from ...inspection import held_objects
from ..analytic import Gradients, Rng, gradients, random_douts
from ..equality import is_same
from ..report import Finding, GradientReport
from ..twin import Twin
from .repetition import nondeterministic_names


def check_forward_writes(twin: Twin, report: GradientReport) -> list[Any]:
    """Return the outputs of a first forward; report it if it writes into inputs or parameters."""
    return _watch(twin, report, "forward", twin.forward)  # type: ignore[no-any-return]


def check_backward_writes(twin: Twin, douts: Sequence[Array], report: GradientReport) -> Gradients:
    """Return the gradients after a forward; report a backward that writes where it should not.

    It may not write into dout, inputs or parameters.
    """
    given = [np.array(d) for d in douts]
    forward_writes, twin.writes_parameters = twin.writes_parameters, False  # see what backward leaves behind
    found: Gradients = _watch(twin, report, "backward", lambda: gradients(twin, given, are_spent=True))
    twin.writes_parameters |= forward_writes
    for before, after in zip(douts, given, strict=True):
        if not is_same(before, after):
            hint = "a new array, such as dout * mask in place of dout[~mask] = 0"
            report.find(Finding("mutates-upstream", "backward", "backward writes into dout, which the caller still uses", hint))
    return found


def _watch(twin: Twin, report: GradientReport, act: str, run: Callable[[], Any]) -> Any:
    outcome = run()
    for i, (before, after) in enumerate(zip(twin.given, twin.inputs, strict=True)):
        if not _is_unchanged(before, after):
            twin.copies_inputs = True
            if isinstance(after, np.ndarray):
                after[...] = before
            hint = "a new array, such as np.where(x > 0, x, 0) in place of x[x < 0] = 0"
            report.find(Finding("mutates-input", f"input {i}", f"{act} writes into its input, which belongs to the caller", hint))
    for path, before in twin.given_values.items():
        if not _is_unchanged(before, twin.parameters[path].value):
            twin.writes_parameters = True
            twin.parameters[path].value[...] = before
            cause = f"{act} changes the parameter's value, so that later passes compute with other numbers"
            report.find(Finding("mutates-parameters", path, cause, "self.….grad += …, and leave the step to the optimizer"))
    return outcome


def _is_unchanged(before: Any, after: Any) -> bool:
    return is_same(np.asarray(before, after.dtype) if isinstance(after, np.ndarray) else before, after)


def note_output_views(twin: Twin, ys: Sequence[Any], report: GradientReport) -> None:
    """Note outputs that share memory with an input or a parameter, and so change with it."""
    for y in ys:
        for name in _owners(twin, y):
            report.note("aliases-output", "forward", f"the output shares memory with {name} and changes with it; return a copy")


def note_cached_outputs(twin: Twin, douts: Sequence[Array], plain: Gradients, report: GradientReport, rng: Rng) -> None:
    """Note outputs that backward reads: ``y += 1`` would change the gradient."""
    ys = [y for y in twin.forward() if isinstance(y, np.ndarray) and y.dtype.kind == "f" and y.flags.writeable]
    kept = [thing for thing in held_objects(twin.layer) if isinstance(thing, np.ndarray)]
    theirs = [y for y in ys if not _owners(twin, y) and any(np.may_share_memory(y, thing) for thing in kept)]
    if not theirs:
        return
    held = [y.copy() for y in theirs]
    for y, other in zip(theirs, random_douts(theirs, rng), strict=True):
        y[...] = other
    after = gradients(twin, douts)
    for y, before in zip(theirs, held, strict=True):
        y[...] = before
    if plain.error is not None or after.error is not None:
        return
    changed = [
        name for name, g in plain.by_name.items() if name not in nondeterministic_names(report) and not is_same(g, after.by_name[name])
    ]
    if changed:
        text = f"backward reads the output array itself: writing into it changes the gradient of {', '.join(changed)}"
        report.note("aliases-output", "forward", f"{text}; return a copy")


def _owners(twin: Twin, y: Any) -> list[str]:
    """Return the names of the inputs and parameters that an output shares memory with."""
    owners = {f"input {i}": x for i, x in enumerate(twin.inputs)} | {path: p.value for path, p in twin.parameters.items()}
    if not isinstance(y, np.ndarray):
        return []
    return [name for name, owner in owners.items() if isinstance(owner, np.ndarray) and np.may_share_memory(y, owner)]
