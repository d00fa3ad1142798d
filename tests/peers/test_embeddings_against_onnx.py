"""ONNX's published node cases judge the forward of embeddings and of rotary encoding."""

import importlib

import numpy as np
import onnx.numpy_helper
import pytest
from onnx import helper
from onnx.backend.test.case.node import _NodeTestCases

import netlib as nl


class Node:
    """An ONNX node with its attributes, the arrays of its inputs, and its output."""

    def __init__(self, case):
        (node,) = case.model.graph.node
        self.op, self.name = node.op_type, case.name
        self.attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        self.inputs = [as_array(x) for x in case.data_sets[0][0]]
        self.y = as_array(case.data_sets[0][1][0])
        self.rtol, self.atol = case.rtol, case.atol

    def __str__(self) -> str:
        return self.name


def as_array(value):
    return np.asarray(value) if isinstance(value, np.ndarray | np.generic) else onnx.numpy_helper.to_array(value)


def gather(node):
    """Return rows of an axis, which ONNX leaves where it was."""
    (data, ids), axis = node.inputs, node.attributes["axis"]
    table = np.moveaxis(data, axis, 0)
    y = nl.Embedding.from_arrays(table.reshape(len(table), -1)).forward(ids)
    return np.moveaxis(y.reshape(*ids.shape, *table.shape[1:]), range(ids.ndim), range(axis, axis + ids.ndim))


def rotary_embedding(node):
    """Return x turned by the angles of the node, whose cosines and sines are any numbers."""
    x, cos, sin, *positions = node.inputs
    if positions:
        cos, sin = cos[positions[0]], sin[positions[0]]
    heads = node.attributes.get("num_heads")
    if heads:
        x = x.reshape(*x.shape[:-1], heads, -1).swapaxes(1, 2)
    layer = nl.RotaryEncoding(x.shape[-1], interleaved=bool(node.attributes.get("interleaved")))
    y = layer._turn(x, cos[:, None], sin[:, None])
    return y.swapaxes(1, 2).reshape(node.y.shape) if heads else y


OPERATORS = {"Gather": gather, "RotaryEmbedding": rotary_embedding}
for module in ("gather", "rotaryembedding"):  # each adds its cases to a list
    importlib.import_module(f"onnx.backend.test.case.node.{module}")
NODES = [Node(c) for c in _NodeTestCases if "expanded" not in c.name and c.model.graph.node[0].op_type in OPERATORS]
OUTSIDE = [node for node in NODES if "negative" in node.name or "rotary_embedding_dim" in node.attributes]
INSIDE = [node for node in NODES if node not in OUTSIDE]


def test_8_of_12_cases_are_within_the_options():
    assert (len(INSIDE), len(NODES)) == (8, 12)
    assert {node.op for node in INSIDE} == OPERATORS.keys()


@pytest.mark.parametrize("node", INSIDE, ids=str)
def test_forward_gives_the_published_numbers(node):
    assert np.allclose(OPERATORS[node.op](node), node.y, rtol=node.rtol, atol=node.atol)


def test_ids_from_the_end_which_onnx_allows_are_refused():
    (node,) = (node for node in OUTSIDE if node.op == "Gather")
    with pytest.raises(nl.InvalidValueError, match=r"got the id -9 at index \(1,\), expected 0 to 9 for 10 entries"):
        nl.Embedding.from_arrays(node.inputs[0][:, None]).forward(node.inputs[1])
