from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, Shape, as_rows, with_rows_of
from .recurrent_layer import RecurrentLayer, States, room_for_steps, swap_steps
from .rules import Shapes


class LSTM(RecurrentLayer):
    """Long short-term memory: a cell state c that gates write, keep and read.

    x is (N, T, in_features), y (N, T, hidden_features), and the options are those of `RNN`. The
    columns of weight_x, weight_h and bias are four blocks, in PyTorch's order i, f, g, o. With
    a = x weight_x + h weight_h + bias, where h is the output of the previous step, a step is::

        (1) i  = σ(a_i)        what to write        (4) o  = σ(a_o)        what to show
        (2) f  = σ(a_f)        what to keep         (5) c' = f ⊙ c + i ⊙ g
        (3) g  = tanh(a_g)     what could be new    (6) h' = o ⊙ tanh(c')

    y holds the h' of all steps. Backward goes through the steps from the last to the first. In each
    step, h' fans out to y and to the next step, so its gradient dh' is the sum of both, and c' fans
    out to (6) and to the next step::

        (6) do = dh' ⊙ tanh(c')   and   dc' += dh' ⊙ o ⊙ (1 − tanh(c')²)
        (5) di = dc' ⊙ g,   dg = dc' ⊙ i,   df = dc' ⊙ c,   dc = dc' ⊙ f
        (1, 2, 4) da_i = di ⊙ i ⊙ (1 − i), likewise f and o      (3) da_g = dg ⊙ (1 − g²)

    and a is an affine function of x and h: dx = da weight_xᵀ, dh = da weight_hᵀ. The weights are
    the same in every step, so their gradients are sums over the steps: Σ xᵀ da, Σ hᵀ da and Σ da.
    Hochreiter and Schmidhuber, "Long short-term memory", 1997; Gers et al., 2000, for f.

    >>> one = [[1.0, 1.0, 1.0, 1.0]]
    >>> lstm = LSTM.from_arrays(one, one, [0.0, 0.0, 0.0, 0.0])
    >>> lstm.forward([[[1.0], [0.0]]]).round(4), lstm.backward([[[0.0], [1.0]]]).round(4)
    (array([[[0.3696],
            [0.2908]]]), array([[[0.2775],
            [0.4495]]]))
    """

    kernel_name = "lstm"
    n_gates = 4
    state_names = ("h", "c")

    def _unroll(self, suffix: str, x: Array, states: States, rows: list[int]) -> tuple[Array, States, Any]:
        weight_x, weight_h, bias = (each.value for each in self._parameters(suffix))
        # One tanh serves all gates: σ(a) = ½ tanh(½ a) + ½, and tanh(a) = 1 tanh(1 a) + 0.
        scale = np.array([0.5, 0.5, 1, 0.5], x.dtype).reshape(4, 1, 1)
        shift, of_columns = 1 - scale, np.repeat(scale, self.hidden_features)
        x, weight_h = swap_steps(x), weight_h * of_columns
        h, c = (room_for_steps(state, len(rows)) for state in states)
        a = with_rows_of(as_rows(x) @ (weight_x * of_columns), x)
        a += bias * of_columns
        gates, tanh_c = np.empty((4, *h[1:].shape), x.dtype), np.empty_like(h[1:])
        for t, live in enumerate(rows):
            i, f, g, o = gate = gates[:, t, :live]
            a[t, :live] += h[t, :live] @ weight_h
            np.tanh(self._by_gate(a[t, :live]), out=gate)
            gate *= scale
            gate += shift
            new_c, new_tanh_c = c[t + 1, :live], tanh_c[t, :live]
            np.multiply(f, c[t, :live], out=new_c)
            new_c += i * g
            np.tanh(new_c, out=new_tanh_c)
            np.multiply(o, new_tanh_c, out=h[t + 1, :live])
            h[t + 1, live:], c[t + 1, live:] = h[t, live:], c[t, live:]  # those that have ended
        return swap_steps(h[1:]), (h[-1].copy(), c[-1].copy()), (x, h, c, tanh_c, gates, rows)

    def _unroll_backward(self, suffix: str, dy: Array, dstates: States, kept: Any, input_gradient: bool) -> tuple[Array | None, States]:
        weight_x, weight_h, bias = self._parameters(suffix)
        x, h, c, tanh_c, gates, rows = kept
        (dh, dc), da = (state.copy() for state in dstates), np.empty((*x.shape[:2], bias.size), x.dtype)
        for t, live in reversed([*enumerate(rows)]):
            i, f, g, o = gates[:, t, :live]
            da_i, da_f, da_g, da_o = self._by_gate(da[t, :live])
            dh_t, dc_t, tanh_c_t = dh[:live], dc[:live], tanh_c[t, :live]
            dh_t += dy[:live, t]
            dc_t += dh_t * o * (1 - tanh_c_t * tanh_c_t)
            np.multiply(dc_t * g, i * (1 - i), out=da_i)
            np.multiply(dc_t * c[t, :live], f * (1 - f), out=da_f)
            np.multiply(dc_t * i, 1 - g * g, out=da_g)
            np.multiply(dh_t * tanh_c_t, o * (1 - o), out=da_o)
            da[t, live:] = 0
            dc_t *= f
            np.matmul(da[t, :live], weight_h.value.T, out=dh_t)
        weight_x.add_grad_product(as_rows(x).T, as_rows(da))
        weight_h.add_grad_product(as_rows(h[:-1]).T, as_rows(da))
        bias.add_grad_sum(da)
        return self._input_gradient(suffix, da) if input_gradient else None, (dh, dc)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the equations of a step."""
        return self._rule(
            "a = x·weight_x + h·weight_h + bias\ni = σ(a_i), f = σ(a_f), g = tanh(a_g), o = σ(a_o)\nc' = f ⊙ c + i ⊙ g, h' = o ⊙ tanh(c')"
        )
