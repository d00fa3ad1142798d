"""Every row of the table of layers as a module of PyTorch, and back."""

import numpy as np
import pytest
import torch
from table import one_row_of_each_kind_and_all_at_last

import netlib as nl
from netlib import containers, layers
from netlib.torch.functions import FUNCTIONS
from netlib.torch.state import placed_links
from netlib.torch.table import TABLE

TOLERANCE = {nl.Hardsigmoid: 1e-7}
"""PyTorch computes its slope with a 1/6 of type float32."""
HAVE_CONTAINERS = {nl.Sequential, nl.Residual, nl.Recompute, nl.Recurrent, nl.Graph}


def as_tuple(values):
    return values if isinstance(values, tuple) else (values,)


def as_tensor(array):
    tensor = torch.tensor(array)
    return tensor.requires_grad_() if tensor.is_floating_point() else tensor


def is_random(layer):
    return any(isinstance(each, nl.Dropout) or getattr(each, "dropout", 0) for _, each in layer.walk())


def close(layer, a, b):
    assert a.shape == tuple(b.shape)
    rtol = TOLERANCE.get(type(layer), 1e-9)
    np.testing.assert_allclose(a, b.detach().numpy(), rtol=rtol, atol=1e-11)


def compare(layer, module, inputs):
    """Assert equal outputs, and equal gradients of inputs and parameters."""
    tensors = [as_tensor(x) for x in inputs]
    ys, outputs = as_tuple(module(*tensors)), layer.forward(*inputs)
    rng = np.random.default_rng(0)
    douts = tuple(np.asarray(rng.normal(size=y.shape)) for y in as_tuple(outputs))
    for ours, theirs in zip(as_tuple(outputs), ys, strict=True):
        close(layer, ours, theirs)
    torch.autograd.backward(ys, list(map(torch.tensor, douts)))
    dx = as_tuple(layer.backward(douts if isinstance(outputs, tuple) else douts[0]))
    differentiable = [each.grad for each in tensors if each.is_floating_point()]
    for ours, theirs in zip([each for each in dx if each is not None], differentiable, strict=True):
        close(layer, ours, theirs)
    theirs = dict(module.named_parameters())
    for each in placed_links(layer):
        if each.link.ours and hasattr(each.members[0], "grad"):
            gradients = each.link.write(*(member.grad for member in each.members))
            if "bias_ih" in each.names[0]:  # the other bias has the same gradient but for GRU's candidate
                gradients = gradients[:1]
            for name, gradient in zip(each.names, gradients, strict=False):
                given = theirs[name].grad
                close(layer, gradient, torch.zeros(theirs[name].shape) if given is None else given)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@one_row_of_each_kind_and_all_at_last
def test_a_module_computes_what_the_layer_does_and_comes_back_to_the_bit(row):
    layer = row.make(np.float64)
    module = nl.torch.module(layer)
    back = nl.torch.convert(module)
    assert type(back) is type(layer)
    state, names = layer.state_dict(), list(nl.torch.state_dict(layer))
    assert list(module.state_dict()) == names
    assert {path: (array.dtype, array.tobytes()) for path, array in back.state_dict().items()} == {
        path: (array.dtype, array.tobytes()) for path, array in state.items()
    }
    if not is_random(layer):
        compare(layer, module, row.inputs)
        assert all(np.allclose(array, module.state_dict()[name]) for name, array in nl.torch.state_dict(layer).items() if "running" in name)
    layer.eval()
    module.eval()
    back.load_state_dict(layer.state_dict())
    compare(layer, module, row.inputs)
    for ours, theirs in zip(as_tuple(layer.forward(*row.inputs)), as_tuple(back.eval().forward(*row.inputs)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_every_layer_has_a_counterpart_or_a_function():
    exported = {each for each in vars(layers).values() if isinstance(each, type) and issubclass(each, nl.Layer)}
    exported |= {each for each in vars(containers).values() if isinstance(each, type) and issubclass(each, nl.Layer)}
    known = {each.layer for each in TABLE} | FUNCTIONS.keys() | HAVE_CONTAINERS
    assert exported - known == set()
