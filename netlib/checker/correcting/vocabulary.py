"""The expressions of a layer's own code, from which a correction may be built."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..guards import UserCodeError, call_user_code
from ..tracing import internals
from .source import Method, is_name

HARMLESS = (
    ast.Name, ast.Attribute, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare, ast.operator, ast.unaryop, ast.cmpop, ast.Load, ast.Tuple,
    ast.Call, ast.keyword, ast.BoolOp, ast.boolop,
)  # fmt: skip
LONGEST = 50


def expressions_of_forward(method: Method, scope: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return expressions of forward that backward can also compute, with their values.

    Parameters
    ----------
    method : Method
        A method that forward runs.
    scope : dict
        The local names of backward.
    names : dict
        The names in backward of arrays that are local in forward.
    """
    found: dict[str, Any] = {}
    for place in method.places():
        for text in _with_masks(method, place.node, names):
            if len(text) <= LONGEST and text not in found:
                value = _value(text, method, scope)
                if isinstance(value, np.ndarray | float | np.floating):
                    found[text] = value
    return dict(sorted(found.items(), key=lambda item: len(item[0])))


def _with_masks(method: Method, node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    """Yield the text of an expression, and the masks of those with a kink."""
    if not isinstance(node, ast.BinOp | ast.Compare | ast.Call) or not all(isinstance(each, HARMLESS) for each in ast.walk(node)):
        return
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("max", "min"):
            whole = _renamed(node, names)
            x = _renamed(node.args[0] if is_name(node.func.value, "np") else node.func.value, names)
            yield f"({x} == {whole if 'keepdims' in whole else whole[:-1] + ', keepdims=True)'})"
        if not (isinstance(node.func, ast.Attribute) and is_name(node.func.value, "np")):
            return
        arguments = [_renamed(each, names) for each in node.args]
        if node.func.attr in ("maximum", "minimum") and len(arguments) == 2:
            sign = ">" if node.func.attr == "maximum" else "<"
            yield f"({arguments[0]} {sign} {arguments[1]})"
            yield f"({arguments[1]} {sign} {arguments[0]})"
        elif node.func.attr == "clip" and len(arguments) == 3:
            yield f"(({arguments[0]} > {arguments[1]}) & ({arguments[0]} < {arguments[2]}))"
        elif node.func.attr == "abs":
            yield f"np.sign({arguments[0]})"
    text = _renamed(node, names)
    yield text if isinstance(node, ast.Call) else f"({text})"


def _renamed(node: ast.AST, names: dict[str, str]) -> str:
    class Rename(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.AST:
            return ast.parse(names[name.id], mode="eval").body if name.id in names else name

    return ast.unparse(Rename().visit(ast.parse(ast.unparse(node), mode="eval").body))


def _value(text: str, method: Method, scope: dict[str, Any]) -> Any:
    try:
        return call_user_code(internals.evaluate, text, method.function, scope)
    except UserCodeError:
        return None
