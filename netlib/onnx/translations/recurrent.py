"""Recurrent layers in ONNX.

ONNX keeps the steps first, (T, N, features), and the weights as (directions, gates · hidden, in),
with the gates of an LSTM in the order i, o, f, c, and those of a GRU in the order z, r, h.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import layers
from ...arrays import Array
from ...containers.recompute import Recompute
from ...layers.recurrent_layer import RecurrentLayer
from ..writing import GraphBuilder, Value
from .translation import Translation

GATES = {"RNN": (0,), "LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}
"""Which of netlib's gates each of ONNX's is."""


def rnn(layer: layers.RNN, graph: GraphBuilder, *inputs: Value) -> Any:
    """Return an Elman network."""
    activations = ["Relu"] * len(layer._directions) if layer.nonlinearity == "relu" else None
    return recurrent_stack("RNN", layer, graph, inputs, activations=activations)


def lstm(layer: layers.LSTM, graph: GraphBuilder, *inputs: Value) -> Any:
    """Return a long short-term memory."""
    return recurrent_stack("LSTM", layer, graph, inputs)


def gru(layer: layers.GRU, graph: GraphBuilder, *inputs: Value) -> Any:
    """Return gated recurrent units, whose reset gate multiplies h · weight_h."""
    return recurrent_stack("GRU", layer, graph, inputs, linear_before_reset=1)


def recurrent_stack(operator: str, layer: RecurrentLayer, graph: GraphBuilder, inputs: Sequence[Value], **options: Any) -> Any:
    """Return the outputs of the stacked layers, each a node."""
    given = list(inputs[: len(inputs) - layer.lengths])
    lengths = graph.cast(inputs[-1], np.int32) if layer.lengths else None
    direction = "bidirectional" if layer.bidirectional else "forward"
    batch, x_steps = given[0].shape[:2]
    y = graph.add("Transpose", given[0], perm=[1, 0, 2])
    starts = [_by_pass(graph, state) for state in given[1:]]
    ends: list[Sequence[Any]] = []
    for number in range(layer.layers):
        own = [_passes_of(graph, start, layer, number) for start in starts]
        weights = _weights(operator, layer, graph, number)
        y, *end = graph.add(
            operator, y, *weights, lengths, *own, n_outputs=1 + len(layer.state_names),
            hidden_size=layer.hidden_features, direction=direction, **options,
        )  # fmt: skip
        shapes = [
            (x_steps, len(layer._directions), batch, layer.hidden_features),
            *[(len(layer._directions), batch, layer.hidden_features)] * len(end),
        ]
        for each, shape in zip([y, *end], shapes, strict=True):
            each.fill(Value(shape, graph.dtype))
        ends.append([_kept(graph, each, start, lengths) for each, start in zip(end, own or [None] * len(end), strict=True)])
        if layer.bidirectional:
            y = graph.add("Transpose", y, perm=[0, 2, 1, 3])
            y = graph.add("Reshape", y, [0, 0, 2 * layer.hidden_features])
        else:
            y = graph.add("Squeeze", y, [1])
    y = graph.add("Transpose", y, perm=[1, 0, 2]) if layer.return_sequences else _rows(graph, ends[-1][0], layer, merged=True)
    if not layer.return_state:
        return y
    wholes = [each[0] if len(each) == 1 else graph.add("Concat", *each, axis=0) for each in zip(*ends, strict=True)]
    return (y, *[_rows(graph, whole, layer, merged=layer._n_passes == 1) for whole in wholes])


def _by_pass(graph: GraphBuilder, state: Value) -> Any:
    """Return a state (N, …) with layers and directions first: (passes, N, hidden)."""
    if state.ndim == 2:
        return graph.add("Unsqueeze", state, [0])
    return graph.add("Transpose", state, perm=[1, 0, 2])


def _rows(graph: GraphBuilder, state: Any, layer: RecurrentLayer, merged: bool) -> Any:
    """Return a state (passes, N, hidden) with the batch first, (N, passes · hidden) if merged."""
    if merged and not layer.bidirectional:
        return graph.add("Squeeze", state, [0])
    rows = graph.add("Transpose", state, perm=[1, 0, 2])
    return graph.add("Flatten", rows, axis=1) if merged else rows


def _passes_of(graph: GraphBuilder, start: Any, layer: RecurrentLayer, number: int) -> Any:
    """Return the part of an initial state that belongs to one layer."""
    if layer.layers == 1:
        return start
    n = len(layer._directions)
    return graph.add("Slice", start, [number * n], [(number + 1) * n], [0])


def _kept(graph: GraphBuilder, end: Any, start: Any, lengths: Value | None) -> Any:
    """Return the final state, which for a sequence without steps is the initial one."""
    if lengths is None or start is None:
        return end
    has_steps = graph.add("Greater", lengths, np.array(0, np.int32))
    return graph.add("Where", graph.add("Unsqueeze", has_steps, [1]), end, start)


def _weights(operator: str, layer: RecurrentLayer, graph: GraphBuilder, number: int) -> list[Value]:
    """Return W, R and B of one layer: all directions, transposed, with ONNX's order of gates."""
    suffixes = layer._suffixes[number * len(layer._directions) :][: len(layer._directions)]
    passes = [layer._parameters(suffix) for suffix in suffixes]

    def arranged(array: Array) -> Array:
        """Return the columns of a matrix, or the elements of a bias, as ONNX's rows."""
        gates = np.split(array, layer.n_gates, axis=-1)
        return np.concatenate([gates[gate] for gate in GATES[operator]], axis=-1).T

    def bias_h(parameters: Sequence[Any]) -> Array:
        zeros = np.zeros_like(parameters[2].value)
        if len(parameters) > 3:
            zeros[-layer.hidden_features :] = parameters[3].value
        return arranged(zeros)

    arrays = [
        ("W", [arranged(each[0].value) for each in passes], [each[0] for each in passes]),
        ("R", [arranged(each[1].value) for each in passes], [each[1] for each in passes]),
        ("B", [np.concatenate([arranged(each[2].value), bias_h(each)]) for each in passes], [p for each in passes for p in each[2:]]),
    ]
    last = f"_{number}" if number else ""
    return [graph.initializer(graph.name_of(name + last), np.stack(each), of) for name, each, of in arrays]


