"""What every layer keeps, checked for every row of the table."""

import copy
import itertools
import weakref

import numpy as np
import pytest
from layouts import LAYOUTS
from numeric import numeric_gradient
from table import ROWS

import netlib as nl
from netlib.containers.residual import ResidualAdd

every_row = pytest.mark.parametrize("row", ROWS, ids=str)
with_a_batch = pytest.mark.parametrize("row", [row for row in ROWS if row.batched], ids=str)
every_float = pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=lambda dtype: dtype.__name__)


def outputs(layer, inputs):
    """Return what forward gives, as a tuple."""
    y = layer.forward(*inputs)
    return y if layer.n_outputs > 1 else (y,)


def gradients(layer, douts):
    """Return what backward gives, as a tuple."""
    dx = layer.backward(douts if layer.n_outputs > 1 else douts[0])
    return dx if isinstance(dx, tuple) else (dx,)


def parameter_gradients(layer):
    return tuple(p.grad.copy() for p in layer.parameters().values())


def douts_for(ys):
    rng = np.random.default_rng(8)
    return tuple(np.array(rng.normal(size=np.shape(y)), dtype=np.asarray(y).dtype) for y in ys)


def run(layer, inputs, douts=None):
    """Return y, dx, and the parameters' gradients of one forward and one backward, copied."""
    ys = outputs(layer, inputs)
    dxs = gradients(layer, douts_for(ys) if douts is None else douts)
    return [np.array(a) for a in (*ys, *dxs, *parameter_gradients(layer))]


def assert_same(got, wanted):
    """Assert equal numbers, shapes and types, bit for bit but for the sign of zero."""
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert np.shape(a) == np.shape(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        assert np.array_equal(a, b)


def assert_close(got, wanted, tolerance=1e-14):
    """Assert equal shapes, and numbers equal but for the order in which sums are rounded."""
    for a, b in zip(got, wanted, strict=True):
        assert np.shape(a) == np.shape(b)
        assert np.allclose(a, b, rtol=tolerance, atol=10 * tolerance)


def test_every_public_layer_is_in_the_table():
    bases = {nl.Layer, nl.Loss}
    public = {thing for name in nl.__all__ if isinstance(thing := getattr(nl, name), type) and issubclass(thing, nl.Layer)}
    layers = {each for each in public - bases if not issubclass(each, nl.Loss)}
    in_table = {type(row.make(np.float64)) for row in ROWS}
    assert {layer.__name__ for layer in layers - in_table} == set()


named_rows = pytest.mark.parametrize("row", [row for row in ROWS if type(row.make(np.float64)).kernel_name], ids=str)


def test_every_layer_of_netlib_has_a_kernel_name_of_its_own():
    kinds = {type(each) for row in ROWS for _, each in row.make(np.float64).walk()} - {nl.Sequential, nl.Residual, nl.Graph}
    names = [kind.kernel_name for kind in kinds if kind is not ResidualAdd]  # which adds as Add does
    assert all(names)
    assert len(set(names)) == len(names)
    assert type("Mine", (nl.ReLU,), {}).kernel_name == ""  # a promise is not inherited


@named_rows
def test_a_layer_with_a_kernel_name_keeps_arrays_through_remember_alone(row):
    layer, inputs = row.make(np.float64), row.inputs
    held = {path: set(vars(each)) for path, each in layer.walk()}
    ys = outputs(layer, inputs)
    douts = douts_for(ys)
    dxs = gradients(layer, douts)
    assert {path: set(vars(each)) - {"_cache", "_run"} for path, each in layer.walk()} == held
    for _, each in layer.walk():
        each.forget()
    watched = [weakref.ref(a) for a in (*inputs, *douts, *ys, *dxs) if isinstance(a, np.ndarray)]
    del inputs, douts, ys, dxs
    assert [reference() for reference in watched] == [None] * len(watched)


@every_row
def test_the_gradient_of_every_input_and_parameter_is_that_of_central_differences(row):
    layer, inputs = row.make(np.float64), row.inputs
    fresh = copy.deepcopy(layer)  # a dropout draws the same mask in each copy

    def f():
        twin = copy.deepcopy(fresh)
        for path, parameter in twin.parameters().items():
            parameter.value = values[path]
        return outputs(twin, inputs)

    values = {path: parameter.value.copy() for path, parameter in layer.parameters().items()}
    ys = outputs(layer, inputs)
    douts = douts_for(ys)
    dxs = gradients(layer, douts)
    assert len(dxs) == len(inputs)
    for x, dx in zip(inputs, dxs, strict=True):
        assert np.allclose(dx, numeric_gradient(f, x, douts), rtol=1e-7, atol=1e-8)
    for path, parameter in layer.parameters().items():
        assert np.allclose(parameter.grad, numeric_gradient(f, values[path], douts), rtol=1e-7, atol=1e-8)


@every_row
@every_float
def test_every_result_has_the_type_of_the_inputs_and_every_gradient_the_shape_of_its_counterpart(row, dtype):
    layer, inputs = row.make(dtype), tuple(x.astype(dtype) for x in row.inputs)
    ys = outputs(layer, inputs)
    dxs = gradients(layer, douts_for(ys))
    assert all(y.dtype == dtype for y in ys)
    assert [dx.shape for dx in dxs] == [x.shape for x in inputs]
    assert all(dx.dtype == dtype for dx in dxs)
    for parameter in layer.parameters().values():
        assert parameter.grad.shape == parameter.value.shape == parameter.shape
        assert parameter.grad.dtype == parameter.value.dtype == dtype


@every_row
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 1e-2), (np.float32, 1e-5)])
def test_a_short_type_gives_what_float64_gives_up_to_rounding(row, dtype, tolerance):
    short, long = row.make(dtype), row.make(np.float64)
    for path, parameter in short.parameters().items():
        long.parameters()[path].value = parameter.value
    inputs = tuple(x.astype(dtype) for x in row.inputs)
    ys = outputs(short, inputs)
    douts = douts_for(ys)
    got = [*ys, *gradients(short, douts), *parameter_gradients(short)]
    wanted = run(long, [x.astype(np.float64) for x in inputs], tuple(d.astype(np.float64) for d in douts))
    for a, b in zip(got, wanted, strict=True):
        assert np.allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, np.abs(b).max(initial=0)))


