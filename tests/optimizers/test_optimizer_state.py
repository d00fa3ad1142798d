"""state_dict and load_state_dict."""

import copy
import json
import math

import numpy as np
import pytest

import netlib as nl
from netlib import InvalidTypeError, InvalidValueError
from netlib.layer import Parameter
from netlib.optimizers import LBFGS, SGD, AdaDelta, AdaGrad, Adam, Adamax, AdamW, Lion, NAdam, RAdam, RMSProp, schedules

EVERY = [
    pytest.param(SGD, {"momentum": 0.9, "nesterov": True}, id="SGD"),
    pytest.param(AdaGrad, {"eps": 1e-3}, id="AdaGrad"),
    pytest.param(RMSProp, {"alpha": 0.5, "weight_decay": 0.1}, id="RMSProp"),
    pytest.param(Adam, {"betas": (0.5, 0.7)}, id="Adam"),
    pytest.param(AdamW, {"lr": 0.5}, id="AdamW"),
    pytest.param(AdaDelta, {"rho": 0.5}, id="AdaDelta"),
    pytest.param(Adamax, {"eps": 0.1}, id="Adamax"),
    pytest.param(NAdam, {"momentum_decay": 0.1}, id="NAdam"),
    pytest.param(RAdam, {"betas": (0.5, 0.9)}, id="RAdam"),
    pytest.param(Lion, {"weight_decay": 0.1}, id="Lion"),
    pytest.param(LBFGS, {"memory": 3, "iterations": 2}, id="LBFGS"),
    pytest.param(Adam, {"groups": {"*.bias": {"lr": 0.1}, "2.*": {"weight_decay": 0.5}}}, id="groups"),
]


def model():
    return nl.Sequential(("hidden", nl.Affine(3, 4, rng=0)), nl.Tanh(), nl.Affine(4, 2, rng=1))


def train(net, optimizer, seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        x, t, loss = rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), nl.MeanSquaredError("sum")

        def closure(x=x, t=t, loss=loss):
            value = loss.forward(net.forward(x), t)
            net.backward(loss.backward())
            return value

        if optimizer.needs_closure:
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()


@pytest.mark.parametrize(("kind", "settings"), EVERY)
def test_training_goes_on_bit_for_bit_from_a_state(kind, settings):
    net = model()
    optimizer = kind(net, **settings)
    net[0].bias.trainable = False
    train(net, optimizer, range(3))
    net[0].bias.trainable = True
    train(net, optimizer, range(3, 5))
    twin = copy.deepcopy(net)
    other = kind(twin, **({"memory": 3} if kind is LBFGS else {"groups": {"hidden.*": {"lr": 7}}}))
    other.load_state_dict(optimizer.state_dict())
    train(net, optimizer, range(5, 9))
    train(twin, other, range(5, 9))
    assert repr(other) == repr(optimizer)
    assert other.steps == optimizer.steps == 9
    for path, p in net.parameters().items():
        np.testing.assert_array_equal(p.value, twin.parameters()[path].value)


def test_a_state_names_what_is_in_it():
    weight = Parameter(np.ones((1, 2)))
    optimizer = Adam({"w": weight}, lr=0.5)
    weight.grad += 3
    optimizer.step()
    state = optimizer.state_dict()
    entry = state["parameters"].pop("w")
    assert state == {"type": "Adam", "steps": 1, "lr": 0.5, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "parameters": {}}
    assert {k: np.asarray(v).tolist() for k, v in entry.items()} == {"steps": 1, "total": [[3, 3]], "squares": [[9, 9]]}


def test_a_state_is_a_copy():
    net = model()
    optimizer = Adam(net)
    train(net, optimizer, [0])
    state = optimizer.state_dict()
    kept = copy.deepcopy(state)
    train(net, optimizer, [1, 2])
    np.testing.assert_equal(state, kept)
    other = Adam(model())
    other.load_state_dict(state)
    other.step()
    np.testing.assert_equal(state, kept)


def test_a_state_that_went_through_json_still_fits():
    weight = Parameter([1.0, 2.0])
    optimizer = Adam(weight)
    optimizer.step()
    text = json.dumps(optimizer.state_dict(), default=lambda array: array.tolist())
    twin = Adam(Parameter([1.0, 2.0]))
    twin.load_state_dict(json.loads(text))
    np.testing.assert_equal(twin.state_dict(), optimizer.state_dict())


def test_a_schedule_is_kept_where_the_state_has_none_and_goes_on_at_the_step():
    first = SGD(Parameter([1.0]), lr=schedules.Exponential(1.0, 0.5))
    first.step()
    state = first.state_dict()
    assert state["lr"] is None
    second = SGD(Parameter([1.0]), lr=schedules.Exponential(2.0, 0.5))
    second.load_state_dict(state)
    assert second.lr == 1.0
    third = SGD(Parameter([1.0]), lr=0.125)
    second.load_state_dict(third.state_dict())
    assert second.lr == 0.125


def test_32_bit_parameters_take_a_64_bit_state_and_stay_32():
    wide, narrow = Parameter([1.0, 2.0]), Parameter(np.ones(2, np.float32))
    optimizer = Adam(wide)
    wide.grad += 1
    optimizer.step()
    other = Adam(narrow)
    other.load_state_dict(optimizer.state_dict())
    assert other.state_dict()["parameters"]["0"]["total"].dtype == np.float32


