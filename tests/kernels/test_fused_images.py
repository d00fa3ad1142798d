"""Fused convolutions, max pooling and batch normalization compute what their layers compute."""

import copy
from contextlib import nullcontext

import numpy as np
import pytest

import netlib as nl
from netlib.kernels.fused import TABLE
from netlib.kernels.fused.batch_norm import _count_columns
from netlib.kernels.fused.convolution import _split
from netlib.kernels.fused.fusion import Memory
from netlib.kernels.fused.geometry import Geometry, Results
from netlib.kernels.threads import run_parts

from .versions import VERSIONS, use

CONVOLUTIONS = {
    "padded": lambda: nl.Conv2d(3, 4, 3, padding=1, rng=0, dtype="float64"),
    "without bias": lambda: nl.Conv2d(3, 4, 3, bias=False, rng=0, dtype="float64"),
    "strided": lambda: nl.Conv2d(3, 4, 3, stride=2, padding=1, rng=0, dtype="float64"),
    "unequal border": lambda: nl.Conv2d(3, 4, (3, 5), padding=((1, 2), (0, 3)), rng=0, dtype="float64"),
    "same, dilated": lambda: nl.Conv2d(3, 4, 3, padding="same", dilation=2, rng=0, dtype="float64"),
    "1×1": lambda: nl.Conv2d(3, 4, 1, rng=0, dtype="float64"),
    "border beyond the kernel": lambda: nl.Conv2d(3, 4, 3, stride=3, padding=4, rng=0, dtype="float64"),
    "one axis": lambda: nl.Conv1d(3, 4, 3, padding=1, rng=0, dtype="float64"),
    "three axes": lambda: nl.Conv3d(3, 4, 2, stride=2, padding=1, rng=0, dtype="float64"),
}
POOLS = {
    "windows side by side": lambda: nl.MaxPool2d(2),
    "overlapping": lambda: nl.MaxPool2d(3, stride=2, padding=1),
    "a last window that overhangs": lambda: nl.MaxPool2d(2, stride=3, ceil_mode=True),
    "dilated, with gaps": lambda: nl.MaxPool2d(2, stride=3, dilation=2),
    "one axis": lambda: nl.MaxPool1d(3),
    "three axes": lambda: nl.MaxPool3d(2, stride=1),
}


@pytest.fixture(params=VERSIONS, autouse=True)
def version(request, monkeypatch):
    use(request.param, monkeypatch)
    return request.param


def input_for(layer, samples=5, channels=3):
    """Return images with equal numbers among them."""
    lengths = (9, 8, 7)[: layer.axes]
    return np.round(np.random.default_rng(0).normal(size=(samples, channels, *lengths)), 1)


