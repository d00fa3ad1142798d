"""A user's program, which mypy --strict and pyright check against the installed package.

`assert_type` says what a call gives. A line with ``type: ignore`` is a mistake that both must
report: an ignore without a mistake is an error, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import netlib as nl

Array = NDArray[Any]


class Scale(nl.Layer):
    """A layer of the user's own."""

    def __init__(self, features: int) -> None:
        self.features = features
        self.weight = nl.Parameter(np.ones(features, np.float32))

    def forward(self, x: Array) -> Array:
        return self.remember(x * self.weight.value, x)

    def backward(self, dout: Array) -> Array:
        dout, x = self.recall(dout)
        self.weight.grad += (dout * x).sum(axis=0)
        return dout * self.weight.value


def layers(x: Array) -> None:
    affine = nl.Affine(64, 128, bias=False, rng=0)
    assert_type(affine, nl.Affine)
    assert_type(affine.weight, nl.Parameter)
    assert_type(affine.weight.grad, Array)
    assert_type(affine.forward(x), Array)
    assert_type(affine(x), Any)
    assert_type(affine.backward(x), Array)
    assert_type(affine.parameters(), dict[str, nl.Parameter])
    assert_type(affine.buffers(), dict[str, nl.Buffer])
    assert_type(affine.state_dict(), dict[str, Array])
    assert_type(affine.predict(x, batch_size=10), Any)
    assert_type(affine.training, bool)
    assert_type(affine.summary((64,)).parameters, int)
    assert_type(affine.tied_copy(), nl.Affine)
    assert_type(nl.Affine.from_arrays(x), nl.Affine)
    assert_type(Scale(3).forward(x), Array)


def containers(x: Array) -> None:
    model = nl.Sequential(("hidden", nl.Affine(2, 3)), nl.ReLU(), Scale(3))
    assert_type(model.forward(x), Any)
    assert_type(model.backward(x, input_gradient=False), Any)
    assert_type(model[0], nl.Layer)
    assert_type(model[1:], nl.Sequential)
    assert_type(len(model), int)
    assert_type(iter(model), Iterator[nl.Layer])
    a, w = nl.Input("x"), nl.Weight("W", [[1.0]])
    assert_type(a @ w, Any)
    assert_type(nl.ReLU()(a), Any)
    assert_type(nl.Graph([a], [a @ w]), nl.Graph)


def training(x: Array, t: Array) -> None:
    model = nl.Sequential(nl.Affine(64, 10))
    loss, optimizer = nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=1e-3)
    assert_type(loss.forward(x, t), Any)
    assert_type(loss.backward(), Any)
    assert_type(optimizer.step(), None)
    assert_type(optimizer.lr, float)
    trainer = nl.Trainer(model, loss, optimizer, metrics={"accuracy": nl.accuracy}, callbacks=[nl.EarlyStopping()], seed=0)
    history = trainer.fit(x, t, epochs=1, batch_size=8, validation=0.2, progress=False)
    assert_type(history, nl.History)
    assert_type(history["loss"], list[float])
    assert_type(trainer.evaluate(x, t), dict[str, float])
    assert_type(trainer.predict(x), Any)
    assert_type(nl.accuracy(x, t), float)
    assert_type(nl.confusion_matrix(x, t), Array)
    assert_type(nl.data.digits(), tuple[Array, Array])


def looking(x: Array) -> None:
    drawing = nl.draw(nl.ReLU(), x)
    assert_type(drawing, nl.Drawing)
    assert_type(drawing.svg, str)
    assert_type(drawing.save("relu.svg"), None)
    report = nl.check_gradients(nl.ReLU(), x)
    assert_type(report, nl.GradientReport)
    assert_type(report.ok, bool)
    assert_type(report.errors, dict[str, float])
    assert_type(report.findings, list[nl.Finding])
    assert_type(nl.jacobian(nl.ReLU(), x), Array)
    assert_type(nl.testing.check_layer(nl.ReLU(), x), dict[str, str])


def files(x: Array) -> None:
    assert_type(nl.save(nl.ReLU(), "model.npz"), None)
    assert_type(nl.load("model.npz", classes=[Scale]), nl.Layer)
    assert_type(nl.load_state("model.npz"), dict[str, Array])
    assert_type(nl.onnx.load("model.onnx"), nl.Graph)
    assert_type(nl.torch.state_dict(nl.ReLU()), dict[str, Array])
    assert_type(nl.sklearn.Classifier(), nl.sklearn.Classifier)
    assert_type(nl.generate(nl.ReLU(), [1], steps=2), Array)


def mistakes(x: Array) -> None:
    nl.Affine("64", 128)  # type: ignore[arg-type]
    nl.Affine(64)  # type: ignore[call-arg]
    nl.Afine(64, 128)  # type: ignore[attr-defined]
    nl.Affine(64, 128, activation="relu")  # type: ignore[call-arg]
    nl.Adam(0.1)  # type: ignore[arg-type]
    nl.load(3)  # type: ignore[arg-type]
    nl.Trainer(nl.ReLU(), nl.MeanSquaredError())  # type: ignore[call-arg]
    nl.draw(x)  # type: ignore[arg-type]
    nl.layers.Afine(64, 128)  # type: ignore[attr-defined]
    _: str = nl.check_gradients(nl.ReLU(), x)  # type: ignore[assignment]
    nl.load("model.npz", classes=[int])  # type: ignore[list-item]
