"""Parameter and Layer: what is learned, and what a node of the graph is."""

import copy
import pickle

import numpy as np
import pytest

import netlib as nl

# ---- Parameter


def fresh(value=((1.0, 2.0), (3.0, 4.0))):
    return nl.Parameter(np.array(value))


def stale():
    """Return a parameter whose gradient was discarded before its array was read."""
    parameter = fresh()
    parameter.add_grad(np.full((2, 2), 99.0))
    parameter.zero_grad()
    return parameter


def lent():
    """A parameter whose gradient array somebody holds, discarded."""
    parameter = stale()
    parameter.grad += 5
    parameter.zero_grad()
    return parameter


EMPTY_HANDED = pytest.mark.parametrize("make", [fresh, stale, lent])


def test_a_parameter_holds_a_copy_and_keeps_a_floating_type():
    for dtype in (np.float16, np.float32, np.float64):
        array = np.ones((2, 3), dtype)
        parameter = nl.Parameter(array)
        array[:] = 7
        assert (parameter.value == 1).all()
        assert parameter.value.dtype == parameter.grad.dtype == parameter.dtype == dtype
        assert parameter.value.shape == parameter.grad.shape == parameter.shape == (2, 3)
        assert parameter.size == 6
    assert nl.Parameter([1, 2]).dtype == np.float32
    assert nl.Parameter(np.array([1.0], ">f8")).value.dtype.isnative
    assert nl.Parameter(np.ones((3, 2), order="F")).value.flags.c_contiguous


@pytest.mark.parametrize("value", [["a"], None, [1j], [[1.0], [1.0, 2.0]], np.ma.ones(2)])
def test_a_parameter_is_made_of_real_numbers(value):
    with pytest.raises(nl.NetlibError, match="Parameter"):
        nl.Parameter(value)


def test_assigning_a_value_copies_into_the_array():
    parameter = fresh()
    held, new = parameter.value, np.array([[5.0, 6.0], [7.0, 8.0]])
    parameter.value = new
    assert parameter.value is held
    assert held.tolist() == [[5.0, 6.0], [7.0, 8.0]]
    new[:] = 0
    assert held.tolist() == [[5.0, 6.0], [7.0, 8.0]]
    parameter.value = [[1, 2], [3, 4]]
    parameter.value *= 10
    assert parameter.value is held
    assert held.tolist() == [[10.0, 20.0], [30.0, 40.0]]
    parameter.value = parameter.value.T
    assert held.tolist() == [[10.0, 30.0], [20.0, 40.0]]


def test_assigning_a_value_keeps_the_parameters_type():
    parameter = nl.Parameter(np.ones(2, np.float32))
    parameter.value = np.array([0.1, 0.2])
    assert parameter.dtype == np.float32
    assert parameter.value.tolist() == np.array([0.1, 0.2], np.float32).tolist()


def test_assigning_a_gradient_copies_into_the_array():
    parameter = fresh()
    held, new = parameter.grad, np.ones((2, 2))
    parameter.grad = new
    new[:] = 9
    assert parameter.grad is held
    assert held.tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize("what", ["value", "grad"])
@pytest.mark.parametrize("new", [1.0, [1.0, 2.0], np.ones((1, 2)), np.ones((2, 2, 1)), [["a", "b"], ["c", "d"]], None, [[1j, 0], [0, 0]]])
def test_what_does_not_fit_is_refused_and_nothing_is_changed(what, new):
    parameter = fresh()
    parameter.grad = [[5.0, 6.0], [7.0, 8.0]]
    before = parameter.value.copy(), parameter.grad.copy()
    with pytest.raises(nl.NetlibError, match=rf"Parameter.*\.{what}: got ") as caught:
        setattr(parameter, what, new)
    assert isinstance(caught.value, ValueError | TypeError)
    assert parameter.value.tolist() == before[0].tolist()
    assert parameter.grad.tolist() == before[1].tolist()


