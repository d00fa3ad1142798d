"""PyTorch: eager with its default Adam, eager with its fused one, and compiled."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..case import LR
from . import UnavailableError

if TYPE_CHECKING:
    from ..case import Case
    from . import Step


def perceptron(case: Case) -> nn.Module:
    """Return the model of a case, with its initial weights."""
    layers: list[nn.Module] = []
    for weight in case.weights():
        linear = nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T))
            linear.bias.zero_()
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Eager:
    """Eager mode."""

    takes_weights = True
    fused: bool | None = None

    def __init__(self, threads: int) -> None:
        self.versions = {"torch": torch.__version__}
        torch.set_num_threads(threads)

    def model(self, case: Case) -> Any:
        """Return the model in the form that is called."""
        return perceptron(case)

    def train(self, case: Case) -> Step:
        """Return a training step."""
        model = self.model(case)
        optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=self.fused)
        x, targets = torch.from_numpy(case.inputs()), cycle([torch.from_numpy(t) for t in case.targets()])

        def step() -> torch.Tensor:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), next(targets))
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step

    def infer(self, case: Case) -> Step:
        """Return a forward pass in evaluation mode, without gradients."""
        model, x = self.model(case).eval(), torch.from_numpy(case.inputs())

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
        return torch.compile(perceptron(case))
