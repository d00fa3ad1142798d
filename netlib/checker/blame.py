"""Which inner layer is to blame: each is checked separately, on its inputs in the whole."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ..inspection import deep_copy
from ..layer import Layer
from ..recording import record_calls
from .guards import UserCodeError, attempt, call_user_code
from .measuring.budget import seconds_of_check
from .repair import repair_parts
from .report import Finding, GradientReport

Check = Callable[[Layer, tuple[Any, ...]], GradientReport]


def check_parts(
    layer: Layer, inputs: tuple[Any, ...], check: Check, seconds: float, has_differences: bool, report: GradientReport
) -> tuple[list[Finding], list[str]]:
    """Return the mistakes of the layers inside, and the paths of the layers that make them.

    A composite is checked with its wrong parts repaired.
    """
    before, running = deep_copy(layer, "the check works on a copy"), deep_copy(layer, "the check works on a copy")
    by_path = dict(before.walk())
    with record_calls(running) as calls:
        call_user_code(running.forward, *(copy.deepcopy(x) for x in inputs))
    found: list[Finding] = []
    blamed: list[str] = []
    for path, part, given, _ in calls:  # inner ones end first
        if not path or seconds < 0:
            continue
        seconds -= seconds_of_check(part, given, has_differences)
        parts = [each.removeprefix(f"{path}.") for each in blamed if each.startswith(f"{path}.")]
        inner = [finding for finding in found if finding.where.startswith(path)]
        own = check_own_code(by_path[path], tuple(np.array(x) for x in given), inner, parts, check, report)
        for finding in own.findings if own is not None else ():
            finding.where, finding.layer = place(path, finding.where), f"{path} {finding.layer}"
            found.append(finding)
            blamed.append(path)
    return found, blamed


def check_own_code(
    layer: Layer, inputs: tuple[Any, ...], inner: list[Finding], blamed: list[str], check: Check, report: GradientReport
) -> GradientReport | None:
    """Return the report on a layer with the blamed parts repaired.

    None if they cannot be repaired, or if a forward is at fault.
    """
    if any(finding.mistake in OF_FORWARD and finding.where != "backward" for finding in inner):
        return None
    mine = attempt(report, "backward", lambda: repair_parts(layer, blamed, inputs), None) if blamed else layer
    if mine is None:
        return None
    try:
        return check(mine, inputs)
    except UserCodeError:
        return None


def place(path: str, where: str) -> str:
    """Return a place seen from outside: "0.weight" for a parameter, "0: input 0" for the rest."""
    is_parameter = not where.startswith(("input ", "output ")) and where not in ("forward", "backward")
    return f"{path}.{where}" if is_parameter else f"{path}: {where}"


def has_inner_layers(layer: Layer) -> bool:
    """Return whether a layer has layers inside."""
    return any(isinstance(member, Layer) for _, member in layer.members())


def merge(report: GradientReport, inner: list[Finding], own: GradientReport | None) -> None:
    """Replace the findings of the whole by those inside, and those left after their repair."""
    slugs = {finding.mistake for finding in inner}
    kept = [f for f in report.findings if f.evidence is None and f.mistake in OF_THE_WHOLE] if own is None else own.findings
    report.findings = []
    for finding in [*inner, *(f for f in kept if f.evidence is not None or f.mistake not in slugs & OF_THE_WHOLE)]:
        report.find(finding)


OF_FORWARD = {"mutates-input", "mutates-parameters", "nondeterministic", "aliases-output", "dtype-changed", "non-finite"}
"""Mistakes that a repaired backward does not cure."""
OF_THE_WHOLE = {"mutates-input", "mutates-upstream", "mutates-parameters", "aliases-output", "not-accumulated", "dtype-changed"}
"""Mistakes of a part that show in the whole, too."""
