"""The code of docs/coming-from.md takes over the weights of PyTorch's layers."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import netlib as nl

PAGE = Path(__file__).parents[2] / "docs" / "coming-from.md"


@pytest.fixture(scope="module")
def page():
    """Return the functions that the section on weights defines."""
    section = PAGE.read_text(encoding="utf-8").split("### Weights of recurrent layers and attention")[1].split("\n## ")[0]
    found = {"np": np, "nl": nl}
    exec(re.search(r"```python\n(.*?)```", section, re.DOTALL)[1], found)
    return found


def arrays_of(module):
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (3, True)])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_recurrent_layer_computes_what_that_of_pytorch_does(page, kind, layers, bidirectional):
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(3, 4, layers, batch_first=True, bidirectional=bidirectional, dtype=torch.float64)
    ours = getattr(nl, kind)(3, 4, layers, bidirectional, return_state=True, dtype="float64")
    page["load_from_pytorch"](ours, arrays_of(theirs))
    x = np.random.default_rng(0).normal(size=(2, 5, 3))
    with torch.no_grad():
        y, states = theirs(torch.from_numpy(x))
    got, *ends = ours.forward(x)
    np.testing.assert_allclose(got, y, atol=1e-12)
    for end, state in zip(ends, states if kind == "LSTM" else [states], strict=True):
        np.testing.assert_allclose(end.reshape(2, -1, 4), state.transpose(0, 1), atol=1e-12)


def test_attention_computes_what_that_of_pytorch_does_where_the_mask_is_its_opposite(page):
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(6, 2, batch_first=True, dtype=torch.float64)
    torch.nn.init.normal_(theirs.in_proj_bias)
    ours = page["attention_from_pytorch"](arrays_of(theirs), heads=2, mask=True)
    x, may_look = np.random.default_rng(0).normal(size=(2, 5, 6)), np.arange(5) < [[3], [5]]
    with torch.no_grad():
        y, _ = theirs(*3 * [torch.from_numpy(x)], key_padding_mask=torch.from_numpy(~may_look))
    np.testing.assert_allclose(ours.forward(x, may_look[:, None, None, :]), y, atol=1e-12)
