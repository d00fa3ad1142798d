"""A frozen part is not trained and stays in evaluation mode while the rest trains."""

import copy

import numpy as np

import netlib as nl


def model():
    return nl.Sequential(nl.Sequential(nl.Affine(2, 4, rng=0), nl.Dropout(0.5, rng=0)), nl.ReLU(), nl.Affine(4, 1, rng=1))


def test_a_frozen_part_keeps_its_parameters_and_its_mode_in_training():
    net = model()
    assert net[0].freeze() is net[0]
    before = net.state_dict()
    modes = []

    class Look(nl.Callback):
        def on_batch_end(self, trainer):
            modes.append([layer.training for _, layer in trainer.model.walk()])

    trainer = nl.Trainer(net, nl.MeanSquaredError(), nl.Adam(net, lr=0.1), callbacks=[Look()], seed=0)
    x = np.random.default_rng(0).normal(size=(20, 2))
    trainer.fit(x, x[:, :1], epochs=2, progress=False)
    after = net.state_dict()
    assert [path for path in before if (before[path] != after[path]).any()] == ["2.weight", "2.bias"]
    assert modes[0] == [True, False, False, False, True, True]


def test_unfreezing_gives_back_what_was_taken_and_nothing_else():
    net = model()
    net[0][0].bias.trainable = False
    net.freeze().freeze()
    net.train()
    assert not any(p.trainable for p in net.parameters().values())
    assert not net[0][1].training
    assert copy.deepcopy(net).unfreeze()[2].weight.trainable
    net.unfreeze()
    assert [path for path, p in net.parameters().items() if not p.trainable] == ["0.0.bias"]
    assert net[0][1].training
    assert not net.eval().freeze().unfreeze().training


def test_what_is_appended_to_a_frozen_chain_trains():
    net = nl.Sequential(nl.Affine(2, 2)).freeze().append(nl.Affine(2, 1))
    net.train()
    assert [layer.training for layer in net] == [False, True]
    assert [p.trainable for p in net.parameters().values()] == [False, False, True, True]
