"""A trainer with a model of several outputs and a loss that takes them all."""

import numpy as np

import netlib as nl


def test_a_mean_and_a_variance_are_learned_from_weighted_samples():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 1))
    t = 2 * x + 0.5 * rng.normal(size=x.shape)
    t[::2] = 50  # of no weight
    weight = np.arange(400) % 2
    node = nl.Input("x")
    mean, spread = nl.Affine(1, 1, rng=0, dtype=np.float64), nl.Affine(1, 1, rng=1, dtype=np.float64)
    model = nl.Graph([node], [mean(node), nl.Softplus()(spread(node))])
    trainer = nl.Trainer(model, nl.GaussianNLL(), nl.Adam(model, lr=0.05), seed=0)
    trainer.fit(x, t, sample_weight=weight, epochs=40, batch_size=50, progress=False)
    learned, variance = model.predict(x)
    assert abs(mean.weight.value[0, 0] - 2) < 0.15
    assert abs(variance.mean() - 0.25) < 0.08
    expected = nl.GaussianNLL().forward(learned, variance, t, weight)
    assert np.isclose(trainer.evaluate(x, t, sample_weight=weight)["loss"], expected, rtol=1e-12)
