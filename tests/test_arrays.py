"""The checks and conversions that all layers share."""

import os

import numpy as np
import pytest

import netlib as nl
from netlib import arrays

REFUSED = {
    "strings": (np.array(["a", "b"]), TypeError, "got an array of <U1"),
    "bytes": (np.array([b"a"]), TypeError, "got an array of"),
    "objects": (np.array([1, None]), TypeError, "got an array of object"),
    "none": (None, TypeError, "got None"),
    "complex": (np.array([1j]), TypeError, "got an array of complex128"),
    "dates": (np.array(["2020-01-01"], "M8[D]"), TypeError, "got an array of datetime64"),
    "records": (np.zeros(2, [("a", "f8")]), TypeError, "got an array of"),
    "a list of strings": (["a"], TypeError, "got an array of"),
    "a ragged list": ([[1.0], [1.0, 2.0]], ValueError, "got something that is not an array"),
    "a masked array": (np.ma.array([1.0, 2.0], mask=[0, 1]), TypeError, r"got a masked array.*x\.filled\(0\)"),
    "a function": (np.tanh, TypeError, r"got <ufunc 'tanh'>, expected an array"),
    "a huge integer": ([10**30], TypeError, "got an array of object"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("convert", [arrays.as_array, arrays.as_floats])
def test_what_holds_no_real_numbers_is_refused(convert, case):
    x, error, message = REFUSED[case]
    with pytest.raises(error, match=f"^Add: {message}") as caught:
        convert(x, where="Add")
    assert isinstance(caught.value, nl.NetlibError)


def test_an_array_is_taken_as_it_is():
    for dtype in (np.float16, np.float32, np.float64, np.longdouble):
        x = np.ones((2, 3), dtype)[:, ::-1]
        assert arrays.as_array(x) is x
        assert arrays.as_floats(x) is x
        assert arrays.as_floats(x, np.dtype(dtype)) is x


@pytest.mark.parametrize("x", [[1, 2], np.array([1, 2], np.int8), np.array([1, 2], np.uint64), [True, False], np.array([True]), 3])
def test_what_is_not_floating_becomes_float32(x):
    y = arrays.as_floats(x)
    assert y.dtype == np.float32
    assert y.tolist() == np.asarray(x).astype(float).tolist()


def test_numbers_lists_and_subclasses_become_plain_arrays():
    assert arrays.as_floats(2.5).shape == ()
    assert arrays.as_floats([[1.0, 2.0]]).dtype == np.float64
    assert type(arrays.as_floats(np.zeros(2).view(np.recarray))) is np.ndarray
    assert arrays.as_floats([]).shape == (0,)


def test_big_endian_arrays_come_out_native_with_their_numbers():
    y = arrays.as_floats(np.array([1.0, 2.5], ">f4"))
    assert y.dtype == np.float32
    assert y.dtype.isnative
    assert y.tolist() == [1.0, 2.5]


def test_a_copy_shares_no_memory():
    x = np.asfortranarray(np.ones((2, 3)))
    y = arrays.as_floats(x, copy=True)
    assert not np.shares_memory(x, y)
    assert y.flags.c_contiguous


def test_a_matrix_has_two_axes():
    assert arrays.as_matrix([[1, 2]]).dtype == np.float32
    for bad in (3.0, [1.0], np.ones((1, 1, 1))):
        with pytest.raises(nl.ShapeError, match=r"here: got an array of shape .* expected a matrix"):
            arrays.as_matrix(bad, "here")


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 3), (2, 0, 3), (2, 4, 3)])
def test_features_stand_on_the_last_axis_of_any_number_and_are_converted(shape):
    x = np.ones(shape)
    y = arrays.as_features(x, 3, np.dtype(np.float32), "Affine")
    assert (y.shape, y.dtype) == (shape, np.float32)
    y = arrays.as_features(x, 3, np.dtype(np.float64), "Affine")
    assert y is x


@pytest.mark.parametrize(("shape", "hint"), [((2, 4), "in_features 4, or the last axis of x 3"), ((3, 1), "in_features 1"), ((), r"\[x\]")])
def test_other_features_are_refused_with_the_way_out(shape, hint):
    with pytest.raises(nl.ShapeError, match=rf"Affine: got x of shape .*expected \(…, 3\).*{hint}"):
        arrays.as_features(np.ones(shape), 3, np.dtype(np.float32), "Affine")


@pytest.mark.parametrize(("shape", "rows"), [((4,), (1, 4)), ((2, 4), (2, 4)), ((2, 3, 4), (6, 4)), ((0, 3, 4), (0, 4)), ((2, 0), (2, 0))])
def test_rows_are_all_leading_axes_as_one(shape, rows):
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    assert arrays.as_rows(x).shape == rows
    assert arrays.as_rows(x).ravel().tolist() == x.ravel().tolist()


@pytest.mark.parametrize(
    ("xs", "dtype"),
    [
        ([np.ones(2, np.float32), np.ones(2, np.float64)], np.float64),
        ([np.ones(2, np.float16), np.ones(2, np.float32)], np.float32),
        ([np.ones(2, np.float32), 2.0], np.float32),
        ([np.ones(2, np.float16), 2, 3.5], np.float16),
        ([np.ones(2, np.float32), np.float64(2)], np.float64),
        ([np.ones(2, np.float64), np.array([1, 2])], np.float64),
        ([1, 2], np.float32),
    ],
)
def test_the_common_type_is_numpys(xs, dtype):
    assert [a.dtype for a in arrays.as_common_floats(xs)] == [dtype] * len(xs)


def test_integers_beside_float64_keep_all_their_digits():
    whole, _ = arrays.as_common_floats([np.array([2**24 + 1]), np.array([0.5])])
    assert whole.tolist() == [2.0**24 + 1]


