"""Use every extra but `torch` once, as a user would: ``python extras.py`` in an empty folder."""

from __future__ import annotations

import os
import sys
import warnings

os.environ |= {"NETLIB_ACCELERATOR": "numba", "MPLBACKEND": "agg"}

import numpy as np
import numpy.testing as npt
from mpi4py import MPI
from PIL import Image

import netlib as nl
import netlib.kernels as kernels

warnings.filterwarnings("error", module="netlib")

x, t = nl.data.digits()
model = nl.Sequential(nl.Affine(64, 16, rng=0), nl.ReLU(), nl.Affine(16, 10, rng=1))
loss, adam = nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=1e-2)
trainer = nl.Trainer(model, loss, adam, {"accuracy": nl.accuracy}, seed=0, communicator=MPI.COMM_WORLD)
history = trainer.fit(x, t, epochs=3, validation=0.2, progress=False)
assert history["val_accuracy"][-1] > 0.7
assert kernels.in_use(np.dtype("float32"), "adam") == "numba"
y = model.predict(x[:5])

nl.save(model, "model.safetensors")
npt.assert_array_equal(nl.load("model.safetensors").predict(x[:5]), y)

nl.onnx.save(model, "model.onnx", x[:1])
npt.assert_allclose(nl.onnx.load("model.onnx").predict(x[:5]), y, rtol=1e-6)

assert nl.sklearn.Classifier(learning_rate_init=1e-2, random_state=0).fit(x[:500], t[:500]).score(x, t) > 0.8

nl.draw(model, x[:1]).save("model.png")
history.plot().figure.savefig("history.png")
nl.plot.confusion(nl.confusion_matrix(model.predict(x), t)).figure.savefig("confusion.png")

os.mkdir("images")
os.mkdir("images/dark")
Image.fromarray(np.zeros((8, 8), np.uint8)).save("images/dark/0.png")
assert nl.data.read_images("images")[0].shape[0] == 1

print("PASSED: every extra on Python", sys.version.split()[0])
