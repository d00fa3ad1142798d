"""What ONNX files need."""

import sys

import numpy as np
import pytest

import netlib as nl


def test_saving_names_the_extra_when_onnx_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(nl.MissingError, match=r"onnx\.save: needs onnx, .* Install it with: pip install 'netlib\[onnx\]'"):
        nl.onnx.save(nl.ReLU(), tmp_path / "model.onnx", np.zeros((2, 3)))
    assert not [*tmp_path.iterdir()]
