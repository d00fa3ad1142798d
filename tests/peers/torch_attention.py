"""netlib's layers with the parameters of PyTorch's attention modules, and the gradients of both."""

import numpy as np
import torch

import netlib as nl


def numpy(tensor):
    return tensor.detach().numpy()


def attention_like(module, **options):
    """Return a MultiHeadAttention with the parameters of `nn.MultiheadAttention`; biases that it lacks are 0."""
    zeros = torch.zeros(3 * module.embed_dim, dtype=torch.float64)
    bias = zeros if module.in_proj_bias is None else module.in_proj_bias
    parts = [(numpy(w).T, numpy(b)) for w, b in zip(module.in_proj_weight.chunk(3), bias.chunk(3), strict=True)]
    output = module.out_proj
    parts.append((numpy(output.weight).T, numpy(zeros[: module.embed_dim] if output.bias is None else output.bias)))
    return nl.MultiHeadAttention.from_arrays(*parts, module.num_heads, **options)


def affine_like(module):
    bias = np.zeros(module.out_features) if module.bias is None else numpy(module.bias)
    return nl.Affine.from_arrays(numpy(module.weight).T, bias)


def norm_like(module):
    return nl.LayerNorm.from_arrays(numpy(module.weight), None if module.bias is None else numpy(module.bias), eps=module.eps)


def block_like(module, **options):
    """Return a TransformerBlock with the parameters of `nn.TransformerEncoderLayer`."""
    attention = module.self_attn
    activation = nl.GELU() if module.activation is torch.nn.functional.gelu else nl.ReLU()
    block = nl.TransformerBlock(attention.embed_dim, attention.num_heads, module.linear1.out_features,
                                norm_first=module.norm_first, activation=activation, dtype="float64", **options)  # fmt: skip
    block.attention = attention_like(attention, **options)
    block.attention_norm, block.feedforward_norm = norm_like(module.norm1), norm_like(module.norm2)
    block.expand, block.contract = affine_like(module.linear1), affine_like(module.linear2)
    return block


def attention_gradients(module, prefix=""):
    """Return the gradients of `nn.MultiheadAttention` under netlib's names."""
    found = {}
    for name, part in [("weight", module.in_proj_weight), ("bias", module.in_proj_bias)]:
        if part is not None:
            found |= {f"{prefix}{x}.{name}": g for x, g in zip(("query", "key", "value"), part.grad.chunk(3), strict=True)}
    return found | affine_gradients(module.out_proj, f"{prefix}output.")


def affine_gradients(module, prefix):
    return {f"{prefix}{name}": parameter.grad for name, parameter in module.named_parameters()}


def block_gradients(module):
    """Return the gradients of `nn.TransformerEncoderLayer` under netlib's names."""
    parts = {"attention_norm": module.norm1, "feedforward_norm": module.norm2, "expand": module.linear1, "contract": module.linear2}
    found = attention_gradients(module.self_attn, "attention.")
    for name, part in parts.items():
        found |= affine_gradients(part, f"{name}.")
    return found


def assert_gradients(layer, theirs):
    """Assert that the parameters have PyTorch's gradients, by netlib's names; weights of `nn.Linear` are transposed."""
    parameters = layer.parameters()
    assert theirs.keys() <= parameters.keys()
    assert all("bias" in name for name in parameters.keys() - theirs.keys())  # which PyTorch's module was made without
    for name, gradient in theirs.items():
        assert np.allclose(parameters[name].grad, gradient.numpy().T, rtol=1e-9, atol=1e-11), name


def assert_same(ours, theirs):
    assert ours.shape == tuple(theirs.shape)
    assert np.allclose(ours, numpy(theirs), rtol=1e-9, atol=1e-11)
