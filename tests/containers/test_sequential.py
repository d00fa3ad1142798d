"""Sequential: a chain that is indexed like a list, grown, nested and named."""

import copy
import pickle

import numpy as np
import pytest
from own_layers import Halves, Scale, affine, assert_gradients_are_differences, grads

import netlib as nl

X = np.array([[1.0, 2.0], [-1.0, 0.5]])


def small():
    """A net with whole numbers, so that everything can be worked by hand."""
    return nl.Sequential(
        ("hidden", nl.Affine.from_arrays([[1.0, -1.0], [2.0, 1.0]], [0.0, 1.0])), nl.ReLU(), nl.Affine.from_arrays([[3.0], [-2.0]], [1.0])
    )


def test_a_chain_gives_the_numbers_worked_by_hand():
    # X W + b = [[5, 2], [0, 2.5]]; ReLU leaves it; [5·3 - 2·2 + 1], [0·3 - 2.5·2 + 1]
    model = small()
    assert model.forward(X).tolist() == [[12.0], [-4.0]]
    # ∂L/∂h = [[3, -2], [6, -4]]; at h = 0 ReLU passes nothing: [[3, -2], [0, -4]];
    # times W transposed
    assert model.backward([[1.0], [2.0]]).tolist() == [[5.0, 4.0], [4.0, -4.0]]
    assert {path: grad.tolist() for path, grad in grads(model).items()} == {
        "hidden.weight": [[3.0, 2.0], [6.0, -6.0]],
        "hidden.bias": [3.0, -6.0],
        "2.weight": [[5.0], [7.0]],
        "2.bias": [3.0],
    }


def test_gradients_of_a_chain_equal_differences():
    model, x = nl.Sequential(affine(3, 4, 0), nl.Tanh(), affine(4, 2, 1), nl.Sigmoid()), np.random.default_rng(2).normal(size=(5, 3))
    weights = np.random.default_rng(3).normal(size=(5, 2))
    assert_gradients_are_differences(model, x, weights)


def test_calling_is_forward():
    assert small()(X).tolist() == small().forward(X).tolist()


def test_layers_are_found_by_number_from_both_ends_and_by_name():
    a, b, c = nl.Affine(2, 3), nl.ReLU(), nl.Affine(3, 1)
    model = nl.Sequential(("hidden", a), b, ("out", c))
    assert len(model) == 3
    assert [model[0], model[1], model[2]] == [a, b, c] == [model[-3], model[-2], model[-1]] == list(model)
    assert model["hidden"] is a
    assert model["out"] is c
    assert model[np.int64(1)] is b


@pytest.mark.parametrize("key", [3, -4, "none"])
def test_a_layer_that_is_not_there_is_refused_with_those_that_are(key):
    model = small()
    with pytest.raises(nl.MissingError, match=r"Sequential: has no layer .*only: hidden, 1, 2") as caught:
        model[key]
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, IndexError)


def test_a_slice_is_a_sequential_over_the_same_layers_under_the_same_names():
    model = small()
    head, tail = model[:2], model[1:]
    assert isinstance(head, nl.Sequential)
    assert list(head) == [model[0], model[1]]
    assert head["hidden"] is model["hidden"]
    assert list(tail.parameters()) == ["1.weight", "1.bias"]
    assert list(model[::-1]) == [model[2], model[1], model[0]]
    assert len(model[5:]) == 0
    assert tail.forward(head.forward(X)).tolist() == [[12.0], [-4.0]]
    head.parameters()["hidden.weight"].value = np.zeros((2, 2))
    assert not model["hidden"].weight.value.any()
    assert len(model) == 3


def test_appending_to_a_slice_leaves_the_whole_alone():
    model = small()
    model[:1].append(nl.Tanh())
    assert len(model) == 3
    assert model.forward(X).tolist() == [[12.0], [-4.0]]


def test_a_slice_has_the_mode_of_the_whole():
    part = nl.Sequential(nl.Identity(), nl.ReLU()).eval()[:1]
    assert part.training is False
    assert part.append(nl.Dropout(0.5)).forward(np.ones(100)).tolist() == [1.0] * 100


def test_append_adds_a_layer_that_runs_and_learns():
    model = small()
    model.forward(X)
    assert model.append(("last", nl.Affine.from_arrays([[2.0]]))) is model
    assert model.forward(X).tolist() == [[24.0], [-8.0]]
    model.backward([[1.0], [0.0]])
    assert model.parameters()["last.weight"].grad.tolist() == [[12.0]]
    inner = nl.Sequential(nl.Identity())
    outer = nl.Sequential(inner, nl.Identity())
    assert outer.forward([3.0]).tolist() == [3.0]
    inner.append(Scale(2.0))
    assert outer.forward([3.0]).tolist() == [6.0]
    assert list(outer.parameters()) == ["0.1.weight"]


