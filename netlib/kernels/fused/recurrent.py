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

    They are those that the method `_unroll` of the layer keeps, so that its `_unroll_backward`
    takes them, too.
    """

    def __init__(self, layer: Any, suffix: str, n: int, steps: int) -> None:
        weight_x, m, dtype = layer._parameters(suffix)[0], layer.hidden_features, layer.dtype
        self.layer, self.parameters = layer, layer._parameters(suffix)
        self.x = np.empty((steps, n, weight_x.shape[0]), dtype)
        self.h = np.empty((steps + 1, n, m), dtype)
        self.a = np.zeros((steps, n, padded_width(weight_x.shape[1], dtype.itemsize)), dtype)
        self.dh = np.zeros((n, padded_width(m, dtype.itemsize)), dtype)
        self.dx = np.empty(self.x.shape, dtype)
        self.dbias = np.empty(weight_x.shape[1], dtype)
        self.rows = np.empty(steps, np.int64)
        self.make_arrays()

    def unroll(self, x: Array, states: States, rows: list[int]) -> tuple[Array, States, Any]:
        """Run the steps. The results are views of arrays that the next call overwrites."""
        weight_x, a = self.parameters[0].value, as_rows(self.a)
        self.x[...] = x.swapaxes(0, 1)
        self.rows[...] = rows
        np.matmul(as_rows(self.x), weight_x, out=a[:, : weight_x.shape[1]])
        self.h[0] = states[0]
        ends, kept = self.run(states)
        return self.h[1:].swapaxes(0, 1), ends, (self.x, self.h, *kept, rows)

    def unroll_backward(self, dy: Array, dstates: States, da: Array, input_gradient: bool) -> tuple[Array | None, States]:
        """Run the steps in reverse. `da` is the memory for the gradient before the gates."""
        weight_x, weight_h, *biases = self.parameters
        m, rows = self.layer.hidden_features, as_rows(da)
        self.dh[:, :m] = dstates[0]
        dstarts = self.run_backward(np.ascontiguousarray(dy), dstates, da)
        weight_h.add_grad_product(as_rows(self.h[:-1]).T, rows)
        self.finish(da)
        weight_x.add_grad_product(as_rows(self.x).T, rows)
        biases[0].add_grad(self.dbias)
        if not input_gradient:
            return None, dstarts
        rows.dot(weight_x.value.T, as_rows(self.dx))
        return self.dx.swapaxes(0, 1), dstarts

    def gates(self) -> Array:
        """Return the gates as the layer keeps them."""
        gates = self.a[:, :, : len(self.dbias)]
        return gates.reshape(*gates.shape[:2], -1, self.layer.hidden_features).transpose(2, 0, 1, 3)

    def make_arrays(self) -> None:
        """Make the arrays of this kind of layer."""

    def run(self, states: States) -> tuple[States, States]:
        """Run the steps, and return the last states, and what the layer keeps besides x and h."""
        raise NotImplementedError

    def run_backward(self, dy: Array, dstates: States, da: Array) -> States:
        """Run the steps in reverse, and return the gradients of the first states."""
        raise NotImplementedError

    def finish(self, da: Array) -> None:
        """Turn `da` from the gradient for weight_h into that for weight_x."""


class _LSTM(_Pass):
    def make_arrays(self) -> None:
        self.c, self.tanh_c, self.dc = np.empty_like(self.h), np.empty_like(self.h[1:]), np.zeros_like(self.dh)

    def run(self, states: States) -> tuple[States, States]:
        _, weight_h, bias = self.parameters
        self.c[0] = states[1]
        lstm_steps.run(self.a, weight_h.value, bias.value, self.h, self.c, self.tanh_c, self.rows)
        return (self.h[-1], self.c[-1]), (self.c, self.tanh_c, self.gates())

    def run_backward(self, dy: Array, dstates: States, da: Array) -> States:
        _, weight_h, _ = self.parameters
        m = self.layer.hidden_features
        self.dc[:, :m] = dstates[1]
        lstm_steps_backward.run(self.a, weight_h.value, self.c, self.tanh_c, dy, self.dh, self.dc, da, self.dbias, self.rows)
        return self.dh[:, :m], self.dc[:, :m]


class _GRU(_Pass):
    def make_arrays(self) -> None:
        self.u_n, self.da_n = np.empty_like(self.h[1:]), np.empty_like(self.h[1:])
        self.dbias_h = np.empty(self.h.shape[2], self.h.dtype)

    def run(self, states: States) -> tuple[States, States]:
        _, weight_h, bias, bias_h = self.parameters
        gru_steps.run(self.a, weight_h.value, bias.value, bias_h.value, self.h, self.u_n, self.rows)
        return (self.h[-1],), (self.u_n, self.gates())

    def run_backward(self, dy: Array, dstates: States, da: Array) -> States:
        _, weight_h, _, bias_h = self.parameters
        du = da
        gru_steps_backward.run(self.a, weight_h.value, self.h, self.u_n, dy, self.dh, du, self.da_n, self.dbias, self.dbias_h, self.rows)
        bias_h.add_grad(self.dbias_h)
        return (self.dh[:, : self.layer.hidden_features],)

    def finish(self, da: Array) -> None:
        da[:, :, -self.layer.hidden_features :] = self.da_n


class _RNN(_Pass):
    def run(self, states: States) -> tuple[States, States]:
        _, weight_h, bias = self.parameters
        rnn_steps.run(self.a, weight_h.value, bias.value, self.h, self.rows, self.layer.nonlinearity == "relu")
        return (self.h[-1],), ()

    def run_backward(self, dy: Array, dstates: States, da: Array) -> States:
        _, weight_h, _ = self.parameters
        is_relu = self.layer.nonlinearity == "relu"
        rnn_steps_backward.run(weight_h.value, self.h, dy, self.dh, da, self.dbias, self.rows, is_relu)
        return (self.dh[:, : self.layer.hidden_features],)


PASSES = {"rnn": _RNN, "lstm": _LSTM, "gru": _GRU}


def _fits(layers: Sequence[Any], x: Like, *others: Like) -> bool:
    (layer,) = layers
    if in_use(layer.dtype) != "numba" or len(x.shape) != 3 or x.shape[2] != layer.in_features or 0 in x.shape:
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


FUSION = Fusion(_fits, _output, _infer, _prepare, keeps_inputs=False)