def test_a_wrong_shape_is_refused_with_both_shapes():
    with pytest.raises(nl.ShapeError, match=r"Parameter\.value: got an array of shape \(3,\), expected \(2, 2\)"):
        fresh().value = [1.0, 2.0, 3.0]


@EMPTY_HANDED
def test_a_gradient_is_zeros_at_first_and_after_zero_grad(make):
    assert make().grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert make().current_grad().tolist() == [[0.0, 0.0], [0.0, 0.0]]


WAYS = {
    "grad +=": lambda p, d: p.__class__.grad.fset(p, p.grad.__iadd__(d)),
    "in place": lambda p, d: np.add(p.grad, d, out=p.grad),
    "add_grad": lambda p, d: p.add_grad(d),
    "add_grad_product": lambda p, d: p.add_grad_product(d, np.eye(2)),
    "grad = grad + d": lambda p, d: setattr(p, "grad", p.grad + d),
}


@EMPTY_HANDED
@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("second", WAYS)
def test_gradients_add_up_whichever_way_they_come(make, first, second):
    parameter = make()
    one, two = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[10.0, 0.0], [0.0, 10.0]])
    kept = one.copy(), two.copy()
    for _ in range(2):
        WAYS[first](parameter, one)
        WAYS[second](parameter, two)
        assert parameter.grad.tolist() == [[11.0, 2.0], [3.0, 14.0]]
        assert (one == kept[0]).all()
        assert (two == kept[1]).all()
        parameter.zero_grad()
        assert parameter.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_plus_equals_is_what_a_users_layer_writes():
    parameter = stale()
    parameter.grad += [[1.0, 2.0], [3.0, 4.0]]
    parameter.grad += 1
    assert parameter.grad.tolist() == [[2.0, 3.0], [4.0, 5.0]]


@EMPTY_HANDED
def test_a_gradient_that_was_added_is_a_copy(make):
    parameter, d = make(), np.ones((2, 2))
    parameter.add_grad(d)
    d[:] = 50
    assert parameter.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


@EMPTY_HANDED
def test_a_product_is_added_as_numpy_has_it(make):
    parameter, rng = make(), np.random.default_rng(0)
    a, b = rng.integers(-5, 5, (2, 3)).astype(float), rng.integers(-5, 5, (3, 2)).astype(float)
    parameter.add_grad_product(a, b)
    parameter.add_grad_product(a, b)
    assert parameter.grad.tolist() == (2 * (a @ b)).tolist()
    parameter.zero_grad()
    parameter.add_grad_product(np.ones((2, 0)), np.ones((0, 2)))
    assert not parameter.grad.any()


def test_the_array_of_the_gradient_is_one_over_zero_grad_and_a_view_of_it_sees_the_zeros():
    parameter = fresh()
    held = parameter.grad
    row = held[0]
    for _ in range(3):
        parameter.add_grad(np.ones((2, 2)))
        assert row.tolist() == [1.0, 1.0]
        parameter.zero_grad()
        assert row.tolist() == [0.0, 0.0]
        assert parameter.grad is held