@every_row
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64], ids=lambda dtype: dtype.__name__)
def test_whole_numbers_count_as_float32(row, dtype):
    whole = [np.ceil(np.abs(x) * 5).astype(dtype) for x in row.inputs]
    got = run(row.make(np.float32), whole)
    assert all(a.dtype == np.float32 for a in got)
    assert_same(got, run(row.make(np.float32), [x.astype(np.float32) for x in whole]))


@every_row
def test_neither_forward_nor_backward_changes_a_bit_of_what_it_is_given(row):
    layer, inputs = row.make(np.float64), row.inputs
    values = [p.value for p in layer.parameters().values()]
    before = [x.tobytes() for x in (*inputs, *values)]
    ys = outputs(layer, inputs)
    douts = douts_for(ys)
    douts_before = [d.tobytes() for d in douts]
    gradients(layer, douts)
    gradients(layer, douts)
    assert [x.tobytes() for x in (*inputs, *values)] == before
    assert [d.tobytes() for d in douts] == douts_before


@every_row
def test_no_two_of_inputs_outputs_douts_gradients_and_parameters_share_memory(row):
    layer, inputs = row.make(np.float64), row.inputs
    ys = outputs(layer, inputs)
    douts = douts_for(ys)
    first, second = gradients(layer, douts), gradients(layer, douts)
    kept = [a for p in layer.parameters().values() for a in (p.value, p.grad)]
    for a, b in itertools.combinations([*inputs, *ys, *douts, *first, *second, *kept], 2):
        assert not np.shares_memory(a, b)


@every_row
def test_backward_does_not_see_what_happens_to_inputs_and_outputs_after_forward(row):
    wanted = run(row.make(np.float64), row.inputs)
    layer, inputs = row.make(np.float64), row.inputs
    ys = outputs(layer, inputs)
    got = [np.array(y) for y in ys]
    douts = douts_for(ys)
    overwrite((*inputs, *ys))
    got += [*gradients(layer, douts), *parameter_gradients(layer)]
    assert_same(got, wanted)


@every_row
def test_a_second_pass_does_not_see_what_happened_to_the_results_of_the_first(row):
    layer, inputs = row.make(np.float64), row.inputs
    ys = outputs(layer, inputs)
    douts = tuple(d.copy() for d in douts_for(ys))
    dxs = gradients(layer, douts)
    wanted = [np.array(dx) for dx in dxs]
    once = parameter_gradients(layer)
    overwrite((*inputs, *ys, *dxs, *douts))
    assert_same([*gradients(layer, douts_for(ys)), *parameter_gradients(layer)], [*wanted, *(2 * g for g in once)])


