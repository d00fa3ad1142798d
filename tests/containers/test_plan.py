"""Work arrays are reused at every step: no caller ever sees one, and no number changes."""

import copy

import numpy as np
import pytest
from own_layers import Noop, Scale, affine, by_hand, grads

import netlib as nl
from netlib.containers import planning
from netlib.containers.plan import Spec, SpecMismatch, spec_of
from netlib.containers.program import Program

ONE_INPUT = {
    "none": None,
    "Identity": nl.Identity,
    "ReLU": nl.ReLU,
    "LeakyReLU": nl.LeakyReLU,
    "ELU": nl.ELU,
    "GELU": nl.GELU,
    "SiLU": nl.SiLU,
    "Sigmoid": nl.Sigmoid,
    "Tanh": nl.Tanh,
    "Softplus": nl.Softplus,
    "Softmax": nl.Softmax,
    "LogSoftmax": nl.LogSoftmax,
    "Dropout": lambda: nl.Dropout(0.5, rng=0),
    "Dropout of nothing": lambda: nl.Dropout(0.0),
    "Flatten": nl.Flatten,
    "Reshape": lambda: nl.Reshape((3, 3)),
    "Transpose": nl.Transpose,
    "Add": nl.Add,
    "Concatenate": nl.Concatenate,
    "Mean": lambda: nl.Mean(axis=(), keepdims=True),
    "Sum": lambda: nl.Sum(axis=(), keepdims=True),
    "Affine": lambda: affine(3, 3, 5),
    "Affine without bias": lambda: nl.Affine.from_arrays(np.arange(9.0).reshape(3, 3)),
    "a user's Noop": Noop,
    "a user's Scale": lambda: Scale([1.0, 2.0, 3.0]),
    "Residual": lambda: nl.Residual(nl.Tanh()),
    "Sequential": lambda: nl.Sequential(affine(3, 3, 6), nl.ReLU()),
}

PLACES = {
    "first": lambda layer: [layer, affine(3, 3, 0), nl.ReLU(), affine(3, 3, 1)],
    "between affines": lambda layer: [affine(3, 3, 0), layer, affine(3, 3, 1)],
    "after a ReLU": lambda layer: [affine(3, 3, 0), nl.ReLU(), layer, affine(3, 3, 1), nl.ReLU()],
    "before a ReLU": lambda layer: [affine(3, 3, 0), layer, nl.ReLU()],
    "last after an affine": lambda layer: [affine(3, 3, 0), layer],
    "last after a ReLU": lambda layer: [affine(3, 3, 0), nl.ReLU(), layer],
}


def chain(place, layer):
    make = ONE_INPUT[layer]
    return nl.Sequential(*(each for each in PLACES[place](make and make()) if each is not None))


@pytest.mark.parametrize("layer", ONE_INPUT)
def test_every_step_is_that_of_the_layers_and_no_array_of_anybody_changes(layer):
    for place in PLACES:
        assert_every_step_is_that_of_the_layers(place, layer)


def assert_every_step_is_that_of_the_layers(place, layer):
    model, rng = chain(place, layer), np.random.default_rng(0)
    layers = list(copy.deepcopy(model))
    seen = []
    for _ in range(4):
        x, dout = rng.normal(size=(2, 3, 3))
        kept = x.copy(), dout.copy()
        y = model.forward(x)
        dx = model.backward(dout)
        expected_y, expected_dx = by_hand(layers, *kept)
        np.testing.assert_allclose(y, expected_y, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(dx, expected_dx, rtol=1e-12, atol=1e-14)
        seen += [(array, array.copy()) for array in (y, dx)] + [(x, kept[0]), (dout, kept[1])]
    for array, before in seen:
        assert array.tobytes() == before.tobytes()
    arrays = [array for array, _ in seen if layer != "a user's Noop"]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])
    for (path, grad), parameter in zip(grads(model).items(), (p for each in layers for p in each.parameters().values()), strict=True):
        np.testing.assert_allclose(grad, parameter.grad, rtol=1e-12, atol=1e-13, err_msg=path)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("layer", ["none", "Flatten", "a user's Scale"])
