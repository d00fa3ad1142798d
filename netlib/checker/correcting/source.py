"""The source of a layer's methods, and copies of them with an edit."""

from __future__ import annotations

import ast
import inspect
import textwrap
import warnings
from collections.abc import Iterator
from types import FunctionType
from typing import Any, NamedTuple

from ...layer import Layer
from ..report import Correction
from ..tracing import internals

PRECEDENCE: dict[type[ast.AST], int] = {
    ast.Lambda: 0, ast.IfExp: 0, ast.Or: 1, ast.And: 2, ast.Not: 3, ast.Compare: 4, ast.BitOr: 5, ast.BitXor: 6, ast.BitAnd: 7,
    ast.Add: 9, ast.Sub: 9, ast.Mult: 10, ast.Div: 10, ast.FloorDiv: 10, ast.MatMult: 10, ast.USub: 11, ast.Invert: 11, ast.Pow: 12,
}  # fmt: skip
ATOM = 14
SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr)


class Place(NamedTuple):
    """The position of a node in the tree of a method."""

    parent: ast.AST
    field: str
    number: int | None

    @property
    def node(self) -> Any:
        """The node there."""
        held = getattr(self.parent, self.field)
        return held if self.number is None else held[self.number]

    def put(self, node: Any) -> None:
        """Replace the node."""
        if self.number is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.number] = node


class Edit(NamedTuple):
    """A replacement for an expression or a statement, and the mistake that it corrects."""

    place: Place
    text: str
    mistake: str


class Method:
    """A method of a layer, with the tree of its source.

    Raises OSError, TypeError or SyntaxError if the source is unknown.
    """

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.source = textwrap.dedent(inspect.getsource(function))
        definition = ast.parse(self.source).body[0]
        if not isinstance(definition, ast.FunctionDef):
            raise TypeError(f"{function.__qualname__} is not written with def")
        self.definition = definition
        self.definition.decorator_list = []
        self._lines = [line.encode() for line in self.source.splitlines()]
        self._shell = self._make_shell()

    @property
    def name(self) -> str:
        """The name of the method."""
        return self.function.__name__

    @property
    def arguments(self) -> list[str]:
        """The names of the arguments, self first."""
        return [argument.arg for argument in self.definition.args.args]

    def _make_shell(self) -> ast.Module:
        """Return a module in which the method can use the free names of the original."""
        kind = self.function.__qualname__.split(".")[-2] if "." in self.function.__qualname__ else "Layer"
        names = "".join(f" {name} = None\n" for name in internals.free_names(self.function))
        shell = ast.parse(f"def shell():\n{names} class {kind if kind.isidentifier() else 'Layer'}:\n  pass")
        kinds = shell.body[0].body[-1]  # type: ignore[attr-defined]
        kinds.body = [self.definition]
        return shell

    def places(self) -> Iterator[Place]:
        """Yield the places of all expressions and statements in the body, from top to bottom."""
        for i, statement in enumerate(self.definition.body):
            place = Place(self.definition, "body", i)
            if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                yield place
                yield from self._inside(statement)

    def _inside(self, node: ast.AST) -> Iterator[Place]:
        for field, held in ast.iter_fields(node):
            for index, each in enumerate(held) if isinstance(held, list) else [(None, held)]:
                if isinstance(each, ast.expr | ast.stmt):
                    yield Place(node, field, index)
                if isinstance(each, ast.AST):
                    yield from self._inside(each)

    def text(self, node: ast.AST) -> str:
        """Return the source of a node."""
        first, last = node.lineno - 1, node.end_lineno - 1  # type: ignore[attr-defined]
        lines = self._lines[first : last + 1]
        lines[-1] = lines[-1][: node.end_col_offset]  # type: ignore[attr-defined]
        lines[0] = lines[0][node.col_offset :]  # type: ignore[attr-defined]
        return b"\n".join(lines).decode()

    def factor(self, node: ast.AST) -> str:
        """Return the source of a node as a factor of a product."""
        return self.text(node) if precedence(node) >= PRECEDENCE[ast.Mult] else f"({self.text(node)})"

    def atom(self, node: ast.AST) -> str:
        """Return the source of a node as something with an attribute."""
        return self.text(node) if precedence(node) == ATOM and not isinstance(node, ast.Constant) else f"({self.text(node)})"

    def edited(self, edit: Edit) -> FunctionType:
        """Return a copy of the function with an edit."""
        kept = edit.place.node
        edit.place.put(parsed(edit))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                code = compile(self._shell, "<an edited layer>", "exec")
        finally:
            edit.place.put(kept)
        return internals.with_code(self.function, code)

    def correction(self, edit: Edit, names: frozenset[str]) -> Correction:
        """Return the lines of an edit, before and after."""
        node, place = edit.place.node, edit.place
        text = edit.text
        if isinstance(node, ast.expr) and precedence(ast.parse(text, mode="eval").body) < precedence(node) and not _is_alone(place):
            text = f"({text})"
        first, last = self._span(node)
        lines = [*self._lines[first : last + 1]]
        text = text.replace("\n", "\n" + " " * node.col_offset)
        at, end = node.lineno - 1 - first, node.end_lineno - 1 - first
        lines[at : end + 1] = [lines[at][: node.col_offset] + text.encode() + lines[end][node.end_col_offset :]]
        file, number = internals.place_of(self.function)
        old, new = b"\n".join(self._lines[first : last + 1]), b"\n".join(lines)
        indent = self._indent()
        return Correction(
            edit.mistake, names, file, number + first, number + last, *(textwrap.indent(each.decode(), indent) for each in (old, new))
        )

    def _indent(self) -> str:
        """Return the indentation of the definition in its file."""
        line = inspect.getsourcelines(self.function)[0][0]
        return line[: len(line) - len(line.lstrip())]

    def _span(self, node: ast.AST) -> tuple[int, int]:
        """Return the lines of the simple statement around a node, or of the node itself."""
        for each in ast.walk(self.definition):
            if isinstance(each, SIMPLE) and each.lineno <= node.lineno and node.end_lineno <= each.end_lineno:  # type: ignore[attr-defined]
                return each.lineno - 1, (each.end_lineno or each.lineno) - 1
        return node.lineno - 1, node.end_lineno - 1  # type: ignore[attr-defined]


