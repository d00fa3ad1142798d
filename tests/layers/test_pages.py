"""A layer is a page: how long the pages are that a reader opens beside the pictures."""

import inspect
import sys

import pytest

import netlib as nl

IMAGES = (
    *(nl.Conv1d, nl.ConvTranspose1d, nl.MaxPool1d, nl.AvgPool1d, nl.AdaptiveMaxPool1d, nl.AdaptiveAvgPool1d),
    *(nl.GlobalMaxPool, nl.Pad, nl.Upsample, nl.PixelShuffle, nl.Dropout),
    *(nl.BatchNorm, nl.LayerNorm, nl.RMSNorm, nl.GroupNorm, nl.InstanceNorm),
)
"""Those of one axis: the others are on their pages."""
LINES = {**{layer.__module__: 80 for layer in IMAGES}, "netlib.layers.convolution": 80, nl.LSTM.__module__: 110}


@pytest.mark.parametrize("page", LINES)
def test_a_page_is_short(page):
    assert len(inspect.getsource(sys.modules[page]).splitlines()) <= LINES[page]


def test_layers_for_any_number_of_axes_share_a_page():
    for name in ("Conv{}d", "ConvTranspose{}d", "MaxPool{}d", "AvgPool{}d", "AdaptiveMaxPool{}d", "AdaptiveAvgPool{}d"):
        assert len({getattr(nl, name.format(axes)).__module__ for axes in (1, 2, 3)}) == 1
