"""The tests against PyTorch, JAX and scikit-learn are collected where `peers` is installed."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["peers"]
