"""L-BFGS and its line search."""

import math

import numpy as np
import pytest

import netlib as nl
from netlib import InvalidTypeError, InvalidValueError, NonFiniteError, Parameter
from netlib.optimizers import LBFGS
from netlib.optimizers.lbfgs import inverse_hessian_times
from netlib.optimizers.line_search import MOST_EVALUATIONS, Point, _between, _minimum_of_cubic, _outwards, search


def closure_of(weight, function, gradient):
    def closure():
        weight.grad += gradient(weight.value)
        return function(weight.value)

    return closure


def rosenbrock(w):
    return float(100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2)


def rosenbrock_gradient(w):
    return np.array([-400 * w[0] * (w[1] - w[0] ** 2) - 2 * (1 - w[0]), 200 * (w[1] - w[0] ** 2)], w.dtype)


@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-6), ("float32", 1e-2)])
def test_rosenbrocks_valley_leads_to_its_minimum(dtype, error):
    weight = Parameter(np.array([-1.2, 1.0], dtype))
    optimizer = LBFGS(weight, iterations=100)
    optimizer.step(closure_of(weight, rosenbrock, rosenbrock_gradient))
    np.testing.assert_allclose(weight.value, [1, 1], atol=error)
    assert optimizer.evaluations < 100
    assert weight.value.dtype == dtype
    assert not weight.grad.any()


def test_steps_that_are_interrupted_by_saving_continue_bit_for_bit():
    def run(save):
        weight = Parameter([-1.2, 1.0])
        optimizer = LBFGS(weight, iterations=3, memory=2)
        for _ in range(3):
            optimizer.step(closure_of(weight, rosenbrock, rosenbrock_gradient))
            if save:
                state, weight = optimizer.state_dict(), Parameter(weight.value.copy())
                optimizer = LBFGS(weight, iterations=3, memory=2)
                optimizer.load_state_dict(state)
        return weight.value.tolist(), optimizer.steps

    assert run(save=True) == run(save=False)


def test_the_two_loops_equal_the_product_of_the_bfgs_matrices():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(5, 5))
    hessian = a @ a.T + np.eye(5)
    pairs = [(s, hessian @ s) for s in rng.normal(size=(3, 5))]
    s, y = pairs[0]
    inverse = np.eye(5) * (s @ y) / (y @ y)
    for s, y in reversed(pairs):  # Nocedal and Wright, Eq. (6.17)
        rho, eye = 1 / (s @ y), np.eye(5)
        inverse = (eye - rho * np.outer(s, y)) @ inverse @ (eye - rho * np.outer(y, s)) + rho * np.outer(s, s)
    vector = rng.normal(size=5)
    np.testing.assert_allclose(inverse_hessian_times(vector, pairs), inverse @ vector, rtol=1e-12)


FUNCTIONS = {
    "Moré and Thuente 1": (lambda a: -a / (a * a + 2), lambda a: (a * a - 2) / (a * a + 2) ** 2),
    "a steep wall": (lambda a: math.exp(a) - 30 * a, lambda a: math.exp(a) - 30),
    "cosine": (lambda a: -math.sin(a), lambda a: -math.cos(a)),
    "not finite beyond 2": (lambda a: -a - math.log(2 - a) if a < 2 else math.nan, lambda a: -1 + 1 / (2 - a) if a < 2 else math.nan),
}


@pytest.mark.parametrize("first", [1e-3, 1.0, 1.9, 100.0])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_search_finds_a_point_that_satisfies_the_strong_wolfe_conditions(name, first):
    function, derivative = FUNCTIONS[name]
    seen = []

    def at(a):
        seen.append(a)
        return Point(a, function(a), derivative(a), np.zeros(1))

    start = at(0.0)
    found = search(at, start, first)
    assert found.value <= start.value + 1e-4 * found.step * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)
    assert len(seen) <= MOST_EVALUATIONS + 1


def test_a_search_without_any_lower_point_returns_the_start():
    start = Point(0.0, 1.0, -1.0, np.zeros(1))
    assert search(lambda a: Point(a, 2.0, 1.0, np.zeros(1)), start, 1.0) is start


