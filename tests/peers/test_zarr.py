"""Training from zarr arrays, which lie on disk in compressed chunks."""

import numpy as np
import pytest
import zarr

import netlib as nl
from netlib.training.reading import is_on_disk

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((50, 6)).astype(np.float32), RNG.integers(0, 3, 50)


def trained(x, t, **options):
    model = nl.Sequential(nl.Affine(6, 8, rng=0), nl.Tanh(), nl.Affine(8, 3, rng=1))
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=0.01), seed=0)
    trainer.fit(x, t, epochs=2, batch_size=7, progress=False, **options)
    return trainer


@pytest.mark.parametrize("options", [{"validation": 0.3}, {"shuffle": False}])
def test_training_from_zarr_equals_training_from_memory_bit_for_bit(tmp_path, options):
    for name, array in (("x", X), ("t", T)):
        zarr.create_array(tmp_path / name, data=array, chunks=(8, *array.shape[1:]))
    x, t = (zarr.open_array(tmp_path / name, mode="r") for name in "xt")
    assert is_on_disk(x)
    memory, disk = trained(X, T, **options), trained(x, t, **options)
    for a, b in zip(memory.model.state_dict().values(), disk.model.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(disk.predict(x, batch_size=9), memory.predict(X, batch_size=9))
    assert disk.evaluate(x, t) == memory.evaluate(X, T)
