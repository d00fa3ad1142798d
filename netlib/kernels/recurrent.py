"""The steps of recurrent layers, forward and backward, in one call for all of them.

The arrays are those that the pages of the layers keep, `lstm.py`, `gru.py` and `rnn.py`, where the
equations and their derivation are. The steps come first, (T, N, …), except in dy, which is the
caller's (N, T, …). Of the N sequences, the longest come first, and step t works on the first
``rows[t]`` of them. What is faster here: a step costs no call from Python, and its numbers stay in
the cache from the product with the state to the new state.

The products with x, and the gradients of the weights, are sums over all steps at once, which a
matrix library does better.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .exponentials import sigmoid, tanh
from .kernel import helper, loops
from .vectors import ROWS, multiply_tile, tile_width

LINE = 16
"""So many numbers are about a cache line."""


@helper
def padded_width(n: int, itemsize: int) -> int:
    """Return `n` columns, rounded up to whole tiles."""
    tile = tile_width(n, itemsize)
    return (n + tile - 1) // tile * tile


@helper
def tiled(w: Array) -> Array:
    """Return the columns of `w` in tiles one after another, the last one filled up with zeros."""
    n, width = w.shape
    tile = tile_width(width, w.itemsize)
    tiles = np.zeros((padded_width(width, w.itemsize) // tile, n, tile), w.dtype)
    for i in range(len(tiles)):
        columns = w[:, i * tile : (i + 1) * tile]
        for k in range(n):
            for j in range(columns.shape[1]):
                tiles[i, k, j] = columns[k, j]
    return tiles.reshape(-1)


@helper
def tiled_transpose(w: Array) -> Array:
    """Return what `tiled` returns for the transpose of `w`."""
    width, n = w.shape
    tile = tile_width(width, w.itemsize)
    tiles = np.zeros((padded_width(width, w.itemsize) // tile, n, tile), w.dtype)
    for i in range(len(tiles)):
        columns = w[i * tile : (i + 1) * tile]
        for start in range(0, n, LINE):
            for j in range(len(columns)):
                for k in range(start, min(start + LINE, n)):
                    tiles[i, k, j] = columns[j, k]
    return tiles.reshape(-1)


@helper
def row_starts(n: int, length: int) -> Array:
    """Return where each of `n` rows begins, with the last one repeated to fill a tile."""
    return np.minimum(np.arange(n + ROWS), n - 1) * length


@helper
def multiply_rows(
    y: Array, y_rows: Array, start: Array, start_rows: Array, x: Array, x_rows: Array, n: int, w: Array, length: int, width: int
) -> None:
    """Set the first `n` rows of y to those of `start` plus the product of x and `w`.

    All arrays are vectors, and w is `tiled`. The rows of x have `length` numbers. Those of y and
    start have `width`, rounded up to whole tiles. They may be the same array.
    """
    tile, no_run = tile_width(width, w.itemsize), np.zeros(1, np.int64)
    for column in range(0, width, tile):
        for row in range(0, n, ROWS):
            multiply_tile(
                y, column, y_rows, start, column, start_rows, x, 0, x_rows, row, no_run,
                w, column * length, no_run, length, 1, tile, tile,
            )  # fmt: skip


@helper
def add_bias_sigmoid(a: Array, bias: Array) -> None:
    """Do ``a = sigmoid(a + bias)``."""
    for j in range(a.size):
        a[j] = sigmoid(a[j] + bias[j])


@helper
def add_bias_tanh(a: Array, bias: Array) -> None:
    """Do ``a = tanh(a + bias)``."""
    for j in range(a.size):
        a[j] = tanh(a[j] + bias[j])


@helper
def add(total: Array, a: Array) -> None:
    """Do ``total += a``."""
    for j in range(total.size):
        total[j] += a[j]


@loops("void(t[:, :, ::1], const t[:, ::1], const t[::1], t[:, :, ::1], t[:, :, ::1], t[:, :, ::1], const int64[::1])")
def lstm_steps(gates: Array, weight_h: Array, bias: Array, h: Array, c: Array, tanh_c: Array, rows: Array) -> None:
    """Run the steps of an `LSTM`.

    Parameters
    ----------
    gates : ndarray (T, N, padded_width(4 · hidden))
        X W_x, and afterwards the gates i, f, g, o.
    weight_h : ndarray (hidden, 4 · hidden)
    bias : ndarray (4 · hidden,)
    h, c : ndarray (T + 1, N, hidden)
        The first state. Written: the states after each step.
    tanh_c : ndarray (T, N, hidden)
        Written: the tanh of c after each step.
    rows : ndarray of int (T,)
    """
    n_steps, n, m = tanh_c.shape
    w, in_gates, in_h = tiled(weight_h), row_starts(n, gates.shape[2]), row_starts(n, m)
    for t in range(n_steps):
        a = gates[t].reshape(-1)
        multiply_rows(a, in_gates, a, in_gates, h[t].reshape(-1), in_h, rows[t], w, m, 4 * m)
        for r in range(rows[t]):
            lstm_cell(gates[t, r], bias, c[t, r], c[t + 1, r], tanh_c[t, r], h[t + 1, r])
        h[t + 1, rows[t] :], c[t + 1, rows[t] :] = h[t, rows[t] :], c[t, rows[t] :]


@helper
def lstm_cell(a: Array, bias: Array, c_before: Array, c: Array, tanh_c: Array, h: Array) -> None:
    """Turn the numbers before the gates into the gates, and write the next state."""
    m = c.size
    add_bias_sigmoid(a[: 2 * m], bias[: 2 * m])
    add_bias_tanh(a[2 * m : 3 * m], bias[2 * m : 3 * m])
    add_bias_sigmoid(a[3 * m : 4 * m], bias[3 * m :])
    i, f, g, o = a[:m], a[m : 2 * m], a[2 * m : 3 * m], a[3 * m : 4 * m]
    for j in range(m):
        c[j] = f[j] * c_before[j] + i[j] * g[j]
    for j in range(m):
        tanh_c[j] = tanh(c[j])
    for j in range(m):
        h[j] = o[j] * tanh_c[j]


@loops(
    "void(const t[:, :, ::1], const t[:, ::1], const t[:, :, ::1], const t[:, :, ::1], const t[:, :, ::1], t[:, ::1], t[:, ::1],"
    " t[:, :, ::1], t[::1], const int64[::1])"
)
def lstm_steps_backward(
    gates: Array, weight_h: Array, c: Array, tanh_c: Array, dy: Array, dh: Array, dc: Array, da: Array, dbias: Array, rows: Array
) -> None:
    """Run the steps of an `LSTM` in reverse.

    Parameters
    ----------
    gates : ndarray (T, N, padded_width(4 · hidden))
    weight_h : ndarray (hidden, 4 · hidden)
    c : ndarray (T + 1, N, hidden)
    tanh_c : ndarray (T, N, hidden)
    dy : ndarray (N, T, hidden)
    dh, dc : ndarray (N, padded_width(hidden))
        The gradients of the last state, and afterwards those of the first.
    da : ndarray (T, N, 4 · hidden)
        Written: the gradients of the numbers before the gates. Zeros in rows that have ended.
    dbias : ndarray (4 · hidden,)
        Written: their sums.
    rows : ndarray of int (T,)
    """
    n_steps, n, m = tanh_c.shape
    w, in_dh, in_da, flat_dh = tiled_transpose(weight_h), row_starts(n, dh.shape[1]), row_starts(n, 4 * m), dh.reshape(-1)
    dbias[:] = 0
    for t in range(n_steps - 1, -1, -1):
        for r in range(rows[t]):
            lstm_cell_backward(gates[t, r], c[t, r], tanh_c[t, r], dy[r, t], dh[r], dc[r], da[t, r])
            add(dbias, da[t, r])
        da[t, rows[t] :] = 0
        multiply_rows(flat_dh, in_dh, flat_dh, in_dh, da[t].reshape(-1), in_da, rows[t], w, 4 * m, m)


@helper
def lstm_cell_backward(a: Array, c_before: Array, tanh_c: Array, dy: Array, dh: Array, dc: Array, da: Array) -> None:
    """Write the gradients before the gates, and turn dh and dc into what reaches h and c."""
    m = dy.size
    for j in range(m):
        i, f, g, o = a[j], a[m + j], a[2 * m + j], a[3 * m + j]
        dh_j = dh[j] + dy[j]
        dc_j = dc[j] + dh_j * o * (1 - tanh_c[j] * tanh_c[j])
        da[j] = dc_j * g * i * (1 - i)
        da[m + j] = dc_j * c_before[j] * f * (1 - f)
        da[2 * m + j] = dc_j * i * (1 - g * g)
        da[3 * m + j] = dh_j * tanh_c[j] * o * (1 - o)
        dc[j] = dc_j * f
        dh[j] = 0


@loops("void(t[:, :, ::1], const t[:, ::1], const t[::1], const t[::1], t[:, :, ::1], t[:, :, ::1], const int64[::1])")
def gru_steps(gates: Array, weight_h: Array, bias: Array, bias_h: Array, h: Array, u_n: Array, rows: Array) -> None:
    """Run the steps of a `GRU`.

    Parameters
    ----------
    gates : ndarray (T, N, at least 3 · hidden)
        X W_x, and afterwards the gates r, z and the candidate n.
    weight_h : ndarray (hidden, 3 · hidden)
    bias : ndarray (3 · hidden,)
    bias_h : ndarray (hidden,)
    h : ndarray (T + 1, N, hidden)
        The first state. Written: the states after each step.
    u_n : ndarray (T, N, hidden)
        Written: what r multiplies.
    rows : ndarray of int (T,)
    """
    n_steps, n, m = u_n.shape
    width = padded_width(3 * m, weight_h.itemsize)
    start, u = np.zeros(width, weight_h.dtype), np.empty((n, width), weight_h.dtype)
    start[2 * m : 3 * m] = bias_h
    w, in_u, in_start, in_h = tiled(weight_h), row_starts(n, width), row_starts(n, 0), row_starts(n, m)
    for t in range(n_steps):
        multiply_rows(u.reshape(-1), in_u, start, in_start, h[t].reshape(-1), in_h, rows[t], w, m, 3 * m)
        for r in range(rows[t]):
            gru_cell(gates[t, r], bias, u[r], u_n[t, r], h[t, r], h[t + 1, r])
        h[t + 1, rows[t] :] = h[t, rows[t] :]


@helper
def gru_cell(a: Array, bias: Array, u: Array, u_n: Array, h_before: Array, h: Array) -> None:
    """Turn the numbers before the gates into the gates, and write the next state."""
    m = h.size
    add(a[: 2 * m], u)
    add_bias_sigmoid(a[: 2 * m], bias[: 2 * m])
    r, z, n = a[:m], a[m : 2 * m], a[2 * m : 3 * m]
    for j in range(m):
        u_n[j] = u[2 * m + j]
    for j in range(m):
        n[j] += r[j] * u_n[j]
    add_bias_tanh(n, bias[2 * m :])
    for j in range(m):
        h[j] = n[j] + z[j] * (h_before[j] - n[j])


@loops(
    "void(const t[:, :, ::1], const t[:, ::1], const t[:, :, ::1], const t[:, :, ::1], const t[:, :, ::1], t[:, ::1],"
    " t[:, :, ::1], t[:, :, ::1], t[::1], t[::1], const int64[::1])"
)
def gru_steps_backward(
    gates: Array, weight_h: Array, h: Array, u_n: Array, dy: Array, dh: Array, du: Array, da_n: Array,
    dbias: Array, dbias_h: Array, rows: Array,
) -> None:  # fmt: skip
    """Run the steps of a `GRU` in reverse.

    Parameters
    ----------
    gates : ndarray (T, N, at least 3 · hidden)
    weight_h : ndarray (hidden, 3 · hidden)
    h : ndarray (T + 1, N, hidden)
    u_n : ndarray (T, N, hidden)
    dy : ndarray (N, T, hidden)
    dh : ndarray (N, padded_width(hidden))
        The gradient of the last state, and afterwards that of the first.
    du : ndarray (T, N, 3 · hidden)
        Written: the gradients of u. Zeros in rows that have ended, as in `da_n`.
    da_n : ndarray (T, N, hidden)
        Written: the gradients of the numbers before the candidate. Those before r and z are du's.
    dbias, dbias_h : ndarray (3 · hidden,) and (hidden,)
        Written: their sums.
    rows : ndarray of int (T,)
    """
    n_steps, n, m = u_n.shape
    w, in_dh, in_du, flat_dh = tiled_transpose(weight_h), row_starts(n, dh.shape[1]), row_starts(n, 3 * m), dh.reshape(-1)
    dbias[:], dbias_h[:] = 0, 0
    for t in range(n_steps - 1, -1, -1):
        for r in range(rows[t]):
            gru_cell_backward(gates[t, r], h[t, r], u_n[t, r], dy[r, t], dh[r], du[t, r], da_n[t, r])
            add(dbias[: 2 * m], du[t, r])
            add(dbias[2 * m :], da_n[t, r])
            add(dbias_h, du[t, r, 2 * m :])
        du[t, rows[t] :], da_n[t, rows[t] :] = 0, 0
        multiply_rows(flat_dh, in_dh, flat_dh, in_dh, du[t].reshape(-1), in_du, rows[t], w, 3 * m, m)


@helper
def gru_cell_backward(a: Array, h_before: Array, u_n: Array, dy: Array, dh: Array, du: Array, da_n: Array) -> None:
    """Write the gradients before the gates, and turn dh into what reaches h directly."""
    m = dy.size
    for j in range(m):
        r, z, n = a[j], a[m + j], a[2 * m + j]
        dh_j = dh[j] + dy[j]
        da_n_j = dh_j * (1 - z) * (1 - n * n)
        da_n[j] = da_n_j
        du[j] = da_n_j * u_n[j] * r * (1 - r)
        du[m + j] = dh_j * (h_before[j] - n) * z * (1 - z)
        du[2 * m + j] = da_n_j * r
        dh[j] = dh_j * z


@loops("void(t[:, :, ::1], const t[:, ::1], const t[::1], t[:, :, ::1], const int64[::1], boolean)")
def rnn_steps(a: Array, weight_h: Array, bias: Array, h: Array, rows: Array, is_relu: bool) -> None:
    """Run the steps of an `RNN`.

    Parameters
    ----------
    a : ndarray (T, N, padded_width(hidden))
        X W_x. Afterwards it holds anything.
    weight_h : ndarray (hidden, hidden)
    bias : ndarray (hidden,)
    h : ndarray (T + 1, N, hidden)
        The first state. Written: the states after each step.
    rows : ndarray of int (T,)
    is_relu : bool
        Whether to take ReLU instead of tanh.
    """
    n_steps, n, width = a.shape
    m, zero = h.shape[2], a.dtype.type(0)
    w, in_a, in_h = tiled(weight_h), row_starts(n, width), row_starts(n, m)
    for t in range(n_steps):
        a_t = a[t].reshape(-1)
        multiply_rows(a_t, in_a, a_t, in_a, h[t].reshape(-1), in_h, rows[t], w, m, m)
        for r in range(rows[t]):
            a_r, h_r = a[t, r], h[t + 1, r]
            if is_relu:
                for j in range(m):
                    v = a_r[j] + bias[j]
                    h_r[j] = zero if v <= zero else v
            else:
                add_bias_tanh(a_r[:m], bias)
                h_r[:] = a_r[:m]
        h[t + 1, rows[t] :] = h[t, rows[t] :]


@loops("void(const t[:, ::1], const t[:, :, ::1], const t[:, :, ::1], t[:, ::1], t[:, :, ::1], t[::1], const int64[::1], boolean)")
def rnn_steps_backward(weight_h: Array, h: Array, dy: Array, dh: Array, da: Array, dbias: Array, rows: Array, is_relu: bool) -> None:
    """Run the steps of an `RNN` in reverse.

    Parameters
    ----------
    weight_h : ndarray (hidden, hidden)
    h : ndarray (T + 1, N, hidden)
    dy : ndarray (N, T, hidden)
    dh : ndarray (N, padded_width(hidden))
        The gradient of the last state, and afterwards that of the first.
    da : ndarray (T, N, hidden)
        Written: the gradients of the numbers before tanh or ReLU. Zeros in rows that have ended.
    dbias : ndarray (hidden,)
        Written: their sum.
    rows : ndarray of int (T,)
    is_relu : bool
    """
    n_steps, n, m = da.shape
    zero, one = da.dtype.type(0), da.dtype.type(1)
    w, in_dh, in_da, flat_dh = tiled_transpose(weight_h), row_starts(n, dh.shape[1]), row_starts(n, m), dh.reshape(-1)
    dbias[:] = 0
    for t in range(n_steps - 1, -1, -1):
        for r in range(rows[t]):
            h_r, dy_r, dh_r, da_r = h[t + 1, r], dy[r, t], dh[r], da[t, r]
            for j in range(m):
                slope = (one if h_r[j] > zero else zero) if is_relu else one - h_r[j] * h_r[j]
                da_r[j] = (dh_r[j] + dy_r[j]) * slope
                dh_r[j] = zero
            add(dbias, da_r)
        da[t, rows[t] :] = 0
        multiply_rows(flat_dh, in_dh, flat_dh, in_dh, da[t].reshape(-1), in_da, rows[t], w, m, m)