def test_a_step_into_a_region_without_a_loss_turns_back():
    weight = Parameter([0.5])
    optimizer = LBFGS(weight, lr=100.0)
    with np.errstate(invalid="ignore"):
        optimizer.step(closure_of(weight, lambda w: float(10 * w[0] - np.log(w[0])), lambda w: 10 - 1 / w))
    np.testing.assert_allclose(weight.value, [0.1], rtol=1e-6)


def test_frozen_parameters_stay_and_weight_decay_adds_half_the_squares():
    weight, frozen = Parameter([0.3]), Parameter([7.0])
    frozen.trainable = False
    optimizer = LBFGS([weight, frozen], weight_decay=1.0)
    optimizer.step(closure_of(weight, lambda w: float((w[0] - 2) ** 2 / 2), lambda w: w - 2))
    np.testing.assert_allclose(weight.value, [1.0], atol=1e-7)
    assert frozen.value == [7.0]


def test_an_error_in_the_closure_leaves_the_parameters_as_they_were():
    weight = Parameter([3.0])
    optimizer = LBFGS(weight)

    def closure():
        if optimizer.evaluations == 2:
            raise ArithmeticError
        weight.grad += 2 * weight.value
        return float(weight.value[0] ** 2)

    with pytest.raises(ArithmeticError):
        optimizer.step(closure)
    assert (weight.value, weight.grad, optimizer.steps) == ([3.0], [0.0], 0)
    with pytest.raises(NonFiniteError):
        optimizer.step(lambda: math.nan)
    assert weight.value == [3.0]


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: LBFGS(Parameter([1.0])).step(), InvalidTypeError, "closure"),
        (lambda: LBFGS(Parameter([1.0]), memory=0), InvalidValueError, "memory"),
        (lambda: LBFGS(Parameter([1.0]), iterations=0), InvalidValueError, "iterations"),
        (lambda: LBFGS(Parameter([1.0]), tolerance=-1), InvalidValueError, "tolerance"),
        (lambda: LBFGS(Parameter(np.ones(1, np.float16))), InvalidTypeError, "float16"),
    ],
)
def test_what_it_cannot_do_is_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()


def network():
    return nl.Sequential(nl.Affine(1, 5, rng=0, dtype="float64"), nl.Tanh(), nl.Affine(5, 1, rng=1, dtype="float64"))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_trainer_runs_it_on_each_batch(reduction):
    model, loss = network(), nl.MeanSquaredError(reduction=reduction)
    x = np.linspace(-2, 2, 30)[:, None]
    trainer = nl.Trainer(model, loss, LBFGS(model), seed=0)
    history = trainer.fit(x, np.sin(x), epochs=5, batch_size=30, progress=False)
    assert history["loss"][-1] / loss.total_weight < 1e-4 < history["loss"][0]
    other = network()
    optimizer = LBFGS(other)

    def closure():
        value = loss.forward(other.forward(x), np.sin(x))
        other.backward(loss.backward(1.0))
        return value

    for _ in range(5):
        optimizer.step(closure)
    unshuffled = network()
    nl.Trainer(unshuffled, loss, LBFGS(unshuffled)).fit(x, np.sin(x), epochs=5, batch_size=30, shuffle=False, progress=False)
    np.testing.assert_allclose(unshuffled.predict(x), other.predict(x), rtol=1e-6)
    with pytest.raises(InvalidValueError, match="accumulate"):
        nl.Trainer(model, loss, LBFGS(model), accumulate=2)
    with pytest.raises(InvalidValueError, match="clip_norm"):
        nl.Trainer(model, loss, LBFGS(model), clip_norm=1.0)


@pytest.mark.parametrize("tolerance", [1e-7, 0.0])
def test_a_flat_function_moves_nothing_and_is_computed_once(tolerance):
    weight = Parameter([3.0, -4.0])
    optimizer = LBFGS(weight, tolerance=tolerance)
    optimizer.step(closure_of(weight, lambda w: 5.0, np.zeros_like))
    assert (weight.value.tolist(), optimizer.evaluations, optimizer.steps) == ([3.0, -4.0], 1, 1)


