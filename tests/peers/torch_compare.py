"""A model and a module of PyTorch on the same inputs: outputs and all gradients."""

import numpy as np
import torch

from netlib.torch.state import placed_links


def as_tuple(values):
    return values if isinstance(values, tuple) else (values,)


def assert_same(model, module, *inputs, rtol=1e-9):
    """Assert equal outputs, and equal gradients of the inputs and of all parameters."""
    inputs = [x.detach().clone().requires_grad_(x.is_floating_point()) for x in inputs]
    arrays = [x.detach().numpy() for x in inputs]
    module.zero_grad()
    model.zero_grad()
    ys, outputs = as_tuple(module(*inputs)), as_tuple(model.forward(*arrays))
    douts = [np.asarray(np.random.default_rng(i).normal(size=np.shape(y))) for i, y in enumerate(outputs)]
    for ours, theirs in zip(outputs, ys, strict=True):
        _close(ours, theirs, rtol)
    torch.autograd.backward(ys, list(map(torch.tensor, douts)))
    dx = as_tuple(model.backward(tuple(douts) if len(douts) > 1 else douts[0]))
    differentiable = [x.grad for x in inputs if x.requires_grad]
    for ours, theirs in zip([each for each in dx if each is not None], differentiable, strict=False):
        _close(ours, theirs, rtol)
    gradients = _gradients(model)
    for name, parameter in module.named_parameters():
        _close(gradients[name], torch.zeros(parameter.shape) if parameter.grad is None else parameter.grad, rtol, name)


def _close(ours, theirs, rtol, name=""):
    assert np.shape(ours) == tuple(theirs.shape)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=rtol, atol=1e-11, err_msg=name)


def _gradients(model):
    """Return the gradients of a model by PyTorch's names."""
    found = {}
    for each in placed_links(model):
        if each.link.ours and hasattr(each.members[0], "grad"):
            written = each.link.write(*(member.grad for member in each.members))
            if "bias_ih" in each.names[0]:  # both biases have the same gradient, but for that of GRU's candidate
                n = each.members[-1].size if len(each.members) == 2 else 0
                written = written[0], np.concatenate([written[0][: written[0].size - n], written[1][written[0].size - n :]])
            found |= dict(zip(each.names, written, strict=True))
    return found
