"""What the comparison with PyTorch does not say about MultiHeadAttention and TransformerBlock."""

import copy
import pickle

import numpy as np
import pytest

import netlib as nl
from netlib.testing import check_layer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4))
MASK = np.array([[True, False, True], [False, False, False], [True, True, True]])


def attention(**options):
    return nl.MultiHeadAttention(4, 2, **options, dtype="float64", rng=0)


def block(**options):
    return nl.TransformerBlock(4, 2, **options, dtype="float64", rng=0)


every_kind = pytest.mark.parametrize("make", [attention, block])


def grads(layer):
    return {path: parameter.grad.copy() for path, parameter in layer.parameters().items()}


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    assert all(np.allclose(ours[path], theirs[path], rtol=1e-12, atol=1e-15) for path in ours)


# ---- attention with heads ------------------------------------------------------------------------


def test_by_hand_with_two_heads_of_one_feature():
    swap, same = ([[0.0, 1.0], [1.0, 0.0]], [0.0, 0.0]), (np.eye(2), [0.0, 0.0])
    layer = nl.MultiHeadAttention.from_arrays(same, same, swap, (2 * np.eye(2), [10.0, 20.0]), heads=2)
    x = [[0.0, np.log(3.0)], [1.0, np.log(3.0) / np.log(9.0)]]
    y = layer.forward(x)
    # Values are x with its columns swapped. Query 0 of head 0 is 0, so that it weighs both alike: (log 3 + 1/2) / 2.
    assert np.isclose(y[0, 0], 10 + 2 * (np.log(3.0) + 0.5) / 2)
    # Query 1 of head 1 is 1/2, the keys log 3 and 1/2: weights √3 and exp(1/4).
    a, b = np.sqrt(3.0), np.exp(0.25)
    assert np.isclose(y[1, 1], 20 + 2 * (a * 0.0 + b * 1.0) / (a + b))


def test_one_input_is_query_key_and_value_and_its_gradients_add_up():
    one, three = attention(causal=True), attention(causal=True)
    y = one.forward(X)
    assert np.array_equal(three.forward(X, X, X), y)
    dout = RNG.normal(size=y.shape)
    assert np.allclose(one.backward(dout), sum(three.backward(dout)), rtol=1e-12)
    assert_same(grads(one), grads(three))


def test_it_is_its_parts_wired_in_a_graph():
    layer = attention(mask=True, causal=True)
    parts = copy.deepcopy(layer)
    x, mask = nl.Input("x"), nl.Input("mask")
    inner = parts.attention(parts.query(x), parts.key(x), parts.value(x), mask)
    graph = nl.Graph(inputs=[x, mask], outputs=[parts.output(inner)])
    y = layer.forward(X, MASK)
    assert np.array_equal(graph.forward(X, MASK), y)
    dx, nothing = graph.backward(np.ones_like(y))
    assert nothing is None
    assert np.allclose(layer.backward(np.ones_like(y)), dx, rtol=1e-13)


def test_a_query_that_may_look_nowhere_gives_the_bias_of_the_output_and_no_gradient():
    layer = attention(mask=True)
    layer.output.bias.value = [1.0, 2.0, 3.0, 4.0]
    with np.errstate(all="raise"):
        y = layer.forward(X, MASK)
        dx = layer.backward(np.tile([[0.0], [1.0], [0.0]], (2, 1, 4)))
    assert y[:, 1].tolist() == [[1.0, 2.0, 3.0, 4.0]] * 2
    assert not dx.any()
    assert all(not g.any() for path, g in grads(layer).items() if path != "output.bias")


def test_the_bias_of_the_keys_moves_all_scores_of_a_query_alike_and_so_changes_nothing():
    layer = attention()
    y = layer.forward(X)
    layer.backward(RNG.normal(size=y.shape))
    assert np.abs(layer.key.bias.grad).max() < 1e-14 * np.abs(layer.query.bias.grad).max() + 1e-14
    layer.key.bias.value = [5.0, -3.0, 2.0, 1.0]
    assert np.allclose(layer.forward(X), y, rtol=1e-12)


