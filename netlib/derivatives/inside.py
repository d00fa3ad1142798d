"""Which layer inside a layer is to blame: each is checked on its own, on what it is given in a forward of the whole."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ..layer import Layer
from ..recording import record_calls
from .effort import seconds_of_check
from .mending import mended
from .report import Finding, GradientReport

Check = Callable[[Layer, tuple[Any, ...]], GradientReport]


def inner_findings(
    layer: Layer, inputs: tuple[Any, ...], check: Check, seconds: float, has_differences: bool
) -> tuple[list[Finding], list[str]]:
    """Return the mistakes of the layers inside, each under its path, and the paths of the layers that make them.

    Those of a composite are looked for with its wrong parts put right.
    """
    before, running = copy.deepcopy(layer), copy.deepcopy(layer)
    by_path = dict(before.walk())
    with record_calls(running) as calls:
        running.forward(*(copy.deepcopy(x) for x in inputs))
    found: list[Finding] = []
    blamed: list[str] = []
    for path, part, given, _ in calls:  # inner ones end first
        if not path or seconds < 0:
            continue
        seconds -= seconds_of_check(part, given, has_differences)
        parts = [each.removeprefix(f"{path}.") for each in blamed if each.startswith(f"{path}.")]
        report = own_report(by_path[path], tuple(np.array(x) for x in given), [f for f in found if f.where.startswith(path)], parts, check)
        for finding in report.findings if report is not None else ():
            finding.where, finding.layer = place(path, finding.where), f"{path} {finding.layer}"
            found.append(finding)
            blamed.append(path)
    return found, blamed


def own_report(layer: Layer, inputs: tuple[Any, ...], inner: list[Finding], blamed: list[str], check: Check) -> GradientReport | None:
    """Return the report on a layer with the parts to blame put right; None where those cannot be, or forward is at fault."""
    if any(finding.mistake in OF_FORWARD and finding.where != "backward" for finding in inner):
        return None
    try:
        mine = mended(layer, blamed, inputs) if blamed else layer
        return None if mine is None else check(mine, inputs)
    except Exception:
        return None


def place(path: str, where: str) -> str:
    """Return where something is, seen from outside: "0.weight" for a parameter, "0: input 0" for the rest."""
    is_parameter = not where.startswith(("input ", "output ")) and where not in ("forward", "backward")
    return f"{path}.{where}" if is_parameter else f"{path}: {where}"


def has_inner_layers(layer: Layer) -> bool:
    """Return whether there are layers inside."""
    return any(isinstance(member, Layer) for _, member in layer.members())


def merge(report: GradientReport, inner: list[Finding], own: GradientReport | None) -> None:
    """Put what was found inside, and what is left with that put right, in the place of its consequences outside."""
    slugs = {finding.mistake for finding in inner}
    kept = [f for f in report.findings if f.evidence is None and f.mistake in OF_THE_WHOLE] if own is None else own.findings
    report.findings = []
    for finding in [*inner, *(f for f in kept if f.evidence is not None or f.mistake not in slugs & OF_THE_WHOLE)]:
        report.find(finding)


OF_FORWARD = {"mutates-input", "mutates-parameters", "nondeterministic", "aliases-output", "dtype-changed", "non-finite"}
"""What a backward that is put right does not hint."""
OF_THE_WHOLE = {"mutates-input", "mutates-upstream", "mutates-parameters", "aliases-output", "not-accumulated", "dtype-changed"}
"""What shows in the whole where a part does it."""
