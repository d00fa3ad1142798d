"""One step of each optimizer, by hand, and what every step keeps."""

import math

import numpy as np
import pytest

from netlib import InvalidTypeError, InvalidValueError, NetlibError
from netlib.layer import Layer, Parameter
from netlib.optimizers import LBFGS, SGD, AdaDelta, AdaGrad, Adam, Adamax, AdamW, Lion, NAdam, Optimizer, RAdam, RMSProp, schedules
from netlib.optimizers.flat import BLOCK

EVERY = [
    pytest.param(SGD, {}, id="SGD"),
    pytest.param(SGD, {"momentum": 0.9}, id="momentum"),
    pytest.param(SGD, {"momentum": 0.9, "nesterov": True}, id="nesterov"),
    pytest.param(AdaGrad, {}, id="AdaGrad"),
    pytest.param(RMSProp, {}, id="RMSProp"),
    pytest.param(Adam, {}, id="Adam"),
    pytest.param(Adam, {"weight_decay": 0.1}, id="Adam with decay"),
    pytest.param(AdamW, {}, id="AdamW"),
    pytest.param(AdaDelta, {"eps": 0.01}, id="AdaDelta"),
    pytest.param(Adamax, {}, id="Adamax"),
    pytest.param(NAdam, {}, id="NAdam"),
    pytest.param(RAdam, {}, id="RAdam"),
    pytest.param(Lion, {}, id="Lion"),
]
WITH_LBFGS = [*EVERY, pytest.param(LBFGS, {"iterations": 1}, id="LBFGS")]  # whose steps see all numbers together


def step(optimizer, gradients):
    """Make a step with these gradients, a dict from parameter to array; L-BFGS asks at other points, too.

    Its loss is a paraboloid that has the gradients where the step begins.
    """
    starts = {p: p.value.copy() for p in gradients}

    def closure():
        for p, g in gradients.items():
            p.grad += (g + p.value - starts[p]).astype(p.dtype)
        return sum(float(np.sum((g + (p.value - starts[p]) / 2) * (p.value - starts[p]))) for p, g in gradients.items())

    if optimizer.needs_closure:
        optimizer.step(closure)
    else:
        closure()
        optimizer.step()


def stepped(make, gradients, value=1.0):
    weight = Parameter([value])
    optimizer = make(weight)
    seen = []
    for g in gradients:
        weight.grad += g
        optimizer.step()
        seen.append(float(weight.value[0]))
    return seen


def test_sgd_subtracts_rate_times_gradient():
    assert stepped(lambda p: SGD(p, lr=0.5), [2.0, -1.0]) == [0.0, 0.5]


def test_momentum_adds_up_earlier_gradients():
    # v = 2, then 0.5·2 + 1 = 2: 1 − 0.25·2 = 0.5, then 0.
    assert stepped(lambda p: SGD(p, lr=0.25, momentum=0.5), [2.0, 1.0]) == [0.5, 0.0]


def test_nesterov_looks_one_momentum_ahead():
    # v = 2: step 0.25·(2 + 0.5·2) = 0.75; v = 0.5·2 + 1 = 2: step 0.25·(1 + 1) = 0.5.
    assert stepped(lambda p: SGD(p, lr=0.25, momentum=0.5, nesterov=True), [2.0, 1.0]) == [0.25, -0.25]


def test_weight_decay_pulls_towards_zero():
    assert stepped(lambda p: SGD(p, lr=0.5, weight_decay=0.5), [0.0, 0.0]) == [0.75, 0.5625]


def test_adagrad_divides_by_the_root_of_all_squares():
    # √9 = 3, then √(9 + 16) = 5.
    assert stepped(lambda p: AdaGrad(p, lr=1.0, eps=0), [3.0, 4.0]) == pytest.approx([0.0, -0.8], abs=1e-15)


def test_adagrad_adds_eps_to_the_root():
    assert stepped(lambda p: AdaGrad(p, lr=1.0, eps=12.0), [4.0]) == [1 - 4 / (4 + 12)]


