"""Which inputs the rows of the table take, and for which of them axis 0 counts samples."""

import numpy as np
import pytest

import netlib as nl
from netlib.kernels.fused import TABLE

TAKEN = {
    "batch norm": (
        lambda: nl.BatchNorm(4, dtype="float64"),
        {(6, 4): True, (1, 4, 1, 2): True, (1, 4): False, (1, 4, 1, 1): False, (6, 5): False, (4,): False, (0, 4): False, (6, 4, 0): False},
    ),
    "batch norm in evaluation": (lambda: nl.BatchNorm(4, dtype="float64").eval(), {(6, 4): True, (1, 4): True, (0, 4): False}),
    "batch norm without weights": (lambda: nl.BatchNorm(4, affine=False, dtype="float64"), {(6, 4): False}),
    "learned positions": (
        lambda: nl.PositionalEmbedding(5, 4, dtype="float64"),
        {(5, 4): True, (1, 4): True, (2, 3, 4): True, (6, 4): False, (5, 3): False, (4,): False, (0, 5, 4): False},
    ),
    "sinusoidal encoding": (lambda: nl.SinusoidalEncoding(4), {(9, 4): True, (1, 4): True, (9, 2): False, (4,): False, (0, 4): False}),
    "max pooling": (
        lambda: nl.MaxPool2d(2),
        {(1, 3, 2, 2): True, (2, 3, 4, 4): True, (3, 4, 4): False, (0, 3, 4, 4): False, (2, 3, 1, 4): False},
    ),
    "max pooling along one axis": (lambda: nl.MaxPool1d(2), {(2, 3, 4): True, (3, 4): False}),
    "ReLU": (nl.ReLU, {(2, 3): True, (2, 3, 4): True, (3,): False, (): False}),
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_row_takes_floating_numbers_of_the_shapes_that_it_can_run(name):
    make, shapes = TAKEN[name]
    layer = make()
    fits = TABLE[layer.kernel_name,].fits
    assert {shape: fits([layer], np.ones(shape)) for shape in shapes} == shapes
    assert not any(fits([layer], np.ones(shape, int)) for shape in shapes)


@pytest.mark.parametrize("make", [TAKEN["batch norm"][0], TAKEN["learned positions"][0]])
def test_a_row_with_parameters_takes_numbers_of_their_type_alone(make):
    layer = make()
    assert not TABLE[layer.kernel_name,].fits([layer], np.ones((5, 4), np.float32))
    if layer.kernel_name == "positional_embedding":
        assert not TABLE[layer.kernel_name,].fits([layer], np.ones((6, 4), np.float32))


def test_a_convolution_is_taken_with_a_pooling_that_fits_what_it_returns():
    layer, x = nl.Conv2d(3, 4, 1), np.ones((2, 3, 4, 4), np.float32)
    for make, expected in ((lambda: nl.MaxPool2d(3, stride=1), True), (lambda: nl.MaxPool2d(5), False)):
        assert TABLE["conv2d", "relu", "max_pool2d"].fits([layer, nl.ReLU(), make()], x) == expected
    fits = TABLE["conv2d",].fits
    shapes = {(2, 3, 4, 4): True, (2, 4, 4, 4): False, (3, 4, 4): False, (0, 3, 4, 4): False}
    assert {shape: fits([layer], np.ones(shape, np.float32)) for shape in shapes} == shapes
    assert not fits([layer], x.astype(np.float64))
    assert not fits([nl.Conv2d(3, 3, 1, groups=3)], x)
    assert not TABLE["conv2d", "relu", "max_pool2d"].fits([layer, nl.ReLU(), nl.MaxPool2d(3)], x.astype(np.float64))


def gives_the_same_one_by_one(layer, xs):
    """Return whether the layer computes the same for each slice along axis 0 as for all at once."""
    y = layer.forward(*xs)
    try:
        parts = [layer.forward(*(x[i : i + 1] for x in xs)) for i in range(len(y))]
    except nl.NetlibError:
        return False
    return np.allclose(np.concatenate(parts), y)


@pytest.mark.parametrize(
    ("make", "shapes", "expected"),
    [
        (lambda: nl.LayerNorm(4), [(3, 4)], True),
        (lambda: nl.LayerNorm((3, 4)), [(2, 3, 4)], True),
        (lambda: nl.LayerNorm((3, 4)), [(3, 4)], False),
        (lambda: nl.BatchNorm(4), [(3, 4)], False),
        (lambda: nl.PositionalEmbedding(3, 4), [(2, 3, 4)], True),
        (lambda: nl.PositionalEmbedding(3, 4), [(3, 4)], False),
        (lambda: nl.SinusoidalEncoding(4), [(2, 3, 4)], True),
        (lambda: nl.SinusoidalEncoding(4), [(3, 4)], False),
        (nl.ScaledDotProductAttention, [(3, 3, 4)] * 3, True),
        (nl.ScaledDotProductAttention, [(3, 4)] * 3, False),
        (lambda: nl.ScaledDotProductAttention(mask=True), [(3, 3, 4)] * 3 + [(3, 3, 3)], True),
        (lambda: nl.ScaledDotProductAttention(mask=True), [(3, 3, 4)] * 3 + [(3, 3)], False),
    ],
)  # fmt: skip
def test_samples_are_said_to_be_separate_where_each_can_be_computed_by_itself(make, shapes, expected):
    rng, layer = np.random.default_rng(0), make()
    xs = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    if len(xs) == 4:
        xs[3] = xs[3] < 1
    assert TABLE[layer.kernel_name,].separates_samples([layer], *xs) == gives_the_same_one_by_one(layer, xs) == expected