def test_after_an_append_backward_waits_for_a_forward():
    model = small()
    model.forward(X)
    model.append(nl.Identity())
    with pytest.raises(nl.OrderError):
        model.backward(np.ones((2, 1)))


def test_what_is_appended_takes_the_mode_of_the_container():
    model = nl.Sequential(nl.ReLU()).eval()
    drop = nl.Sequential(nl.Dropout(0.5))
    model.append(drop)
    assert drop[0].training is False
    assert nl.Sequential().append(nl.Dropout().eval())[0].training is True


def test_an_append_that_is_refused_changes_nothing():
    model, nested = small(), nl.Affine(1, 1)
    model.append(nl.Sequential(nested))
    with_a_parameter_too = Scale(1.0)
    with_a_parameter_too.inner = model[1]
    bad = [
        (("hidden", nl.ReLU()), nl.InvalidValueError, "two layers are named 'hidden'"),
        (model[0], nl.InvalidValueError, r"Sequential\['hidden'\] and at Sequential\[4\].*tied_copy"),
        (nl.Sequential(nl.ReLU(), model[1]), nl.InvalidValueError, r"Sequential\[1\] and at Sequential\[4\].*tied_copy"),
        (nested, nl.InvalidValueError, "tied_copy"),
        (with_a_parameter_too, nl.InvalidValueError, "tied_copy"),
        (nl.ReLU, nl.InvalidTypeError, r"got the class ReLU.*ReLU\(…\)"),
        (3, nl.InvalidTypeError, "got 3, expected a layer"),
    ]
    before = repr(model), model.training, list(model.parameters())
    for layer, error, message in bad:
        with pytest.raises(error, match=message):
            model.append(layer)
        assert (repr(model), model.training, list(model.parameters())) == before
    assert model.forward(X).shape == (2, 1)


def test_an_object_that_gets_in_twice_through_an_inner_container_is_refused_at_the_forward():
    shared, inner = nl.ReLU(), nl.Sequential(nl.Identity())
    outer = nl.Sequential(shared, inner)
    inner.append(shared)
    with pytest.raises(nl.InvalidValueError, match=r"Sequential\[0\] and at Sequential\[1\]\.Sequential\[1\].*tied_copy"):
        outer.forward(X)


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ((nl.ReLU(), 3), nl.InvalidTypeError, r"Sequential\[1\]: got 3, expected a layer"),
        ((nl.ReLU,), nl.InvalidTypeError, r"Sequential\[0\]: got the class ReLU.*ReLU\(…\)"),
        (([nl.ReLU(), nl.ReLU()],), nl.InvalidTypeError, "expected a layer"),
        ((np.tanh,), nl.InvalidTypeError, "expected a layer"),
        ((None,), nl.InvalidTypeError, "got None, expected a layer"),
        ((("a", nl.Affine),), nl.InvalidTypeError, "got the class Affine"),
        ((("a", nl.ReLU()), ("a", nl.Tanh())), nl.InvalidValueError, "two layers are named 'a'"),
        ((("a.b", nl.ReLU()),), nl.InvalidValueError, "'a.b' cannot name a layer"),
        ((("", nl.ReLU()),), nl.InvalidValueError, "'' cannot name a layer"),
        ((("1", nl.ReLU()),), nl.InvalidValueError, "'1' cannot name a layer"),
        (((1, nl.ReLU()),), nl.InvalidValueError, "1 cannot name a layer"),
    ],
)
def test_what_is_no_layer_or_no_name_is_refused(layers, error, message):
    with pytest.raises(error, match=message):
        nl.Sequential(*layers)


@pytest.mark.parametrize("wrap", [lambda a: a, nl.Sequential, nl.Residual, lambda a: nl.Sequential(nl.Identity(), nl.Sequential(a))])
def test_the_same_object_twice_is_refused_however_deep_and_tied_copy_is_named(wrap):
    layer = nl.Affine(2, 2)
    with pytest.raises(nl.InvalidValueError, match=r"Sequential\[0\] and at Sequential\[2\].*tied_copy\(\)"):
        nl.Sequential(layer, nl.ReLU(), wrap(layer))


