"""State: buffers beside parameters, and a model's arrays as a dict and back."""

import copy
import pickle

import numpy as np
import pytest
from stateful_layers import Centre

import netlib as nl

X = np.array([[1.0, 2.0, 3.0], [3.0, 6.0, 9.0]])


class Shelf(nl.Layer):
    """Holds buffers in every way there is, one of them twice."""

    def __init__(self):
        self.weight = nl.Parameter([1.0, 2.0])
        self.count = nl.Buffer(3)
        self.many = [nl.Buffer([1.0]), (nl.Buffer([True, False]),)]
        self.named = {"a": nl.Buffer([[1, 2]]), "b": {"c": self.count}}
        self.inner = Centre(2)


def model():
    return nl.Sequential(nl.Affine(3, 3, rng=0, dtype="float64"), ("centre", Centre()), nl.Affine(3, 2, rng=1, dtype="float64"))


NAMES = ["0.weight", "0.bias", "2.weight", "2.bias", "centre.mean", "centre.batches"]


def snapshot(layer):
    arrays = {**layer.parameters(), **layer.buffers()}
    return {path: array.value.copy() for path, array in arrays.items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for path in a:
        assert (a[path].dtype, a[path].tolist()) == (b[path].dtype, b[path].tolist()), path


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"])
def test_a_buffer_is_a_copy_in_the_type_and_shape_it_was_given(dtype):
    given = np.array([[0, 1, 1]], dtype)
    buffer = nl.Buffer(given)
    given[...] = 0
    assert (buffer.dtype, buffer.shape, buffer.value.tolist()) == (np.dtype(dtype), (1, 3), [[0, 1, 1]])


def test_a_buffer_of_a_number_has_no_axes():
    assert nl.Buffer(5).shape == ()
    assert nl.Buffer(5).value == 5


@pytest.mark.parametrize("value", ["text", [1j], None, [[1.0], [1.0, 2.0]], object()])
def test_what_is_no_array_of_real_numbers_is_no_buffer(value):
    with pytest.raises(nl.NetlibError):
        nl.Buffer(value)


def test_assigning_copies_into_the_array_that_others_hold():
    buffer, new = nl.Buffer([1.0, 2.0]), np.array([3.0, 4.0])
    held = buffer.value
    buffer.value = new
    new[...] = 0
    assert buffer.value is held
    assert held.tolist() == [3.0, 4.0]
    buffer.value += 1
    assert held.tolist() == [4.0, 5.0]


@pytest.mark.parametrize("new", [5.0, [1.0], [1.0, 2.0, 3.0], [[1.0, 2.0]]])
def test_another_shape_is_refused_and_never_broadcast(new):
    buffer = nl.Buffer([1.0, 2.0])
    with pytest.raises(nl.ShapeError, match=r"\(2,\)"):
        buffer.value = new
    assert buffer.value.tolist() == [1.0, 2.0]


def test_buffers_are_found_wherever_parameters_are_and_a_shared_one_once_under_its_first_path():
    shelf = Shelf()
    found = shelf.buffers()
    assert set(found) == {"count", "many.0", "many.1.0", "named.a", "inner.mean", "inner.batches"}
    assert found["count"] is shelf.count
    assert found["inner.mean"] is shelf.inner.mean


@pytest.mark.parametrize(
    ("wire", "path"),
    [
        (lambda layer: nl.Sequential(nl.ReLU(), layer), "1."),
        (lambda layer: nl.Sequential(("norm", layer)), "norm."),
        (nl.Residual, "layer."),
        (lambda layer: nl.Residual(nl.Sequential(layer)), "layer.0."),
        (lambda layer: (lambda x: nl.Graph([x], [layer(x, name="h")]))(nl.Input("x")), "h."),
    ],
)
def test_buffers_are_found_in_every_container(wire, path):
    layer = Centre()
    found = wire(layer).buffers()
    assert list(found) == [f"{path}mean", f"{path}batches"]
    assert found[f"{path}mean"] is layer.mean


def test_a_buffer_is_no_parameter_and_no_optimizer_touches_it():
    shelf = Shelf()
    assert list(shelf.parameters()) == ["weight"]
    optimizer = nl.SGD(shelf, lr=1.0, weight_decay=0.5)
    before = {path: buffer.value.copy() for path, buffer in shelf.buffers().items()}
    shelf.weight.grad += 1
    optimizer.step()
    assert list(optimizer.parameters()) == ["weight"]
    assert_same({path: buffer.value for path, buffer in shelf.buffers().items()}, before)


def test_a_layer_without_buffers_has_none():
    assert nl.Sequential(nl.Affine(2, 2), nl.ReLU()).buffers() == {}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))], ids=["deepcopy", "pickle"])
