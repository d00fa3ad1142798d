"""Errors name the path through the containers, the layer, what was given and what was expected."""

import numpy as np
import pytest
from own_layers import Fails, Halves, Noop, Scale, grads

import netlib as nl


def message(model, *xs):
    with pytest.raises(nl.NetlibError) as caught:
        model.forward(*xs)
    return str(caught.value)


def test_a_width_mismatch_deep_inside_names_the_path_the_layer_and_the_shapes():
    model = nl.Sequential(nl.Affine(4, 5), nl.Sequential(nl.ReLU(), nl.Sequential(nl.Affine(6, 2))))
    text = message(model, np.ones((3, 4)))
    assert text.startswith("Sequential[1].Sequential[1].Sequential[0] Affine(6, 2): got x of shape (3, 5), expected (…, 6).")
    model = nl.Sequential(nl.Affine(4, 5), nl.Sequential(nl.ReLU(), nl.Affine(6, 2)))
    assert message(model, np.ones((3, 4))).startswith("Sequential[1].Sequential[1] Affine(6, 2): got x of shape (3, 5), expected (…, 6).")
    assert message(model, np.ones((3, 7))).startswith("Sequential[0] Affine(4, 5): got x of shape (3, 7), expected (…, 4).")


def test_every_container_names_its_place_in_its_own_way():
    x = nl.Input("x")
    wide = nl.Affine(9, 9)
    model = nl.Sequential(("body", nl.Graph([x], [nl.Residual(nl.Sequential(("core", wide)))(x, name="block")])))
    expected = "Sequential['body'].Graph['block'].Residual.layer.Sequential['core'] Affine(9, 9): got x of shape (2,), expected (…, 9)."
    assert message(model, np.ones(2)).startswith(expected)
    graph = nl.Graph([x], [nl.Tanh()(nl.Affine(9, 9)(x))])
    assert message(graph, np.ones(2)).startswith("Graph['Affine_1'] Affine(9, 9): ")


def test_layers_that_join_name_both_shapes_and_their_place():
    a, b = nl.Input("a"), nl.Input("b")
    text = message(nl.Sequential(nl.Graph([a, b], [nl.Add()(a, b, name="sum")])), np.ones((2, 3)), np.ones((2, 4)))
    assert text.startswith("Sequential[0].Graph['sum'] Add(): ")
    assert "(2, 3)" in text
    assert "(2, 4)" in text
    text = message(nl.Graph([a, b], [a @ b]), np.ones((2, 3)), np.ones((2, 4)))
    assert text.startswith("Graph['MatMul_1'] MatMul(): ")
    assert "(2, 3) @ (2, 4)" in text


def test_errors_name_a_subclass_by_its_own_name():
    class Encoder(nl.Sequential):
        pass

    assert message(nl.Sequential(Encoder(nl.Affine(2, 2))), np.ones(3)).startswith("Sequential[0].Encoder[0] Affine(2, 2): ")


def test_a_container_that_must_be_called_hands_its_path_on():
    class Twice(nl.Sequential):
        def forward(self, x):
            return 2 * super().forward(x)

    model = nl.Sequential(nl.Identity(), Twice(nl.Sequential(nl.Affine(2, 2))))
    assert message(model, np.ones(3)).startswith("Sequential[1].Twice[0].Sequential[0] Affine(2, 2): ")


@pytest.mark.parametrize("bad", [np.array(["a", "b"]), np.array([None, 1]), np.array([1j, 2]), np.array([[1], [1, 2]], dtype=object)])
@pytest.mark.parametrize("make", [lambda: nl.Sequential(nl.Affine(2, 2)), lambda: nl.Residual(nl.ReLU()), lambda: nl.Sequential(nl.Add())])
def test_arrays_of_no_real_numbers_are_refused(make, bad):
    with pytest.raises(nl.InvalidTypeError):
        make().forward(bad)


@pytest.mark.parametrize("bad", [[[1.0], [1.0, 2.0]], ["a"], [None]])
def test_lists_of_no_real_numbers_are_refused(bad):
    with pytest.raises(nl.NetlibError) as caught:
        nl.Sequential(nl.Identity()).forward(bad)
    assert isinstance(caught.value, TypeError | ValueError)


def test_a_number_for_a_layer_of_features_is_refused():
    assert message(nl.Sequential(nl.Affine(2, 2)), 3.0).startswith("Sequential[0] Affine(2, 2): got x of shape (), expected (…, 2).")


