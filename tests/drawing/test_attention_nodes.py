"""Attention is drawn as two dot nodes and a softmax, which compute what the layer computes."""

import numpy as np
import pytest

import netlib as nl
from netlib.drawing.opening import open_layer
from netlib.layers.head_attention import HeadAttention

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (nl.ScaledDotProductAttention(), [(3, 2), (4, 2), (4, 5)]),
        (nl.ScaledDotProductAttention(causal=True), [(2, 3, 2), (2, 4, 2), (2, 4, 3)]),
        (HeadAttention(2), [(2, 3, 4), (2, 5, 4), (2, 5, 6)]),
        (HeadAttention(3, causal=True), [(4, 6), (4, 6), (4, 3)]),
    ],
    ids=str,
)
def test_the_nodes_compute_what_the_layer_computes(layer, shapes):
    inputs = [RNG.normal(size=shape) for shape in shapes]
    nodes, y = open_layer(layer, inputs), layer.forward(*inputs)
    np.testing.assert_allclose(nodes.forward(*inputs), y, rtol=1e-13, atol=1e-14)
    dout = RNG.normal(size=y.shape)
    for ours, theirs in zip(nodes.backward(dout), layer.backward(dout), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_the_weights_are_on_an_edge_with_their_gradient():
    q, k, v = (RNG.normal(size=(3, 2)) for _ in range(3))
    picture = nl.draw(nl.ScaledDotProductAttention(causal=True), q, k, v, detail="nodes").picture
    (p,) = [wire for wire in picture.wires if wire.name == "P"]
    scores = np.where(np.tri(3) > 0, np.exp(q @ k.T / 2**0.5), 0)
    np.testing.assert_allclose(p.value, scores / scores.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(p.grad, np.ones((3, 2)) @ v.T, rtol=1e-12)
    assert [node.symbol for node in picture.nodes if node.symbol] == ["dot", "÷", "+", "dot"]


@pytest.mark.parametrize("layer", [nl.ScaledDotProductAttention(mask=True), nl.ScaledDotProductAttention(dropout=0.5, rng=0)])
def test_with_a_mask_or_dropout_it_stays_one_node(layer):
    inputs = [RNG.normal(size=(3, 2)) for _ in range(3)] + [np.ones((3, 3), bool)] * layer.mask
    assert open_layer(layer, inputs) is None


def test_a_model_is_opened_though_the_bias_of_the_keys_has_a_gradient_of_rounding_errors():
    layer = nl.MultiHeadAttention(4, 2, causal=True, rng=0)
    picture = nl.draw(layer, RNG.normal(size=(1, 6, 4)).astype(np.float32), detail="nodes").picture
    (p,) = [wire for wire in picture.wires if wire.name == "P"]
    assert p.value.shape == (1, 2, 6, 6)
