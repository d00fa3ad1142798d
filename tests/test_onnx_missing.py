"""Without the package onnx, the extra that installs it is named."""

import sys

import numpy as np
import pytest

import netlib as nl


def test_the_extra_is_named_where_onnx_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(nl.NetlibError, match=r"onnx\.load: needs onnx, which is not installed\. .*'netlib\[onnx\]'"):
        nl.onnx.load("model.onnx")


def test_nothing_is_saved_where_onnx_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(nl.MissingError, match=r"onnx\.save: needs onnx, which is not installed\. .*'netlib\[onnx\]'"):
        nl.onnx.save(nl.ReLU(), tmp_path / "model.onnx", np.zeros((2, 3)))
    assert not [*tmp_path.iterdir()]
