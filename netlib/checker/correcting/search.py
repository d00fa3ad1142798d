"""The search for edits of backward that make wrong gradients right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np

from ...arrays import Array
from ...inspection import deep_copy
from ...layer import Layer
from ..analytic import Gradients, as_numbers, gradients
from ..blocks import blocks
from ..context import CheckContext
from ..equality import is_close, is_same
from ..guards import UserCodeError
from ..measuring.elements import find_moving
from ..measuring.other_numbers import repeat_rows
from ..report import Correction
from ..tracing import internals
from ..twin import Twin, make_twin
from .edits import (
    completed_operands,
    diagonal_completions,
    exchanged_names,
    finite_edits,
    fitted_results,
    names_used,
    scaled_operands,
    structural_edits,
)
from .formulas import Scope, added, formulas, placed, shared_terms
from .source import Edit, Method, backward_methods, methods_of
from .vocabulary import expressions_of_forward

FEW = 2
"""Wrong gradients up to which a formula is sought for each, and not only one slip for all."""
MOST_FORMULAS = 4000
"""Formulas that are compared with a gradient."""
MOST_TRIALS, SECONDS = 800, 1.0
"""Trials of edits in one check, and the seconds for them, as estimated from sizes."""
TRIAL, LINE, ELEMENT = 250e-6, 2e-6, 100e-9
"""Seconds of a trial, of each line of the layer's code that it runs, and of each element."""
LONGEST = 4000
"""The longest axis of a layer that is edited: an edit may turn vectors into their outer product."""
FORMULA, FORMULA_ELEMENT = 25e-6, 20e-9
"""Seconds of comparing a formula with a gradient, and of each element."""


def find_corrections(layer: Layer, inputs: tuple[Any, ...], twin: Twin, context: CheckContext) -> list[Correction]:
    """Return edits that make wrong gradients right and leave right ones right, the widest first.

    An edit that is wrong with other numbers was right by chance, and does not count.
    """
    workshop = Workshop(twin, context)
    wrong = context.wrong_names()
    right = set(context.slopes) - wrong if context.yours.error is None else set(context.slopes)
    found: list[Correction] = []
    known: set[str] = set()

    def take(edits: Iterator[tuple[Method, Edit]]) -> None:
        for method, edit in edits:
            if wrong <= known or workshop.left <= 0:
                return
            gained = workshop.right_names(method, edit, wrong | right)
            is_better = right <= gained and bool(gained & wrong - known) and workshop.adds_up(method, edit, gained)
            if is_better and (not wrong <= gained or is_right_elsewhere(layer, inputs, method, edit, context.eps)):
                found.append(method.correction(edit, frozenset(gained & wrong)))
                known.update(gained)

    take(workshop.structural())
    if len(wrong) == FEW:
        take(workshop.scaled())  # one factor may be missing from both
    if len(wrong) <= FEW and workshop.left > 0:
        for name in sorted(wrong - known):
            take(workshop.formulas_for(name))
    take(workshop.completions())
    return sorted(found, key=lambda correction: -len(correction.names))


def is_right_elsewhere(layer: Layer, inputs: tuple[Any, ...], method: Method, edit: Edit, eps: float) -> bool:
    """Return whether an edited backward also agrees with forward with other numbers.

    A layer may accept only numbers of one sign. Then other numbers of that sign are enough, unless
    the edit itself depends on signs.
    """
    rng = np.random.default_rng(3)
    if _agrees(layer, inputs, method, edit, eps, lambda x: x * rng.uniform(0.5, 1.5, x.shape) * rng.choice([-1, 1], x.shape)):
        return True
    looks_at_signs = any(mark in edit.text for mark in ("np.sign(", "> 0", "< 0"))
    return not looks_at_signs and _agrees(layer, inputs, method, edit, eps, lambda x: x * rng.uniform(0.9, 1.1, x.shape))


