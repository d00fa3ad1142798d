"""`plot.activations` and `plot.gradients`: one block a layer, one column a batch."""

import numpy as np
import pytest

import netlib as nl
from netlib.training.layer_statistics import EDGES, HIGHEST, LOWEST

X, T = nl.data.digits()


def recorded(layers, every=4, epochs=1, lr=0.01):
    model, record = nl.Sequential(*layers), nl.LayerStatistics(every=every)
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.SGD(model, lr=lr), callbacks=[record], seed=0)
    trainer.fit(X[:640], T[:640], epochs=epochs, batch_size=64, progress=False)
    return record


def deep(activation, init, depth=8):
    hidden = [layer for i in range(depth) for layer in (nl.Affine(64, 64, init=init, rng=i), activation())]
    return [*hidden, nl.Affine(64, 10, rng=99)]


def blocks(ax):
    return [np.ma.filled(image.get_array(), 0) for image in ax.get_images()]


@pytest.mark.parametrize("kind", ["activations", "gradients"])
def test_a_block_is_the_histograms_of_its_layer_as_shares_time_from_left_to_right(ax, kind):
    record = recorded([nl.Affine(64, 16, rng=0), nl.ReLU(), nl.Affine(16, 10, rng=1)])
    getattr(nl.plot, kind)(record, ax=ax)
    for block, track in zip(blocks(ax), getattr(record, kind).values(), strict=True):
        counts = track["histogram"]
        assert block.shape == (len(EDGES) - 1, 3)  # batches 1, 5 and 9 of 10
        assert np.allclose(block, (counts / counts.sum(axis=1, keepdims=True)).T)
    assert [image.get_extent()[2:] for image in ax.get_images()] == [[LOWEST, HIGHEST]] * 3


def test_blocks_stand_in_the_order_of_forward_and_do_not_overlap(ax):
    nl.plot.gradients(recorded([("in", nl.Affine(64, 16, rng=0)), nl.Tanh(), nl.Affine(16, 10, rng=1)]), ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["in Affine", "1 Tanh", "2 Affine"]
    ends = [end for image in ax.get_images() for end in image.get_extent()[:2]]
    assert ends == sorted(ends)
    assert [i < tick < i + 1 for i, tick in enumerate(ax.get_xticks())] == [True] * 3


def test_the_line_is_the_root_mean_square_as_a_power_of_ten(ax):
    record = recorded([nl.Affine(64, 16, rng=0), nl.Tanh(), nl.Affine(16, 10, rng=1)])
    nl.plot.activations(record, ax=ax)
    for line, track in zip(ax.get_lines(), record.activations.values(), strict=True):
        assert np.allclose(10 ** line.get_ydata(), track["rms"])
    ax.figure.canvas.draw()
    assert "$10^{−1}$" in [label.get_text() for label in ax.get_yticklabels()]


def middles(ax):
    """The power of ten at which the line of each block begins."""
    return [line.get_ydata()[0] for line in ax.get_lines()]


def test_vanishing_gradients_are_seen_as_blocks_that_sink_to_the_left(ax):
    ax = nl.plot.gradients(recorded(deep(nl.Sigmoid, nl.Glorot())), ax=ax)
    first, *_, last = middles(ax)
    assert first < last - 4  # four decades
    low, high = ax.get_ylim()
    assert low < first < last < high


def test_exploding_gradients_are_seen_as_blocks_that_rise_to_the_left(ax):
    ax = nl.plot.gradients(recorded(deep(nl.ReLU, nl.Normal(0.5)), lr=1e-9), ax=ax)
    first, *_, last = middles(ax)
    assert first > last + 2
    low, high = ax.get_ylim()
    assert low < last < first < high


def test_a_good_start_is_seen_as_blocks_at_one_height(ax):
    heights = middles(nl.plot.gradients(recorded(deep(nl.ReLU, nl.He())), ax=ax))
    assert max(heights) - min(heights) < 1


def test_the_share_of_zeros_stands_below_the_block(ax):
    dead = nl.Affine.from_arrays(np.zeros((64, 8)), -np.ones(8))
    nl.plot.activations(recorded([dead, nl.ReLU(), nl.Affine(8, 10, rng=0)]), ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()][:2] == ["0 Affine", "1 ReLU\n100% zeros"]


def test_zeros_alone_are_drawn_without_a_warning(ax):
    zero = nl.Affine.from_arrays(np.zeros((64, 10)), np.zeros(10))
    record = recorded([zero], every=1, lr=0.0)
    nl.plot.activations(record, ax=ax)
    ax.figure.canvas.draw()
    assert not any(block.any() for block in blocks(ax))


def test_many_layers_keep_labels_that_do_not_pile_up(ax):
    record = recorded([layer for i in range(60) for layer in (nl.Affine(64, 64, rng=i), nl.Tanh())] + [nl.Affine(64, 10, rng=99)])
    nl.plot.activations(record, ax=ax)
    assert len(ax.get_images()) == 121
    assert len(ax.get_xticklabels()) <= 41
    assert ax.get_xticklabels()[1].get_text() == "4 Affine"


@pytest.mark.parametrize("draw", [nl.plot.activations, nl.plot.gradients])
def test_before_any_training_and_for_anything_else_it_is_an_error_that_says_so(ax, draw):
    with pytest.raises(nl.OrderError, match=r"nothing has been recorded yet.*callbacks=\[record\], and call fit"):
        draw(nl.LayerStatistics(), ax=ax)
    with pytest.raises(nl.InvalidTypeError, match=r"got History, expected a LayerStatistics.*record = nl.LayerStatistics\(\)"):
        draw(nl.History(["epoch"]), ax=ax)
    assert not ax.has_data()