def change(path, value):
    def apply(state):
        *outer, last = path
        for key in outer:
            state = state[key]
        if value is KeyError:
            del state[last]
        else:
            state[last] = value

    return apply


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (change(["type"], "SGD"), "state of 'SGD', expected one of 'Adam'"),
        (change(["steps"], -1), "steps is -1"),
        (change(["steps"], 1.5), "steps is 1.5"),
        (change(["steps"], KeyError), "'steps' is missing"),
        (change(["lr"], math.nan), "lr is nan"),
        (change(["eps"], "tiny"), "eps is 'tiny'"),
        (change(["betas"], (0.9, 2.0)), r"betas\[1\] is 2"),
        (change(["eps"], KeyError), "'eps' is missing"),
        (change(["momentum"], 0.9), "'momentum' is unknown"),
        (change(["parameters"], []), "is list, expected a dict"),
        (change(["parameters"], KeyError), "'parameters' is missing"),
        (change(["parameters", "2.weight"], KeyError), "parameter '2.weight' is missing"),
        (change(["parameters", "3.weight"], {}), "parameter '3.weight' is unknown"),
        (change(["parameters", "2.bias"], None), "2.bias.*NoneType"),
        (change(["parameters", "2.bias", "steps"], True), "2.bias: steps is True"),
        (change(["parameters", "2.bias", "total"], KeyError), "2.bias: 'total' is missing"),
        (change(["parameters", "2.bias", "velocity"], 0), "2.bias: 'velocity' is unknown"),
        (change(["parameters", "2.bias", "total"], np.zeros(3)), r"2.bias: total has shape \(3,\), expected \(2,\)"),
        (change(["parameters", "2.bias", "total"], np.zeros((1, 2))), r"2.bias: total has shape \(1, 2\)"),
        (change(["parameters", "2.bias", "total"], ["a", "b"]), "2.bias: total: got an array of"),
        (change(["parameters", "2.bias", "total"], np.ones(2) * 1j), "2.bias: total: got an array of complex128"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_by_name_and_nothing_changes(spoil, said):
    net = model()
    optimizer = Adam(net, lr=0.25)
    train(net, optimizer, [0])
    state = Adam(model()).state_dict()
    spoil(state)
    before = optimizer.state_dict()
    with pytest.raises(InvalidValueError, match=said):
        optimizer.load_state_dict(state)
    np.testing.assert_equal(optimizer.state_dict(), before)


def test_a_state_whose_last_number_overflows_the_type_changes_nothing_where_warnings_are_errors():
    optimizer = Adam(model())
    state = optimizer.state_dict()
    before = copy.deepcopy(state)
    state["parameters"]["hidden.weight"]["total"] += 1
    state["parameters"]["2.bias"]["squares"] = np.array([0, 1e300])
    with pytest.raises(RuntimeWarning, match="overflow"):
        optimizer.load_state_dict(state)
    np.testing.assert_equal(optimizer.state_dict(), before)


def test_all_that_does_not_fit_is_said_at_once():
    optimizer = Adam(model())
    state = optimizer.state_dict()
    state["lr"] = -1
    del state["parameters"]["2.bias"]
    state["parameters"]["2.weight"]["total"] = np.zeros(1)
    with pytest.raises(InvalidValueError, match=r"'2.bias' is missing; 2.weight: total has shape .*; lr is -1"):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize("state", [None, [], "state", 3])
def test_what_is_no_state_is_refused(state):
    with pytest.raises(InvalidTypeError, match="state_dict"):
        SGD(Parameter([1.0])).load_state_dict(state)


def test_a_state_fits_after_the_model_has_grown_as_the_other_had():
    net, grown = model(), model()
    optimizer = Adam(net)
    for each in (net, grown):
        each.append(nl.Affine(2, 2, rng=2))
    other = Adam(grown)
    train(grown, other, [0])
    optimizer.load_state_dict(other.state_dict())
    np.testing.assert_equal(optimizer.state_dict(), other.state_dict())


def half(value=1.0):
    return Parameter(np.full(2, value, np.float16))


def test_training_of_16_bits_goes_on_bit_for_bit_from_a_state():
    first, second = half(), half()
    optimizer, other = Adam(first, lr=1e-5), Adam(second, lr=1e-5)
    for _ in range(5):
        first.grad += 1
        optimizer.step()
    second.value = first.value
    other.load_state_dict(optimizer.state_dict())
    twin, twins = copy.deepcopy((first, optimizer))
    for _ in range(60):
        for weight, each in ((first, optimizer), (second, other), (twin, twins)):
            weight.grad += 1
            each.step()
    assert first.value[0] < 1
    np.testing.assert_equal(other.state_dict(), optimizer.state_dict())
    np.testing.assert_equal(twins.state_dict(), optimizer.state_dict())
    assert second.value.tolist() == twin.value.tolist() == first.value.tolist()


def test_a_state_without_master_takes_the_value_for_it():
    weight = half(3.0)
    optimizer = SGD(weight)
    state = optimizer.state_dict()
    assert state["parameters"]["0"].pop("master").tolist() == [3, 3]
    optimizer.load_state_dict(state)
    assert optimizer.state_dict()["parameters"]["0"]["master"].tolist() == [3, 3]
