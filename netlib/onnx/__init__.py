"""Models as ONNX files (extra ``onnx``)."""

from __future__ import annotations

from .layers import LAYERS as LAYERS
from .loading import load as load
from .saving import save as save
