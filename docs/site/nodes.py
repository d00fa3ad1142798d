"""A small model for the picture of each public layer and loss, from the tables of the tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import netlib as nl
from netlib.arrays import Array
from netlib.drawing.rules import rule_of

from . import ROOT

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "losses")]
import table  # noqa: E402
import test_every_loss as losses  # noqa: E402
import test_losses_of_several_outputs as losses_of_several  # noqa: E402


class Node(NamedTuple):
    """A model, its inputs, and the gradient that comes back to it."""

    layer: nl.Layer
    inputs: tuple[Array, ...]
    dout: Array | tuple[Array, ...]

    def draw(self) -> nl.Drawing:
        """Draw it with its values and gradients."""
        return nl.draw(self.layer, *self.inputs, dout=self.dout)

    @property
    def rule(self) -> str:
        """The rule for these shapes, in lines; empty for a container."""
        output = self.dout[0] if isinstance(self.dout, tuple) else self.dout
        return rule_of(self.layer, [x.shape for x in self.inputs], output.shape)

    @property
    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield the name and the shape of each parameter and buffer."""
        for name, array in (self.layer.parameters() | self.layer.buffers()).items():
            yield name, array.value.shape


def halves(*shape: int) -> Array:
    """Return distinct multiples of ½ of both signs, in no simple order."""
    n = int(np.prod(shape))
    numbers = np.random.default_rng(2).permutation(n) - n // 2
    return ((numbers + (numbers >= 0)) / 2).reshape(shape)


def node(layer: nl.Layer, *inputs: object) -> Node:
    """Return a node whose parameters and incoming gradients are small numbers."""
    for path, parameter in layer.parameters().items():
        if path.endswith("weight") and parameter.value.ndim == 1:
            continue  # the weight of a norm starts at 1
        parameter.value = np.clip(halves(*parameter.shape), -2.0, 2.0)
    arrays = tuple(np.asarray(x) for x in inputs)
    y = layer.predict(*arrays)
    dout = tuple(_gradient(part) for part in y) if isinstance(y, tuple) else _gradient(y)
    return Node(layer, arrays, dout)


def _gradient(y: Array) -> Array:
    return np.resize([1.0, 0.0, -1.0, 2.0], np.shape(y))


