"""A training on several ranks is that of one process with whole batches."""

from functools import cache

import numpy as np
import pytest
from programs import AMPLIFYING, CASES
from ranks import run

BOUNDS = {"float32": 1e-6, "float64": 1e-12}
ranks = pytest.mark.parametrize("n", [2, 3])


@cache
def distances(n):
    return run(n, "distances")


@pytest.mark.one_in(4)
@ranks
@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("case", CASES)
def test_the_parameters_are_those_of_one_process(case, dtype, n):
    of_ranks = [result[f"{case}, {dtype}"] for result in distances(n)]
    assert of_ranks == [of_ranks[0]] * n
    of_arrays, of_history, of_rounding = of_ranks[0]
    bound = 20 * of_rounding if case in AMPLIFYING and dtype == "float32" else BOUNDS[dtype]
    assert max(of_arrays, of_history) <= bound


@ranks
def test_batches_of_each_rank_make_one_batch_also_where_a_rank_has_fewer(n):
    for of_arrays, of_history in run(n, "own_batches"):
        assert of_arrays <= 1e-12
        assert of_history <= 1e-12


@ranks
def test_every_rank_begins_with_the_weights_the_optimizer_and_the_seed_of_rank_0(n):
    assert max(run(n, "different_starts")) <= 1e-6


def test_dropout_and_transforms_differ_between_ranks_and_are_reproducible():
    first, second = run(2, "dropout_masks"), run(2, "dropout_masks")
    assert first == second
    (weights, generator, drawn), (other_weights, other_generator, other_drawn) = first
    assert weights == other_weights
    assert generator != other_generator
    assert drawn != other_drawn


def test_statistics_per_rank_are_a_choice_and_those_of_rank_0_remain():
    (running, of_share), (other, _) = run(2, "per_rank_statistics")
    np.testing.assert_allclose(running, of_share, rtol=1e-6)
    assert other == running


@ranks
def test_metrics_are_over_all_samples(n):
    assert max(run(n, "metrics")) <= 1e-12


def test_a_part_of_the_ranks_can_train_together():
    for rank, (of_part, size, distance, wrong, sums) in enumerate(run(3, "communicators")):
        assert (of_part, size) == [(0, 2), (0, 1), (1, 2)][rank]
        assert distance <= 1e-12
        texts = ["InvalidTypeError: Trainer: got 'COMM_WORLD', expected a communicator of mpi4py", "InvalidTypeError: Trainer: got <mpi4py"]
        assert all(map(str.startswith, wrong, texts[: 1 if rank == 1 else 2]))
        assert sums == [[2050] * 3, [3] * 4, [3] * 2, [3] * 2]  # also of float16, and of arrays that are not contiguous


def test_the_learning_rate_is_found_by_rank_0_for_all():
    first, *others = run(3, "found_rates")
    assert others == [first, first]


@pytest.mark.parametrize("name", ["x.npy", "x.h5"])
def test_a_file_on_disk_is_read_by_all_ranks(name, tmp_path):
    assert max(run(2, "on_disk", str(tmp_path / name))) <= 1e-12


@ranks
def test_files_divided_among_the_ranks_train_as_one_process_on_their_batches_together(n, tmp_path):
    assert max(run(n, "shards", str(tmp_path))) <= 1e-12
