"""Matrix products in ONNX."""

from __future__ import annotations

from typing import Any

from ... import layers
from ..writing import GraphBuilder, Value
from .translation import Translation, as_operator


def affine(layer: layers.Affine, graph: GraphBuilder, x: Value) -> Any:
    """Return x · weight + bias."""
    if layer.bias is not None and x.ndim == 2:
        return graph.add("Gemm", x, layer.weight, layer.bias)
    y = graph.add("MatMul", x, layer.weight)
    return y if layer.bias is None else graph.add("Add", y, layer.bias)


def einsum(layer: layers.Einsum, graph: GraphBuilder, *xs: Any) -> Any:
    """Return the sum of products defined by the equation.

    NumPy lets an axis of length 1 stand for a longer one, and an ellipsis for more axes in one
    operand than in another. ONNX does not, so the former are removed, and the latter get letters.
    """
    terms, output = layer._name_axes([x.shape for x in xs])
    longer = {letter for term, x in zip(terms, xs, strict=True) for letter, n in zip(term, x.shape, strict=True) if n != 1}
    for i, (term, x) in enumerate(zip(terms, xs, strict=True)):
        short = [axis for axis, letter in enumerate(term) if x.shape[axis] == 1 and letter in longer]
        if short:
            xs = (*xs[:i], graph.add("Squeeze", x, short), *xs[i + 1 :])
            terms[i] = "".join(letter for axis, letter in enumerate(term) if axis not in short)
    return graph.add("Einsum", *xs, equation=f"{','.join(terms)}->{output}")


PRODUCTS: dict[type, Translation] = {
    layers.Affine: affine,
    layers.Einsum: einsum,
    layers.MatMul: as_operator("MatMul"),
}
