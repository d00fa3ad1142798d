"""The two flat arrays: nobody who holds a parameter notices them."""

import copy
import itertools
import pickle
import tracemalloc

import numpy as np
import pytest

import netlib as nl
from netlib.layer import Layer, Parameter
from netlib.optimizers import SGD, Adam
from netlib.optimizers.flat import FLUSH_EVERY, Flat


def chain(*widths, seed=0, dtype="float64"):
    layers = [nl.Affine(a, b, rng=seed + i, dtype=dtype) for i, (a, b) in enumerate(itertools.pairwise(widths))]
    return nl.Sequential(*layers)


def backward(model, seed=0):
    rng = np.random.default_rng(seed)
    y = model.forward(rng.normal(size=(5, 3)))
    model.backward(rng.normal(size=y.shape))


def values(model):
    return {path: p.value.copy() for path, p in model.parameters().items()}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def train(model, optimizer, steps, start=0):
    for seed in range(start, start + steps):
        backward(model, seed)
        optimizer.step()


def trained(steps=4, **settings):
    model = chain(3, 4, 2)
    train(model, Adam(model, **settings), steps)
    return values(model)


def test_making_an_optimizer_changes_no_value_and_no_gradient():
    model = chain(3, 4, 2)
    backward(model)
    before = values(model), {k: p.grad.copy() for k, p in model.parameters().items()}
    Adam(model)
    assert same(values(model), before[0])
    assert same({k: p.grad for k, p in model.parameters().items()}, before[1])


def test_all_values_of_a_model_lie_in_one_array_and_all_gradients_in_another():
    model = chain(3, 4, 2)
    Adam(model)
    parameters = list(model.parameters().values())
    assert len({id(p.value.base) for p in parameters}) == 1
    assert len({id(p.grad.base) for p in parameters}) == 1
    assert parameters[0].value.base.size == sum(p.size for p in parameters)


def test_each_floating_type_has_arrays_of_its_own():
    model = nl.Sequential(nl.Affine(3, 4, dtype="float64"), nl.Affine(4, 2, dtype="float32"))
    optimizer = SGD(model, lr=0.5)
    assert [p.dtype.name for p in model.parameters().values()] == ["float64", "float64", "float32", "float32"]
    before = values(model)
    for p in model.parameters().values():
        p.grad += 1
    optimizer.step()
    for path, p in model.parameters().items():
        np.testing.assert_array_equal(p.value, before[path] - before[path].dtype.type(0.5))


def test_arrays_read_after_the_optimizer_was_made_stay_live():
    model = chain(3, 4, 2)
    optimizer = Adam(model)
    held = {path: (p.value, p.grad) for path, p in model.parameters().items()}
    train(model, optimizer, 3)
    for path, p in model.parameters().items():
        assert p.value is held[path][0]
        assert p.grad is held[path][1]


def test_assigning_a_value_is_seen_by_the_next_step():
    weight = Parameter([1.0, 2.0])
    optimizer = SGD(weight, lr=1.0)
    weight.value = [10, 20]
    weight.grad = [1, 2]
    optimizer.step()
    assert weight.value.tolist() == [9, 18]


def test_a_second_optimizer_over_the_same_model_steps_what_the_first_did():
    model = chain(3, 4, 2)
    train(model, Adam(model), 2)
    second = SGD(model, lr=0.1)
    before = values(model)
    for p in model.parameters().values():
        p.grad += 1
    second.step()
    for path, p in model.parameters().items():
        np.testing.assert_allclose(p.value, before[path] - 0.1, rtol=1e-14)


def test_two_optimizers_over_one_model_take_turns_and_each_keeps_its_state():
    model, lone = chain(3, 4, 2), chain(3, 4, 2)
    first, second = Adam(model), SGD(model, lr=0.01, momentum=0.9)
    one, two = Adam(lone), SGD(lone, lr=0.01, momentum=0.9)
    for seed in range(4):
        train(model, (first, second)[seed % 2], 1, seed)
        # The same, with parameters whose arrays are new each time, so that the two share no memory.
        backward(lone, seed)
        (one, two)[seed % 2].step()
        for p in lone.parameters().values():
            p.move_to(np.empty(p.shape), np.empty(p.shape))
    assert same(values(model), values(lone))
    assert first.steps == second.steps == 2


def test_two_optimizers_over_two_parts_do_what_one_does_over_all():
    model = chain(3, 4, 2)
    parts = [Adam(model[0]), Adam(model[1])]
    for seed in range(4):
        backward(model, seed)
        for part in parts:
            part.step()
    assert same(values(model), trained())