def test_a_copy_has_buffers_of_its_own_which_share_what_they_shared(copied):
    shelf = Shelf()
    twin = copied(shelf)
    assert_same(snapshot(twin), snapshot(shelf))
    assert twin.named["b"]["c"] is twin.count
    twin.count.value = 7
    twin.inner.mean.value = [8.0, 9.0]
    assert shelf.count.value == 3
    assert shelf.inner.mean.value.tolist() == [0.0, 0.0]


def test_a_tied_copy_shares_parameters_and_buffers():
    first = nl.Sequential(nl.Affine(3, 3, rng=0), Centre())
    second = first.tied_copy()
    assert second.parameters()["0.weight"] is first.parameters()["0.weight"]
    assert second.buffers()["1.mean"] is first.buffers()["1.mean"]
    both = nl.Sequential(first, second)
    assert list(both.buffers()) == ["0.1.mean", "0.1.batches"]
    both.forward(X)
    assert first[1].batches.value == 2


def test_the_state_is_a_copy_of_every_parameter_and_buffer_by_path():
    layer = model()
    state = layer.state_dict()
    assert sorted(state) == sorted(NAMES)
    assert_same(state, snapshot(layer) | {})
    assert all(type(array) is np.ndarray for array in state.values())
    before = snapshot(layer)
    for array in state.values():
        array[...] = 9
    assert_same(snapshot(layer), before)


def test_what_is_shared_stands_in_the_state_once():
    shelf = Shelf()
    assert set(shelf.state_dict()) == {"weight", *shelf.buffers()}


def test_a_model_takes_the_state_of_another_and_gives_the_same_answers():
    old, new = model(), model()
    for parameter in old.parameters().values():
        parameter.value = parameter.value + 1
    old.forward(X)
    assert new.load_state_dict(old.state_dict()) == {}
    assert_same(snapshot(new), snapshot(old))
    assert new.eval().forward(X).tolist() == old.eval().forward(X).tolist()
    assert new["centre"].batches.value == 1


def test_loading_copies_so_that_the_state_stays_the_callers():
    layer = model()
    state = layer.state_dict()
    layer.load_state_dict(state)
    before = snapshot(layer)
    for array in state.values():
        array[...] = 9
    assert_same(snapshot(layer), before)


def test_arrays_held_before_a_load_are_those_of_the_model_afterwards():
    layer = model()
    nl.Adam(layer)
    held = {path: each.value for path, each in {**layer.parameters(), **layer.buffers()}.items()}
    state = {path: array + 1 for path, array in layer.state_dict().items()}
    layer.load_state_dict(state)
    for path, each in {**layer.parameters(), **layer.buffers()}.items():
        assert each.value is held[path]
    assert_same(held, state)


def test_an_optimizer_made_before_a_load_trains_what_was_loaded():
    layer = nl.Sequential(nl.Affine.from_arrays([[1.0], [2.0]], [3.0]))
    optimizer = nl.SGD(layer, lr=0.5)
    layer.load_state_dict({"0.weight": [[10.0], [20.0]], "0.bias": [30.0]})
    assert layer.forward([[1.0, 2.0]]).tolist() == [[80.0]]
    layer.backward([[1.0]])
    optimizer.step()
    assert layer[0].weight.value.tolist() == [[9.5], [19.0]]
    assert layer[0].bias.value.tolist() == [29.5]


def test_an_adam_goes_on_after_a_load_as_if_the_values_had_been_assigned():
    one, two = model(), model()
    optimizers = nl.Adam(one, lr=0.1), nl.Adam(two, lr=0.1)
    for layer, optimizer in zip((one, two), optimizers, strict=True):
        layer.backward(np.ones_like(layer.forward(X)))
        optimizer.step()
    state = {path: array * 2 for path, array in one.state_dict().items()}
    one.load_state_dict(state)
    for path, each in {**two.parameters(), **two.buffers()}.items():
        each.value = state[path]
    for layer, optimizer in zip((one, two), optimizers, strict=True):
        layer.backward(np.ones_like(layer.forward(X)))
        optimizer.step()
    assert_same(snapshot(one), snapshot(two))
    assert not np.array_equal(one[0].weight.value, state["0.weight"])


