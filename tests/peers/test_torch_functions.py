"""The functions and methods of tensors in a module's own forward, each against PyTorch, forward and gradients."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch_compare import assert_same

import netlib as nl

FUNCTIONS = {  # of x (4, 3, 6), positive numbers without ties, and of y, its reverse
    "arithmetic": lambda x, y: (1 + x - 2 * y) / (x * 3 + 1) - (-y) + 2**x + x**y + x**3,
    "torch's names": lambda x, y: torch.add(x, 2).sub(y).mul(3).div(y) + torch.neg(x) + torch.subtract(x, y) + torch.multiply(x, y),
    "add with alpha 1": lambda x, y: torch.add(x, y, alpha=1),
    "in place": lambda x, y: (x * 1).add_(y).mul_(2).relu_(),
    "powers": lambda x, y: x.square() + x.rsqrt() + torch.reciprocal(x) + x.pow(1.5) + torch.sqrt(x),
    "elementwise": lambda x, y: x.exp() + torch.log(x) + abs(x - 1) + (x - 1).abs() + x.sigmoid() + torch.tanh(x),
    "extremes": lambda x, y: torch.maximum(x, y) + torch.minimum(x, y) + x.clamp(0.5, 1.5) + torch.clamp(y, min=1) + y.clip(max=1.0),
    "sums": lambda x, y: x.sum() + x.sum(-1, keepdim=True) + torch.mean(x, dim=(0, 2), keepdim=True) + x.mean([1], True),
    "largest": lambda x, y: x.amax(-1, keepdim=True) + x.amin((1, 2), True) + torch.logsumexp(x, 1, keepdim=True) + x.max(),
    "norms": lambda x, y: (
        x.norm(dim=-1, keepdim=True)
        + torch.linalg.norm(x, dim=1, keepdim=True)
        + torch.norm(x, p=1, dim=2, keepdim=True)
        + x.min()
        + torch.linalg.vector_norm(x, 3, (1, 2), True)
    ),
    "along an axis": lambda x, y: x.softmax(-1) + functional.log_softmax(x, dim=1) + torch.cumsum(x, dim=2) + functional.softmin(x, 2),
    "products": lambda x, y: (
        x @ y.transpose(1, 2) + torch.bmm(x, y.mT) + torch.matmul(x, y.permute(0, 2, 1)) + torch.einsum("nij, nkj -> nik", x, y)
    ),
    "activations": lambda x, y: (
        functional.gelu(x)
        + functional.silu(x)
        + functional.leaky_relu(x - 1, 0.2)
        + functional.elu(x - 1)
        + functional.softplus(x)
        + functional.hardtanh(x - 1, -0.5, 0.5)
    ),
    "glu": lambda x, y: functional.glu(x, dim=-1),
    "pieces": lambda x, y: x[:, 0] + x[..., 1, :] + x[:, -1, :] * y[:, ::2][:, 0],
    "new axes": lambda x, y: x[:, None].squeeze(1) + x.unsqueeze(-1).squeeze(-1) + torch.unsqueeze(y, 1)[:, 0],
    "joined": lambda x, y: torch.cat([x, y], dim=1) + torch.stack((x, y), 1).flatten(1, 2) + torch.concat((y, x), 1),
    "split": lambda x, y: x.chunk(2, dim=-1)[0] + x.split([3, 3], dim=2)[1] + torch.split(y, 3, dim=-1)[0],
    "unbound": lambda x, y: x.unbind(1)[2] + torch.unbind(y, dim=1)[0],
    "reshaped": lambda x, y: x.reshape(-1, 18) + y.view(x.size(0), -1) + torch.flatten(x, 1) + y.contiguous().view(y.shape[0], 18),
    "reshaped to sizes": lambda x, y: (
        x.view(x.shape[0], x.size(1), 2, 3).transpose(-2, -1).reshape(x.shape[0], x.shape[1], x.shape[2] // 3 * 3)
    ),
    "unflattened": lambda x, y: x.unflatten(-1, (2, 3)).sum(-1),
    "exchanged": lambda x, y: x.transpose(0, 1).transpose(1, 0) + x.swapaxes(-1, -2).mT,
    "padded": lambda x, y: functional.pad(x, (1, 2)) + functional.pad(y, (2, 1), value=3.0) + functional.pad(x, (2, 1), mode="reflect"),
    "pooled": lambda x, y: functional.max_pool1d(x, 2) + functional.avg_pool1d(y, 2, 2) + functional.adaptive_avg_pool1d(x, 3),
    "enlarged": lambda x, y: functional.interpolate(x, scale_factor=2) + functional.interpolate(y, scale_factor=2, mode="linear"),
    "expanded": lambda x, y: x[:, :1].expand(-1, 3, -1) + y[:, :, :1].expand(x.shape[0], 3, 6),
    "repeated": lambda x, y: x[:, :, :1].repeat(1, 1, 6) + y[:, :1].repeat(1, 3, 1),
    "attention": lambda x, y: functional.scaled_dot_product_attention(x, y, y, is_causal=True),
    "dropped": lambda x, y: functional.dropout(x, 0.5, training=False) + y,
    "device and type": lambda x, y: x.to(y.device).to(torch.float64).clone() + y.type_as(x),
    "fixed tensors": lambda x, y: x + torch.arange(6, dtype=torch.float64) * 2 + torch.ones(3, 1, dtype=torch.float64),
    "a fixed mask": lambda x, y: (x @ y.mT).masked_fill(torch.ones(3, 3).triu(1).bool(), float("-inf")).softmax(-1),
}
NEED_EXAMPLE = {"joined", "split", "unbound", "reshaped", "reshaped to sizes", "unflattened", "repeated"}


class Forward(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x, y):
        return self.function(x, y) + 0 * y.sum() + 0 * x.sum()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_tensors_is_a_layer(name):
    rng = np.random.default_rng(0)
    x, y = (torch.tensor(rng.permutation(72).reshape(4, 3, 6) / 36 + 0.1) for _ in range(2))
    module = Forward(FUNCTIONS[name])
    module.unused = nn.Linear(1, 1).double()  # says that the model computes in float64
    peer = Forward(FUNCTIONS[name])
    assert_same(nl.torch.convert(module, x[:2], y[:2]), peer, x, y)
    if name in NEED_EXAMPLE:
        with pytest.raises(nl.NetlibError, match="Give an example of the input"):
            nl.torch.convert(module)
    else:
        assert_same(nl.torch.convert(module), peer, x, y)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: torch.linalg.norm(x, 2), "may be the norm of a matrix"),
        (lambda x: torch.norm(x, "nuc"), "is the norm 'nuc'"),
        (lambda x: torch.div(x, 2, rounding_mode="floor"), "has rounding_mode='floor'"),
        (lambda x: torch.add(x, x, alpha=2), "has alpha=2"),
        (functional.dropout, "dropout without training= drops in evaluation, too"),
        (lambda x: x.sum(0, dtype=torch.float64), "has dtype=torch.float64"),
        (lambda x: x.to(torch.float16), "converts to torch.float16"),
        (lambda x: x[x > 0], "gt has no counterpart"),
        (lambda x: x.detach(), "the function detach has no counterpart"),
        (lambda x: functional.max_pool1d(x, 2, return_indices=True), "the function max_pool1d_with_indices has no counterpart"),
        (lambda x: functional.interpolate(x, size=4), "size=4"),
        (lambda x: torch.erf(torch.exp(x)), "the function erf has no counterpart"),
        (lambda x: x + torch.randn(x.shape), "makes a tensor of a size that depends on the input"),
        (functional.softmax, "is called without a dim"),
    ],
)
def test_a_function_or_an_option_that_netlib_lacks_is_refused(function, message):
    class Alone(nn.Module):
        def forward(self, x):
            return function(x)

    with pytest.raises(nl.NetlibError) as caught:
        nl.torch.convert(Alone())
    assert message in str(caught.value)
