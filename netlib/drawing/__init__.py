"""Drawings of computing graphs with values and gradients on every edge."""

from .drawing import Drawing as Drawing
from .drawing import draw as draw
