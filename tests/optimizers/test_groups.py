"""Groups of parameters with a learning rate and weight decay of their own."""

import copy
import json
import pickle

import numpy as np
import pytest

import netlib as nl
from netlib import InvalidTypeError, InvalidValueError
from netlib.layer import Parameter
from netlib.optimizers import SGD, Adam, AdamW, Lion, schedules


def model():
    return nl.Sequential(("body", nl.Affine(3, 4, rng=0, dtype="float64")), ("head", nl.Affine(4, 2, rng=1, dtype="float64")))


def changes(net, optimizer):
    """Return how far each parameter moves along a gradient of ones."""
    before = {path: p.value.copy() for path, p in net.parameters().items()}
    for p in net.parameters().values():
        p.grad += 1
    optimizer.step()
    return {path: float((before[path] - p.value).mean().round(12)) for path, p in net.parameters().items()}


def test_each_parameter_takes_the_settings_of_every_pattern_that_matches_it_and_later_ones_win():
    net = model()
    for p in net.parameters().values():
        p.value[...] = 1
    groups = {"head.*": {"lr": 0.5}, "*.bias": {"weight_decay": 0.0}, "head.bias": {"lr": 0.25}}
    optimizer = SGD(net, lr=1.0, weight_decay=2.0, groups=groups)
    assert changes(net, optimizer) == {"body.weight": 3, "body.bias": 1, "head.weight": 1.5, "head.bias": 0.25}


@pytest.mark.parametrize(("kind", "decayed"), [(SGD, 0.75), (AdamW, 0.75), (Lion, 0.75)])
def test_decay_may_be_on_in_a_group_and_off_elsewhere(kind, decayed):
    plain, own = Parameter([1.0]), Parameter([1.0])
    optimizer = kind([plain, own], lr=0.5, weight_decay=0.0, groups={"1": {"weight_decay": 0.5}})
    optimizer.step()
    assert (plain.value, own.value) == (1, decayed)


def test_the_base_rate_leaves_groups_with_their_own_alone():
    net = model()
    optimizer = SGD(net, lr=1.0, groups={"head.*": {"lr": 0.5}, "body.bias": {"weight_decay": 0}})
    optimizer.lr = 0.25
    assert optimizer.lr == 0.25
    assert changes(net, optimizer) == {"body.weight": 0.25, "body.bias": 0.25, "head.weight": 0.5, "head.bias": 0.5}


def test_a_group_may_have_a_schedule():
    net = model()
    optimizer = SGD(net, lr=1.0, groups={"head.*": {"lr": schedules.Exponential(1.0, 0.5)}})
    assert [changes(net, optimizer)["head.bias"] for _ in range(3)] == [1, 0.5, 0.25]
    assert changes(net, optimizer)["body.bias"] == 1


def test_patterns_hold_for_layers_appended_later_and_state_goes_on():
    net = model()
    optimizer = Adam(net, lr=0.5, groups={"*.bias": {"lr": 0.25}})
    changes(net, optimizer)
    net.append(nl.Affine(2, 2, rng=2, dtype="float64"))
    assert changes(net, optimizer) == pytest.approx({path: 0.25 if path.endswith("bias") else 0.5 for path in net.parameters()}, rel=1e-6)
    steps = {path: entry["steps"] for path, entry in optimizer.state_dict()["parameters"].items()}
    assert steps == {"body.weight": 2, "body.bias": 2, "head.weight": 2, "head.bias": 2, "2.weight": 1, "2.bias": 1}


def test_parameters_of_one_group_lie_together_and_take_one_call():
    calls = []

    class Counted(SGD):
        def update(self, rate, t, value, grad, scratch, velocity):
            calls.append((rate, value.size))

    net = model()
    changes(net, Counted(net, lr=1.0, groups={"*.bias": {"lr": 0.5}}))
    assert calls == [(1.0, 12 + 8), (0.5, 4 + 2)]
    parameters = list(net.parameters().values())
    assert len({id(p.value.base) for p in parameters}) == len({id(p.grad.base) for p in parameters}) == 1


def test_a_tied_parameter_is_known_by_the_path_it_has_in_parameters():
    first = nl.Affine(3, 3, rng=0)
    net = nl.Sequential(first, first.tied_copy())
    assert SGD(net, groups={"0.*": {"lr": 0.5}}).groups == {"0.*": {"lr": 0.5}}
    with pytest.raises(InvalidValueError, match=r"matches no parameter; the paths are 0\.weight, 0\.bias"):
        SGD(net, groups={"1.*": {"lr": 0.5}})


def test_a_frozen_group_stays_and_the_others_move():
    net = model()
    net[0].freeze()
    assert changes(net, SGD(net, lr=1.0, groups={"*.bias": {"lr": 0.5}})) == {
        "body.weight": 0,
        "body.bias": 0,
        "head.weight": 1,
        "head.bias": 0.5,
    }