def test_optimizers_over_overlapping_parts_step_the_shared_part_twice():
    a, b, c = (Parameter([1.0]) for _ in range(3))
    left, right = SGD([a, b], lr=0.25), SGD([b, c], lr=0.25)
    for _ in range(2):
        for optimizer in (left, right):
            for p in (a, b, c):
                p.zero_grad()
                p.grad += 1
            optimizer.step()
    assert [float(p.value[0]) for p in (a, b, c)] == [0.5, 0.0, 0.5]


def test_gradients_waiting_for_one_optimizer_survive_another_being_made():
    model = chain(3, 4, 2)
    first = SGD(model, lr=1.0)
    backward(model)
    waiting = {k: p.grad.copy() for k, p in model.parameters().items()}
    Adam(model[1])
    before = values(model)
    first.step()
    for path, p in model.parameters().items():
        np.testing.assert_array_equal(p.value, before[path] - waiting[path])


def test_a_tied_copy_is_stepped_once_and_stays_tied():
    encode = nl.Affine(3, 3, rng=0, dtype="float64")
    model = nl.Sequential(encode, nl.Tanh(), encode.tied_copy())
    optimizer = SGD(model, lr=1.0)
    assert list(optimizer.parameters()) == ["0.weight", "0.bias"]
    backward(model)
    before, grad = encode.weight.value.copy(), encode.weight.grad.copy()
    optimizer.step()
    np.testing.assert_array_equal(encode.weight.value, before - grad)
    assert model[2].weight.value is encode.weight.value


def test_a_tied_copy_made_after_the_optimizer_is_trained_too():
    model = chain(3, 3)
    optimizer = SGD(model, lr=1.0)
    model.append(model[0].tied_copy())
    before = model[0].weight.value.copy()
    backward(model)
    grad = model[0].weight.grad.copy()
    optimizer.step()
    np.testing.assert_array_equal(model[1].weight.value, before - grad)


def test_layers_appended_afterwards_are_trained_and_the_old_state_goes_on():
    model = chain(3, 4)
    optimizer = Adam(model, lr=0.1)
    train(model, optimizer, 2)
    old = optimizer.state_dict()["parameters"]["0.weight"]["total"]
    model.append(nl.Affine(4, 2, rng=9, dtype="float64"))
    before = values(model)
    for p in model.parameters().values():
        p.grad += 1
    optimizer.step()
    state = optimizer.state_dict()["parameters"]
    assert [entry["steps"] for entry in state.values()] == [3, 3, 1, 1]
    np.testing.assert_allclose(state["0.weight"]["total"], 0.9 * old + 1, rtol=1e-14)
    np.testing.assert_allclose(model.parameters()["1.weight"].value, before["1.weight"] - 0.1, rtol=1e-6)


def test_layers_appended_deep_inside_are_found():
    inner = nl.Sequential(nl.Affine(3, 3, rng=0))

    class Wrapped(Layer):
        def __init__(self):
            self.steps = [nl.Residual(inner)]

    optimizer = SGD(Wrapped())
    inner.append(nl.Affine(3, 3, rng=1))
    assert list(optimizer.parameters())[2:] == ["steps.0.layer.1.weight", "steps.0.layer.1.bias"]


def test_a_layer_put_in_the_place_of_another_is_trained_instead():
    block = nl.Residual(nl.Affine(3, 3, rng=0))
    optimizer = SGD(block, lr=1.0)
    gone, new = block.layer, nl.Affine(3, 3, rng=1)
    block.layer = new
    before = gone.weight.value.copy(), new.weight.value.copy()
    for layer in (gone, new):
        layer.weight.grad += 1
    optimizer.step()
    np.testing.assert_array_equal(gone.weight.value, before[0])
    np.testing.assert_array_equal(new.weight.value, before[1] - 1)


def test_a_list_of_parameters_does_not_grow_with_the_model():
    model = chain(3, 4)
    optimizer = SGD(model.parameters())
    model.append(nl.Affine(4, 2, rng=0))
    assert list(optimizer.parameters()) == ["0.weight", "0.bias"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))], ids=["deepcopy", "pickle"])
