"""Models with several outputs, trained with a graph of losses."""

import numpy as np
import pytest

import netlib as nl


def heads():
    """Return a network that says which digit it sees, and whether it is odd."""
    x = nl.Input("x")
    h = nl.ReLU()(nl.Affine(64, 16, rng=0)(x))
    return nl.Graph(inputs=[x], outputs=[nl.Affine(16, 10, rng=1)(h), nl.Affine(16, 1, rng=2)(h)])


def weighted_losses(odd_name="odd", weighted=False, reduction="mean"):
    """Return the loss of the digit plus half of that of being odd."""
    y_digit, y_odd, digit, odd, weight = (nl.Input(name) for name in ("y_digit", "y_odd", "t_digit", "t_odd", "weight"))
    rest = [weight] if weighted else []
    of_digit = nl.SoftmaxCrossEntropy(reduction=reduction)(y_digit, digit, *rest, name="digit_loss")
    of_odd = nl.SigmoidCrossEntropy(reduction=reduction)(y_odd, odd, *rest, name=odd_name)
    return nl.Graph(inputs=[y_digit, y_odd, digit, odd, *rest], outputs=[of_digit + nl.Constant("half", 0.5) * of_odd])


X, DIGIT = (a[:200] for a in nl.data.digits())
T = DIGIT, (DIGIT[:, np.newaxis] % 2).astype(np.float32)


def test_the_history_has_each_loss_under_its_name_and_they_add_up():
    model, loss = heads(), weighted_losses()
    trainer = nl.Trainer(model, loss, nl.Adam(model, lr=1e-2), seed=0)
    history = trainer.fit(X, T, epochs=3, batch_size=32, validation=0.25, progress=False)
    assert history.columns == ("epoch", "loss", "digit_loss", "odd", "val_loss", "val_digit_loss", "val_odd", "lr", "seconds")
    for prefix in ("", "val_"):
        parts = np.array(history[f"{prefix}digit_loss"]) + 0.5 * np.array(history[f"{prefix}odd"])
        np.testing.assert_allclose(history[f"{prefix}loss"], parts, rtol=1e-6)
    evaluated = trainer.evaluate(X, T)
    digit, odd = trainer.predict(X)
    assert evaluated["digit_loss"] == pytest.approx(nl.SoftmaxCrossEntropy().forward(digit, T[0]), rel=1e-6)
    assert evaluated["odd"] == pytest.approx(nl.SigmoidCrossEntropy().forward(odd, T[1]), rel=1e-6)


def test_a_sum_of_losses_is_added_up_and_not_averaged():
    loss = weighted_losses(reduction="sum")
    loss.reduction = "sum"
    model = heads()
    trainer = nl.Trainer(model, loss, nl.SGD(model, lr=0), seed=0)
    row = trainer.fit(X, T, epochs=1, batch_size=32, progress=False).row(0)
    digit, odd = trainer.predict(X)
    assert row["digit_loss"] == pytest.approx(nl.SoftmaxCrossEntropy(reduction="sum").forward(digit, T[0]), rel=1e-5)
    assert row["odd"] == pytest.approx(nl.SigmoidCrossEntropy(reduction="sum").forward(odd, T[1]), rel=1e-5)


def test_sample_weights_reach_every_loss():
    weight = np.where(np.arange(200) < 50, 1.0, 0.0)
    model = heads()
    trainer = nl.Trainer(model, weighted_losses(weighted=True), nl.SGD(model, lr=0), seed=0)
    row = trainer.fit(X, T, sample_weight=weight, epochs=1, batch_size=200, progress=False).row(0)
    few = tuple(t[:50] for t in T)
    assert row["loss"] == pytest.approx(weighted_losses().forward(*model.predict(X[:50]), *few), rel=1e-6)
    assert row["odd"] == pytest.approx(nl.SigmoidCrossEntropy().forward(model.predict(X[:50])[1], few[1]), rel=1e-6)


def test_sample_weights_reach_a_graph_of_losses_of_one_output():
    y, t, weight = (nl.Input(name) for name in ("y", "t", "weight"))
    loss = nl.Graph([y, t, weight], [2 * nl.SoftmaxCrossEntropy()(y, t, weight)])
    found = []
    for factor, of in ((2, nl.SoftmaxCrossEntropy()), (1, loss)):
        model = nl.Sequential(nl.Affine(64, 10, rng=0))
        trainer = nl.Trainer(model, of, nl.SGD(model, lr=0.1 * factor), seed=0)
        history = trainer.fit(X, DIGIT, epochs=2, batch_size=50, sample_weight=np.linspace(0, 1, 200), progress=False)
        found.append(factor * np.array(history["loss"]))
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_a_checkpoint_in_the_middle_of_an_epoch_keeps_the_sums(tmp_path):
    class StopAfter(nl.Callback):
        def on_batch_end(self, trainer):
            trainer.stop = trainer.epoch == 2 and trainer.batch == 3

    def trained(callbacks, resume=None):
        model = heads()
        trainer = nl.Trainer(model, weighted_losses(), nl.Adam(model, lr=1e-2), callbacks=callbacks, seed=0)
        return trainer.fit(X, T, epochs=3, batch_size=32, progress=False, resume=resume)

    path = tmp_path / "digits.npz"
    trained([StopAfter(), nl.Checkpoint(path)])
    resumed, whole = trained([nl.Checkpoint(path)], resume=path), trained([])
    for column in ("loss", "digit_loss", "odd"):
        assert resumed[column] == whole[column]


def test_the_gradients_of_the_graph_are_those_of_its_losses_and_pass_the_check():
    digit, odd = heads().forward(X[:8].astype(np.float64))
    t = tuple(each[:8] for each in T)
    loss = weighted_losses()
    loss.forward(digit, odd, *t)
    d_digit, d_odd, *of_targets = loss.backward(1.0)
    assert of_targets == [None, None]
    of_digit, of_odd = nl.SoftmaxCrossEntropy(), nl.SigmoidCrossEntropy()
    of_digit.forward(digit, t[0])
    of_odd.forward(odd, t[1])
    np.testing.assert_allclose(d_digit, of_digit.backward(), rtol=1e-6)
    np.testing.assert_allclose(d_odd, of_odd.backward(0.5), rtol=1e-6)
    assert nl.check_gradients(loss, digit.astype(np.float64), odd.astype(np.float64), *t).ok


@pytest.mark.parametrize("name", ["loss", "odd_share"])
def test_a_name_of_another_column_is_refused(name):
    model = heads()
    with pytest.raises(nl.InvalidValueError, match=f"named '{name}', which is another column"):
        nl.Trainer(model, weighted_losses(odd_name=name), nl.Adam(model), metrics={"odd_share": lambda y, t: 0.0})


def test_a_graph_of_losses_is_saved_and_drawn_with_the_names_of_its_parts(tmp_path):
    arguments = *heads().forward(X[:8]), *(each[:8] for each in T)
    loss = weighted_losses(odd_name="parity")
    nl.save(loss, tmp_path / "loss.npz")
    assert nl.load(tmp_path / "loss.npz").forward(*arguments) == loss.forward(*arguments)
    dot = nl.draw(loss, *arguments).dot
    assert "digit_loss" in dot
    assert "parity" in dot