def _agrees(layer: Layer, inputs: tuple[Any, ...], method: Method, edit: Edit, eps: float, move: Callable[[Array], Array]) -> bool:
    """Return whether an edited backward agrees with forward after all numbers have moved."""
    other = deep_copy(layer, "the check works on a copy")
    for parameter in other.parameters().values():
        parameter.value = np.asarray(move(parameter.value), parameter.dtype)
    inputs = repeat_rows(inputs) or inputs  # one row alone would hide a wrong sum over rows
    n_given = layer.count_differentiable(len(inputs))
    others = tuple(np.asarray(move(x), x.dtype) if i < n_given and x.dtype.kind == "f" else x for i, x in enumerate(inputs))
    kind = type(other)
    internals.set_class(other, type(kind.__name__, (kind,), {method.name: method.edited(edit)}))
    try:
        twin = make_twin(other, others, eps)
        return find_moving(twin, eps, np.random.default_rng(4)) is not None
    except UserCodeError:
        return False


class Workshop:
    """A copy of a layer, on which edits of backward are tried."""

    def __init__(self, twin: Twin, context: CheckContext) -> None:
        self.twin = twin
        self.context = context
        self.methods = backward_methods(twin.layer)
        self.forward = list(methods_of(twin.layer, "forward").values())
        self.left = 0
        self.pools: list[tuple[Method, list[str], set[str], Scope]] = []
        if not self.methods:
            return
        arrays = [*twin.slots.values(), *context.ys]
        n_elements = sum(a.size for a in arrays)
        if ELEMENT * n_elements > SECONDS or max((n for a in arrays for n in a.shape), default=0) > LONGEST:
            return
        values, n_lines = self._values(1.0)
        doubled, _ = self._values(2.0)
        self.left = min(MOST_TRIALS, int(SECONDS / (TRIAL + twin.seconds + LINE * n_lines + ELEMENT * n_elements)))
        self.pools = [(m, *self._pool(m, values, doubled)) for m in self.methods if m.name in values and m.name in doubled]

    def structural(self) -> Iterator[tuple[Method, Edit]]:
        """Yield the most likely edits."""
        for method, *_ in self.pools:
            yield from ((method, edit) for edit in structural_edits(method))
        for method, names, _, scope in self.pools:
            shapes = {name: a.shape for name, a in {**scope.linear, **scope.constant}.items()}
            yield from ((method, edit) for edit in exchanged_names(method, names, shapes))

    def scaled(self) -> Iterator[tuple[Method, Edit]]:
        """Yield edits with an additional factor."""
        for method, *_ in self.pools:
            yield from ((method, edit) for edit in scaled_operands(method, self._factors()))

    def completions(self) -> Iterator[tuple[Method, Edit]]:
        """Yield edits that complete an operand."""
        yield from self.scaled()
        for method, _, _, scope in self.pools:
            yield from ((method, edit) for edit in diagonal_completions(method))
            yield from ((method, edit) for edit in self._fitted(method, scope))
            if any(not np.isfinite(g).all() for g in map(as_numbers, self.context.yours.by_name.values()) if g is not None):
                yield from ((method, edit) for edit in finite_edits(method))
        for method, names, flags, scope in self.pools:
            words = {word: a.dtype == bool for word, a in scope.constant.items() if word not in names}
            yield from ((method, edit) for edit in completed_operands(method, names, flags, words))

    def _fitted(self, method: Method, scope: Scope) -> Iterator[Edit]:
        """Yield edits that give a result its shape, where it has another."""
        for name in sorted(self.context.wrong_names()):
            came, shape = np.asarray(self.context.yours.by_name.get(name)).shape, self.twin.slots[name].shape
            if name.startswith("input") and came != shape:
                yield from fitted_results(method, came, shape, scope.shapes.get(shape, str(shape)))

    def _factors(self) -> list[str]:
        """Return the factors, as source, that correct a gradient that is wrong by a factor."""
        found: dict[str, None] = {}
        for name in sorted(self.context.wrong_names()):
            g = self.context.yours.by_name.get(name)
            numbers = None if g is None else as_numbers(g)
            c = None if numbers is None else self.context.factor(numbers, name)
            if c is not None:
                found |= dict.fromkeys(self._written_factors(1 / c))
        return list(found)

    def _written_factors(self, c: float) -> Iterator[str]:
        for _, names, _, scope in self.pools:
            arrays = {**scope.linear, **scope.constant}
            known = [(name, arrays[name]) for name in names if name in arrays]
            known.sort(key=lambda item: item[1].ndim > 0 or float(item[1]).is_integer())  # 0.125 tells more than an axis of 8
            for name, a in known:
                sizes = {f"{name}.shape[{i}]": n for i, n in enumerate(a.shape)} | {f"{name}.size": a.size}
                values = {text: float(n) for text, n in sizes.items()} if a.ndim else {name: float(a)}
                for text, value in values.items():
                    for written, factor in ((text, value), (f"np.sqrt({text})", np.sqrt(abs(value))), (f"(1 - {text})", 1 - value)):
                        if factor not in (0.0, 1.0):
                            yield from (f"{sign} {written}" for sign, f in (("*", factor), ("/", 1 / factor)) if abs(f / c - 1) < 1e-6)
        ratio = Fraction(c).limit_denominator(1000)
        if abs(float(ratio) / c - 1) < 1e-6:
            above, below = ratio.numerator, ratio.denominator
            yield f"* {above}" if below == 1 else f"/ {below}" if above == 1 else f"* {above} / {below}"

    def formulas_for(self, name: str) -> Iterator[tuple[Method, Edit]]:
        """Yield edits that use another formula for a gradient, or add its missing part."""
        right = self.context.numeric(name)
        yours = self.context.yours.by_name.get(name)
        mine = None if yours is None else as_numbers(yours)
        allowed = 1e-5 * float(np.abs(right).max(initial=0.0)) + 8 * float(self.context.slopes[name].noise.max(initial=0.0))
        if np.isnan(right).any() or not right.any():
            return
        targets: dict[str, Array] = {"": right}
        if mine is not None and mine.shape == right.shape and np.isfinite(mine).all() and mine.any():
            targets |= {" + ": right - mine, " - ": mine - right}
        at = int(np.argmax(np.abs(right)))
        index, n = (int(name[6:]) if name.startswith("input ") else 0), self.twin.n_given
        for method, _, _, scope in self.pools:
            spots = list(placed(method, name, index, n))
            plain = {"(…)": mine} if " + " in targets and spots and mine is not None else {}
            later: list[tuple[Method, Edit]] = []
            with np.errstate(all="ignore"):
                n_formulas = min(MOST_FORMULAS, int(SECONDS / (FORMULA + FORMULA_ELEMENT * right.size)))
                for text, value in islice(formulas(scope, right.shape, plain), n_formulas):
                    one = value.item(at)
                    for how, target in targets.items():
                        if not abs(one - target.item(at)) <= allowed or not np.abs(value - target).max() <= allowed:
                            continue
                        for place, now in spots:
                            written = text.replace("(…)", f"({now})" if " " in now else now)
                            if how:
                                later.append((method, Edit(place, f"{now}{how}{written}", "missing-term")))
                            else:
                                yield method, Edit(place, written, "wrong-formula")
                        if not spots and not how and method.name == "backward":
                            yield from ((method, edit) for edit in added(method, name, text, index))
            yield from later
            if " + " in targets and spots:
                with np.errstate(all="ignore"):
                    for text in shared_terms({**scope.linear, **plain}, scope.constant, targets[" + "], allowed):
                        for place, now in spots:
                            yield method, Edit(place, f"{now}{text.replace('(…)', f'({now})')}", "missing-term")

    def _values(self, factor: float) -> tuple[dict[str, dict[str, Any]], int]:
        """Return the values of the methods' local names after backward, and how many lines ran."""
        functions = [method.function for method in [*self.methods, *self.forward]]
        with internals.watching_frames(functions) as frames:
            self.twin.forward()
            gradients(self.twin, [factor * d for d in self.context.douts], are_spent=True)
        return frames.local, frames.n_lines

    def _pool(
        self, method: Method, values: dict[str, dict[str, Any]], doubled: dict[str, dict[str, Any]]
    ) -> tuple[list[str], set[str], Scope]:
        """Return the names of arrays and numbers for a method, those of masks, and the arrays."""
        local = values[method.name]
        held, other = self._held(method, local), self._held(method, doubled[method.name])
        names = [name for name, value in held.items() if _is_number(value)]
        used = names_used(method)
        names.sort(key=lambda name: (name not in method.arguments, name not in used))
        arrays = {name: np.asarray(held[name]) for name in names}
        constant = {name: a for name, a in arrays.items() if np.array_equal(a, other.get(name, np.nan))}
        for each in self.forward:
            if each.name in values:
                calls = _renaming(values[each.name], constant)
                words = expressions_of_forward(each, local, calls)
                constant |= {word: np.asarray(value) for word, value in words.items() if np.ndim(value) or np.isfinite(value)}
        linear = {
            name: np.asarray(a, float) for name, a in arrays.items() if a.dtype.kind == "f" and a.any() and _is_doubled(a, other.get(name))
        }
        return names, {name for name, a in arrays.items() if a.dtype == bool}, Scope(linear, constant, _shapes(held))

    def _held(self, method: Method, local: dict[str, Any]) -> dict[str, Any]:
        me = method.arguments[0] if method.arguments else "self"
        layer = local.get(me, self.twin.layer)
        kinds = [kind for kind in reversed(type(layer).__mro__) if not kind.__module__.startswith(("netlib.", "builtins"))]
        held: dict[str, Any] = {
            f"{me}.{key}": value for kind in kinds for key, value in vars(kind).items() if isinstance(value, float | int)
        }
        held |= {f"{me}.{key}": value for key, value in vars(layer).items()}
        held |= {f"{me}.{path}.value": parameter.value for path, parameter in self.twin.parameters.items() if path.isidentifier()}
        return held | local

    def adds_up(self, method: Method, edit: Edit, names: Iterable[str]) -> bool:
        """Return whether an edited method adds to the existing gradients of parameters."""
        once, twice = (self._gradients(method, edit, start) for start in (0.0, 1.0))
        if self._writes_dout(method, edit):
            return False
        paths = [path for path in self.twin.parameters if path in names]
        return all(is_close(np.asarray(once.grads[path]) + 1, twice.grads[path], 1e-6) for path in paths if once.grads[path] is not None)

    def _writes_dout(self, method: Method, edit: Edit) -> bool:
        kind = type(self.twin.layer)
        self.twin.forward()
        given = [np.array(d) for d in self.context.douts]
        with internals.temporary_class(self.twin.layer, type(kind.__name__, (kind,), {method.name: method.edited(edit)})):
            self.twin.backward(given)
        return not all(map(is_same, given, self.context.douts))

    def _gradients(self, method: Method, edit: Edit, start: float) -> Gradients:
        kind = type(self.twin.layer)
        self.twin.forward()
        prefilled = {path: np.full(p.shape, start, p.dtype) for path, p in self.twin.parameters.items()}
        with internals.temporary_class(self.twin.layer, type(kind.__name__, (kind,), {method.name: method.edited(edit)})):
            return gradients(self.twin, self.context.douts, prefilled)

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