def test_groups_are_in_the_state_and_in_what_is_shown():
    net = model()
    groups = {"head.*": {"lr": 0.5, "weight_decay": 0.1}}
    optimizer = SGD(net, groups=groups)
    assert repr(optimizer).endswith("weight_decay=0.0, groups={'head.*': {'lr': 0.5, 'weight_decay': 0.1}})")
    state = optimizer.state_dict()
    assert state["groups"] == groups
    text = json.dumps(state, default=lambda array: array.tolist())
    other = SGD(model(), groups={"body.*": {"lr": 9}})
    other.load_state_dict(json.loads(text))
    assert other.groups == groups
    other.load_state_dict(SGD(model()).state_dict())
    assert other.groups == {}
    assert "groups" not in other.state_dict()
    optimizer.groups["head.*"]["lr"] = 7.0
    assert optimizer.groups == groups


def test_a_schedule_of_a_group_is_kept_where_the_state_has_none():
    schedule = schedules.Exponential(1.0, 0.5)
    optimizer = SGD(model(), groups={"head.*": {"lr": schedule, "weight_decay": 0.5}})
    state = optimizer.state_dict()
    assert state["groups"] == {"head.*": {"lr": None, "weight_decay": 0.5}}
    other = SGD(model(), groups={"head.*": {"lr": schedule}})
    other.load_state_dict(state)
    assert other.groups == optimizer.groups
    without = SGD(model(), groups={"body.*": {"lr": 0.5}})
    with pytest.raises(InvalidValueError, match="lr is None"):
        without.load_state_dict(state)
    assert without.groups == {"body.*": {"lr": 0.5}}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))], ids=["deepcopy", "pickle"])
def test_a_copy_has_the_groups_too(copied):
    net = model()
    optimizer = SGD(net, lr=1.0, groups={"*.bias": {"lr": 0.5}})
    twin, twins = copied((net, optimizer))
    assert changes(twin, twins) == changes(net, optimizer)
    assert list(twins.gradients()[1]) == [0] * 6


def test_a_checkpoint_resumes_with_groups_bit_for_bit_and_refuses_others(tmp_path):
    x, t = np.random.default_rng(0).normal(size=(2, 12, 3))
    path = tmp_path / "training.npz"

    def fit(rate, epochs, dtype, **options):
        net = nl.Sequential(nl.Affine(3, 3, rng=0, dtype=dtype))
        optimizer = Adam(net, lr=0.1, groups={"*.bias": {"lr": rate}})
        trainer = nl.Trainer(net, nl.MeanSquaredError(), optimizer, callbacks=[nl.Checkpoint(path)], seed=0)
        trainer.fit(x.astype(dtype), t.astype(dtype), epochs=epochs, batch_size=4, progress=False, **options)
        return optimizer.state_dict()

    for dtype in ("float64", "float16"):
        whole = fit(0.01, 4, dtype)
        fit(0.01, 2, dtype)
        with pytest.raises(InvalidValueError, match="groups"):
            fit(0.02, 4, dtype, resume=path)
        np.testing.assert_equal(fit(0.01, 4, dtype, resume=path), whole)


@pytest.mark.parametrize(
    ("groups", "error", "said"),
    [
        ({"haed.*": {"lr": 0.5}}, InvalidValueError, "group 'haed.*': the pattern matches no parameter; the paths are body.weight"),
        ({"HEAD.*": {"lr": 0.5}}, InvalidValueError, "matches no parameter"),
        ({"head.*": {"momentum": 0.5}}, InvalidValueError, "got 'momentum', expected 'lr' or 'weight_decay'"),
        ({"head.*": {"lr": -1}}, InvalidValueError, "group 'head.*': lr is -1"),
        ({"head.*": {"lr": lambda step: -1}}, InvalidValueError, "lr is -1"),
        ({"head.*": {"lr": None}}, InvalidTypeError, "lr"),
        ({"head.*": {"weight_decay": -1}}, InvalidValueError, "weight_decay is -1"),
        ({"head.*": 0.5}, InvalidTypeError, "got 0.5"),
        ({0: {"lr": 0.5}}, InvalidTypeError, "group 0"),
        ([{"lr": 0.5}], InvalidTypeError, "groups is list, expected a dict"),
    ],
)
def test_groups_that_cannot_work_are_refused_and_nothing_moves(groups, error, said):
    net = model()
    value = net[0].weight.value
    with pytest.raises(error, match=said):
        SGD(net, groups=groups)
    assert net[0].weight.value is value
    optimizer = SGD(net)
    state = optimizer.state_dict()
    with pytest.raises(InvalidValueError, match="the state does not fit"):
        optimizer.load_state_dict({**state, "groups": groups})
    np.testing.assert_equal(optimizer.state_dict(), state)