def test_rmsprop_divides_by_the_running_root_mean_square():
    # v = 0.25·16 = 4: step 0.5·4/2 = 1; v = 0.75·4 + 0.25·4 = 4: step 0.5·2/2 = 0.5.
    assert stepped(lambda p: RMSProp(p, lr=0.5, alpha=0.75, eps=0), [4.0, 2.0]) == pytest.approx([0.0, -0.5], abs=1e-15)


def test_rmsprop_adds_eps_to_the_root():
    assert stepped(lambda p: RMSProp(p, lr=1.0, alpha=0.75, eps=2.0), [4.0]) == pytest.approx([1 - 4 / (2 + 2)], abs=1e-15)


@pytest.mark.parametrize("kind", [AdaGrad, RMSProp])
def test_the_step_is_proportional_to_the_rate(kind):
    (once,), (thrice,) = (stepped(lambda p, rate=rate: kind(p, lr=rate), [4.0], value=0.0) for rate in (0.25, 0.75))
    assert thrice == pytest.approx(3 * once, rel=1e-15)
    assert once < 0


def test_the_defaults_are_the_usual_ones():
    def settings(kind):
        state = kind(Parameter([1.0])).state_dict()
        return {name: value for name, value in state.items() if name not in ("type", "steps", "parameters")}

    # Kingma and Ba, 2015, Algorithm 1, and for the rest PyTorch's.
    assert settings(Adam) == {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}
    assert settings(AdamW) == {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}
    assert settings(AdaGrad) == {"lr": 0.01, "eps": 1e-10, "weight_decay": 0}
    assert settings(RMSProp) == {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0}
    assert settings(AdaDelta) == {"lr": 1, "rho": 0.9, "eps": 1e-6, "weight_decay": 0}
    assert settings(Adamax) == {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}
    assert settings(NAdam) == {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "momentum_decay": 4e-3}
    assert settings(RAdam) == {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}
    assert settings(Lion) == {"lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0}  # Chen et al., 2023
    assert settings(SGD) == {"lr": 0.01, "momentum": 0, "nesterov": False, "weight_decay": 0}


def test_a_users_optimizer_decays_nothing_unless_asked_to():
    class Descent(Optimizer):
        def update(self, rate, t, value, grad, scratch):
            value -= rate * grad

    assert stepped(lambda p: Descent(p, lr=0.5), [0.0, 1.0]) == [1, 0.5]
    assert stepped(lambda p: Descent(p, lr=0.5, weight_decay=0.5), [0.0]) == [0.75]


def test_adams_first_step_is_the_rate_whatever_the_gradient():
    assert stepped(lambda p: Adam(p, lr=0.1, eps=0), [1e-5]) == pytest.approx([0.9], abs=1e-15)
    assert stepped(lambda p: Adam(p, lr=0.1, eps=0), [-1e5]) == pytest.approx([1.1], abs=1e-15)


def test_adams_second_step_by_hand():
    # b1 = b2 = 0.5, g = 1 then 3:
    # m/(1 − b1²) = (0.25 + 1.5)/0.75 = 7/3; v/(1 − b2²) = (0.25 + 4.5)/0.75 = 19/3.
    first = 1 - 0.1 * 1 / (1 + 0.5)
    expected = [first, first - 0.1 * (7 / 3) / (math.sqrt(19 / 3) + 0.5)]
    assert stepped(lambda p: Adam(p, lr=0.1, betas=(0.5, 0.5), eps=0.5), [1.0, 3.0]) == pytest.approx(expected, abs=1e-15)


def test_adamw_decays_the_weight_and_not_the_moments():
    assert stepped(lambda p: AdamW(p, lr=0.1, weight_decay=0.5, eps=0), [7.0], value=2.0) == pytest.approx([2 * 0.95 - 0.1], abs=1e-15)


def test_adadelta_steps_by_the_ratio_of_two_root_mean_squares():
    # v = 0.25·16 = 4, d = 4·√1/√5; u = 0.25·16/5 = 0.8; then v = 0.75·4 + 0.25·4 = 4, d = 2·√1.8/√5.
    d1, d2 = 4 / math.sqrt(5), 2 * math.sqrt(1.8 / 5)
    seen = stepped(lambda p: AdaDelta(p, lr=0.5, rho=0.75, eps=1.0), [4.0, 2.0])
    assert seen == pytest.approx([1 - 0.5 * d1, 1 - 0.5 * d1 - 0.5 * d2], abs=1e-15)


def test_adamax_divides_by_the_largest_recent_gradient():
    # m = 2, u = 4 + 1; then m = 1 + 1, u = max(0.75·5, 2 + 1), corrected by 1 − 0.5² = 0.75.
    expected = [1 - 0.5 / 0.5 * 2 / 5]
    expected.append(expected[0] - 0.5 / 0.75 * 2 / 3.75)
    assert stepped(lambda p: Adamax(p, lr=0.5, betas=(0.5, 0.75), eps=1.0), [4.0, -1 + 3.0]) == pytest.approx(expected, abs=1e-15)


def nadam_by_hand(gradients, lr, b1, b2, eps, decay):
    w, m, v, product = 1.0, 0.0, 0.0, 1.0
    for t, g in enumerate(gradients, 1):
        mu, after = (b1 * (1 - 0.96 ** (s * decay) / 2) for s in (t, t + 1))
        product *= mu
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        w -= lr * (after * m / (1 - product * after) + (1 - mu) * g / (1 - product)) / (math.sqrt(v / (1 - b2**t)) + eps)
        yield w


def test_nadam_looks_one_momentum_ahead():
    expected = list(nadam_by_hand([4.0, 2.0, -1.0], 0.5, 0.5, 0.75, 0.25, 0.5))
    seen = stepped(lambda p: NAdam(p, lr=0.5, betas=(0.5, 0.75), eps=0.25, momentum_decay=0.5), [4.0, 2.0, -1.0])
    assert seen == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("change", [{"betas": (0.25, 0.75)}, {"momentum_decay": 2.0}])
def test_nadam_uses_the_momentum_that_it_has_now(change):
    expected = stepped(lambda p: NAdam(p, **{"betas": (0.5, 0.75), **change}), [0.0, 3.0])
    weight = Parameter([1.0])
    optimizer = NAdam(weight, betas=(0.5, 0.75))
    optimizer.step()
    for name, value in change.items():
        setattr(optimizer, name, value)
    weight.grad += 3
    optimizer.step()
    assert weight.value.tolist() == expected[1:]


def radam_by_hand(gradients, lr, b1, b2, eps):
    w, m, v, longest = 1.0, 0.0, 0.0, 2 / (1 - b2) - 1
    for t, g in enumerate(gradients, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        length = longest - 2 * t * b2**t / (1 - b2**t)
        step = lr * m / (1 - b1**t)
        if length > 5:
            r = math.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
            step *= r * math.sqrt(1 - b2**t) / (math.sqrt(v) + eps)
        w -= step
        yield w


def test_radam_divides_from_the_sixth_step_on():
    gradients = [4.0, 2.0, -1.0, 3.0, 1.0, 2.0, 0.5]
    seen = stepped(lambda p: RAdam(p, lr=0.125, betas=(0.5, 0.99), eps=0.25), gradients)
    assert seen == pytest.approx(list(radam_by_hand(gradients, 0.125, 0.5, 0.99, 0.25)), abs=1e-14)
    plain = stepped(lambda p: RAdam(p, lr=0.125, betas=(0.5, 0.99), eps=1e9), gradients)
    assert [a == b for a, b in zip(seen, plain, strict=True)] == [True] * 5 + [False] * 2


def test_lion_steps_by_the_sign_of_one_mean_and_keeps_another():
    # m = 0.25·4 = 1; 0.5·1 − 0.5·0.5 > 0, m = 0.75 − 0.125 = 0.625; 0.5·0.625 − 0.5·1 < 0.
    assert stepped(lambda p: Lion(p, lr=0.25, betas=(0.5, 0.75)), [4.0, -0.5, -1.0]) == [0.75, 0.5, 0.75]
    assert stepped(lambda p: Lion(p, lr=0.25, weight_decay=0.5), [4.0]) == [1 - 0.125 - 0.25]


def test_a_schedule_is_asked_for_the_steps_from_0():
    assert stepped(lambda p: SGD(p, lr=lambda step: [0.5, 0.25, 0.0][step]), [1.0, 1.0, 1.0]) == [0.5, 0.25, 0.25]


@pytest.mark.parametrize(("kind", "settings"), WITH_LBFGS)
def test_a_step_uses_the_gradient_up(kind, settings):
    weight = Parameter([1.0, 2.0])
    optimizer = kind(weight, **settings)
    held = weight.grad
    step(optimizer, {weight: np.full(2, 3.0)})
    assert weight.grad is held
    assert (held == 0).all()
    weight.add_grad(np.ones(2))
    assert (weight.grad == 1).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("kind", "settings"), WITH_LBFGS)
def test_every_type_stays_and_moves_against_the_gradient(kind, settings, dtype):
    weight = Parameter(np.array([1, -2, 3], dtype))
    if kind is LBFGS and dtype == "float16":
        with pytest.raises(InvalidTypeError, match="float16"):
            kind(weight)
        return
    optimizer = kind(weight, lr=0.125, **settings)
    for _ in range(3):
        before = weight.value.copy()
        step(optimizer, {weight: np.array([1, -1, 2], dtype)})
        assert weight.dtype == weight.value.dtype == weight.grad.dtype == dtype
        assert (np.sign(before - weight.value) == [1, -1, 1]).all()


def test_half_precision_adam_survives_gradients_whose_squares_do_not_fit():
    weight = Parameter(np.ones(2, np.float16))
    weight.grad += np.array([1e4, 1e-6], np.float16)
    Adam(weight, lr=0.125).step()
    assert weight.value.tolist() == pytest.approx([0.875, 0.875], rel=0.02)


@pytest.mark.parametrize(("kind", "settings"), EVERY)
def test_blocks_and_neighbours_change_nothing(kind, settings):
    """A number's way is its own, in whichever block or run it lies."""
    rng = np.random.default_rng(0)
    values, grads = rng.normal(size=(2, BLOCK + 7))
    together = [Parameter(values[:5]), Parameter(values[5 : BLOCK + 2]), Parameter(values[BLOCK + 2 :])]
    alone = [Parameter(each.value) for each in together]
    optimizers = [kind(together, **settings), *(kind(each, **settings) for each in alone)]
    for _ in range(3):
        for ps in (together, alone):
            for p, g in zip(ps, np.split(grads, [5, BLOCK + 2]), strict=True):
                p.grad += g
        for optimizer in optimizers:
            optimizer.step()
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a.value, b.value, rtol=1e-14)


