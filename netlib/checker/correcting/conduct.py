"""Edits of forward and backward that correct a layer's behaviour."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from ...inspection import deep_copy
from ...layer import Layer
from ..guards import UserCodeError
from ..report import Finding, GradientReport
from ..tracing import internals
from .edits import finite_edits, structural_edits
from .source import Edit, Method, Place, methods_of

MOST_EDITS = 60

Check = Callable[[Layer, str], GradientReport]
"""A check of a layer with a method, as of `netlib.check_gradients`."""


def correct_conduct(layer: Layer, report: GradientReport, check: Check) -> None:
    """Find corrections of the mistakes that are found without differences."""
    for finding in report.findings:
        if finding.correction is not None or finding.mistake not in EDITS:
            continue
        before = {(each.mistake, each.where) for each in report.findings}
        for n, (method, edit) in enumerate(EDITS[finding.mistake](layer, finding)):
            if n == MOST_EDITS:
                break
            cured = _cured(layer, method, edit, before, check)
            if (finding.mistake, finding.where) in cured:
                correction = method.correction(edit, frozenset())
                for each in report.findings:
                    if (each.mistake, each.where) in cured and each.correction is None:
                        each.correct(correction)
                break


def _cured(layer: Layer, method: Method, edit: Edit, before: set[tuple[str, str]], check: Check) -> set[tuple[str, str]]:
    """Return the findings that an edit removes; none if it brings a new one."""
    try:
        function = method.edited(edit)
    except (SyntaxError, ValueError):
        return set()
    edited = deep_copy(layer, "the check works on a copy")
    kind = type(edited)
    internals.set_class(edited, type(kind.__name__, (kind,), {method.name: function}))
    left: set[tuple[str, str]] = set()
    for how in ("none", "difference"):
        try:
            report = check(edited, how)
        except UserCodeError:
            return set()
        left = {(each.mistake, each.where) for each in report.findings}
        if not left <= before or len(left) == len(before):
            return set()
    return before - left


def _copied_argument(layer: Layer, name: str, index: int) -> Iterator[tuple[Method, Edit]]:
    """Yield edits that begin a method with a copy of one of its arguments."""
    method = methods_of(layer, name).get(name)
    if method is None or index + 1 >= len(method.arguments):
        return
    argument = method.arguments[index + 1]
    place = next((place for place in method.places() if isinstance(place.node, ast.stmt)), None)
    if place is not None:
        for text in (f"{argument} = {argument}.copy()", f"{argument} = tuple(each.copy() for each in {argument})"):
            yield method, Edit(place, f"{text}\n{method.text(place.node)}", "")


def _copied_dout(layer: Layer, finding: Finding) -> Iterator[tuple[Method, Edit]]:
    return _copied_argument(layer, "backward", 0)


def _copied_input(layer: Layer, finding: Finding) -> Iterator[tuple[Method, Edit]]:
    return _copied_argument(layer, "forward", int(finding.where.removeprefix("input ")))


def _statements(layer: Layer) -> Iterator[tuple[Method, Place]]:
    for name in ("backward", "forward"):
        for method in methods_of(layer, name).values():
            yield from ((method, place) for place in method.places())


def _left_out(layer: Layer, finding: Finding) -> Iterator[tuple[Method, Edit]]:
    """Yield edits that leave out a statement, or write into a copy."""
    yield from _copied_values(layer, finding)
    for method, place in _statements(layer):
        if isinstance(place.node, ast.AugAssign | ast.Assign | ast.Expr):
            yield method, Edit(place, "pass", "")


def _copied_values(layer: Layer, finding: Finding) -> Iterator[tuple[Method, Edit]]:
    """Yield edits that copy a value that is assigned to a name, kept or returned."""
    for method, place in _statements(layer):
        parent, node = place.parent, place.node
        is_value = isinstance(parent, ast.Assign) and place.field == "value"
        is_returned = isinstance(parent, ast.Return) or (isinstance(parent, ast.Tuple) and isinstance(parent.ctx, ast.Load))
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call | ast.BinOp) and (is_value or is_returned):
            yield method, Edit(place, f"{method.atom(node)}.copy()", "")


def _added(layer: Layer, finding: Finding) -> Iterator[tuple[Method, Edit]]:
    """Yield edits of statements that assign to a gradient."""
    for method in methods_of(layer, "backward").values():
        for edit in structural_edits(method):
            if isinstance(edit.place.node, ast.stmt) and ".grad" in method.text(edit.place.node):
                yield method, edit
    for method in methods_of(layer, "backward").values():
        for place in method.places():
            if isinstance(place.node, ast.Call) and ".grad" in method.text(place.node):
                text = method.text(place.node)
                if isinstance(place.parent, ast.Expr) and "out=" in text:
                    target = text.split("out=")[1].rstrip(")")
                    call = text.replace(f", out={target}", "")
                    yield method, Edit(Place(place.parent, "value", None), f"{target}.__iadd__({call})", "")


def _cast(layer: Layer, finding: Finding) -> Iterator[tuple[Method, Edit]]:
    """Yield edits that give a result the type of the input."""
    for name in ("backward", "forward"):
        for method in methods_of(layer, name).values():
            arguments = method.arguments[1:]
            for place in method.places():
                is_returned = isinstance(place.parent, ast.Return | ast.Tuple) and isinstance(place.node, ast.expr)
                if is_returned and not isinstance(place.node, ast.Tuple):
                    for argument in arguments:
                        yield method, Edit(place, f"{method.atom(place.node)}.astype({argument}.dtype)", "")
            for place in method.places():
                text = method.text(place.node)
                if isinstance(place.parent, ast.Call | ast.keyword) and text in ("np.float64", "np.float32", "float"):
                    yield from ((method, Edit(place, f"{argument}.dtype", "")) for argument in arguments)
                if text.startswith(("np.eye(", "np.zeros(", "np.ones(", "np.full(", "np.arange(")) and isinstance(place.node, ast.Call):
                    yield from ((method, Edit(place, f"{text[:-1]}, dtype={argument}.dtype)", "")) for argument in arguments)


def _kept_again(layer: Layer, finding: Finding) -> Iterator[tuple[Method, Edit]]:
    """Yield edits that keep what backward needs in every forward, and change nothing kept."""
    for method in methods_of(layer, "forward").values():
        first = next(place for place in method.places() if isinstance(place.node, ast.stmt))
        for target in _lists_appended_to(method):
            yield method, Edit(first, f"{target} = []\n{method.text(first.node)}", "")
            yield method, Edit(first, f"{target} = {target}[:1]\n{method.text(first.node)}", "")
    for method, place in _statements(layer):
        node = place.node
        if isinstance(node, ast.If):
            body = "\n".join(method.text(each) for each in node.body)
            yield method, Edit(place, body, "")
            yield method, Edit(place, "pass", "")
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Attribute | ast.Name | ast.Subscript):
            yield method, Edit(place, f"{method.text(node.target)} = {method.text(node.value)}", "")
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.Add):
            sides = {method.text(node.value.left): node.value.right, method.text(node.value.right): node.value.left}
            target = method.text(node.targets[0])
            if target in sides:
                yield method, Edit(place, f"{target} = {method.text(sides[target])}", "")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("setdefault", "get"):
            yield method, Edit(place, method.text(node.args[-1]), "")
        if isinstance(node, ast.IfExp):
            yield method, Edit(place, method.text(node.body), "")
            yield method, Edit(place, method.text(node.orelse), "")
    yield from _copied_values(layer, finding)
    for method in methods_of(layer, "backward").values():
        for place in method.places():
            node = place.node
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                operator = method.text(node)[len(method.text(node.target)) :].split("=")[0].strip()
                target = method.text(node.target)
                yield method, Edit(place, f"{target} = {target} {operator} {method.text(node.value)}", "")


def _lists_appended_to(method: Method) -> set[str]:
    """Return the attributes that a method appends to."""
    called = (node.func for node in ast.walk(method.definition) if isinstance(node, ast.Call))
    return {
        method.text(each.value)
        for each in called
        if isinstance(each, ast.Attribute) and each.attr == "append" and isinstance(each.value, ast.Attribute)
    }


def _drawn_in_forward(layer: Layer, finding: Finding) -> Iterator[tuple[Method, Edit]]:
    """Yield edits that read what forward kept instead of drawing again."""
    kept = [f"self.{key}" for method in methods_of(layer, "forward").values() for key in _attributes_set(method)]
    for method in methods_of(layer, "backward").values():
        for place in method.places():
            if isinstance(place.parent, ast.Assign) and place.field == "value":
                for name in kept:
                    yield method, Edit(place, name, "")


def _attributes_set(method: Method) -> list[str]:
    return [
        node.attr
        for node in ast.walk(method.definition)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name)
    ]


def _kept_finite(layer: Layer, finding: Finding) -> Iterator[tuple[Method, Edit]]:
    for name in ("forward", "backward"):
        for method in methods_of(layer, name).values():
            yield from ((method, edit) for edit in finite_edits(method))


EDITS: dict[str, Callable[[Layer, Finding], Iterator[tuple[Method, Edit]]]] = {
    "mutates-upstream": _copied_dout,
    "mutates-input": _copied_input,
    "mutates-parameters": _left_out,
    "aliases-output": _copied_values,
    "not-accumulated": _added,
    "double-counted": _added,
    "dtype-changed": _cast,
    "stale-cache": _kept_again,
    "non-finite": _kept_finite,
    "nondeterministic": _drawn_in_forward,
}
