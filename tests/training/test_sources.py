"""Where samples come from: arrays on disk, and batches that the user makes."""

from __future__ import annotations

import inspect
import mmap
import os
import threading
from itertools import islice

import h5py
import numpy as np
import pytest

import netlib as nl
from netlib import InvalidTypeError, InvalidValueError
from netlib.training import reading
from netlib.training.samples import as_samples, held_out_rows
from netlib.training.sources import ArraySource, BatchSource

RNG = np.random.default_rng(0)
X = RNG.standard_normal((50, 6)).astype(np.float32)
T = RNG.integers(0, 3, 50)


class Chunked:
    """An array like those of zarr: it takes slices and distinct, ascending row numbers."""

    def __init__(self, a):
        self._a, self.shape, self.dtype, self.chunks = a, a.shape, a.dtype, (7, *a.shape[1:])

    def __getitem__(self, rows):
        assert isinstance(rows, slice) or (np.diff(rows) > 0).all()
        return self._a[rows]

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("the whole array was read")


def memmap(a, folder, name):
    np.save(folder / f"{name}.npy", a)
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def hdf5(a, folder, name):
    return h5py.File(folder / f"{name}.h5", "w").create_dataset("a", data=a)


def chunked(a, folder, name):
    return Chunked(a)


def trainer(callbacks=(), model=None, **options):
    model = model or nl.Sequential(nl.Affine(6, 8, rng=0), nl.Tanh(), nl.Dropout(0.2, rng=5), nl.Affine(8, 3, rng=1))
    return nl.Trainer(
        model, nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=0.01), {"accuracy": nl.accuracy}, callbacks=callbacks, seed=0, **options
    )


def results(trained):
    history = {name: column for name, column in trained.history.to_dict().items() if name != "seconds"}
    return repr(history), [array.tobytes() for array in trained.model.state_dict().values()]


@pytest.mark.parametrize("on_disk", [memmap, hdf5, chunked])
@pytest.mark.parametrize("options", [{"validation": 0.3}, {"shuffle": False, "drop_last": True}])
def test_training_from_disk_equals_training_from_memory_bit_for_bit(tmp_path, on_disk, options):
    memory, disk = trainer(), trainer()
    x, t = on_disk(X, tmp_path, "x"), on_disk(T, tmp_path, "t")
    memory.fit(X, T, epochs=3, batch_size=7, progress=False, **options)
    disk.fit(x, t, epochs=3, batch_size=7, progress=False, **options)
    assert results(memory) == results(disk)
    assert disk.evaluate(x, t, batch_size=9) == memory.evaluate(X, T, batch_size=9)
    np.testing.assert_array_equal(disk.predict(x, batch_size=9), memory.predict(X, batch_size=9))
    assert [each.name for each in threading.enumerate() if "reader" in each.name] == []


def test_what_is_computed_from_a_memory_map_is_in_memory(tmp_path):
    x = memmap(X, tmp_path, "x")
    assert reading.is_on_disk(x[3:])
    assert not reading.is_on_disk(x.astype(np.float64))
    trainer().fit(x.astype(np.float64), T, progress=False)


def in_batches(x=X, t=T):
    for i in range(0, 50, 7):
        yield x[i : i + 7], t[i : i + 7]


@pytest.mark.parametrize("batches", [in_batches, list(in_batches())])
def test_batches_train_as_the_same_batches_of_arrays(batches):
    arrays, given = trainer(accumulate=3), trainer(accumulate=3)
    arrays.fit(X, T, epochs=3, batch_size=7, shuffle=False, progress=False, validation=(X, T))
    given.fit(batches, epochs=3, progress=False, validation=batches)
    assert results(given)[1] == results(arrays)[1]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(given.history[name], arrays.history[name], rtol=1e-6)
    assert given.evaluate(batches)["accuracy"] == pytest.approx(given.history["val_accuracy"][-1], rel=1e-12)


def test_batches_may_differ_in_length_and_carry_weights():
    model = nl.Sequential(nl.Affine(4, 2, rng=0))
    rows = [RNG.standard_normal((5, n, 4)).astype(np.float32) for n in (3, 6, 3)]
    trained = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.SGD(model, lr=0.1), {"accuracy": nl.accuracy})
    history = trained.fit([(x, (x[..., 0] > 0).astype(int)) for x in rows], epochs=40, progress=False)
    assert history["accuracy"][-1] > 0.9


class Cut(nl.Callback):
    """Raise after so many batches."""

    needed_to_resume = False

    def __init__(self, batches):
        self.left = batches

    def on_batch_end(self, trainer):
        self.left -= 1
        if not self.left:
            raise RuntimeError("cut")


