"""Every row of the table of layers as a module of PyTorch, and back."""

import numpy as np
import pytest
import torch
from table import one_row_of_each_kind_and_all_at_last
from torch_compare import as_tuple, assert_same

import netlib as nl
from netlib import containers, layers
from netlib.torch.functions import FUNCTIONS
from netlib.torch.table import TABLE

TOLERANCE = {nl.Hardsigmoid: 1e-7}
"""PyTorch computes its slope with a 1/6 of type float32."""
HAVE_CONTAINERS = {nl.Sequential, nl.Residual, nl.Recompute, nl.Recurrent, nl.Graph}


def is_random(layer):
    return any(isinstance(each, nl.Dropout) or getattr(each, "dropout", 0) for _, each in layer.walk())


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@one_row_of_each_kind_and_all_at_last
def test_a_module_computes_what_the_layer_does_and_comes_back_to_the_bit(row):
    layer = row.make(np.float64)
    module = nl.torch.module(layer)
    back = nl.torch.convert(module)
    assert type(back) is type(layer)
    state, names = layer.state_dict(), list(nl.torch.state_dict(layer))
    assert list(module.state_dict()) == names
    assert {path: (array.dtype, array.tobytes()) for path, array in back.state_dict().items()} == {
        path: (array.dtype, array.tobytes()) for path, array in state.items()
    }
    if not is_random(layer):
        assert_same(layer, module, *map(torch.tensor, row.inputs), rtol=TOLERANCE.get(type(layer), 1e-9))
        assert all(np.allclose(array, module.state_dict()[name]) for name, array in nl.torch.state_dict(layer).items() if "running" in name)
    layer.eval()
    module.eval()
    back.load_state_dict(layer.state_dict())
    assert_same(layer, module, *map(torch.tensor, row.inputs), rtol=TOLERANCE.get(type(layer), 1e-9))
    for ours, theirs in zip(as_tuple(layer.forward(*row.inputs)), as_tuple(back.eval().forward(*row.inputs)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_every_layer_has_a_counterpart_or_a_function():
    exported = {each for each in vars(layers).values() if isinstance(each, type) and issubclass(each, nl.Layer)}
    exported |= {each for each in vars(containers).values() if isinstance(each, type) and issubclass(each, nl.Layer)}
    known = {each.layer for each in TABLE} | FUNCTIONS.keys() | HAVE_CONTAINERS
    assert exported - known == set()
