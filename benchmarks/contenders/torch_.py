"""PyTorch: eager with its default Adam, eager with its fused one, and compiled.

Images are channels-last in memory, and ReLU overwrites its input. Both are faster than PyTorch's
defaults.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..case import LR
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
        x, targets = inputs(case), cycle([torch.from_numpy(t) for t in case.targets()])

        def step() -> torch.Tensor:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), next(targets))
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
