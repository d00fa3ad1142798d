"""Files that others have made open: scikit-learn's, Keras's, and the models in ONNX's own wheel."""

import glob
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests
from skl2onnx import to_onnx
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

import netlib as nl

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
SUMS = X @ [1, 2, 3, 4]
FITTED = {
    "classes": (MLPClassifier([5], max_iter=5, random_state=0), CLASSES),
    "two classes": (MLPClassifier([5], "tanh", max_iter=5, random_state=0), CLASSES > 0),
    "several labels": (MLPClassifier([5], max_iter=5, random_state=0), np.stack([CLASSES > 0, CLASSES > 1], axis=1)),
    "numbers": (MLPRegressor(hidden_layer_sizes=[5], max_iter=5, random_state=0), SUMS),
    "scaled": (make_pipeline(StandardScaler(), MLPClassifier([5, 4], max_iter=5, random_state=0)), CLASSES),
    "normalized": (make_pipeline(Normalizer(), MLPRegressor(hidden_layer_sizes=[5], activation="logistic", max_iter=5)), SUMS),
}


@pytest.mark.parametrize("name", FITTED)
def test_a_perceptron_of_scikit_learn_gives_its_probabilities(tmp_path, name):
    estimator, t = FITTED[name]
    estimator.fit(X, t)
    options = {id(estimator[-1] if name == "scaled" else estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else None
    (tmp_path / "model.onnx").write_bytes(to_onnx(estimator, X[:1], options=options).SerializeToString())
    graph = nl.onnx.load(tmp_path / "model.onnx")
    for n in (1, 7):
        y = graph.predict(X[:n])
        if options is None:
            assert np.allclose(y.ravel(), estimator.predict(X[:n]), rtol=1e-5, atol=1e-5)
            continue
        labels, probabilities = y
        assert np.array_equal(labels, estimator.predict(X[:n]))
        assert np.allclose(probabilities[..., -1], estimator.predict_proba(X[:n])[..., -1], rtol=1e-5, atol=1e-5)


def test_the_probabilities_of_a_classifier_alone_are_checked_and_trained_further(tmp_path):
    estimator, t = FITTED["scaled"]
    model = to_onnx(estimator.fit(X, t), X[:1], options={id(estimator[-1]): {"zipmap": False}})
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    both = nl.onnx.load(tmp_path / "model.onnx")
    graph = nl.Graph(both.inputs, both.outputs[1:])
    assert nl.check_gradients(graph, X[:3]).ok
    loss, optimizer = nl.NegativeLogLikelihood(), nl.Adam(graph, lr=0.01)
    logarithm, losses = nl.Log(), []
    for _ in range(10):
        losses.append(loss.forward(logarithm.forward(graph.forward(X)), t))
        graph.backward(logarithm.backward(loss.backward()))
        optimizer.step()
    assert losses[-1] < losses[0]


def test_text_labels_are_refused_with_how_to_leave_them_out(tmp_path):
    estimator = MLPClassifier([5], max_iter=1).fit(X, np.array(["a", "b", "c"])[CLASSES])
    (tmp_path / "model.onnx").write_bytes(to_onnx(estimator, X[:1], options={"zipmap": False}).SerializeToString())
    with pytest.raises(nl.FormatError, match=r"the outputs \['label'\] are of a type .* onnx\.utils\.extract_model"):
        nl.onnx.load(tmp_path / "model.onnx")
    onnx.utils.extract_model(tmp_path / "model.onnx", tmp_path / "numbers.onnx", ["X"], ["probabilities"])
    graph = nl.onnx.load(tmp_path / "numbers.onnx")
    assert np.allclose(graph.predict(X), estimator.predict_proba(X), rtol=1e-5, atol=1e-5)


KERAS = """
import sys
import keras, numpy as np
layers = keras.layers
model = keras.Sequential([
    keras.Input((8, 8, 2)), layers.Conv2D(4, 3, activation="relu", padding="same"), layers.BatchNormalization(),
    layers.MaxPooling2D(), layers.Flatten(), layers.Dense(10, activation="softmax"),
])
model(np.zeros((2, 8, 8, 2), "float32"))
model.export(sys.argv[1], format="onnx", verbose=False)
x = np.random.default_rng(0).normal(size=(5, 8, 8, 2)).astype("float32")
np.savez(sys.argv[2], x=x, y=model.predict(x, verbose=0))
"""


@pytest.mark.exhaustive
def test_a_file_of_keras_gives_its_numbers(tmp_path):
    path, numbers = tmp_path / "model.onnx", tmp_path / "numbers.npz"
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    subprocess.run([sys.executable, "-c", KERAS, path, numbers], check=True, env=environment, capture_output=True)
    with np.load(numbers) as arrays:
        assert np.allclose(nl.onnx.load(path).predict(arrays["x"]), arrays["y"], rtol=1e-5, atol=1e-5)


CONVERTED = [case for kind in ("pytorch-converted", "pytorch-operator") for case in load_model_tests(kind=kind)]


def test_117_models_are_in_the_wheel():
    assert len(CONVERTED) == 117


@pytest.mark.parametrize("case", CONVERTED, ids=lambda case: case.name)
def test_a_model_of_the_wheel_gives_its_published_numbers(case):
    folder = os.path.join(case.model_dir, "test_data_set_0")
    graph = nl.onnx.load(os.path.join(case.model_dir, "model.onnx"))
    inputs, expected = (
        [numpy_helper.to_array(onnx.load_tensor(path)) for path in sorted(glob.glob(os.path.join(folder, f"{kind}_*.pb")))]
        for kind in ("input", "output")
    )
    with np.errstate(invalid="ignore"):  # the square roots of negative numbers
        y = graph.predict(*inputs)
    for each, of_file in zip(y if isinstance(y, tuple) else (y,), expected, strict=True):
        assert each.shape == of_file.shape
        assert np.allclose(each, of_file, rtol=1e-3, atol=1e-5, equal_nan=True)


LIGHT = os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data", "light", "light_{}.onnx")
NETWORKS = ["shufflenet", *(pytest.param(each, marks=pytest.mark.exhaustive) for each in ("squeezenet", "densenet121", "inception_v1"))]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_whole_network_gives_the_numbers_of_onnxruntime(name, tmp_path):
    model = onnx.load(LIGHT.format(name))
    *nodes, last = model.graph.node
    if last.op_type == "Softmax":  # the weights are constants, and its inputs 1e10, whose rounding decides its output
        model.graph.output[0].name = last.input[0]
        del model.graph.node[len(nodes)]
    onnx.save(model, tmp_path / "model.onnx")
    graph = nl.onnx.load(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (given,) = session.get_inputs()
    x = RNG.uniform(size=given.shape).astype(np.float32)
    (expected,) = session.run(None, {given.name: x})
    assert np.allclose(graph.predict(x), expected, rtol=1e-4, atol=1e-6)
