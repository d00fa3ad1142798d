"""A plan that is divided among cores gives the numbers of the whole one, and keeps its promises."""

import threading

import numpy as np
import pytest

import netlib as nl
from netlib.containers import division, planning
from netlib.containers.program import Program
from netlib.execution import without_caching
from netlib.kernels import load_compiled, threads
from netlib.parameter import Parameter

N = 7  # so that the shares differ


@pytest.fixture(autouse=True)
def compiled():
    load_compiled()


@pytest.fixture(autouse=True)
def way(monkeypatch):
    """Divide every plan that can be divided, in place of the three ways of conftest.py."""
    monkeypatch.setattr(division, "count_cores", lambda: 3)
    monkeypatch.setattr(division, "is_loaded", lambda: True)
    monkeypatch.setattr(division, "MIN_WORK", 0)
    monkeypatch.setattr(division, "MIN_REUSE", 0)


def network(dtype=np.float64):
    affines = [nl.Affine(4, 6, rng=0, dtype=dtype), nl.Affine(6, 6, rng=1, dtype=dtype), nl.Affine(6, 3, rng=2, dtype=dtype)]
    for affine in affines:
        affine.bias.value = np.linspace(-1, 1, affine.bias.size)
    return nl.Sequential(affines[0], nl.ReLU(), nl.Residual(nl.Sequential(affines[1], nl.ReLU())), affines[2])


def batch(seed=0, n=N):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 4)), rng.normal(size=(n, 3))


def plan_of(model):
    return model._run[0]


def train(model, steps=3, seed=0):
    """Return y, dx and the gradients of the last of some forward and backward passes."""
    for step in range(steps):
        x, dout = batch(seed + step)
        model.zero_grad()
        y = model.forward(x)
        dx = model.backward(dout)
    return [y, dx, *(parameter.grad.copy() for parameter in model.parameters().values())]


def layer_by_layer(model, x, dout):
    """Return y, dx and the gradients, by the layers of `network` alone."""
    model.zero_grad()
    first, relu, residual, last = model
    h = relu.forward(first.forward(x))
    y = last.forward(h + residual.layer.forward(h))
    d = last.backward(dout)
    dx = first.backward(relu.backward(d + residual.layer.backward(d)))
    return [y, dx, *(parameter.grad.copy() for parameter in model.parameters().values())]


def test_it_gives_the_numbers_of_the_layers():
    model = network()
    got = train(model)
    assert isinstance(plan_of(model), division.DividedPlan)
    assert [share.part for share in plan_of(model)._shares] == [slice(0, 3), slice(3, 6), slice(6, 7)]
    for a, b in zip(got, layer_by_layer(network(), *batch(2)), strict=True):
        assert np.allclose(a, b, rtol=1e-13, atol=1e-13)


def test_each_share_is_planned_for_one_core(monkeypatch):
    n_cores, make_plan = [], planning.make_plan
    monkeypatch.setattr(threads, "cores", lambda: (0, 1, 2, 3))
    monkeypatch.setattr(planning, "make_plan", lambda *parts: n_cores.append(threads.count_cores()) or make_plan(*parts))
    train(network())
    assert n_cores == [4, 1, 1, 1]


def test_the_same_batch_gives_the_same_bits():
    a, b = network(np.float32), network(np.float32)
    for x, y in zip(train(a, 20), train(b, 20), strict=True):
        assert x.tobytes() == y.tobytes()


def test_gradients_accumulate_and_optimizers_move_the_values():
    divided, whole = network(), network()
    for _ in range(2):
        divided.forward(batch()[0])  # makes the plan, whose parameters the optimizer then moves
    optimizers = [nl.SGD(each, lr=0.1) for each in (divided, whole)]
    for step in range(4):
        for seed in (step, step + 10):
            x, dout = batch(seed)
            divided.forward(x)
            divided.backward(dout)
            before = [parameter.grad.copy() for parameter in whole.parameters().values()]
            after = layer_by_layer(whole, x, dout)[2:]
            for parameter, a, b in zip(whole.parameters().values(), before, after, strict=True):
                parameter.grad = a + b
        for optimizer in optimizers:
            optimizer.step()
    assert isinstance(plan_of(divided), division.DividedPlan)
    for a, b in zip(divided.parameters().values(), whole.parameters().values(), strict=True):
        assert np.allclose(a.value, b.value, rtol=1e-12, atol=1e-12)


def test_the_input_may_change_between_forward_and_backward():
    model, (x, dout) = network(), batch(2)
    train(model, 2)
    model.zero_grad()
    model.forward(x)
    x *= 5
    model.backward(dout)
    wanted = layer_by_layer(network(), *batch(2))[2:]
    for parameter, grad in zip(model.parameters().values(), wanted, strict=True):
        assert np.allclose(parameter.grad, grad, rtol=1e-13, atol=1e-13)


