"""PyTorch and JAX train the very networks that netlib trains in the benchmarks."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import torch

from benchmarks.case import SMALL_ATTENTION, Case, id_case
from benchmarks.contenders import jax_, netlib_, torch_
from benchmarks.networks import (
    FLATTEN,
    GELU,
    GLOBAL_AVG_POOL,
    RELU,
    add,
    affine,
    attention,
    batch_norm,
    conv,
    embedding,
    gru,
    in_blocks,
    layer_norm,
    lstm,
    max_pool,
    perceptron,
    positional,
    residual_block,
    transformer_block,
)

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
    Case("lstm and end of gru", (embedding(7, 3), lstm(3, 4), gru(4, 5, last=True), affine(5, 3)), (5,), 3),
    Case("gru and end of lstm", (gru(3, 4), lstm(4, 5, last=True), affine(5, 3)), (5, 3), 3),
    Case("recomputed", (*in_blocks(perceptron(4, 6, 5, 3), 2), RELU, affine(3, 3)), (4,), 5),
    id_case("gpt", (embedding(7, 8), positional(6, 8), transformer_block(8, 2, 12), layer_norm(8), affine(8, 7)), 5, 3),
    Case("attention", (layer_norm(8), GELU, attention(8, 2, causal=False), affine(8, 3)), (5, 8), 3, labels=(5,)),
]


@pytest.mark.one_in(5)
@pytest.mark.exhaustive
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("make", [torch_.Fused, jax_.Jit])
def test_a_peer_trains_and_evaluates_the_network_that_netlib_does(make, case):
    peer, ours = make(1), netlib_.Pure(1)
    outputs = ours.infer(case)()
    np.testing.assert_allclose(np.asarray(peer.infer(case)()), outputs, atol=1e-5 * np.abs(outputs).max())
    theirs, step = peer.train(case), ours.train(case)
    np.testing.assert_allclose([float(theirs()) for _ in range(10)], [step() for _ in range(10)], rtol=1e-4)


def test_recomputed_blocks_have_the_gradients_of_pytorchs_checkpoint():
    case = Case("", (*in_blocks((affine(8, 8), RELU) * 12, 6), affine(8, 3)), (8,), 16)
    ours, theirs, x = netlib_.build(case), torch_.build(case), case.inputs()
    ours.backward(np.ones_like(ours.forward(x)))
    theirs(torch.from_numpy(x)).sum().backward()
    for parameter, its in zip(ours.parameters().values(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(parameter.grad, its.grad.numpy().T, rtol=1e-4, atol=1e-5)


def test_jax_moves_the_running_statistics_as_netlib_does():
    case = CASES[1]
    model = netlib_.build(case)
    model.forward(case.inputs())
    _, after = jax_.forward(case.network, *jax_.first_state(case.network, case.weights()), jax_.first_inputs(case), training=True)
    for theirs, ours in zip(jax.tree.leaves(after), model.buffers().values(), strict=True):
        np.testing.assert_allclose(theirs, ours.value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("make", "holds_scores"), [(torch_.Fused, False), (torch_.Math, True)])
def test_pytorch_holds_the_scores_of_attention_where_memory_is_compared(make, holds_scores):
    step = make(1).train(replace(SMALL_ATTENTION, batch=1))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step()
    operations = {event.name for event in profile.events()}
    assert ("aten::_scaled_dot_product_attention_math" in operations) == holds_scores