def recurrent(layer: layers.Recurrent, graph: GraphBuilder, x: Value, *states: Value) -> Any:
    """Return the cell applied to each step in turn, as many as the example has."""
    now: Sequence[Any] = [graph.cast(state, graph.dtype) for state in states] or [_zeros(graph, x, n) for n in layer._state_sizes()]
    firsts = []
    for t in range(x.length(1)):
        x_t = graph.add("Gather", x, t, axis=1)
        x_t.shape, x_t.dtype = (x.shape[0], *x.shape[2:]), x.dtype
        new = graph.run(layer.cell, x_t, *now)
        now = new if isinstance(new, tuple) else (new,)
        firsts.append(now[0])
    y = firsts[-1]
    if layer.return_sequences:
        y = graph.add("Concat", *[graph.add("Unsqueeze", each, [1]) for each in firsts], axis=1)
    return (y, *now) if layer.return_state else y


def _zeros(graph: GraphBuilder, x: Value, n: int) -> Any:
    """Return zeros (N, n), with a row for each sample of x."""
    shape = graph.add("Concat", graph.add("Shape", x, start=0, end=1), [n], axis=0)
    zeros = graph.add("Expand", np.zeros((1, 1), graph.dtype), shape)
    zeros.shape, zeros.dtype = (x.shape[0], n), graph.dtype
    return zeros


def recompute(layer: Recompute, graph: GraphBuilder, *inputs: Value) -> Any:
    """Return the output of the inner layer."""
    return graph.run(layer.layer, *inputs)


RECURRENT: dict[type, Translation] = {
    Recompute: recompute,
    layers.GRU: gru,
    layers.LSTM: lstm,
    layers.RNN: rnn,
    layers.Recurrent: recurrent,
}
