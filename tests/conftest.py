"""The tests against PyTorch, JAX and scikit-learn are collected where `peers` is installed."""

from importlib.util import find_spec

import pytest

collect_ignore = [] if find_spec("torch") else ["peers"]


def pytest_itemcollected(item):
    """Mark a test of these two folders with the name of its folder."""
    if item.path.parent.name in ("peers", "browser"):
        item.add_marker(getattr(pytest.mark, item.path.parent.name))