def test_nesting_changes_no_number():
    layers = [affine(2, 3, 0), nl.Tanh(), affine(3, 3, 1), nl.Tanh(), affine(3, 1, 2)]
    flat = nl.Sequential(*copy.deepcopy(layers))
    a, b, c, d, e = layers
    nested = nl.Sequential(nl.Sequential(a, nl.Sequential(b, nl.Sequential(c))), nl.Sequential(), nl.Sequential(nl.Sequential(d, e)))
    assert nested.forward(X).tolist() == flat.forward(X).tolist()
    assert nested.backward(np.ones((2, 1))).tolist() == flat.backward(np.ones((2, 1))).tolist()
    assert list(nested.parameters()) == ["0.0.weight", "0.0.bias", "0.1.1.0.weight", "0.1.1.0.bias", "2.0.1.weight", "2.0.1.bias"]
    assert [g.tolist() for g in grads(nested).values()] == [g.tolist() for g in grads(flat).values()]


def test_parameters_are_paths_in_the_order_of_the_layers():
    model = nl.Sequential(("in", nl.Affine(2, 3)), nl.Sequential(("deep", nl.Affine(3, 3, bias=False))), nl.ReLU(), nl.Affine(3, 1))
    assert list(model.parameters()) == ["in.weight", "in.bias", "1.deep.weight", "3.weight", "3.bias"]


def test_leaving_out_the_input_gradient_gives_none_and_the_same_parameter_gradients():
    one = nl.Sequential(nl.Sequential(affine(2, 3, 0)), nl.Tanh(), affine(3, 1, 1))
    two = copy.deepcopy(one)
    one.forward(X)
    two.forward(X)
    assert one.backward(np.ones((2, 1))) is not None
    assert two.backward(np.ones((2, 1)), input_gradient=False) is None
    assert [g.tolist() for g in grads(one).values()] == [g.tolist() for g in grads(two).values()]


def test_backward_belongs_to_the_last_forward():
    model, fresh = small(), small()
    model.forward(X[:1])
    model.forward(-3 * X)
    fresh.forward(-3 * X)
    assert model.backward(np.ones((2, 1))).tolist() == fresh.backward(np.ones((2, 1))).tolist()
    assert [g.tolist() for g in grads(model).values()] == [g.tolist() for g in grads(fresh).values()]


def test_two_backward_passes_add_up():
    model, once = small(), small()
    for each in (model, once):
        each.forward(X)
    once.backward(np.ones((2, 1)))
    dx = model.backward(np.ones((2, 1)))
    assert model.backward(np.ones((2, 1))).tolist() == dx.tolist()
    assert [g.tolist() for g in grads(model).values()] == [(2 * g).tolist() for g in grads(once).values()]


def test_gradients_of_micro_batches_add_up_to_those_of_the_batch():
    model, x = nl.Sequential(affine(2, 3, 0), nl.Tanh(), affine(3, 2, 1)), np.random.default_rng(0).normal(size=(6, 2))
    whole = copy.deepcopy(model)
    whole.forward(x)
    whole.backward(x)
    for part in (x[:2], x[2:3], x[3:]):
        model.forward(part)
        model.backward(part)
    for path, grad in grads(whole).items():
        np.testing.assert_allclose(grads(model)[path], grad, rtol=1e-13)


def test_what_was_returned_stays_as_it_was():
    model = nl.Sequential(affine(2, 3, 0), nl.Identity(), nl.ReLU(), affine(3, 2, 1), nl.Identity())
    y = model.forward(X)
    dx = model.backward(np.ones((2, 2)))
    kept = y.copy(), dx.copy()
    model.forward(9 * X)
    model.backward(5 * np.ones((2, 2)))
    model.parameters()["0.weight"].value *= 2
    assert (y == kept[0]).all()
    assert (dx == kept[1]).all()


def test_what_was_returned_may_be_written_to_before_backward():
    model = nl.Sequential(affine(2, 3, 0), nl.Tanh(), affine(3, 2, 1), nl.Sigmoid(), nl.Softmax())
    model.forward(X)
    expected = model.backward(X)
    model.forward(X)[:] = 7
    assert model.backward(X).tolist() == expected.tolist()


@pytest.mark.parametrize("x", [X, X[:1]])
def test_neither_the_input_nor_dout_is_changed(x):
    model = nl.Sequential(nl.Identity(), nl.ReLU(), nl.Residual(nl.Identity()), nl.Dropout(0.0))
    x, dout = x.copy(), 3 * x
    before = x.tobytes(), dout.tobytes()
    y = model.forward(x)
    dx = model.backward(dout)
    assert (x.tobytes(), dout.tobytes()) == before
    assert not any(np.shares_memory(a, b) for a, b in [(y, x), (dx, dout), (dx, y)])