def test_without_the_input_gradient_the_parameters_get_the_same(place, layer):
    one = chain(place, layer)
    two = copy.deepcopy(one)
    for seed in range(3):
        x, dout = np.random.default_rng(seed).normal(size=(2, 3, 3))
        for model in (one, two):
            model.forward(x)
        one.backward(dout)
        assert two.backward(dout, input_gradient=False) is None
        assert [g.tolist() for g in grads(one).values()] == [g.tolist() for g in grads(two).values()]


def test_shapes_types_and_modes_may_change_from_step_to_step():
    model = nl.Sequential(affine(3, 4, 0), nl.ReLU(), nl.Dropout(0.5, rng=1), affine(4, 3, 1))
    layers = list(copy.deepcopy(model))
    rng = np.random.default_rng(0)
    for shape in [(4, 3), (4, 3), (2, 3), (4, 3), (3,), (2, 3), (2, 2, 3), (0, 3), (0, 3), (4, 3), (1, 3), (5, 3), (6, 3), (4, 3)]:
        for dtype in (np.float64, np.float32):
            for training in (True, True, False):
                x, dout = (rng.normal(size=shape).astype(dtype) for _ in range(2))
                model.train(training)
                for layer in layers:
                    layer.train(training)
                y, dx = by_hand(layers, x, dout)
                np.testing.assert_allclose(model.forward(x), y, rtol=1e-12, atol=1e-14)
                np.testing.assert_allclose(model.backward(dout), dx, rtol=1e-12, atol=1e-14)


def test_a_forward_of_another_shape_comes_between_without_a_trace():
    model = nl.Sequential(affine(3, 4, 0), nl.ReLU(), affine(4, 3, 1))
    layers = list(copy.deepcopy(model))
    x, dout = np.random.default_rng(0).normal(size=(2, 4, 3))
    for _ in range(3):
        model.forward(9 * x[:2])
        y = model.forward(x)
        held = y.copy()
        dx = model.backward(dout)
        model.forward(7 * x)
        np.testing.assert_allclose(dx, by_hand(layers, x, dout)[1], rtol=1e-12)
        assert (y == held).all()


def test_what_is_assigned_between_steps_counts():
    model = nl.Sequential(affine(3, 3, 0), nl.ReLU(), affine(3, 3, 1))
    x = np.random.default_rng(0).normal(size=(4, 3))
    for step in range(4):
        model[0].weight.value = np.full((3, 3), float(step))
        model[2].bias = nl.Parameter(np.full(3, 10.0 * step))
        np.testing.assert_allclose(model.forward(x), by_hand(copy.deepcopy(list(model)), x, x)[0], rtol=1e-12)
        model.backward(x)
        assert model[2].bias.grad.tolist() == x.sum(axis=0).tolist()


def test_inputs_of_any_layout_give_the_same():
    model = nl.Sequential(affine(3, 4, 0), nl.ReLU(), affine(4, 3, 1))
    x, dout = np.random.default_rng(0).normal(size=(2, 4, 3))
    expected = by_hand(list(copy.deepcopy(model)), x, dout)
    wide = np.zeros((8, 6))
    wide[::2, ::2] = x
    for _ in range(2):
        for given in (x, np.asfortranarray(x), x[::-1].copy()[::-1], wide[::2, ::2], x.astype(">f8"), x.tolist()):
            for back in (dout, np.asfortranarray(dout), dout.tolist()):
                np.testing.assert_allclose(model.forward(given), expected[0], rtol=1e-12)
                np.testing.assert_allclose(model.backward(back), expected[1], rtol=1e-12)


