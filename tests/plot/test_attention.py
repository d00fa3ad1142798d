"""`plot.attention`: the weights of each head, as the layer computes them."""

import numpy as np
import pytest

import netlib as nl


def heat_maps(ax, heads, keys):
    (image,) = ax.get_images()
    grid = np.ma.filled(image.get_array(), np.nan)
    assert grid.shape[1] == heads * (keys + 1) - 1
    assert np.isnan(grid[:, keys :: keys + 1]).all()
    return [grid[:, i * (keys + 1) : i * (keys + 1) + keys] for i in range(heads)]


def test_one_head_shows_the_softmax_of_the_scores_worked_by_hand(ax):
    q, k, v = [[0.0, 0.0], [np.log(3) * 2**0.5, 0.0]], [[1.0, 0.0], [0.0, 1.0]], [[1.0], [2.0]]
    nl.plot.attention(nl.ScaledDotProductAttention(), q, k, v, ax=ax)
    np.testing.assert_allclose(heat_maps(ax, 1, 2)[0], [[0.5, 0.5], [0.75, 0.25]], rtol=1e-6)
    assert ax.get_title() == "attention: 1 head"


def test_the_heads_are_side_by_side_for_the_sample_that_was_asked_for(ax):
    layer, x = (
        nl.MultiHeadAttention(6, 3, causal=True, dropout=0.5, dtype=np.float64, rng=0),
        np.random.default_rng(1).normal(size=(2, 4, 6)),
    )
    nl.plot.attention(layer, x, sample=1, ax=ax)
    q, k = (x[1] @ getattr(layer, name).weight.value + getattr(layer, name).bias.value for name in ("query", "key"))
    for h, shown in enumerate(heat_maps(ax, 3, 4)):
        scores = q[:, 2 * h : 2 * h + 2] @ k[:, 2 * h : 2 * h + 2].T / 2**0.5
        e = np.exp(scores) * np.tri(4)
        np.testing.assert_allclose(shown, e / e.sum(axis=1, keepdims=True), rtol=1e-12)


def test_a_model_of_ids_is_left_as_it_was_and_tokens_are_written_at_both_axes(ax):
    block = nl.TransformerBlock(4, 2, rng=0)
    model = nl.Sequential(nl.Embedding(9, 4, rng=0), block, nl.TransformerBlock(4, 1, rng=1))
    nl.plot.attention(model, [[1, 2, 3]], path="1", tokens="abc", ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == [*"abcabc"]
    assert [label.get_text() for label in ax.get_yticklabels()] == [*"abc"]
    assert ax.get_title() == "1.attention.attention: 2 heads"
    assert model.training
    with pytest.raises(nl.OrderError):
        model.backward(np.ones((1, 3, 4)))


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (nl.Affine(4, 4), {}, "no attention layer: none"),
        (nl.Sequential(nl.TransformerBlock(4, 1), nl.TransformerBlock(4, 1)), {}, "2 attention layers: 0.attention.attention, 1.attention"),
        (nl.Sequential(nl.TransformerBlock(4, 1)), {"path": "1"}, "no attention layer at '1'"),
        (nl.TransformerBlock(4, 1), {"sample": 2}, "sample"),
        (nl.TransformerBlock(4, 1), {"tokens": "ab"}, "got 2 tokens for a sequence of 3"),
    ],
)
def test_what_cannot_be_drawn_is_said(ax, model, options, message):
    with pytest.raises(nl.NetlibError, match=message):
        nl.plot.attention(model, np.ones((1, 3, 4)), ax=ax, **options)