def _chosen() -> list[Node]:
    """Return the nodes of layers whose rows in the tables are no good examples."""
    x = np.array([[1.0, 2.0], [0.0, 1.0]])
    row, rows, sequence = halves(1, 6), halves(2, 3), halves(1, 1, 6)
    image, volume = halves(1, 1, 4, 4), halves(1, 1, 2, 2, 2)
    q, k, v = np.array([[1.0], [1.0]]), np.array([[0.0], [np.log(3)]]), np.array([[4.0], [8.0]])
    symbol = nl.Input("X")
    f64: dict[str, Any] = {"dtype": np.float64}
    return [
        node(nl.Affine(2, 3, **f64), x),
        node(nl.Sequential(nl.Affine(2, 3, **f64), nl.ReLU()), x),
        node(nl.Residual(nl.Sequential(nl.Affine(2, 2, **f64), nl.ReLU())), x),
        node(nl.Recompute(nl.Sequential(nl.Affine(2, 2, **f64), nl.Tanh())), x),
        node(nl.Graph([symbol], [nl.Tanh()(symbol) * symbol]), x),
        node(nl.Add(), rows, [1.0, 2.0, 3.0]),
        node(nl.Subtract(), rows, [1.0, 2.0, 3.0]),
        node(nl.Multiply(), rows, [1.0, 2.0, 3.0]),
        node(nl.Divide(), rows, [1.0, 2.0, 4.0]),
        node(nl.MatMul(), x, rows),
        node(nl.Einsum("ij,kj->ik"), rows, [[1.0, 2.0, 0.0], [0.0, -1.0, 1.0]]),
        node(nl.Power(2), rows),
        node(nl.Scalar(2.0), rows),
        node(nl.Clip(-1.0, 1.0), rows),
        node(nl.Where(), rows, -rows, rows > 0),
        node(nl.Sum(axis=0), rows),
        node(nl.Mean(axis=0), rows),
        node(nl.Concatenate(), x, rows),
        node(nl.Stack(), [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]),
        node(nl.Split(2, axis=1), halves(2, 4)),
        node(nl.Slice(np.s_[:, 1:]), rows),
        node(nl.Take(0), halves(3, 2), [2, 0, 2]),
        node(nl.Flatten(), halves(2, 2, 2)),
        node(nl.Reshape((3, 2)), rows),
        node(nl.Transpose(), rows),
        node(nl.BroadcastTo((2, 3)), [[1.0, 2.0, 3.0]]),
        node(nl.Pad(1), [[[[1.0, 2.0], [3.0, 4.0]]]]),
        node(nl.Upsample(2), [[[[1.0, 2.0], [3.0, 4.0]]]]),
        node(nl.PixelShuffle(2), halves(1, 4, 1, 2)),
        node(nl.GLU(), halves(2, 4)),
        node(nl.SwiGLU(), halves(2, 4)),
        node(nl.Dropout(0.5, rng=0), rows),
        node(nl.Conv1d(1, 1, 2, **f64), sequence),
        node(nl.Conv2d(1, 1, 2, **f64), image),
        node(nl.Conv3d(1, 1, (1, 2, 2), **f64), volume),
        node(nl.ConvTranspose1d(1, 1, 2, stride=2, **f64), [[[1.0, 2.0, 3.0]]]),
        node(nl.ConvTranspose2d(1, 1, 2, **f64), [[[[1.0, 0.0], [0.0, 2.0]]]]),
        *[node(pool(2), sequence) for pool in (nl.MaxPool1d, nl.AvgPool1d, nl.AdaptiveMaxPool1d, nl.AdaptiveAvgPool1d)],
        *[node(pool(2), image) for pool in (nl.MaxPool2d, nl.AvgPool2d, nl.AdaptiveMaxPool2d, nl.AdaptiveAvgPool2d)],
        node(nl.BatchNorm(2, **f64), halves(4, 2)),
        node(nl.LayerNorm(3, **f64), rows),
        node(nl.RMSNorm(3, **f64), rows),
        node(nl.LSTM(2, 2, **f64), halves(1, 3, 2)),
        node(nl.RNN(2, 2, **f64), halves(1, 3, 2)),
        node(nl.GRU(2, 2, **f64), halves(1, 3, 2)),
        node(nl.ScaledDotProductAttention(causal=True), q, k, v),
        node(nl.MultiHeadAttention(2, 2, causal=True, **f64), halves(2, 2)),
        node(nl.TransformerBlock(2, 1, 2, causal=True, **f64), halves(2, 2)),
        node(nl.CTC(), [[[0.0, 1.0, 0.5], [1.0, 0.0, 0.0], [0.0, 0.5, 1.0]]], [[1, 2]], [3], [2]),
        node(nl.MeanSquaredError(), row[:, :3], [[1.0, 0.0, -1.0]]),
    ]  # fmt: skip


def nodes() -> dict[type, Node]:
    """Return a node for each public layer and loss."""
    found: dict[type, Node] = {}
    for row in sorted(table.ROWS, key=_size):
        layer = row.make(np.float64)
        if type(layer) not in found:
            found[type(layer)] = node(layer, *map(_small, row.inputs, row.draws or (table.numbers,) * len(row.inputs)))
    for make, y, t, *_ in losses.CASES.values():
        found.setdefault(type(make()), node(make(), losses.floats(y), losses.targets(t)))
    for make, ys, ts, *_ in losses_of_several.CASES.values():
        found.setdefault(type(make()), node(make(), *losses_of_several.floats(ys), *ts))
    return found | {type(node.layer): node for node in _chosen()}


def _size(row: table.Row) -> tuple[bool, int]:
    """Sort the rows that make the best pictures first: small matrices."""
    size = sum(int(np.prod(shape)) for shape in row.shapes)
    return max(map(len, row.shapes)) < 2 or 0 in row.shapes[0] or size < 4, size


def _small(x: Array, draw: table.Draw) -> Array:
    if draw not in (table.numbers, table.positive):
        return x
    small = halves(*x.shape) if x.size <= 12 else np.round(x, 1)
    return np.abs(small) if draw is table.positive else small