def test_read_only_arrays_are_enough():
    model = nl.Sequential(affine(3, 4, 0), nl.ReLU(), affine(4, 3, 1), nl.ReLU())
    x, dout = np.random.default_rng(0).normal(size=(2, 4, 3))
    x.flags.writeable = dout.flags.writeable = False
    for _ in range(3):
        model.forward(x)
        model.backward(dout)


def test_two_backward_passes_after_one_forward_add_up_at_every_step():
    model = nl.Sequential(affine(3, 4, 0), nl.ReLU(), affine(4, 3, 1), nl.ReLU(), nl.Flatten())
    x, dout = np.random.default_rng(0).normal(size=(2, 4, 3))
    for _ in range(3):
        model.zero_grad()
        model.forward(x)
        first = model.backward(dout)
        once = grads(model)
        assert model.backward(dout).tolist() == first.tolist()
        assert all((g == 2 * once[path]).all() for path, g in grads(model).items())


def test_a_layer_by_itself_works_after_a_step_of_its_container():
    model = nl.Sequential(affine(3, 4, 0), nl.ReLU(), affine(4, 3, 1))
    x, dout = np.random.default_rng(0).normal(size=(2, 4, 3))
    layers = list(copy.deepcopy(model))
    for _ in range(3):
        model.forward(x)
        by_hand(layers, x, dout)
        back, expected = dout, dout
        for layer, twin in zip(reversed(list(model)), reversed(layers), strict=True):
            back, expected = layer.backward(back), twin.backward(expected)
            np.testing.assert_allclose(back, expected, rtol=1e-12)


def test_refusals_are_the_same_at_every_step():
    model = nl.Sequential(affine(3, 4, 0), nl.ReLU(), affine(4, 2, 1), nl.ReLU())
    x = np.ones((5, 3))
    for _ in range(3):
        y = model.forward(x)
        for bad in (np.ones((1, 2)), np.ones(2), np.ones((5, 1)), 1.0, np.full((5, 2), "a")):
            with pytest.raises(nl.NetlibError):
                model.backward(bad)
        assert not any(g.any() for g in grads(model).values())
        with pytest.raises(nl.ShapeError, match=r"^Sequential\[0\] Affine\(3, 4"):
            model.forward(np.ones((5, 4)))
        assert model.forward(x).tolist() == y.tolist()


def test_a_bias_may_be_taken_away_and_come_back_between_steps():
    model = nl.Sequential(affine(3, 3, 0), nl.ReLU(), affine(3, 3, 1))
    x = np.random.default_rng(0).normal(size=(4, 3))
    for bias in (model[0].bias, model[0].bias, None, None, nl.Parameter(np.ones(3)), None):
        model[0].bias = bias
        np.testing.assert_allclose(model.forward(x), by_hand(copy.deepcopy(list(model)), x, x)[0], rtol=1e-12)
        model.backward(x)


class FirstRows(nl.Layer):
    """y = as many of the first rows of x as the next number says, in the type that it says."""

    def __init__(self, *asked):
        self.asked = iter(asked)

    def forward(self, x):
        rows, dtype = next(self.asked)
        self.like = x
        return x[:rows].astype(dtype)

    def backward(self, dout):
        dx = np.zeros_like(self.like)
        dx[: len(dout)] = dout
        return dx


@pytest.mark.parametrize("between", [[], [nl.Tanh()]], ids=["at once", "after a tanh"])
def test_a_layer_may_return_another_shape_or_type_than_for_the_same_input_before(between):
    asked = [(5, "f8")] * 3 + [(2, "f8"), (5, "f8"), (5, "f4"), (5, "f8")]
    model = nl.Sequential(FirstRows(*asked), *between, affine(3, 4, 0), nl.ReLU(), affine(4, 3, 1))
    layers = [FirstRows(*asked), *copy.deepcopy(list(model)[1:])]
    x, dout = np.random.default_rng(0).normal(size=(2, 5, 3))
    for rows, _ in asked:
        y, dx = by_hand(layers, x, dout[:rows])
        np.testing.assert_allclose(model.forward(x), y, rtol=1e-12)
        np.testing.assert_allclose(model.backward(dout[:rows]), dx, rtol=1e-12)