def assert_same(make, x, steps=3):
    """Compare a Sequential of layers, run as fused operations, with the same layers one by one."""
    model, layers = nl.Sequential(*make()), make()
    rng = np.random.default_rng(1)
    for step in range(steps):
        y, expected = model.forward(x), x
        for layer in layers:
            expected = layer.forward(expected)
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)
        kept, dout = y.copy(), rng.normal(size=y.shape)
        only_parameters = step == 1
        dx, expected_dx = model.backward(dout, input_gradient=not only_parameters), dout
        for layer in reversed(layers):
            expected_dx = layer.backward(expected_dx)
        if not only_parameters:
            np.testing.assert_allclose(dx, expected_dx, rtol=1e-11, atol=1e-12)
        twins = nl.Sequential(*layers)
        for name in ("parameters", "buffers"):
            for path, each in getattr(twins, name)().items():
                mine = getattr(model, name)()[path]
                np.testing.assert_allclose(mine.value, each.value, rtol=1e-12)
                if name == "parameters":
                    np.testing.assert_allclose(mine.grad, each.grad, rtol=1e-11, atol=1e-12)
        np.testing.assert_array_equal(y, kept)
    predicted = x
    for layer in copy.deepcopy(layers):
        predicted = layer.eval().forward(predicted)
    np.testing.assert_allclose(model.predict(x), predicted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("relu", [[], [nl.ReLU]], ids=["alone", "with ReLU"])
@pytest.mark.parametrize("make", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_fused_convolution_is_its_layers(make, relu):
    layer = make()
    assert (layer.kernel_name, *(each.kernel_name for each in relu)) in TABLE
    assert_same(lambda: [make(), *(each() for each in relu), nl.Tanh()], input_for(layer))


def test_a_block_of_samples_may_be_the_last_and_smaller(monkeypatch):
    monkeypatch.setattr("netlib.kernels.convolution.BLOCK", 2 * 36 * 72 * 8)  # two samples
    assert_same(lambda: [nl.Tanh(), CONVOLUTIONS["padded"](), nl.ReLU()], input_for(nl.Conv2d(3, 4, 3)))


@pytest.mark.parametrize("make", POOLS.values(), ids=POOLS)
def test_a_convolution_with_relu_and_pooling_is_its_layers(make):
    convolution = {1: nl.Conv1d, 2: nl.Conv2d, 3: nl.Conv3d}[make().axes]
    layers = [lambda: convolution(3, 4, 2, padding=1, rng=0, dtype="float64"), nl.ReLU, make]
    assert tuple(each().kernel_name for each in layers) in TABLE
    assert_same(lambda: [*(each() for each in layers), nl.Tanh()], input_for(make()))


def two_cores(monkeypatch):
    monkeypatch.setattr("netlib.kernels.threads.count_cores", lambda: 2)
    monkeypatch.setattr("netlib.kernels.threads.is_loaded", lambda: True)


def test_a_large_batch_runs_in_parts(monkeypatch):
    calls = []
    monkeypatch.setattr("netlib.kernels.fused.convolution._split", lambda *_: [slice(0, 3), slice(3, 5)])
    monkeypatch.setattr(
        "netlib.kernels.fused.convolution.run_parts", lambda run, parts, **options: calls.append(parts) or run_parts(run, parts)
    )
    assert_same(lambda: [nl.Tanh(), CONVOLUTIONS["padded"](), nl.ReLU(), nl.MaxPool2d(2)], input_for(nl.Conv2d(3, 4, 3)))
    assert calls


@pytest.mark.parametrize("parts", [[slice(0, 5)], [slice(0, 3), slice(3, 5)]], ids=["one part", "two parts"])
def test_a_convolution_tells_whether_it_runs_in_parts_and_leaves_out_a_gradient_that_nobody_needs(monkeypatch, parts):
    monkeypatch.setattr("netlib.kernels.fused.convolution._split", lambda *_: parts)
    layer = CONVOLUTIONS["padded"]()
    x = input_for(layer)
    assert TABLE["conv2d",].fits([layer], x)
    operation = TABLE["conv2d",].prepare([layer], [x], Memory((None,), None, (None,), None))
    assert operation.backward_parameters(operation.forward(x)) is None
    assert operation.uses_all_cores == (len(parts) > 1)


@pytest.mark.parametrize("in_use", ["numba", "numpy"])
def test_a_batch_is_split_among_the_cores_if_there_is_much_to_do(in_use, monkeypatch):
    two_cores(monkeypatch)
    monkeypatch.setattr("netlib.kernels.fused.convolution.in_use", lambda dtype, family: in_use)
    layer, parts = nl.Conv2d(3, 4, 3, padding=1), 2 if in_use == "numba" else 1
    for n, expected in ((1, 1), (4, 1), (5, parts)):
        assert (
            len(_split(layer, Geometry(layer, (n, 3, 6, 6)), np.dtype("f4"), 4 * (4 * 3 * 9) * 36)) == expected
        )  # the work on four images
    assert len(_split(layer, Geometry(layer, (1, 3, 6, 6)), np.dtype("f4"), 0)) == 1


@pytest.mark.parametrize("relu", [[], [nl.ReLU]], ids=["alone", "with ReLU"])
@pytest.mark.parametrize("n", [4, 5])
def test_batch_normalization_a_sum_and_relu_on_two_cores_are_their_layers(monkeypatch, n, relu):
    two_cores(monkeypatch)
    for name in ("batch_norm", "add", "relu"):
        monkeypatch.setattr(f"netlib.kernels.fused.{name}.WORTH_A_THREAD", 0)
    monkeypatch.setattr("netlib.containers.planning.at_most_cores", lambda n: nullcontext())  # though no convolution is there
    x = np.random.default_rng(0).normal(3, 2, size=(n, 4, 4, 4))
    operation = TABLE["batch_norm",].prepare([nl.BatchNorm(4, dtype="float64")], [x], Memory((None,), None, (None,), None))
    assert operation.uses_all_cores == (n % 2 == 0)  # parts of one size

    def layers():
        return [nl.Tanh(), nl.BatchNorm(4, dtype="float64"), *(each() for each in relu), nl.Residual(nl.Tanh()), nl.ReLU(), nl.Tanh()]

    assert_same(layers, x)


@pytest.mark.parametrize(("name", "make"), [("add", nl.Add), ("relu", nl.ReLU), ("batch_norm", lambda: nl.BatchNorm(4))])
def test_an_operation_on_more_numbers_than_it_takes_to_pay_runs_on_two_cores(monkeypatch, name, make):
    two_cores(monkeypatch)
    layer, x = make(), np.ones((4, 4, 4, 4), np.float32)
    xs = [x, x] if name == "add" else [x]
    for worth, expected in ((x.size - 1, True), (x.size, False)):
        monkeypatch.setattr(f"netlib.kernels.fused.{name}.WORTH_A_THREAD", worth)
        operation = TABLE[name,].prepare([layer], xs, Memory((None,) * len(xs), None, (None,) * len(xs), np.empty_like(x)))
        assert operation.uses_all_cores == expected


@pytest.mark.parametrize("make", POOLS.values(), ids=POOLS)
def test_fused_max_pooling_is_its_layer(make):
    assert_same(lambda: [nl.Identity(), make(), nl.Identity()], input_for(make()))


@pytest.mark.parametrize("shape", [(6, 4), (5, 4), (6, 4, 5), (3, 4, 5, 2)], ids=str)
@pytest.mark.parametrize("relu", [[], [nl.ReLU]], ids=["alone", "with ReLU"])
def test_fused_batch_normalization_is_its_layers(shape, relu):
    x = np.random.default_rng(0).normal(3, 2, size=shape)

    def make(training):
        norm = nl.BatchNorm.from_arrays([0.5, -1.0, 2.0, 3.0], [0.1, 0.2, -0.3, 0.4]).train(training)
        return [nl.Tanh(), norm, *(each() for each in relu), nl.Tanh()]

    assert_same(lambda: make(True), x)
    assert_same(lambda: make(False), x)


def test_batch_normalization_that_is_recomputed_takes_the_moments_of_the_batch():
    x = np.array([[1.0, 3.0], [5.0, 3.5]])
    norm, standardized = nl.BatchNorm(2, eps=1e-12, dtype="float64"), np.array([[-1.0, -1.0], [1.0, 1.0]])
    np.testing.assert_allclose(TABLE["batch_norm",].infer([norm], x), standardized, rtol=1e-9)
    np.testing.assert_allclose(TABLE["batch_norm", "relu"].infer([norm, nl.ReLU()], x), np.maximum(standardized, 0), rtol=1e-9)


def test_short_rows_of_channels_are_taken_together_up_to_128_columns():
    sizes = {(6 * 4, 4): 8, (7 * 4, 4): 4, (8 * 4, 4): 32, (1024 * 4, 4): 128, (1024 * 3, 3): 192, (1024 * 128, 128): 128}
    assert {(size, channels): _count_columns(size, channels) for size, channels in sizes} == sizes


@pytest.mark.parametrize("has_channels_last", [True, False])
@pytest.mark.parametrize("layout", [(0, 1, 2, 3), (0, 3, 1, 2)], ids=["C order", "channels last"])
def test_results_are_written_into_their_memory_in_whatever_layout_it_is(layout, has_channels_last):
    expected = np.arange(2.0 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    memory = np.zeros(np.empty(expected.shape).transpose(np.argsort(layout)).shape).transpose(layout)
    results = Results(memory, expected.shape, expected.dtype, has_channels_last)
    for _ in range(2):
        written = results.begin()
        written[...] = results.order(expected)
        assert written.flags.c_contiguous
        assert results.finish(written) is memory
        assert memory.tolist() == expected.tolist()
        expected = expected + 1


def test_a_network_of_all_of_them_is_its_layers():
    def make():
        first = nl.Conv2d(1, 3, 3, padding=1, rng=0, dtype="float64")
        second = nl.Conv2d(3, 4, 3, padding=1, rng=1, dtype="float64")
        norm = nl.BatchNorm(4, dtype="float64")
        last = nl.Affine(16, 3, rng=2, dtype="float64")
        return [first, nl.ReLU(), nl.MaxPool2d(2), second, norm, nl.ReLU(), nl.MaxPool2d(2), nl.Flatten(), last]

    assert_same(make, np.random.default_rng(0).normal(size=(6, 1, 8, 8)))


def test_each_layer_can_go_back_by_itself_after_a_fused_forward():
    def make():
        norm = nl.BatchNorm(4, dtype="float64")
        return [CONVOLUTIONS["padded"](), nl.ReLU(), nl.MaxPool2d(2), norm, nl.ReLU(), nl.MaxPool2d(2, stride=1)]

    model, layers = nl.Sequential(*make()), make()
    x = input_for(layers[0])
    for _ in range(3):
        y, expected = model.forward(x), x
        for layer in layers:
            expected = layer.forward(expected)
        dout = expected_dx = np.ones_like(y)
        for mine, layer in zip(reversed(list(model)), reversed(layers), strict=True):
            dout, expected_dx = mine.backward(dout), layer.backward(expected_dx)
            np.testing.assert_allclose(dout, expected_dx, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("position", range(4))
def test_another_forward_of_a_layer_makes_what_was_fused_stale(position):
    model = nl.Sequential(CONVOLUTIONS["padded"](), nl.ReLU(), nl.MaxPool2d(2), nl.BatchNorm(4, dtype="float64"), nl.ReLU())
    x = input_for(model[0])
    for _ in range(3):
        y = model.forward(x)
    model[position].forward(np.ones((2, 3, 4, 4)) if position == 0 else np.ones((2, 4, 4, 4)))
    with pytest.raises(nl.OrderError, match="another forward"):
        model.backward(np.ones_like(y))
