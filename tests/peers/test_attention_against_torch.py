"""PyTorch judges attention, its heads and the transformer block: forward, and the gradients of all inputs and parameters."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch_attention import assert_gradients, assert_same, attention_gradients, attention_like, block_gradients, block_like

import netlib as nl
from netlib.layers.head_attention import HeadAttention

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ImportWarning)  # that hypothesis is not installed, which it needs for other tests
    from torch.testing._internal.common_methods_invocations import op_db


def tensors(*arrays):
    return [torch.tensor(x, requires_grad=True) for x in arrays]


def sdpa_samples():
    (entry,) = (each for each in op_db if each.name == "nn.functional.scaled_dot_product_attention")
    torch.manual_seed(0)
    for sample in entry.sample_inputs("cpu", torch.float64, requires_grad=False):
        yield [x.numpy() for x in (sample.input, *sample.args)], sample.kwargs


SAMPLES = list(sdpa_samples())
INSIDE = [(qkv, options) for qkv, options in SAMPLES if not options["dropout_p"] and "attn_mask" not in options]


def test_12_of_25_samples_have_neither_a_dropout_nor_a_mask_of_floats():
    assert (len(INSIDE), len(SAMPLES)) == (12, 25)


def assert_equal_sdpa(layer, qkv, mask=None):
    theirs = tensors(*qkv)
    expected = functional.scaled_dot_product_attention(
        *theirs, is_causal=layer.causal and mask is None, attn_mask=None if mask is None else torch.tensor(mask)
    )
    y = layer.forward(*qkv) if mask is None else layer.forward(*qkv, mask)
    dout = np.random.default_rng(5).normal(size=y.shape)
    expected.backward(torch.tensor(dout))
    assert_same(y, expected)
    for ours, x in zip(layer.backward(dout), theirs, strict=True):
        assert_same(ours, x.grad)


@pytest.mark.parametrize(("qkv", "options"), INSIDE)
def test_forward_and_gradients_equal_pytorchs_on_its_own_samples(qkv, options):
    assert_equal_sdpa(nl.ScaledDotProductAttention(causal=options["is_causal"]), qkv)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e2, 1e4])
@pytest.mark.parametrize(("t", "s"), [(1, 1), (3, 5), (5, 3), (4, 4)])
def test_alone_attention_equals_pytorchs_for_other_lengths_and_values_and_inputs_of_any_size(causal, scale, t, s):
    rng = np.random.default_rng(t + s)
    qkv = [scale * rng.normal(size=shape) for shape in [(2, 3, t, 4), (2, 3, s, 4), (2, 3, s, 7)]]
    assert_equal_sdpa(nl.ScaledDotProductAttention(causal=causal), qkv)


@pytest.mark.parametrize("shape", [(3, 5), (2, 1, 1, 5), (2, 4, 3, 5), (4, 1, 5), (5,)])
@pytest.mark.parametrize("causal", [False, True])
def test_a_mask_of_any_shape_that_broadcasts_selects_as_pytorchs_does(shape, causal):
    rng = np.random.default_rng(6)
    qkv = [rng.normal(size=shape) for shape in [(2, 4, 3, 2), (2, 4, 5, 2), (2, 4, 5, 3)]]
    mask = np.asarray(rng.random(shape) < 0.6)
    mask[..., :1] = True  # PyTorch's softmax over nothing is NaN
    layer = nl.ScaledDotProductAttention(causal=causal, mask=True)
    theirs = mask & np.tri(3, 5, dtype=bool) if causal else np.broadcast_to(mask, (3, 5)) if mask.ndim < 2 else mask
    y = layer.forward(*qkv, mask)
    dx = layer.backward(np.ones_like(y))
    plain = nl.ScaledDotProductAttention(mask=True)
    assert_equal_sdpa(plain, qkv, theirs)
    assert np.array_equal(y, plain.forward(*qkv, theirs))
    for ours, expected in zip(dx, plain.backward(np.ones_like(y)), strict=True):
        assert np.array_equal(ours, expected)


@pytest.mark.parametrize("heads", [0, 2])
def test_with_the_same_dropped_weights_all_gradients_equal_pytorchs(heads):
    layer = HeadAttention(heads, causal=True, dropout=0.4, rng=3) if heads else nl.ScaledDotProductAttention(True, 0.4, rng=3)
    rng = np.random.default_rng(7)
    qkv = [rng.normal(size=(2, 5, 4)) for _ in range(3)]
    y = layer.forward(*qkv)
    kept = torch.tensor(layer._cache[2][-1] != 0)
    assert 0.3 < kept.double().mean() < 0.9
    theirs = tensors(*qkv)
    q, k, v = [x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in theirs] if heads else theirs
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~torch.ones(5, 5).tril().bool(), -torch.inf)
    expected = torch.softmax(scores, -1) * kept / 0.6 @ v
    expected = expected.transpose(1, 2).flatten(-2) if heads else expected
    dout = rng.normal(size=y.shape)
    expected.backward(torch.tensor(dout))
    assert_same(y, expected)
    for ours, x in zip(layer.backward(dout), theirs, strict=True):
        assert_same(ours, x.grad)


# ---- heads ---------------------------------------------------------------------------------------

T, S, FEATURES = 4, 6, 12
RNG = np.random.default_rng(8)
MAY_NOT = RNG.random((T, S)) < 0.3  # PyTorch's modules take the opposite mask
MAY_NOT[:, 2] = False
PADDED = np.arange(S) >= np.array([[6], [3], [4]])


def of_each_head(may_not, heads):
    """Return PyTorch's mask of three axes, which differs from head to head and sample to sample."""
    masks = np.stack([np.roll(may_not, shift, axis=0) for shift in range(3 * heads)])
    return torch.tensor(masks), ~masks.reshape(3, heads, *may_not.shape)


