"""Which layer inside a layer is to blame: each is checked on its own, on what it is given in a forward of the whole."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..layer import Layer
from ..recording import recorded
from .report import Finding, GradientReport

Check = Callable[[Layer, tuple[Any, ...]], GradientReport]


def inner_findings(layer: Layer, inputs: tuple[Any, ...], check: Check, seconds: float) -> list[Finding]:
    """Return the mistakes of the layers inside, each under its path; those of a composite only where its parts are right."""
    before, running = copy.deepcopy(layer), copy.deepcopy(layer)
    by_path = dict(before.walk())
    with recorded(running) as calls:
        running.forward(*(copy.deepcopy(x) for x in inputs))
    found: list[Finding] = []
    blamed: list[str] = []
    stop = time.perf_counter() + seconds
    for path, _, given, _ in calls:  # inner ones end first
        if not path or any(each.startswith(f"{path}.") for each in blamed) or time.perf_counter() > stop:
            continue
        try:
            report = check(by_path[path], tuple(np.array(x) for x in given))
        except Exception:
            continue
        for finding in report.findings:
            finding.where, finding.layer = place(path, finding.where), f"{path} {finding.layer}"
            found.append(finding)
            blamed.append(path)
    return found


def place(path: str, where: str) -> str:
    """Return where something is, seen from outside: "0.weight" for a parameter, "0: input 0" for the rest."""
    is_parameter = not where.startswith(("input ", "output ")) and where not in ("forward", "backward")
    return f"{path}.{where}" if is_parameter else f"{path}: {where}"


def has_inner_layers(layer: Layer) -> bool:
    """Return whether there are layers inside."""
    return any(isinstance(member, Layer) for _, member in layer.members())


def merge(report: GradientReport, inner: list[Finding]) -> None:
    """Put what was found inside in the place of its consequences outside."""
    if not inner:
        return
    slugs = {finding.mistake for finding in inner}
    kept = [f for f in report.findings if f.evidence is None and f.mistake not in slugs and f.mistake in OF_THE_WHOLE]
    report.findings = []
    for finding in [*inner, *kept]:
        report.find(finding)


OF_THE_WHOLE = {"mutates-input", "mutates-upstream", "mutates-parameters", "aliases-output", "not-accumulated", "dtype-changed"}
