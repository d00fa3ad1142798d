"""Graphs that are drawn in several tests: each a function that returns a model and its inputs."""

import numpy as np

import netlib as nl


def chapter_graph():
    """Fig. 1.8 with two rows and L = Σ tanh(Y)."""
    x, w, b = nl.Input("X"), nl.Weight("W", [[0.1, -0.2, 0.3], [0.4, 0.5, -0.6]]), nl.Weight("B", [[0.7, -0.8, 0.9]])
    y = nl.Add()(nl.MatMul()(x, w, name="XW"), b, name="Y")
    return nl.Graph([x], [nl.Sum()(nl.Tanh()(y, name="f(Y)"), name="L")]), [[1.0, -2.0], [0.5, 0.25]]


def xor_net():
    model = nl.Sequential(nl.Affine(2, 3, rng=0), nl.Tanh(), nl.Affine(3, 1, rng=1), nl.Sigmoid())
    return model, [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]


def residual():
    inner = nl.Sequential(nl.Affine(3, 3, rng=1), nl.ReLU())
    return nl.Sequential(nl.Affine(2, 3, rng=0), nl.Residual(inner), nl.Sum()), [[0.5, -1.0], [2.0, 0.25]]


def shared_weights():
    encode = nl.Affine(2, 2, rng=0)
    return nl.Sequential(encode, nl.Tanh(), encode.tied_copy()), [[0.5, -1.0]]


def digits_net():
    x, t = nl.data.digits()
    images, labels = nl.Input("images"), nl.Input("labels")
    net = nl.Sequential(nl.Affine(64, 32, rng=0), nl.ReLU(), nl.Affine(32, 10, rng=1))
    return nl.Graph([images, labels], [nl.SoftmaxCrossEntropy()(net(images), labels)]), x[:32], t[:32]


def convolutions():
    x, _ = nl.data.digits()
    net = nl.Sequential(nl.Conv2d(1, 3, 3, rng=0), nl.BatchNorm(3), nl.MaxPool2d(2), nl.Conv2d(3, 8, (3, 2), rng=1), nl.Flatten())
    return net, x[:32].reshape(-1, 1, 8, 8)


class Scale(nl.Layer):
    """A user's own layer, without a rule."""

    def __init__(self):
        self.weight = nl.Parameter(np.array([2.0, -1.0]))

    def forward(self, x):
        self.x = x
        return x * self.weight.value

    def backward(self, dout):
        self.weight.grad += (dout * self.x).sum(axis=0)
        return dout * self.weight.value


def own_layer():
    return nl.Sequential(Scale(), nl.ReLU()), [[1.0, 2.0], [-3.0, 4.0]]


def two_outputs():
    x, z = nl.Input("X"), nl.Input("Z")
    total = nl.Add()(x, z, name="total")
    return nl.Graph([x, z], [total * x, nl.Mean()(total)]), [[1.0, 2.0]], [[0.5, -0.5]]


GALLERY = {
    "chapter": chapter_graph,
    "xor": xor_net,
    "residual": residual,
    "shared weights": shared_weights,
    "digits": digits_net,
    "convolutions": convolutions,
    "own layer": own_layer,
    "two outputs": two_outputs,
}


def random_graph(seed):
    """Return a random graph of up to 30 nodes over 2×2 matrices; values not read are outputs."""
    rng = np.random.default_rng(seed)
    x = nl.Input("X" * rng.integers(1, 12))
    size = 10.0 ** rng.integers(-3, 6)
    weights = [nl.Weight(f"W{i}" * rng.integers(1, 6), rng.normal(size=(2, 2)) * size) for i in range(rng.integers(1, 4))]
    reached, unused = [x], {}
    for i in range(int(rng.integers(3, 27))):
        kind = [nl.Add, nl.MatMul, nl.Multiply, nl.Tanh, nl.ReLU, nl.Softmax][rng.integers(6)]
        first, second = reached[rng.integers(len(reached))], [*reached, *weights][rng.integers(len(reached) + len(weights))]
        taken = [first, second] if kind in (nl.Add, nl.MatMul, nl.Multiply) else [first]
        node = kind()(*taken, name=f"a{i}" * int(rng.integers(1, 5)) if rng.random() < 0.3 else None)
        for each in taken:
            unused.pop(id(each), None)
        reached.append(node)
        unused[id(node)] = node
    return nl.Graph([x], list(unused.values())), rng.normal(size=(2, 2))
