"""Models as ONNX files (extra ``onnx``)."""

from __future__ import annotations

from .saving import save as save