@pytest.mark.parametrize(("kind", "settings"), WITH_LBFGS)
def test_what_is_not_trainable_stays_bit_for_bit(kind, settings):
    parameters = [Parameter(np.full(3, float(i))) for i in range(4)]
    parameters[1].trainable = parameters[3].trainable = False
    optimizer = kind(parameters, **settings)
    step(optimizer, dict.fromkeys(parameters, 5.0))
    assert [(p.value == i).all() for i, p in enumerate(parameters)] == [False, True, False, True]
    assert all((p.grad == 0).all() for p in parameters)


def test_what_is_unfrozen_later_counts_its_own_steps():
    late, early = Parameter([1.0]), Parameter([1.0])
    late.trainable = False
    optimizer = Adam([early, late], lr=0.1, eps=0)
    for _ in range(5):
        early.grad += 1
        late.grad += 1
        optimizer.step()
    assert late.value == 1
    late.trainable = True
    late.grad += 1e-3
    optimizer.step()
    assert late.value[0] == pytest.approx(0.9, abs=1e-15)
    assert [entry["steps"] for entry in optimizer.state_dict()["parameters"].values()] == [6, 1]


def test_what_is_frozen_meanwhile_goes_on_where_it_was():
    weight, twin = Parameter([1.0]), Parameter([1.0])
    other = Parameter([0.0])
    optimizer, steady = Adam([weight, other], lr=0.1), Adam(twin, lr=0.1)
    for frozen in (False, True, True, False):
        weight.trainable = not frozen
        weight.grad += 2
        optimizer.step()
        if not frozen:
            twin.grad += 2
            steady.step()
    np.testing.assert_array_equal(weight.value, twin.value)


