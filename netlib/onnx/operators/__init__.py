"""The translations of ONNX's operators: one file per family, each with its `OPERATORS`."""

from __future__ import annotations

from . import (
    activations,
    arithmetic,
    comparison,
    constants,
    convolution,
    functions,
    indexing,
    normalization,
    pooling,
    products,
    quantization,
    recurrent,
    reductions,
    resizing,
    scattering,
    shapes,
)

OPERATORS = {
    **constants.OPERATORS,
    **arithmetic.OPERATORS,
    **functions.OPERATORS,
    **comparison.OPERATORS,
    **reductions.OPERATORS,
    **shapes.OPERATORS,
    **indexing.OPERATORS,
    **products.OPERATORS,
    **activations.OPERATORS,
    **convolution.OPERATORS,
    **pooling.OPERATORS,
    **normalization.OPERATORS,
    **resizing.OPERATORS,
    **recurrent.OPERATORS,
    **scattering.OPERATORS,
    **quantization.OPERATORS,
}
"""By the name of the operator, with the domain in front if it is not ONNX's own."""
