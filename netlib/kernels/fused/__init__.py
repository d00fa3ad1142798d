"""The table of fused kernels: which layers, one behind the other, run as one operation.

A layer says by `kernel_name` what the table calls it. Where the value in between has a single reader, a program runs the layers of a row
by the row's file: in any container, in training and in inference. A new row takes a file beside these and a line here.
"""

from . import add, affine, affine_relu
from .fusion import Fusion

TABLE: dict[tuple[str, ...], Fusion] = {
    ("add",): add.FUSION,
    ("affine",): affine.FUSION,
    ("affine", "relu"): affine_relu.FUSION,
}
