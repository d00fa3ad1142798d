"""The page that sets three gradient checkers side by side, and what it says about the others."""

from pathlib import Path

import numpy as np
import pytest
import torch

import netlib as nl
from benchmarks import checkers, thirty, thirty_layers

PAGE = (Path(__file__).parents[2] / "docs" / "thirty-mistakes.md").read_text(encoding="utf-8")


@pytest.mark.exhaustive
def test_the_page_has_what_the_program_prints():
    assert f"\n\n{thirty.table_and_sums()}\n\n" in PAGE


def test_netlib_reports_a_float64_gradient_of_float32_inputs():
    (finding,) = nl.check_gradients(thirty_layers.Float64Gradient(), np.array([1.0, 2.0], np.float32)).findings
    assert (finding.mistake, finding.where) == ("dtype-changed", "input 0")


def test_jax_casts_a_gradient_to_the_dtype_of_the_input():
    assert checkers.check_by_jax(thirty_layers.Float64Gradient(), np.array([1.0, 2.0], np.float32)) == "passes"


class LSTMCell(thirty_layers.LSTMCellPathLost):
    def backward(self, dout):
        dh, dc = dout
        dc = dc + dh * self.o * (1 - self.t**2)
        dz = [dc * self.g * self.i * (1 - self.i), dc * self.c * self.f * (1 - self.f)]
        dz += [dc * self.i * (1 - self.g**2), dh * self.t * self.o * (1 - self.o)]
        return self.finish(np.concatenate(dz, axis=1), dc * self.f)


class CrossEntropy(thirty_layers.CrossEntropy):
    def backward(self, dout):
        return dout * (self.p - self.onehot()) / len(self.t)


class Embedding(thirty_layers.EmbeddingAssign):
    def backward(self, dout):
        np.add.at(self.weight.grad, self.ids, dout)


@pytest.mark.parametrize("check", [checkers.check_by_torch, checkers.check_by_jax])
@pytest.mark.parametrize(
    ("layer", "draw"),
    [
        (LSTMCell(np.random.default_rng(0), 2, 4), thirty_layers.normal((3, 2), (3, 4), (3, 4))),
        (CrossEntropy(), thirty_layers.scores_and_classes),
        (Embedding(np.random.default_rng(0), 5, 3), lambda _: (np.array([[0, 2, 2], [4, 2, 0]]),)),
    ],
)
def test_the_correct_layer_passes_with_the_other_checkers(check, layer, draw):
    assert check(layer, *draw(np.random.default_rng(1))) == "passes"


class SquareInDouble(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dout):
        return dout.double() * 2 * ctx.saved_tensors[0]


class WritesIntoDout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.negative = x < 0
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, dout):
        dout[ctx.negative] = 0
        return dout


class AddsWithoutSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        return a + b

    @staticmethod
    def backward(ctx, dout):
        return dout, dout


def test_torch_casts_a_gradient_to_the_dtype_of_the_input():
    x = torch.ones(2, dtype=torch.float32, requires_grad=True)
    SquareInDouble.apply(x).sum().backward()
    assert (x.grad.dtype, x.grad.tolist()) == (torch.float32, [2, 2])


def test_torch_sums_a_gradient_to_the_shape_of_the_input():
    a, b = torch.zeros(4, 3, requires_grad=True), torch.zeros(3, requires_grad=True)
    AddsWithoutSum.apply(a, b).sum().backward()
    assert b.grad.tolist() == [4, 4, 4]


def test_in_torch_too_a_backward_that_writes_into_dout_spoils_the_gradient_of_another_tensor():
    a, x = torch.ones(2, requires_grad=True), torch.tensor([-1.0, 1.0], requires_grad=True)
    (a * 1 + WritesIntoDout.apply(x)).backward(torch.ones(2))
    assert a.grad.tolist() == [0, 1]  # correct: [1, 1]
