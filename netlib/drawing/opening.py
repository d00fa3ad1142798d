"""Layers that stand for several nodes of the chapter, opened into them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from ..containers import Constant, Graph, Input, Weight
from ..layer import Layer
from ..layers import Add, Affine, MatMul


def opened(layer: Layer, inputs: Sequence[Array], name: str = "") -> Graph | None:
    """Return the nodes that `layer` stands for, as a graph whose output goes by `name`; None for a layer that is a node itself.

    Figs. 1.6 and 1.7: the affine transformation of N rows is a dot node with the weight, Eq. (1.31)'s A = XW; a dot node that copies the
    bias into each row, DB with the column of ones D; and a + node.

    Examples
    --------
    >>> from netlib import Affine
    >>> opened(Affine(2, 3), [np.ones((4, 2))], name="Y")
    Graph(inputs=[Input('X')], outputs=[Node('Y')])
    """
    if type(layer) is not Affine or layer.bias is None or inputs[0].shape[1:] != (layer.in_features,):
        return None
    x, ones = Input("X"), np.ones((len(inputs[0]), 1), layer.dtype)
    a = MatMul()(x, Weight("weight", layer.weight.value), name="A")
    db = MatMul()(Constant("D", ones), Weight("bias", layer.bias.value[np.newaxis]), name="DB")
    return Graph(inputs=[x], outputs=[Add()(a, db, name=name or None)])
