"""What a rank computes of its share, with ranks that are threads of this process: `tests/mpi` starts real ones."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

import netlib as nl
from netlib.errors import RankError
from netlib.kernels.threads import cores
from netlib.training.ranks import Ranks

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((14, 6)), RNG.integers(0, 3, 14)
U = X[:, :1] - X[:, 1:2]


class Board:
    """The channel of one of several threads: each puts its item on a board, and then reads all."""

    def __init__(self, rank, items, barrier):
        self.rank, self.size, self._items, self._barrier = rank, len(items), items, barrier

    def gather(self, item):
        self._items[self.rank] = copy.deepcopy(item)
        self._barrier.wait(300)
        items = copy.deepcopy(self._items)
        self._barrier.wait(300)
        return items

    def agree(self, *numbers):
        return [sum(each) for each in zip(*self.gather(numbers), strict=True)]

    def sum(self, arrays):
        for array, *parts in zip(arrays, *self.gather([*arrays]), strict=True):
            array[...] = sum(parts)

    def from_first(self, item):
        return self.gather(item)[0]

    def on_this_machine(self):
        return [cores() if rank == self.rank else () for rank in range(self.size)]

    def fail(self, error):
        self._barrier.abort()


def on_ranks(run, n=3, sync_batch_norm=True):
    """Return what ``run(ranks)`` returns on each of n ranks, or raise what the first to fail has raised."""
    items, barrier = [None] * n, threading.Barrier(n)
    with ThreadPoolExecutor(n) as pool:
        done = [pool.submit(run, Ranks(Board(rank, items, barrier), sync_batch_norm)) for rank in range(n)]
    for error in (each.exception() for each in done):
        if error and not isinstance(error, threading.BrokenBarrierError):
            raise error
    return [each.result() for each in done]


def trained(
    model, loss, t, optimizer, ranks=None, callbacks=(), epochs=3, metrics=None, transform=None, resume=None, weight=None, **options
):
    trainer = nl.Trainer(model, loss, optimizer(model), metrics, callbacks=callbacks, seed=0, **options)
    if ranks is not None:
        trainer.ranks, trainer.rank = ranks, ranks.rank
    more = {"transform": transform, "resume": resume, "sample_weight": weight, "shuffle": weight is None}
    trainer.fit(X, t, epochs=epochs, batch_size=6, validation=(X, t), progress=False, **more)
    return trainer


def affine(features):
    return nl.Affine(6, features, rng=features, dtype="float64")


def two_heads():
    x = nl.Input("x")
    h = nl.BatchNorm(6, dtype="float64")(x)
    return nl.Graph([x], [affine(3)(h), affine(1)(h)])


def two_losses():
    """Return a graph of losses of which each counts something else."""
    y, z, t, u = map(nl.Input, "yztu")
    labels = nl.SoftmaxCrossEntropy(ignore_index=0)(y, t, name="labels")
    return nl.Graph([y, z, t, u], [labels + nl.MeanSquaredError()(z, u, name="error")])


def slow(model):
    return nl.SGD(model, lr=0.05)


def searching(model):
    return nl.LBFGS(model, iterations=2)


CASES = {  # batches of 6, 6 and 2 samples: the last share of rank 0 is empty
    "two losses and a batch norm": (two_heads, two_losses, (T, U), slow, {"accumulate": 2}),
    "two losses and a search": (two_heads, two_losses, (T, U), searching, {}),
    "a mean": (lambda: affine(3), lambda: nl.SoftmaxCrossEntropy(ignore_index=0), T, slow, {"metrics": {"a": nl.accuracy}}),
    "a mean and a search": (lambda: affine(3), lambda: nl.SoftmaxCrossEntropy(ignore_index=0), T, searching, {}),
    "no weight in a batch": (lambda: affine(1), nl.MeanSquaredError, U, slow, {"weight": np.arange(14) < 12}),
    "a sum": (lambda: affine(1), lambda: nl.MeanSquaredError(reduction="sum"), U, slow, {"clip_norm": 9}),
    "a sum and a search": (lambda: affine(1), lambda: nl.MeanSquaredError(reduction="sum"), U, searching, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_shares_some_of_them_empty_are_trained_on_as_one_process_trains_on_whole_batches(case):
    model, loss, t, optimizer, options = CASES[case]

    def run(ranks=None):
        trainer = trained(model(), loss(), t, optimizer, ranks, transform=lambda x, t, rng: (2 * x, t), **options)
        columns = [trainer.history[name] for name in trainer.history.columns if name != "seconds"]
        return trainer.model.state_dict().values(), [*columns, [trainer.batch_loss] * 3]

    arrays, history = run()
    for of_arrays, of_history in on_ranks(run):
        assert all(np.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(of_arrays, arrays, strict=True))
        np.testing.assert_allclose(of_history, history, rtol=1e-9)


class Stop(nl.Callback):
    def on_batch_end(self, trainer):
        trainer.stop = trainer.rank == 1 and trainer.batch == 2


def test_a_batch_norm_of_each_rank_has_two_samples_at_least_in_each_share():
    def run(ranks):
        model = nl.Sequential(nl.BatchNorm(6, dtype="float64"), affine(1))
        return trained(model, nl.MeanSquaredError(), U, slow, ranks).batch

    assert on_ranks(run, sync_batch_norm=False) == [2] * 3  # of 6 and 8 samples, and not a third of 2
    assert on_ranks(run) == [3] * 3


class StopWithin(nl.Callback):
    @contextmanager
    def around_batch(self, trainer):
        yield
        trainer.stop = trainer.rank == 1 and trainer.batch == 2


@pytest.mark.parametrize("callback", [Stop, StopWithin])
def test_all_ranks_stop_after_the_batch_in_which_one_stops(callback):
    def run(ranks):
        trainer = trained(affine(1), nl.MeanSquaredError(), U, slow, ranks, callbacks=[callback()])
        return trainer.epoch, trainer.batch, len(trainer.history)

    assert on_ranks(run) == [(1, 2, 0)] * 3


def test_a_resumed_rank_goes_on_with_its_own_random_numbers(tmp_path):
    path = tmp_path / "run.npz"

    def run(ranks, epochs, callbacks=(), resume=None):
        model = nl.Sequential(nl.BatchNorm(6), nl.Dropout(0.5, rng=0), affine(3))
        trained(model, nl.SoftmaxCrossEntropy(), T, slow, ranks, callbacks, epochs, resume=resume)
        return model[2].weight.value.tobytes(), model[1].forward(X).tobytes()

    whole = on_ranks(lambda ranks: run(ranks, 3), n=2)
    for stop in ([Stop()], []):  # in the middle of the first epoch, and at its end
        on_ranks(lambda ranks, stop=stop: run(ranks, 1, [*stop, nl.Checkpoint(path, every="1 batch")]), n=2)
        assert on_ranks(lambda ranks: run(ranks, 3, resume=path), n=2) == whole
    assert whole[0][0] == whole[1][0]
    assert whole[0][1] != whole[1][1]
    assert len({weight for weight, _ in on_ranks(lambda ranks: run(ranks, 3, resume=path), n=3)}) == 1


class Legacy(nl.Identity):
    def __init__(self, seed):
        self.rng = np.random.RandomState(seed)


def test_each_rank_begins_as_rank_0_does_and_draws_random_numbers_of_its_own():
    def run(ranks=None):
        seed, drawn = ranks.rank if ranks else 0, []
        model = nl.Sequential(Legacy(seed), nl.Affine(6, 1, rng=seed))
        trained(model, nl.MeanSquaredError(), U, slow, ranks, transform=lambda x, t, rng: drawn.append(rng.random()) or (x, t))
        return model[1].weight.value, model[0].rng.random_sample(), tuple(drawn)

    weight, _, drawn_alone = run()
    weights, legacy, drawn = zip(*on_ranks(run), strict=True)
    for each in weights:
        np.testing.assert_allclose(each, weight, rtol=1e-5)
    assert len(set(legacy)) == len(set(drawn)) == 3
    assert drawn[0] == drawn_alone


def test_an_error_names_the_rank_that_differs_from_the_first():
    class Drift(nl.Callback):
        def on_epoch_end(self, trainer):
            trainer.model.bias.value = trainer.model.bias.value + (trainer.rank == 2)

    def of_other_rates(ranks):
        trained(affine(1), nl.MeanSquaredError(), U, lambda model: nl.SGD(model, lr=0.1 if ranks.rank == 1 else 0.2), ranks)

    def drifting(ranks):
        trained(affine(1), nl.MeanSquaredError(), U, slow, ranks, [Drift()])

    with pytest.raises(nl.InvalidValueError, match=r"the ranks differ: lr is 0\.1, and on rank 0 0\.2 on rank 1\. "):
        on_ranks(of_other_rates)
    with pytest.raises(RankError, match="the weights are no longer the same on rank 2 as on rank 0"):
        on_ranks(drifting)


@pytest.mark.parametrize(("of_ranks", "threads"), [([range(8)] * 3, 2), ([range(1)] * 2, 1), ([range(8), range(8, 16), range(8, 16)], 8)])
def test_ranks_divide_the_cores_that_they_share(monkeypatch, of_ranks, threads):
    monkeypatch.setattr("netlib.training.ranks.cores", lambda: tuple(of_ranks[0]))
    channel = SimpleNamespace(rank=0, size=len(of_ranks), on_this_machine=lambda: [*map(tuple, of_ranks)])
    assert Ranks(channel, sync_batch_norm=True).threads == threads