def test_a_function_that_falls_for_ever_ends_at_finite_parameters():
    weight = Parameter([0.0])
    optimizer = LBFGS(weight)
    optimizer.step(closure_of(weight, lambda w: -float(w[0]), lambda w: -np.ones_like(w)))
    assert 1e3 < weight.value[0] < np.inf
    assert MOST_EVALUATIONS == 25


def test_a_loss_that_is_nan_everywhere_else_leaves_the_parameters_where_they_are():
    weight = Parameter([3.0])
    optimizer = LBFGS(weight)
    optimizer.step(closure_of(weight, lambda w: 1.0 if w[0] == 3 else math.nan, np.ones_like))
    assert weight.value == [3.0]
    assert optimizer.evaluations == 1 + MOST_EVALUATIONS  # one search, and no second in the same direction


def test_nan_in_the_gradient_alone_is_refused_with_nothing_changed():
    weight = Parameter([3.0, 4.0])
    with pytest.raises(NonFiniteError, match="the loss or its gradient is not finite"):
        LBFGS(weight).step(closure_of(weight, lambda w: 1.0, lambda w: w * [math.nan, 1]))
    assert (weight.value.tolist(), weight.grad.tolist()) == ([3.0, 4.0], [0.0, 0.0])


@pytest.mark.parametrize("size", [1e-6, 1e6, 1e100])
def test_the_minimum_is_found_at_every_size_of_the_loss(size):
    weight = Parameter([3.0, -1.0])
    optimizer = LBFGS(weight, tolerance=0.0)
    optimizer.step(closure_of(weight, lambda w: size * float(w @ w) / 2, lambda w: size * w))
    np.testing.assert_allclose(weight.value, [0, 0], atol=1e-6)


def on(function, derivative):
    """Return a function that returns points of a curve, and the list of the places it was asked for."""
    seen = []

    def at(a):
        seen.append(a)
        return Point(a, function(a), derivative(a), np.zeros(1))

    return at, seen


def test_the_least_point_of_a_cubic_is_found_from_two_points_with_their_slopes():
    for size in (1, 1e-3):
        at, _ = on(lambda a, size=size: size * (a**3 - 3 * a), lambda a, size=size: size * (3 * a * a - 3))
        for ends in [(0.0, 2.0), (2.0, 0.0), (0.5, 3.0), (-0.5, 0.75)]:
            assert _minimum_of_cubic(*map(at, ends)) == pytest.approx(1)
    line, _ = on(lambda a: -a, lambda a: -1.0)
    assert _minimum_of_cubic(line(0.0), line(1.0)) is None


@pytest.mark.parametrize(("least", "step"), [(3.5, 5.2), (5.1, 5.2), (7.0, 7.0), (10.9, 10.9), (30.0, 11.0)])
def test_a_step_outwards_goes_to_the_least_point_within_1_1_and_4_widths_beyond(least, step):
    at, _ = on(lambda a: (a - least) ** 2, lambda a: 2 * (a - least))
    assert _outwards(at(1.0), at(3.0)) == pytest.approx(step)


def test_a_step_outwards_without_a_least_point_ahead_is_the_longest():
    for curve in [on(lambda a: -a, lambda a: -1.0), on(lambda a: -(a**2), lambda a: -2 * a)]:
        at, _ = curve
        assert _outwards(at(1.0), at(3.0)) == 11


@pytest.mark.parametrize(("least", "step"), [(1.05, 1.2), (2.0, 2.0), (2.95, 2.8)])
def test_a_step_between_stays_a_tenth_from_both_ends(least, step):
    at, _ = on(lambda a: (a - least) ** 2, lambda a: 2 * (a - least))
    for ends in [(1.0, 3.0), (3.0, 1.0)]:
        assert _between(*map(at, ends)) == pytest.approx(step)
    line, _ = on(lambda a: -a, lambda a: -1.0)
    assert _between(line(1.0), line(3.0)) == 2