def on_memmap(folder):
    return {"x": memmap(X, folder, "x"), "t": memmap(T, folder, "t"), "batch_size": 7, "transform": nl.data.noise(0.1)}


def on_batches(folder):
    return {"x": in_batches, "transform": nl.data.noise(0.1)}


@pytest.mark.parametrize("source", [on_memmap, on_batches])
@pytest.mark.parametrize("cut", [5, 12, 16])
def test_a_resumed_training_equals_one_without_a_stop(tmp_path, source, cut):
    whole, path = trainer(), tmp_path / "run.npz"
    whole.fit(**source(tmp_path), epochs=4, progress=False)
    with pytest.raises(RuntimeError, match="cut"):
        trainer([nl.Checkpoint(path, every="3 batches"), Cut(cut)]).fit(**source(tmp_path), epochs=4, progress=False)
    resumed = trainer([nl.Checkpoint(path)])
    resumed.fit(**source(tmp_path), epochs=4, progress=False, resume=path)
    assert results(resumed) == results(whole)


def test_other_batches_than_those_of_the_checkpoint_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    with pytest.raises(RuntimeError, match="cut"):
        trainer([nl.Checkpoint(path, every="3 batches"), Cut(5)]).fit(in_batches, epochs=2, progress=False)
    for others in (list(in_batches(X[::-1], T)), list(in_batches())[:2]):
        with pytest.raises(InvalidValueError, match=r"batch 3 is not the one.*the same every time"):
            trainer([nl.Checkpoint(path)]).fit(others, epochs=2, progress=False, resume=path)


class Broken(Chunked):
    def __getitem__(self, rows):
        if not isinstance(rows, slice) and 49 in rows:
            raise OSError("the disk is gone")
        return super().__getitem__(rows)


def test_what_reading_raises_comes_out_of_fit_with_its_traceback_and_the_thread_ends():
    with pytest.raises(OSError, match="the disk is gone") as caught:
        trainer().fit(Broken(X), T, epochs=1, batch_size=7, progress=False)
    assert "__getitem__" in [each.name for each in caught.traceback]
    assert [each.name for each in threading.enumerate() if "reader" in each.name] == []


class Emptied:
    def __init__(self):
        self.left = list(in_batches())

    def __iter__(self):
        while self.left:
            yield self.left.pop()


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        (in_batches(), {}, InvalidTypeError, r"generator, which can be gone through only once.*without calling it"),
        (Emptied(), {"epochs": 2}, InvalidValueError, "gone through only once.*a function that makes new batches"),
        (X, {}, InvalidTypeError, r"without t.*fit\(x, t\)"),
        (3, {}, InvalidTypeError, "got int without t"),
        ([], {}, InvalidValueError, "no batches"),
        ([(X, T), X], {}, InvalidTypeError, r"batch 2 is a ndarray, expected \(x, t\)"),
        (in_batches, {"validation": 0.2}, InvalidValueError, "a share of batches cannot be held out"),
        (in_batches, {"sample_weight": T}, InvalidValueError, r"sample_weight together with batches.*\(x, t, weight\)"),
        (in_batches, {"drop_last": True}, InvalidValueError, "drop_last together with batches"),
    ],
)
def test_what_cannot_be_gone_through_is_refused_with_a_hint(x, options, error, message):
    with pytest.raises(error, match=message):
        trainer().fit(x, progress=False, **options)


def test_pages_of_a_memory_mapped_file_do_not_add_up(tmp_path):
    np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (4096, 1024))[:] = np.arange(4096)[:, None]
    x = np.load(tmp_path / "x.npy", mmap_mode="r")

    def mapped():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[2]) * 4096

    before = mapped()
    (rows_of,) = reading.as_rows([x], "here")
    for rows in (np.random.default_rng(0).permutation(4096), slice(0, 4096)):
        np.testing.assert_array_equal(reading.read(rows_of, rows)[:, 0], np.arange(4096)[rows])
        assert mapped() - before < 2**23  # of 2**24


@pytest.mark.parametrize("part", [np.s_[3:], np.s_[::-2], np.s_[5:, 1:], np.s_[4:4], np.s_[:, ::2], np.s_[6:7]])
def test_rows_of_a_part_of_a_memory_map_are_those_of_the_part(tmp_path, part):
    mapped = memmap(X, tmp_path, "x")[part]
    (rows_of,) = reading.as_rows([mapped], "here")
    rows = np.arange(len(mapped))[::-3]
    np.testing.assert_array_equal(reading.read(rows_of, rows), X[part][rows])
    np.testing.assert_array_equal(reading.read(rows_of, slice(1, None, 2)), X[part][1::2])
    for of_disk in (rows_of, mapped):
        assert type(reading.read(of_disk, slice(0, 2))) is np.ndarray  # a copy in memory


