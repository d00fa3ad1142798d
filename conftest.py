"""Pages are tests: every Python block of a page runs, in order, in one namespace."""

import gc
import os
import signal
from collections import Counter
from importlib.util import find_spec

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md"], excludes=["netlib/data/*.md"]).pytest()

# The examples of a room and a page about another library need that library (extra `peers`).
NEEDED = {
    "mpi4py": ["docs/mpi.md"],
    "onnx": ["netlib/onnx", "docs/onnx.md"],
    "sklearn": ["netlib/sklearn", "docs/scikit-learn.md"],
    "torch": ["netlib/torch", "docs/pytorch.md"],
}
collect_ignore = ["docs/site", *(path for package, paths in NEEDED.items() if not find_spec(package) for path in paths)]

# The matrices are small, and on a busy machine threads of BLAS that wait for each other make
# the suite many times slower.
os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")

# A shell that starts the suite in the background has it ignore Ctrl-C, of which there are tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    """Exempt from garbage collection what stays for the whole run: tests, and what they import."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Leave all but one in n cases of some tests to a longer run."""
    n_cases = Counter()
    for item in items:
        name = item.nodeid.partition("[")[0]
        sampled = item.get_closest_marker("one_in")
        if sampled and n_cases[name] % sampled.args[0]:
            item.add_marker("sweep" if any(map(item.get_closest_marker, ("exhaustive", "peers", "browser", "mpi"))) else "exhaustive")
        n_cases[name] += 1
