"""The local rule of each layer: its forward and its backward, in a line each, as the layer itself says it.

A rule is text. Words that are the layer's own names stand for arrays: the inputs as its forward calls them (x1, x2, … where it takes
any number), its parameters by their attributes, the output y (L where an input is called y already), and with a d before them their
gradients; ᵀ after a word transposes. ``web/rules.js`` computes with it; docs/write-your-own-layer.md describes the language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..arrays import Shape
from ..layer import Layer

SIGNS = {"+": "+", "−": "−", "⊙": "×", "/": "÷", "·": "dot"}
"""What stands in the circle of a node that only joins its inputs, by what stands between them in its rule."""


def rule_of(layer: Layer, shapes: Sequence[Shape], output: Shape) -> str:
    """Return the rule of `layer` in lines, for inputs of these `shapes`; empty where it has none.

    A rule that is inherited holds as long as the methods of the class that states it do: a class that overrides one of them says its own.

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
    text = layer.rule(list(shapes), output) if callable(layer.rule) else layer.rule
    return "\n".join(line.strip() for line in text.replace(";", "\n").splitlines() if line.strip()) if isinstance(text, str) else ""


def _is_outdated(kind: type[Layer]) -> bool:
    """Return whether a class below the one that states the rule overrides a method that the rule was written for."""
    home = next(i for i, each in enumerate(kind.__mro__) if "rule" in vars(each))
    return any(
        callable(member) and not name.startswith("__") and hasattr(kind.__mro__[home], name)
        for each in kind.__mro__[:home]
        for name, member in vars(each).items()
    )


def symbol_of(rule: str, inputs: Sequence[str]) -> str:
    """Return what stands in the circle of a node; empty where the rule is more than one sign between the inputs, or one function of them.

    >>> symbol_of("y = a·b", ["a", "b"]), symbol_of("y = tanh(x)", ["x"]), symbol_of("y = sum[axis=0](x)", ["x"])
    ('dot', 'tanh', 'Σ')
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
