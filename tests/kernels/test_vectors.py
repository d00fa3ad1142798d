"""The functions that are written as instructions for vectors: each in Python, and compiled alone."""

from functools import cache
from importlib.util import find_spec
from itertools import product

import numpy as np
import pytest

from netlib.kernels.kernel import register_helpers
from netlib.kernels.vectors import ROWS, VECTOR, add_where, in_tiles, keep_larger, multiply_tile, row_starts, subtract_largest, tile_width

TYPES = ["f4", "f8"]
NAN, INF = np.nan, np.inf


@cache
def compiled(function):
    """The instructions alone, without what numba keeps on disk."""
    from numba import njit

    register_helpers()

    def call(*arguments):
        function(*arguments)

    return njit(call)


@pytest.fixture(params=["in Python", *(["compiled"] if find_spec("numba") else [])])
def run(request):
    return compiled if request.param == "compiled" else lambda function: function


def test_a_tile_is_half_a_vector_one_or_two():
    widths = {(1, 4): 8, (8, 4): 8, (9, 4): 16, (16, 4): 16, (17, 4): 32, (99, 4): 32, (4, 8): 4, (5, 8): 8, (9, 8): 16}
    found = {(n, itemsize): tile_width(n, itemsize) for n, itemsize in widths}
    assert found == widths
    assert all(isinstance(width, int) for width in found.values())
    assert [in_tiles(n, 8) for n in (0, 1, 8, 9)] == [0, 8, 8, 16]
    assert row_starts(3, 10).tolist() == [0, 10, *[20] * 9]


def assert_tile_is_its_formula(multiply, dtype, n_halves, length):
    rng, width = np.random.default_rng(0), n_halves * VECTOR // np.dtype(dtype).itemsize // 2
    y, start, x, w = (rng.normal(size=4000).astype(dtype) for _ in range(4))
    rows, x_runs, w_runs, x_step, w_step = (
        [rng.permutation(10) * width for _ in range(3)],
        np.array([5, 200]),
        np.array([900, 3]),
        7,
        width + 2,
    )
    y_rows, s_rows, x_rows = rows
    y0, s0, x0, w0, row = 11, 13, 17, 19, 2
    expected = y.astype("f8")
    for i in range(ROWS):
        for column in range(width):
            total = start[s0 + s_rows[row + i] + column].astype("f8")
            for x_run, w_run in zip(x_runs, w_runs, strict=True):
                for k in range(length):
                    factor = x[x0 + x_rows[row + i] + x_run + k * x_step].astype("f8")
                    total += factor * w[w0 + w_run + k * w_step + column]
            expected[y0 + y_rows[row + i] + column] = total
    multiply(y, y0, y_rows, start, s0, s_rows, x, x0, x_rows, row, x_runs, w, w0, w_runs, length, x_step, w_step, width)
    np.testing.assert_allclose(y, expected, rtol=1e-4 if dtype == "f4" else 1e-12, atol=1e-5 if dtype == "f4" else 1e-13)


@pytest.mark.parametrize("dtype", TYPES)
def test_a_tile_is_its_start_plus_a_sum_of_products_over_runs(dtype, run):
    for n_halves, length in product((1, 2, 4), (1, 4, 5)):
        assert_tile_is_its_formula(run(multiply_tile), dtype, n_halves, length)


@pytest.mark.parametrize("dtype", TYPES)
def test_the_largest_of_the_first_numbers_is_subtracted(dtype, run):
    size = 2 * VECTOR // np.dtype(dtype).itemsize
    for first in ([3.0], [1.0, 4.0, NAN, -INF, 2.0], [-5.0, -7.0], [-INF, -INF], [*range(size)], [*range(size - 3, 0, -1)]):
        x = np.array(first + [1e6] * (size - len(first)), dtype)
        run(subtract_largest)(x, len(first))
        largest = max((each for each in first if each > -INF), default=0)
        np.testing.assert_array_equal(x, [*(each - largest for each in first), *[-INF] * (size - len(first))])


def assert_the_larger_are_kept(keep, dtype, is_first):
    size = np.dtype(dtype).itemsize
    pairs = [(1, 2), (2, 1), (1, 1), (NAN, 1), (1, NAN), (NAN, NAN), (INF, 5), (5, INF), (-INF, -INF), (3, -INF)]
    pairs *= 2 * VECTOR // size // len(pairs) + 1  # some vectors, and some numbers one by one
    new, best = np.array(pairs, dtype).T.copy()
    winners, n = np.arange(len(pairs), dtype=np.int32), len(pairs)
    is_larger = [a > b or (a != a and b == b) or is_first for a, b in pairs]
    x, y, found = (np.pad(each, (k, 1), constant_values=9) for k, each in ((2, new), (3, best), (3, winners)))
    keep(x, 2, y, found, 3, n, np.int32(77), is_first)
    np.testing.assert_array_equal(y, [9, 9, 9, *np.where(is_larger, new, best), 9])
    np.testing.assert_array_equal(found, [9, 9, 9, *np.where(is_larger, 77, winners), 9])


@pytest.mark.parametrize("dtype", TYPES)
def test_larger_numbers_and_nan_replace_smaller_ones_and_the_first_replace_all(dtype, run):
    for is_first in (False, True):
        assert_the_larger_are_kept(run(keep_larger), dtype, is_first)


@pytest.mark.parametrize("dtype", TYPES)
def test_gradients_go_where_they_won_and_nowhere_else(dtype, run):
    n = 2 * VECTOR // np.dtype(dtype).itemsize + 3
    dout, winners = np.arange(n + 9.0).astype(dtype), np.arange(n + 9, dtype=np.int32) % 3
    dout[5] = dout[7] = NAN
    dx = np.full(n + 9, 0.5, dtype)
    run(add_where)(dx, 6, dout, winners, 4, n, np.int32(1))
    shares = [dout[i] if i % 3 == 1 else 0.0 for i in range(4, n + 4)]
    np.testing.assert_array_equal(dx, [*[0.5] * 6, *(0.5 + share for share in shares), *[0.5] * 3])
