"""PyTorch's own sample inputs for RNN, LSTM and GRU, where netlib has their options."""

import warnings

import numpy as np
import pytest
import torch
from torch_recurrent import as_state, gradients, with_parameters

import netlib as nl

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ImportWarning)  # that hypothesis is not installed, which it needs for other tests
    from torch.testing._internal.common_modules import module_db


def samples():
    """Yield name, module and inputs."""
    for entry in module_db:
        name = entry.name.split(".")[-1]
        if name in ("RNN", "LSTM", "GRU"):
            torch.manual_seed(0)
            for each in entry.module_inputs_func(entry, device="cpu", dtype=torch.float64, requires_grad=False, training=True):
                constructor = each.constructor_input
                module = entry.module_cls(*constructor.args, **constructor.kwargs).double()
                yield name, module, each.forward_input.args


def is_inside(module):
    return not module.proj_size


SAMPLES = list(samples())
INSIDE = [each for each in SAMPLES if is_inside(each[1])]


def test_64_of_80_samples_are_within_the_options():
    assert (len(INSIDE), len(SAMPLES)) == (64, 80)


@pytest.mark.parametrize(("name", "module", "inputs"), INSIDE, ids=[f"{each[0]}-{i}" for i, each in enumerate(INSIDE)])
def test_forward_and_all_gradients_equal_pytorchs(name, module, inputs):
    tensors = [each.clone().requires_grad_() for each in torch.utils._pytree.tree_leaves(inputs)]
    x, *states = tensors
    y, final = module(x, *([states[0] if len(states) == 1 else tuple(states)] if states else []))
    final = final if isinstance(final, tuple) else (final,)
    is_alone = x.ndim == 2  # a sequence without a batch

    def batch_first(array):
        if is_alone:
            return array[None]
        return array if module.batch_first else array.swapaxes(0, 1)

    def state(tensor):
        return as_state(tensor[:, None] if is_alone else tensor)

    options = {"nonlinearity": module.nonlinearity} if name == "RNN" else {}
    sizes = module.input_size, module.hidden_size, module.num_layers, module.bidirectional, module.dropout
    layer = with_parameters(getattr(nl, name)(*sizes, return_state=True, **options, dtype="float64"), module)
    outputs = layer.forward(batch_first(x.detach().numpy()), *map(state, states))
    douts = [torch.tensor(np.random.default_rng(i).normal(size=tuple(each.shape))) for i, each in enumerate((y, *final))]
    torch.autograd.backward((y, *final), douts)
    dx = layer.backward((batch_first(douts[0].numpy()), *map(state, douts[1:])))
    dx, *dstates = dx if states else (dx,)
    pairs = [(outputs[0], batch_first(y.detach().numpy())), (dx, batch_first(x.grad.numpy())), *gradients(layer, module)]
    pairs += zip(outputs[1:], map(state, final), strict=True)
    pairs += zip(dstates, [state(each.grad) for each in states], strict=True)
    for ours, expected in pairs:
        assert ours.shape == expected.shape
        assert np.allclose(ours, expected, rtol=1e-9, atol=1e-11)
