"""No rank waits for one that has failed: every job ends in time, and says why."""

from functools import cache

import pytest
from ranks import run, start

CAUGHT = {
    "forward": "ZeroDivisionError: the fifth batch",
    "non-finite loss": "NonFiniteError: epoch 1, batch 5: the loss is nan; the first layer whose output is not finite is 4 Broken",
    "callback": "ZeroDivisionError: in a callback",
    "nested": "ZeroDivisionError: in a callback",
    "step": "ZeroDivisionError: in a callback",
    "epoch end": "ZeroDivisionError: in a callback",
    "fit end": "ZeroDivisionError: in a callback",
    "bad samples": "got arrays of shapes (103, 6), (50,), expected equally many rows",
    "exit": "SystemExit: 3",
    "different calls": "the ranks do not all do the same. Call fit and evaluate on every rank, in the same order",
    "drift": "in epoch 1 the weights are no longer the same on rank 1 as on rank 0",
    "drift of the generator": "in epoch 1 the random generator of the trainer is no longer the same on rank 1 as on rank 0",
    "second Ctrl-C": "KeyboardInterrupt",
    "first rank's file": "there is no folder '/proc/none'",
}
EVERYWHERE = ("different calls", "drift", "drift of the generator")


@cache
def faults():
    return run(3, "faults", *CAUGHT, "none")


@pytest.mark.parametrize("how", CAUGHT)
def test_every_rank_learns_what_has_failed_on_one(how):
    first = 0 if how == "first rank's file" else 1
    for rank, said in enumerate(faults()):
        assert CAUGHT[how] in said[how]
        if how not in EVERYWHERE:
            assert (f"RankError: Trainer: rank {first} has failed: " in said[how]) == (rank != first)


def test_whoever_catches_the_error_can_train_again():
    assert [said["none"] for said in faults()] == ["no error"] * 3


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("callback", "ZeroDivisionError: in a callback"),
        ("amid an operation", "ZeroDivisionError: at self._comm.allgather"),
        ("deaf others", "ZeroDivisionError: in a callback"),
        ("before a trainer", "ZeroDivisionError: before a trainer"),
        ("before fit", "ZeroDivisionError: before fit"),
        ("after fit", "ZeroDivisionError: after fit"),
        ("exit before fit", "rank 1 has come to the end of the program, while this one still trains or evaluates"),
        ("no fit", "rank 1 has come to the end of the program"),
        ("evaluate on one rank", "ranks 1, 2 have come to the end of the program"),
        ("two threads", "another thread trains or evaluates over the same communicator"),
    ],
)
def test_an_uncaught_fault_on_one_rank_ends_the_job(how, says):
    job = start(3, "failing", how)
    assert job.returncode != 0
    assert says in job.errors
    if "ZeroDivisionError" in says:
        assert job.errors.count("rank 1 of 3:") == job.errors.count("Traceback (most recent call last)") == 1


def test_an_uncaught_error_ends_the_job_under_the_runner_of_mpi4py_too():
    job = start(2, "failing", "callback", module=["-m", "mpi4py"])
    assert job.returncode != 0
    assert "ZeroDivisionError: in a callback" in job.errors


DIFFERENCES = {
    "model": "the model is Sequential(Affine(6, 4), Affine(4, 3)), and on rank 0 Sequential(Affine(6, 5), Affine(5, 3)) on rank 1",
    "sample counts": "the training data is (100, 6) float64, (100,) int64, and on rank 0 (103, 6) float64, (103,) int64 on rank 1",
    "samples": "the checksum of the first samples is",
    "validation": "the validation data is",
    "validation samples": "the checksum of the first validation samples is",
    "evaluated counts": "Trainer.evaluate: the ranks differ: the data is (9, 6) float64, (9,) int64, and on rank 0",
    "evaluated samples": "Trainer.evaluate: the ranks differ: the checksum of the first samples is",
    "callbacks": "the list of callbacks is EarlyStopping, and on rank 0",
    "optimizer": "lr is 0.2, and on rank 0 0.1 on rank 1",
    "epochs": "epochs is 3, and on rank 0 2 on rank 1",
}


def test_ranks_that_differ_are_told_what_differs():
    for texts in run(2, "differences", *DIFFERENCES):
        for what, says in DIFFERENCES.items():
            assert says in texts[what]