@pytest.mark.parametrize(("kind", "settings"), WITH_LBFGS)
def test_a_first_gradient_of_zeros_moves_nothing(kind, settings):
    weight = Parameter([1.0, -2.0])
    optimizer = kind(weight, **{**settings, "weight_decay": 0.0})
    step(optimizer, {weight: np.zeros(2)})
    assert weight.value.tolist() == [1.0, -2.0]
    assert optimizer.steps == 1


@pytest.mark.parametrize(("kind", "settings"), EVERY)
def test_no_gradient_is_a_gradient_of_zeros(kind, settings):
    idle, told = Parameter([1.0, 2.0]), Parameter([1.0, 2.0])
    optimizers = kind(idle, **settings), kind(told, **settings)
    for g in (1.0, 0.0):
        for p in (idle, told):
            if p is told or g:
                p.add_grad(np.full(2, g))
        for optimizer in optimizers:
            optimizer.step()
    np.testing.assert_array_equal(idle.value, told.value)


def test_no_gradient_is_zeros_also_at_the_step_that_sees_another_frozen():
    idle, other = Parameter([1.0]), Parameter([1.0])
    optimizer = SGD([other, idle], lr=1.0)
    idle.add_grad(np.ones(1))
    optimizer.step()
    other.trainable = False
    optimizer.step()
    assert idle.value == 0