def test_a_copy_of_model_and_optimizer_goes_on_alike_and_apart(copied):
    model = chain(3, 4, 2)
    optimizer = Adam(model, weight_decay=0.1)
    train(model, optimizer, 2)
    backward(model, 2)
    twin, twins = copied((model, optimizer))
    untouched = values(twin)
    optimizer.step()
    train(model, optimizer, 2, 3)
    assert same(values(twin), untouched)
    twins.step()
    train(twin, twins, 2, 3)
    assert same(values(twin), values(model))
    twin.append(nl.Affine(2, 2, rng=0))
    assert len(twins.parameters()) == 6
    assert len(optimizer.parameters()) == 4


def test_the_copy_of_a_model_is_not_moved_by_the_optimizer_of_the_model():
    model = chain(3, 4, 2)
    optimizer = SGD(model, lr=0.1)
    twin = copy.deepcopy(model)
    before = values(twin)
    train(model, optimizer, 2)
    assert same(values(twin), before)


def test_freezing_between_steps_is_seen_at_once():
    model = chain(3, 4, 2)
    optimizer = SGD(model, lr=0.1)
    train(model, optimizer, 1)
    model.parameters()["0.bias"].trainable = False
    before = values(model)
    train(model, optimizer, 1, 1)
    moved = [not np.array_equal(before[k], v) for k, v in values(model).items()]
    assert moved == [True, False, True, True]


def test_an_optimizer_over_frozen_parameters_waits_for_them():
    weight = Parameter([1.0], trainable=False)
    optimizer = SGD(weight, lr=1.0)
    with pytest.warns(UserWarning, match="every parameter is frozen") as caught:
        optimizer.step()
    assert [each.filename for each in caught] == [__file__]
    weight.trainable = True
    weight.grad += 1
    optimizer.step()
    assert weight.value == 0


def test_freezing_all_parameters_of_one_type_is_no_reason_to_warn():
    single, double = Parameter(np.ones(1, np.float32), trainable=False), Parameter([1.0])
    optimizer = SGD([single, double], lr=1.0)
    double.grad += 1
    optimizer.step()
    assert (single.value, double.value) == (1, 0)


def test_parameters_in_any_memory_layout_move_without_a_change():
    matrix = np.arange(6.0).reshape(2, 3)
    for given in (np.asfortranarray(matrix), matrix[::-1], matrix.T, matrix.astype(">f8")):
        weight = Parameter(given)
        SGD(weight)
        np.testing.assert_array_equal(weight.value, given)


def test_the_flat_arrays_hold_the_parameters_in_order():
    flat = Flat([Parameter([[1.0, 2.0]]), Parameter([3.0], trainable=False), Parameter([4.0])], ["velocity"])
    flat.sync()
    assert flat.values.tolist() == [1, 2, 3, 4]
    assert [(first, last) for first, last, *_ in flat.runs] == [(0, 1), (2, 3)]
    assert [g.size for g in flat.gradients()] == [2, 1]


def test_the_flat_arrays_are_arranged_anew_only_when_a_parameter_has_changed():
    weight = Parameter([1.0])
    flat = Flat([weight], [])
    flat.sync()
    runs = flat.runs
    flat.sync()
    assert flat.runs is runs
    weight.trainable = False
    flat.sync()
    assert flat.runs == []


def test_only_subnormal_state_is_flushed_and_only_at_every_64th_step():
    least = np.finfo(np.float64).smallest_normal
    weight = Parameter(np.full(5, least / 2))
    flat = Flat([weight], ["mean"])
    mean = flat.slots["mean"]
    flat.load(0, FLUSH_EVERY - 2, {"mean": np.array([least / 2, -least / 2, least, -least, -1.0])})
    before = mean.tolist()
    for expected in (before, [0, 0, *before[2:]]):
        flat.sync()
        flat.advance({(): (lambda *_: None, 1.0)})
        assert mean.tolist() == expected
    assert weight.value.tolist() == [least / 2] * 5


def test_the_float32_copy_of_a_float16_parameter_is_flushed_too():
    flat = Flat([Parameter(np.array([0, 1], np.float16))], [])
    flat.load(0, FLUSH_EVERY - 1, {"master": np.array([np.finfo(np.float32).smallest_normal / 2, 1], np.float32)})
    flat.sync()
    flat.advance({(): (lambda *_: None, 1.0)})
    assert flat.master.tolist() == [0, 1]


def test_a_step_allocates_nothing_that_grows_with_the_model():
    weight = Parameter(np.zeros(200_000, np.float32))
    optimizer = Adam(weight, weight_decay=0.1)
    optimizer.step()
    tracemalloc.start()
    for _ in range(3):
        optimizer.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4096