def test_values_are_turned_into_the_types_that_the_model_has():
    layer = nl.Affine(2, 1, rng=0)
    layer.load_state_dict({"weight": [[1], [2]], "bias": np.array([0.5], np.float64)})
    assert (layer.weight.dtype, layer.weight.value.tolist(), layer.bias.value.tolist()) == (np.float32, [[1.0], [2.0]], [0.5])


def unfit():
    """Return a state with missing and unknown names, wrong shapes, and one entry that fits."""
    layer = model()
    state = {path: array + 1 for path, array in layer.state_dict().items()}
    del state["0.bias"], state["centre.batches"]
    state["2.weight"] = np.ones((7, 2))
    state["centre.mean"] = np.ones((1, 3))
    return layer, {**state, "head.weight": np.ones(2), "extra": np.ones(1)}


BAD = ["0.bias", "centre.batches", "2.weight", "centre.mean", "head.weight", "extra"]


def test_one_message_lists_everything_that_does_not_fit_and_nothing_changes():
    layer, state = unfit()
    before = snapshot(layer)
    with pytest.raises(nl.InvalidValueError) as caught:
        layer.load_state_dict(state)
    message = str(caught.value)
    assert [name for name in BAD if name not in message] == []
    assert "2.bias" not in message
    for shape in ("(7, 2)", "(3, 2)", "(1, 3)", "(3,)"):
        assert shape in message
    assert_same(snapshot(layer), before)


@pytest.mark.parametrize("spoil", [lambda s: s.pop("0.bias"), lambda s: s.update(extra=np.ones(1)), lambda s: s.update({"2.bias": [1.0]})])
def test_each_kind_of_misfit_alone_is_refused(spoil):
    layer = model()
    state = {path: array + 1 for path, array in layer.state_dict().items()}
    spoil(state)
    before = snapshot(layer)
    with pytest.raises(nl.InvalidValueError):
        layer.load_state_dict(state)
    assert_same(snapshot(layer), before)


@pytest.mark.parametrize("value", ["text", None, [[1.0], [1.0, 2.0]], np.array([1j, 2j])])
def test_a_value_that_is_no_array_is_refused_by_its_name_and_nothing_changes(value):
    layer = model()
    state = {path: array + 1 for path, array in layer.state_dict().items()} | {"2.bias": value}
    before = snapshot(layer)
    with pytest.raises(nl.NetlibError, match=r"2\.bias"):
        layer.load_state_dict(state)
    assert_same(snapshot(layer), before)


def test_what_is_not_strict_takes_what_fits_and_says_what_did_not():
    layer, state = unfit()
    before = snapshot(layer)
    rest = layer.load_state_dict(state, strict=False)
    assert sorted(rest) == sorted(BAD)
    assert all(isinstance(text, str) and text for text in rest.values())
    assert "(7, 2)" in rest["2.weight"]
    expected = {path: array + (path in ("0.weight", "2.bias")) for path, array in before.items()}
    assert_same(snapshot(layer), expected)


def test_where_all_fits_nothing_is_left_over():
    layer = model()
    assert layer.load_state_dict(layer.state_dict(), strict=False) == {}
    assert nl.ReLU().load_state_dict({}) == {}


@pytest.mark.parametrize("state", [None, 3, [("weight", 1.0)], "weight", {"weight"}])
def test_what_is_no_mapping_is_refused_as_such(state):
    with pytest.raises(nl.InvalidTypeError):
        nl.Affine(1, 1).load_state_dict(state)


def test_the_checker_looks_through_a_layer_with_buffers_and_leaves_them_alone():
    layer = nl.Sequential(Centre(start=1.0), nl.Tanh())
    report = nl.check_gradients(layer, X)
    assert report.ok, report
    assert layer[0].mean.value.tolist() == [1.0, 1.0, 1.0]
    assert layer[0].batches.value == 0
    nl.testing.check_layer(Centre(start=1.0), X)
