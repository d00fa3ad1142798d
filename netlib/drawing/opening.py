"""Layers that consist of several nodes, as in Figs. 1.6 and 1.7 of the chapter."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from ..containers import Constant, Graph, Input, Weight
from ..layer import Layer
from ..layers import Add, MatMul
from .attention import open_attention
from .rules import rule_of
from .steps import open_steps


def open_layer(layer: Layer, inputs: Sequence[Array], name: str = "") -> Graph | None:
    """Return the nodes of `layer` as a graph whose output has this `name`; None for other layers.

    A recurrent layer, with the weight `weight_h` of its state, consists of its steps (see
    `open_steps`), and attention of two dot nodes and a softmax.

    An affine transformation of N rows, that is, any layer with the rule ``y = x·weight + bias``,
    consists of a dot node with the weight, A = XW in Eq. (1.31), a dot node that copies the bias to
    each row, DB with a column of ones D, and a + node.

    Examples
    --------
    >>> from netlib import Affine
    >>> open_layer(Affine(2, 3), [np.ones((4, 2))], name="Y")
    Graph(inputs=[Input('X')], outputs=[Node('Y')])
    """
    if "weight_h" in layer.parameters():
        shapes = [x.shape for x in inputs]
        return open_steps(layer, rule_of(layer, shapes, shapes[0]), inputs, name)
    parameters = sorted(layer.parameters().items(), key=lambda item: -len(item[1].shape))
    if len(inputs) == 3 and not parameters and layer.n_outputs == 1:
        shapes = [x.shape for x in inputs]
        return open_attention(rule_of(layer, shapes, shapes[0]), inputs, name)
    if len(inputs) != 1 or inputs[0].ndim != 2 or len(parameters) != 2:
        return None
    (rows, columns), (weight, w), (bias, b) = inputs[0].shape, *parameters
    if len(b.shape) != 1 or w.shape != (columns, *b.shape):
        return None
    forward = rule_of(layer, [inputs[0].shape], (rows, *b.shape)).partition("\n")[0]
    if re.fullmatch(rf"y = \w+·{re.escape(weight)} \+ {re.escape(bias)}", forward) is None:
        return None
    x, ones = Input("X"), np.ones((rows, 1), w.dtype)
    a = MatMul()(x, Weight(weight, w.value), name="A")
    db = MatMul()(Constant("D", ones), Weight(bias, b.value[np.newaxis]), name="DB")
    return Graph(inputs=[x], outputs=[Add()(a, db, name=name or None)])
