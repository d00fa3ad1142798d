"""What the comparison with PyTorch does not say about the normalizing layers."""

from fractions import Fraction

import numpy as np
import pytest

import netlib as nl
from netlib.execution import with_total
from netlib.testing import check_layer

rng = np.random.default_rng(0)
X = rng.normal(3.0, 2.0, size=(6, 2, 4))
every_norm = pytest.mark.parametrize(
    ("kind", "arguments"),
    [(nl.BatchNorm, (2,)), (nl.LayerNorm, ((2, 4),)), (nl.RMSNorm, ((2, 4),)), (nl.GroupNorm, (2, 2)), (nl.InstanceNorm, (2,))],
)


def statistics(norm):
    return {path: buffer.value.tolist() for path, buffer in norm.buffers().items()}


def test_running_statistics_move_by_the_momentum_and_the_variance_is_unbiased():
    norm = nl.BatchNorm(1, momentum=0.25, dtype="float64")
    norm.forward([[1.0], [2.0], [6.0]])  # mean 3, squares 4 + 1 + 9
    assert statistics(norm) == {"running_mean": [0.25 * 3], "running_var": [0.75 + 0.25 * 14 / 2]}
    norm.forward([[8.0], [10.0]])
    assert statistics(norm) == {"running_mean": [0.75 * 0.75 + 0.25 * 9], "running_var": [0.75 * 2.5 + 0.25 * 2]}


@pytest.mark.parametrize("n", [0, 1, 2])
def test_processes_that_share_a_batch_take_the_mean_and_variance_of_the_whole(n):
    x = X[:, 0]
    mine, others = x[:n], x[n:]
    sums = iter([np.append(others.sum(axis=0), len(others)), np.square(others - x.mean(axis=0)).sum(axis=0)])
    norm = nl.BatchNorm(4, momentum=1.0, dtype="float64")
    with with_total(lambda own: own + next(sums)):
        y = norm.forward(mine)
    np.testing.assert_allclose(y, ((x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5))[:n], rtol=1e-12)
    np.testing.assert_allclose(norm.running_var.value, x.var(axis=0, ddof=1), rtol=1e-12)


@pytest.mark.parametrize("scales", [None, [2.0, -3.0]])
@pytest.mark.parametrize("x", [X[:, :, 0], X], ids=["rows", "images"])
def test_processes_that_share_a_batch_return_their_part_of_the_gradient_of_the_whole(x, scales):
    axes, n = (0, *range(2, x.ndim)), 2
    dout = rng.normal(size=x.shape)
    mean, deviation = x.mean(axis=axes, keepdims=True), np.sqrt(x.var(axis=axes, keepdims=True) + 1e-5)
    z = (x - mean) / deviation
    d = dout * np.reshape([1.0, 1.0] if scales is None else scales, mean.shape)
    dx = (d - d.mean(axis=axes, keepdims=True) - z * (d * z).mean(axis=axes, keepdims=True)) / deviation
    of_others = iter([
        np.append(x[n:].sum(axis=axes), x[n:, 0].size),
        np.square(x - mean)[n:].sum(axis=axes),
        np.stack([dout[n:].sum(axis=axes), (dout * z)[n:].sum(axis=axes)]),
    ])  # fmt: skip
    norm = nl.BatchNorm(2, affine=scales is not None, dtype="float64")
    if scales is not None:
        norm.weight.value = scales
    with with_total(lambda own: own + next(of_others)):
        norm.forward(x[:n])
        np.testing.assert_allclose(norm.backward(dout[:n]), dx[:n], rtol=1e-12)


def test_by_default_a_batch_has_a_tenth_of_the_weight():
    norm = nl.BatchNorm(1, dtype="float64")
    norm.forward([[1.0], [3.0]])
    assert np.allclose([norm.running_mean.value, norm.running_var.value], [[0.2], [0.9 + 0.2]], rtol=1e-15)


def test_a_momentum_of_1_keeps_the_last_batch_alone_and_0_keeps_what_was():
    for momentum, mean in [(1.0, [2.0]), (0.0, [0.0])]:
        norm = nl.BatchNorm(1, momentum=momentum)
        norm.forward([[1.0], [3.0]])
        assert norm.running_mean.value.tolist() == mean


