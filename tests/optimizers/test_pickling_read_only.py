"""Models and optimizers out of memory that cannot be written, as joblib's worker processes get them."""

import pickle

import numpy as np
import pytest

import netlib as nl


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_model_and_an_optimizer_in_read_only_memory_train_on_in_memory_of_their_own(dtype):
    model = nl.Sequential(
        nl.Affine(3, 4, bias=False, rng=0, dtype=dtype), nl.BatchNorm(4, dtype=dtype), nl.Affine(4, 1, rng=1, dtype=dtype)
    )
    optimizer, x = nl.Adam(model, lr=0.1), np.random.default_rng(0).normal(size=(8, 3))

    def step(model, optimizer):
        model.forward(x)
        model.backward(np.arange(8.0)[:, None])
        optimizer.step()
        return model.predict(x)

    step(model, optimizer)
    buffers = []
    pickled = pickle.dumps((model, optimizer), protocol=5, buffer_callback=buffers.append)
    read_only = [bytes(each.raw()) for each in buffers]
    copies = [bytes(each) for each in read_only]
    writable = [bytearray(each) for each in read_only]
    twins, expected = (step(*pickle.loads(pickled, buffers=each)) for each in (read_only, writable))
    np.testing.assert_array_equal(twins, expected)
    assert read_only == copies
