"""Each kernel, in each of its versions, against its formula worked out in float64."""

import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from netlib import kernels
from netlib.kernels.adam import adam
from netlib.kernels.bias_relu import add_bias, add_bias_relu, rectify, relu_backward, sum_rows
from netlib.kernels.gather import gather_rows, sum_by_id
from netlib.kernels.kernel import Kernel, Loops
from netlib.kernels.normalization import moments, normalize_relu
from netlib.kernels.rectify import relu
from netlib.kernels.row_norm import normalize_rows
from netlib.kernels.softmax_cross_entropy import log_softmax, negative_log_likelihood, subtract_labels
from netlib.kernels.total import total
from netlib.parameter import Parameter

from .image_cases import IMAGE_CASES
from .versions import VERSIONS, use

SHAPES = [(1, 1), (5, 3), (5, 1), (64, 17), (3, 200), (0, 4)]
TYPES = {np.float32: 1e-5, np.float64: 1e-12}
EVERY = kernels.every(Kernel)


class Case(NamedTuple):
    """What a kernel is called with, and what becomes of it."""

    arguments: Callable[[Any], tuple]
    """For a matrix y: the arguments."""
    formula: Callable[..., dict]
    """For the same arguments in float64: what is returned, and what is written, by its place."""
    takes_any_layout: bool = False


def bias_for(y):
    return np.linspace(-1, 1, y.shape[1]).astype(y.dtype)


def mask_for(y):
    return np.random.default_rng(1).random(y.shape) > 0.5


def labels_for(y):
    return np.random.default_rng(2).integers(y.shape[1], size=len(y))


def moments_for(y):
    rng = np.random.default_rng(3)
    value, total, squares = (rng.normal(size=y.size).astype(y.dtype) for _ in range(3))
    return value, y.reshape(-1), np.empty(y.size, y.dtype), total, np.abs(squares), 0.9, 0.99, 1e-3, 0.25


def bias_and_relu(y, bias, positive):
    sums = y + bias
    return {0: np.where(sums <= 0, 0, sums), 2: sums > 0}


def masked(dout, positive, dx, dbias):
    d = dout * positive
    return {2: d, 3: d.sum(axis=0)}


def logarithms_of_shares(x):
    shifted = x - x.max(axis=-1, keepdims=True, initial=-np.inf)
    return {"returned": shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))}


def at_the_labels(p, labels, amount):
    return {0: p - amount * (np.arange(p.shape[1]) == labels[:, np.newaxis])}


def adam_step(value, grad, scratch, total, squares, b1, b2, eps, scale):
    total, squares = b1 * total + grad, b2 * squares + grad**2
    return {0: value - scale * total / (np.sqrt(squares) + eps), 2: None, 3: total, 4: squares}  # nobody reads the scratch memory


CASES = {
    add_bias: Case(lambda y: (y, bias_for(y)), lambda y, bias: {0: y + bias}),
    add_bias_relu: Case(lambda y: (y, bias_for(y), np.empty(y.shape, bool)), bias_and_relu),
    rectify: Case(lambda y: (y, bias_for(y)), lambda y, bias: {0: bias_and_relu(y, bias, None)[0]}),
    relu_backward: Case(lambda y: (y, mask_for(y), np.empty_like(y), np.empty(y.shape[1], y.dtype)), masked),
    sum_rows: Case(lambda y: (y, np.empty(y.shape[1], y.dtype)), lambda y, _: {1: y.sum(axis=0)}),
    log_softmax: Case(lambda y: (y,), logarithms_of_shares, takes_any_layout=True),
    negative_log_likelihood: Case(
        lambda y: (y, labels_for(y), np.empty(len(y), y.dtype)),
        lambda log_p, labels, _: {2: [-row[label] for row, label in zip(log_p, labels, strict=True)], "returned": True},
    ),
    subtract_labels: Case(lambda y: (y, labels_for(y), 0.75), at_the_labels),
    total: Case(lambda y: (y,), lambda y: {"returned": y.sum()}, takes_any_layout=True),
    adam: Case(moments_for, adam_step),
    **{kernel: Case(*case) for kernel, case in IMAGE_CASES.items()},
}


@pytest.fixture(params=VERSIONS)
def version(request, monkeypatch):
    use(request.param, monkeypatch)
    with np.errstate(all="ignore"):  # whether a version warns is not laid down; compiled code never does
        yield request.param


@pytest.fixture(params=TYPES, ids=lambda each: each.__name__)
def dtype(request):
    return request.param


def matrix(shape, dtype):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def in_float64(argument):
    return argument.astype(np.float64) if isinstance(argument, np.ndarray) and argument.dtype.kind == "f" else argument