def test_training_divides_by_the_biased_deviation():
    norm = nl.BatchNorm(1, eps=0.0, dtype="float64")
    assert norm.forward([[0.0], [4.0]]).tolist() == [[-1.0], [1.0]]


def test_before_any_training_evaluation_returns_x():
    norm = nl.BatchNorm(2, eps=0.0, dtype="float64").eval()
    assert np.array_equal(norm.forward(X), X)
    assert np.array_equal(norm.backward(X), X)


def test_in_evaluation_mode_samples_are_independent_and_the_gradient_is_that_of_constants():
    norm = nl.BatchNorm(2, eps=0.0, dtype="float64")
    norm.running_mean.value, norm.running_var.value = [1.0, 2.0], [4.0, 16.0]
    norm.weight.value, norm.bias.value = [3.0, 5.0], [0.5, 0.25]
    assert norm.eval().forward([[2.0, 6.0]]).tolist() == [[3 * 0.5 + 0.5, 5 * 1.0 + 0.25]]
    assert norm.backward([[2.0, 4.0]]).tolist() == [[2 * 3 / 2, 4 * 5 / 4]]
    assert norm.weight.grad.tolist() == [2 * 0.5, 4 * 1.0]
    assert norm.bias.grad.tolist() == [2.0, 4.0]
    assert statistics(norm) == {"running_mean": [1.0, 2.0], "running_var": [4.0, 16.0]}


@pytest.mark.parametrize("shape", [(1, 2), (1, 2, 1), (1, 2, 1, 1)])
def test_one_number_per_channel_is_refused_in_training_and_nothing_has_changed(shape):
    norm = nl.BatchNorm(2)
    with pytest.raises(nl.ShapeError, match=r"one number per channel, which has no variance. Use batches of several samples, or eval"):
        norm.forward(np.ones(shape))
    assert statistics(norm) == statistics(nl.BatchNorm(2))
    assert norm.eval().forward(np.ones(shape)).shape == shape


def test_an_empty_batch_does_not_move_the_statistics():
    norm = nl.BatchNorm(2)
    assert norm.forward(np.zeros((0, 2, 3))).shape == (0, 2, 3)
    assert norm.backward(np.zeros((0, 2, 3))).shape == (0, 2, 3)
    assert statistics(norm) == statistics(nl.BatchNorm(2))


def test_a_prediction_and_checks_do_not_move_the_statistics():
    norm = nl.BatchNorm(2, dtype="float64")
    norm.forward(X)
    before, y = statistics(norm), norm.predict(X)
    assert nl.check_gradients(norm, X).ok
    check_layer(norm, X)
    nl.jacobian(norm, X[:2])
    norm.summary((2, 2, 3))
    assert statistics(norm) == before
    assert np.array_equal(norm.predict(X), y)
    assert not np.allclose(norm.forward(X), y)


def test_a_bias_before_a_batch_norm_has_a_gradient_of_rounding_errors_which_the_checker_takes_for_zero():
    model = nl.Sequential(nl.Conv1d(2, 3, 2, rng=0), nl.BatchNorm(3), nl.ReLU(), nl.Conv1d(3, 2, 2, rng=1), nl.BatchNorm(2))
    assert nl.check_gradients(model, X).ok


def test_recomputation_moves_the_statistics_once_and_gives_the_same_numbers():
    def network():
        return nl.Sequential(nl.Conv1d(2, 3, 2, rng=0, dtype="float64"), nl.BatchNorm(3, dtype="float64"), nl.ReLU())

    plain, recomputed = network(), nl.Recompute(network())
    for _ in range(3):
        y, z = plain.forward(X), recomputed.forward(X)
        assert np.allclose(y, z, rtol=1e-12, atol=1e-14)
        assert np.allclose(plain.backward(y), recomputed.backward(y), rtol=1e-12, atol=1e-13)
    for path, values in statistics(plain).items():
        assert np.allclose(values, statistics(recomputed)[f"layer.{path}"], rtol=1e-13)
    for path, parameter in plain.parameters().items():
        assert np.allclose(parameter.grad, recomputed.parameters()[f"layer.{path}"].grad, rtol=1e-12, atol=1e-12)


