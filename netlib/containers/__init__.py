"""Layers made of layers, which run as one flat program, without recursion."""

from .graph import Constant as Constant
from .graph import Graph as Graph
from .graph import Input as Input
from .graph import Weight as Weight
from .multi_head_attention import MultiHeadAttention as MultiHeadAttention
from .recompute import Recompute as Recompute
from .residual import Residual as Residual
from .sequential import Sequential as Sequential
from .transformer_block import TransformerBlock as TransformerBlock
