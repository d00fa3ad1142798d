"""`RNN`, `LSTM` and `GRU`, with all steps of a layer in one direction as one compiled call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ...arrays import Array, Shape, as_rows
from ...errors import stale_cache
from ...underflow import ignore_underflow
from .. import in_use
from ..recurrent import (
    gru_steps,
    gru_steps_backward,
    lstm_steps,
    lstm_steps_backward,
    padded_width,
    rnn_steps,
    rnn_steps_backward,
)
from .fusion import Fusion, Like, Memory, Operation

States: TypeAlias = Sequence[Array]


class _Pass:
    """One layer in one direction, with the work arrays of its steps.

    They are those that the layer's `_unroll` keeps, so that its `_unroll_backward` also accepts
    them.
    """

    def __init__(self, layer: Any, suffix: str, n: int, steps: int) -> None:
        self.layer, self.parameters, self.m = layer, layer._parameters(suffix), layer.hidden_features
        dtype, in_features = layer.dtype, self.parameters[0].shape[0]
        self.n_columns = layer.n_gates * self.m
        self.x, self.h = np.empty((steps, n, in_features), dtype), np.empty((steps + 1, n, self.m), dtype)
        self.dh = np.zeros((n, padded_width(self.m, dtype.itemsize)), dtype)
        self.dx, self.dbias = np.empty_like(self.x), np.empty(self.n_columns, dtype)
        self.rows = np.empty(steps, np.int64)
        self.make_arrays()

    def unroll(self, x: Array, states: States, rows: list[int]) -> tuple[Array, States, Any]:
        """Run the steps. The results are views of arrays that the next call overwrites."""
        self.x[...] = x.swapaxes(0, 1)
        self.rows[...] = rows
        self.h[0] = states[0]
        ends, kept = self.run(states)
        return self.h[1:].swapaxes(0, 1), ends, (self.x, self.h, *kept, rows)

    def unroll_backward(self, dy: Array, dstates: States, da: Array, input_gradient: bool) -> tuple[Array | None, States]:
        """Run the steps in reverse. `da` is memory for the gradients before the gates."""
        weight_x, weight_h, bias, *_ = self.parameters
        rows = as_rows(da)
        self.dh[:, : self.m] = dstates[0]
        dstarts = self.run_backward(np.ascontiguousarray(dy), dstates, da)
        weight_h.add_grad_product(as_rows(self.h[:-1]).T, rows)
        self.turn_to_weight_x(da)
        weight_x.add_grad_product(as_rows(self.x).T, rows)
        bias.add_grad(self.dbias)
        if not input_gradient:
            return None, dstarts
        rows.dot(weight_x.value.T, as_rows(self.dx))
        return self.dx.swapaxes(0, 1), dstarts

    def make_gates(self) -> None:
        """Create the array of the gates, and a view of it in the layer's layout."""
        steps, n, _ = self.x.shape
        self.gates = np.empty((steps, n, padded_width(self.n_columns, self.x.itemsize)), self.x.dtype)
        self.kept_gates = self.gates[:, :, : self.n_columns].reshape(steps, n, -1, self.m).transpose(2, 0, 1, 3)

    def make_arrays(self) -> None:
        """Create the arrays of this kind of layer."""

    def run(self, states: States) -> tuple[States, States]:
        """Run the steps, and return the last states, and what the layer keeps besides x and h."""
        raise NotImplementedError

    def run_backward(self, dy: Array, dstates: States, da: Array) -> States:
        """Run the steps in reverse, and return the gradients of the first states."""
        raise NotImplementedError

    def turn_to_weight_x(self, da: Array) -> None:
        """Turn `da` from the gradients of h weight_h into those of x weight_x, if they differ."""


class _LSTM(_Pass):
    def make_arrays(self) -> None:
        self.make_gates()
        self.c, self.tanh_c, self.dc = np.empty_like(self.h), np.empty_like(self.h[1:]), np.zeros_like(self.dh)

    def run(self, states: States) -> tuple[States, States]:
        weight_x, weight_h, bias = (each.value for each in self.parameters)
        self.c[0] = states[1]
        lstm_steps.run(self.x, weight_x, weight_h, bias, self.gates, self.h, self.c, self.tanh_c, self.rows)
        return (self.h[-1], self.c[-1]), (self.c, self.tanh_c, self.kept_gates)

    def run_backward(self, dy: Array, dstates: States, da: Array) -> States:
        weight_h = self.parameters[1].value
        self.dc[:, : self.m] = dstates[1]
        lstm_steps_backward.run(self.gates, weight_h, self.c, self.tanh_c, dy, self.dh, self.dc, da, self.dbias, self.rows)
        return self.dh[:, : self.m], self.dc[:, : self.m]


