"""The steps of recurrent layers, forward and backward, in one call for all of them.

The arrays are those that the pages of the layers keep, `lstm.py`, `gru.py` and `rnn.py`, where the
equations and their derivation are. The steps come first, (T, N, …), except in dy, which is the
caller's (N, T, …). Of the N sequences, the longest come first, and step t works on the first
``rows[t]`` of them. This is faster because a step needs no call from Python, and its numbers stay
in the cache from the products with x and the state to the new state.

The gradients of the weights are sums over all steps at once, which a matrix library does better.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .exponentials import sigmoid, tanh
from .kernel import helper, loops
from .vectors import ROWS, in_tiles, multiply_tile, row_starts, tile_width

LINE = 16
"""So many numbers are about a cache line."""


@helper
def padded_width(n: int, itemsize: int) -> int:
    """Return `n` columns, rounded up to whole tiles."""
    return in_tiles(n, tile_width(n, itemsize))


@helper
def tiled(w: Array) -> Array:
    """Return the columns of `w` in consecutive tiles, the last one padded with zeros."""
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
    """Return the result of `tiled` for the transpose of `w`."""
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
def padded(row: Array, width: int) -> Array:
    """Return `row` padded with zeros to `width` numbers."""
    result = np.zeros(width, row.dtype)
    result[: row.size] = row
    return result


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


@loops(
    "void(const t[:, :, ::1], const t[:, ::1], const t[:, ::1], const t[::1], t[:, :, ::1], t[:, :, ::1], t[:, :, ::1], t[:, :, ::1],"
    " const int64[::1])"
)
def lstm_steps(
    x: Array, weight_x: Array, weight_h: Array, bias: Array, gates: Array, h: Array, c: Array, tanh_c: Array, rows: Array
) -> None:
    """Run the steps of an `LSTM`.

    Parameters
    ----------
    x : ndarray (T, N, in)
    weight_x : ndarray (in, 4 · hidden)
    weight_h : ndarray (hidden, 4 · hidden)
    bias : ndarray (4 · hidden,)
    gates : ndarray (T, N, padded_width(4 · hidden))
        Written: the gates i, f, g, o.
    h, c : ndarray (T + 1, N, hidden)
        The first state. Written: the states after each step.
    tanh_c : ndarray (T, N, hidden)
        Written: the tanh of c after each step.
    rows : ndarray of int (T,)
    """
    n_steps, n, m = tanh_c.shape
    start, w_x, w_h = padded(bias, gates.shape[2]), tiled(weight_x), tiled(weight_h)
    in_start, in_gates, in_x, in_h = row_starts(n, 0), row_starts(n, gates.shape[2]), row_starts(n, x.shape[2]), row_starts(n, m)
    for t in range(n_steps):
        a = gates[t].reshape(-1)
        multiply_rows(a, in_gates, start, in_start, x[t].reshape(-1), in_x, rows[t], w_x, x.shape[2], 4 * m)
        multiply_rows(a, in_gates, a, in_gates, h[t].reshape(-1), in_h, rows[t], w_h, m, 4 * m)
        lstm_cells(gates[t], c[t], c[t + 1], tanh_c[t], h[t + 1], rows[t])
        h[t + 1, rows[t] :], c[t + 1, rows[t] :] = h[t, rows[t] :], c[t, rows[t] :]


@helper
def lstm_cells(gates: Array, c_before: Array, c: Array, tanh_c: Array, h: Array, n: int) -> None:
    """Turn the numbers before the gates into the gates in `n` rows, and write the next state."""
    m = c.shape[1]
    for r in range(n):
        i, f, g, o = gates[r, :m], gates[r, m : 2 * m], gates[r, 2 * m : 3 * m], gates[r, 3 * m : 4 * m]
        c_before_r, c_r, tanh_c_r, h_r = c_before[r], c[r], tanh_c[r], h[r]
        for j in range(m):
            i[j] = sigmoid(i[j])
        for j in range(m):
            f[j] = sigmoid(f[j])
        for j in range(m):
            g[j] = tanh(g[j])
        for j in range(m):
            o[j] = sigmoid(o[j])
        for j in range(m):
            c_j = f[j] * c_before_r[j] + i[j] * g[j]
            tanh_c_j = tanh(c_j)
            c_r[j], tanh_c_r[j], h_r[j] = c_j, tanh_c_j, o[j] * tanh_c_j


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
        lstm_cells_backward(gates[t], c[t], tanh_c[t], dy, t, dh, dc, da[t], dbias, rows[t])
        da[t, rows[t] :] = 0
        multiply_rows(flat_dh, in_dh, flat_dh, in_dh, da[t].reshape(-1), in_da, rows[t], w, 4 * m, m)


@helper
def lstm_cells_backward(
    gates: Array, c_before: Array, tanh_c: Array, dy: Array, t: int, dh: Array, dc: Array, da: Array, dbias: Array, n: int
) -> None:
    """Write the gradients before the gates, and what reaches h and c directly into dh and dc."""
    m = c_before.shape[1]
    for r in range(n):
        i, f, g, o = gates[r, :m], gates[r, m : 2 * m], gates[r, 2 * m : 3 * m], gates[r, 3 * m : 4 * m]
        da_i, da_f, da_g, da_o = da[r, :m], da[r, m : 2 * m], da[r, 2 * m : 3 * m], da[r, 3 * m :]
        c_before_r, tanh_c_r, dy_r, dh_r, dc_r, da_r = c_before[r], tanh_c[r], dy[r, t], dh[r], dc[r], da[r]
        for j in range(m):
            dh_j = dh_r[j] + dy_r[j]
            dc_j = dc_r[j] + dh_j * o[j] * (1 - tanh_c_r[j] * tanh_c_r[j])
            da_i[j] = dc_j * g[j] * i[j] * (1 - i[j])
            da_f[j] = dc_j * c_before_r[j] * f[j] * (1 - f[j])
            da_g[j] = dc_j * i[j] * (1 - g[j] * g[j])
            da_o[j] = dh_j * tanh_c_r[j] * o[j] * (1 - o[j])
            dc_r[j] = dc_j * f[j]
            dh_r[j] = 0
        for j in range(4 * m):
            dbias[j] += da_r[j]


@loops(
    "void(const t[:, :, ::1], const t[:, ::1], const t[:, ::1], const t[::1], const t[::1], t[:, :, ::1], t[:, :, ::1], t[:, :, ::1],"
    " const int64[::1])"
)
def gru_steps(
    x: Array, weight_x: Array, weight_h: Array, bias: Array, bias_h: Array, gates: Array, h: Array, u_n: Array, rows: Array
) -> None:
    """Run the steps of a `GRU`.

    Parameters
    ----------
    x : ndarray (T, N, in)
    weight_x : ndarray (in, 3 · hidden)
    weight_h : ndarray (hidden, 3 · hidden)
    bias : ndarray (3 · hidden,)
    bias_h : ndarray (hidden,)
    gates : ndarray (T, N, padded_width(3 · hidden))
        Written: the gates r, z and the candidate n.
    h : ndarray (T + 1, N, hidden)
        The first state. Written: the states after each step.
    u_n : ndarray (T, N, hidden)
        Written: what r multiplies.
    rows : ndarray of int (T,)
    """
    n_steps, n, m = u_n.shape
    width = gates.shape[2]
    start, start_u, u, w_x, w_h = (
        padded(bias, width),
        np.zeros(width, h.dtype),
        np.empty((n, width), h.dtype),
        tiled(weight_x),
        tiled(weight_h),
    )
    start_u[2 * m : 3 * m] = bias_h
    in_start, in_gates, in_x, in_h = row_starts(n, 0), row_starts(n, width), row_starts(n, x.shape[2]), row_starts(n, m)
    for t in range(n_steps):
        a = gates[t].reshape(-1)
        multiply_rows(a, in_gates, start, in_start, x[t].reshape(-1), in_x, rows[t], w_x, x.shape[2], 3 * m)
        multiply_rows(u.reshape(-1), in_gates, start_u, in_start, h[t].reshape(-1), in_h, rows[t], w_h, m, 3 * m)
        gru_cells(gates[t], u, u_n[t], h[t], h[t + 1], rows[t])
        h[t + 1, rows[t] :] = h[t, rows[t] :]


@helper
def gru_cells(gates: Array, u: Array, u_n: Array, h_before: Array, h: Array, n: int) -> None:
    """Turn the numbers before the gates into the gates in `n` rows, and write the next state."""
    m = h.shape[1]
    for row in range(n):
        r, z, candidate = gates[row, :m], gates[row, m : 2 * m], gates[row, 2 * m : 3 * m]
        u_r, u_z, new_u_n = u[row, :m], u[row, m : 2 * m], u[row, 2 * m : 3 * m]
        u_n_row, h_before_row, h_row = u_n[row], h_before[row], h[row]
        for j in range(m):
            r[j] = sigmoid(r[j] + u_r[j])
        for j in range(m):
            z[j] = sigmoid(z[j] + u_z[j])
        for j in range(m):
            u_n_row[j] = new_u_n[j]
            candidate[j] = tanh(candidate[j] + r[j] * new_u_n[j])
        for j in range(m):
            h_row[j] = candidate[j] + z[j] * (h_before_row[j] - candidate[j])


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
    gates : ndarray (T, N, padded_width(3 · hidden))
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
        gru_cells_backward(gates[t], h[t], u_n[t], dy, t, dh, du[t], da_n[t], dbias, dbias_h, rows[t])
        du[t, rows[t] :], da_n[t, rows[t] :] = 0, 0
        multiply_rows(flat_dh, in_dh, flat_dh, in_dh, du[t].reshape(-1), in_du, rows[t], w, 3 * m, m)


@helper
def gru_cells_backward(
    gates: Array, h_before: Array, u_n: Array, dy: Array, t: int, dh: Array, du: Array, da_n: Array,
    dbias: Array, dbias_h: Array, n: int,
) -> None:  # fmt: skip
    """Write the gradients before the gates, and what reaches h directly into dh."""
    m = h_before.shape[1]
    dbias_rz, dbias_n = dbias[: 2 * m], dbias[2 * m :]
    for row in range(n):
        r, z, candidate = gates[row, :m], gates[row, m : 2 * m], gates[row, 2 * m : 3 * m]
        du_r, du_z, du_n, du_row = du[row, :m], du[row, m : 2 * m], du[row, 2 * m :], du[row]
        h_before_row, u_row, dy_row, dh_row, da_n_row = h_before[row], u_n[row], dy[row, t], dh[row], da_n[row]
        for j in range(m):
            dh_j = dh_row[j] + dy_row[j]
            da_n_j = dh_j * (1 - z[j]) * (1 - candidate[j] * candidate[j])
            da_n_row[j] = da_n_j
            du_r[j] = da_n_j * u_row[j] * r[j] * (1 - r[j])
            du_z[j] = dh_j * (h_before_row[j] - candidate[j]) * z[j] * (1 - z[j])
            du_n[j] = da_n_j * r[j]
            dh_row[j] = dh_j * z[j]
        for j in range(2 * m):
            dbias_rz[j] += du_row[j]
        for j in range(m):
            dbias_n[j] += da_n_row[j]
        for j in range(m):
            dbias_h[j] += du_n[j]


@loops("void(const t[:, :, ::1], const t[:, ::1], const t[:, ::1], const t[::1], t[:, :, ::1], const int64[::1], boolean)")
def rnn_steps(x: Array, weight_x: Array, weight_h: Array, bias: Array, h: Array, rows: Array, is_relu: bool) -> None:
    """Run the steps of an `RNN`.

    Parameters
    ----------
    x : ndarray (T, N, in)
    weight_x : ndarray (in, hidden)
    weight_h : ndarray (hidden, hidden)
    bias : ndarray (hidden,)
    h : ndarray (T + 1, N, hidden)
        The first state. Written: the states after each step.
    rows : ndarray of int (T,)
    is_relu : bool
        Whether to take ReLU instead of tanh.
    """
    n_steps, n, m = len(x), x.shape[1], h.shape[2]
    width, zero = padded_width(m, h.itemsize), h.dtype.type(0)
    start, a, w_x, w_h = padded(bias, width), np.empty((n, width), h.dtype), tiled(weight_x), tiled(weight_h)
    in_start, in_a, in_x, in_h, flat = row_starts(n, 0), row_starts(n, width), row_starts(n, x.shape[2]), row_starts(n, m), a.reshape(-1)
    for t in range(n_steps):
        multiply_rows(flat, in_a, start, in_start, x[t].reshape(-1), in_x, rows[t], w_x, x.shape[2], m)
        multiply_rows(flat, in_a, flat, in_a, h[t].reshape(-1), in_h, rows[t], w_h, m, m)
        for r in range(rows[t]):
            a_r, h_r = a[r], h[t + 1, r]
            if is_relu:
                for j in range(m):
                    h_r[j] = zero if a_r[j] <= zero else a_r[j]
            else:
                for j in range(m):
                    h_r[j] = tanh(a_r[j])
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
            for j in range(m):
                dbias[j] += da_r[j]
        da[t, rows[t] :] = 0
        multiply_rows(flat_dh, in_dh, flat_dh, in_dh, da[t].reshape(-1), in_da, rows[t], w, m, m)
