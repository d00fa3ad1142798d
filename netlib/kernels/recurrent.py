"""The steps of recurrent layers, forward and backward, in one call for all of them.

Rows are the sequences of a batch, or of a part of it, (N, T, …). The longest come first, and step t
works on the first ``rows[t]`` of them. The equations and their derivation are on the pages of the
layers, `lstm.py`, `gru.py` and `rnn.py`, whose methods `_unroll` and `_unroll_backward` do the same
in NumPy. What is faster here: all numbers of a step stay in the cache from the product with the
state to the new state, and a step costs no call from Python.

The gradients of the weights are products over all steps, which a matrix library does better.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .exponentials import sigmoid, tanh
from .kernel import helper, loops
from .vectors import ROWS, multiply_tile, tile_width


@helper
def width_of(w: Array) -> int:
    """Return the number of columns of `w`, rounded up to whole tiles."""
    tile = tile_width(w.shape[1], w.itemsize)
    return (w.shape[1] + tile - 1) // tile * tile  # type: ignore[no-any-return]


@helper
def widened(w: Array) -> Array:
    """Return the rows of `w` one after another, each followed by zeros up to its `width_of`."""
    width = width_of(w)
    rows = np.zeros(w.shape[0] * width, w.dtype)
    for k in range(w.shape[0]):
        rows[k * width : k * width + w.shape[1]] = w[k]
    return rows


@helper
def row_starts(n: int, length: int) -> Array:
    """Return where each of `n` rows begins, with the last one repeated to fill a tile."""
    return np.minimum(np.arange(n + ROWS), n - 1) * length


@helper
def multiply_rows(
    y: Array, y_rows: Array, start: Array, x: Array, x_rows: Array, n: int, x_runs: Array, w: Array, w_runs: Array, length: int, tile: int
) -> None:
    """Set the first `n` rows of y to `start` plus the product of x and w, run by run."""
    width, no_rows = start.size, np.zeros(n + ROWS, np.int64)
    for column in range(0, width, tile):
        for row in range(0, n, ROWS):
            multiply_tile(
                y, column, y_rows, start, column, no_rows, x, 0, x_rows, row, x_runs,
                w, column, w_runs, length, 1, width, tile,
            )  # fmt: skip


@helper
def lstm_cell(
    i: Array,
    f: Array,
    g: Array,
    o: Array,
    to_i: Array,
    to_f: Array,
    to_g: Array,
    to_o: Array,
    c: Array,
    c_before: Array,
    h: Array,
    y: Array,
) -> None:
    """Turn the numbers before the gates into the gates, and the state into the next one."""
    for j in range(c.size):
        i_j, f_j = sigmoid(i[j] + to_i[j]), sigmoid(f[j] + to_f[j])
        g_j, o_j = tanh(g[j] + to_g[j]), sigmoid(o[j] + to_o[j])
        i[j], f[j], g[j], o[j] = i_j, f_j, g_j, o_j
        c_before[j] = c[j]
        c_j = f_j * c[j] + i_j * g_j
        h_j = o_j * tanh(c_j)
        c[j], h[j], y[j] = c_j, h_j, h_j


@loops(
    "void(t[:, :, ::1], const t[:, ::1], const t[::1], t[:, ::1], t[:, ::1], t[:, :, ::1], t[:, :, ::1], t[:, :, ::1], const int64[::1])"
)
def lstm_steps(
    gates: Array, weight_h: Array, bias: Array, h: Array, c: Array, y: Array, h_before: Array, c_before: Array, rows: Array
) -> None:
    """Run the steps of an `LSTM`.

    Parameters
    ----------
    gates : ndarray (N, T, 4 · hidden)
        X W_x, and afterwards the gates i, f, g, o.
    weight_h : ndarray (hidden, 4 · hidden)
    bias : ndarray (4 · hidden,)
    h, c : ndarray (N, hidden)
        The first state, and afterwards the last.
    y, h_before, c_before : ndarray (N, T, hidden)
        Written: h after each step, and h and c before it. Zeros in rows that have ended.
    rows : ndarray of int (T,)
    """
    n, n_steps, n_gates = gates.shape
    m = n_gates // 4
    w, width, tile = widened(weight_h), width_of(weight_h), tile_width(n_gates, weight_h.itemsize)
    start, sums, zero = np.zeros(width, w.dtype), np.empty(n * width, w.dtype), np.zeros(1, np.int64)
    start[:n_gates] = bias
    in_sums, in_h = row_starts(n, width), row_starts(n, m)
    for t in range(n_steps):
        multiply_rows(sums, in_sums, start, h.reshape(-1), in_h, rows[t], zero, w, zero, m, tile)
        for r in range(rows[t]):
            a, z = gates[r, t], sums[r * width : (r + 1) * width]
            h_before[r, t] = h[r]
            lstm_cell(
                a[:m], a[m : 2 * m], a[2 * m : 3 * m], a[3 * m :], z[:m], z[m : 2 * m], z[2 * m : 3 * m], z[3 * m : n_gates],
                c[r], c_before[r, t], h[r], y[r, t],
            )  # fmt: skip
        for r in range(rows[t], n):
            gates[r, t] = 0
            y[r, t], h_before[r, t], c_before[r, t] = 0, 0, 0


@helper
def lstm_cell_backward(i: Array, f: Array, g: Array, o: Array, c_before: Array, dy: Array, dh: Array, dc: Array) -> None:
    """Turn the gates into the gradients before them, and dc into that of the state before."""
    for j in range(dc.size):
        i_j, f_j, g_j, o_j = i[j], f[j], g[j], o[j]
        tanh_c = tanh(f_j * c_before[j] + i_j * g_j)
        dh_j = dh[j] + dy[j]
        dc_j = dc[j] + dh_j * o_j * (1 - tanh_c * tanh_c)
        i[j] = dc_j * g_j * i_j * (1 - i_j)
        f[j] = dc_j * c_before[j] * f_j * (1 - f_j)
        g[j] = dc_j * i_j * (1 - g_j * g_j)
        o[j] = dh_j * tanh_c * o_j * (1 - o_j)
        dc[j] = dc_j * f_j


@loops("void(t[:, :, ::1], const t[:, ::1], const t[:, :, ::1], const t[:, :, ::1], t[:, ::1], t[:, ::1], const int64[::1])")
def lstm_steps_backward(gates: Array, transposed: Array, c_before: Array, dy: Array, dh: Array, dc: Array, rows: Array) -> None:
    """Run the steps of an `LSTM` in reverse.

    Parameters
    ----------
    gates : ndarray (N, T, 4 · hidden)
        As forward left them, and afterwards the gradients of the numbers before the gates.
    transposed : ndarray (4 · hidden, hidden)
        The transpose of weight_h.
    c_before, dy : ndarray (N, T, hidden)
    dh, dc : ndarray (N, hidden)
        The gradients of the last state, and afterwards those of the first.
    rows : ndarray of int (T,)
    """
    n, n_steps, n_gates = gates.shape
    m = n_gates // 4
    w, width, tile = widened(transposed), width_of(transposed), tile_width(m, transposed.itemsize)
    start, sums, zero = np.zeros(width, w.dtype), np.empty(n * width, w.dtype), np.zeros(1, np.int64)
    in_sums, in_gates, flat = row_starts(n, width), row_starts(n, n_steps * n_gates), gates.reshape(-1)
    for t in range(n_steps - 1, -1, -1):
        for r in range(rows[t]):
            a = gates[r, t]
            lstm_cell_backward(a[:m], a[m : 2 * m], a[2 * m : 3 * m], a[3 * m :], c_before[r, t], dy[r, t], dh[r], dc[r])
        multiply_rows(sums, in_sums, start, flat[t * n_gates :], in_gates, rows[t], zero, w, zero, n_gates, tile)
        for r in range(rows[t]):
            dh[r] = sums[r * width : r * width + m]


@helper
def gru_cell(r: Array, z: Array, n: Array, u: Array, to_r: Array, to_z: Array, to_n: Array, h_before: Array, h: Array, y: Array) -> None:
    """Turn the numbers before the gates into the gates, and the state into the next one."""
    for j in range(h.size):
        r_j, z_j = sigmoid(r[j] + to_r[j]), sigmoid(z[j] + to_z[j])
        n_j = tanh(n[j] + r_j * to_n[j])
        r[j], z[j], n[j], u[j] = r_j, z_j, n_j, to_n[j]
        h_before[j] = h[j]
        h_j = n_j + z_j * (h[j] - n_j)
        h[j], y[j] = h_j, h_j


@loops("void(t[:, :, ::1], const t[:, ::1], const t[::1], const t[::1], t[:, ::1], t[:, :, ::1], t[:, :, ::1], const int64[::1])")
def gru_steps(gates: Array, weight_h: Array, bias: Array, bias_h: Array, h: Array, y: Array, h_before: Array, rows: Array) -> None:
    """Run the steps of a `GRU`.

    Parameters
    ----------
    gates : ndarray (N, T, 4 · hidden)
        X W_x in the first three quarters. Afterwards r, z, n, and u = h U_n + bias_h.
    weight_h : ndarray (hidden, 3 · hidden)
    bias : ndarray (3 · hidden,)
        That of the candidate is part of X W_x already.
    bias_h : ndarray (hidden,)
    h : ndarray (N, hidden)
        The first state, and afterwards the last.
    y, h_before : ndarray (N, T, hidden)
        Written: h after each step and before it. Zeros in rows that have ended.
    rows : ndarray of int (T,)
    """
    n, n_steps, m = y.shape
    w, width, tile = widened(weight_h), width_of(weight_h), tile_width(3 * m, weight_h.itemsize)
    start, sums, zero = np.zeros(width, w.dtype), np.empty(n * width, w.dtype), np.zeros(1, np.int64)
    start[: 2 * m] = bias[: 2 * m]
    start[2 * m : 3 * m] = bias_h
    in_sums, in_h = row_starts(n, width), row_starts(n, m)
    for t in range(n_steps):
        multiply_rows(sums, in_sums, start, h.reshape(-1), in_h, rows[t], zero, w, zero, m, tile)
        for r in range(rows[t]):
            a, s = gates[r, t], sums[r * width : (r + 1) * width]
            for j in range(m):
                a[2 * m + j] += bias[2 * m + j]
            gru_cell(
                a[:m], a[m : 2 * m], a[2 * m : 3 * m], a[3 * m :], s[:m], s[m : 2 * m], s[2 * m : 3 * m],
                h_before[r, t], h[r], y[r, t],
            )  # fmt: skip
        for r in range(rows[t], n):
            gates[r, t] = 0
            y[r, t], h_before[r, t] = 0, 0


@helper
def gru_cell_backward(r: Array, z: Array, n: Array, u: Array, h_before: Array, dy: Array, dh: Array) -> None:
    """Turn the gates into the gradients before them, and dh into what reaches h directly."""
    for j in range(dh.size):
        r_j, z_j, n_j, u_j = r[j], z[j], n[j], u[j]
        dh_j = dh[j] + dy[j]
        dn_j = dh_j * (1 - z_j) * (1 - n_j * n_j)
        r[j] = dn_j * u_j * r_j * (1 - r_j)
        z[j] = dh_j * (h_before[j] - n_j) * z_j * (1 - z_j)
        n[j] = dn_j
        u[j] = dn_j * r_j
        dh[j] = dh_j * z_j


@loops("void(t[:, :, ::1], const t[:, ::1], const t[:, :, ::1], const t[:, :, ::1], t[:, ::1], const int64[::1])")
def gru_steps_backward(gates: Array, transposed: Array, h_before: Array, dy: Array, dh: Array, rows: Array) -> None:
    """Run the steps of a `GRU` in reverse.

    Parameters
    ----------
    gates : ndarray (N, T, 4 · hidden)
        As forward left them, and afterwards the gradients of the numbers before r, z and n, and of
        u.
    transposed : ndarray (3 · hidden, hidden)
        The transpose of weight_h.
    h_before, dy : ndarray (N, T, hidden)
    dh : ndarray (N, hidden)
        The gradient of the last state, and afterwards that of the first.
    rows : ndarray of int (T,)
    """
    n, n_steps, m = dy.shape
    w, width, tile = widened(transposed), width_of(transposed), tile_width(m, transposed.itemsize)
    start, sums = np.zeros(width, w.dtype), np.empty(n * width, w.dtype)
    runs, w_runs = np.array([0, m, 3 * m]), np.array([0, m * width, 2 * m * width])
    in_sums, in_gates, flat = row_starts(n, width), row_starts(n, n_steps * 4 * m), gates.reshape(-1)
    for t in range(n_steps - 1, -1, -1):
        for r in range(rows[t]):
            a = gates[r, t]
            gru_cell_backward(a[:m], a[m : 2 * m], a[2 * m : 3 * m], a[3 * m :], h_before[r, t], dy[r, t], dh[r])
        multiply_rows(sums, in_sums, start, flat[t * 4 * m :], in_gates, rows[t], runs, w, w_runs, m, tile)
        for r in range(rows[t]):
            for j in range(m):
                dh[r, j] += sums[r * width + j]


@loops("void(t[:, :, ::1], const t[:, ::1], const t[::1], t[:, ::1], t[:, :, ::1], t[:, :, ::1], const int64[::1], boolean)")
def rnn_steps(a: Array, weight_h: Array, bias: Array, h: Array, y: Array, h_before: Array, rows: Array, is_relu: bool) -> None:
    """Run the steps of an `RNN`.

    Parameters
    ----------
    a : ndarray (N, T, hidden)
        X W_x.
    weight_h : ndarray (hidden, hidden)
    bias : ndarray (hidden,)
    h : ndarray (N, hidden)
        The first state, and afterwards the last.
    y, h_before : ndarray (N, T, hidden)
        Written: h after each step and before it. Zeros in rows that have ended.
    rows : ndarray of int (T,)
    is_relu : bool
        Whether to take ReLU instead of tanh.
    """
    n, n_steps, m = y.shape
    w, width, tile = widened(weight_h), width_of(weight_h), tile_width(m, weight_h.itemsize)
    start, sums, zero = np.zeros(width, w.dtype), np.empty(n * width, w.dtype), np.zeros(1, np.int64)
    start[:m] = bias
    in_sums, in_h, nothing = row_starts(n, width), row_starts(n, m), w.dtype.type(0)
    for t in range(n_steps):
        multiply_rows(sums, in_sums, start, h.reshape(-1), in_h, rows[t], zero, w, zero, m, tile)
        for r in range(rows[t]):
            h_before[r, t] = h[r]
            a_t, sums_t, h_t, y_t = a[r, t], sums[r * width : r * width + m], h[r], y[r, t]
            for j in range(m):
                before = a_t[j] + sums_t[j]
                h_j = (nothing if before < 0 else before) if is_relu else tanh(before)
                h_t[j], y_t[j] = h_j, h_j
        for r in range(rows[t], n):
            y[r, t], h_before[r, t] = 0, 0


@loops("void(t[:, :, ::1], const t[:, ::1], const t[:, :, ::1], const t[:, :, ::1], t[:, ::1], const int64[::1], boolean)")
def rnn_steps_backward(da: Array, transposed: Array, y: Array, dy: Array, dh: Array, rows: Array, is_relu: bool) -> None:
    """Run the steps of an `RNN` in reverse.

    Parameters
    ----------
    da : ndarray (N, T, hidden)
        Written: the gradients of the numbers before tanh or ReLU.
    transposed : ndarray (hidden, hidden)
        The transpose of weight_h.
    y, dy : ndarray (N, T, hidden)
    dh : ndarray (N, hidden)
        The gradient of the last state, and afterwards that of the first.
    rows : ndarray of int (T,)
    is_relu : bool
    """
    n, n_steps, m = dy.shape
    w, width, tile = widened(transposed), width_of(transposed), tile_width(m, transposed.itemsize)
    start, sums, zero = np.zeros(width, w.dtype), np.empty(n * width, w.dtype), np.zeros(1, np.int64)
    in_sums, in_da, flat = row_starts(n, width), row_starts(n, n_steps * m), da.reshape(-1)
    for t in range(n_steps - 1, -1, -1):
        for r in range(rows[t]):
            da_t, y_t, dy_t, dh_t = da[r, t], y[r, t], dy[r, t], dh[r]
            for j in range(m):
                slope = (y_t[j] > 0) * y_t.dtype.type(1) if is_relu else 1 - y_t[j] * y_t[j]
                da_t[j] = (dh_t[j] + dy_t[j]) * slope
        for r in range(rows[t], n):
            da[r, t] = 0
        multiply_rows(sums, in_sums, start, flat[t * m :], in_da, rows[t], zero, w, zero, m, tile)
        for r in range(rows[t]):
            dh[r] = sums[r * width : r * width + m]