def test_shapes_without_numbers_and_without_axes_work():
    parameters = [Parameter(np.zeros((0, 3))), Parameter(2.0), Parameter(np.zeros((3, 0)))]
    optimizer = SGD(parameters, lr=1.0)
    parameters[1].grad += 0.5
    optimizer.step()
    assert parameters[1].value == 1.5
    SGD(parameters[0]).step()


def test_the_same_parameter_handed_over_twice_is_stepped_once():
    weight = Parameter([1.0])
    optimizer = SGD([weight, weight], lr=0.5)
    weight.grad += 1
    optimizer.step()
    assert weight.value == 0.5


@pytest.mark.parametrize(
    "wrap", [lambda p: [p], lambda p: (p,), lambda p: {"w": p}, lambda p: iter([p]), lambda p: p, lambda p: {"w": p}.values()]
)
def test_parameters_come_in_every_wrapping(wrap):
    weight = Parameter([1.0])
    optimizer = SGD(wrap(weight), lr=1.0)
    weight.grad += 1
    optimizer.step()
    assert weight.value == 0


def test_zero_grad_discards():
    weight = Parameter([1.0])
    optimizer = SGD(weight)
    weight.grad += 1
    optimizer.zero_grad()
    optimizer.step()
    assert weight.value == 1


def test_the_rate_can_be_read_and_replaced():
    optimizer = SGD(Parameter([1.0]), lr=np.float32(0.5))
    assert type(optimizer.lr) is float
    optimizer.lr = 1
    assert optimizer.lr == 1.0
    assert optimizer.schedule is None
    optimizer.lr = halving = schedules.Exponential(1.0, 0.5)
    assert optimizer.schedule is halving
    optimizer.step()
    assert (optimizer.lr, optimizer.steps) == (0.5, 1)


