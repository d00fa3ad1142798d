"""Layers made of layers, which run as one flat program, without recursion."""

from .graph import Constant, Graph, Input, Weight
from .recompute import Recompute
from .residual import Residual
from .sequential import Sequential

__all__ = ["Constant", "Graph", "Input", "Recompute", "Residual", "Sequential", "Weight"]
