"""No rank waits for one that has failed: every job ends in time, and says why."""

import pytest
from ranks import run, start


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("forward", "ZeroDivisionError: the fifth batch"),
        ("non-finite loss", "NonFiniteError: epoch 1, batch 5: the loss is nan; the first layer whose output is not finite is 4 Broken"),
        ("callback", "ZeroDivisionError: in a callback"),
        ("step", "ZeroDivisionError: in a callback"),
        ("epoch end", "ZeroDivisionError: in a callback"),
        ("fit end", "ZeroDivisionError: in a callback"),
        ("bad samples", "got arrays of shapes (103, 6), (50,), expected equally many rows"),
        ("before fit", "ZeroDivisionError: before fit"),
        ("after fit", "ZeroDivisionError: after fit"),
        ("exit", "rank 1 has failed: SystemExit: 3"),
        ("exit before fit", "rank 1 has come to the end of the program, while this one still trains or evaluates"),
        ("no fit", "rank 1 has come to the end of the program"),
        ("evaluate on one rank", "rank 1 has come to the end of the program"),
        ("different calls", "the ranks do not all do the same. Call fit and evaluate on every rank, in the same order"),
        ("drift", "in epoch 1 the weights are no longer the same on rank 1 as on rank 0"),
        ("second Ctrl-C", "KeyboardInterrupt"),
        ("first rank's file", "there is no folder '/proc/none'"),
    ],
)  # fmt: skip
def test_a_fault_on_one_rank_ends_the_job_with_its_error(how, says):
    job = start(2, "failing", how)
    assert job.returncode != 0
    assert says in job.errors


def test_of_three_ranks_those_without_a_fault_say_which_had_one():
    job = start(3, "failing", "forward")
    assert job.returncode != 0
    assert job.errors.count("rank 1 of 3:") == 1
    assert "ZeroDivisionError: the fifth batch" in job.errors


def test_an_uncaught_error_ends_the_job_under_the_runner_of_mpi4py_too():
    job = start(2, "failing", "callback", module=["-m", "mpi4py"])
    assert job.returncode != 0
    assert "ZeroDivisionError: in a callback" in job.errors


def test_whoever_catches_the_error_can_train_again():
    (text, weights), (own_text, other_weights) = run(2, "caught")
    assert text == "RankError: Trainer: rank 1 has failed: ZeroDivisionError: in a callback"
    assert own_text == "ZeroDivisionError: in a callback"
    assert weights == other_weights


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("model", "the model is Sequential(Affine(6, 4), Affine(4, 3)), and on rank 0 Sequential(Affine(6, 5), Affine(5, 3)) on rank 1"),
        ("sample counts", "the training data is (100, 6) float64, (100,) int64, and on rank 0 (103, 6) float64, (103,) int64 on rank 1"),
        ("samples", "the checksum of the first samples is"),
        ("validation", "the validation data is"),
        ("callbacks", "the list of callbacks is EarlyStopping, and on rank 0"),
        ("optimizer", "lr is 0.2, and on rank 0 0.1 on rank 1"),
        ("epochs", "epochs is 3, and on rank 0 2 on rank 1"),
    ],
)  # fmt: skip
def test_ranks_that_differ_are_told_what_differs(what, says):
    for text in run(2, "differing", what):
        assert says in text
