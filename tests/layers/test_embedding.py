"""Embedding: worked examples, its padding, repeated ids, and ids that are refused."""

import numpy as np
import pytest

import netlib as nl

TABLE = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])


def test_each_id_gets_its_row_and_rows_of_dout_add_up_at_their_id():
    embedding = nl.Embedding.from_arrays(TABLE)
    y = embedding.forward([[3, 0, 3], [1, 1, 3]])
    assert y.tolist() == [[[7, 8], [1, 2], [7, 8]], [[3, 4], [3, 4], [7, 8]]]
    dout = np.array([[[1.0, 0], [2, 0], [4, 0]], [[8, 1], [16, 0], [32, 0]]])
    assert embedding.backward(dout) is None
    assert embedding.weight.grad.tolist() == [[2, 0], [24, 1], [0, 0], [37, 0]]


def test_equal_ids_add_up_in_their_order_so_that_runs_agree_to_the_bit():
    rng = np.random.default_rng(0)
    ids, dout = rng.integers(0, 3, 500), rng.normal(size=(500, 2)).astype(np.float32)
    embedding = nl.Embedding(3, 2)
    embedding.forward(ids)
    embedding.backward(dout)
    wanted = np.zeros((3, 2), np.float32)
    for i, d in zip(ids, dout, strict=True):
        wanted[i] += d
    assert np.allclose(embedding.weight.grad, wanted, rtol=1e-5)
    again = nl.Embedding(3, 2)
    again.forward(ids)
    again.backward(dout)
    assert embedding.weight.grad.tobytes() == again.weight.grad.tobytes()


def test_sums_of_whole_numbers_are_exact():
    ids, dout = np.repeat([5, 0, 9], [40_000, 1, 2]), np.ones((40_003, 1))
    embedding = nl.Embedding(10, 1, dtype=np.float64)
    embedding.forward(np.random.default_rng(0).permutation(ids))
    embedding.backward(dout)
    assert embedding.weight.grad.ravel().tolist() == [1, 0, 0, 0, 0, 40_000, 0, 0, 0, 2]


@pytest.mark.parametrize("kind", [nl.Embedding, nl.PositionalEmbedding])
def test_rows_are_normal_numbers_of_variance_1_at_first_as_pytorchs_are(kind):
    value = kind(1_000, 100, rng=0).weight.value
    assert value.dtype == np.float32
    assert abs(value.mean()) < 0.01
    assert abs(value.std() - 1) < 0.01
    assert np.array_equal(kind(4, 3, init=nl.Zeros()).weight.value, np.zeros((4, 3)))


# ---- padding -------------------------------------------------------------------------------------


def steps(embedding, optimizer, n=5):
    rng = np.random.default_rng(0)
    for _ in range(n):
        embedding.forward(rng.integers(0, embedding.entries, (3, 4)))
        embedding.backward(rng.normal(size=(3, 4, embedding.features)))
        optimizer.step()


@pytest.mark.parametrize("make", [lambda e: nl.SGD(e, lr=0.1, momentum=0.9), nl.Adam, lambda e: nl.AdamW(e, weight_decay=0.1), nl.AdaGrad])
def test_the_row_of_the_padding_is_zero_at_first_and_stays_so(make):
    embedding = nl.Embedding(5, 3, padding=2, rng=0)
    others = [0, 1, 3, 4]
    before = embedding.weight.value.copy()
    assert not before[2].any()
    assert before[others].all()
    steps(embedding, make(embedding))
    assert not embedding.weight.value[2].any()
    assert (embedding.weight.value[others] != before[others]).all()


def test_without_padding_the_rows_are_the_same_but_for_that_one():
    one, other = nl.Embedding(5, 3, rng=0).weight.value, nl.Embedding(5, 3, padding=2, rng=0).weight.value
    assert np.array_equal(np.delete(one, 2, axis=0), np.delete(other, 2, axis=0))


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_a_loaded_layer_still_has_its_padding(suffix, tmp_path):
    embedding = nl.Embedding(5, 3, padding=2, rng=0)
    nl.save(nl.Sequential(embedding), tmp_path / f"model.{suffix}")
    loaded = nl.load(tmp_path / f"model.{suffix}")[0]
    assert loaded.padding == 2
    steps(loaded, nl.Adam(loaded))
    assert not loaded.weight.value[2].any()


def test_numbers_loaded_into_the_row_of_the_padding_get_no_gradient_and_reach_no_output():
    embedding = nl.Embedding(4, 2, padding=1, dtype=np.float64)
    embedding.load_state_dict({"weight": TABLE})
    assert embedding.forward([0, 1, 2]).tolist() == [[1, 2], [0, 0], [5, 6]]
    embedding.backward(np.ones((3, 2)))
    assert embedding.weight.grad.tolist() == [[1, 1], [0, 0], [1, 1], [0, 0]]
    assert nl.Embedding.from_arrays(TABLE, padding=1).forward([[1]]).tolist() == [[[0, 0]]]


@pytest.mark.parametrize("padding", [-1, 5, 7])
def test_a_padding_that_is_no_entry_is_refused(padding):
    with pytest.raises(nl.InvalidValueError, match=r"^Embedding: padding is -?\d, expected (0 to 4 for 5 entries|at least 0)"):
        nl.Embedding(5, 3, padding=padding)
    with pytest.raises(nl.InvalidTypeError, match=r"padding is 1\.5, expected a whole number"):
        nl.Embedding(5, 3, padding=1.5)


