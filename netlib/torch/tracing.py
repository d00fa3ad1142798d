"""From a forward of one's own to a graph.

This module is imported on use, since it imports PyTorch.
"""

from __future__ import annotations

from typing import Any

from ..layer import Layer


def trace(converter: Any, module: Any, path: str, *call: Any) -> Layer:
    """Return the graph of a module's forward."""
    raise NotImplementedError
