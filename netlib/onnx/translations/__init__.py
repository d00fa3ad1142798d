"""The layers in terms of ONNX's operators: one file for each family of layers."""

from __future__ import annotations

from .activations import ACTIVATIONS
from .attention import ATTENTION
from .elementwise import ELEMENTWISE
from .embeddings import EMBEDDINGS
from .images import IMAGES
from .losses import LOSSES
from .norms import NORMS
from .opened import OPENED
from .products import PRODUCTS
from .recurrent import RECURRENT
from .reductions import REDUCTIONS
from .shapes import SHAPES
from .translation import Translation

TRANSLATIONS: dict[type, Translation] = {
    **ACTIVATIONS,
    **ATTENTION,
    **ELEMENTWISE,
    **EMBEDDINGS,
    **IMAGES,
    **LOSSES,
    **NORMS,
    **OPENED,
    **PRODUCTS,
    **RECURRENT,
    **REDUCTIONS,
    **SHAPES,
}
