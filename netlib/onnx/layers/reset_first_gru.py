from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array, Shape, as_rows
from ...layers.recurrent_layer import RecurrentLayer, States, room_for_steps, swap_steps
from ...layers.rules import Shapes


class ResetFirstGRU(RecurrentLayer):
    """A gated recurrent unit whose reset gate comes before the product with weight_h.

    This is the form of 1406.1078v1, ONNX's ``linear_before_reset=0``. The options and parameters
    are those of `netlib.GRU`, without bias_h. With a = x weight_x + bias, a step is::

        (1) r = σ(a_r + h U_r)             (3) n = tanh(a_n + (r ⊙ h) U_n)
        (2) z = σ(a_z + h U_z)             (4) h' = (1 − z) ⊙ n + z ⊙ h

    where U_r, U_z and U_n are the blocks of weight_h. Backward goes through the steps from the last
    to the first, where dh' is the sum of the gradients from y and from the next step::

        (4) dn = dh' ⊙ (1 − z),   dz = dh' ⊙ (h − n),   dh = dh' ⊙ z
        (3) da_n = dn ⊙ (1 − n²),   ds = da_n U_nᵀ  for s = r ⊙ h,   dr = ds ⊙ h,   dh += ds ⊙ r
        (1, 2) da_r = dr ⊙ r ⊙ (1 − r), likewise z,   dh += da_r U_rᵀ + da_z U_zᵀ

    >>> one = [[1.0, 1.0, 1.0]]
    >>> gru = ResetFirstGRU.from_arrays(one, one, [0.0, 0.0, 0.0])
    >>> gru.forward([[[1.0], [0.0]]]).round(4), gru.backward([[[0.0], [1.0]]]).round(4)
    (array([[[0.2048],
            [0.1633]]]), array([[[-0.0309],
            [ 0.4886]]]))
    """

    n_gates = 3

    def _unroll(self, suffix: str, x: Array, states: States, rows: list[int]) -> tuple[Array, States, Any]:
        weight_x, weight_h, bias = (self._by_gate(each.value) for each in self._parameters(suffix))
        x = swap_steps(x)
        h = room_for_steps(states[0], len(rows))
        gates = as_rows(x) @ weight_x
        gates += bias
        gates = gates.reshape(3, *h[1:].shape)
        for t, live in enumerate(rows):
            r, z, n = gate = gates[:, t, :live]
            before = h[t, :live]
            sigmoids = gate[:2]
            sigmoids += before @ weight_h[:2]
            np.tanh(0.5 * sigmoids, out=sigmoids)  # σ(a) = ½ tanh(½ a) + ½ cannot overflow
            sigmoids *= 0.5
            sigmoids += 0.5
            n += (r * before) @ weight_h[2]
            np.tanh(n, out=n)
            h[t + 1, :live] = n + z * (before - n)
            h[t + 1, live:] = h[t, live:]  # those that have ended
        return swap_steps(h[1:]), (h[-1].copy(),), (x, h, gates, rows)

    def _unroll_backward(self, suffix: str, dy: Array, dstates: States, kept: Any, input_gradient: bool) -> tuple[Array | None, States]:
        weight_x, weight_h, bias = self._parameters(suffix)
        x, h, gates, rows = kept
        u_r, u_z, u_n = self._by_gate(weight_h.value).swapaxes(1, 2)
        dh, da = dstates[0].copy(), np.zeros((*x.shape[:2], bias.size), x.dtype)
        for t, live in reversed([*enumerate(rows)]):
            r, z, n = gates[:, t, :live]
            da_r, da_z, da_n = self._by_gate(da[t, :live])
            before, dh_t = h[t, :live], dh[:live]
            dh_t += dy[:live, t]
            np.multiply(dh_t * (1 - z), 1 - n * n, out=da_n)
            np.multiply(dh_t * (before - n), z * (1 - z), out=da_z)
            ds = da_n @ u_n
            np.multiply(ds * before, r * (1 - r), out=da_r)
            dh_t *= z
            dh_t += ds * r + da_r @ u_r + da_z @ u_z
        before = as_rows(h[:-1])
        inputs = before, before, before * gates[0].reshape(before.shape)
        weight_x.add_grad_product(as_rows(x).T, as_rows(da))
        weight_h.add_grad(np.concatenate([each.T @ of_gate for each, of_gate in zip(inputs, self._by_gate(da), strict=True)], axis=1))
        bias.add_grad_sum(da)
        return self._input_gradient(suffix, da) if input_gradient else None, (dh,)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the equations of a step."""
        return self._rule(
            "a = x·weight_x + bias, U = weight_h\nr = σ(a_r + h·U_r), z = σ(a_z + h·U_z)\n"
            "n = tanh(a_n + (r ⊙ h)·U_n)\nh' = (1 − z) ⊙ n + z ⊙ h"
        )
