"""PyTorch and JAX train the very networks that netlib trains in the benchmarks."""

import jax
import numpy as np
import pytest

from benchmarks.case import Case
from benchmarks.contenders import jax_, netlib_, torch_
from benchmarks.networks import FLATTEN, GLOBAL_AVG_POOL, RELU, add, affine, batch_norm, conv, max_pool, perceptron, residual_block

CASES = [
    Case("pooled", (conv(2, 3, 3, padding=1), RELU, max_pool(2), conv(3, 4, 2, stride=2), FLATTEN, affine(16, 3)), (2, 8, 8), 5),
    Case(
        "residual",
        (conv(2, 3, 3, bias=False), batch_norm(3, axes=2), *residual_block(3, 3), *residual_block(3, 4), GLOBAL_AVG_POOL, affine(4, 3)),
        (2, 6, 6),
        5,
    ),
    Case("normalized", perceptron(4, 6, 5, 3, normalize=True), (4,), 5),
    Case("two paths", (add((affine(4, 3), RELU), (affine(4, 3),)),), (4,), 5),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("make", [torch_.Fused, jax_.Jit])
def test_a_peer_trains_and_evaluates_the_network_that_netlib_does(make, case):
    peer, ours = make(1), netlib_.Pure(1)
    outputs = ours.infer(case)()
    np.testing.assert_allclose(np.asarray(peer.infer(case)()), outputs, atol=1e-5 * np.abs(outputs).max())
    theirs, step = peer.train(case), ours.train(case)
    np.testing.assert_allclose([float(theirs()) for _ in range(10)], [step() for _ in range(10)], rtol=1e-4)


def test_jax_moves_the_running_statistics_as_netlib_does():
    case = CASES[1]
    model = netlib_.build(case)
    model.forward(case.inputs())
    _, after = jax_.forward(case.network, *jax_.first_state(case.network, case.weights()), jax_.first_inputs(case), training=True)
    for theirs, ours in zip(jax.tree.leaves(after), model.buffers().values(), strict=True):
        np.testing.assert_allclose(theirs, ours.value, rtol=1e-4, atol=1e-6)
