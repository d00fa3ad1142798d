"""All ranks act as one: they stop together, one of them writes, and all go on from its files."""

import os

import numpy as np
import pytest
from programs import distance_of
from ranks import run, start

import netlib as nl


def test_all_ranks_stop_where_one_wants_to(tmp_path):
    first, *others = run(3, "stops", str(tmp_path))
    assert {how: place[:4] for how, place in first.items()} == {
        "Ctrl-C": [2, 3, 1, True],
        "Ctrl-C and L-BFGS": [2, 3, 1, True],
        "stop": [2, 3, 1, False],
        "stop at a step": [2, 3, 1, False],
        "stop in the last batch": [2, 6, 2, False],
        "stop at the end": [2, 6, 2, False],
        "patience": [2, 6, 2, False],
    }
    assert others == [first, first]
    assert (tmp_path / "run.npz").exists()


def test_ctrl_c_stops_all_ranks_after_the_batch():
    job = start(2, "until_interrupted", interrupts=True)
    assert job.results == [True, True]
    assert job.returncode == 0


def test_rank_0_alone_shows_progress_and_warns():
    job = start(2, "shown")
    assert job.results == [1, 0]
    assert [line.split("  ")[0] for line in job.text.splitlines() if line][:3] == ["2 ranks, with 1 thread each", "epoch 1/2", "epoch 2/2"]


def test_ranks_share_the_cores_of_a_machine():
    for n in (2, 3):
        for of_rank, in_training, is_as_before, cores in run(n, "threads"):
            assert of_rank == max(cores // n, 1)
            assert in_training == [1, of_rank]
            assert is_as_before


@pytest.mark.parametrize("dropout", [False, True])
def test_a_killed_job_goes_on_from_the_last_checkpoint_as_if_nothing_had_happened(tmp_path, dropout):
    whole = run(2, "resumed", str(tmp_path / "whole.npz"), 4, dropout)
    path = str(tmp_path / "killed.npz")
    job = start(2, "killed", path, 4, dropout, 5)
    assert job.returncode != 0
    assert job.results == []
    assert run(2, "resumed", path, 4, dropout) == whole
    assert (tmp_path / "killed.npz.csv").read_text().count("\n") == 5
    names = sorted(each.removeprefix("whole") for each in os.listdir(tmp_path) if each.startswith("whole"))
    assert names == ["-best.npz", "-epoch-4-batch-6.npz", "-epoch-4.npz", ".npz", ".npz.csv"]


def test_training_goes_on_with_another_number_of_ranks(tmp_path):
    paths = [str(tmp_path / f"{name}.npz") for name in "ab"]
    for n, epochs in ((3, 2), (2, 3), (1, 4)):
        (_, history), *_ = run(n, "resumed", paths[0], epochs, False)
    (_, expected), *_ = run(1, "resumed", paths[1], 4, False)
    for name, column in expected.items():
        np.testing.assert_allclose(history[name], column, rtol=1e-12)
    a, b = (nl.load(path).state_dict() for path in paths)
    assert distance_of(a, b) <= 1e-12


def test_training_goes_on_where_shares_have_one_sample_or_none(tmp_path):
    for first, resumed, whole in run(3, "resumed_with_small_shares", str(tmp_path / "run.npz")):
        assert resumed == whole
        assert first == whole[:2]


def test_training_goes_on_amid_an_epoch_with_another_number_of_ranks(tmp_path):
    path, expected = str(tmp_path / "killed.npz"), str(tmp_path / "whole.npz")
    start(2, "killed", path, 4, False, 5)
    run(3, "resumed", path, 4, False)
    run(1, "resumed", expected, 4, False)
    assert distance_of(nl.load(path).state_dict(), nl.load(expected).state_dict()) <= 1e-12
