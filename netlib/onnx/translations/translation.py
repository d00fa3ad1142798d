"""What the translations share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ..writing import GraphBuilder, Value

Translation: TypeAlias = Callable[..., Any]


def as_operator(operator: str, **attributes: Any) -> Translation:
    """Return the translation of a layer that is this one operator."""

    def translate(layer: Any, graph: GraphBuilder, *inputs: Value) -> Value:
        return graph.add(operator, *inputs, **attributes)  # type: ignore[no-any-return]

    return translate


def is_exact(graph: GraphBuilder, *numbers: float) -> bool:
    """Return whether the numbers can be attributes of a node, which ONNX stores as float32."""
    return graph.dtype == np.float32 or all(float(np.float32(number)) == number for number in numbers)
