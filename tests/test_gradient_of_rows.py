"""A gradient to which rows are added is that of an array that is added to as a whole."""

import copy
import time

import numpy as np
import pytest

import netlib as nl

ENTRIES, FEATURES = 6, 2


class Pair:
    """A parameter, and its gradient as a plain array."""

    def __init__(self, rng):
        self.rng = rng
        self.parameter = nl.Parameter(rng.normal(size=(ENTRIES, FEATURES)))
        self.wanted = np.zeros((ENTRIES, FEATURES))
        self.optimizer = None

    def add_rows(self):
        rows = np.flatnonzero(self.rng.random(ENTRIES) < 0.4)
        d = self.rng.normal(size=(len(rows), FEATURES))
        self.parameter.add_grad_rows(rows, d)
        self.wanted[rows] += d

    def add_slice(self):
        n = int(self.rng.integers(ENTRIES + 1))
        d = self.rng.normal(size=(n, FEATURES))
        self.parameter.add_grad_rows(slice(n), d)
        self.wanted[:n] += d

    def add(self):
        d = self.rng.normal(size=(ENTRIES, FEATURES))
        self.parameter.add_grad(d)
        self.wanted += d

    def add_product(self):
        a, b = self.rng.normal(size=(ENTRIES, 3)), self.rng.normal(size=(3, FEATURES))
        self.parameter.add_grad_product(a, b)
        self.wanted += a @ b

    def add_outside(self):
        self.parameter.grad += 1
        self.wanted += 1

    def assign(self):
        self.parameter.grad = self.wanted = self.rng.normal(size=(ENTRIES, FEATURES))

    def zero(self):
        self.parameter.zero_grad()
        self.wanted = np.zeros((ENTRIES, FEATURES))

    def read(self):
        assert np.allclose(self.parameter.current_grad(), self.wanted)

    def copy(self):
        twin = copy.deepcopy(self.parameter)
        assert np.allclose(twin.grad, self.wanted)
        twin.add_grad_rows(slice(1), np.ones((1, FEATURES)))
        self.parameter.current_grad()

    def make_optimizer(self):
        self.optimizer = nl.SGD(self.parameter, lr=0.1, weight_decay=0.1)

    def step(self):
        if self.optimizer is not None:
            (gradient,) = self.optimizer.gradients()
            assert np.allclose(gradient, self.wanted.ravel())
            self.optimizer.step()  # which overwrites the gradient
            self.wanted = np.zeros((ENTRIES, FEATURES))

    def write_through_the_optimizer(self):
        if self.optimizer is not None:
            (gradient,) = self.optimizer.gradients()
            gradient += 1
            self.wanted += 1

    def zero_by_the_optimizer(self):
        if self.optimizer is not None:
            self.optimizer.zero_grad()
            self.wanted = np.zeros((ENTRIES, FEATURES))

    def clip(self):
        norm = nl.clip_grad_norm(self.parameter, 0.5)
        assert np.isclose(norm, np.linalg.norm(self.wanted))
        self.wanted *= min(1, 0.5 / norm) if norm else 1


OPERATIONS = [method for name, method in vars(Pair).items() if name[0] != "_"]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_done_in_whatever_order(seed):
    rng = np.random.default_rng(seed)
    pair = Pair(rng)
    allowed = OPERATIONS if seed % 2 else [each for each in OPERATIONS if each not in (Pair.add_outside, Pair.add, Pair.add_product)]
    for _ in range(120):
        allowed[rng.integers(len(allowed))](pair)
    pair.read()


def test_any_number_of_additions_before_a_step_is_zeroed():
    parameter = nl.Parameter(np.zeros((500, 1)))
    for _ in range(2):
        parameter.zero_grad()
        for i in range(300):
            parameter.add_grad_rows(np.array([i]), np.ones((1, 1)))
        assert parameter.current_grad().ravel().tolist() == [1] * 300 + [0] * 200


def seconds_of_a_step(entries):
    """Return the least time of a forward, a backward and a discarded gradient."""
    embedding = nl.Embedding(entries, 8, init=nl.Zeros())
    rng = np.random.default_rng(0)
    dout = np.ones((512, 8), np.float32)
    least = np.inf
    for _ in range(30):
        ids = rng.integers(entries, size=512)
        started = time.thread_time()
        embedding.forward(ids)
        embedding.backward(dout)
        embedding.zero_grad()
        least = min(least, time.thread_time() - started)
    return least


def test_a_step_costs_what_the_batch_costs_and_not_what_the_vocabulary_does():
    assert seconds_of_a_step(1_000_000) < 10 * seconds_of_a_step(1_000)  # all rows: some 200 times


def test_after_an_optimizer_step_backward_still_touches_the_rows_of_its_batch_alone():
    embedding = nl.Embedding(1_000, 2, rng=0)
    optimizer = nl.Adam(embedding, lr=0.1)
    (memory,) = (gradient.reshape(1_000, 2) for gradient in optimizer.gradients())
    for i in range(4):
        embedding.forward([i, i])
        if i >= 2:  # the step before has written the zeros, so that backward need not
            assert not memory.any()
        embedding.backward(np.ones((2, 2)))
        assert np.flatnonzero(memory.any(axis=1)).tolist() == [i]
        optimizer.step()
