"""PyTorch's own sample inputs for its modules: a converted module is equal, or refused by name."""

import warnings

import pytest
import torch
from torch_compare import assert_same

import netlib as nl

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ImportWarning)  # that hypothesis is not installed, which it needs for other tests
    from torch.testing._internal.common_modules import module_db

TOLERANCE = {"nn.Hardswish": 1e-7, "nn.Hardsigmoid": 1e-7}
"""PyTorch computes their slopes with a 1/6 of type float32."""
UNKNOWN = {
    *("Bilinear", "CTCLoss", "FractionalMaxPool2d", "FractionalMaxPool3d", "GaussianNLLLoss", "GRUCell", "Hardshrink"),
    *("HingeEmbeddingLoss", "KLDivLoss", "LinearCrossEntropyLoss", "LocalResponseNorm", "LPPool1d", "LPPool2d", "LPPool3d"),
    *("LSTMCell", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "PoissonNLLLoss", "RNNCell"),
    *("SmoothL1Loss", "SoftMarginLoss", "Softshrink", "Tanhshrink", "Transformer", "TransformerDecoderLayer"),
}
"""Modules that netlib has no layer for, or one that is called otherwise or computes another formula."""
NEVER_EQUAL = {"GRU", "LSTM", "RNN", "MultiheadAttention", "MarginRankingLoss"}
"""Modules whose samples have steps before the batch, no batch, keyword arguments, or random targets, which netlib refuses."""
EQUAL = 270


def samples(entry):
    torch.manual_seed(0)
    for each in entry.module_inputs_func(entry, device="cpu", dtype=torch.float64, requires_grad=False, training=True):
        constructor = each.constructor_input
        module = entry.module_cls(*constructor.args, **constructor.kwargs).double()
        if each.forward_input is not None:
            yield module, each.forward_input


def is_equal(entry, module, inputs):
    """Return whether a converted module has the same outputs and gradients; False if it is refused."""
    tensors = torch.utils._pytree.tree_leaves(inputs.args)
    if inputs.kwargs:
        return False
    try:
        model = nl.torch.convert(module).eval()
        model.forward(*(each.numpy() for each in tensors))
    except nl.NetlibError:
        return False
    assert_same(model, module.eval(), *tensors, rtol=TOLERANCE.get(entry.name, 1e-9))
    return True


@pytest.mark.filterwarnings("ignore")
def test_a_converted_module_is_equal_or_refused():
    counts = {}
    for entry in module_db:
        try:
            counts[entry.name.removeprefix("nn.")] = sum(is_equal(entry, *each) for each in samples(entry))
        except Exception as error:
            error.add_note(f"for {entry.name}")
            raise
    never = {name for name, count in counts.items() if not count and not name.startswith("Lazy")}
    assert never == UNKNOWN | NEVER_EQUAL
    assert sum(counts.values()) == EQUAL
