"""Training a part while another is frozen, and training beside state that is not learned."""

import copy
import pickle

import numpy as np
import pytest
from stateful_layers import Centre

import netlib as nl
from netlib.training import Callback, EarlyStopping, Trainer

X = np.random.default_rng(0).normal(size=(20, 3))
T = X @ [[1.0], [-2.0], [3.0]] + 1


class Mode(nl.Layer):
    """y = x + 0 in training and x + 1 in evaluation."""

    def forward(self, x):
        return x + (not self.training)

    def backward(self, dout):
        return dout * 1.0


def affine(n_in, n_out, seed):
    return nl.Affine(n_in, n_out, rng=seed, dtype="float64")


def body():
    return nl.Sequential(affine(3, 3, 0), Centre(3, start=0.5), nl.Dropout(0.5, rng=0), nl.Residual(affine(3, 3, 1)))


def values(layer):
    return {path: each.value.copy() for path, each in {**layer.parameters(), **layer.buffers()}.items()}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[path], b[path]) for path in a)


def modes(layer):
    return [each.training for _, each in layer.walk()]


def flags(layer):
    return [parameter.trainable for parameter in layer.parameters().values()]


def step(model, optimizer):
    model.backward(np.ones_like(model.forward(X)))
    optimizer.step()


# Frozen parts -------------------------------------------------------------------------------------


def test_freeze_and_unfreeze_return_the_layer():
    layer = body()
    assert layer.freeze() is layer
    assert layer.unfreeze() is layer


def test_unfreezing_leaves_alone_what_was_never_frozen():
    layer = affine(3, 1, 0)
    layer.weight = nl.Parameter(layer.weight.value, trainable=False)
    layer.unfreeze()
    assert flags(layer) == [False, True]
    layer.freeze().unfreeze()
    assert flags(layer) == [False, True]


def test_a_frozen_part_is_in_evaluation_mode_and_stays_there_while_the_rest_trains():
    part = body()
    model = nl.Sequential(part, nl.Dropout(0.5, rng=1), affine(3, 1, 2))
    part.freeze()
    assert not any(modes(part))
    assert [model.training, model[1].training, model[2].training] == [True] * 3
    assert flags(model) == [False] * 4 + [True] * 2
    model.train()
    part.train()
    part.training = True
    assert not any(modes(part))
    assert model.training
    assert model[1].training


@pytest.mark.parametrize("wire", [nl.Sequential, lambda part: nl.Sequential(nl.Sequential(part), nl.Identity()), nl.Residual])
def test_the_forward_of_a_frozen_part_is_that_of_evaluation_wherever_it_stands(wire):
    part = nl.Sequential(Mode(), nl.Sequential(Mode()))
    model = wire(part)
    way_around = isinstance(model, nl.Residual)
    x = np.ones((2, 2))
    for _ in range(3):
        assert model.train().forward(x).tolist() == (x + way_around).tolist()
    part.freeze()
    for _ in range(3):
        assert model.train().forward(x).tolist() == (x + 2 + way_around).tolist()
        assert model.backward(x).tolist() == (x + way_around).tolist()
    part.unfreeze()
    for _ in range(3):
        assert model.forward(x).tolist() == (x + way_around).tolist()


def test_a_step_moves_only_what_is_not_frozen_and_the_gradient_flows_through():
    part, head, first = body(), affine(3, 1, 2), affine(3, 3, 3)
    model = nl.Sequential(first, part, head)
    optimizer = nl.AdamW(model, lr=0.1, weight_decay=0.5)
    step(model, optimizer)
    part.freeze()
    frozen, others = values(part), (values(first), values(head))
    for _ in range(3):
        step(model, optimizer)
    assert same(values(part), frozen)
    assert not np.array_equal(first.weight.value, others[0]["weight"])
    assert not np.array_equal(head.weight.value, others[1]["weight"])
    part.unfreeze()
    step(model, optimizer)
    assert not any(np.array_equal(part.parameters()[path].value, frozen[path]) for path in part.parameters())
    assert part[1].batches.value == frozen["1.batches"] + 1


def test_the_gradient_before_a_frozen_part_is_that_of_evaluation():
    """dL/dx of x @ W, dropped out, is dout @ Wᵀ where the dropout is frozen."""
    part = nl.Sequential(nl.Affine.from_arrays([[2.0, 0.0], [0.0, 3.0]]), nl.Dropout(0.9, rng=0)).freeze()
    model = nl.Sequential(nl.Identity(), part).train()
    for _ in range(3):
        assert model.forward([[1.0, 1.0]]).tolist() == [[2.0, 3.0]]
        assert model.backward([[1.0, 10.0]]).tolist() == [[2.0, 30.0]]


