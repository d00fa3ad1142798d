"""Rows of a table by their numbers, and the sums of rows with the same number."""

from __future__ import annotations

from ..arrays import Array
from .kernel import loops


@loops("int64(const int64[::1], const t[:, ::1], int64, t[:, ::1])")
def gather_rows(ids: Array, table: Array, padding: int, y: Array) -> int:
    """Write the row of each id, zeros for `padding`, up to the first invalid id.

    Return its place in `ids`, or -1 if all are valid.
    """
    for i in range(ids.size):
        k = ids[i]
        if k < 0 or k >= table.shape[0]:
            return i
        row, of_y = table[k], y[i]
        if k == padding:
            of_y[:] = 0
        else:
            for c in range(row.size):
                of_y[c] = row[c]
    return -1


@loops("int64(const t[:, ::1], const int64[::1], int64, int64[::1], int64[::1], t[:, ::1])")
def sum_by_id(dout: Array, ids: Array, padding: int, places: Array, found: Array, sums: Array) -> int:
    """Write the distinct ids into `found`, and the sums of their rows; return their number.

    Ids are found in order, and the rows of each are added in order. `padding` is left out. `places`
    has -1 for every row of the table, before and afterwards.
    """
    n = 0
    for i in range(ids.size):
        k, row = ids[i], dout[i]
        if k == padding:
            continue
        place = places[k]
        if place < 0:
            places[k], found[n] = n, k
            of_sum = sums[n]
            for c in range(row.size):
                of_sum[c] = row[c]
            n += 1
        else:
            of_sum = sums[place]
            for c in range(row.size):
                of_sum[c] += row[c]
    for i in range(n):
        places[found[i]] = -1
    return n