@pytest.mark.parametrize("kind", [SGD, Lion])
@pytest.mark.parametrize(
    ("lr", "error"),
    [
        (-0.1, InvalidValueError),
        (math.nan, InvalidValueError),
        (math.inf, InvalidValueError),
        ("0.1", InvalidTypeError),
        (None, InvalidTypeError),
        (True, InvalidTypeError),
        (1j, InvalidTypeError),
        (schedules.Cosine, InvalidTypeError),
        (lambda step: -1.0, InvalidValueError),
        (lambda step: "much", InvalidTypeError),
    ],
)
def test_invalid_rates_are_refused_and_nothing_moves(kind, lr, error):
    weight = Parameter([1.0])
    value, grad = weight.value, weight.grad
    with pytest.raises(error, match="lr"):
        kind(weight, lr=lr)
    assert weight.value is value
    assert weight.grad is grad
    optimizer = kind(weight, lr=0.25)
    with pytest.raises(error, match="lr"):
        optimizer.lr = lr
    assert optimizer.lr == 0.25


def test_a_schedule_that_fails_during_a_step_leaves_everything_as_it_was():
    weight = Parameter([1.0])
    optimizer = SGD(weight, lr=lambda step: math.nan if step else 1.0)
    optimizer.step()
    weight.grad += 1
    with pytest.raises(InvalidValueError, match="nan"):
        optimizer.step()
    assert (weight.value[0], weight.grad[0], optimizer.steps) == (1.0, 1.0, 1)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda p: SGD(p, momentum=1.0), InvalidValueError, "momentum"),
        (lambda p: SGD(p, momentum=-0.1), InvalidValueError, "momentum"),
        (lambda p: SGD(p, nesterov=True), InvalidValueError, "momentum=0.9"),
        (lambda p: SGD(p, weight_decay=-1), InvalidValueError, "weight_decay"),
        (lambda p: AdaGrad(p, eps=-1), InvalidValueError, "eps"),
        (lambda p: RMSProp(p, alpha=1), InvalidValueError, "alpha"),
        (lambda p: RMSProp(p, eps=math.nan), InvalidValueError, "eps"),
        (lambda p: Adam(p, betas=(0.9, 1.0)), InvalidValueError, r"betas\[1\]"),
        (lambda p: Adam(p, betas=(1.0, 0.9)), InvalidValueError, r"betas\[0\]"),
        (lambda p: Adam(p, betas=(-0.1, 0.9)), InvalidValueError, r"betas\[0\]"),
        (lambda p: Adam(p, betas=0.9), InvalidTypeError, "pair"),
        (lambda p: Adam(p, betas=(0.9,)), InvalidTypeError, "pair"),
        (lambda p: AdamW(p, eps="small"), InvalidTypeError, "eps"),
        (lambda p: AdaDelta(p, rho=1), InvalidValueError, "rho"),
        (lambda p: AdaDelta(p, rho=-0.1), InvalidValueError, "rho"),
        (lambda p: AdaDelta(p, eps=-1), InvalidValueError, "eps"),
        (lambda p: Adamax(p, eps=-1), InvalidValueError, "eps"),
        (lambda p: NAdam(p, eps=-1), InvalidValueError, "eps"),
        (lambda p: NAdam(p, momentum_decay=-1), InvalidValueError, "momentum_decay"),
        (lambda p: RAdam(p, eps=-1), InvalidValueError, "eps"),
        (lambda p: Lion(p, betas=(0.9, 1.0)), InvalidValueError, r"betas\[1\]"),
        (lambda p: SGD([]), InvalidValueError, "nothing to optimize"),
        (lambda p: SGD({}), InvalidValueError, "nothing to optimize"),
        (lambda p: SGD(Layer()), InvalidValueError, "nothing to optimize"),
        (lambda p: SGD(None), InvalidTypeError, "NoneType"),
        (lambda p: SGD("model"), InvalidTypeError, "str"),
        (lambda p: SGD(Layer), InvalidTypeError, r"Layer\(…\)"),
        (lambda p: SGD([p, Layer]), InvalidTypeError, r"Layer\(…\)"),
        (lambda p: SGD(p.value), InvalidTypeError, "ndarray"),
        (lambda p: SGD([p, p.value]), InvalidTypeError, "ndarray at '1'"),
        (lambda p: SGD({"w": p, "b": 3}), InvalidTypeError, "int at 'b'"),
        (lambda p: SGD({0: p}), InvalidTypeError, "at 0"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_moves(make, error, said):
    weight = Parameter([1.0])
    value = weight.value
    with pytest.raises(error, match=said) as caught:
        make(weight)
    assert isinstance(caught.value, NetlibError)
    assert weight.value is value


def test_an_optimizer_shows_the_call_that_made_it():
    weight = Parameter([1.0])
    assert repr(SGD(weight, lr=0.1, momentum=0.9)) == "SGD(…, lr=0.1, momentum=0.9, nesterov=False, weight_decay=0.0)"
    shown = repr(Adam(weight, lr=schedules.Cosine(0.1, 100)))
    assert shown == "Adam(…, lr=Cosine(0.1, 100), betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0)"


def test_an_interrupted_step_leaves_no_half_used_gradient_behind():
    class Interrupted(Optimizer):
        def update(self, rate, t, value, grad, scratch):
            grad *= 100
            raise KeyboardInterrupt

    weight = Parameter([1.0])
    optimizer = Interrupted(weight, lr=1.0)
    weight.add_grad(np.ones(1))
    with pytest.raises(KeyboardInterrupt):
        optimizer.step()
    assert weight.grad == 0
    assert optimizer.steps == 0


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("kind", "settings", "dtype"),
    [
        *(pytest.param(*each.values, np.float16, id=each.id, marks=pytest.mark.exhaustive) for each in EVERY),
        pytest.param(Adam, {}, np.float16, id="16 bits"),
        pytest.param(Adam, {}, np.float32, id="32 bits"),
    ],
)
def test_the_state_of_a_weight_without_gradients_decays_to_zero_and_not_to_subnormals(kind, settings, dtype):
    weight = Parameter(np.ones(3, dtype))
    optimizer = kind(weight, lr=1e-3, **settings)
    weight.grad += np.array([1e-3, -1, 0])
    with np.errstate(all="raise"):
        for _ in range(20_480):
            optimizer.step()
    for state in optimizer.state_dict()["parameters"]["0"].values():
        assert not np.any((np.abs(state) > 0) & (np.abs(state) < np.finfo(np.float32).smallest_normal))