def test_errors_of_backward_name_the_place_too():
    class Wrong(Noop):
        def backward(self, dout):
            return dout[..., :1]

    model = nl.Sequential(nl.Affine(2, 2), nl.Sequential(Wrong()))
    model.forward(np.ones((3, 2)))
    with pytest.raises(nl.ShapeError, match=r"^Sequential\[0\] Affine\(2, 2\): dout has shape \(3, 1\), expected .*\(3, 2\)"):
        model.backward(np.ones((3, 2)))


def test_a_refused_forward_changes_no_parameter_no_gradient_and_no_mode():
    model = nl.Sequential(Scale([1.0, 2.0]), nl.Affine(3, 3)).eval()
    model[0].weight.grad += 5
    values = {path: p.value.copy() for path, p in model.parameters().items()}
    before = grads(model)
    message(model, np.ones((1, 2)))
    assert all((p.value == values[path]).all() and (p.grad == before[path]).all() for path, p in model.parameters().items())
    assert model.training is model[0].training is False


@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("error", [ValueError("the layer says no"), ZeroDivisionError("by zero"), KeyError("k")])
def test_an_error_of_a_users_layer_keeps_its_type_and_text_and_gets_a_note_with_the_path(where, error):
    model = nl.Sequential(nl.Identity(), nl.Sequential(("mine", Fails(error, where))))

    def run():
        model.forward(np.ones(2))
        model.backward(np.ones(2))

    before = error.args
    with pytest.raises(type(error)) as caught:
        run()
    assert caught.value is error
    assert error.args == before
    (note,) = error.__notes__
    assert note.startswith("in Sequential[1].Sequential['mine'] Fails(")
    del error.__notes__


def test_an_error_of_netlibs_kind_that_a_users_layer_raises_gets_the_path():
    model = nl.Sequential(nl.Identity(), Fails(nl.InvalidValueError("too small", where="Fails", hint="Take more.")))
    assert message(model, np.ones(2)) == "Sequential[1] Fails: too small. Take more."


def test_ctrl_c_passes_through_untouched():
    model = nl.Sequential(Fails(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt) as caught:
        model.forward(np.ones(2))
    assert not hasattr(caught.value, "__notes__")


def test_a_wrong_number_of_gradients_is_refused_with_both_numbers_and_the_place():
    class Both(Noop):
        def backward(self, dout):
            return dout, dout

    model = nl.Sequential(nl.Identity(), Both())
    model.forward(np.ones(2))
    with pytest.raises(nl.ShapeError, match=r"^Sequential\[1\] Both\(\): backward returned 2 gradients for 1 inputs"):
        model.backward(np.ones(2))

    class One(nl.Layer):
        def forward(self, a, b):
            return a + b

        def backward(self, dout):
            return dout

    a, b = nl.Input("a"), nl.Input("b")
    graph = nl.Graph([a, b], [One()(nl.Identity()(a), b, name="one")])
    graph.forward(np.ones(2), np.ones(2))
    with pytest.raises(nl.ShapeError, match=r"^Graph\['one'\] One\(\): backward returned 1 gradients for 2 inputs"):
        graph.backward(np.ones(2))


def test_a_gradient_too_few_at_a_layer_of_two_outputs_is_refused():
    model = nl.Sequential(Halves(), nl.Add())
    model.forward(np.ones((1, 2)))
    with pytest.raises(nl.ShapeError, match=r"\(1, 1\)"):
        model.backward(np.ones((1, 2)))


def test_an_error_in_a_chain_that_runs_as_one_names_the_layer_that_raised_it():
    model = nl.Sequential(nl.Conv2d(1, 2, 3), nl.ReLU(), nl.MaxPool2d(4))
    for run in (model.forward, model.predict):
        with pytest.raises(nl.ShapeError, match=r"^Sequential\[2\] MaxPool2d"):
            run(np.ones((1, 1, 4, 4)))


def test_a_ragged_list_is_refused_by_the_container_that_was_given_it():
    model = nl.Sequential(nl.Affine(2, 2))
    for run in (model.forward, model.predict):
        with pytest.raises(nl.InvalidValueError, match=r"^Sequential: got something that is not an array"):
            run([[1.0], [2.0, 3.0]])