class _GRU(_Pass):
    def make_arrays(self) -> None:
        self.make_gates()
        self.u_n, self.da_n = np.empty_like(self.h[1:]), np.empty_like(self.h[1:])
        self.dbias_h = np.empty(self.m, self.h.dtype)

    def run(self, states: States) -> tuple[States, States]:
        weight_x, weight_h, bias, bias_h = (each.value for each in self.parameters)
        gru_steps.run(self.x, weight_x, weight_h, bias, bias_h, self.gates, self.h, self.u_n, self.rows)
        return (self.h[-1],), (self.u_n, self.kept_gates)

    def run_backward(self, dy: Array, dstates: States, da: Array) -> States:
        _, weight_h, _, bias_h = self.parameters
        du = da
        gru_steps_backward.run(
            self.gates, weight_h.value, self.h, self.u_n, dy, self.dh, du, self.da_n, self.dbias, self.dbias_h, self.rows
        )
        bias_h.add_grad(self.dbias_h)
        return (self.dh[:, : self.m],)

    def turn_to_weight_x(self, da: Array) -> None:
        da[:, :, 2 * self.m :] = self.da_n


class _RNN(_Pass):
    def run(self, states: States) -> tuple[States, States]:
        weight_x, weight_h, bias = (each.value for each in self.parameters)
        rnn_steps.run(self.x, weight_x, weight_h, bias, self.h, self.rows, self.layer.nonlinearity == "relu")
        return (self.h[-1],), ()

    def run_backward(self, dy: Array, dstates: States, da: Array) -> States:
        weight_h, is_relu = self.parameters[1].value, self.layer.nonlinearity == "relu"
        rnn_steps_backward.run(weight_h, self.h, dy, self.dh, da, self.dbias, self.rows, is_relu)
        return (self.dh[:, : self.m],)


PASSES = {"rnn": _RNN, "lstm": _LSTM, "gru": _GRU}


def _fits(layers: Sequence[Any], x: Like, *others: Like) -> bool:
    (layer,) = layers
    if len(x.shape) != 3 or x.shape[2] != layer.in_features or 0 in x.shape or in_use(layer.dtype, "recurrent") != "numba":
        return False
    n_states = len(others) - layer.lengths
    states = others[:n_states]
    has_fitting_states = n_states in (0, len(layer.state_names)) and all(each.shape == layer._state_shape(x.shape[0]) for each in states)
    return has_fitting_states and all(each.dtype is layer.dtype for each in (x, *states))


def _output(layers: Sequence[Any], x: Like, *others: Like) -> tuple[Shape, np.dtype[Any]]:
    (layer,) = layers
    features = layer.hidden_features * (2 if layer.bidirectional else 1)
    return (*x.shape[: 2 if layer.return_sequences else 1], features), x.dtype


def _make_passes(layer: Any, x: Like) -> dict[str, _Pass]:
    n, steps, _ = x.shape
    return {suffix: PASSES[layer.kernel_name](layer, suffix, n, steps) for suffix in layer._suffixes}


def _copy(y: Any, memory: Array | None) -> Array:
    """Return `y`, which is a view of a work array, in `memory` or as a new array."""
    result = np.empty(y.shape, y.dtype) if memory is None else memory
    result[...] = y
    return result


@ignore_underflow
def _infer(layers: Sequence[Any], *xs: Array) -> Any:
    (layer,) = layers
    passes = _make_passes(layer, xs[0])
    outputs, _ = layer._run(xs, lambda suffix, *rest: passes[suffix].unroll(*rest))
    return (_copy(outputs[0], None), *outputs[1:]) if layer.return_state else _copy(outputs, None)


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    (layer,), (like, *_) = layers, xs
    attributes, token = layer.__dict__, object()
    n, steps, _ = like.shape
    shape: Any
    dtype: Any
    shape, dtype = _output(layers, *xs)
    if layer.return_state:
        n_states = len(layer.state_names)
        shape, dtype = (shape, *[layer._state_shape(n)] * n_states), (dtype,) * (1 + n_states)
    passes = _make_passes(layer, like)
    da: Array = np.empty((steps, n, layer.n_gates * layer.hidden_features), like.dtype)

    def unroll(suffix: str, *rest: Any) -> tuple[Array, States, Any]:
        return passes[suffix].unroll(*rest)

    def unroll_backward(suffix: str, dy: Array, dstates: States, kept: Any, input_gradient: bool) -> tuple[Array | None, States]:
        return passes[suffix].unroll_backward(dy, dstates, da, input_gradient)

    @ignore_underflow
    def forward(*xs: Array) -> Any:
        outputs, kept = layer._run(xs, unroll)
        y, *states = outputs if layer.return_state else (outputs,)
        y = _copy(y, memory.y)
        outputs = (y, *states) if layer.return_state else y
        attributes["_cache"] = shape, dtype, kept, token
        return outputs

    @ignore_underflow
    def differentiate(dout: Any, input_gradient: bool) -> Any:
        cache = attributes.get("_cache")
        if cache is None or cache[3] is not token:
            raise stale_cache(layer)
        dout, *kept = layer.recall(dout)
        return layer._run_backward(dout, kept, unroll_backward, input_gradient)

    def backward(dout: Any) -> Any:
        gradients = differentiate(dout, True)
        dx, *dstates = gradients if type(gradients) is tuple else (gradients,)
        copies = [_copy(each, place) for each, place in zip((dx, *dstates), memory.dx, strict=False)]
        return tuple(copies) if dstates else copies[0]

    return Operation(forward, backward, lambda dout: differentiate(dout, False))


FUSION = Fusion(_fits, _infer, _prepare, keeps_inputs=False)