def test_freezing_parameters_and_freezing_statistics_are_two_things():
    norm = nl.BatchNorm(2, dtype="float64")
    norm.weight.trainable = norm.bias.trainable = False
    norm.forward(X)
    moved = statistics(norm)
    assert moved != statistics(nl.BatchNorm(2, dtype="float64"))
    model = nl.Sequential(norm).train()
    norm.freeze()
    y = model.train().forward(X)
    assert statistics(norm) == moved
    assert np.array_equal(y, norm.predict(X))
    norm.unfreeze()
    model.forward(X)
    assert statistics(norm) != moved


def test_each_forward_of_an_accumulated_gradient_moves_the_statistics_and_has_its_own():
    norm, halves = nl.BatchNorm(2, dtype="float64"), [X[:3], X[3:]]
    alone = []
    for half in halves:
        single = nl.BatchNorm(2, dtype="float64")
        alone.append((single.forward(half), single.backward(half), single.weight.grad.copy()))
    for half, (y, dx, _) in zip(halves, alone, strict=True):
        assert np.array_equal(norm.forward(half), y)
        assert np.array_equal(norm.backward(half), dx)
    assert np.allclose(norm.weight.grad, alone[0][2] + alone[1][2], rtol=1e-14)
    means = [half.mean(axis=(0, 2)) for half in halves]
    assert np.allclose(norm.running_mean.value, 0.9 * 0.1 * means[0] + 0.1 * means[1], rtol=1e-14)


def test_the_statistics_are_in_the_state_and_tied_copies_share_them():
    norm = nl.BatchNorm(2, dtype="float64")
    twin = norm.tied_copy()
    norm.forward(X)
    assert statistics(twin) == statistics(norm)
    other = nl.BatchNorm(2, dtype="float64")
    other.load_state_dict(norm.state_dict())
    assert np.array_equal(other.predict(X), norm.predict(X))


def test_group_norm_is_layer_norm_with_one_group_and_instance_norm_with_one_per_channel():
    def run(norm):
        return norm.forward(X), norm.backward(np.cos(X))

    one, layer = run(nl.GroupNorm(1, 2, dtype="float64")), run(nl.LayerNorm((2, 4), dtype="float64"))
    each, instance = run(nl.GroupNorm(2, 2, dtype="float64")), run(nl.InstanceNorm(2, dtype="float64"))
    for a, b in [*zip(one, layer, strict=True), *zip(each, instance, strict=True)]:
        assert np.allclose(a, b, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("make", [nl.LayerNorm, lambda n: nl.GroupNorm(1, n), nl.RMSNorm])
def test_float32_numbers_around_10000_are_normalized_to_the_last_digits(make):
    x = (1e4 + np.random.default_rng(0).normal(size=(8, 64))).astype(np.float32)
    norm = make(64)
    exact = []
    for row in x:
        numbers = [Fraction(float(number)) for number in row]
        mean = Fraction(0) if isinstance(norm, nl.RMSNorm) else sum(numbers) / 64
        variance = sum((number - mean) ** 2 for number in numbers) / 64
        exact.append([float(number - mean) / float(variance + Fraction(norm.eps)) ** 0.5 for number in numbers])
    assert np.allclose(norm.forward(x), exact, rtol=1e-6, atol=1e-6)


@every_norm
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-8, 1.0, 1e4, 1e15])
def test_norms_are_silent_at_every_size_that_float32_can_square(kind, arguments, size):
    x = (size * X).astype(np.float32)
    model = nl.Sequential(kind(*arguments))
    with np.errstate(all="raise"):
        y = model.forward(x)
        dx = model.backward(np.ones_like(y))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


@every_norm
def test_without_eps_a_larger_x_gives_the_same_y_so_the_gradient_along_x_vanishes(kind, arguments):
    norm = kind(*arguments, eps=0.0, affine=False)
    norm.forward(X)
    along = norm.backward(norm.forward(X)) * X
    assert np.allclose(norm.forward(7 * X), norm.forward(X), rtol=1e-12)
    assert np.abs(along).max() < 1e-12


