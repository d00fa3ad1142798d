"""netlib as a user writes it, without and with its compiled kernels."""

from __future__ import annotations

from importlib.metadata import version
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

import netlib as nl

from ..case import LR
from . import UnavailableError

if TYPE_CHECKING:
    from ..case import Case
    from . import Step


def perceptron(case: Case) -> nl.Sequential:
    """Return the model of a case, with its initial weights."""
    layers: list[nl.Layer] = []
    for weight in case.weights():
        layers += [nl.Affine.from_arrays(weight, np.zeros(weight.shape[1])), nl.ReLU()]
    return nl.Sequential(*layers[:-1])


class Pure:
    """NumPy alone."""

    takes_weights = True

    def __init__(self, threads: int) -> None:
        self.versions = {"netlib": nl.__version__, "numpy": np.__version__}

    def train(self, case: Case) -> Step:
        """Return a training step."""
        model, loss = perceptron(case), nl.SoftmaxCrossEntropy()
        optimizer = nl.Adam(model, lr=LR)
        x, targets = case.inputs(), cycle(case.targets())

        def step() -> float:
            y = model.forward(x)
            L: float = loss.forward(y, next(targets))
            model.backward(loss.backward(), input_gradient=False)
            optimizer.step()
            return L

        self.model = model
        return step

    def parameters_after(self, case: Case, steps: int) -> list[float]:
        """Return all parameters after so many steps."""
        step = self.train(case)
        for _ in range(steps):
            step()
        return [number for parameter in self.model.parameters().values() for number in parameter.value.ravel().tolist()]

    def infer(self, case: Case) -> Step:
        """Return a prediction."""
        model, x = perceptron(case), case.inputs()
        return lambda: model.predict(x)


class Fast(Pure):
    """With the extra `fast`."""

    def __init__(self, threads: int) -> None:
        if not hasattr(nl, "accelerator"):
            raise UnavailableError("this netlib has no accelerator()")
        if (accelerator := nl.accelerator()) == "numpy":
            raise UnavailableError("nl.accelerator() says 'numpy'; pip install -e '.[fast]'")
        super().__init__(threads)
        self.versions[accelerator] = version(accelerator)
