"""Models as ONNX files (extra ``onnx``)."""