def test_changes_of_a_memory_map_are_seen_and_a_file_put_in_its_place_is_not(tmp_path):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (3, 2))
    (rows_of,) = reading.as_rows([x], "here")
    x[1] = 5.0  # not flushed
    np.testing.assert_array_equal(reading.read(rows_of, slice(0, 3)), x)
    private = np.load(tmp_path / "x.npy", mmap_mode="c")
    private[2] = 7.0
    np.save(tmp_path / "other.npy", np.full((3, 2), 9.0, np.float32))
    (tmp_path / "other.npy").replace(tmp_path / "x.npy")
    for a in (x, private):
        (rows_of,) = reading.as_rows([a], "here")
        np.testing.assert_array_equal(reading.read(rows_of, np.array([2, 1])), a[[2, 1]])


def test_a_file_that_was_cut_off_is_an_error_and_no_rows_of_chance(tmp_path):
    X.tofile(tmp_path / "x")
    (rows_of,) = reading.as_rows([np.memmap(tmp_path / "x", X.dtype, "r", shape=X.shape)], "here")
    (tmp_path / "x").write_bytes(b"1234")
    with pytest.raises(OSError, match="x ends before row 2"):
        reading.read(rows_of, np.array([2]))


def test_batches_have_two_or_three_elements_and_the_third_is_the_weight():
    weight = RNG.random(50)
    batches = [(X[i : i + 10], T[i : i + 10], weight[i : i + 10]) for i in range(0, 50, 10)]
    ours, theirs = trainer(), trainer()
    history = ours.fit(batches, epochs=2, progress=False)
    other = theirs.fit(X, T, sample_weight=weight, batch_size=10, shuffle=False, epochs=2, progress=False)
    assert history["loss"] == other["loss"]
    for wrong, said in [((X, T, weight, weight), "4 elements"), ((X,), "1 elements"), (X, "a ndarray"), ({1: X, 2: T}, "a dict")]:
        with pytest.raises(InvalidTypeError, match=f"batch 1 is {said}"):
            trainer().fit([wrong], progress=False)


def test_a_source_says_what_a_checkpoint_compares():
    samples = as_samples(X, T, None, "")
    assert ArraySource(samples, 8).batching == "8"
    assert ArraySource(samples, 8, drop_last=True).batching == "8, without a smaller last batch"
    assert "rows of them" not in ArraySource(samples, 8).description
    assert [len(batch) for batch in ArraySource(samples, 20).rehearsal(9)] == [20, 10]
    assert [len(batch) for batch in ArraySource(samples, 20).rehearsal(2)] == [20]
    np.testing.assert_array_equal(ArraySource(as_samples(Chunked(X), T, None, ""), 8).head().x, X)
    assert [*ArraySource(samples, 20).rehearsal(0)] == []
    assert [len(batch) for batch in ArraySource(samples, 20, share=(1, 3)).rehearsal(9)] == [7, 3]
    batches = BatchSource(in_batches, "")
    assert [[len(batch) for batch in batches.rehearsal(n)] for n in (0, 2, 9)] == [[], [7], [7, 1]]


