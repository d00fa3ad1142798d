"""What is collected: the tests against PyTorch, JAX and scikit-learn need the `peers` extra, all others only NumPy and pytest."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["peers"]