def test_a_trainer_trains_the_rest_and_leaves_the_frozen_part_as_it_is():
    seen = []

    class Watch(Callback):
        def on_batch_end(self, trainer):
            seen.append((any(modes(trainer.model[0])), trainer.model[1].training))

    part = body().freeze()
    model = nl.Sequential(part, affine(3, 1, 2))
    before, head = values(part), values(model[1])
    trainer = Trainer(model, nl.MeanSquaredError(), nl.Adam(model, lr=0.1), callbacks=[Watch()], seed=0)
    trainer.fit(X, T, epochs=3, batch_size=5, validation=0.25, progress=False)
    assert same(values(part), before)
    assert not np.array_equal(model[1].weight.value, head["weight"])
    assert seen == [(False, True)] * 9
    assert not any(modes(part))
    assert model.training
    assert flags(part) == [False] * 4


def test_unfreeze_restores_exactly_what_freeze_changed():
    part = body()
    fixed = part[0].bias
    fixed.trainable = False
    part.freeze()
    assert flags(part) == [False] * 4
    part.unfreeze()
    assert flags(part) == [True, False, True, True]


def test_freezing_twice_is_freezing_once():
    part = body().freeze().freeze().unfreeze()
    assert flags(part) == [True] * 4
    assert all(modes(part))


def test_unfreezing_what_was_never_frozen_changes_nothing():
    part = body()
    part[0].weight.trainable = False
    part.eval().unfreeze()
    assert flags(part) == [False, True, True, True]
    assert not any(modes(part))


@pytest.mark.parametrize("asked", [True, False])
def test_unfreeze_restores_the_mode_that_was_set_in_between(asked):
    part = body().train(not asked)
    model = nl.Sequential(part)
    part.freeze()
    model.train(asked)
    assert not any(modes(part))
    part.unfreeze()
    assert set(modes(part)) == {asked}


@pytest.mark.parametrize("mode", [True, False])
def test_unfreeze_restores_the_earlier_mode_where_none_was_set_in_between(mode):
    part = body().train(mode).freeze().unfreeze()
    assert set(modes(part)) == {mode}


def test_unfreezing_the_whole_thaws_a_part_that_was_frozen_by_itself_before():
    model = nl.Sequential(body(), affine(3, 1, 2))
    model[0].freeze()
    model.freeze()
    assert not any(modes(model))
    model.unfreeze()
    assert flags(model) == [True] * 6
    assert all(modes(model))


def test_a_layer_appended_to_a_frozen_sequential_trains():
    model = nl.Sequential(affine(3, 3, 0), nl.Dropout(0.5, rng=0)).freeze()
    optimizer = nl.SGD(model, lr=0.1)
    model.append(affine(3, 1, 2)).append(nl.Dropout(0.5, rng=1))
    for _ in range(2):
        assert flags(model) == [False, False, True, True]
        assert [layer.training for layer in model] == [False, False, True, True]
        before = values(model)
        step(model, optimizer)
        assert [not np.array_equal(before[path], value) for path, value in values(model).items()] == [False, False, True, True]
        model.train()
    model.unfreeze()
    assert flags(model) == [True] * 4


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))], ids=["deepcopy", "pickle"])
def test_a_copy_of_a_frozen_part_is_frozen_and_thaws_by_itself(copied):
    model = nl.Sequential(body(), affine(3, 1, 2))
    model[0].freeze()
    twin = copied(model)
    twin.train()
    assert flags(twin) == [False] * 4 + [True] * 2
    assert not any(modes(twin[0]))
    twin[0].unfreeze()
    assert flags(twin) == [True] * 6
    assert all(modes(twin))
    assert flags(model[0]) == [False] * 4
    assert not any(modes(model[0]))


def test_a_lone_layer_may_be_frozen():
    layer = affine(3, 1, 0).freeze()
    assert (layer.weight.trainable, layer.bias.trainable, layer.training) == (False, False, False)
    dropout = nl.Dropout(0.9, rng=0).freeze().train()
    assert dropout.forward(np.ones(9)).tolist() == [1.0] * 9


def test_a_frozen_model_predicts_and_saves_its_state_as_any_other():
    model, twin = body(), body()
    model.freeze()
    np.testing.assert_array_equal(model.predict(X), twin.predict(X))
    assert list(model.state_dict()) == list(twin.state_dict())
    model.load_state_dict({path: array + 1 for path, array in twin.state_dict().items()})
    assert flags(model) == [False] * 4
    assert not any(modes(model))