def test_moving_changes_the_memory_and_no_number():
    for make in (fresh, stale, lent):
        parameter = make()
        flat_value, flat_grad = np.full(6, -1.0), np.full(6, -1.0)
        parameter.move_to(flat_value[1:5].reshape(2, 2), flat_grad[1:5].reshape(2, 2))
        assert flat_value.tolist() == [-1.0, 1.0, 2.0, 3.0, 4.0, -1.0]
        assert flat_grad.tolist() == [-1.0, 0.0, 0.0, 0.0, 0.0, -1.0]
        parameter.add_grad(np.ones((2, 2)))
        parameter.value = np.zeros((2, 2))
        assert flat_value.tolist() == [-1.0, 0.0, 0.0, 0.0, 0.0, -1.0]
        assert flat_grad.tolist() == [-1.0, 1.0, 1.0, 1.0, 1.0, -1.0]
        parameter.zero_grad()
        assert parameter.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("grad", [[0.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
@pytest.mark.parametrize("memory", [[0.0, 0.0], [0.0, 5.0], [5.0, 5.0]])
def test_moving_takes_the_gradient_along_whatever_the_new_memory_held(grad, memory):
    parameter, new = nl.Parameter([1.0, 2.0]), np.array(memory)
    parameter.grad = grad
    parameter.move_to(np.empty(2), new)
    assert new.tolist() == grad


def test_zero_grad_writes_no_zeros_into_an_array_that_no_caller_has_seen():
    moved = fresh()
    moved.move_to(np.empty((2, 2)), np.zeros((2, 2)))
    for parameter in (fresh(), moved):
        parameter.add_grad(np.ones((2, 2)))
        parameter.zero_grad()
        assert (parameter._grad == 1).all()
        assert not parameter.grad.any()


@EMPTY_HANDED
@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_a_copy_has_the_numbers_and_its_own_memory(make, twin_of):
    parameter = make()
    parameter.trainable = False
    empty = twin_of(parameter)
    assert empty.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    parameter.add_grad(np.ones((2, 2)))
    twin = twin_of(parameter)
    assert (twin.value.tolist(), twin.grad.tolist(), twin.trainable) == (parameter.value.tolist(), parameter.grad.tolist(), False)
    twin.value *= 0
    twin.grad *= 0
    assert parameter.value.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert parameter.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_parameter_shows_its_shape_and_type():
    assert repr(nl.Parameter(np.ones((2, 3), np.float32))) == "Parameter(shape=(2, 3), dtype=float32)"
    assert repr(nl.Parameter([1.0], trainable=False)) == "Parameter(shape=(1,), dtype=float64, trainable=False)"


# ---- Layer


class Mix(nl.Layer):
    """A user's layer: y = tanh(x A) s, with what it holds in attributes of many kinds."""

    def __init__(self):
        self.scale = nl.Parameter([2.0])
        self.inner = nl.Affine.from_arrays([[1.0, 2.0], [3.0, 4.0]])
        self.chain = [nl.Tanh(), (nl.Dropout(0.5, rng=0),)]
        self.table = {"more": [nl.Parameter([1.0])], "no": 3}
        self.cached = (np.ones(3), "text", None)

    def forward(self, x):
        self.h = self.chain[1][0].forward(self.chain[0].forward(self.inner.forward(x)))
        return self.h * self.scale.value

    def backward(self, dout):
        self.scale.grad += (dout * self.h).sum()
        return self.inner.backward(self.chain[0].backward(self.chain[1][0].backward(dout * self.scale.value)))


def test_what_is_assigned_is_found_in_the_order_of_assignment():
    mix = Mix()
    assert list(mix.parameters()) == ["scale", "table.more.0", "inner.weight"]
    assert mix.parameters()["inner.weight"] is mix.inner.weight
    assert [path for path, _ in mix.walk()] == ["", "inner", "chain.0", "chain.1.0"]


def test_a_shared_parameter_or_layer_is_listed_once_under_its_first_path():
    mix = Mix()
    mix.again = mix.scale
    mix.inner_again = [mix.inner]
    assert list(mix.parameters()) == ["scale", "table.more.0", "inner.weight"]
    assert len({id(layer) for _, layer in mix.walk()}) == len(list(mix.walk())) == 4


def test_a_layer_that_knows_its_parent_is_no_endless_walk():
    mix = Mix()
    mix.inner.parent = mix
    assert list(mix.parameters()) == ["scale", "table.more.0", "inner.weight"]
    assert mix.eval().inner.training is False


def test_two_parameters_of_one_path_are_refused_and_none_is_lost():
    mix = Mix()
    mix.table = {"a.b": nl.Parameter([1.0]), "a": {"b": nl.Parameter([2.0])}}
    with pytest.raises(nl.InvalidValueError, match=r"two parameters .*table\.a\.b"):
        mix.parameters()


def test_the_mode_is_training_at_first_and_reaches_children():
    mix = Mix()
    drop = mix.chain[1][0]
    assert mix.training is drop.training is True
    assert mix.eval() is mix
    assert mix.training is drop.training is mix.inner.training is False
    assert mix.train() is mix
    assert drop.training is True
    mix.training = False
    assert drop.training is False
    assert mix.train(False).training is False


def test_zero_grad_discards_every_gradient():
    mix = Mix()
    for parameter in mix.parameters().values():
        parameter.grad += 3
    mix.zero_grad()
    assert not any(p.grad.any() for p in mix.parameters().values())


def test_calling_is_forward_and_backward_parameters_is_backward_without_a_result():
    mix = Mix().eval()
    x = np.array([[1.0, -1.0]])
    assert mix(x).tolist() == mix.forward(x).tolist()
    assert mix.backward_parameters(np.ones((1, 2))) is None
    once = mix.scale.grad.copy()
    mix.backward(np.ones((1, 2)))
    assert mix.scale.grad.tolist() == (2 * once).tolist()


def test_a_layer_without_forward_or_backward_says_what_a_layer_is():
    class Nothing(nl.Layer):
        pass

    for method in (Nothing().forward, Nothing().backward):
        with pytest.raises(NotImplementedError, match="Nothing has no forward or no backward"):
            method(np.ones(2))


def test_backward_before_forward_and_another_dout_are_refused_by_every_layer_of_netlibs():
    layer = nl.Affine(2, 3)
    with pytest.raises(nl.OrderError, match=r"Affine\(2, 3\): backward was called before forward\. Call forward first"):
        layer.backward(np.ones((1, 3)))
    layer.forward(np.ones((4, 2)))
    for bad in (np.ones((1, 3)), np.ones(3), np.ones((4, 1)), 1.0, np.ones((3, 4))):
        with pytest.raises(nl.ShapeError, match=r"Affine\(2, 3\): dout has shape .* expected that of the output, \(4, 3\)"):
            layer.backward(bad)
    with pytest.raises(nl.InvalidTypeError):
        layer.backward(np.full((4, 3), "a"))
    assert not layer.weight.grad.any()
    assert not layer.bias.grad.any()


def test_two_passes_add_up_and_backward_belongs_to_the_last_forward():
    layer = nl.Affine.from_arrays([[1.0], [2.0]], [0.0])
    layer.forward([[100.0, 100.0]])
    layer.forward([[1.0, 2.0]])
    layer.backward([[1.0]])
    layer.backward([[10.0]])
    assert layer.weight.grad.tolist() == [[11.0], [22.0]]
    assert layer.bias.grad.tolist() == [11.0]


def test_a_layer_is_a_layer_of_any_user_in_pickles_and_copies():
    mix = Mix()
    for twin in (copy.deepcopy(mix), pickle.loads(pickle.dumps(mix))):
        assert twin.forward(np.ones((4, 2))).tolist() == copy.deepcopy(mix).forward(np.ones((4, 2))).tolist()
        assert list(twin.parameters()) == list(mix.parameters())
        twin.scale.value *= 0
    assert mix.scale.value.tolist() == [2.0]


# ---- how a layer shows itself


def test_repr_leaves_out_defaults_and_marks_what_was_not_kept():
    class Own(nl.Layer):
        def __init__(self, a, b, *rest, c=1, d=None, rng=None, **more):
            self.a, self.rest, self.c, self.d = a, rest, c, d

    assert repr(Own(1, 2)) == "Own(1, …)"
    assert repr(Own(1, 2, 3, "x", c=5, d=[1], rng=0, e=4)) == "Own(1, …, 3, 'x', c=5, d=[1])"

    class Bare(nl.Layer):
        pass

    assert repr(Bare()) == "Bare()"


def test_repr_never_fails_whatever_a_users_constructor_looks_like():
    class Default(nl.Layer):
        def __init__(self, scale=np.ones(2)):  # noqa: B008  # a user may
            self.scale = scale

    class Starred(nl.Layer):
        def __init__(self, *weights):
            self.weights = nl.Parameter(list(weights))

    class Function(nl.Layer):
        def __init__(self, forward, backward=None):
            self.inner = forward, backward

    assert repr(Default()) == "Default()"
    assert repr(Function(np.tanh)) == "Function(…)"
    assert repr(Default(np.zeros(2))).startswith("Default(scale=array(")
    assert repr(Starred(1.0, 2.0)).startswith("Starred(")


# ---- tied copies


X = np.array([[1.0, 2.0], [3.0, -1.0]])


def test_a_tied_copy_has_the_parameters_and_forwards_of_its_own():
    layer = nl.Affine.from_arrays([[1.0, 2.0], [3.0, 4.0]], [0.5, 0.5])
    twin = layer.tied_copy()
    assert type(twin) is nl.Affine
    assert twin is not layer
    assert twin.weight is layer.weight
    assert twin.bias is layer.bias
    layer.forward(X)
    twin.forward(10 * X)
    layer.backward(np.ones((2, 2)))
    assert layer.weight.grad.tolist() == [[4.0, 4.0], [1.0, 1.0]]
    twin.backward(np.ones((2, 2)))
    assert layer.weight.grad.tolist() == [[44.0, 44.0], [11.0, 11.0]]
    twin.weight.value = np.zeros((2, 2))
    assert layer.forward(X).tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_a_tied_copy_begins_without_a_forward_and_leaves_that_of_the_first_alone():
    layer = nl.Affine.from_arrays([[1.0], [1.0]])
    layer.forward(X)
    twin = layer.tied_copy()
    with pytest.raises(nl.OrderError):
        twin.backward(np.ones((2, 1)))
    assert layer.backward(np.ones((2, 1))).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_layer_and_its_tied_copy_in_one_model_have_the_gradient_of_both_places():
    rng = np.random.default_rng(0)
    layer = nl.Affine.from_arrays(rng.normal(size=(2, 2)), rng.normal(size=2))
    model = nl.Sequential(layer, nl.Tanh(), nl.Residual(layer.tied_copy()), layer.tied_copy().tied_copy())
    assert list(model.parameters()) == ["0.weight", "0.bias"]

    def loss():
        return float((model.forward(X) ** 2).sum())

    y = model.forward(X)
    model.backward(2 * y)
    for parameter in (layer.weight, layer.bias):
        numeric = np.zeros(parameter.shape)
        for i in np.ndindex(parameter.shape):
            kept = parameter.value[i]
            parameter.value[i] = kept + 1e-6
            above = loss()
            parameter.value[i] = kept - 1e-6
            numeric[i] = (above - loss()) / 2e-6
            parameter.value[i] = kept
        np.testing.assert_allclose(parameter.grad, numeric, rtol=1e-6)


def graph_around(layer):
    x = nl.Input("x")
    return nl.Graph([x], [layer(x)])


@pytest.mark.parametrize("wrap", [nl.Sequential, nl.Residual, lambda a: nl.Sequential(("a", nl.Residual(nl.Sequential(a)))), graph_around])
def test_containers_have_tied_copies(wrap):
    layer = nl.Affine.from_arrays([[1.0, 0.0], [0.0, 1.0]])
    model = wrap(layer)
    twin = model.tied_copy()
    both = nl.Sequential(model, twin)
    assert len(both.parameters()) == 1
    y = both.forward(X)
    factor = y[0, 0] / X[0, 0]  # 1 for the identity, 4 with a way around it at both places
    assert y.tolist() == (factor * X).tolist()
    dx = both.backward(np.ones((2, 2)))
    assert dx.tolist() == np.full((2, 2), factor).tolist()
    assert layer.weight.grad.tolist() == (2 * np.sqrt(factor) * X.T @ np.ones((2, 2))).tolist()
    assert next(iter(twin.parameters().values())) is layer.weight


def test_a_weight_of_a_graph_is_shared_with_its_tied_copy_and_a_constant_keeps_its_value():
    x, w = nl.Input("x"), nl.Weight("W", [2.0])
    graph = nl.Graph([x], [x * w + nl.Constant("C", [1.0])])
    model = nl.Sequential(graph, graph.tied_copy())
    assert model.parameters() == {"0.W": w.parameter}
    assert model.forward(np.array([3.0])).tolist() == [15.0]
    assert model.backward(np.array([1.0])).tolist() == [4.0]
    assert w.parameter.grad.tolist() == [13.0]  # (x w + 1) w + 1: 2 x w + 1


@pytest.mark.parametrize("wrap", [lambda drop: drop, lambda drop: nl.Sequential(nl.Residual(drop))])
def test_a_dropout_and_its_tied_copy_draw_from_one_generator(wrap):
    one = wrap(nl.Dropout(0.5, rng=0))
    two = one.tied_copy()
    reference = wrap(nl.Dropout(0.5, rng=0))
    ones = np.ones(50)
    drawn = [one.forward(ones).tolist(), two.forward(ones).tolist(), one.forward(ones).tolist()]
    assert drawn == [reference.forward(ones).tolist() for _ in range(3)]
    assert two.backward(ones).tolist() == drawn[1]


def test_a_tied_copy_of_a_users_layer_shares_what_is_learned_and_nothing_that_is_kept():
    mix = Mix().eval()
    mix.forward(X)
    kept = mix.h.copy()
    twin = mix.tied_copy()
    assert twin.training is False
    twin.forward(5 * X)
    assert (mix.h == kept).all()
    assert list(twin.parameters()) == list(mix.parameters())
    assert all(twin.parameters()[path] is parameter for path, parameter in mix.parameters().items())
    drawn, again = mix.train().chain[1][0].forward(np.ones(50)), twin.train().chain[1][0].forward(np.ones(50))
    assert drawn.tolist() != again.tolist()
    assert twin.inner is not mix.inner


# ---- multiply-adds


@pytest.mark.parametrize(
    ("layer", "shapes", "count"),
    [
        (nl.Affine(3, 5), [(3,)], 15),
        (nl.Affine(3, 5), [(7, 3)], 105),
        (nl.Affine(3, 5), [(2, 7, 3)], 210),
        (nl.Affine(3, 5), [(0, 3)], 0),
        (nl.MatMul(), [(2, 3), (3, 4)], 24),
        (nl.MatMul(), [(3,), (3,)], 3),
        (nl.MatMul(), [(3,), (3, 4)], 12),
        (nl.MatMul(), [(2, 3), (3,)], 6),
        (nl.MatMul(), [(7, 2, 3), (3, 4)], 168),
        (nl.MatMul(), [(7, 1, 2, 3), (5, 3, 4)], 840),
        (nl.MatMul(), [(3,), (7, 3, 4)], 84),
        (nl.ReLU(), [(7, 3)], 0),
        (nl.Add(), [(7, 3), (3,)], 0),
    ],
)
def test_multiply_adds_are_those_of_the_matrix_products(layer, shapes, count):
    found = layer.multiply_adds(*shapes)
    assert (type(found), found) == (int, count)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copied", "pickled"])
def test_a_copy_has_numpys_own_types_by_which_fused_operations_tell_them(copied):
    model = copied(nl.Sequential(nl.Affine(2, 3, rng=0), nl.BatchNorm(3), nl.LSTM(3, 2, rng=1)))
    types = [each.value.dtype for each in (*model.parameters().values(), *model.buffers().values())]
    types += [each.grad.dtype for each in model.parameters().values()] + [layer.dtype for layer in model if hasattr(layer, "dtype")]
    assert {id(dtype) for dtype in types} == {id(np.dtype(np.float32))}