class DoublesInPlace(nl.Layer):
    """y = 2 x, with a backward that writes into its dout."""

    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        dout *= 2
        return dout


@pytest.mark.parametrize("is_first", [False, True])
def test_a_layer_that_writes_into_its_dout_disturbs_no_other_operand_of_a_sum(is_first):
    node = nl.Input("x")
    kept, written = nl.Tanh()(node), DoublesInPlace()(node)
    model = nl.Graph([node], [written + kept if is_first else kept + written])
    x, dout = np.random.default_rng(0).normal(size=(2, 4, 3))
    for _ in range(3):
        np.testing.assert_allclose(model.forward(x), np.tanh(x) + 2 * x, rtol=1e-12)
        np.testing.assert_allclose(model.backward(dout.copy()), dout * (1 - np.tanh(x) ** 2) + 2 * dout, rtol=1e-12)


def test_a_copy_of_an_inner_value_and_one_of_the_input_are_made_side_by_side():
    x = nl.Input("x")
    scale, left, right = Scale([1.0, 2.0, 3.0]), affine(3, 2, 0), affine(3, 2, 1)
    model = nl.Graph([x], [left(scale(x)) + right(x)])
    weight, bias = np.diag([1.0, 2.0, 3.0]) @ left.weight.value + right.weight.value, left.bias.value + right.bias.value
    for seed in range(3):
        x, dout = np.random.default_rng(seed).normal(size=(4, 3)), np.ones((4, 2))
        np.testing.assert_allclose(model.forward(x), x @ weight + bias, rtol=1e-12)
        np.testing.assert_allclose(model.backward(dout), dout @ weight.T, rtol=1e-12)


def test_results_have_the_type_of_the_input_at_every_step():
    model = nl.Sequential(nl.Residual(nl.Tanh()), nl.Residual(nl.Sigmoid()))
    for dtype in ["f8"] * 3 + ["f4"] * 3 + ["f8", "f2", "f4"]:
        x = np.random.default_rng(0).normal(size=(4, 3)).astype(dtype)
        h = x + np.tanh(x)
        y = model.forward(x)
        assert y.dtype == model.backward(x).dtype == dtype
        np.testing.assert_allclose(y, h + 1 / (1 + np.exp(-h)), rtol=1e-2 if dtype == "f2" else 1e-5)


@pytest.mark.parametrize("n_inputs", [1, 2])
def test_a_plan_is_made_once_for_inputs_of_one_shape_and_type(n_inputs, way, monkeypatch):
    made, planned = [], planning.make_plan
    monkeypatch.setattr(planning, "make_plan", lambda *parts: made.append(parts) or planned(*parts))
    nodes = [nl.Input(f"x{i}") for i in range(n_inputs)]
    model = nl.Graph(nodes, [nl.Tanh()(nodes[0] + nodes[-1])])
    for dtype, n_plans in [("f8", 1), ("f8", 1), ("f4", 2), ("f8", 2), ("f4", 2)]:
        model.forward(*np.ones((n_inputs, 4, 3), dtype))
        assert len(made) == (n_plans if way != "layer by layer" else 0)
    if n_inputs == 2:
        model.forward(np.ones((4, 3)), np.ones((4, 3), np.float32))
        assert len(made) == (3 if way != "layer by layer" else 0)
        for _ in range(2):
            model.forward(np.ones((4, 3)), np.ones((4, 3)).view(np.recarray))
        assert len(made) == (3 if way != "layer by layer" else 0)


