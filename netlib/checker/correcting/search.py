"""The search for edits of backward that make wrong gradients right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from ...arrays import Array
from ..analytic import as_numbers, gradients
from ..context import CheckContext
from ..report import Correction
from ..tracing import internals
from ..twin import Twin
from .edits import completed_operands, exchanged_names, names_used, structural_edits
from .formulas import Scope, added, formulas, placed
from .source import Edit, Method, backward_methods

FEW = 2
"""Wrong gradients up to which a formula is sought for each, and not only one slip for all."""
MOST_FORMULAS = 4000
"""Formulas that are compared with a gradient."""
MOST_TRIALS, SECONDS = 800, 1.0
"""Trials of edits in one check, and the seconds for them, as estimated from sizes."""
TRIAL, LINE = 250e-6, 2e-6
"""Seconds of a trial, and of each line of the layer's code that it runs."""


def find_corrections(twin: Twin, context: CheckContext) -> list[Correction]:
    """Return edits that make wrong gradients right and leave right ones right, the widest first."""
    workshop = Workshop(twin, context)
    wrong = context.wrong_names()
    right = set(context.slopes) - wrong
    found: list[Correction] = []
    known: set[str] = set()

    def take(edits: Iterator[tuple[Method, Edit]]) -> None:
        for method, edit in edits:
            gained = workshop.right_names(method, edit, wrong | right)
            if right <= gained and gained & wrong - known:
                found.append(method.correction(edit, frozenset(gained & wrong)))
                known.update(gained)
            if wrong <= known or workshop.left < 0:
                return

    take(workshop.structural())
    if len(wrong) <= FEW:
        for name in sorted(wrong - known):
            take(workshop.formulas_for(name))
    take(workshop.completions())
    found.sort(key=lambda correction: -len(correction.names))
    return found


class Workshop:
    """A copy of a layer, on which edits of backward are tried."""

    def __init__(self, twin: Twin, context: CheckContext) -> None:
        self.twin = twin
        self.context = context
        self.methods = backward_methods(twin.layer)
        self.left = 0
        self.pools: list[tuple[Method, list[str], set[str], Scope]] = []
        if not self.methods:
            return
        values, n_lines = self._values(1.0)
        doubled, _ = self._values(2.0)
        self.left = min(MOST_TRIALS, int(SECONDS / (TRIAL + twin.seconds + LINE * n_lines)))
        self.pools = [(m, *self._pool(m, values[m.name], doubled[m.name])) for m in self.methods if m.name in values and m.name in doubled]

    def structural(self) -> Iterator[tuple[Method, Edit]]:
        """Yield the most likely edits."""
        for method, *_ in self.pools:
            yield from ((method, edit) for edit in structural_edits(method))
        for method, names, _, scope in self.pools:
            shapes = {name: a.shape for name, a in {**scope.linear, **scope.constant}.items()}
            yield from ((method, edit) for edit in exchanged_names(method, names, shapes))

    def completions(self) -> Iterator[tuple[Method, Edit]]:
        """Yield edits that complete an operand."""
        for method, names, flags, _ in self.pools:
            yield from ((method, edit) for edit in completed_operands(method, names, flags))

    def formulas_for(self, name: str) -> Iterator[tuple[Method, Edit]]:
        """Yield edits that write another formula for a gradient, or add what is missing of it."""
        right = self.context.numeric(name)
        yours = self.context.yours.by_name.get(name)
        mine = None if yours is None else as_numbers(yours)
        allowed = 1e-5 * float(np.abs(right).max(initial=0.0)) + 8 * float(self.context.slopes[name].noise.max(initial=0.0))
        if np.isnan(right).any() or not right.any():
            return
        targets = {"": right}
        if mine is not None and mine.shape == right.shape and np.isfinite(mine).all() and mine.any():
            targets |= {" + ": right - mine, " - ": mine - right}
        index, n = (int(name[6:]) if name.startswith("input ") else 0), self.twin.n_given
        for method, _, _, scope in self.pools:
            spots = list(placed(method, name, index, n))
            plain = {"(…)": mine} if " + " in targets and spots and mine is not None else {}
            later: list[tuple[Method, Edit]] = []
            with np.errstate(all="ignore"):
                for text, value in islice(formulas(scope, right.shape, plain), MOST_FORMULAS):
                    for how, target in targets.items():
                        if not np.abs(value - target).max() <= allowed:
                            continue
                        for place, now in spots:
                            written = text.replace("(…)", f"({now})" if " " in now else now)
                            yield (
                                method,
                                Edit(place, f"{now}{how}{written}" if how else written, "missing-term" if how else "wrong-formula"),
                            )
                        if not spots and not how and method.name == "backward":
                            yield from ((method, edit) for edit in added(method, name, text, index))
            yield from later

    def _values(self, factor: float) -> tuple[dict[str, dict[str, Any]], int]:
        """Return the values of the methods' local names after backward, and how many lines ran."""
        with internals.watching_frames(method.function for method in self.methods) as frames:
            self.twin.forward()
            gradients(self.twin, [factor * d for d in self.context.douts])
        return frames.local, frames.n_lines

    def _pool(self, method: Method, local: dict[str, Any], doubled: dict[str, Any]) -> tuple[list[str], set[str], Scope]:
        """Return the names of arrays and numbers for a method, those of masks, and the arrays."""
        held, other = self._held(method, local), self._held(method, doubled)
        names = [name for name, value in held.items() if _is_number(value)]
        used = names_used(method)
        names.sort(key=lambda name: name not in used)
        arrays = {name: np.asarray(held[name]) for name in names}
        constant = {name: a for name, a in arrays.items() if np.array_equal(a, other.get(name, np.nan))}
        linear = {
            name: np.asarray(a, float) for name, a in arrays.items() if a.dtype.kind == "f" and a.any() and _is_doubled(a, other.get(name))
        }
        return names, {name for name, a in arrays.items() if a.dtype == bool}, Scope(linear, constant)

    def _held(self, method: Method, local: dict[str, Any]) -> dict[str, Any]:
        me = method.arguments[0] if method.arguments else "self"
        layer = local.get(me, self.twin.layer)
        held = {f"{me}.{key}": value for key, value in vars(layer).items()}
        held |= {f"{me}.{path}.value": parameter.value for path, parameter in self.twin.parameters.items() if path.isidentifier()}
        return held | local

    def right_names(self, method: Method, edit: Edit, names: Iterable[str]) -> set[str]:
        """Return which of these gradients are right after an edit of a method."""
        self.left -= 1
        try:
            function = method.edited(edit)
        except (SyntaxError, ValueError):
            return set()
        kind = type(self.twin.layer)
        self.twin.forward()
        with internals.temporary_class(self.twin.layer, type(kind.__name__, (kind,), {method.name: function})):
            found = gradients(self.twin, self.context.douts)
        if found.error is not None or found.surplus:
            return set()
        numbers = {name: as_numbers(g) for name in names if (g := found.by_name.get(name)) is not None}
        return {name for name, g in numbers.items() if g is not None and self.context.is_gradient(g, name)}


def _is_doubled(a: Array, other: Any) -> bool:
    is_there = a.dtype.kind == "f" and other is not None and np.shape(other) == a.shape and a.any()
    return bool(is_there) and np.allclose(2 * a, other, rtol=1e-9, atol=0)


def _is_number(value: Any) -> bool:
    is_one = isinstance(value, np.ndarray | float | int | np.number) and not isinstance(value, bool)
    return is_one and np.asarray(value).dtype.kind in "fiub"
