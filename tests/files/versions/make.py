"""Make the files of the current format version: `python tests/files/versions/make.py`. Files of earlier versions stay as they are."""

from pathlib import Path

import numpy as np

import netlib as nl
from netlib.files.model import FORMAT

FOLDER = Path(__file__).parent


class Scale(nl.Layer):
    """A layer of a user, with a buffer, an attribute that differs, and arguments of many kinds."""

    def __init__(self, features, factor=1.0, table=None):
        self.features, self.factor, self.table = features, factor, table
        self.weight = nl.Parameter(np.full(features, factor))
        self.mean = nl.Buffer(np.zeros(features))
        self.calls = 0

    def forward(self, x):
        return self.remember((x - self.mean.value) * self.weight.value, x)

    def backward(self, dout):
        dout, x = self.recall(dout)
        self.weight.grad += (dout * (x - self.mean.value)).sum(axis=0)
        return dout * self.weight.value


def model():
    """Return a model that uses everything that a description has."""
    rng = np.random.default_rng(1)
    tied = nl.Affine(4, 4, rng=rng)
    x = nl.Input("x")
    h = nl.Tanh()(nl.Affine(4, 4, rng=rng)(x, name="hidden") * nl.Constant("c", np.linspace(0.5, 1, 4)))
    graph = nl.Graph([x], [h @ nl.Weight("w", rng.normal(size=(4, 4))) + x])
    scale = Scale(4, 0.5, {"a": (1, None, 2.5), "b": [slice(1, 2), np.float32(0.1), np.arange(3)]})
    scale.mean.value, scale.calls = rng.normal(size=4), 3
    dropout = nl.Dropout(0.25, rng=7)
    layers = nl.Residual(nl.Sequential(tied.freeze(), nl.ELU(0.5))), nl.Recompute(nl.Sequential(tied.tied_copy(), nl.SiLU())), graph, scale
    return nl.Sequential(("first", nl.Affine(3, 4, dtype="float64", rng=rng)), *layers, dropout, nl.Sequential(nl.Softmax()).eval())


X = np.linspace(-1, 1, 15).reshape(5, 3)

if __name__ == "__main__":
    nl.save(model(), FOLDER / f"version-{FORMAT}.npz")
    nl.save(model(), FOLDER / f"version-{FORMAT}.safetensors")
    loaded = model()
    np.savez(FOLDER / f"version-{FORMAT}-outputs.npz", predicted=loaded.predict(X), trained=loaded.forward(X))