def test_at_a_kink_that_is_never_flat_the_search_ends_where_its_interval_is_narrow():
    def f(a):
        return -a - a * a if a < 0.8 else -1.44 + 5 * (a - 0.8)

    at, seen = on(f, lambda a: -1 - 2 * a if a < 0.8 else 5.0)
    found = search(at, at(0.0), 1.0)
    assert found.step == pytest.approx(0.8, rel=2e-3)
    assert len(seen) < MOST_EVALUATIONS


def test_one_pair_is_memory_enough():
    weight = Parameter([-1.2, 1.0])
    optimizer = LBFGS(weight, memory=1, iterations=200)
    optimizer.step(closure_of(weight, rosenbrock, rosenbrock_gradient))
    np.testing.assert_allclose(weight.value, [1, 1], atol=1e-5)


def test_the_defaults_are_pytorchs_iterations_and_scipys_memory():
    optimizer = LBFGS(Parameter([1.0]))
    assert (optimizer.lr, optimizer.memory, optimizer.iterations, optimizer.tolerance, optimizer.weight_decay) == (1, 10, 20, 1e-7, 0)


@pytest.mark.parametrize(("size", "first"), [(0.1, 0.1), (0.5, 0.5), (4.0, 1.0)])
def test_the_first_point_that_is_tried_is_at_the_gradient_but_no_farther_than_1(size, first):
    weight, seen = Parameter([0.0]), []

    def function(w):
        seen.append(float(w[0]))
        return -size * float(w[0]) + 10 * float(w[0]) ** 2

    LBFGS(weight, iterations=1).step(closure_of(weight, function, lambda w: -size + 20 * w))
    assert seen[:2] == [0, first]


def test_parameters_of_two_types_and_their_pairs_and_counts_are_kept_apart():
    short, long, frozen = Parameter(np.array([3.0, -2.0, 5.0], np.float32)), Parameter([[-4.0, 1.0]]), Parameter([1.0])
    frozen.trainable = False
    optimizer = LBFGS({"short": short, "long": long, "frozen": frozen}, memory=3, iterations=4)

    def closure():
        short.grad += (short.value - [1, 2, 3]) ** 3
        long.grad += (long.value - [5, 6]) ** 3
        return float(np.sum((short.value - [1, 2, 3]) ** 4) + np.sum((long.value - [5, 6]) ** 4)) / 4

    before = closure()
    optimizer.zero_grad()
    optimizer.step(closure)
    state = optimizer.state_dict()["parameters"]
    assert [state[name]["steps"] for name in ("short", "long", "frozen")] == [1, 1, 0]
    assert all(state[name][f"{kind}{i}"].any() for name in ("short", "long") for kind in "sy" for i in range(3))
    optimizer.iterations = 100
    optimizer.step(closure)
    assert closure() < 1e-6 * before
    np.testing.assert_allclose([*short.value, *long.value[0]], [1, 2, 3, 5, 6], atol=0.05)


def test_a_search_that_finds_nothing_forgets_the_pairs():
    weight = Parameter([-1.2, 1.0])
    optimizer = LBFGS(weight, iterations=3)
    optimizer.step(closure_of(weight, rosenbrock, rosenbrock_gradient))
    here = weight.value.copy()
    optimizer.step(closure_of(weight, lambda w: 1.0 if np.array_equal(w, here) else math.nan, np.ones_like))
    (entry,) = optimizer.state_dict()["parameters"].values()
    assert not any(np.any(value) for name, value in entry.items() if name != "steps")
    assert weight.value.tolist() == here.tolist()


def test_a_lower_value_that_is_not_low_enough_ends_no_search():
    at, _ = on(lambda a: -a if a <= 0.4 else -0.2e-4, lambda a: -1.0 if a <= 0.4 else 0.0)
    found = search(at, at(0.0), 1.0)
    assert found.step == pytest.approx(0.4, rel=2e-3)


def test_beyond_the_best_point_a_higher_value_is_an_end_of_the_interval_though_it_falls_there():
    at, _ = on(lambda a: -a - a * a if a <= 1 else -1.0, lambda a: -1 - 2 * a if a <= 1 else -2.0)
    found = search(at, at(0.0), 1.0)
    assert found.step == 1