# ---- ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64, ">i4", "<u2"])
def test_ids_of_any_integer_type_give_the_same(dtype):
    ids = np.array([[3, 0], [1, 3]])
    embedding = nl.Embedding.from_arrays(TABLE)
    assert np.array_equal(embedding.forward(ids.astype(dtype)), TABLE[ids])
    embedding.backward(np.ones((2, 2, 2)))
    assert embedding.weight.grad[:, 0].tolist() == [1, 1, 0, 2]


@pytest.mark.parametrize(
    ("ids", "id", "index"),
    [
        ([[0, 1], [4, 2]], 4, r"\(1, 0\)"),
        ([0, 1, -1, -2], -1, r"\(2,\)"),
        (7, 7, r"\(\)"),
        (np.array([3, 2**64 - 1], np.uint64), 2**64 - 1, r"\(1,\)"),
        (np.array([[[-128]]], np.int8), -128, r"\(0, 0, 0\)"),
    ],
)
def test_a_negative_or_too_large_id_is_named_with_its_place_and_the_number_of_entries(ids, id, index):
    embedding = nl.Embedding(4, 2)
    with pytest.raises(
        nl.InvalidValueError,
        match=rf"^Embedding\(4, 2\): got the id {id} at index {index}, expected 0 to 3 for 4 entries\. Ids count from 0",
    ):
        embedding.forward(ids)
    with pytest.raises(nl.OrderError):
        embedding.backward(np.ones(2))


def test_the_message_names_the_number_of_entries_that_all_ids_need():
    with pytest.raises(nl.InvalidValueError, match=r"Ids count from 0: for these, make the layer with entries=10\.$"):
        nl.Embedding(4, 2).forward([4, 9])
    with pytest.raises(nl.InvalidValueError, match=r"Ids count from 0\.$"):
        nl.Embedding(4, 2).forward([3, -1])


@pytest.mark.parametrize("ids", [np.array([0.0, 1.0]), [0.5], np.array([True, False]), np.float32(1)])
def test_ids_that_are_not_whole_numbers_by_type_are_refused_with_the_conversion(ids):
    kind = np.asarray(ids).dtype
    with pytest.raises(nl.InvalidTypeError, match=rf"got ids of {kind}, expected whole numbers\. Convert them with ids\.astype\(int\)\."):
        nl.Embedding(4, 2).forward(ids)


def test_no_ids_give_no_rows_and_no_gradient():
    embedding = nl.Embedding(4, 2, padding=0)
    assert embedding.forward(np.zeros((3, 0), int)).shape == (3, 0, 2)
    assert embedding.backward(np.zeros((3, 0, 2))) is None
    assert not embedding.weight.grad.any()


def test_one_table_may_serve_two_places_and_its_gradients_add_up():
    embedding = nl.Embedding.from_arrays(TABLE)
    ids = nl.Input("ids")
    model = nl.Graph([ids], [embedding(ids) * embedding.tied_copy()(ids)])
    model.forward([1, 1, 2])
    assert model.backward(np.ones((3, 2))) is None
    assert embedding.weight.grad.tolist() == [[0, 0], [12, 16], [10, 12], [0, 0]]


def test_a_table_that_also_gives_the_scores_learns_from_both_uses():
    rng = np.random.default_rng(0)
    embedding, ids = nl.Embedding.from_arrays(TABLE), nl.Input("ids")
    scores = nl.Affine(2, 4, bias=False, dtype=np.float64)
    scores.weight.value = TABLE.T
    tied = nl.Graph([ids], [scores(nl.Tanh()(embedding(ids)))])
    given, dout = np.array([2, 0, 2]), rng.normal(size=(3, 4))
    for _ in range(3):
        tied.zero_grad()
        tied.forward(given)
        tied.backward(dout)
        h = np.tanh(TABLE[given])
        assert np.allclose(scores.weight.grad, h.T @ dout)
        assert np.allclose(embedding.weight.grad, np.eye(4)[given].T @ (dout @ TABLE * (1 - h**2)))


# ---- the checker ---------------------------------------------------------------------------------


class Overwriting(nl.Embedding):
    """Writes the gradient of a repeated id over the one before."""

    def backward(self, dout):
        dout, ids = self.recall(dout)
        dout = dout if self.padding is None else dout * (ids != self.padding)[..., None]
        self.weight.grad[ids] += dout


class WithoutPadding(nl.Embedding):
    """Forgets that the padding has no gradient."""

    def backward(self, dout):
        dout, ids = self.recall(dout)
        np.add.at(self.weight.grad, ids, dout)


def test_the_checker_names_repeated_ids_that_overwrite_each_other():
    ids = np.array([[0, 3, 3], [1, 0, 2]])
    report = nl.check_gradients(Overwriting(4, 2, rng=0), ids)
    assert [(finding.mistake, finding.where) for finding in report.findings] == [("missing-term", "weight")]
    assert "np.add.at" in str(report)
    assert nl.check_gradients(nl.Embedding(4, 2, rng=0), ids).ok
    with pytest.raises(AssertionError, match="gradients"):
        nl.testing.check_layer(Overwriting(4, 2, rng=0), ids)


def test_the_checker_finds_a_gradient_of_the_padding():
    ids = np.array([[0, 3, 3], [1, 0, 2]])
    report = nl.check_gradients(WithoutPadding(4, 2, padding=3, rng=0), ids)
    assert [(finding.mistake, finding.where) for finding in report.findings] == [("missing-mask", "weight")]
    assert "2 elements that do not reach the output get a gradient" in str(report)
    assert nl.check_gradients(nl.Embedding(4, 2, padding=3, rng=0), ids).ok
    with pytest.raises(AssertionError, match="gradients"):
        nl.testing.check_layer(WithoutPadding(4, 2, padding=3, rng=0), ids)
