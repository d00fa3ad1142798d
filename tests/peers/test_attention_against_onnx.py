"""ONNX's published node cases judge the forward of attention, and its cached keys and values."""

import importlib

import numpy as np
import onnx.numpy_helper
import pytest
from onnx import helper
from onnx.backend.test.case.node import _NodeTestCases

import netlib as nl
from netlib.layers.head_attention import HeadAttention

INPUTS = "q", "k", "v", "mask", "past_key", "past_value", "lengths"


class Node:
    """An Attention node: its attributes, its inputs by name, and its first output."""

    def __init__(self, case):
        (node,) = case.model.graph.node
        self.name = case.name
        self.attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        given = iter(case.data_sets[0][0])
        self.inputs = {name: as_array(next(given)) for name, text in zip(INPUTS, node.input, strict=False) if text}
        self.y = as_array(case.data_sets[0][1][0])
        self.rtol, self.atol = case.rtol, case.atol

    def __str__(self) -> str:
        return self.name

    @property
    def heads(self):
        """The number of heads of queries, and of keys and values."""
        if self.inputs["q"].ndim == 4:
            return self.inputs["q"].shape[1], self.inputs["k"].shape[1]
        return self.attributes["q_num_heads"], self.attributes["kv_num_heads"]

    @property
    def is_inside(self):
        """Whether netlib has the node's options: no other scale, no cap, no windows, no shared heads, no mask that is added."""
        a, mask = self.attributes, self.inputs.get("mask")
        windows = {a.get("left_window_size", -1), a.get("right_window_size", -1)}
        is_plain = a.keys().isdisjoint({"scale", "softcap"}) and windows == {-1} and self.heads[0] == self.heads[1]
        has_mask = mask is None or mask.dtype == bool or np.isin(mask, (0, -np.inf)).all()
        is_number = self.inputs["q"].dtype.kind == "f" and not {"lengths"} & self.inputs.keys()
        has_past = "past_key" in self.inputs
        return is_plain and has_mask and is_number and (not has_past or bool(a.get("is_causal")))


def as_array(value):
    return np.asarray(value) if isinstance(value, np.ndarray | np.generic) else onnx.numpy_helper.to_array(value)


importlib.import_module("onnx.backend.test.case.node.attention")  # adds its cases to a list
NODES = [Node(c) for c in _NodeTestCases if "expanded" not in c.name and c.model.graph.node[0].op_type == "Attention"]
INSIDE = [node for node in NODES if node.is_inside]


def test_21_of_93_cases_are_within_the_options():
    assert (len(INSIDE), len(NODES)) == (21, 93)


@pytest.mark.parametrize("node", [node for node in INSIDE if "past_key" not in node.inputs], ids=str)
def test_forward_gives_the_published_numbers(node):
    q, k, v = (node.inputs[name] for name in "qkv")
    options = {"causal": bool(node.attributes.get("is_causal")), "mask": "mask" in node.inputs}
    layer = nl.ScaledDotProductAttention(**options) if q.ndim == 4 else HeadAttention(node.heads[0], **options)
    mask = node.inputs.get("mask")
    if mask is not None:
        mask = mask if mask.dtype == bool else mask == 0
    y = layer.forward(q, k, v) if mask is None else layer.forward(q, k, v, mask)
    assert y.shape == node.y.shape
    assert y.dtype == node.y.dtype
    rounding = 2 * float(np.finfo(y.dtype).eps)  # more than the published tolerance in float16
    assert np.allclose(y, node.y, rtol=max(node.rtol, 1e-5, rounding), atol=max(node.atol, 1e-6))


@pytest.mark.parametrize("node", [node for node in INSIDE if "past_key" in node.inputs], ids=str)
def test_what_follows_cached_keys_and_values_has_the_published_numbers(node):
    past_key, past_value, q, k, v = (x.reshape(-1, *x.shape[-2:]) for x in map(node.inputs.get, ("past_key", "past_value", *"qkv")))
    layer = nl.ScaledDotProductAttention(causal=True)
    _, past = layer.forward_next(None, past_key, past_key, past_value)
    y, _ = layer.forward_next(past, q, k, v)
    assert np.allclose(y.reshape(node.y.shape), node.y, rtol=1e-5, atol=1e-6)