def backward_methods(layer: Layer) -> list[Method]:
    """Return backward and the methods that only it calls; those of a base class come last."""
    forward = methods_of(layer, "forward")
    found = [method for name, method in methods_of(layer, "backward").items() if name not in forward]
    return sorted(found, key=lambda method: method.name not in vars(type(layer)))


def methods_of(layer: Layer, name: str) -> dict[str, Method]:
    """Return the layer's own method, and those that it calls."""
    found: dict[str, Method] = {}
    left = [name]
    while left:
        name = left.pop(0)
        method = method_of(layer, name)
        if name in found or method is None:
            continue
        found[name] = method
        me = method.arguments[0] if method.arguments else "self"
        left += [
            node.func.attr
            for node in ast.walk(method.definition)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_name(node.func.value, me)
        ]
    return found


def method_of(layer: Layer, name: str) -> Method | None:
    """Return the layer's own method, or None if its source is unknown."""
    function = inspect.getattr_static(type(layer), name, None)
    if not isinstance(function, FunctionType) or function.__module__.startswith("netlib."):
        return None
    try:
        return Method(function)
    except (OSError, TypeError, SyntaxError, IndexError):
        return None


def parsed(edit: Edit) -> Any:
    """Return the replacement node of an edit."""
    if isinstance(edit.place.node, ast.stmt):
        body = ast.parse(edit.text).body
        return body[0] if len(body) == 1 else ast.fix_missing_locations(ast.If(ast.Constant(True), body, []))
    return ast.parse(edit.text, mode="eval").body


def precedence(node: ast.AST) -> int:
    """Return how tightly an expression binds."""
    operator = getattr(node, "op", None)
    return PRECEDENCE.get(type(operator if operator is not None else node), ATOM)


def is_name(node: ast.AST, name: str) -> bool:
    """Return whether a node is the name `name`."""
    return isinstance(node, ast.Name) and node.id == name


def _is_alone(place: Place) -> bool:
    """Return whether an expression in this place needs no parentheses."""
    return isinstance(place.parent, ast.stmt | ast.Call | ast.keyword | ast.Tuple | ast.List)
