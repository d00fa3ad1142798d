"""The tests against PyTorch, JAX and scikit-learn are collected where `peers` is installed, those on several ranks where `mpi` is."""

from importlib.util import find_spec

import pytest

collect_ignore = [folder for folder, package in [("peers", "torch"), ("mpi", "mpi4py")] if not find_spec(package)]


def pytest_itemcollected(item):
    """Mark a test of these folders with the name of its folder."""
    if item.path.parent.name in ("peers", "browser", "mpi"):
        item.add_marker(getattr(pytest.mark, item.path.parent.name))