@pytest.mark.parametrize(
    ("out", "shape"),
    [
        ((4, 3), (4, 3)),
        ((4, 3), (3,)),
        ((4, 3), (1, 3)),
        ((4, 3), (4, 1)),
        ((4, 3), (1, 1)),
        ((4, 3), (1,)),
        ((4, 3), ()),
        ((2, 4, 3), (4, 1)),
        ((2, 4, 3), (2, 1, 3)),
        ((0, 3), (3,)),
        ((0, 3), (1, 3)),
        ((1, 3), (1, 3)),
    ],
)
def test_undoing_a_broadcast_is_its_transpose(out, shape):
    # ⟨broadcast(x), d⟩ = ⟨x, unbroadcast(d)⟩ for all x, on whole numbers so that it holds exactly
    rng = np.random.default_rng(0)
    d, x = rng.integers(-9, 9, out).astype(float), rng.integers(-9, 9, shape).astype(float)
    back = arrays.unbroadcast(d, shape)
    assert type(back) is np.ndarray
    assert back.shape == shape
    assert (x * back).sum() == (np.broadcast_to(x, out) * d).sum()
    assert back.dtype == d.dtype


@pytest.mark.parametrize("n", [0, 3, np.int8(3), np.uint64(3), np.array(3)])
def test_whole_numbers_of_any_kind_are_counts(n):
    count = arrays.as_count(n, "n")
    assert (type(count), count) == (int, int(n))


@pytest.mark.parametrize("n", [1.0, 1.5, "3", None, True, np.True_, np.float64(2), [1]])
def test_what_is_no_whole_number_is_no_count(n):
    with pytest.raises(nl.InvalidTypeError, match=r"Affine: in_features is .*expected a whole number"):
        arrays.as_count(n, "in_features", "Affine")


def test_a_count_has_a_least():
    with pytest.raises(nl.InvalidValueError, match="Affine: n is -1, expected at least 0"):
        arrays.as_count(-1, "n", "Affine")
    with pytest.raises(nl.InvalidValueError, match="n is 0, expected at least 1"):
        arrays.as_count(0, "n", least=1)


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.0, 2, np.inf, -np.inf])
def test_a_number_outside_its_bounds_is_refused(value):
    with pytest.raises(nl.InvalidValueError, match=r"Dropout: p is .*expected a finite number in \[0, 1\)"):
        arrays.as_number(value, "p", "Dropout", least=0, below=1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, pytest.param(10**400, id="huge")])
def test_a_number_without_bounds_is_finite(value):
    with pytest.raises(nl.InvalidValueError, match="gain is "):
        arrays.as_number(value, "gain")


@pytest.mark.parametrize("value", ["0.5", b"1", True, None, 1j, [0.5], np.array([0.5])])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(nl.InvalidTypeError, match=r"p is .*expected a number"):
        arrays.as_number(value, "p")


def test_numbers_of_any_kind_are_numbers():
    for value in (1, 0.5, np.float32(0.5), np.int8(1), np.array(0.5)):
        number = arrays.as_number(value, "p")
        assert (type(number), number) == (float, float(value))


def test_a_dtype_is_floating_and_native():
    assert arrays.as_dtype("f8") == arrays.as_dtype(">f8") == arrays.as_dtype(float) == arrays.as_dtype(np.float64) == np.float64
    assert arrays.as_dtype(">f4").isnative
    for bad in (int, "i8", bool, complex, str, object, "nonsense", 3.5):
        with pytest.raises(nl.InvalidTypeError, match="here: dtype is"):
            arrays.as_dtype(bad, "here")


def test_a_generator_comes_from_a_seed_from_a_generator_or_from_nothing():
    generator = np.random.default_rng(3)
    assert arrays.as_rng(generator) is generator
    assert arrays.as_rng(3).random() == arrays.as_rng(np.int64(3)).random() == generator.random()
    assert arrays.as_rng(None).random() != arrays.as_rng(None).random()
    for bad in (-1, 1.5, "0", True, np.random.RandomState(0), [1]):
        with pytest.raises(nl.NetlibError, match="here: rng is"):
            arrays.as_rng(bad, "here")


def test_whole_numbers_that_float32_would_round_become_float64():
    assert arrays.as_floats([2**24]).dtype == arrays.as_floats(np.array([-(2**24), 2**24])).dtype == np.float32
    assert arrays.as_floats([2**24 + 1]).tolist() == [2**24 + 1]
    assert arrays.as_floats(np.array([-(2**40)])).dtype == arrays.as_floats(np.array([2**33], np.uint64)).dtype == np.float64
    assert nl.Subtract().forward([1700000001], [1700000000]).tolist() == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX")
def test_forked_processes_draw_apart_unless_there_is_a_seed():
    unseeded, seeded = nl.Dropout(0.5), nl.Dropout(0.5, rng=0)

    def masks():
        return b"".join(np.ascontiguousarray(layer.forward(np.ones(64)) > 0).tobytes() for layer in (unseeded, seeded))

    drawn = []
    for _ in range(2):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writer, masks())
            os._exit(0)
        os.waitpid(child, 0)
        drawn.append(os.read(reader, 128))
        os.close(reader)
        os.close(writer)
    drawn.append(masks())
    assert len({each[:64] for each in drawn}) == 3
    assert len({each[64:] for each in drawn}) == 1


def test_no_text_is_evaluated_to_find_a_dtype():
    for text in ("f8,f8", "2f8", "(2,)f8", [("a", "2f8")], {"names": ["a"], "formats": ["2f8"]}):
        with pytest.raises(TypeError, match=r"^here: dtype is .*, which is not the type of a number"):
            arrays.as_dtype(text, "here")