def test_four_plans_are_kept(way, monkeypatch):
    made, planned = [], planning.make_plan
    monkeypatch.setattr(planning, "make_plan", lambda *parts: made.append(parts) or planned(*parts))
    x = nl.Input("x")
    y = nl.Tanh()(x + x)
    model = nl.Graph([x], [y, y])
    for n in (1, 2, 3, 4, 1, 2, 3, 4, 5, 1):  # that of 1 has gone when that of 5 has come
        model.forward(np.ones((n, 3)))
    assert len(made) == (6 if way != "layer by layer" else 0)


# What a plan consists of --------------------------------------------------------------------------


def plan_of(model, x):
    """Return the program of a model and its plans for such an input: without fused operations, and with."""
    program, specs = Program(model, 1), {0: spec_of(x)}
    unfused = planning.make_unfused_plan(program)
    planning.FirstPlan(program, specs).forward([x])
    return unfused, planning.make_plan(program, (spec_of(x),), specs, unfused)


def test_a_value_is_freed_after_its_last_reader_unless_it_is_in_a_work_array():
    x = nl.Input("x")  # slot 0
    left, right = nl.Tanh()(x), nl.Softplus()(x)  # 1 and 2
    total = left + right  # 3, which fused operations write and read
    wide = affine(3, 4, 0)(total)  # 4
    model = nl.Graph([x], [nl.Softmax()(wide)])
    unfused, plan = plan_of(model, np.ones((2, 3)))
    assert [op.frees for op in unfused.ops] == [(), (), (1, 2), (3,), (4,)]
    assert [op.frees for op in plan.ops] == [(), (), (1, 2), (), (4,)]


def test_a_plan_is_a_chain_if_each_operation_is_fused_and_reads_only_the_one_before():
    chain, branches = nl.Sequential(affine(3, 3, 0), nl.ReLU(), affine(3, 3, 1)), nl.Residual(affine(3, 3, 2))
    models = chain, branches, nl.Sequential(affine(3, 3, 3), Noop())
    assert [plan_of(model, np.ones((2, 3)))[1]._is_chain for model in models] == [True, False, False]


def test_only_an_input_or_a_repeated_output_is_returned_as_a_copy():
    x = nl.Input("x")
    y = nl.Tanh()(x)
    for outputs, n_steps in [([y], 1), ([y, y], 2), ([x, y], 2), ([x, y, y], 3)]:
        assert len(Program(nl.Graph([x], outputs), 1).steps) == n_steps


def test_an_input_is_copied_only_for_a_kernel_whose_backward_reads_it():
    x = np.ones((2, 3))
    plan = plan_of(nl.Sequential(affine(3, 3, 0)), x)[1]
    assert [slot for slot, _ in plan.copies] == [0]
    assert plan.ops[0].frees == ()  # the copy stays
    assert plan_of(nl.Residual(nl.Tanh()), x)[1].copies == []


def test_only_what_comes_from_or_goes_to_a_users_layer_is_checked_converted_or_copied():
    x = nl.Input("x")
    first, second = Scale([1.0, 2.0, 3.0]), Scale([4.0, 5.0, 6.0])
    model = nl.Graph([x], [second(affine(3, 3, 0)(first(x) + x))])
    plain = "forward", "backward"
    checked, converted = ("checked_forward", "copying_backward"), ("forward", "converting_backward")
    _, plan = plan_of(model, np.ones((2, 3)))
    assert [(op.forward.__name__, op.backward.__name__) for op in plan.ops] == [plain, checked, converted, plain]
    _, plan = plan_of(nl.Sequential(affine(3, 3, 0), nl.ReLU(), affine(3, 3, 1)), np.ones((2, 3)))
    assert [(op.forward.__name__, op.backward.__name__) for op in plan.ops] == [plain, plain]