@pytest.mark.one_in(2)
def test_the_checker_does_not_take_the_rounding_of_that_gradient_for_a_mistake():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        layer = nl.MultiHeadAttention(4, 2, causal=True, dtype="float64", rng=rng)
        report = nl.check_gradients(layer, rng.normal(size=(2, 3, 4)))
        assert report.ok, str(report)


@pytest.mark.parametrize(("features", "heads"), [(6, 4), (3, 2), (2, 3)])
def test_features_that_are_no_multiple_of_heads_are_refused(features, heads):
    with pytest.raises(nl.InvalidValueError, match=f"^MultiHeadAttention: features is {features}, expected a multiple of heads, {heads}$"):
        nl.MultiHeadAttention(features, heads)


@pytest.mark.parametrize(
    ("options", "inputs", "message"),
    [
        ({}, (X, X), r"got 2 inputs, expected x, or query, key and value\. For a mask, make the layer with mask=True"),
        ({}, (), "got 0 inputs, expected x, or query, key and value$"),
        ({}, (X, X, X, MASK), r"got 4 inputs, .* mask=True"),
        ({"mask": True}, (X,), "got 1 inputs, expected x, or query, key and value, and a mask$"),
        ({"mask": True}, (X, X, X), "got 3 inputs, expected x, or query, key and value, and a mask$"),
        ({"mask": True}, (X, X, X, X, MASK), "got 5 inputs"),
    ],
)
def test_another_number_of_inputs_is_refused(options, inputs, message):
    with pytest.raises(nl.ShapeError, match=f"^MultiHeadAttention: {message}"):
        attention(**options).forward(*inputs)


def test_errors_inside_name_the_part_and_the_layer():
    with pytest.raises(nl.ShapeError, match=r"^MultiHeadAttention\.key Affine\(4, 4.*\): got x of shape \(2, 3, 5\)"):
        attention().forward(X, RNG.normal(size=(2, 3, 5)), X)
    with pytest.raises(nl.InvalidTypeError, match=r"^MultiHeadAttention\.attention HeadAttention\(2, mask=True\): got a mask of float64"):
        attention(mask=True).forward(X, MASK.astype(float))
    with pytest.raises(nl.ShapeError, match=r"got a mask of shape \(2, 3\), .* \(2, 2, 3, 3\)\. .* mask\[:, None, None, :\]"):
        nl.Sequential(attention(mask=True)).forward(X, np.ones((2, 3), bool))


@pytest.mark.parametrize("options", [{"dropout": 1.0}, {"dropout": -1}, {"mask": MASK}, {"features": 0}, {"heads": 0}, {"init": 3}])
@pytest.mark.parametrize("kind", [nl.MultiHeadAttention, nl.TransformerBlock])
def test_options_out_of_range_are_refused(kind, options):
    with pytest.raises(nl.NetlibError):
        kind(**{"features": 4, "heads": 2} | options)


def test_a_dropout_out_of_range_is_refused_by_the_layer_that_was_asked_for():
    with pytest.raises(nl.InvalidValueError, match=r"^MultiHeadAttention: dropout"):
        nl.MultiHeadAttention(4, 2, dropout=1.0)


def test_the_smallest_have_one_feature_one_head_and_one_hidden_feature():
    for layer in (nl.MultiHeadAttention(1, 1), nl.TransformerBlock(1, 1, hidden=1)):
        assert layer.forward(np.ones((2, 3, 1))).shape == (2, 3, 1)


