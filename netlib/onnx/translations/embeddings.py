"""Embeddings and encodings of positions in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import layers
from ...layers.positions import angles
from ..writing import GraphBuilder, Value
from .shapes import END, as_indices
from .translation import Translation


def embedding(layer: layers.Embedding, graph: GraphBuilder, ids: Value) -> Any:
    """Return the rows of the table at the ids, and for the padding zeros without a gradient."""
    ids = as_indices(graph, ids)
    y = graph.add("Gather", layer.weight, ids, axis=0)
    if layer.padding is None:
        return y
    is_padding = graph.add("Equal", ids, np.array(layer.padding, ids.dtype))
    return graph.add("Where", graph.add("Unsqueeze", is_padding, [-1]), 0.0, y)


def positional_embedding(layer: layers.PositionalEmbedding, graph: GraphBuilder, x: Value) -> Any:
    """Add the row of each position."""
    n = x.length(-2)
    return graph.add("Add", x, layer.weight if n == layer.length else graph.add("Slice", layer.weight, [0], [n], [0]))


def sinusoidal_encoding(layer: layers.SinusoidalEncoding, graph: GraphBuilder, x: Value) -> Any:
    """Add waves, which are constants."""
    return graph.add("Add", x, layer.predict(np.zeros(x.lengths(x.ndim - 2), graph.dtype)))


def rotary_encoding(layer: layers.RotaryEncoding, graph: GraphBuilder, x: Value) -> Any:
    """Rotate each pair of features by an angle that grows with the position."""
    a, half = angles(0, x.length(-2), layer.features, layer.base), layer.features // 2
    cos, sin = np.cos(a).astype(graph.dtype), np.sin(a).astype(graph.dtype)
    starts, step = ([0, 1], 2) if layer.interleaved else ([0, half], 1)
    ends = [END, END] if layer.interleaved else [half, END]
    x1, x2 = (graph.add("Slice", x, [start], [end], [-1], [step]) for start, end in zip(starts, ends, strict=True))
    y1 = graph.add("Sub", graph.add("Mul", x1, cos), graph.add("Mul", x2, sin))
    y2 = graph.add("Add", graph.add("Mul", x2, cos), graph.add("Mul", x1, sin))
    if not layer.interleaved:
        return graph.add("Concat", y1, y2, axis=-1)
    pairs = graph.add("Concat", *[graph.add("Unsqueeze", y, [-1]) for y in (y1, y2)], axis=-1)
    return graph.add("Reshape", pairs, [0] * (x.ndim - 1) + [layer.features])


EMBEDDINGS: dict[type, Translation] = {
    layers.Embedding: embedding,
    layers.PositionalEmbedding: positional_embedding,
    layers.RotaryEncoding: rotary_encoding,
    layers.SinusoidalEncoding: sinusoidal_encoding,
}
