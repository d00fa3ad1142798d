"""Every layer of netlib keeps the rules of `check_layer`, and what they do not say."""

import copy
import weakref
from functools import partial

import numpy as np
import pytest
from numeric import numeric_gradient
from table import ROWS, one_row_of_each_kind_and_all_at_last

import netlib as nl
from netlib.containers.container import Container
from netlib.containers.residual import ResidualAdd
from netlib.testing import check_layer

every_row = pytest.mark.parametrize("row", ROWS, ids=str)
with_a_batch = pytest.mark.parametrize("row", [row for row in ROWS if row.batched], ids=str)
one_row_of_each_kind = pytest.mark.parametrize("row", {type(row.make(np.float64)): row for row in reversed(ROWS)}.values(), ids=str)


def outputs(layer, inputs):
    """Return what forward gives, as a tuple."""
    y = layer.forward(*inputs)
    return y if layer.n_outputs > 1 else (y,)


def gradients(layer, douts):
    """Return the gradients that backward gives, as a tuple."""
    dx = layer.backward(douts if layer.n_outputs > 1 else douts[0])
    return tuple(d for d in (dx if isinstance(dx, tuple) else (dx,)) if d is not None)


def with_gradients(inputs):
    """Return the numbers of the inputs that have a gradient."""
    return [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]


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
    bases = {nl.Layer, nl.Loss, nl.Scalar}  # a number stands in a formula, and takes its type from there
    public = {thing for name in nl.__all__ if isinstance(thing := getattr(nl, name), type) and issubclass(thing, nl.Layer)}
    layers = {each for each in public - bases if not issubclass(each, nl.Loss)}
    in_table = {type(row.make(np.float64)) for row in ROWS}
    assert {layer.__name__ for layer in layers - in_table} == set()


named_rows = pytest.mark.parametrize("row", [row for row in ROWS if type(row.make(np.float64)).kernel_name], ids=str)


def test_every_layer_of_netlib_has_a_kernel_name_of_its_own():
    kinds = {type(each) for row in ROWS for _, each in row.make(np.float64).walk() if not isinstance(each, Container)}
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


@one_row_of_each_kind_and_all_at_last
def test_every_rule_of_check_layer_is_kept(row):
    outcome = check_layer(row.make(np.float64), *row.inputs)
    y = outputs(row.make(np.float64).eval(), row.inputs)[0]
    if row.batched and len(y) > 1 and not np.array_equal(y[0], y[1]):  # which is how check_layer knows a batch
        assert outcome["batch of 0"] == outcome["batch of 1"] == "passed"
    inapplicable = {rule for rule, became in outcome.items() if became != "passed"}
    assert inapplicable <= {"batch of 0", "batch of 1", "gradients accumulate", "integer inputs"}


@one_row_of_each_kind_and_all_at_last
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
    for i, dx in zip(with_gradients(inputs), dxs, strict=True):
        assert np.allclose(dx, numeric_gradient(f, inputs[i], douts), rtol=1e-7, atol=1e-8)
    for path, parameter in layer.parameters().items():
        assert np.allclose(parameter.grad, numeric_gradient(f, values[path], douts), rtol=1e-7, atol=1e-8)


@every_row
def test_a_short_type_gives_what_float64_gives_up_to_rounding(row):
    for dtype, tolerance in [(np.float16, 1e-2), (np.float32, 1e-5)]:
        short, long = row.make(dtype), row.make(np.float64)
        for path, parameter in short.parameters().items():
            long.parameters()[path].value = parameter.value
        inputs = row.inputs_in(dtype)
        ys = outputs(short, inputs)
        douts = douts_for(ys)
        got = [*ys, *gradients(short, douts), *parameter_gradients(short)]
        wanted = run(long, [x.astype(np.float64) if x.dtype == dtype else x for x in inputs], tuple(d.astype(np.float64) for d in douts))
        for a, b in zip(got, wanted, strict=True):
            assert a.dtype == dtype
            assert np.allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, np.abs(b).max(initial=0)))


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
        is_batched = i < n_ys or with_gradients(inputs)[i - n_ys] in row.batched
        assert np.allclose(whole, np.concatenate(pieces) if is_batched else sum(pieces), rtol=1e-13, atol=1e-14)
    assert_close(parameter_gradients(single), grads)


@with_a_batch
def test_a_forward_of_another_batch_size_replaces_the_one_before(row):
    layer = row.make(np.float64).eval()
    outputs(layer, row.inputs)
    smaller = [x[:1] if i in row.batched else x for i, x in enumerate(row.inputs)]
    assert_close(run(layer, smaller), run(row.make(np.float64).eval(), smaller))


@one_row_of_each_kind
def test_an_input_that_is_no_array_of_real_numbers_is_refused_by_the_name_of_the_layer(row):
    layer = row.make(np.float64)
    for i in range(len(row.inputs)):
        with pytest.raises(nl.InvalidTypeError, match=rf"^{type(layer).__name__}.*: got None, expected an array"):
            layer.forward(*row.inputs[:i], None, *row.inputs[i + 1 :])


@one_row_of_each_kind
def test_a_dout_that_does_not_fit_is_refused_by_the_name_of_the_layer(row):
    layer = row.make(np.float64)
    ys = outputs(layer, row.inputs)
    with pytest.raises(nl.InvalidTypeError, match=rf"^{type(layer).__name__}.*: got None, expected an array"):
        gradients(layer, (None,) * len(ys))
    with pytest.raises(nl.ShapeError, match=rf"^{type(layer).__name__}.*dout"):
        gradients(layer, [np.ones((1, *np.shape(y))) for y in ys])
    assert not any(g.any() for g in parameter_gradients(layer))


@one_row_of_each_kind
def test_lists_whole_numbers_and_big_endian_arrays_are_taken_for_the_numbers_they_are(row):
    whole = row.with_numbers(lambda x: np.ceil(np.abs(x) * 5).astype(np.float32))
    wanted = run(row.make(np.float32), whole)
    # a container runs several layers as one only on arrays of the layers' type
    assert_equal = partial(assert_close, tolerance=1e-5) if isinstance(row.make(np.float32), Container) else assert_same
    for given in ([x if x.dtype == bool else x.astype(np.uint8) for x in whole], [x.astype(x.dtype.newbyteorder(">")) for x in whole]):
        got = run(row.make(np.float32), given)
        assert_equal(got, wanted)
        assert all(a.dtype.isnative for a in got)
    lists = [x.tolist() for x in row.inputs]
    assert_equal(run(row.make(np.float64), lists), run(row.make(np.float64), row.inputs))


@pytest.mark.parametrize("row", [row for row in ROWS if not isinstance(row.make(np.float64), nl.Graph)], ids=str)
def test_the_repr_is_a_call_that_makes_such_a_layer(row):
    layer = row.make(np.float64)
    made = eval(repr(layer), {**vars(nl), "np": np})
    assert type(made) is type(layer)
    assert repr(made) == repr(layer)
    assert [p.shape for p in made.parameters().values()] == [p.shape for p in layer.parameters().values()]