def test_from_arrays_copies_and_keeps_the_type_and_refuses_what_does_not_fit():
    parts = [(RNG.normal(size=(4, 4)).astype(np.float16), np.full(4, i, np.float32)) for i in range(4)]
    layer = nl.MultiHeadAttention.from_arrays(*parts, heads=2, causal=True)
    assert repr(layer) == "MultiHeadAttention(4, 2, causal=True, dtype='float16')"
    for i, part in enumerate((layer.query, layer.key, layer.value, layer.output)):
        assert np.array_equal(part.weight.value, parts[i][0])
        assert part.bias.value.tolist() == [i] * 4
        assert not np.shares_memory(part.weight.value, parts[i][0])
    with pytest.raises(nl.ShapeError, match=r"from_arrays, weight of value: got an array of shape \(4, 3\), expected \(4, 4\)"):
        nl.MultiHeadAttention.from_arrays(parts[0], parts[1], (np.ones((4, 3)), np.ones(4)), parts[3], heads=2)
    with pytest.raises(nl.ShapeError, match=r"from_arrays, bias of key: got an array of shape \(3,\), expected \(4,\)"):
        nl.MultiHeadAttention.from_arrays(parts[0], (np.ones((4, 4)), np.ones(3)), *parts[2:], heads=2)


# ---- the block -----------------------------------------------------------------------------------


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_block_is_its_parts_wired_as_the_paper_draws_them(norm_first):
    layer = block(norm_first=norm_first, hidden=5, causal=True, activation=nl.GELU())
    p = copy.deepcopy(layer)
    x = nl.Input("x")
    if norm_first:
        h = x + p.attention(p.attention_norm(x))
        y = h + p.contract(p.activation(p.expand(p.feedforward_norm(h))))
    else:
        h = p.attention_norm(x + p.attention(x))
        y = p.feedforward_norm(h + p.contract(p.activation(p.expand(h))))
    graph = nl.Graph(inputs=[x], outputs=[y])
    dout = RNG.normal(size=X.shape)
    assert np.array_equal(layer.forward(X), graph.forward(X))
    assert np.allclose(layer.backward(dout), graph.backward(dout), rtol=1e-12)
    assert layer.expand.weight.shape == (4, 5)
    assert_same(grads(layer), {path: grads(p)[path] for path in grads(layer)})


def test_by_default_a_block_has_four_times_as_many_hidden_features_and_rectifies():
    layer = block()
    assert (layer.hidden, type(layer.activation), repr(layer)) == (16, nl.ReLU, "TransformerBlock(4, 2, hidden=16, dtype='float64')")
    assert layer.norm_first


def test_dropout_has_its_four_places_in_training_and_none_in_evaluation():
    layer, plain = block(dropout=0.5), block()
    for path, parameter in plain.parameters().items():
        parameter.value = layer.parameters()[path].value
    assert layer.attention.attention.dropout == 0.5
    assert [step.label.rpartition(".")[2] for step in layer.program(1).steps if isinstance(step.layer, nl.Dropout)] == [
        "attention_dropout", "hidden_dropout", "feedforward_dropout"]  # fmt: skip
    assert not any(isinstance(each, nl.Dropout) for _, each in plain.walk())
    assert np.allclose(layer.eval().forward(X), plain.forward(X), rtol=1e-13, atol=1e-15)
    assert not np.allclose(layer.train().forward(X), layer.forward(X))


def test_an_activation_that_is_no_layer_is_refused():
    with pytest.raises(nl.InvalidTypeError, match=r"^TransformerBlock, activation: got the class GELU, expected a layer\. Write GELU\(…\)"):
        block(activation=nl.GELU)


@pytest.mark.parametrize(("options", "inputs"), [({}, (X, MASK)), ({}, ()), ({"mask": True}, (X,)), ({"mask": True}, (X, X, MASK))])
def test_a_block_takes_one_array_and_perhaps_a_mask(options, inputs):
    with pytest.raises(nl.ShapeError, match=rf"^TransformerBlock: got {len(inputs)} inputs, expected"):
        block(**options).forward(*inputs)


# ---- both ----------------------------------------------------------------------------------------


@pytest.mark.one_in(3)
@every_kind
def test_with_a_mask_all_rules_for_layers_are_kept(make):
    layer = make(mask=True, **({"activation": nl.Tanh()} if make is block else {}))
    assert set(check_layer(layer, X, MASK).values()) == {"passed"}


