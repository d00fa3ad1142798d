"""Attention, forward and backward, of one head of one sample after another.

The equations and their derivation are on the page of the layer, `attention.py`. What is faster
here: scores, softmax and the product with the values follow each other in the cache, a block of
queries at a time; blocks of keys that a causal query may not look at are skipped; and heads are
read where they lie among the features, without transposing whole arrays.

q is (N, T, heads · d), k is (N, S, heads · d), v is (N, S, heads · d_v), y is (N, T, heads · d_v),
and p is (N, heads, T, `row_length(S)`), of which the first S columns count.

A mask is a vector of booleans, empty if there is none. That of sample n and head h begins at
``in_mask[n, h]``, and `mask_steps` leads to the next query and the next key in it. So a mask that
is the same for several of them is not copied.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .convolution import in_tiles
from .exponentials import exp
from .kernel import helper, loops
from .recurrent import row_starts
from .vectors import ROWS, VECTOR, multiply_tile, subtract_largest

LANES = 16
"""Rows of scores are processed so many numbers at a time: a vector register, or two."""
BLOCK = 1 << 15
"""The most bytes of scores between two products, unless a single tile has more: they stay in L1."""
IN_PLACE = 512
"""The most bytes from one row to the next for which a head is read where it lies."""
PANEL = 32
"""The largest width of tiles."""
QUERIES = 64
"""Backward sums the gradients of keys and values over so many queries in a register."""


@helper
def padded(n_keys: int) -> int:
    """Return `n_keys` rounded up to whole vector registers."""
    return (n_keys + LANES - 1) // LANES * LANES


@helper
def row_length(n_keys: int) -> int:
    """Return the length of a row of p.

    It is no multiple of 1 kB, so that a column of p does not have all its numbers in a few lines of
    the cache.
    """
    n = padded(n_keys)
    return n + LANES if n % 256 == 0 else n


@helper
def multiply_blocks(
    y: Array, y0: int, y_rows: Array, start: Array, s0: int, s_rows: Array, x: Array, x0: int, x_rows: Array, x_step: int,
    w: Array, w0: int, w_step: int, w_across: int, first: int, last: int, begins: Array, ends: Array, widths: Array,
) -> None:  # fmt: skip
    """Set rows `first` to `last` of y to those of `start` plus a product of x and w.

    The b-th block of `ROWS` rows has ``widths[b]`` numbers in a row, and sums the products of the
    numbers ``begins[b]`` to ``ends[b]`` of the rows of x with these rows of w.
    """
    half, once = VECTOR // w.itemsize // 2, np.zeros(1, np.int64)
    for row in range(first, last, ROWS):
        begin, end, width = begins[row // ROWS], ends[row // ROWS], widths[row // ROWS]
        column = 0
        while column < width:
            halves = (width - column) // half
            tile = (4 if halves >= 4 else 2 if halves >= 2 else 1) * half
            multiply_tile(
                y, y0 + column, y_rows, start, s0 + column, s_rows, x, x0 + begin * x_step, x_rows, row, once,
                w, w0 + begin * w_step + column * w_across, once, end - begin, x_step, w_step, tile,
            )  # fmt: skip
            column += tile


@helper
def rows_of(x: Array, column: int, d: int, buffer: Array, width: int) -> tuple[Array, int, int]:
    """Return a vector, where in it the columns of one head begin, and the step to the next row.

    It is x itself, if whole tiles can be read there, or else `buffer`, with rows of `width` numbers.
    """
    if is_read_in_place(x, d):
        return x.reshape(-1), column, x.shape[1]
    for t in range(x.shape[0]):
        line, into = x[t, column : column + d], buffer[t * width : t * width + d]
        for c in range(d):
            into[c] = line[c]
    return buffer, 0, width


@helper
def is_read_in_place(x: Array, d: int) -> bool:
    return d % (VECTOR // x.itemsize // 2) == 0 and x.shape[1] * x.itemsize <= IN_PLACE


@helper
def read_columns(x: Array, column: int, d: int, columns: Array, factor: float) -> None:
    """Write the columns of one head, times `factor`, as rows of `PANEL` numbers.

    The rows for the first `PANEL` positions come first, then those for the next ones. The last
    position may be written several times.
    """
    last = x.shape[0] - 1
    for t in range(0, last + 1, 4):  # four numbers in a row at a time, which is faster than one
        in_panel = t // PANEL * PANEL * d + t % PANEL
        a, b = x[t, column : column + d], x[min(t + 1, last), column : column + d]
        e, f = x[min(t + 2, last), column : column + d], x[min(t + 3, last), column : column + d]
        into = columns[in_panel : in_panel + (d - 1) * PANEL + 4]
        for c in range(d):
            into[c * PANEL] = a[c] * factor
            into[c * PANEL + 1] = b[c] * factor
            into[c * PANEL + 2] = e[c] * factor
            into[c * PANEL + 3] = f[c] * factor


@helper
def write_rows(rows: Array, width: int, x: Array, column: int, d: int) -> None:
    """Write rows of `width` numbers into the columns of one head."""
    for t in range(x.shape[0]):
        line, into = rows[t * width : t * width + d], x[t, column : column + d]
        for c in range(d):
            into[c] = line[c]


@helper
def hide(s: Array, in_s: Array, first: int, last: int, lengths: Array, mask: Array, in_mask: int, steps: Array) -> None:
    """Replace the scores of keys that a query may not look at by -inf."""
    nothing = s.dtype.type(-np.inf)
    for t in range(first, last):
        n, at = lengths[t // ROWS], in_mask + t * steps[0]
        row = s[in_s[t] : in_s[t] + n]
        if steps[1] == 1:
            allowed = mask[at : at + n]
            for j in range(n):
                row[j] = row[j] if allowed[j] else nothing
        elif not mask[at]:
            row[:] = nothing


@helper
def softmax_rows(s: Array, in_s: Array, first: int, last: int, n_keys: int, causal: bool, lengths: Array, p: Array, in_p: Array) -> None:
    """Write the softmax of rows of scores into p."""
    zero, one, size = s.dtype.type(0), s.dtype.type(1), 0
    for t in range(first, last):
        size = in_s[t] + lengths[t // ROWS]
        subtract_largest(s[in_s[t] : size], min(n_keys, t + 1) if causal else n_keys)
    for j in range(size):  # those of all rows at once, which makes a long loop
        s[j] = exp(s[j])
    for t in range(first, last):
        n = lengths[t // ROWS]
        e, row, total = s[in_s[t] : in_s[t] + n], p[in_p[t] : in_p[t] + n], zero
        for j in range(n):
            total += e[j]
        factor = one / max(total, one)  # the largest of them, if any, is 1
        for j in range(n):
            row[j] = e[j] * factor


@helper
def blocks(n_queries: int, n_keys: int, causal: bool) -> Array:
    """Return how many keys each block of `ROWS` queries looks at."""
    if not causal:
        return np.full((n_queries + ROWS - 1) // ROWS, n_keys)
    return np.minimum((np.arange((n_queries + ROWS - 1) // ROWS) + 1) * ROWS, n_keys)


@loops(
    "void(t[:, :, ::1], t[:, :, ::1], t[:, :, ::1], const boolean[::1], const int64[:, ::1], const int64[::1],"
    " boolean, t[:, :, :, ::1], t[:, :, ::1])"
)
def attend(
    q: Array, k: Array, v: Array, mask: Array, in_mask: Array, mask_steps: Array, causal: bool, p: Array, y: Array
) -> None:
    """Write the weights p, and y.

    Where a causal query may not look, p must be zero. If p has only one sample and one head,
    though there are more, it serves them all.
    """
    n_queries, n_keys, n_heads, width_p = q.shape[1], k.shape[1], in_mask.shape[1], p.shape[3]
    d, d_v = q.shape[2] // n_heads, v.shape[2] // n_heads
    width_v = in_tiles(d_v, VECTOR // q.itemsize // 2)
    factor = q.dtype.type(1 / np.sqrt(d))
    keys, value_rows = np.zeros(d * in_tiles(n_keys, PANEL), q.dtype), np.zeros(n_keys * width_v, q.dtype)
    out = np.empty(n_queries * width_v, q.dtype)
    zeros, no_rows = np.zeros(max(width_p, width_v), q.dtype), np.zeros(n_queries + ROWS, np.int64)
    in_q, in_p, in_out = row_starts(n_queries, n_heads * d), row_starts(n_queries, width_p), row_starts(n_queries, width_v)
    in_y = row_starts(n_queries, n_heads * d_v)
    n_seen = blocks(n_queries, n_keys, causal)
    none, of_d, of_v = np.zeros_like(n_seen), np.full_like(n_seen, d), np.full_like(n_seen, width_v)
    n_seen_padded = np.array([padded(n) for n in n_seen])
    at_once = max(ROWS, BLOCK // (width_p * q.itemsize) // ROWS * ROWS)
    at_once = min(at_once, len(n_seen) * ROWS)
    scores, in_scores = np.empty(at_once * width_p, q.dtype), np.empty(len(in_p), np.int64)
    for n in range(q.shape[0]):
        for h in range(n_heads):
            read_columns(k[n], h * d, d, keys, factor)
            values, in_values, value_step = rows_of(v[n], h * d_v, d_v, value_rows, width_v)
            weights = p[n if len(p) > 1 else 0, h if p.shape[1] > 1 else 0].reshape(-1)
            queries = q[n].reshape(-1)
            for first in range(0, n_queries, at_once):
                last = min(first + at_once, n_queries)
                size = 0
                for t in range(first, last + ROWS):
                    in_scores[t] = size if t < last else in_scores[last - 1]
                    if t < last:
                        size += n_seen_padded[t // ROWS]
                multiply_blocks(
                    scores, 0, in_scores, zeros, 0, no_rows, queries, h * d, in_q, 1, keys, 0, PANEL, d, first, last, none, of_d, n_seen_padded
                )
                if mask.size > 0:
                    hide(scores, in_scores, first, last, n_seen, mask, in_mask[n, h], mask_steps)
                softmax_rows(scores, in_scores, first, last, n_keys, causal, n_seen_padded, weights, in_p)
                if is_read_in_place(v[n], d_v):
                    multiply_blocks(
                        y[n].reshape(-1), h * d_v, in_y, zeros, 0, no_rows, weights, 0, in_p, 1, values, in_values, value_step, 1, first, last, none, n_seen, of_v
                    )
                else:
                    multiply_blocks(
                        out, 0, in_out, zeros, 0, no_rows, weights, 0, in_p, 1, values, in_values, value_step, 1, first, last, none, n_seen, of_v
                    )
            if not is_read_in_place(v[n], d_v):
                write_rows(out, width_v, y[n], h * d_v, d_v)


@helper
def softmax_rows_backward(
    p: Array, in_p: Array, d: Array, in_d: Array, first: int, last: int, lengths: Array, factor: float
) -> None:
    """Replace the gradients of rows of p by those of the scores, times `factor`."""
    for t in range(first, last):
        n = lengths[t // ROWS]
        row, of_row, total = p[in_p[t] : in_p[t] + n], d[in_d[t] : in_d[t] + n], p.dtype.type(0)
        for j in range(n):
            total += row[j] * of_row[j]
        for j in range(n):
            of_row[j] = (of_row[j] - total) * row[j] * factor


@loops(
    "void(t[:, :, ::1], t[:, :, ::1], t[:, :, ::1], t[:, :, ::1], t[:, :, :, ::1], int64, boolean,"
    " t[:, :, ::1], t[:, :, ::1], t[:, :, ::1])"
)
def attend_backward(
    dy: Array, q: Array, k: Array, v: Array, p: Array, n_heads: int, causal: bool, dq: Array, dk: Array, dv: Array
) -> None:
    """Write the gradients of q, k and v."""
    n_queries, n_keys, width_p = q.shape[1], k.shape[1], p.shape[3]
    d, d_v = q.shape[2] // n_heads, v.shape[2] // n_heads
    half = VECTOR // q.itemsize // 2
    width, width_v, one = in_tiles(d, half), in_tiles(d_v, half), q.dtype.type(1)
    factor = q.dtype.type(1 / np.sqrt(d))
    columns, key_rows = np.zeros(d_v * in_tiles(n_keys, PANEL), q.dtype), np.zeros(n_keys * width, q.dtype)
    query_rows, dout_rows = np.zeros(n_queries * width, q.dtype), np.zeros(n_queries * width_v, q.dtype)
    of_q, of_k, of_v = np.empty(n_queries * width, q.dtype), np.empty(n_keys * width, q.dtype), np.empty(n_keys * width_v, q.dtype)
    ds = np.empty(min(n_queries, QUERIES) * width_p, q.dtype)
    zeros, no_rows = np.zeros(max(width_p, width), q.dtype), np.zeros(n_queries + ROWS, np.int64)
    in_dy, in_p, in_ds = row_starts(n_queries, n_heads * d_v), row_starts(n_queries, width_p), np.empty(n_queries + ROWS, np.int64)
    in_place, in_place_v = is_read_in_place(q[0], d), is_read_in_place(v[0], d_v)
    in_q = row_starts(n_queries, n_heads * d if in_place else width)
    in_k = row_starts(n_keys, n_heads * d if in_place else width)
    in_v = row_starts(n_keys, n_heads * d_v if in_place_v else width_v)
    in_row = row_starts(n_keys, 1)
    n_seen = blocks(n_queries, n_keys, causal)
    n_seen_padded = np.array([padded(n) for n in n_seen])
    none, of_d_v, of_width = np.zeros_like(n_seen), np.full_like(n_seen, d_v), np.full_like(n_seen, width)
    n_key_blocks = (n_keys + ROWS - 1) // ROWS
    begins, ends = np.zeros(n_key_blocks, np.int64), np.zeros(n_key_blocks, np.int64)
    widths, widths_v = np.full(n_key_blocks, width), np.full(n_key_blocks, width_v)
    for n in range(q.shape[0]):
        dk[n] = 0
        dv[n] = 0
        for h in range(n_heads):
            read_columns(v[n], h * d_v, d_v, columns, one)
            keys, k0, k_step = rows_of(k[n], h * d, d, key_rows, width)
            queries, q0, q_step = rows_of(q[n], h * d, d, query_rows, width)
            douts, dy0, dy_step = rows_of(dy[n], h * d_v, d_v, dout_rows, width_v)
            weights, douts_in_place = p[n, h].reshape(-1), dy[n].reshape(-1)
            to_q, to_k, to_v, at, at_v = of_q, of_k, of_v, 0, 0
            if in_place:
                to_q, to_k, at = dq[n].reshape(-1), dk[n].reshape(-1), h * d
            else:
                of_k[:] = 0
            if in_place_v:
                to_v, at_v = dv[n].reshape(-1), h * d_v
            else:
                of_v[:] = 0
            for first in range(0, n_queries, QUERIES):
                last = min(first + QUERIES, n_queries)
                for t in range(first, last + ROWS):
                    in_ds[t] = (min(t, last - 1) - first) * width_p
                multiply_blocks(
                    ds, 0, in_ds, zeros, 0, no_rows, douts_in_place, h * d_v, in_dy, 1, columns, 0, PANEL, d_v,
                    first, last, none, of_d_v, n_seen_padded,
                )  # fmt: skip
                softmax_rows_backward(weights, in_p, ds, in_ds, first, last, n_seen_padded, factor)
                multiply_blocks(
                    to_q, at, in_q, zeros, 0, no_rows, ds, 0, in_ds, 1, keys, k0, k_step, 1, first, last, none, n_seen, of_width
                )
                n_reached = min(n_keys, last) if causal else n_keys
                for b in range(n_key_blocks):
                    begins[b], ends[b] = max(first, b * ROWS) if causal else first, last
                multiply_blocks(
                    to_v, at_v, in_v, to_v, at_v, in_v, weights, 0, in_row, width_p, douts, dy0, dy_step, 1,
                    0, n_reached, begins, ends, widths_v,
                )  # fmt: skip
                for b in range(n_key_blocks):
                    begins[b] -= first
                    ends[b] -= first
                multiply_blocks(
                    to_k, at, in_k, to_k, at, in_k, ds, 0, in_row, width_p, queries, q0 + first * q_step, q_step, 1,
                    0, n_reached, begins, ends, widths,
                )  # fmt: skip
            if not in_place:
                write_rows(of_q, width, dq[n], h * d, d)
                write_rows(of_k, width, dk[n], h * d, d)
            if not in_place_v:
                write_rows(of_v, width_v, dv[n], h * d_v, d_v)