# Buffers beside training --------------------------------------------------------------------------


class Walk(Callback):
    """Moves a weight and a buffer along given paths, one value an epoch."""

    def __init__(self, weights, offsets):
        self.weights, self.offsets = weights, offsets

    def on_batch_end(self, trainer):
        model, epoch = trainer.model, trainer.epoch
        model[0].weight.value = [[self.weights[epoch - 1]]]
        model[0].bias.value = [0.0]
        model[1].mean.value = [self.offsets[epoch - 1]]
        model[1].batches.value = epoch


def walked(weights, offsets, **options):
    """Train a model y = w x - offset towards t = 2 x - 1 along the paths."""
    x = np.linspace(-1, 1, 20)[:, None]
    model = nl.Sequential(affine(1, 1, 0), Centre(1))
    stopping = EarlyStopping(**options)
    trainer = Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1), callbacks=[Walk(weights, offsets), stopping], seed=0)
    held = model[1].mean.value
    history = trainer.fit(x, 2 * x - 1, epochs=len(weights), validation=(x, 2 * x - 1), batch_size=20, progress=False)
    return trainer, stopping, history, held, trainer.evaluate(x, 2 * x - 1)["loss"]


@pytest.mark.parametrize("patience", [2, 10])
def test_early_stopping_brings_buffers_back_with_the_weights(patience):
    trainer, stopping, history, held, loss = walked([0.0, 1.5, 1.9, 1.8, 1.7], [0.0, 0.5, 1.1, 3.0, 4.0], patience=patience)
    model = trainer.model
    assert (stopping.best_epoch, len(history)) == (3, 5)
    assert model[0].weight.value.tolist() == [[1.9]]
    assert model[1].mean.value.tolist() == [1.1]
    assert model[1].batches.value == 3
    assert model[1].mean.value is held
    # y - t = -0.1 x - 0.1, of 20 x from -1 to 1
    assert loss == pytest.approx(0.01 * ((np.linspace(-1, 1, 20) + 1) ** 2).mean(), rel=1e-9)
    assert loss == stopping.best == min(history["val_loss"])


def test_early_stopping_brings_back_a_model_that_evaluates_to_its_best():
    model = nl.Sequential(affine(3, 8, 0), Centre(8), nl.Tanh(), affine(8, 1, 1))
    stopping = EarlyStopping(patience=3)
    trainer = Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.2), callbacks=[stopping], seed=0)
    validation = X[:8] + 0.1, T[:8]
    trainer.fit(X, T, epochs=40, batch_size=4, validation=validation, progress=False)
    assert trainer.evaluate(*validation, batch_size=4)["loss"] == stopping.best  # in batches as in fit: the same bits


def test_training_moves_buffers_by_its_batches_alone_and_evaluation_not_at_all():
    model = nl.Sequential(Centre(3), affine(3, 1, 0))
    trainer = Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1), seed=0)
    mean = np.zeros(3)
    for epoch in range(1, 4):
        trainer.fit(X, T, epochs=1, batch_size=10, shuffle=False, validation=(X + 5, T), progress=False)
        for batch in (X[:10], X[10:]):
            mean = 0.5 * mean + 0.5 * batch.mean(axis=0)
        before = values(model)
        trainer.evaluate(X + 7, T)
        trainer.predict(X + 9)
        assert same(values(model), before)
        np.testing.assert_allclose(model[0].mean.value, mean, rtol=1e-12)
        assert model[0].batches.value == 2 * epoch


def test_an_evaluation_leaves_alone_even_buffers_that_every_forward_moves():
    class Counter(nl.Layer):
        def __init__(self):
            self.count = nl.Buffer(0)
            self.seen = []

        def forward(self, x):
            self.count.value = self.count.value + 1
            self.seen.append(x.shape)
            return x * 1.0

        def backward(self, dout):
            return dout * 1.0

    model = nl.Sequential(Counter(), affine(3, 1, 0))
    trainer = Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1), seed=0)
    trainer.evaluate(X, T, batch_size=3)
    trainer.predict(X, batch_size=3)
    assert (model[0].count.value, model[0].seen) == (0, [])
    trainer.fit(X, T, epochs=2, batch_size=10, validation=(X, T), progress=False)
    assert (model[0].count.value, model[0].seen) == (4, [(10, 3)] * 4)
