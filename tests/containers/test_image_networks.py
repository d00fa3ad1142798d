"""Containers run image layers in every wiring as the layers run one by one."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import netlib as nl


def conv(n_in, n_out, k=3, **options):
    return nl.Conv2d(n_in, n_out, k, rng=n_in + n_out, dtype="float64", **{"padding": "same", **options})


def norm(channels):
    return nl.BatchNorm(channels, dtype="float64")


CHAINS = {
    "a convolutional network": lambda: [
        conv(2, 4), nl.ReLU(), nl.MaxPool2d(2), conv(4, 3), norm(3), nl.ReLU(), nl.Flatten(), nl.Affine(27, 2, rng=0, dtype="float64"),
    ],
    "an autoencoder": lambda: [
        conv(2, 4, stride=2), nl.Tanh(), nl.Dropout(0.3, axes=(2, 3), rng=0),
        nl.ConvTranspose2d(4, 3, 3, stride=2, padding="same", rng=1, dtype="float64"), nl.GroupNorm(3, 3, dtype="float64"), conv(3, 2, 1),
    ],
    "resizing and pooling": lambda: [
        nl.Pad(1, "reflect"), nl.AvgPool2d(3, 1), nl.Upsample(2, "linear"), conv(2, 4), nl.PixelShuffle(2), nl.InstanceNorm(1),
        nl.AdaptiveMaxPool2d(5), nl.AdaptiveAvgPool2d(3), nl.GlobalMaxPool(), nl.LayerNorm(1, dtype="float64"),
    ],
    "nothing but views in between": lambda: [conv(2, 3), conv(3, 3), nl.Identity(), nl.ConvTranspose2d(3, 2, 2, rng=0, dtype="float64")],
}  # fmt: skip


class ByHand(nl.Layer):
    """The layers one after the other, each called by itself."""

    def __init__(self, layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return np.array(x)

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return np.array(dout)


def batches(n=4):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(5, 2, 6, 6)) for _ in range(n)]


def state(model):
    return [p.grad for p in model.parameters().values()] + [b.value for b in model.buffers().values()]


def assert_close(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert np.allclose(a, b, rtol=1e-10, atol=1e-11)


WIRINGS = {
    "Sequential": lambda layers: nl.Sequential(*layers),
    "Recompute": lambda layers: nl.Recompute(nl.Sequential(*layers)),
    "nested": lambda layers: nl.Sequential(nl.Sequential(*layers[:2]), nl.Sequential(*layers[2:])),
}


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_gives_what_its_layers_give(name, wiring):
    model, hand = WIRINGS[wiring](CHAINS[name]()), ByHand(CHAINS[name]())
    returned = []
    for x in batches():
        before = x.copy()
        y, z = model.forward(x), hand.forward(x)
        dout = np.cos(z)
        dx, dz = model.backward(dout), hand.backward(dout)
        assert_close([y, dx, *state(model)], [z, dz, *state(hand)])
        assert np.array_equal(x, before)
        returned.append((y, y.copy(), dx, dx.copy()))
    for y, y_then, dx, dx_then in returned:  # what a caller has stays the caller's
        assert np.array_equal(y, y_then)
        assert np.array_equal(dx, dx_then)
    assert_close([model.predict(x), model.predict(x, batch_size=2)], [hand.predict(x)] * 2)
    hand.forward(x)
    model.forward(x)
    hand.backward(dout)
    model.backward_parameters(dout)
    assert_close(state(model), state(hand))


@pytest.mark.parametrize("name", CHAINS)
def test_threads_predict_as_one_thread_does(name):
    model = nl.Sequential(*CHAINS[name]())
    for x in batches():
        model.forward(x)
    expected = [model.predict(x) for x in batches(8)]
    with ThreadPoolExecutor(4) as pool:
        assert_close([*pool.map(model.predict, batches(8))], expected)


def test_a_residual_block_and_a_graph_add_the_gradients_of_every_path():
    inner = [conv(2, 2), norm(2), nl.ReLU()]
    model, hand = nl.Residual(nl.Sequential(*inner)), ByHand(copy.deepcopy(inner))
    image = nl.Input("x")
    h = inner[0](image)
    branches = nl.MaxPool2d(2)(h), nl.AvgPool2d(2)(h)
    first, second = copy.deepcopy(inner[0]), copy.deepcopy(inner[0])
    pools = nl.MaxPool2d(2), nl.AvgPool2d(2)
    for x in batches():
        y = model.forward(x)
        assert_close([y], [x + hand.forward(x)])
        assert_close([model.backward(np.sin(y))], [np.sin(y) + hand.backward(np.sin(y))])
    graph = nl.Graph([image], [branches[0] * branches[1]])
    graph.zero_grad()
    for x in batches():
        a, b = (pool.forward(each.forward(x)) for pool, each in zip(pools, (first, second), strict=True))
        y = graph.forward(x)
        assert_close([y], [a * b])
        d = np.sin(y)
        dx = first.backward(pools[0].backward(d * b)) + second.backward(pools[1].backward(d * a))
        assert_close([graph.backward(d)], [dx])
    assert_close([inner[0].weight.grad], [first.weight.grad + second.weight.grad])


def test_tied_copies_of_a_convolution_add_their_gradients():
    layer = conv(2, 2)
    model = nl.Sequential(layer, nl.Tanh(), layer.tied_copy())
    apart = nl.Sequential(copy.deepcopy(layer), nl.Tanh(), copy.deepcopy(layer))
    for x in batches():
        y, z = model.forward(x), apart.forward(x)
        assert_close([y, model.backward(y)], [z, apart.backward(z)])
    assert_close([layer.weight.grad], [apart[0].weight.grad + apart[2].weight.grad])
