"""Layers made of layers. All of them are wired into one flat program, so that depth costs no recursion."""

from .graph import Constant, Graph, Input, Weight
from .recompute import Recompute
from .residual import Residual
from .sequential import Sequential

__all__ = ["Constant", "Graph", "Input", "Recompute", "Residual", "Sequential", "Weight"]
