"""The local rule of each layer: its forward and its backward, one line each.

A rule is text. The layer's own names stand for arrays: the arguments of forward (x1, x2, … if it
takes any number), the attributes of its parameters, and y for the output (L if an argument is
called y). The prefix d makes them gradients, and ᵀ after a name transposes. ``web/rules.js``
computes with rules; docs/write-your-own-layer.md describes the language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..arrays import Shape
from ..layer import Layer

SIGNS = {"+": "+", "−": "−", "⊙": "×", "/": "÷", "·": "dot"}
"""The symbol of a node that joins its inputs by one operator, for each operator of rules."""


def rule_of(layer: Layer, shapes: Sequence[Shape], output: Shape) -> str:
    """Return the rule of `layer` in lines, for inputs of these `shapes`; empty without a rule.

    An inherited rule is ignored if a subclass overrides a method of the class that states it.

    Examples
    --------
    >>> import netlib as nl
    >>> print(rule_of(nl.MatMul(), [(2, 2), (2, 3)], (2, 3)))
    y = a·b
    da = dy·bᵀ
    db = aᵀ·dy

    >>> class Scale(nl.Layer):
    ...     rule = "y = x ⊙ weight; dx = dy ⊙ weight; dweight = sum[axis=0](dy ⊙ x)"
    >>> print(rule_of(Scale(), [(2, 3)], (2, 3)))
    y = x ⊙ weight
    dx = dy ⊙ weight
    dweight = sum[axis=0](dy ⊙ x)
    """
    if "rule" not in vars(layer) and _is_outdated(type(layer)):
        return ""
    text: object = layer.rule(list(shapes), output) if callable(layer.rule) else layer.rule
    if not isinstance(text, str):
        return ""
    lines = [line.strip() for line in text.replace(";", "\n").splitlines()]
    return "\n".join(line for line in lines if line)


def _is_outdated(kind: type[Layer]) -> bool:
    """Return whether a subclass overrides a method of the class that states the rule."""
    home = next(i for i, each in enumerate(kind.__mro__) if "rule" in vars(each))
    return any(
        callable(member) and not name.startswith("__") and hasattr(kind.__mro__[home], name)
        for each in kind.__mro__[:home]
        for name, member in vars(each).items()
    )


def symbol_of(rule: str, inputs: Sequence[str]) -> str:
    """Return the symbol of a node whose rule is one operator or one function; else an empty string.

    >>> symbol_of("y = a·b", ["a", "b"]), symbol_of("y = tanh(x)", ["x"])
    ('dot', 'tanh')
    >>> symbol_of("y = sum[axis=0](x)", ["x"])
    'Σ'
    >>> symbol_of("y = max(0, x)", ["x"]), symbol_of("y = x ⊙ weight", ["x"])
    ('', '')
    """
    formula = rule.partition("\n")[0].partition(" = ")[2]
    for sign, symbol in SIGNS.items():
        if len(inputs) > 1 and [word.strip() for word in formula.split(sign)] == list(inputs):
            return symbol
    function = re.fullmatch(r"(\w+)(?:\[axis=[^]]*\])?\((.*)\)", formula)
    if function is None or function.group(2).split(", ") != list(inputs):
        return ""
    return "Σ" if function.group(1) == "sum" else function.group(1)