@every_norm
def test_by_default_every_norm_but_instance_norm_scales_and_shifts_by_parameters_that_change_nothing(kind, arguments):
    norm = kind(*arguments)
    names = {nl.InstanceNorm: [], nl.RMSNorm: ["weight"]}.get(kind, ["weight", "bias"])
    assert [*norm.parameters()] == names
    assert all((p.value == (path == "weight")).all() for path, p in norm.parameters().items())
    assert norm.eps == (np.finfo(np.float32).eps if kind is nl.RMSNorm else 1e-5)
    assert kind(*arguments, affine=False).parameters() == {}


@pytest.mark.parametrize(
    ("kind", "shape", "options"),
    [
        (nl.BatchNorm, (2,), {"momentum": 0.5}),
        (nl.GroupNorm, (2,), {"groups": 2}),
        (nl.InstanceNorm, (2,), {"eps": 0.1}),
        (nl.LayerNorm, (2, 4), {"eps": 0.1}),
    ],
)
def test_from_arrays_copies_and_keeps_the_dtype(kind, shape, options):
    weight, bias = np.full(shape, 2.0), np.full(shape, 3.0)
    norm = kind.from_arrays(weight, bias, **options)
    weight[...] = bias[...] = 7
    assert norm.weight.dtype == np.float64
    plain = kind.from_arrays(np.ones(shape), **options)
    assert not plain.bias.value.any()
    assert np.allclose(norm.forward(X), 2 * plain.forward(X) + 3, rtol=1e-14)
    assert {name: getattr(norm, name) for name in options} == options


def test_an_axis_of_length_1_is_normalized_to_0():
    assert nl.LayerNorm(1).forward([[3.0], [5.0]]).tolist() == [[0.0], [0.0]]
    assert nl.GroupNorm(1, 1).forward([[3.0], [5.0]]).tolist() == [[0.0], [0.0]]


def test_from_arrays_of_an_rms_norm_has_no_bias():
    assert nl.RMSNorm.from_arrays([2.0, 4.0], eps=0.0).forward([[3.0, 3.0]]).tolist() == [[2.0, 4.0]]
    with pytest.raises(nl.InvalidTypeError, match=r"RMSNorm.from_arrays: got a bias, which the layer does not have"):
        nl.RMSNorm.from_arrays([2.0, 4.0], [1.0, 1.0])
    with pytest.raises(nl.ShapeError, match="expected a weight with axes"):
        nl.LayerNorm.from_arrays(2.0)
    with pytest.raises(nl.ShapeError, match=r"BatchNorm.from_arrays, bias: got an array of shape \(3,\), expected \(2,\)"):
        nl.BatchNorm.from_arrays([1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nl.BatchNorm(0), "BatchNorm: channels is 0, expected at least 1"),
        (lambda: nl.BatchNorm(2, momentum=-0.1), "BatchNorm: momentum is -0.1, expected a finite number of at least 0"),
        (lambda: nl.BatchNorm(2, momentum=1.5), "BatchNorm: momentum is 1.5, expected at most 1. It is the weight of the batch"),
        (lambda: nl.BatchNorm(2, eps=-1.0), "BatchNorm: eps is -1, expected a finite number of at least 0"),
        (lambda: nl.BatchNorm(2).forward(np.ones((4, 3))), r"got x of shape \(4, 3\), expected \(N, 2, …\). Give the layer 3 channels"),
        (lambda: nl.BatchNorm(2).forward(np.ones((4, 5, 5, 2))), "Axis 1 must hold the channels"),
        (lambda: nl.LayerNorm(()), "LayerNorm: shape is empty, expected the lengths of the last axes"),
        (lambda: nl.LayerNorm((2, 3)).forward(np.ones((4, 3, 2))), r"got x of shape \(4, 3, 2\), expected \(…, 2, 3\)"),
        (lambda: nl.LayerNorm((2, 3)).forward(np.ones(3)), r"got x of shape \(3,\), expected \(…, 2, 3\)"),
        (lambda: nl.RMSNorm(2, dtype=int), "RMSNorm: dtype is int64, expected a floating-point type"),
        (lambda: nl.GroupNorm(2, 3), "GroupNorm: groups is 2, which must divide channels 3"),
        (lambda: nl.InstanceNorm(3).forward(np.ones((2, 2, 4))), r"expected \(N, 3, …\)"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(nl.NetlibError, match=message):
        make()
