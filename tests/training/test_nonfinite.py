"""Training that meets a NaN or an infinity stops, says where, and takes no step."""

import numpy as np
import pytest

import netlib as nl
from netlib import Layer, NonFiniteError
from netlib.training import Trainer

X = np.linspace(-1, 1, 20)[:, None]


class Poison(Layer):
    """Passes numbers on, but once in training NaN or infinity, in forward or in backward."""

    def __init__(self, at, value=np.nan, backward=False):
        self.at, self.value, self.in_backward = at, value, backward
        self.count = [0]  # one list, so that a rerun counts on

    def forward(self, x):
        self.count[0] += 1
        y = x * 1.0
        if self.count[0] >= self.at and not self.in_backward:
            y[0] = self.value
        return y

    def backward(self, dout):
        dx = dout * 1.0
        if self.count[0] >= self.at and self.in_backward:
            dx[0] = self.value
        return dx

    def __repr__(self):
        return "Poison()"


def trainer(*layers, lr=0.1, **options):
    model = nl.Sequential(nl.Affine(1, 2, rng=0), *layers, nl.Affine(2, 1, rng=1))
    return Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=lr), seed=0, **options)


def fit(of, x=X, t=2 * X, **options):
    return of.fit(x, t, **{"epochs": 3, "batch_size": 5, "progress": False, **options})


def values(trainer):
    return [p.value.copy() for p in trainer.model.parameters().values()]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_stops_with_epoch_batch_and_first_layer(value):
    stopped = trainer(nl.Tanh(), nl.Sequential(("poison", Poison(at=7, value=value))))
    with pytest.raises(NonFiniteError, match=r"epoch 2, batch 3: the loss is (nan|inf).*first layer .* is 2\.poison Poison\(\)"):
        fit(stopped)
    assert stopped.optimizer.steps == 6
    assert stopped.history["epoch"] == [1]


@pytest.mark.parametrize("in_backward", [False, True])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 1.0}])
def test_parameters_are_those_before_the_bad_step_and_the_gradients_are_gone(in_backward, options):
    stopped, counted = trainer(Poison(at=3, backward=in_backward), **options), trainer(nl.Identity(), **options)
    with pytest.raises(NonFiniteError):
        fit(stopped, shuffle=False)
    counted.fit(X[:10], 2 * X[:10], epochs=1, batch_size=5, shuffle=False, progress=False)
    assert all(np.array_equal(a, b) for a, b in zip(values(stopped), values(counted), strict=True))
    assert all(not p.grad.any() for p in stopped.model.parameters().values())


def test_a_gradient_that_is_not_finite_stops_with_the_parameters_it_belongs_to():
    stopped = trainer(Poison(at=2, backward=True))
    with pytest.raises(NonFiniteError, match=r"epoch 1, batch 2: .*gradient is not: 0\.weight, 0\.bias\. "):
        fit(stopped)
    assert stopped.optimizer.steps == 1


def test_gradients_that_are_long_but_finite_do_not_stop():
    model = nl.Sequential(nl.Affine(1, 1, rng=0))
    long = Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.0), seed=0)
    history = fit(long, X.astype(np.float32) * 1e15, X.astype(np.float32) * 1e15, epochs=1)  # squares of the gradients overflow
    assert np.isfinite(history["loss"][0])


@pytest.mark.parametrize("what", ["inputs", "targets"])
def test_data_that_is_not_finite_is_called_the_cause(what):
    data = {"inputs": X.copy(), "targets": 2 * X}
    data[what][7] = np.nan
    training = trainer()
    with pytest.raises(NonFiniteError, match=f"row 7 of the {what} has a NaN or an infinity, as have 1 of 20 rows"):
        fit(training, data["inputs"], data["targets"])
    assert training.optimizer.steps == 0
    with pytest.raises(NonFiniteError, match=f"row 7 of the validation {what}"):
        fit(training, X, 2 * X, validation=(data["inputs"], data["targets"]))


def test_a_loss_beyond_all_numbers_over_finite_outputs_is_called_so():
    class Endless(nl.MeanSquaredError):
        def forward(self, y, t):
            return super().forward(y, t) + float("inf")

    model = nl.Sequential(nl.Affine(1, 1))
    with pytest.raises(NonFiniteError, match="epoch 1, batch 1: the loss is inf, though the outputs of all layers are finite"):
        fit(Trainer(model, Endless(), nl.SGD(model, lr=0.1)))


def test_a_rate_that_is_far_too_large_ends_in_this_error_without_a_warning():
    with pytest.raises(NonFiniteError, match=r"smaller learning rate"):
        fit(trainer(lr=1e30), epochs=50)


def test_parameters_that_are_not_finite_already_are_named():
    broken = trainer()
    broken.model[0].bias.value = [np.nan, 0.0]
    with pytest.raises(NonFiniteError, match=r"first layer .* is 0 Affine\(1, 2\); not finite already: 0\.bias"):
        fit(broken)


def test_users_layers_that_stand_alone_are_named_without_a_path():
    class Alone(nl.Affine):
        def forward(self, x):
            return super().forward(x) / 0.0

    model = Alone(1, 1)
    with pytest.raises(NonFiniteError, match=r"the first layer whose output is not finite is Alone\(1, 1\)\. "):
        fit(Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1)))


def test_looking_for_the_layer_leaves_no_trace_in_the_model():
    class Counting(nl.Identity):
        forwards = 0

        def forward(self, x):
            self.forwards += 1
            return super().forward(x)

    counting = Counting()
    with pytest.raises(NonFiniteError):
        fit(trainer(counting, Poison(at=3)))
    assert counting.forwards == 3


def test_modes_are_back_after_the_error():
    stopped = trainer(nl.Dropout(0.5, rng=0).eval(), Poison(at=1))
    modes = [layer.training for _, layer in stopped.model.walk()]
    with pytest.raises(NonFiniteError):
        fit(stopped)
    assert [layer.training for _, layer in stopped.model.walk()] == modes
    assert all("forward" not in vars(layer) for _, layer in stopped.model.walk())