SPEC = Spec((2, 3), np.dtype("f4"))
MISFITS = {
    "a list": np.ones((2, 3), "f4").tolist(),
    "a subclass": np.ones((2, 3), "f4").view(np.recarray),
    "another shape": np.ones((1, 3), "f4"),
    "another type": np.ones((2, 3)),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_value_of_another_kind_than_planned_is_noticed(misfit):
    copy_op = planning._copy_op(Program(nl.Sequential(nl.Tanh()), 1).steps[0], 0, 1, np.zeros(*SPEC))
    check = planning._check_inputs(lambda *xs: xs, [1], [Spec((5,), np.dtype("f8")), SPEC])
    x = np.full(SPEC.shape, 7, SPEC.dtype)
    assert copy_op.forward(x).tolist() == x.tolist()
    assert check(MISFITS[misfit], x) == (MISFITS[misfit], x)
    with pytest.raises(SpecMismatch):
        copy_op.forward(MISFITS[misfit])
    with pytest.raises(SpecMismatch):
        check(x, MISFITS[misfit])


class Sends(nl.Layer):
    """y = x. Its backward returns dL/dx in a form of its own."""

    def __init__(self, convert):
        self.convert = convert

    def forward(self, x):
        return x + 0

    def backward(self, dout):
        return self.convert(dout)


FORMS = {
    "float32": lambda d: d.astype("f4"),
    "columns first": np.asfortranarray,
    "every second": lambda d: np.repeat(d, 2, axis=1)[:, ::2],
    "a list": np.ndarray.tolist,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_dout_is_converted_to_the_type_of_y_and_to_rows(form):
    layer, dout = nl.Tanh(), np.arange(6.0).reshape(2, 3)
    layer.forward(np.zeros((2, 3)))
    backward = planning._convert_dout(lambda d: d, Program(nl.Sequential(layer), 1).steps[0], Spec((2, 3), np.dtype("f8")))
    assert backward(dout) is dout
    converted = backward(FORMS[form](dout))
    assert (converted.dtype, converted.flags.carray) == ("f8", True)
    assert converted.tolist() == dout.tolist()
    with pytest.raises(nl.ShapeError):
        backward(np.zeros((1, 3)))


@pytest.mark.parametrize("form", FORMS)
def test_a_gradient_of_any_type_and_layout_from_a_users_layer_reaches_those_before(form):
    model = nl.Sequential(affine(3, 3, 0), nl.ReLU(), Sends(FORMS[form]), affine(3, 3, 1))
    plain = nl.Sequential(*copy.deepcopy([model[0], model[1], model[3]]))
    x, dout = np.random.default_rng(0).normal(size=(2, 4, 3))
    for _ in range(3):
        for each in (model, plain):
            each.zero_grad()
            each.forward(x)
        np.testing.assert_allclose(model.backward(dout), plain.backward(dout), rtol=1e-6)
        for got, expected in zip(grads(model).values(), grads(plain).values(), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_an_error_of_numpy_in_a_chain_says_in_which_layer_at_every_step():
    model, x = nl.Sequential(affine(3, 3, 0), nl.ReLU(), nl.Exp(), affine(3, 3, 1)), np.ones((2, 3))
    notes = []
    for _ in range(3):
        with np.errstate(over="raise"), pytest.raises(FloatingPointError) as raised:
            model.forward(x * 1e10)
        notes.append(raised.value.__notes__)
        model.forward(x * 0)  # the step that makes the plan
    assert notes == [notes[0]] * 3
    assert notes[0][0].startswith("in Sequential[2] Exp")


def test_several_outputs_of_one_layer_go_their_ways_at_every_step():
    x = nl.Input("x")
    first, second, third = nl.Split(3, axis=1)(affine(3, 6, 0)(x))
    model = nl.Graph(inputs=[x], outputs=[nl.Tanh()(third), first * second])
    inputs, douts = np.arange(6.0).reshape(2, 3), (np.ones((2, 2)), np.full((2, 2), 3.0))
    h = affine(3, 6, 0).forward(inputs)
    for _ in range(4):
        tanh, product = model.forward(inputs)
        np.testing.assert_allclose(tanh, np.tanh(h[:, 4:]), rtol=1e-14)
        np.testing.assert_allclose(product, h[:, :2] * h[:, 2:4], rtol=1e-14)
        dh = np.hstack([3 * h[:, 2:4], 3 * h[:, :2], 1 - np.tanh(h[:, 4:]) ** 2])
        np.testing.assert_allclose(model.backward(douts), dh @ affine(3, 6, 0).weight.value.T, rtol=1e-12)


def test_paths_that_meet_add_up_after_a_layer_returned_another_shape_than_planned():
    node = nl.Input("x")
    asked = [(5, "f8")] * 3 + [(2, "f8"), (5, "f8")]
    h = nl.ReLU()(FirstRows(*asked)(node))
    first, second = affine(3, 3, 0), affine(3, 3, 1)
    model = nl.Graph([node], [first(h) + second(h)])
    x, dout = np.random.default_rng(0).normal(size=(2, 5, 3))
    weight, bias = (first.weight.value + second.weight.value, first.bias.value + second.bias.value)
    for rows, _ in asked:
        h, expected = np.maximum(x[:rows], 0), np.zeros_like(x)
        np.testing.assert_allclose(model.forward(x), h @ weight + bias, rtol=1e-12)
        expected[:rows] = dout[:rows] @ weight.T * (h > 0)
        np.testing.assert_allclose(model.backward(dout[:rows]), expected, rtol=1e-12)


def test_a_graph_of_two_inputs_is_no_chain_even_if_it_is_one_fused_operation():
    a, b = nl.Input("a"), nl.Input("b")
    model = nl.Graph(inputs=[a, b], outputs=[nl.Add()(a, b)])
    x, z = np.random.default_rng(0).normal(size=(2, 4, 3))
    for _ in range(3):
        assert (model.forward(x, z) == x + z).all()
        da, db = model.backward(z)
        assert da.tolist() == db.tolist() == z.tolist()
        assert not any(np.shares_memory(*pair) for pair in ((da, db), (da, z), (db, z)))


class TurnsRound(nl.Layer):
    """y = x, with a gradient of another shape."""

    def forward(self, x):
        return x.copy()

    def backward(self, dout):
        return dout.T


def test_a_gradient_of_another_shape_is_reported_with_the_layers_that_returned_it_at_every_step():
    model = nl.Sequential(affine(3, 4, 0), nl.Tanh(), TurnsRound(), nl.Tanh())
    for _ in range(3):
        y = model.forward(np.ones((2, 3)))
        with pytest.raises(nl.ShapeError) as raised:
            model.backward(np.ones_like(y))
        assert str(raised.value).startswith("Sequential[1] Tanh(): dout has shape (4, 2)")
        assert raised.value.hint == "The backward of Sequential[2] TurnsRound() returned it."


class TurnsSecond(nl.Layer):
    """y = b, with a gradient of another shape for b alone."""

    def forward(self, a, b):
        return b.copy()

    def backward(self, dout):
        return dout, dout.T


def test_a_layer_of_two_inputs_is_named_if_one_of_its_gradients_has_another_shape():
    x = nl.Input("x")
    model = nl.Graph([x], [TurnsSecond()(x, nl.Tanh()(x))])
    for _ in range(3):
        y = model.forward(np.ones((2, 3)))
        with pytest.raises(nl.ShapeError) as raised:
            model.backward(y)
        assert raised.value.hint.endswith("TurnsSecond() returned it.")


def test_a_dout_of_another_shape_from_outside_has_no_layer_that_returned_it():
    model = nl.Sequential(affine(3, 4, 0), nl.Tanh())
    for _ in range(3):
        model.forward(np.ones((2, 3)))
        with pytest.raises(nl.ShapeError) as raised:
            model.backward(np.ones((4, 2)))
        assert raised.value.hint == ""
