"""Running parts of a batch at the same time."""

import os
import subprocess
import sys
import threading

import pytest

from netlib.kernels.threads import count_cores, run_parts, split


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


def test_the_cores_are_those_the_process_may_use():
    assert 1 <= count_cores() <= os.cpu_count()
