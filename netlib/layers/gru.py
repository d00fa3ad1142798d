from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, Shape, as_rows, with_rows_of
from .recurrent_layer import RecurrentLayer, States, room_for_steps, swap_steps
from .rules import Shapes


class GRU(RecurrentLayer):
    """Gated recurrent unit: a state h that moves towards a candidate n as far as a gate z allows.

    x is (N, T, in_features), y (N, T, hidden_features), and the options are those of `RNN`. The
    columns of weight_x, weight_h and bias are three blocks, in PyTorch's order r, z, n. With
    a = x weight_x + bias and u = h weight_h, where h is the state of the previous step, and with
    bias_h added to u_n, a step is::

        (1) r = σ(a_r + u_r)             what of the past the candidate sees
        (2) z = σ(a_z + u_z)             what to keep
        (3) n = tanh(a_n + r ⊙ u_n)      the candidate
        (4) h' = (1 − z) ⊙ n + z ⊙ h

    The candidate's bias_h is separate from bias, since r multiplies it. y holds the h' of all
    steps. Backward goes through the steps from the last to the first. In each step, h' fans out to
    y and to the next step, so its gradient dh' is the sum of both::

        (4) dn = dh' ⊙ (1 − z),   dz = dh' ⊙ (h − n),   dh = dh' ⊙ z
        (3) da_n = dn ⊙ (1 − n²),   dr = da_n ⊙ u_n,   du_n = da_n ⊙ r
        (2) da_z = du_z = dz ⊙ z ⊙ (1 − z)      (1) da_r = du_r = dr ⊙ r ⊙ (1 − r)

    and a and u are affine functions of x and h: dx = da weight_xᵀ, and du weight_hᵀ adds to dh. The
    weights are the same in every step, so their gradients are sums over the steps: Σ xᵀ da, Σ hᵀ du
    and Σ da, and Σ du_n for bias_h. Cho et al., "Learning phrase representations using RNN
    encoder–decoder", 2014, in the form of cuDNN and PyTorch.

    >>> one = [[1.0, 1.0, 1.0]]
    >>> gru = GRU.from_arrays(one, one, [0.0, 0.0, 0.0], [0.0])
    >>> gru.forward([[[1.0], [0.0]]]).round(4), gru.backward([[[0.0], [1.0]]]).round(4)
    (array([[[0.2048],
            [0.1633]]]), array([[[-0.0309],
            [ 0.4886]]]))
    """

    kernel_name = "gru"
    n_gates = 3
    parameter_names = ("weight_x", "weight_h", "bias", "bias_h")

    def _unroll(self, suffix: str, x: Array, states: States, rows: list[int]) -> tuple[Array, States, Any]:
        weight_x, weight_h, bias, bias_h = (each.value for each in self._parameters(suffix))
        # The sigmoids as tanh, which cannot overflow: σ(a) = ½ tanh(½ a) + ½.
        scale = np.repeat(np.array([0.5, 0.5, 1], x.dtype), self.hidden_features)
        x, weight_h = swap_steps(x), weight_h * scale
        h = room_for_steps(states[0], len(rows))
        a = with_rows_of(as_rows(x) @ (weight_x * scale), x)
        a += bias * scale
        gates, kept_u_n = np.empty((3, *h[1:].shape), x.dtype), np.empty_like(h[1:])
        for t, live in enumerate(rows):
            r, z, n = gate = gates[:, t, :live]
            a_t, u = self._by_gate(a[t, :live]), self._by_gate(h[t, :live] @ weight_h)
            sigmoids, u_n = gate[:2], kept_u_n[t, :live]
            np.add(u[2], bias_h, out=u_n)
            np.add(a_t[:2], u[:2], out=sigmoids)
            np.tanh(sigmoids, out=sigmoids)
            sigmoids *= 0.5
            sigmoids += 0.5
            np.multiply(r, u_n, out=n)
            n += a_t[2]
            np.tanh(n, out=n)
            h[t + 1, :live] = n + z * (h[t, :live] - n)
            h[t + 1, live:] = h[t, live:]  # those that have ended
        return swap_steps(h[1:]), (h[-1].copy(),), (x, h, kept_u_n, gates, rows)

    def _unroll_backward(self, suffix: str, dy: Array, dstates: States, kept: Any, input_gradient: bool) -> tuple[Array | None, States]:
        weight_x, weight_h, bias, bias_h = self._parameters(suffix)
        x, h, u_n, gates, rows = kept
        dh, du, kept_da_n = dstates[0].copy(), np.empty((*x.shape[:2], bias.size), x.dtype), np.empty_like(u_n)
        for t, live in reversed([*enumerate(rows)]):
            r, z, n = gates[:, t, :live]
            du_r, du_z, du_n = self._by_gate(du[t, :live])
            dh_t, da_n = dh[:live], kept_da_n[t, :live]
            dh_t += dy[:live, t]
            np.multiply(dh_t * (1 - z), 1 - n * n, out=da_n)
            np.multiply(dh_t * (h[t, :live] - n), z * (1 - z), out=du_z)
            np.multiply(da_n * u_n[t, :live], r * (1 - r), out=du_r)
            np.multiply(da_n, r, out=du_n)
            du[t, live:] = kept_da_n[t, live:] = 0
            dh_t *= z
            dh_t += du[t, :live] @ weight_h.value.T
        weight_h.add_grad_product(as_rows(h[:-1]).T, as_rows(du))
        da, du_n = du, self._by_gate(as_rows(du))[2]
        bias_h.add_grad(du_n.sum(axis=0))
        du_n[...] = as_rows(kept_da_n)  # from here on, it is da_n
        weight_x.add_grad_product(as_rows(x).T, as_rows(da))
        bias.add_grad_sum(da)
        return self._input_gradient(suffix, da) if input_gradient else None, (dh,)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the equations of a step."""
        return self._rule(
            "a = x·weight_x + bias, u = h·weight_h\n"
            "r = σ(a_r + u_r), z = σ(a_z + u_z), n = tanh(a_n + r ⊙ (u_n + bias_h))\n"
            "h' = (1 − z) ⊙ n + z ⊙ h"
        )
