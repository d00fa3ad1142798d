"""PyTorch: eager with its default Adam, eager with its fused one, and compiled.

Images are channels-last in memory, and ReLU overwrites its input. Both are faster than PyTorch's
defaults. Attention computes query, key and value in one product.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from ..case import LR
from ..networks import parts_of_block
from . import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..case import Array, Case
    from ..networks import Layer, Network
    from . import Step


class Sum(nn.Module):  # type: ignore[misc]
    """The sum of two paths from one input."""

    def __init__(self, main: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.main, self.shortcut = main, shortcut

    def forward(self, x: Any) -> Any:
        """Return the sum."""
        return self.main(x) + self.shortcut(x)


class Recomputed(nn.Module):  # type: ignore[misc]
    """A block of which only the input is kept."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Any) -> Any:
        """Return what the block returns."""
        return checkpoint(self.block, x, use_reentrant=False)


class Positional(nn.Module):  # type: ignore[misc]
    """A learned row that is added at each position."""

    def __init__(self, weight: Array) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(weight))

    def forward(self, x: Any) -> Any:
        """Return the sum."""
        return x + self.weight[: x.shape[-2]]


class Recurrent(nn.Module):  # type: ignore[misc]
    """An LSTM or a GRU that returns its states alone.

    Each of its biases is learned once: PyTorch has two for every gate, which only ever add up
    except in the candidate of a GRU, so that Adam would move their sum twice as far.
    """

    def __init__(self, layer: Any, last: bool, weights: Iterator[Array]) -> None:
        super().__init__()
        self.layer, self.last = layer, last
        with torch.no_grad():
            layer.weight_ih_l0.copy_(torch.from_numpy(next(weights).T))
            layer.weight_hh_l0.copy_(torch.from_numpy(next(weights).T))
            layer.bias_ih_l0.zero_()
            layer.bias_hh_l0.zero_()
        if layer.mode == "GRU":
            learned = torch.arange(3 * layer.hidden_size) >= 2 * layer.hidden_size
            layer.bias_hh_l0.register_hook(learned.mul)
        else:
            layer.bias_hh_l0.requires_grad_(False)

    def forward(self, x: Any) -> Any:
        """Return the states, or the last one."""
        states, end = self.layer(x)
        if not self.last:
            return states
        return (end if self.layer.mode == "GRU" else end[0])[0]


class Attention(nn.Module):  # type: ignore[misc]
    """Self-attention with several heads."""

    def __init__(self, features: int, heads: int, causal: bool, weights: Iterator[Array]) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = _with(np.concatenate([next(weights).T for _ in range(3)]), nn.Linear(features, 3 * features))
        self.output = _with(next(weights).T, nn.Linear(features, features))

    def forward(self, x: Any) -> Any:
        """Return the output."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.output(y.transpose(1, 2).flatten(2))


def build(case: Case) -> nn.Module:
    """Return the model of a case, with its initial weights."""
    return _sequential(case.network, case.weights()).to(memory_format=torch.channels_last)


def inputs(case: Case) -> torch.Tensor:
    """Return a batch."""
    x = torch.from_numpy(case.inputs())
    return x.to(memory_format=torch.channels_last) if x.ndim == 4 else x


def _sequential(network: Network, weights: Iterator[Array]) -> nn.Module:
    return nn.Sequential(*(_module(layer, weights) for layer in network))


def _module(layer: Layer, weights: Iterator[Array]) -> nn.Module:
    match layer:
        case ["affine", n_in, n_out]:
            return _with(next(weights).T, nn.Linear(n_in, n_out))
        case ["conv", n_in, n_out, kernel, stride, padding, has_bias]:
            return _with(next(weights), nn.Conv2d(n_in, n_out, kernel, stride, padding, bias=has_bias))
        case ["batch_norm", channels, axes]:
            return nn.BatchNorm2d(channels) if axes else nn.BatchNorm1d(channels)
        case ["relu"]:
            return nn.ReLU(inplace=True)
        case ["max_pool", size]:
            return nn.MaxPool2d(size)
        case ["global_avg_pool"]:
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case ["flatten"]:
            return nn.Flatten()
        case ["add", main, shortcut]:
            return Sum(_sequential(main, weights), _sequential(shortcut, weights))
        case ["recompute", block]:
            return Recomputed(_sequential(block, weights))
        case ["embedding", *_]:
            return nn.Embedding.from_pretrained(torch.from_numpy(next(weights)), freeze=False)
        case ["positional", *_]:
            return Positional(next(weights))
        case ["lstm", n_in, hidden, last]:
            return Recurrent(nn.LSTM(n_in, hidden, batch_first=True), last, weights)
        case ["gru", n_in, hidden, last]:
            return Recurrent(nn.GRU(n_in, hidden, batch_first=True), last, weights)
        case ["layer_norm", features]:
            return nn.LayerNorm(features)
        case ["gelu"]:
            return nn.GELU()
        case ["attention", features, heads, causal]:
            return Attention(features, heads, causal, weights)
        case ["transformer_block", *numbers]:
            return _sequential(parts_of_block(*numbers), weights)
    raise NotImplementedError(layer)


def _with(weight: Array, module: Any) -> Any:
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(weight))
        if module.bias is not None:
            module.bias.zero_()
    return module


class Eager:
    """Eager mode."""

    takes_weights = True
    fused: bool | None = None

    def __init__(self, threads: int) -> None:
        self.versions = {"torch": torch.__version__}
        torch.set_num_threads(threads)

    def model(self, case: Case) -> Any:
        """Return the model in the form that is called."""
        return build(case)

    def train(self, case: Case) -> Step:
        """Return a training step."""
        model = self.model(case)
        optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=self.fused)
        x, targets = inputs(case), cycle([torch.from_numpy(t).flatten() for t in case.targets()])
        if case.labels:
            model = nn.Sequential(model, nn.Flatten(0, 1))

        def step() -> torch.Tensor:
            optimizer.zero_grad()
            loss = cross_entropy(model(x), next(targets))
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step

    def infer(self, case: Case) -> Step:
        """Return a forward pass in evaluation mode, without gradients."""
        model, x = self.model(case).eval(), inputs(case)

        def forward() -> Any:
            with torch.inference_mode():
                return model(x)

        return forward


class Fused(Eager):
    """Eager mode with the fused Adam."""

    fused = True


class Math(Fused):
    """Eager mode with the fused Adam, and with all scores of attention in memory at once."""

    def train(self, case: Case) -> Step:
        """Return a training step."""
        step = super().train(case)

        def with_scores() -> Any:
            with sdpa_kernel(SDPBackend.MATH):
                return step()

        return with_scores


class Compiled(Fused):
    """Compiled to C++, with the fused Adam."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        try:
            torch.compile(torch.neg)(torch.ones(2))
        except Exception as error:
            raise UnavailableError(f"torch.compile fails, has it a C++ compiler? {str(error).strip().splitlines()[0]}") from error

    def model(self, case: Case) -> Any:
        """Return the model, which is compiled at its first call."""
        torch.compiler.reset()
        return torch.compile(build(case))