def test_a_layer_has_a_backward_of_its_own_and_the_container_still_has_one():
    model, (x, dout) = network(), batch(2)
    train(model, 2)
    model.forward(x)
    other = network()
    wanted = layer_by_layer(other, x, dout)
    assert np.allclose(model[3].backward(dout), dout @ other[3].weight.value.T, rtol=1e-13)
    model.zero_grad()
    assert np.allclose(model.backward(dout), wanted[1], rtol=1e-13, atol=1e-13)


def test_an_error_counts_the_samples_of_the_whole_batch():
    class Picky(nl.ReLU):
        kernel_name = "flatten"  # counts as a layer that treats samples one by one

        def forward(self, x):
            if (x == 99).any():
                raise nl.NetlibError(f"sample {np.argwhere(x == 99)[0, 0]} is 99", where=self)
            return super().forward(x)

    model, (x, _) = nl.Sequential(Picky(), *network()), batch()
    for _ in range(3):
        model.forward(x)
    assert isinstance(plan_of(model), division.DividedPlan)
    x[6, 1] = 99
    with pytest.raises(nl.NetlibError, match=r"Sequential\[0\].*sample 6 is 99"):
        model.forward(x)
    with pytest.raises(nl.OrderError):
        model.backward(np.ones((N, 3)))


def test_an_error_in_one_share_leaves_no_half_gradients(monkeypatch):
    model, (x, dout) = network(), batch()
    train(model)
    monkeypatch.setattr(Parameter, "add_grad_product", lambda *_: 1 / 0)
    model.forward(x)
    with pytest.raises(ZeroDivisionError):
        model.backward(dout)
    monkeypatch.undo()
    model.zero_grad()
    model.forward(x)
    model.backward(dout)
    wanted = layer_by_layer(network(), x, dout)[2:]
    for parameter, grad in zip(model.parameters().values(), wanted, strict=True):
        assert np.allclose(parameter.grad, grad, rtol=1e-13, atol=1e-13)


def test_a_replaced_parameter_is_used():
    model, (x, dout) = network(), batch(2)
    train(model)
    bias = np.array([5.0, 6.0, 7.0])
    model[3].bias = nl.Parameter(bias)
    before = model[3].weight
    model.forward(x)
    y = model.forward(x)
    other = network()
    other[3].bias.value = bias
    assert np.allclose(y, layer_by_layer(other, x, dout)[0], rtol=1e-13)
    assert model[3].weight is before


def test_layers_that_mix_samples_are_not_divided():
    over_all = nl.LayerNorm((N, 3), dtype=np.float64)  # axis 0 is one of those over which it takes the mean
    for layer in (nl.BatchNorm(3, dtype=np.float64), nl.Softmax(axis=0), nl.Sum(axis=0, keepdims=True), over_all):
        model = nl.Sequential(nl.Affine(4, 3, rng=0, dtype=np.float64), layer, nl.Affine(3, 3, rng=0, dtype=np.float64))
        for _ in range(3):
            model.forward(batch()[0])
        assert not isinstance(plan_of(model), division.DividedPlan)


@pytest.mark.parametrize(
    ("shape", "is_divided"), [((2, 1, 5, 5), True), ((2, 2, 5, 5), True), ((2, 5, 5), False), ((5, 5), False), ((1, 1, 5, 5), False)]
)
def test_a_mask_is_divided_only_if_its_first_axis_is_that_of_the_samples(shape, is_divided):
    rng = np.random.default_rng(0)
    x, mask = rng.normal(size=(2, 5, 4)), rng.random(shape) < 0.5  # as many samples as heads
    layer = nl.MultiHeadAttention(4, heads=2, mask=True, dtype=np.float64, rng=1)
    first = layer.forward(x, mask)
    for _ in range(3):
        y = layer.forward(x, mask)
    assert np.allclose(y, first, rtol=1e-12, atol=1e-14)
    assert isinstance(plan_of(layer), division.DividedPlan) == (is_divided and nl.accelerator() == "numba")


def test_only_the_first_share_adds_to_the_gradients_of_the_model_itself():
    model = network()
    train(model)
    assert [len(share.parameters) > 0 for share in plan_of(model)._shares] == [False, True, True]


def test_a_number_has_no_samples_to_divide():
    model = nl.Sequential(nl.Negative(), nl.ReLU())
    for _ in range(3):
        assert model.forward(np.array(-2.0)) == 2


def test_layers_that_draw_at_random_are_not_divided():
    model = nl.Sequential(nl.LSTM(3, 4, layers=2, dropout=0.5, rng=0), nl.Affine(4, 3, rng=0))
    for _ in range(3):
        model.forward(np.ones((4, 2, 3), np.float32))
    assert not isinstance(plan_of(model), division.DividedPlan)


