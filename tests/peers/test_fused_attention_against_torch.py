"""Attention in a container, where it is compiled, against PyTorch's."""

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

import netlib as nl
from netlib.layers.head_attention import HeadAttention

nl.accelerator()


def graph_of(layer, n_inputs):
    nodes = [nl.Input(name) for name in "qkvm"[:n_inputs]]
    return nl.Graph(nodes, [layer(*nodes)])


@pytest.mark.parametrize("causal", [False, True], ids=["", "causal"])
@pytest.mark.parametrize("masked", [False, True], ids=["", "mask"])
@pytest.mark.parametrize(("t", "s", "heads", "d", "d_v"), [(64, 64, 4, 16, 16), (21, 13, 3, 5, 9), (7, 70, 1, 33, 8)])
def test_heads_attend_as_in_pytorch(t, s, heads, d, d_v, masked, causal):
    rng = np.random.default_rng(0)
    q, k, v, dout = (rng.normal(size=(2, n, heads * m)) for n, m in ((t, d), (s, d), (s, d_v), (t, d_v)))
    mask = rng.random((2, 1, t, s)) > 0.3
    mask[..., 0] = True  # PyTorch returns NaN where a query may look nowhere
    graph = graph_of(HeadAttention(heads, causal, mask=masked), 3 + masked)
    for _ in range(2):
        y = graph.forward(q, k, v, *[mask] * masked)
        gradients = graph.backward(dout)[:3]
    cut = [torch.tensor(x).unflatten(-1, (heads, -1)).transpose(1, 2).requires_grad_() for x in (q, k, v)]
    allowed = (mask if masked else np.ones((t, s), bool)) & (np.tri(t, s, dtype=bool) if causal else True)
    expected = scaled_dot_product_attention(*cut, attn_mask=torch.tensor(allowed))
    expected.backward(torch.tensor(dout).unflatten(-1, (heads, -1)).transpose(1, 2))
    for found, each in zip((y, *gradients), (expected, *(x.grad for x in cut)), strict=True):
        np.testing.assert_allclose(found, each.detach().transpose(1, 2).flatten(2), rtol=0, atol=1e-13)