def test_a_gradient_that_equals_dout_is_a_copy():
    model, dout = nl.Sequential(nl.PositionalEmbedding(2, 2, dtype="float64")), 3 * X
    model.forward(X)
    dx = model.backward(dout)
    assert dx.tolist() == dout.tolist()
    assert not np.shares_memory(dx, dout)


def test_backward_needs_a_forward_and_a_dout_of_the_shape_of_the_output():
    model = small()
    with pytest.raises(nl.OrderError, match="backward was called before forward"):
        model.backward(np.ones((2, 1)))
    model.forward(X)
    for bad in (np.ones((1, 1)), np.ones(2), 1.0, np.ones((2, 2))):
        with pytest.raises(nl.ShapeError, match=r"dout has shape .* expected that of the output, \(2, 1\)"):
            model.backward(bad)
    assert not any(g.any() for g in grads(model).values())


def test_no_input_is_refused():
    with pytest.raises(nl.ShapeError, match="Sequential: got no inputs"):
        small().forward()


def test_the_first_layer_may_take_several_inputs_and_one_may_feed_several():
    model = nl.Sequential(nl.Add(), Halves(), nl.Multiply())
    a, b = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])
    assert model.forward(a, b).tolist() == [[24.0]]
    da, db = model.backward([[1.0]])
    assert da.tolist() == db.tolist() == [[6.0, 4.0]]
    ends_in_two = nl.Sequential(nl.Identity(), Halves())
    left, right = ends_in_two.forward(a)
    assert (left.tolist(), right.tolist()) == ([[1.0]], [[2.0]])
    assert ends_in_two.backward(([[5.0]], [[6.0]])).tolist() == [[5.0, 6.0]]
    with pytest.raises(nl.ShapeError, match="expected a tuple of 2"):
        ends_in_two.backward([[5.0]])


def test_an_empty_sequential_gives_a_copy():
    model = nl.Sequential()
    y = model.forward(X)
    assert y.tolist() == X.tolist()
    assert not np.shares_memory(y, X)
    dout = np.ones((2, 2))
    dx = model.backward(dout)
    assert dx.tolist() == dout.tolist()
    assert not np.shares_memory(dx, dout)
    with pytest.raises(nl.ShapeError):
        model.backward(np.ones(2))
    assert (repr(model), len(model), model.parameters()) == ("Sequential()", 0, {})


def test_an_empty_sequential_has_one_output():
    x = nl.Input("x")
    assert nl.Graph([x], [nl.Sequential()(x)]).forward(X).tolist() == X.tolist()


def test_an_empty_sequential_takes_arrays_as_every_layer_does():
    assert nl.Sequential().forward(np.array([1, 2])).dtype == np.float32
    with pytest.raises(nl.InvalidTypeError):
        nl.Sequential().forward(np.array(["a"]))


def test_lists_are_arrays():
    assert small().forward(X.tolist()).tolist() == [[12.0], [-4.0]]


def test_an_empty_batch_goes_through():
    model = small()
    assert model.forward(np.ones((0, 2))).shape == (0, 1)
    assert model.backward(np.ones((0, 1))).shape == (0, 2)
    assert not any(g.any() for g in grads(model).values())


def test_float32_stays_float32():
    model = nl.Sequential(nl.Affine(2, 3, rng=0), nl.Tanh(), nl.Residual(nl.Affine(3, 3, rng=1)))
    for x in (X, X.astype(np.float32)):
        assert model.forward(x).dtype == np.float32
        assert model.backward(np.ones((2, 3))).dtype == np.float32
    assert {g.dtype for g in grads(model).values()} == {np.dtype(np.float32)}


def test_the_mode_reaches_all_layers():
    drop = nl.Dropout(0.5, rng=0)
    model = nl.Sequential(nl.Sequential(nl.Residual(drop)), nl.ReLU())
    assert model.training is drop.training is True
    assert model.eval() is model
    assert drop.training is model[0].training is False
    assert model.forward(np.ones(64)).tolist() == [2.0] * 64
    model.train()
    assert set(model.forward(np.ones(64)).tolist()) == {1.0, 3.0}
    model.training = False
    assert drop.training is False