def test_two_threads_each_have_shares_of_their_own():
    model, results = network(), {}
    inputs = {seed: batch(seed)[0] for seed in range(4)}
    wanted = {seed: layer_by_layer(network(), x, np.ones((N, 3)))[0] for seed, x in inputs.items()}

    def run(seed):
        for _ in range(50):
            results[seed] = model.forward(inputs[seed])

    threads = [threading.Thread(target=run, args=(seed,)) for seed in inputs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, y in wanted.items():
        assert np.allclose(results[seed], y, rtol=1e-13)


def images(dtype=np.float64):
    """Return a network with batch norm and dropout, in training mode, with statistics of its own."""
    model = nl.Sequential(
        *(nl.Conv2d(1, 4, 3, padding=1, rng=0, dtype=dtype), nl.BatchNorm(4, dtype=dtype), nl.ReLU()),
        *(nl.MaxPool2d(2), nl.Flatten(), nl.Dropout(0.5, rng=1), nl.Affine(16, 3, rng=2, dtype=dtype)),
    )
    model.forward(np.random.default_rng(0).normal(size=(9, 1, 4, 4)))
    return model


@pytest.fixture
def shares(monkeypatch):
    """Collect how many samples each inference has."""
    found = []
    infer = Program.infer
    monkeypatch.setattr(Program, "infer", lambda self, inputs: found.append(len(inputs[0])) or infer(self, inputs))
    return found


@pytest.mark.parametrize("make", [network, images])
def test_inference_is_divided_and_gives_the_numbers_of_the_layers(make, shares):
    model = make()
    x = batch()[0] if make is network else np.random.default_rng(1).normal(size=(N, 1, 4, 4))
    for _ in range(2):
        shares.clear()
        y = model.predict(x)
        assert sorted(shares) == [1, 3, 3]
        model.eval()
        np.testing.assert_allclose(y, model.forward(x), rtol=1e-12)
        model.train()
    for short in (x[:1], x[:0]):
        np.testing.assert_allclose(model.predict(short), y[: len(short)], rtol=1e-12)


def test_inference_needs_samples_in_every_input_and_named_layers(shares):
    class Mean(nl.Layer):
        def forward(self, x):
            return x - x.mean(axis=0)

    attention = nl.MultiHeadAttention(4, 2, mask=True, rng=0)
    x, mask = np.random.default_rng(0).normal(size=(6, 2, 4)), np.ones((2, 2), bool)
    for model, inputs in [
        (nl.Sequential(nl.Affine(4, 4, rng=0), Mean()), batch()[:1]),
        (nl.Sequential(nl.Affine(4, 4, rng=0), nl.Sum(axis=0)), batch()[:1]),
        (attention, (x, mask)),
    ]:
        shares.clear()
        y = model.predict(*inputs)
        assert set(shares) <= {len(inputs[0])}
        np.testing.assert_allclose(y, model.forward(*inputs), rtol=1e-6)


def test_only_evaluation_is_divided(shares):
    model = images()
    x = np.random.default_rng(1).normal(size=(N, 1, 4, 4))
    with without_caching(evaluates=False):
        model.train()
        model.forward(x)
    assert shares == [N]


def test_an_error_of_inference_counts_the_samples_of_the_whole_batch():
    model = network()
    model.predict(batch()[0])
    with pytest.raises(nl.ShapeError, match=r"\(7, 3\)"):
        model.predict(np.ones((7, 3)))


def test_a_fault_in_one_share_of_an_inference_is_raised(monkeypatch):
    model = network()
    x, _ = batch()
    model.predict(x)
    infer = Program.infer

    def fail(self, inputs):
        if len(inputs[0]) < 3:
            raise ZeroDivisionError
        return infer(self, inputs)

    monkeypatch.setattr(Program, "infer", fail)
    with pytest.raises(ZeroDivisionError):
        model.predict(x)


def test_few_shapes_are_remembered(monkeypatch):
    monkeypatch.setattr(division, "MAX_SHAPES", 2)
    model = network()
    for n in range(2, 9):
        model.predict(batch(n=n)[0])
        assert len(model.program(1).divisible) <= 2


@pytest.mark.parametrize(("n_cores", "n", "expected"), [(2, 7, [3, 4]), (2, 2, [1, 1]), (3, 2, [1, 1]), (3, 1, [1]), (1, 7, [7])])
def test_an_inference_has_a_share_for_each_core(n_cores, n, expected, shares, monkeypatch):
    monkeypatch.setattr(division, "count_cores", lambda: n_cores)
    network().predict(batch(n=n)[0])
    assert sorted(shares) == expected


def test_a_share_of_an_inference_uses_one_core(monkeypatch):
    found = []
    infer = Program.infer
    monkeypatch.setattr(Program, "infer", lambda self, inputs: found.append(threads.count_cores()) or infer(self, inputs))
    network().predict(batch()[0])
    assert found == [1, 1, 1]


@pytest.mark.parametrize(("least", "expected"), [(546, [1, 3, 3]), (547, [7])])
def test_an_inference_is_divided_from_some_work_on(least, expected, shares, monkeypatch):
    monkeypatch.setattr(division, "MIN_WORK", least)  # 4 · 6 + 6 · 6 + 6 · 3 for each of 7 samples
    network().predict(batch()[0])
    assert sorted(shares) == expected