def check(kernel, arguments, dtype):
    """Call a kernel, and compare everything it returns, writes and leaves alone."""
    before = [np.array(argument) for argument in arguments]
    expected = dict(CASES[kernel].formula(*(in_float64(np.copy(a)) if isinstance(a, np.ndarray) else a for a in arguments)))
    returned = kernel(*arguments)
    tolerance = {"rtol": TYPES[dtype], "atol": TYPES[dtype]}
    if "returned" in expected:
        np.testing.assert_allclose(returned, expected.pop("returned"), **tolerance)
    else:
        assert returned is None
    for place, (argument, was) in enumerate(zip(arguments, before, strict=True)):
        if place not in expected:
            np.testing.assert_array_equal(argument, was)
        elif expected[place] is not None:
            np.testing.assert_allclose(argument, expected[place], **tolerance)
    return returned


def test_every_kernel_is_tested():
    assert set(CASES) == set(EVERY)


@pytest.mark.parametrize("kernel", EVERY, ids=str)
def test_the_two_versions_have_one_signature(kernel):
    assert inspect.signature(kernel.loops.__wrapped__) == inspect.signature(kernel.numpy)


def test_no_two_loops_have_one_name():
    names = [loops.__wrapped__.__qualname__ for loops in kernels.every(Loops)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kernel", CASES, ids=str)
def test_a_kernel_is_its_formula_and_changes_nothing_else(version, kernel, dtype):
    for shape in SHAPES:
        check(kernel, CASES[kernel].arguments(matrix(shape, dtype)), dtype)


@pytest.mark.parametrize("kernel", CASES, ids=str)
def test_what_is_not_finite_goes_where_the_formula_says_and_nowhere_else(version, kernel, dtype):
    for special in (np.nan, np.inf, -np.inf):
        y = matrix((6, 5), dtype)
        y[1, 2] = y[4, 0] = y[4, 1] = special
        check(kernel, CASES[kernel].arguments(y), dtype)


@pytest.mark.parametrize("layout", ["C", "Fortran", "reversed", "unaligned", "read-only", "read-only Fortran", "big-endian"])
@pytest.mark.parametrize("kernel", [kernel for kernel in CASES if CASES[kernel].takes_any_layout], ids=str)
def test_a_kernel_that_takes_any_shape_and_layout_gives_the_same_for_each(version, kernel, layout, dtype):
    for shape in [(6, 4), (2, 3, 4), (4,), (30, 40)]:
        returned = check(kernel, (laid_out(matrix(shape, dtype), layout),), dtype)
        if kernel is log_softmax:
            assert returned.flags.c_contiguous
            assert returned.dtype == dtype or layout == "big-endian"


def laid_out(x, layout):
    """Return the same numbers, laid out in memory in another way."""
    shape, dtype = x.shape, x.dtype
    if "Fortran" in layout:
        x = np.asfortranarray(x)
    if layout == "reversed":
        x = x[::-1].copy()[::-1]
    if layout == "unaligned":
        memory = np.zeros(x.nbytes + 1, np.uint8)[1:].view(dtype).reshape(shape)
        memory[...] = x
        x = memory
    if layout == "big-endian":
        x = x.astype(x.dtype.newbyteorder(">"))
    x.flags.writeable = "read-only" not in layout
    return x


@pytest.mark.parametrize("kernel", [add_bias, add_bias_relu], ids=str)
def test_a_bias_may_be_read_only(version, kernel, dtype):
    arguments = CASES[kernel].arguments(matrix((5, 3), dtype))
    arguments[1].flags.writeable = False
    check(kernel, arguments, dtype)


@pytest.mark.parametrize("version", [version for version in VERSIONS if version != "numpy"])
@pytest.mark.parametrize("kernel", [kernel for kernel in CASES if not CASES[kernel].takes_any_layout], ids=str)
def test_loops_refuse_arrays_that_are_not_c_contiguous(monkeypatch, version, kernel, dtype):
    use(version, monkeypatch)
    arguments = CASES[kernel].arguments(matrix((4, 4), dtype))
    for i, argument in enumerate(arguments):
        if isinstance(argument, np.ndarray):
            strided = np.repeat(argument, 2, axis=-1)[..., ::2]
            with pytest.raises(TypeError, match="No matching definition"):
                kernel(*arguments[:i], strided, *arguments[i + 1 :])


# ---- what each promises besides


def test_relu_of_zero_is_zero_and_not_positive(version, dtype):
    y, positive = np.array([[0.0, -0.0, np.nan]], dtype), np.empty((1, 3), bool)
    add_bias_relu(y, np.zeros(3, dtype), positive)
    np.testing.assert_array_equal(y, [[0, 0, np.nan]])
    assert positive.tolist() == [[False, False, False]]
    y, positive = np.empty(3, dtype), np.empty(3, bool)
    relu(np.array([0.0, -0.0, np.nan], dtype), y, positive)
    np.testing.assert_array_equal(y, [0, 0, np.nan])
    assert positive.tolist() == [False, False, False]


def test_relu_of_a_number_normalized_to_zero_is_not_positive(version, dtype):
    x, one, y, positive = np.full((1, 2), 3, dtype), np.ones(2, dtype), np.empty((1, 2), dtype), np.empty((1, 2), bool)
    normalize_relu(x, x[0], one, 0 * one, y, positive)
    assert (y.tolist(), positive.tolist()) == ([[0, 0]], [[False, False]])


def test_moments_of_rows_as_long_as_a_block_or_longer(version):
    x, mean, variance = matrix((3, 4097), np.float64), np.empty(4097), np.empty(4097)
    moments(x, mean, variance)
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(variance, x.var(axis=0), rtol=1e-12)


def test_the_rounding_error_of_a_mean_is_not_in_the_variance(version):
    x = (np.random.default_rng(0).normal(size=(1, 1000)) + 1e6).astype(np.float32)
    one, inverse = np.ones(1000, np.float32), np.empty(1, np.float32)
    normalize_rows.run(x, one, one, 1e-5, True, np.empty_like(x), inverse, np.empty_like(x))
    np.testing.assert_allclose(inverse, 1 / x.std(dtype=np.float64), rtol=1e-4)


def test_rows_are_gathered_up_to_the_first_id_that_is_none(version, dtype):
    table, y = matrix((4, 3), dtype), np.empty((3, 3), dtype)
    assert gather_rows.run(np.array([3, 1, 0]), table, 1, y) == -1
    assert y.tolist() == [table[3].tolist(), [0, 0, 0], table[0].tolist()]
    assert gather_rows.run(np.array([0, 4, -1]), table, 1, y) == 1
    assert gather_rows.run(np.array([0, 0, -1]), table, 1, y) == 2


def test_rows_of_one_id_are_added_and_the_places_are_left_as_they_were(version, dtype):
    d, places, found, sums = matrix((5, 2), dtype), np.full(4, -1), np.empty(4, np.int64), np.empty((4, 2), dtype)
    assert sum_by_id.run(d, np.array([2, 0, 2, 1, 3]), 1, places, found, sums) == 3
    assert found[:3].tolist() == [2, 0, 3]
    np.testing.assert_array_equal(sums[:3], [d[0] + d[2], d[1], d[4]])
    assert places.tolist() == [-1] * 4


def test_relu_backward_works_in_place(version, dtype):
    y = matrix((64, 17), dtype)
    positive, dbias = mask_for(y), np.empty(17, dtype)
    expected = np.where(positive, y, 0)
    relu_backward(y, positive, y, dbias)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_allclose(dbias, expected.astype(np.float64).sum(axis=0), rtol=TYPES[dtype], atol=TYPES[dtype])


def test_log_softmax_takes_logits_thousands_apart(version, dtype):
    check(log_softmax, (1000 * matrix((64, 17), dtype),), dtype)


def test_a_row_with_nan_is_nan_and_the_others_are_not(version, dtype):
    got = log_softmax(np.array([[0.0, np.nan, 1.0], [np.nan, 0.0, 1.0], [0.0, 0.0, 0.0]], dtype))
    assert np.isnan(got).tolist() == [[True] * 3, [True] * 3, [False] * 3]


@pytest.mark.parametrize("bad", [3, -1, 2**62, -(2**62)])
def test_negative_log_likelihood_says_when_a_label_is_no_column(version, dtype, bad):
    assert not negative_log_likelihood(np.zeros((2, 3), dtype), np.array([0, bad]), np.empty(2, dtype))


@pytest.mark.parametrize("n", [3, 300])
def test_a_total_is_added_up_in_double_precision(version, n):
    terms = np.ones(n, np.float32)
    terms[0] = 2**24  # in float32, 2²⁴ + 1 is 2²⁴
    assert total(terms) == 2**24 + n - 1


@pytest.mark.parametrize("n", [3, 300])
def test_a_total_beyond_all_floats_is_inf_and_of_both_infinities_nan(version, n):
    assert total(np.full(n, 1.5e308)) == math.inf
    assert math.isnan(total(np.resize([math.inf, -math.inf, 0.0], n)))


@pytest.mark.parametrize("kernel", CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_half_and_extended_precision_use_numpy(version, kernel, dtype):
    if np.dtype(dtype) != np.float64:
        assert kernel.of(np.dtype(dtype)) is kernel.numpy
        kernel(*CASES[kernel].arguments(matrix((5, 3), dtype)))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_parameter_adds_the_sum_of_rows_of_any_layout(version, monkeypatch):
    use(version, monkeypatch)
    parameter, d = Parameter([0.0, 0.0]), np.array([[1.0, 2.0], [30.0, 40.0]])
    for layout in (d, np.asfortranarray(d), np.repeat(d, 2, axis=1)[:, ::2], d.reshape(2, 1, 2)):
        parameter.add_grad_sum(layout)
        parameter.add_grad_sum(layout)
        assert parameter.grad.tolist() == [62.0, 84.0]
        parameter.zero_grad()
