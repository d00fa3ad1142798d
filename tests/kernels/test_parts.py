"""Running parts of a batch at the same time."""

import os
import subprocess
import sys
import threading
import time
import weakref
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import netlib as nl
from netlib.kernels import adam, softmax_cross_entropy, team, threads
from netlib.kernels.team import PATIENCE, Team
from netlib.kernels.threads import at_most_cores, count_cores, run_parts, split, split_if_awake

from .versions import VERSIONS, use


def test_parts_cover_all_samples_once_and_none_is_empty():
    for n in range(1, 12):
        for parts in range(1, 5):
            slices = split(n, parts)
            assert [i for each in slices for i in range(n)[each]] == list(range(n))
            assert all(each.start < each.stop for each in slices)
            assert len(slices) <= parts


def test_parts_run_at_the_same_time():
    barrier = threading.Barrier(2, timeout=30)  # broken unless both arrive
    found = []
    run_parts(lambda part, i: found.append((part, i, barrier.wait())), split(5, 2))
    assert sorted((part.start, i) for part, i, _ in found) == [(0, 0), (3, 1)]


@pytest.mark.parametrize("bad", [0, 1])
def test_an_error_in_any_part_is_raised_after_all_have_run(bad):
    done = []

    def run(part, i):
        done.append(i)
        if i == bad:
            raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        run_parts(run, split(5, 2))
    assert sorted(done) == [0, 1]


def test_the_threads_are_kept_unless_there_are_more_parts():
    run_parts(lambda part, i: None, split(2, 2))
    team = threads._team
    run_parts(lambda part, i: None, split(2, 2))
    assert threads._team is team
    run_parts(lambda part, i: None, split(team.size + 1, team.size + 1))
    assert threads._team.size == team.size + 1
    assert not any(thread.is_alive() for thread in team._threads)


