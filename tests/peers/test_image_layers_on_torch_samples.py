"""PyTorch's own sample inputs for its modules, where netlib has their options."""

import re
import warnings

import numpy as np
import pytest
import torch

import netlib as nl

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ImportWarning)  # that hypothesis is not installed, which it needs for other tests
    from torch.testing._internal.common_modules import module_db

MODES = {"Reflection": "reflect", "Replication": "edge", "Zero": "constant", "Constant": "constant", "Circular": "wrap"}


def convolution(module, name):
    options = {key: getattr(module, key) for key in ("stride", "padding", "dilation", "groups")}
    if module.transposed:
        options["output_padding"] = module.output_padding
    bias = None if module.bias is None else module.bias.detach().numpy()
    return getattr(nl, name).from_arrays(module.weight.detach().numpy(), bias, **options)


def max_pool(module, name):
    if module.return_indices:
        return None
    return getattr(nl, name)(module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode)


def avg_pool(module, name):
    if getattr(module, "divisor_override", None) is not None:
        return None
    return getattr(nl, name)(module.kernel_size, module.stride, module.padding, module.ceil_mode, module.count_include_pad)


def adaptive_pool(module, name):
    has_none = isinstance(module.output_size, tuple) and None in module.output_size
    return None if has_none or getattr(module, "return_indices", False) else getattr(nl, name)(module.output_size)


def with_parameters(layer, module):
    for path, parameter in layer.parameters().items():
        parameter.value = getattr(module, path).detach().numpy()
    return layer


def batch_norm(module, name):
    if module.momentum is None or not module.track_running_stats or (module.affine and module.bias is None):
        return None
    layer = nl.BatchNorm(module.num_features, module.eps, module.momentum, module.affine, dtype="float64")
    return with_parameters(layer, module)


def layer_norm(module, name):
    bias = {"bias": module.bias is not None} if name == "LayerNorm" else {}
    layer = getattr(nl, name)(tuple(module.normalized_shape), module.eps, module.elementwise_affine, **bias, dtype="float64")
    return with_parameters(layer, module)


def group_norm(module, name):
    if module.affine and module.bias is None:
        return None
    return with_parameters(nl.GroupNorm(module.num_groups, module.num_channels, module.eps, module.affine, dtype="float64"), module)


def instance_norm(module, name):
    if module.track_running_stats or (module.affine and module.bias is None):
        return None
    return with_parameters(nl.InstanceNorm(module.num_features, module.eps, module.affine, dtype="float64"), module)


def pad(module, name):
    widths, mode = module.padding, MODES[re.match("[A-Z][a-z]+", name)[0]]
    return nl.Pad(tuple(zip(widths[-2::-2], widths[::-2], strict=True)), mode, getattr(module, "value", 0.0))


FAMILIES = {
    r"Conv(Transpose)?\dd": convolution,
    r"MaxPool\dd": max_pool,
    r"AvgPool\dd": avg_pool,
    r"Adaptive(Avg|Max)Pool\dd": adaptive_pool,
    r"BatchNorm\dd": batch_norm,
    "(Layer|RMS)Norm": layer_norm,
    "GroupNorm": group_norm,
    r"InstanceNorm\dd": instance_norm,
    rf"({'|'.join(MODES)})Pad\dd": pad,
}  # what a function returns None for is outside netlib's options


def sample(entry, constructor, inputs):
    """Return name, module, layer or None, and input; an image alone becomes a batch of one."""
    name = entry.name.split(".")[-1]
    make = next(make for pattern, make in FAMILIES.items() if re.fullmatch(pattern, name))
    module = entry.module_cls(*constructor.args, **constructor.kwargs).double()
    (x,) = inputs.args
    is_alone = re.search(r"\dd$", name) and "Pad" not in name and x.ndim == int(name[-2]) + 1 and name != "BatchNorm1d"
    return name, module, make(module, name), x[None] if is_alone else x


def samples():
    for entry in module_db:
        if any(re.fullmatch(pattern, entry.name.split(".")[-1]) for pattern in FAMILIES):
            torch.manual_seed(0)
            inputs = entry.module_inputs_func(entry, device="cpu", dtype=torch.float64, requires_grad=False, training=True)
            yield from (sample(entry, each.constructor_input, each.forward_input) for each in inputs)


SAMPLES = list(samples())
INSIDE = [each for each in SAMPLES if each[2] is not None]


def test_141_of_178_samples_are_within_the_options():
    assert (len(INSIDE), len(SAMPLES)) == (141, 178)


@pytest.mark.parametrize(("name", "module", "layer", "x"), INSIDE, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(INSIDE)])
def test_forward_and_all_gradients_equal_pytorchs(name, module, layer, x):
    x = x.clone().requires_grad_()
    theirs = module(x)
    y = layer.forward(x.detach().numpy())
    dout = np.random.default_rng(0).normal(size=y.shape)
    theirs.backward(torch.tensor(dout))
    pairs = [(y, theirs.detach()), (layer.backward(dout), x.grad)]
    pairs += [(parameter.grad, getattr(module, path).grad) for path, parameter in layer.parameters().items()]
    if x.numel():  # PyTorch's statistics of no rows are NaN
        pairs += [(buffer.value, getattr(module, path)) for path, buffer in layer.buffers().items()]
    for ours, expected in pairs:
        assert ours.shape == tuple(expected.shape)
        assert np.allclose(ours, expected.numpy(), rtol=1e-9, atol=1e-11)