def _renaming(local: dict[str, Any], constant: dict[str, Array]) -> dict[str, str]:
    """Return the names in backward of the arrays that are local in forward."""
    found = {}
    for name, value in local.items():
        if isinstance(value, np.ndarray):
            same = (other for other, a in constant.items() if a.shape == value.shape and np.array_equal(a, value))
            found[name] = next(same, "")
    return {name: other for name, other in found.items() if other and other != name}


def _shapes(held: dict[str, Any]) -> dict[tuple[int, ...], str]:
    """Return the source of shapes: an attribute that holds one, or the shape of an array."""
    found = {value.shape: f"{name}.shape" for name, value in held.items() if isinstance(value, np.ndarray)}
    tuples = {name: value for name, value in held.items() if isinstance(value, tuple) and value}
    return found | {value: name for name, value in tuples.items() if all(type(n) is int for n in value)}


def _is_doubled(a: Array, other: Any) -> bool:
    is_there = a.dtype.kind == "f" and other is not None and np.shape(other) == a.shape and a.any()
    return bool(is_there) and all(np.allclose(2 * x, y, rtol=1e-9, atol=0) for x, y in blocks(a, np.asarray(other)))


def _is_number(value: Any) -> bool:
    is_one = isinstance(value, np.ndarray | float | int | np.number) and not isinstance(value, bool)
    return is_one and np.asarray(value).dtype.kind in "fiub"