def test_an_error_is_told_once_and_the_next_parts_run():
    with pytest.raises(ZeroDivisionError):
        run_parts(lambda part, i: 1 // (1 - i), split(5, 2))
    found = []
    run_parts(lambda part, i: found.append(i), split(5, 2))
    assert sorted(found) == [0, 1]


def test_threads_that_sleep_and_threads_that_wait_take_each_part_once():
    team = Team(3)
    counts = np.zeros(3, int)

    def count(i):
        counts[i] += 1

    for n in range(1, 301):
        team.run([partial(count, i) for i in range(1 + n % 3)])
        if n % 50 == 0:
            time.sleep(0.01)  # longer than a thread waits
        assert counts.tolist() == [n, n - n // 3, (n + 1) // 3]
    team.stop()
    assert not any(thread.is_alive() for thread in team._threads)


def test_threads_stay_awake_only_if_they_are_asked_to(monkeypatch):
    team, waits = Team(2), []
    wait = team._tell_and_wait
    monkeypatch.setattr(team, "_tell_and_wait", lambda *given: waits.append(given) or wait(*given))
    for stay_awake in (True, False):
        team.run([int, int], stay_awake)
        time.sleep(0.05)
        (*_, patience, _) = [given for given in waits if given[0] == team._done[0]][-1]
        assert patience == (PATIENCE if stay_awake else 1)
    team.stop()


def test_a_thread_keeps_nothing_of_a_job_that_is_done():
    class Held:
        def __call__(self):
            pass

    team, held = Team(2), Held()
    gone = weakref.ref(held)
    team.run([held, held])
    del held
    team.run([int, int])
    assert gone() is None
    team.stop()


def test_callers_that_find_the_threads_in_use_run_all_parts_themselves():
    found, barrier = [], threading.Barrier(2, timeout=30)

    def outer(part, i):
        barrier.wait()
        run_parts(lambda part, j: found.append((i, j, threading.current_thread())), split(4, 2))

    run_parts(outer, split(2, 2))
    assert sorted(pair[:2] for pair in found) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len({thread for i, _, thread in found if i == 0}) == 1


FORK = """
import os
from netlib.kernels.threads import run_parts, split
run_parts(lambda part, i: None, split(2, 2))
child = os.fork()
if child == 0:
    found = []
    run_parts(lambda part, i: found.append(i), split(2, 2))
    os._exit(0 if sorted(found) == [0, 1] else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_has_threads_of_its_own():
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})


class Library:
    """The controls of a matrix library."""

    def __init__(self):
        self.n = 8

    def get_num_threads(self):
        return self.n

    def set_num_threads(self, n):
        self.n = n


def test_products_use_one_core_until_the_last_of_the_functions_that_wait_for_cores_is_done(monkeypatch):
    library = Library()
    monkeypatch.setattr(threads, "_matrix_libraries", lambda: [library])
    inner = threads.with_products_on_one_core(lambda x: [x, library.n])
    outer = threads.with_products_on_one_core(lambda x, fail: [library.n, *inner(x), library.n, 1 // (1 - fail)])
    assert outer(3, fail=0) == [1, 3, 1, 1, 1]
    assert library.n == 8
    with pytest.raises(ZeroDivisionError):
        outer(3, fail=1)
    assert library.n == 8


def test_without_threadpoolctl_a_function_stays_as_it_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    threads._matrix_libraries.cache_clear()
    assert threads.with_products_on_one_core(len) is len
    threads._matrix_libraries.cache_clear()


@pytest.mark.parametrize(("n_outputs", "restricts"), [(2, True), (20, False)])
def test_products_use_one_core_if_convolutions_that_use_all_have_most_of_the_work(n_outputs, restricts, monkeypatch):
    wrapped = []
    monkeypatch.setattr("netlib.containers.planning.with_products_on_one_core", lambda method: wrapped.append(method.__name__) or method)
    monkeypatch.setattr("netlib.kernels.fused.convolution._split", lambda *_: [slice(0, 1), slice(1, 3)])
    model = nl.Sequential(nl.Conv2d(1, 4, 3, rng=0), nl.ReLU(), nl.Flatten(), nl.Affine(64, n_outputs, rng=0))
    for _ in range(2):
        model.forward(np.ones((3, 1, 6, 6), np.float32))
    assert wrapped == ["forward", "backward"] * restricts


@pytest.mark.parametrize(("n_outputs", "n_parts"), [(2, 2), (2000, 1)])
def test_only_the_matrix_library_has_threads_if_products_have_most_of_the_work(n_outputs, n_parts, monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: (0, 1))
    monkeypatch.setattr("netlib.kernels.threads.is_loaded", lambda: True)
    monkeypatch.setattr("netlib.kernels.fused.convolution.in_use", lambda *_: "numba")
    monkeypatch.setattr("netlib.kernels.fused.convolution.WORTH_A_THREAD", 0)
    model, lengths = nl.Sequential(nl.Conv2d(1, 4, 3, rng=0), nl.Flatten(), nl.Affine(64, n_outputs, rng=0)), []
    monkeypatch.setattr(
        "netlib.kernels.fused.convolution.run_parts", lambda run, parts: lengths.append(len(parts)) or run_parts(run, parts)
    )
    for _ in range(3):
        model.forward(np.ones((4, 1, 6, 6), np.float32))
    assert lengths == [1, n_parts, n_parts]  # in the first step, the work is not known yet


def test_the_cores_are_those_the_process_may_use_or_one_where_others_use_them(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", {0: {2, 5, 7}}.get, raising=False)
    assert count_cores() == 3
    with at_most_cores(1):
        with at_most_cores(1):
            pass
        assert count_cores() == 1
    assert count_cores() == 3


@pytest.mark.parametrize(("told", "expected"), [(6, 6), (None, 1)])
def test_where_the_system_does_not_say_which_cores_it_may_use_all_count(told, expected, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: told)
    assert count_cores() == expected


@pytest.mark.parametrize(("is_awake", "is_worth_it", "n_cores", "expected"), [
    (True, True, 2, [slice(0, 3), slice(3, 5)]),
    (False, True, 2, [slice(0, 5)]),
    (True, False, 2, [slice(0, 5)]),
    (True, True, 1, [slice(0, 5)]),
])  # fmt: skip
def test_a_short_operation_has_parts_only_where_threads_are_awake(is_awake, is_worth_it, n_cores, expected, monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: range(n_cores))
    monkeypatch.setattr(threads, "_team", SimpleNamespace(size=3, is_awake=is_awake))
    assert split_if_awake(5, is_worth_it) == expected
    monkeypatch.setattr(threads, "_team", None)
    assert split_if_awake(5, is_worth_it) == [slice(0, 5)]


def test_a_team_is_awake_unless_a_thread_of_it_sleeps():
    team, meeting, found = Team(3), threading.Barrier(3, timeout=30), []
    try:
        team.run([lambda: (meeting.wait(), found.append(team.is_awake), meeting.wait())] * 3, stay_awake=False)
        assert found == [True] * 3
        deadline = time.monotonic() + 30
        while team.is_awake:
            assert time.monotonic() < deadline
        assert team._n_asleep
    finally:
        team.stop()


@pytest.fixture(params=VERSIONS)
def version(request, monkeypatch):
    use(request.param, monkeypatch)
    return request.param


@pytest.fixture
def three_awake(monkeypatch):
    """Three threads, awake, and every operation is worth them; the list has how many parts each had."""
    team, n_parts, run = Team(3), [], run_parts
    monkeypatch.setattr(Team, "is_awake", True)
    monkeypatch.setattr(threads, "_team", team)
    monkeypatch.setattr(threads, "cores", lambda: range(3))
    for module in (adam, softmax_cross_entropy):
        monkeypatch.setattr(module, "WORTH_A_THREAD", 0)
        monkeypatch.setattr(module, "run_parts", lambda function, parts: n_parts.append(len(parts)) or run(function, parts))
    yield n_parts
    team.stop()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_of_adam_in_parts_is_its_formula(version, dtype, three_awake):
    value, grad, total, squares = np.random.default_rng(0).random((4, 10)).astype(dtype)
    expected = value - 0.1 * (0.9 * total + grad) / (np.sqrt(0.99 * squares + grad**2) + 1e-8)
    adam.adam(value, grad, np.empty_like(value), total, squares, 0.9, 0.99, 1e-8, 0.1)
    assert three_awake == ([] if version == "numpy" else [3])
    np.testing.assert_allclose(value, expected, rtol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_logarithm_of_softmax_in_parts_is_its_formula(version, dtype, three_awake):
    x = np.random.default_rng(0).normal(size=(2, 5, 7)).astype(dtype)
    y = softmax_cross_entropy.log_softmax(x)
    assert three_awake == ([] if version == "numpy" else [3])
    np.testing.assert_allclose(np.exp(y), np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True), rtol=100 * np.finfo(dtype).eps)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux tells the core of a thread")
def test_the_threads_leave_the_core_of_their_caller(monkeypatch):
    core, given = [0], {}
    monkeypatch.setattr(team, "_core_in_use", lambda: core[0])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setattr(os, "sched_setaffinity", given.__setitem__)
    helpers = Team(3)
    for core[0], expected in [(0, {1, 2}), (0, None), (2, {0, 1})]:
        given.clear()
        helpers.run([int, int, int])
        assert given == ({} if expected is None else {thread.native_id: expected for thread in helpers._threads})
    helpers.stop()


def test_a_process_with_a_single_core_keeps_it_for_all_threads(monkeypatch):
    monkeypatch.setattr(team, "_core_in_use", lambda: 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", None, raising=False)
    helpers = Team(2)
    helpers.run([int, int])
    helpers.stop()
