"""Pictures of a computing graph, with values and gradients on every edge: what is drawn, apart from how."""

from .drawing import Drawing as Drawing
from .drawing import draw as draw
