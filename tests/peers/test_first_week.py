"""Every line of another library on the page of the first week runs, and gives netlib's numbers where it gives any."""

import io
import os
from functools import cache

import matplotlib as mpl
import numpy as np
import pytest
from first_week import lines_of, our_names, run

os.environ.setdefault("KERAS_BACKEND", "jax")

AS_TRAINED = {"read a gradient", "clip gradients", "get the gradient of the input"}
"""Lines that need a backward pass before them."""


def torch_names(ours):
    import torch
    from torch import nn
    from torch.nn import functional

    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    for i in (0, 2):
        model[i].weight.data = torch.tensor(ours["model"][i].weight.value.T)
        model[i].bias.data = torch.tensor(ours["model"][i].bias.value)
    names = {name: torch.tensor(ours[name]) for name in ("x", "t", "target", "images", "sequences", "ids")}
    data = torch.utils.data.TensorDataset(names["x"], names["t"])

    def train_one_epoch(model, data, criterion, optimizer):
        for x, t in torch.utils.data.DataLoader(data, batch_size=4):
            optimizer.zero_grad()
            criterion(model(x), t).backward()
            optimizer.step()

    names |= {
        "torch": torch, "nn": nn, "F": functional, "model": model, "criterion": nn.CrossEntropyLoss(), "data": data, "y": model(names["x"]),
        "optimizer": torch.optim.Adam(model.parameters()), "train_one_epoch": train_one_epoch,
        "x_grad": names["x"].clone().requires_grad_(), "x_double": names["x"].double().requires_grad_(),
    }  # fmt: skip
    names["criterion"](model(names["x"]), names["t"]).backward()
    torch.save(model.state_dict(), "state.pt")
    torch.save(model, "model.pt")
    return names


@cache
def keras_model():
    """Return a model that has been trained, which builds its optimizer."""
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], run_eagerly=True)
    model.fit(np.zeros((12, 4), np.float32), np.zeros(12, int), verbose=0)
    return model


def keras_names(ours):
    import keras

    model = keras_model()
    model.trainable = True
    model.set_weights([each.value for each in ours["model"].parameters().values()])
    model.save("model.keras")
    model.save_weights("state.weights.h5")
    names = {name: ours[name] for name in ("x", "t", "target", "images", "sequences", "ids", "y", "np")}
    return names | {"keras": keras, "layers": keras.layers, "ops": keras.ops, "model": model, "input": keras.Input((4,))}


def sklearn_names(ours):
    import joblib
    from sklearn import base, datasets, linear_model, metrics, model_selection, neural_network, preprocessing, utils

    names = {name: ours[name] for name in ("x", "t", "target", "y", "y_class", "p", "np")}
    for module in (base, datasets, linear_model, metrics, model_selection, neural_network, preprocessing, utils):
        names |= {name: each for name, each in vars(module).items() if not name.startswith("_") and callable(each)}
    names["joblib"] = joblib
    names["classifier"] = neural_network.MLPClassifier(hidden_layer_sizes=(16,), max_iter=2).fit(ours["x"], ours["t"])
    names["regressor"] = neural_network.MLPRegressor(hidden_layer_sizes=(16,), max_iter=2).fit(ours["x"], ours["target"][:, 0])
    joblib.dump(names["classifier"], "model.joblib")
    return names


LIBRARIES = {"PyTorch": torch_names, "Keras": keras_names, "scikit-learn": sklearn_names}


def as_numbers(value):
    """Return a result as an array, or None if it is something else."""
    if hasattr(value, "detach"):
        value = value.detach().numpy()
    elif type(value).__module__.partition(".")[0] in ("jaxlib", "jax"):
        value = np.asarray(value)
    if isinstance(value, list) and value and all(isinstance(each, tuple) for each in value):
        return None if any(isinstance(n, np.ndarray) for each in value for n in each) else np.array(value, dtype=object)
    if isinstance(value, tuple | bool | int | float | np.ndarray | np.number) and np.asarray(value).dtype.kind in "biuf":
        return np.asarray(value, np.float64)
    return None


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Run in a folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    mpl.use("agg")


@pytest.mark.parametrize(
    ("library", "compared"), [("PyTorch", 30), pytest.param("Keras", 20, marks=pytest.mark.exhaustive), ("scikit-learn", 25)]
)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in Keras
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_their_lines_run_and_give_the_same_numbers(library, compared):
    names_of, n_compared, different = LIBRARIES[library], 0, []
    for line in lines_of(library):
        ours = our_names()
        theirs = names_of(ours)
        if line.aim in AS_TRAINED:
            ours["model"].backward(ours["loss"].backward())
        a, b = as_numbers(run(line.theirs, theirs)), as_numbers(run(line.ours, ours))
        if a is None or b is None:
            continue
        n_compared += 1
        if a.shape != b.shape or not (np.array_equal(a, b) if a.dtype == object else np.allclose(a, b, rtol=1e-4, atol=1e-5)):
            different.append((line, a, b))
    assert different == []
    assert n_compared >= compared
