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
    from collections.abc import Iterator

    from ..case import Array, Case
    from ..networks import Layer, Network
    from . import Step


ATTENTION = ("query", "key", "value", "output")
"""The affine transformations of attention, in the order of their weights."""


def build(case: Case) -> nl.Sequential:
    """Return the model of a case, with its initial weights."""
    return _sequential(case.network, case.weights())


def _sequential(network: Network, weights: Iterator[Array]) -> nl.Sequential:
    return nl.Sequential(*(_layer(layer, weights) for layer in network))


def _layer(layer: Layer, weights: Iterator[Array]) -> nl.Layer:
    match layer:
        case ["affine", _, n_out]:
            return nl.Affine.from_arrays(next(weights), np.zeros(n_out))
        case ["conv", _, n_out, _, stride, padding, has_bias]:
            return nl.Conv2d.from_arrays(next(weights), np.zeros(n_out) if has_bias else None, stride=stride, padding=padding)
        case ["batch_norm", channels, _]:
            return nl.BatchNorm(channels)
        case ["relu"]:
            return nl.ReLU()
        case ["max_pool", size]:
            return nl.MaxPool2d(size)
        case ["global_avg_pool"]:
            return nl.GlobalAvgPool()
        case ["flatten"]:
            return nl.Flatten()
        case ["add", main, []]:
            return nl.Residual(_sequential(main, weights))
        case ["add", main, shortcut]:
            x = nl.Input("X")
            return nl.Graph([x], [_sequential(main, weights)(x) + _sequential(shortcut, weights)(x)])
        case ["recompute", block]:
            return nl.Recompute(_sequential(block, weights))
        case ["embedding", entries, features]:
            return _with(nl.Embedding(entries, features), weights, "weight")
        case ["positional", length, features]:
            return _with(nl.PositionalEmbedding(length, features), weights, "weight")
        case ["lstm", n_in, hidden, last]:
            return _without_bias(_with(nl.LSTM(n_in, hidden, return_sequences=not last), weights, "weight_x", "weight_h"))
        case ["gru", n_in, hidden, last]:
            return _without_bias(_with(nl.GRU(n_in, hidden, return_sequences=not last), weights, "weight_x", "weight_h"))
        case ["layer_norm", features]:
            return nl.LayerNorm(features)
        case ["gelu"]:
            return nl.GELU()
        case ["attention", features, heads, causal]:
            return _with(nl.MultiHeadAttention(features, heads, causal), weights, *(f"{part}.weight" for part in ATTENTION))
        case ["transformer_block", features, heads, hidden]:
            paths = *(f"attention.{part}.weight" for part in ATTENTION), "expand.weight", "contract.weight"
            return _with(nl.TransformerBlock(features, heads, hidden, causal=True, activation=nl.GELU()), weights, *paths)
    raise NotImplementedError(layer)


def _with(layer: nl.Layer, weights: Iterator[Array], *paths: str) -> nl.Layer:
    parameters = layer.parameters()
    for path in paths:
        parameters[path].value = next(weights)
    return layer


def _without_bias(layer: nl.Layer) -> nl.Layer:
    for path, parameter in layer.parameters().items():
        if path.startswith("bias"):
            parameter.value = np.zeros(parameter.shape)
    return layer


class Pure:
    """NumPy alone."""

    takes_weights = True

    def __init__(self, threads: int) -> None:
        self.versions = {"netlib": nl.__version__, "numpy": np.__version__}

    def train(self, case: Case) -> Step:
        """Return a training step."""
        model, loss = build(case), nl.SoftmaxCrossEntropy()
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
        model, x = build(case), case.inputs()
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