def test_the_shares_of_several_processes_make_up_each_batch_and_differ_by_one_sample_at_most():
    samples = as_samples(np.arange(23), np.arange(23), None, "")
    ranks = [ArraySource(samples, 10, share=(rank, 3)).batches() for rank in range(3)]
    for batch, shares in zip([[*range(10)], [*range(10, 20)], [20, 21, 22]], zip(*ranks, strict=True), strict=True):
        assert np.concatenate([share.x for share in shares]).tolist() == batch
        assert {len(share) for share in shares} <= {len(batch) // 3, len(batch) // 3 + 1}


def test_the_shares_of_a_process_without_further_batches_are_empty():
    batches = BatchSource(in_batches, "", share=(1, 2)).batches_and_last(first=6)
    assert [(batch.x.shape, is_last) for batch, is_last in islice(batches, 4)] == [
        ((7, 6), False), ((1, 6), True), ((0, 6), True), ((0, 6), True)
    ]  # fmt: skip


class Frugal(Chunked):
    """An array on disk that is read in parts only, and writes down in which threads."""

    def __init__(self, a):
        super().__init__(a)
        self.threads = set()

    def __getitem__(self, rows):
        part = super().__getitem__(rows)
        assert len(part) <= 256
        self.threads.add(threading.current_thread().name.partition("_")[0])
        return part


def test_arrays_on_disk_beside_targets_in_memory_are_read_in_parts_and_batches_in_a_thread_of_their_own():
    x = Frugal(np.tile(X, (8, 1)))
    trainer().fit(x, np.tile(T, 8), validation=0.2, progress=False)
    assert x.threads == {"MainThread", "netlib-reader"}


def test_arrays_of_other_libraries_are_on_disk_unless_they_become_arrays_in_memory():
    class Bare:
        shape, dtype = (2,), np.dtype(float)

        def __getitem__(self, rows):
            return np.zeros(2)[rows]

    class Tensor(Bare):
        def __array__(self, dtype=None, copy=None):
            return np.zeros(2)

    class Stored(Tensor):
        chunks = None

    assert [reading.is_on_disk(a) for a in (Bare(), Tensor(), Stored())] == [True, False, True]


def test_several_inputs_in_a_list_are_refused_with_a_hint_where_it_helps():
    for inputs, helps in [([X, X], True), ([X, X[:3]], False)]:
        with pytest.raises(nl.NetlibError) as caught:
            trainer().fit(inputs, T, progress=False)
        assert ("Pass several inputs as a tuple" in str(caught.value)) == helps


def test_rows_are_read_from_a_file_only_if_they_are_whole_and_the_file_is_the_one_that_is_mapped(tmp_path):
    rows = [(np.zeros(()), False), (np.zeros((0, 3)), False), (np.zeros(1), True), (np.zeros((2, 3)), True), (np.zeros((2, 3, 4)).T, False)]
    assert [reading._has_whole_rows(a) for a, _ in rows] == [is_whole for _, is_whole in rows]
    path, other = tmp_path / "a.bin", tmp_path / "b.bin"
    offset = 3 * mmap.ALLOCATIONGRANULARITY + 8
    for n in (2, 4):
        a = np.arange(3.0 * n).reshape(n, 3)
        for at, value in [(path, a), (other, a + np.eye(n)[:, -1:])]:  # another last row
            at.write_bytes(bytes(offset) + value.tobytes())
        mapped = np.memmap(path, np.float64, "r", offset=offset, shape=(n, 3))
        assert reading.FileRows(mapped)[np.arange(n)[::-1]].tolist() == a[::-1].tolist()
        os.replace(other, path)
        with pytest.raises(OSError, match="is not the file that is mapped"):
            reading.FileRows(mapped)


def test_a_prediction_reads_from_disk_what_lies_there_and_takes_the_rest_from_memory(tmp_path):
    a, b = nl.Input("a"), nl.Input("b")
    model = nl.Graph([a, b], [nl.Affine(6, 2, rng=0)(a) + nl.Affine(6, 2, rng=1)(b)])
    both = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1))
    expected = both.predict((X, X), batch_size=50)
    for inputs in [(memmap(X, tmp_path, "x"), X), (X, Chunked(X))]:
        np.testing.assert_allclose(both.predict(inputs, batch_size=20), expected, rtol=1e-6)
    assert (both.epochs, both.epoch, both.batch) == (0, 0, 0)


def stratified(t):
    return held_out_rows(as_samples(X[: len(t)], t, None, ""), 0.2, 0, True, True, "")


def test_two_classes_as_one_hot_rows_are_held_out_by_class():
    t = np.eye(2)[np.arange(20) % 2]
    kept, out = stratified(t)
    assert t[out].sum(axis=0).tolist() == [2, 2]
    assert sorted([*kept, *out]) == [*range(20)]
    some = np.arange(20)[:, None] < 10
    for of_no_class in (np.where(t == 1, 0.9, 0.1), np.where(some, t, 0.5), np.where(some, t, 1), t[:, 0]):
        with pytest.raises(InvalidValueError, match="stratify needs one class per sample"):
            stratified(of_no_class)


@pytest.mark.parametrize("t", [[0, 0, 0, 1, 1], [0, 0, 1, 1, 1]])
def test_the_share_of_a_class_is_rounded_to_the_nearest(t):
    _, (out,) = stratified(np.array(t))
    assert t[out] == round(np.mean(t))


def test_the_defaults_are_those_of_the_reference():
    def defaults(method):
        return {name: each.default for name, each in inspect.signature(method).parameters.items() if isinstance(each.default, int)}

    assert defaults(nl.Trainer) == {"accumulate": 1, "sync_batch_norm": True}
    switches = {"shuffle": True, "progress": True, "stratify": False, "drop_last": False}
    assert defaults(nl.Trainer.fit) == {"epochs": 1, "batch_size": 32} | switches
    assert defaults(nl.Trainer.evaluate) == defaults(nl.Trainer.predict) == {"batch_size": 256}
