"""Attention, forward and backward, one head of one sample at a time.

The equations and their derivation are on the page of the layer, `attention.py`. This is faster for
three reasons: scores, softmax and the product with the values stay in the cache, for a few queries
at a time; blocks of keys to which a causal query may not attend are skipped; and heads are read in
place among the features, without transposing whole arrays.

q is (N, T, heads · d), k is (N, S, heads · d), v is (N, S, heads · d_v), y is (N, T, heads · d_v),
and p is (N, heads, T, `row_length(S)`), of which the first S columns count.

A mask is a vector of booleans, empty if there is none. The mask of sample n and head h begins at
``in_mask[n, h]``, and `mask_steps` are the steps to its next query and next key. So a mask shared
by several samples or heads is not copied.

Results are not finite where the layer's are not, except that nothing spreads from skipped keys.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import Array
from .exponentials import exp
from .kernel import helper, loops
from .vectors import ROWS, VECTOR, in_tiles, multiply_tile, row_starts, subtract_largest

LANES = 16
"""Rows of scores have a multiple of so many numbers: one vector register, or two."""
BLOCK = 1 << 15
"""The most bytes of scores at a time in forward, if they are more than a tile. They stay in L1."""
QUERIES = 64
"""Backward sums the gradients of keys and values over so many queries at a time."""
IN_PLACE = 512
"""The most bytes from one row to the next for which a head is read where it lies."""


class Rows(NamedTuple):
    """The rows of a matrix in a vector: row i begins at ``start + starts[i]``."""

    vector: Array
    start: int
    starts: Array


class Factor(NamedTuple):
    """The second factor of a product, in a vector, with the steps to the next row and column.

    Only the columns of a tile must be contiguous.
    """

    vector: Array
    start: int
    down: int
    across: int


@helper
def row_length(n_keys: int) -> int:
    """Return the length of a row of p.

    It is not a multiple of 1 kB, so that the numbers of a column do not compete for the same few
    cache lines.
    """
    n = in_tiles(n_keys, LANES)
    return n + LANES if n % 256 == 0 else n


@helper
def half_vector(x: Array) -> int:
    """Return how many numbers a row of the narrowest tile has."""
    return VECTOR // x.itemsize // 2


@helper
def panel_width(x: Array) -> int:
    """Return how many numbers a row of the widest tile has."""
    return 4 * half_vector(x)


@helper
def multiply_blocks(
    y: Rows, start: Rows, x: Rows, x_step: int, w: Factor, first: int, last: int, begins: Array, ends: Array, widths: Array
) -> None:
    """Set rows `first` to `last` of y to those of `start` plus the product of x and w.

    Rows come in blocks of `ROWS`. Block b has ``widths[b]`` columns, and sums over the numbers
    ``begins[b]`` to ``ends[b]`` of a row of x, which follow in steps of `x_step`.
    """
    half, once = half_vector(w.vector), np.zeros(1, np.int64)
    for row in range(first, last, ROWS):
        begin, length, width = begins[row // ROWS], ends[row // ROWS] - begins[row // ROWS], widths[row // ROWS]
        column = 0
        while column < width:
            halves = (width - column) // half
            tile = (4 if halves >= 4 else 2 if halves >= 2 else 1) * half
            multiply_tile(
                y.vector, y.start + column, y.starts, start.vector, start.start + column, start.starts,
                x.vector, x.start + begin * x_step, x.starts, row, once,
                w.vector, w.start + begin * w.down + column * w.across, once, length, x_step, w.down, tile,
            )  # fmt: skip
            column += tile


@helper
def is_in_place(x: Array, d: int) -> bool:
    """Return whether the columns of a head, `d` of those of x, are used in place."""
    return d % half_vector(x) == 0 and x.shape[-1] * x.itemsize <= IN_PLACE


@helper
def rows_of(x: Array, column: int, d: int, buffer: Array) -> Factor:
    """Return the columns of one head, from `column` on, in place or copied into `buffer`."""
    if is_in_place(x, d):
        return Factor(x.reshape(-1), column, x.shape[1], 1)
    width = in_tiles(d, half_vector(x))
    for t in range(x.shape[0]):
        line, into = x[t, column : column + d], buffer[t * width : t * width + d]
        for c in range(d):
            into[c] = line[c]
    return Factor(buffer, 0, width, 1)


@helper
def columns_of(x: Array, column: int, d: int, buffer: Array, factor: float) -> Factor:
    """Return the transpose of the columns of one head, times `factor`, in `buffer`.

    It is split into panels as wide as a tile, so that the rows of a panel are contiguous. The last
    position may be written several times.
    """
    last, panel = x.shape[0] - 1, panel_width(x)
    for t in range(0, last + 1, 4):  # four numbers in a row at a time, which is faster than one
        in_panel = t // panel * panel * d + t % panel
        a, b = x[t, column : column + d], x[min(t + 1, last), column : column + d]
        e, f = x[min(t + 2, last), column : column + d], x[min(t + 3, last), column : column + d]
        into = buffer[in_panel : in_panel + (d - 1) * panel + 4]
        for c in range(d):
            into[c * panel] = a[c] * factor
            into[c * panel + 1] = b[c] * factor
            into[c * panel + 2] = e[c] * factor
            into[c * panel + 3] = f[c] * factor
    return Factor(buffer, 0, panel, d)


@helper
def target(x: Array, column: int, buffer: Array, starts: Array, in_place: bool) -> Rows:
    """Return the rows into which the columns of one head are written, from `column` on."""
    return Rows(x.reshape(-1), column, starts) if in_place else Rows(buffer, 0, starts)


@helper
def write_rows(rows: Rows, x: Array, column: int, d: int) -> None:
    """Write rows into the columns of one head."""
    for t in range(x.shape[0]):
        line, into = rows.vector[rows.starts[t] : rows.starts[t] + d], x[t, column : column + d]
        for c in range(d):
            into[c] = line[c]


@helper
def count_seen(n_queries: int, n_keys: int, causal: bool, multiple: int) -> Array:
    """Return how many keys each block of `ROWS` queries sees, rounded up to a multiple."""
    n_seen = np.full((n_queries + ROWS - 1) // ROWS, in_tiles(n_keys, multiple))
    if causal:
        for b in range(len(n_seen)):
            n_seen[b] = in_tiles(min((b + 1) * ROWS, n_keys), multiple)
    return n_seen


@helper
def hide(scores: Rows, first: int, last: int, n_seen: Array, mask: Array, in_mask: int, steps: Array) -> None:
    """Replace the scores of keys to which a query may not attend by -inf."""
    nothing = scores.vector.dtype.type(-np.inf)
    for t in range(first, last):
        n, at, begin = n_seen[t // ROWS], in_mask + t * steps[0], scores.starts[t]
        row = scores.vector[begin : begin + n]
        if steps[1] == 1:
            allowed = mask[at : at + n]
            for j in range(n):
                row[j] = row[j] if allowed[j] else nothing
        elif not mask[at]:
            row[:] = nothing


@helper
def softmax_rows(scores: Rows, p: Rows, first: int, last: int, n_keys: int, causal: bool, lengths: Array) -> None:
    """Write the softmax of rows of scores, which lie one after another, into p."""
    s, end, one = scores.vector, 0, scores.vector.dtype.type(1)
    for t in range(first, last):
        begin, end = scores.starts[t], scores.starts[t] + lengths[t // ROWS]
        subtract_largest(s[begin:end], min(n_keys, t + 1) if causal else n_keys)
    for j in range(end):  # all rows at once, since loops over many numbers are faster
        s[j] = exp(s[j])
    for t in range(first, last):
        n, begin, into = lengths[t // ROWS], scores.starts[t], p.starts[t]
        e, row, total = s[begin : begin + n], p.vector[into : into + n], s.dtype.type(0)
        for j in range(n):
            total += e[j]
        share = one / (one if total < one else total)  # the largest number is 1, unless none is allowed
        for j in range(n):
            row[j] = e[j] * share


@helper
def softmax_rows_backward(p: Rows, dp: Rows, first: int, last: int, lengths: Array, factor: float) -> None:
    """Replace the gradients of rows of p by those of the scores, times `factor`."""
    for t in range(first, last):
        n, in_p, in_dp = lengths[t // ROWS], p.starts[t], dp.starts[t]
        row, of_row, total = p.vector[in_p : in_p + n], dp.vector[in_dp : in_dp + n], p.vector.dtype.type(0)
        for j in range(n):
            total += row[j] * of_row[j]
        for j in range(n):
            of_row[j] = (of_row[j] - total) * row[j] * factor


@loops(
    "void(t[:, :, ::1], t[:, :, ::1], t[:, :, ::1], const boolean[::1], const int64[:, ::1], const int64[::1],"
    " boolean, t[:, :, :, ::1], t[:, :, ::1])"
)
def attend(q: Array, k: Array, v: Array, mask: Array, in_mask: Array, mask_steps: Array, causal: bool, p: Array, y: Array) -> None:
    """Write p and y.

    Where a causal query may not attend, p must be zero. If p is not read afterwards, one sample and
    one head suffice: (1, 1, T, `row_length(S)`).
    """
    n_queries, n_keys, n_heads, length = q.shape[1], k.shape[1], in_mask.shape[1], p.shape[3]
    d, d_v, dtype = q.shape[2] // n_heads, v.shape[2] // n_heads, q.dtype
    width_v, in_place = in_tiles(d_v, half_vector(q)), is_in_place(v, d_v)
    n_blocks = (n_queries + ROWS - 1) // ROWS
    n_at_once = min(n_blocks, max(1, BLOCK // (length * q.itemsize) // ROWS)) * ROWS
    key_columns, value_rows = np.zeros(in_tiles(n_keys, panel_width(q)) * d, dtype), np.zeros(n_keys * width_v, dtype)
    some_scores, some_y = np.empty(n_at_once * length, dtype), np.empty(n_queries * width_v, dtype)
    zeros = Rows(np.zeros(max(length, width_v), dtype), 0, row_starts(n_queries, 0))
    in_q, in_p = row_starts(n_queries, q.shape[2]), row_starts(n_queries, length)
    in_y = row_starts(n_queries, y.shape[2] if in_place else width_v)
    scores = Rows(some_scores, 0, row_starts(n_queries, 0))
    n_seen, lengths = count_seen(n_queries, n_keys, causal, 1), count_seen(n_queries, n_keys, causal, LANES)
    nothing, ds, widths_v = np.full(n_blocks, 0), np.full(n_blocks, d), np.full(n_blocks, width_v)
    factor = dtype.type(1 / np.sqrt(d))
    for n in range(q.shape[0]):
        for h in range(n_heads):
            keys = columns_of(k[n], h * d, d, key_columns, factor)
            values = rows_of(v[n], h * d_v, d_v, value_rows)
            queries, ys = Rows(q[n].reshape(-1), h * d, in_q), target(y[n], h * d_v, some_y, in_y, in_place)
            weights = Rows(p[min(n, p.shape[0] - 1), min(h, p.shape[1] - 1)].reshape(-1), 0, in_p)
            for first in range(0, n_queries, n_at_once):
                last, end = min(first + n_at_once, n_queries), 0
                for t in range(first, last + ROWS):
                    scores.starts[t] = end if t < last else scores.starts[last - 1]
                    end += lengths[t // ROWS] if t < last else 0
                multiply_blocks(scores, zeros, queries, 1, keys, first, last, nothing, ds, lengths)
                if mask.size:
                    hide(scores, first, last, n_seen, mask, in_mask[n, h], mask_steps)
                softmax_rows(scores, weights, first, last, n_keys, causal, lengths)
                multiply_blocks(ys, zeros, weights, 1, values, first, last, nothing, n_seen, widths_v)
            if not in_place:
                write_rows(ys, y[n], h * d_v, d_v)


@loops("void(t[:, :, ::1], t[:, :, ::1], t[:, :, ::1], t[:, :, ::1], t[:, :, :, ::1], boolean, t[:, :, ::1], t[:, :, ::1], t[:, :, ::1])")
def attend_backward(dy: Array, q: Array, k: Array, v: Array, p: Array, causal: bool, dq: Array, dk: Array, dv: Array) -> None:
    """Write the gradients of q, k and v, given the p of forward."""
    n_queries, n_keys, n_heads, length = q.shape[1], k.shape[1], p.shape[1], p.shape[3]
    d, d_v, dtype = q.shape[2] // n_heads, v.shape[2] // n_heads, q.dtype
    width, in_place = in_tiles(d, half_vector(q)), is_in_place(q, d)
    width_v, in_place_v = in_tiles(d_v, half_vector(q)), is_in_place(v, d_v)
    n_blocks, n_key_blocks = (n_queries + ROWS - 1) // ROWS, (n_keys + ROWS - 1) // ROWS
    query_rows, some_dq = np.zeros(n_queries * width, dtype), np.empty(n_queries * width, dtype)
    key_rows, some_dk = np.zeros(n_keys * width, dtype), np.empty(n_keys * width, dtype)
    dy_rows, some_dv = np.zeros(n_queries * width_v, dtype), np.empty(n_keys * width_v, dtype)
    value_columns = np.zeros(in_tiles(n_keys, panel_width(q)) * d_v, dtype)
    zeros = Rows(np.zeros(max(length, width), dtype), 0, row_starts(n_queries, 0))
    ds = Rows(np.empty(min(n_queries, QUERIES) * length, dtype), 0, row_starts(n_queries, 0))
    in_dy, in_p, in_row = row_starts(n_queries, dy.shape[2]), row_starts(n_queries, length), row_starts(n_keys, 1)
    in_dq = row_starts(n_queries, q.shape[2] if in_place else width)
    in_dk = row_starts(n_keys, k.shape[2] if in_place else width)
    in_dv = row_starts(n_keys, v.shape[2] if in_place_v else width_v)
    n_seen, lengths = count_seen(n_queries, n_keys, causal, 1), count_seen(n_queries, n_keys, causal, LANES)
    nothing, ds_v, widths = np.full(n_blocks, 0), np.full(n_blocks, d_v), np.full(max(n_blocks, n_key_blocks), width)
    begins, ends, widths_v = np.full(n_key_blocks, 0), np.full(n_key_blocks, 0), np.full(n_key_blocks, width_v)
    factor, one = dtype.type(1 / np.sqrt(d)), dtype.type(1)
    for n in range(q.shape[0]):
        dk[n] = 0
        dv[n] = 0
        for h in range(n_heads):
            queries, keys = rows_of(q[n], h * d, d, query_rows), rows_of(k[n], h * d, d, key_rows)
            values, dys = columns_of(v[n], h * d_v, d_v, value_columns, one), rows_of(dy[n], h * d_v, d_v, dy_rows)
            weights, douts = Rows(p[n, h].reshape(-1), 0, in_p), Rows(dy[n].reshape(-1), h * d_v, in_dy)
            dqs, dks = target(dq[n], h * d, some_dq, in_dq, in_place), target(dk[n], h * d, some_dk, in_dk, in_place)
            dvs = target(dv[n], h * d_v, some_dv, in_dv, in_place_v)
            if not in_place:
                some_dk[:] = 0
            if not in_place_v:
                some_dv[:] = 0
            for first in range(0, n_queries, QUERIES):
                last = min(first + QUERIES, n_queries)
                for t in range(first, last + ROWS):
                    ds.starts[t] = (min(t, last - 1) - first) * length
                multiply_blocks(ds, zeros, douts, 1, values, first, last, nothing, ds_v, lengths)
                softmax_rows_backward(weights, ds, first, last, lengths, factor)
                multiply_blocks(dqs, zeros, ds, 1, keys, first, last, nothing, n_seen, widths)
                for b in range(n_key_blocks):
                    begins[b], ends[b] = max(b * ROWS - first, 0) if causal else 0, last - first
                n_seen_here = n_seen[(last - 1) // ROWS]
                of_keys = Rows(weights.vector, first * length, in_row)
                some_dys = Factor(dys.vector, dys.start + first * dys.down, dys.down, 1)
                multiply_blocks(dvs, dvs, of_keys, length, some_dys, 0, n_seen_here, begins, ends, widths_v)
                of_keys = Rows(ds.vector, 0, in_row)
                some_queries = Factor(queries.vector, queries.start + first * queries.down, queries.down, 1)
                multiply_blocks(dks, dks, of_keys, length, some_queries, 0, n_seen_here, begins, ends, widths)
            if not in_place:
                write_rows(dqs, dq[n], h * d, d)
                write_rows(dks, dk[n], h * d, d)
            if not in_place_v:
                write_rows(dvs, dv[n], h * d_v, d_v)