@every_row
def test_a_later_pass_does_not_touch_earlier_results(row):
    layer, inputs = row.make(np.float64), row.inputs
    ys = outputs(layer, inputs)
    dxs = gradients(layer, douts_for(ys))
    before = [np.array(a) for a in (*ys, *dxs)]
    outputs(layer, [2 * x for x in inputs])
    gradients(layer, tuple(2 * d for d in douts_for(ys)))
    assert_same([*ys, *dxs], before)


def overwrite(arrays):
    for a in arrays:
        if isinstance(a, np.ndarray):  # a NumPy scalar cannot change
            a[...] = np.nan


@every_row
@pytest.mark.parametrize("layout", [*LAYOUTS, "nested lists"])
def test_the_memory_layout_of_inputs_and_dout_does_not_matter(row, layout):
    relaid = LAYOUTS.get(layout, np.ndarray.tolist)
    wanted = run(row.make(np.float64), row.inputs)
    layer = row.make(np.float64)
    ys = outputs(layer, [relaid(x) for x in row.inputs])
    dxs = gradients(layer, tuple(relaid(d) for d in douts_for(ys)))
    got = [*ys, *dxs, *parameter_gradients(layer)]
    assert all(np.asarray(a).dtype == np.float64 and np.asarray(a).dtype.isnative for a in got)
    assert_close(got, wanted)


@with_a_batch
def test_a_batch_is_its_samples_one_by_one(row):
    layer, inputs = row.make(np.float64).eval(), row.inputs
    ys = outputs(layer, inputs)
    douts = douts_for(ys)
    dxs, grads = gradients(layer, douts), parameter_gradients(layer)
    single = row.make(np.float64).eval()
    parts = []
    for n in range(len(ys[0])):
        sample = [x[n : n + 1] if i in row.batched else x for i, x in enumerate(inputs)]
        one = outputs(single, sample)
        parts.append((*one, *gradients(single, tuple(d[n : n + 1] for d in douts))))
    n_ys = len(ys)
    for i, whole in enumerate((*ys, *dxs)):
        pieces = [part[i] for part in parts]
        is_batched = i < n_ys or i - n_ys in row.batched
        assert np.allclose(whole, np.concatenate(pieces) if is_batched else sum(pieces), rtol=1e-13, atol=1e-14)
    assert_close(parameter_gradients(single), grads)


@with_a_batch
def test_an_empty_batch_gives_empty_results_and_gradients_of_zero(row):
    layer = row.make(np.float64)
    ys = outputs(layer, row.inputs)
    inputs = [x[:0] if i in row.batched else x for i, x in enumerate(row.inputs)]
    empty = outputs(layer, inputs)
    assert [y.shape for y in empty] == [(0, *y.shape[1:]) for y in ys]
    dxs = gradients(layer, empty)
    assert [dx.shape for dx in dxs] == [x.shape for x in inputs]
    assert all(not g.any() for g in (*dxs, *parameter_gradients(layer)))


@every_row
def test_backward_twice_returns_the_same_and_adds_up_in_grad(row):
    layer = row.make(np.float64)
    douts = douts_for(outputs(layer, row.inputs))
    first, once = gradients(layer, douts), parameter_gradients(layer)
    assert_same(gradients(layer, douts), first)
    assert_same(parameter_gradients(layer), [2 * g for g in once])


@every_row
def test_backward_before_forward_is_refused(row):
    layer = row.make(np.float64)
    douts = douts_for(outputs(row.make(np.float64), row.inputs))
    with pytest.raises(nl.OrderError, match="forward"):
        gradients(layer, douts)
    assert not any(g.any() for g in parameter_gradients(layer))


def unfit(y):
    """Return arrays of shapes other than y's, among them those that NumPy would broadcast to it."""
    shape = np.shape(y)
    shapes = {(), shape[1:], (*shape, 1), (1, *shape), (2, *shape), (7,), *((*shape[:i], 1, *shape[i + 1 :]) for i in range(len(shape)))}
    return [np.ones(each) for each in sorted(shapes - {shape})]


@every_row
def test_a_dout_of_another_shape_is_refused_and_changes_nothing(row):
    layer = row.make(np.float64)
    ys = outputs(layer, row.inputs)
    douts = douts_for(ys)
    first, once = gradients(layer, douts), parameter_gradients(layer)
    for bad in zip(*map(unfit, ys), strict=False):
        with pytest.raises(nl.ShapeError, match="dout"):
            gradients(layer, bad)
    assert_same(parameter_gradients(layer), once)
    assert_same(gradients(layer, douts), first)