def test_repr_is_the_call_that_makes_it():
    text = "Sequential(('hidden', Affine(2, 3)), ReLU(), Sequential(Residual(Affine(3, 3, bias=False)), ('drop', Dropout(p=0.25))))"
    model = nl.Sequential(
        ("hidden", nl.Affine(2, 3)), nl.ReLU(), nl.Sequential(nl.Residual(nl.Affine(3, 3, bias=False)), ("drop", nl.Dropout(0.25)))
    )
    assert repr(model) == text
    assert repr(eval(text, vars(nl))) == text


def test_a_subclass_that_overrides_forward_is_honoured_where_it_stands():
    class Twice(nl.Sequential):
        def forward(self, x):
            return 2 * super().forward(x)

        def backward(self, dout, input_gradient=True):
            return super().backward(2 * np.asarray(dout), input_gradient)

    inner = Twice(Scale(3.0))
    assert repr(nl.Sequential(Twice(nl.ReLU()))) == "Sequential(Twice(ReLU()))"
    for model in (inner, nl.Sequential(inner), nl.Sequential(nl.Identity(), nl.Residual(nl.Sequential(inner)))):
        extra = float(model is not inner and len(model) > 1)
        model.zero_grad()
        assert model.forward(np.array([5.0])).tolist() == [30.0 + 5 * extra]
        assert model.backward(np.array([1.0])).tolist() == [6.0 + extra]
        assert inner[0].weight.grad.tolist() == [10.0]


def test_a_subclass_that_overrides_forward_alone_is_honoured_too():
    seen = []

    class Watched(nl.Sequential):
        def forward(self, x):
            seen.append(x.tolist())
            return super().forward(x)

    model = nl.Sequential(Scale(2.0), nl.Sequential(Watched(Scale(3.0))))
    assert model.forward(np.array([5.0])).tolist() == [30.0]
    assert model.backward(np.array([1.0])).tolist() == [6.0]
    assert seen == [[10.0]]


def test_a_subclass_keeps_its_plain_backward_where_no_input_gradient_is_asked_for():
    class Twice(nl.Sequential):
        def forward(self, x):
            return 2 * super().forward(x)

        def backward(self, dout):
            return super().backward(2 * np.asarray(dout))

    model = nl.Sequential(Twice(Scale(3.0)), nl.Identity())
    model.forward(np.array([5.0]))
    assert model.backward(np.array([1.0]), input_gradient=False) is None
    assert model.parameters()["0.0.weight"].grad.tolist() == [10.0]


def test_a_subclass_may_hold_parameters_and_layers_of_its_own():
    class Scaled(nl.Sequential):
        def __init__(self, *layers):
            super().__init__(*layers)
            self.factor = nl.Parameter([2.0])
            self.drop = nl.Dropout(0.5)

        def forward(self, x):
            return super().forward(x) * self.factor.value

    model = Scaled(nl.Affine(2, 2))
    assert set(model.parameters()) == {"0.weight", "0.bias", "factor"}
    assert model.eval().drop.training is False


def test_a_refused_forward_leaves_no_half_of_it_to_backward():
    class Picky(nl.Layer):
        def forward(self, x):
            if x.max() > 100:
                raise ValueError("too large")
            return x

        def backward(self, dout):
            return dout

    model = nl.Sequential(Scale(1.0), Scale(2.0), Picky())
    model.forward(np.array([3.0]))
    with pytest.raises(ValueError, match="too large"):
        model.forward(np.array([300.0]))
    with pytest.raises(nl.OrderError):
        model.backward(np.array([1.0]))
    assert not any(g.any() for g in grads(model).values())
    model.forward(np.array([3.0]))
    assert model.backward(np.array([1.0])).tolist() == [2.0]


def test_a_model_survives_copies_and_pickles():
    model = nl.Sequential(("a", affine(2, 3, 0)), nl.Residual(affine(3, 3, 1)), nl.Dropout(0.5, rng=3), nl.Sequential(affine(3, 1, 2)))
    model.forward(X)
    model.backward(np.ones((2, 1)))
    twins = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    y = model.forward(X)
    dx = model.backward(np.ones((2, 1)))
    expected = grads(model)
    for twin in twins:
        assert repr(twin) == repr(model)
        assert twin.forward(X).tolist() == y.tolist()
        assert twin.backward(np.ones((2, 1))).tolist() == dx.tolist()
        assert {path: g.tolist() for path, g in grads(twin).items()} == {path: g.tolist() for path, g in expected.items()}
        twin["a"].weight.value *= 0
    assert model["a"].weight.value.all()


def test_an_empty_container_predicts_by_itself_without_a_copy():
    model = nl.Sequential()
    assert model.for_inference() is model
