"""Recurrent layers: transposed weights, and two biases whose sum is the bias of the layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import layers as nl
from ..arrays import Array
from ..layers.recurrent_layer import RecurrentLayer
from .counterpart import Counterpart, Link, transpose

ARGUMENTS = {
    "in_features": "input_size",
    "hidden_features": "hidden_size",
    "layers": "num_layers",
    "bidirectional": "bidirectional",
    "dropout": "dropout",
    "return_sequences": "return_sequences",
    "return_state": "return_state",
    "lengths": "lengths",
}
FIXED = {"batch_first": True, "proj_size": 0}


def _split_bias(bias: Array) -> tuple[Array, ...]:
    return bias, np.zeros_like(bias)


def _add_biases(bias_ih: Array, bias_hh: Array) -> tuple[Array, ...]:
    return (bias_ih + bias_hh,)


def _split_biases_of_gru(bias: Array, bias_h: Array) -> tuple[Array, ...]:
    return bias, np.concatenate([np.zeros_like(bias[: -len(bias_h)]), bias_h])


def _add_biases_of_gru(bias_ih: Array, bias_hh: Array) -> tuple[Array, ...]:
    gates = 2 * len(bias_hh) // 3
    bias = bias_ih.copy()
    bias[:gates] += bias_hh[:gates]
    return bias, bias_hh[gates:]


def _arrays(layer: RecurrentLayer) -> list[Link]:
    """Return the links of each layer and direction: the second layer is _1 and _l1, and so on."""
    links = []
    for i in range(layer.layers):
        for direction in layer._directions:
            ours, theirs = (f"_{i}" if i else "") + direction, f"_l{i}{direction}"
            biases = f"bias_ih{theirs}", f"bias_hh{theirs}"
            links += [
                Link((f"weight_x{ours}",), (f"weight_ih{theirs}",), transpose, transpose),
                Link((f"weight_h{ours}",), (f"weight_hh{theirs}",), transpose, transpose),
                Link((f"bias{ours}", f"bias_h{ours}"), biases, _split_biases_of_gru, _add_biases_of_gru)
                if isinstance(layer, nl.GRU)
                else Link((f"bias{ours}",), biases, _split_bias, _add_biases),
            ]
    return links


NOTE = "weights are transposed; `bias` is `bias_ih`, and `bias_hh` is zeros"


def _entry(layer: Any, arguments: dict[str, str], note: str) -> Counterpart:
    return Counterpart(layer, layer.__name__, ARGUMENTS | arguments, FIXED, arrays=_arrays, note=note)


RECURRENT = [
    _entry(nl.RNN, {"nonlinearity": "nonlinearity"}, NOTE),
    _entry(nl.LSTM, {}, NOTE),
    _entry(nl.GRU, {}, f"{NOTE} but for `bias_h`, the candidate's"),
]