@every_row
@pytest.mark.parametrize("bad", [None, "dout", 1j, [[1.0], [1.0, 2.0]], np.ma.masked_array([1.0], mask=[True])], ids=repr)
def test_a_dout_that_is_no_array_of_real_numbers_is_refused(row, bad):
    layer = row.make(np.float64)
    ys = outputs(layer, row.inputs)
    with pytest.raises(nl.NetlibError) as caught:
        gradients(layer, (bad,) * len(ys))
    assert isinstance(caught.value, TypeError | ValueError)
    assert not any(g.any() for g in parameter_gradients(layer))


@every_row
@pytest.mark.parametrize(
    "bad", [None, "x", ["a", "b"], 1j, [1 + 1j], [object()], [[1.0], [1.0, 2.0]], np.ma.masked_array([1.0], mask=[True])], ids=str
)
def test_an_input_that_is_no_array_of_real_numbers_is_refused(row, bad):
    layer = row.make(np.float64)
    for i in range(len(row.inputs)):
        with pytest.raises(nl.NetlibError) as caught:
            layer.forward(*row.inputs[:i], bad, *row.inputs[i + 1 :])
        assert isinstance(caught.value, TypeError | ValueError)


@every_row
def test_backward_belongs_to_the_last_forward(row):
    layer, inputs = row.make(np.float64).eval(), row.inputs
    other = [np.flip(x) / 2 for x in inputs]
    outputs(layer, inputs)
    assert_same(run(layer, other), run(row.make(np.float64).eval(), other))


@with_a_batch
def test_a_forward_of_another_batch_size_replaces_the_one_before(row):
    layer = row.make(np.float64).eval()
    outputs(layer, row.inputs)
    smaller = [x[:1] if i in row.batched else x for i, x in enumerate(row.inputs)]
    assert_same(run(layer, smaller), run(row.make(np.float64).eval(), smaller))


@every_row
def test_a_deep_copy_is_a_layer_of_its_own(row):
    layer, inputs = row.make(np.float64), row.inputs
    wanted = run(row.make(np.float64), inputs)
    twin = copy.deepcopy(layer)
    for parameter in twin.parameters().values():
        parameter.value = parameter.value + 1
        parameter.grad += 1
    outputs(twin, [3 * x for x in inputs])
    assert_same(run(layer, inputs), wanted)
    assert not any(
        np.shares_memory(a, b)
        for p, q in zip(layer.parameters().values(), twin.parameters().values(), strict=True)
        for a, b in [(p.value, q.value), (p.grad, q.grad)]
    )


@every_row
def test_two_layers_of_one_kind_do_not_meet(row):
    one, other = row.make(np.float64).eval(), row.make(np.float64).eval()
    larger = [3 * x for x in row.inputs]
    ys, larger_ys = outputs(one, row.inputs), outputs(other, larger)
    douts = douts_for(ys)
    got = [*ys, *gradients(one, douts), *parameter_gradients(one)]
    got_larger = [*larger_ys, *gradients(other, douts), *parameter_gradients(other)]
    assert_same(got, run(row.make(np.float64).eval(), row.inputs))
    assert_same(got_larger, run(row.make(np.float64).eval(), larger))


@pytest.mark.parametrize("row", [row for row in ROWS if not isinstance(row.make(np.float64), nl.Graph)], ids=str)
def test_the_repr_is_a_call_that_makes_such_a_layer(row):
    layer = row.make(np.float64)
    made = eval(repr(layer), vars(nl).copy())
    assert type(made) is type(layer)
    assert repr(made) == repr(layer)
    assert [p.shape for p in made.parameters().values()] == [p.shape for p in layer.parameters().values()]


@every_row
def test_train_and_eval_set_the_mode_of_the_layer_and_of_all_inside(row):
    layer = row.make(np.float64)
    assert layer.training
    assert layer.eval() is layer
    assert not any(each.training for _, each in layer.walk())
    assert layer.train() is layer
    assert all(each.training for _, each in layer.walk())


@every_row
def test_calling_a_layer_is_its_forward(row):
    y = row.make(np.float64)(*row.inputs)
    assert_same(y if isinstance(y, tuple) else (y,), outputs(row.make(np.float64), row.inputs))


@every_row
def test_a_backward_for_the_parameters_alone_adds_the_same_gradients(row):
    layer, other = row.make(np.float64), row.make(np.float64)
    douts = douts_for(outputs(layer, row.inputs))
    outputs(other, row.inputs)
    gradients(layer, douts)
    other.backward_parameters(douts if other.n_outputs > 1 else douts[0])
    assert_same(parameter_gradients(other), parameter_gradients(layer))
