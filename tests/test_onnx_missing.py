"""Without the package onnx, the extra that installs it is named."""

import sys

import pytest

import netlib as nl


def test_the_extra_is_named_where_onnx_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(nl.NetlibError, match=r"onnx\.load: needs onnx, which is not installed\. .*'netlib\[onnx\]'"):
        nl.onnx.load("model.onnx")