def masks(name, heads, t, s):
    """Return PyTorch's options for a mask, and the mask that means the same here."""
    may_not, padded = MAY_NOT[:t, :s] if t < s else np.resize(MAY_NOT, (t, s)) & (np.arange(s) != 2), PADDED[:, :s]
    if name == "padding":
        return {"key_padding_mask": torch.tensor(padded)}, ~padded[:, None, None, :]
    if name == "mask":
        return {"attn_mask": torch.tensor(may_not)}, ~may_not
    if name == "mask of each head":
        theirs, ours = of_each_head(may_not, heads)
        return {"attn_mask": theirs}, ours
    if name == "both":
        return {"attn_mask": torch.tensor(may_not), "key_padding_mask": torch.tensor(padded)}, ~may_not & ~padded[:, None, None, :]
    return {}, None


@pytest.mark.parametrize("heads", [1, 3, 4])
@pytest.mark.parametrize("is_self", [True, False])
@pytest.mark.parametrize("masking", ["nothing", "causal", "padding", "mask", "mask of each head", "both"])
def test_multi_head_attention_and_all_gradients_equal_pytorchs(heads, is_self, masking):
    torch.manual_seed(9)
    module = nn.MultiheadAttention(FEATURES, heads, batch_first=True).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    shapes = [(3, S, FEATURES)] if is_self else [(3, T, FEATURES), (3, S, FEATURES), (3, S, FEATURES)]
    xs = [RNG.normal(size=shape) for shape in shapes]
    theirs = tensors(*xs)
    options, mask = masks(masking, heads, xs[0].shape[1], S)
    if masking == "causal":
        options = {"attn_mask": torch.ones(xs[0].shape[1], S).triu(1).bool()}
    layer = attention_like(module, causal=masking == "causal", mask=mask is not None)
    y = layer.forward(*xs) if mask is None else layer.forward(*xs, mask)
    expected, _ = module(*(theirs * 3 if is_self else theirs), need_weights=False, **options)
    dout = RNG.normal(size=y.shape)
    expected.backward(torch.tensor(dout))
    dx = layer.backward(dout)
    assert_same(y, expected)
    for ours, x in zip([dx] if is_self else dx, theirs, strict=True):
        assert_same(ours, x.grad)
    assert_gradients(layer, attention_gradients(module))


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("masking", ["nothing", "causal", "padding", "mask of each head"])
def test_a_transformer_block_and_all_gradients_equal_those_of_pytorchs_encoder_layer(norm_first, activation, masking):
    torch.manual_seed(10)
    module = nn.TransformerEncoderLayer(FEATURES, 3, 7, 0.0, activation, batch_first=True, norm_first=norm_first).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    x = RNG.normal(size=(3, S, FEATURES))
    (theirs,) = tensors(x)
    options, mask = masks(masking, 3, S, S)
    options = {{"key_padding_mask": "src_key_padding_mask", "attn_mask": "src_mask"}[name]: value for name, value in options.items()}
    if masking == "causal":
        options = {"src_mask": torch.ones(S, S).triu(1).bool(), "is_causal": True}
    block = block_like(module, causal=masking == "causal", mask=mask is not None)
    y = block.forward(x) if mask is None else block.forward(x, mask)
    expected = module(theirs, **options)
    dout = RNG.normal(size=y.shape)
    expected.backward(torch.tensor(dout))
    dx = block.backward(dout)
    assert_same(y, expected)
    assert_same(dx, theirs.grad)
    assert_gradients(block, block_gradients(module))