def test_tiny_steps_of_16_bits_add_up():
    weight = Parameter(np.ones(2, np.float16))
    optimizer = SGD(weight, lr=1e-4)
    for _ in range(1000):
        weight.grad += np.array([1, -1], np.float16)
        optimizer.step()
    assert weight.value.tolist() == np.array([0.9, 1.1], np.float16).tolist()


@pytest.mark.parametrize("write", ["assign", "in place", "another optimizer"])
def test_the_master_follows_a_value_that_somebody_writes_and_keeps_the_rest(write):
    weight = Parameter(np.ones(2, np.float16))
    optimizer = SGD(weight, lr=1e-4)
    weight.grad += 1
    optimizer.step()
    assert weight.value.tolist() == [1, 1]
    if write == "assign":
        weight.value = [1, 4]
    elif write == "in place":
        weight.value[1] = 4
    else:
        other = SGD(weight, lr=3.0)
        weight.grad += np.array([0, -1], np.float16)
        other.step()
    optimizer.step()
    master = optimizer.state_dict()["parameters"]["0"]["master"]
    assert master.dtype == np.float32
    assert master.tolist() == [np.float32(1) - np.float32(1e-4), 4]


def test_a_master_beyond_16_bits_is_kept_although_its_value_is_infinite():
    weight = Parameter(np.array([6e4], np.float16))
    optimizer = SGD(weight, lr=1.0)
    for g in (-6e4, 0, 6e4):
        weight.grad += np.array([g], np.float16)
        with np.errstate(over="ignore"):
            optimizer.step()
    assert weight.value == np.float16(6e4)