@every_kind
def test_with_a_mask_backward_returns_the_gradient_of_x_alone_and_none_in_a_chain(make):
    layer = make(mask=True)
    y = layer.forward(X, MASK)
    dx = layer.backward(np.ones_like(y))
    chain = nl.Sequential(make(mask=True), nl.Identity())
    assert np.array_equal(chain.forward(X, MASK), y)
    whole, of_mask = chain.backward(np.ones_like(y))
    assert of_mask is None
    assert np.array_equal(whole, dx)
    assert layer.backward(np.ones_like(y), input_gradient=False) is None


@every_kind
def test_the_same_steps_again_and_again_give_the_same(make):
    layer = make(causal=True)
    y = layer.forward(X)
    dx = layer.backward(np.ones_like(y))
    first = grads(layer)
    for _ in range(3):
        layer.zero_grad()
        assert np.allclose(layer.forward(X), y, rtol=1e-13)
        assert np.allclose(layer.backward(np.ones_like(y)), dx, rtol=1e-12)
        assert_same(grads(layer), first)


@every_kind
def test_files_pickles_copies_and_the_repr_hold_a_layer_with_a_mask(make, tmp_path):
    layer = make(mask=True, causal=True, dropout=0.5)
    nl.save(layer, tmp_path / "layer.npz")
    for twin in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer), nl.load(tmp_path / "layer.npz")):
        assert repr(twin) == repr(layer)
        assert np.allclose(twin.predict(X, MASK), layer.predict(X, MASK), rtol=1e-13, atol=1e-15)
    twin = nl.load(tmp_path / "layer.npz")
    assert np.array_equal(twin.forward(X, MASK), layer.forward(X, MASK))  # the same is dropped
    assert [p.shape for p in eval(repr(layer), vars(nl).copy()).parameters().values()] == [p.shape for p in layer.parameters().values()]


def test_a_stack_learns_to_copy_what_is_two_positions_back():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 4, (64, 8))
    inputs = np.concatenate([np.eye(4)[x], np.broadcast_to(np.eye(8), (64, 8, 8))], axis=-1).astype(np.float32)
    targets = np.roll(x, 2, axis=1)
    model = nl.Sequential(
        nl.Affine(12, 16, rng=0), *(nl.TransformerBlock(16, 2, causal=True, rng=i) for i in (1, 2)), nl.Affine(16, 4, rng=3)
    )
    loss, optimizer = nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=1e-2)
    for _ in range(60):
        y = model.forward(inputs)
        value = loss.forward(y[:, 2:].reshape(-1, 4), targets[:, 2:].ravel())
        dout = np.zeros_like(y)
        dout[:, 2:] = loss.backward().reshape(64, 6, 4)
        model.backward(dout, input_gradient=False)
        optimizer.step()
    assert value < 0.05


def test_the_summary_counts_the_multiply_adds_of_all_products():
    summary = attention().summary((2, 3, 4))
    assert summary.multiply_adds == 4 * 2 * 3 * 4 * 4 + 2 * 3 * 3 * (4 + 4)
    assert summary.parameters == 4 * (4 * 4 + 4)
    summary = block(hidden=5).summary((3, 4))
    assert summary.multiply_adds == 4 * 3 * 4 * 4 + 3 * 3 * (4 + 4) + 2 * 3 * 4 * 5
    assert attention(mask=True).summary([(2, 3, 4), (3, 3)]).multiply_adds == attention().summary((2, 3, 4)).multiply_adds
    assert [row.path for row in summary.rows][:3] == ["attention_norm", "attention.query", "attention.key"]


@every_kind
def test_it_can_be_drawn_with_and_without_a_mask(make):
    for layer, inputs in [(make(causal=True), (X,)), (make(mask=True), (X, MASK))]:
        drawing = nl.draw(layer, *inputs)
        assert "softmax" in drawing.svg
        assert drawing.html.startswith("<!doctype html>") or "<html" in drawing.html
