"""PyTorch's own sample inputs for its attention modules, where netlib has their options."""

import warnings

import numpy as np
import pytest
import torch
from torch_attention import assert_gradients, assert_same, attention_gradients, attention_like, block_gradients, block_like

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ImportWarning)  # that hypothesis is not installed, which it needs for other tests
    from torch.testing._internal.common_modules import module_db


def samples(name):
    """Return the modules with their inputs and masks, the batch first."""
    (entry,) = (each for each in module_db if each.name == f"nn.{name}")
    torch.manual_seed(0)
    found = []
    for sample in entry.module_inputs_func(entry, device="cpu", dtype=torch.float64, requires_grad=False, training=True):
        constructor, given = sample.constructor_input, sample.forward_input
        module = entry.module_cls(*constructor.args, **constructor.kwargs).double()
        options = {key: value for key, value in given.kwargs.items() if isinstance(value, torch.Tensor)}
        found.append((module, given.args, options))
    return found


def is_batch_first(module):
    return getattr(module, "self_attn", module).batch_first


def has_extra_keys(module):
    return module.bias_k is not None or module.add_zero_attn


def mask_of(options, n_axes):
    """Return the mask that means what PyTorch's masks do, with an axis of heads; None without any."""
    allowed = None
    for name, may_not in options.items():
        assert may_not.dtype == torch.bool
        mask = ~may_not.numpy()
        if "padding" in name and n_axes == 3:
            mask = mask[:, None, None]
        allowed = mask if allowed is None else allowed & mask
    return allowed


ATTENTION, BLOCKS = samples("MultiheadAttention"), samples("TransformerEncoderLayer")
INSIDE = [each for each in ATTENTION if not has_extra_keys(each[0])]


def test_16_of_64_samples_of_attention_and_all_of_the_encoder_layer_are_within_the_options():
    assert (len(INSIDE), len(ATTENTION), len(BLOCKS)) == (16, 64, 39)


def relaid(module, x):
    """Return an input for a layer that takes the batch first."""
    return x.numpy().swapaxes(0, 1) if x.ndim == 3 and not is_batch_first(module) else x.numpy()


def assert_equal(module, layer, xs, options, gradients):
    theirs = [x.clone().requires_grad_() for x in xs]
    expected = module(*theirs, **options)
    expected = expected[0] if isinstance(expected, tuple) else expected
    ours = [relaid(module, x) for x in xs]
    mask = mask_of(options, xs[0].ndim)
    y = layer.forward(*ours) if mask is None else layer.forward(*ours, mask)
    dout = torch.tensor(np.random.default_rng(0).normal(size=tuple(expected.shape)))
    expected.backward(dout)
    dx = layer.backward(relaid(module, dout))
    assert_same(y, torch.tensor(relaid(module, expected.detach())))
    for d, x in zip(dx if isinstance(dx, tuple) else (dx,), theirs, strict=True):
        assert_same(d, torch.tensor(relaid(module, x.grad)))
    assert_gradients(layer, gradients(module))


@pytest.mark.parametrize(("module", "xs", "options"), INSIDE, ids=range(len(INSIDE)))
def test_multi_head_attention_equals_pytorchs_on_its_samples(module, xs, options):
    assert_equal(module, attention_like(module, mask=bool(options)), xs, options, attention_gradients)


@pytest.mark.parametrize(("module", "xs", "options"), BLOCKS, ids=range(len(BLOCKS)))
def test_a_transformer_block_equals_pytorchs_encoder_layer_on_its_samples(module, xs, options):
    assert_equal(module, block_like(module, mask=bool(options)), xs, options, block_gradients)
