"""The table of fused kernels: sequences of layers that run as one operation.

The `kernel_name` of a layer is its name in the table. If each layer is the only reader of the
previous one's output, a program runs the layers of a row by the row's module, in any container, in
training and in inference. To add a row, write a module in this folder and add a line here.
"""

from . import (
    add,
    affine,
    affine_gelu,
    affine_relu,
    attention,
    batch_norm,
    convolution,
    elementwise,
    embedding,
    max_pool,
    positions,
    recurrent,
    relu,
    row_norm,
)
from .fusion import Fusion

TABLE: dict[tuple[str, ...], Fusion] = {
    ("add",): add.FUSION,
    ("affine",): affine.FUSION,
    ("affine", "relu"): affine_relu.FUSION,
    ("attention",): attention.FUSION,
    ("head_attention",): attention.FUSION,
    ("affine", "gelu"): affine_gelu.FUSION,
    ("gelu",): elementwise.GELU,
    ("silu",): elementwise.SILU,
    ("mish",): elementwise.MISH,
    ("hardswish",): elementwise.HARDSWISH,
    ("sigmoid",): elementwise.SIGMOID,
    ("layer_norm",): row_norm.FUSION,
    ("rms_norm",): row_norm.FUSION,
    ("embedding",): embedding.FUSION,
    ("positional_embedding",): positions.FUSION,
    ("sinusoidal_encoding",): positions.FUSION,
    **{(f"conv{axes}d",): convolution.FUSION for axes in (1, 2, 3)},
    **{(f"max_pool{axes}d",): max_pool.FUSION for axes in (1, 2, 3)},
    **{(name,): recurrent.FUSION for name in recurrent.PASSES},
    ("relu",): relu.FUSION,
    ("batch_norm",): batch_norm.FUSION,
    ("batch_norm", "relu"): batch_norm.FUSION,
    **{(f"conv{axes}d", "relu"): convolution.FUSION for axes in (1, 2, 3)},
    **{(f"conv{axes}d", "relu", f"max_pool{axes}d"): convolution.FUSION for axes in (1, 2, 3)},
}
