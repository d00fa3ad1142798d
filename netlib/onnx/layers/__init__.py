"""Layers for operators of ONNX that the catalogue does not have.

`LAYERS` lists them: ``nl.load(path, classes=nl.onnx.LAYERS)`` opens what `nl.save` has written.
"""

from __future__ import annotations

from .cast import Cast
from .discrete import Discrete
from .elementwise import Elementwise
from .gather import GatherElements, GatherND
from .late import Late
from .modulo import Modulo
from .on_integers import OnIntegers
from .product import Product
from .tile import Tile
from .top_k import TopK
from .triangle import Triangle

LAYERS = [Cast, Discrete, Elementwise, GatherElements, GatherND, Late, Modulo, OnIntegers, Product, Tile, TopK, Triangle]
