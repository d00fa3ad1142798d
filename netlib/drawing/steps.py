"""Recurrent layers as the graph of their steps.

The rule of such a layer begins with "in each step, ", followed by equations. A name with a prime is
a state after the step, and the same name without it the state before. ``a_i`` is a block of the
columns of a, in the order in which the equations compute i and the others. The last line says which
state y holds, of all steps or of the last one; it is the first of the states that the layer takes.
So your own layer with such a rule is also drawn step by step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from ..arrays import Array
from ..containers import Constant, Graph, Input, Weight
from ..layer import Layer
from ..layers import Add, MatMul, Multiply, ReLU, Sigmoid, Slice, Stack, Subtract, Tanh
from ..node import Node

BEGINNING = "in each step, "
EQUATION = re.compile(r"(\w+'?) = (.*?)(?=, \w+'? = |\n|$)")
TOKEN = re.compile(r"\s*(max\(0,|\d+|\w+'?|\S)")
LAYERS: dict[str, Callable[[], Layer]] = {
    "+": Add,
    "−": Subtract,
    "⊙": Multiply,
    "·": MatMul,
    "σ": Sigmoid,
    "tanh": Tanh,
    "max(0,": ReLU,
}
MOST_NODES = 80
"""Layers of more nodes are not opened: their picture could not be read."""

Tree: TypeAlias = "str | tuple[str, list[Tree]]"


def open_steps(layer: Layer, rule: str, inputs: Sequence[Array], output: str) -> Graph | None:
    """Return the steps of a recurrent layer as a graph, or None for other layers.

    Parameters
    ----------
    layer : Layer
        A recurrent layer with one layer in one direction, without lengths.
    rule : str
        Its rule for these inputs.
    inputs : sequence of ndarray
        x (N, T, features) and, if given, the states before the first step (N, hidden).
    output : str
        The name of the output.

    Examples
    --------
    >>> import netlib as nl
    >>> lstm = nl.LSTM(2, 3, rng=0)
    >>> x = np.ones((1, 2, 2))
    >>> open_steps(lstm, lstm.rule([x.shape], (1, 2, 3)), [x], "Y")
    Graph(inputs=[Input('X')], outputs=[Node('Y')])
    """
    if not rule.startswith(BEGINNING) or inputs[0].ndim != 3 or layer.n_outputs > 1:
        return None
    steps, _, last = rule.removeprefix(BEGINNING).replace("\n", ", ").rpartition(", y ")
    equations = EQUATION.findall(steps)
    states = sorted((name[:-1] for name, _ in equations if name.endswith("'")), key=lambda name: f"{name}'" not in last)
    n, n_steps, _ = inputs[0].shape
    parameters = {name: parameter.value for name, parameter in layer.parameters().items()}
    words = [word for _, formula in equations for word in TOKEN.findall(formula)]
    n_nodes = n_steps * sum(word in LAYERS or word[1:2] == "_" for word in words)
    if not parameters.keys() <= set(words) or len(inputs) not in (1, 1 + len(states)) or n_nodes > MOST_NODES:
        return None
    x = Input("X")
    starts = [Input(f"{name}0") for name in states] if len(inputs) > 1 else []
    known: dict[str, Node] = {name: Weight(name, value) for name, value in parameters.items()}
    width = len(parameters["weight_h"])
    for i, name in enumerate(states):
        zeros = np.zeros((n, width), inputs[0].dtype)
        known[name] = starts[i] if starts else Constant(f"{name}0", zeros)
    blocks = _blocks_of(equations, width)

    def build(tree: Tree, name: str | None = None) -> Node:
        if isinstance(tree, tuple):
            operator, arguments = tree
            node: Node = LAYERS[operator]()(*map(build, arguments), name=name)
            return node
        if tree.isdigit():
            return known.setdefault(tree, Constant(tree, np.array(float(tree), inputs[0].dtype)))
        whole, _, block = tree.rpartition("_")
        if block not in blocks or whole not in known:
            return known[tree]
        if f"{tree}{t}" not in known:
            known[f"{tree}{t}"] = Slice(np.s_[:, blocks[block]])(known[whole], name=f"{tree}{t}")
        return known[f"{tree}{t}"]

    outputs: list[Node] = []
    for t in range(1, n_steps + 1):
        known["x"] = Slice(np.s_[:, t - 1])(x, name=f"x{t}")
        for name, formula in equations:
            known[name] = build(_parse(formula), name.removesuffix("'") + str(t))
        for name in states:
            known[name] = known[f"{name}'"]
        outputs.append(known[states[0]])
    y = Stack(1)(*outputs, name=output or None) if "all steps" in last else outputs[-1]
    return Graph(inputs=[x, *starts], outputs=[y])


def _blocks_of(equations: Sequence[tuple[str, str]], width: int) -> dict[str, slice]:
    """Return the columns of each block, such as those of ``a_i``, by the name after the underscore.

    >>> _blocks_of([("r", "σ(a_r)"), ("z", "σ(a_z)")], 3)
    {'r': slice(0, 3, None), 'z': slice(3, 6, None)}
    """
    named = {block for _, formula in equations for block in re.findall(r"\b\w_(\w)\b", formula)}
    in_order = [name for name, _ in equations if name in named]
    return {name: slice(i * width, (i + 1) * width) for i, name in enumerate(in_order)}


def _parse(formula: str) -> Tree:
    """Return a formula as operators with their arguments.

    >>> _parse("(1 − z) ⊙ n + tanh(a_n)")
    ('+', [('⊙', [('−', ['1', 'z']), 'n']), ('tanh', ['a_n'])])
    """
    return _sum(TOKEN.findall(formula)[::-1])


def _sum(tokens: list[str]) -> Tree:
    terms, signs = [_product(tokens)], set()
    while tokens and tokens[-1] in "+−":
        signs.add(sign := tokens.pop())
        terms.append(_product(tokens))
        if "−" in signs:
            terms = [(sign, terms)]
    return ("+", terms) if len(terms) > 1 else terms[0]


def _product(tokens: list[str]) -> Tree:
    tree = _factor(tokens)
    while tokens and tokens[-1] in "⊙·":
        tree = tokens.pop(), [tree, _factor(tokens)]
    return tree


def _factor(tokens: list[str]) -> Tree:
    word = tokens.pop()
    if word in ("σ", "tanh"):
        tokens.pop()
    elif word not in ("(", "max(0,"):
        return word
    inside = _sum(tokens)
    tokens.pop()
    return inside if word == "(" else (word, [inside])
