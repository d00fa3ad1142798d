"""Layers for ONNX operators without a layer in the catalogue.

`LAYERS` lists them: ``nl.load(path, classes=nl.onnx.LAYERS)`` opens what `nl.save` has written.
"""

from __future__ import annotations

from .cast import Cast
from .cumulative_product import CumulativeProduct
from .determinant import Determinant
from .dilated_average import DilatedAverage
from .discrete import Discrete
from .elementwise import Elementwise
from .gather import GatherElements, GatherND
from .given import Given
from .late import Late
from .modulo import Modulo
from .on_integers import OnIntegers
from .product import Product
from .reset_first_gru import ResetFirstGRU
from .rows import Compress, ReverseSequence
from .scatter import ScatterElements, ScatterND
from .tile import Tile
from .top_k import TopK
from .triangle import Triangle

LAYERS = [
    Cast, Compress, CumulativeProduct, Determinant, DilatedAverage, Discrete, Elementwise, GatherElements, GatherND, Given,
    Late, Modulo, OnIntegers, Product, ResetFirstGRU, ReverseSequence, ScatterElements, ScatterND, Tile, TopK, Triangle,
]  # fmt: skip
