"""Ids, masks and lengths as the inputs of containers, and all that works with a model that takes them."""

import pickle
import threading

import numpy as np
import pytest

import netlib as nl
from netlib.arrays import as_array, as_floats
from netlib.containers.division import DividedPlan
from netlib.testing import check_layer

INTEGERS = [np.int64, np.int32, np.int8, np.uint8, np.uint16, np.uint64, ">i4"]


class Masked(nl.Layer):
    """x (N, T, …) where a mask (N, T) is true and before the lengths (N,); zero elsewhere."""

    n_nondifferentiable_inputs = 2

    def forward(self, x, mask, lengths):
        x, mask, lengths = as_floats(x, where=self), as_array(mask, self), as_array(lengths, self)
        if mask.dtype != bool or lengths.dtype.kind not in "iu":
            raise nl.InvalidTypeError(f"got a mask of {mask.dtype} and lengths of {lengths.dtype}", where=self)
        if x.shape[:2] != mask.shape or x.shape[:1] != lengths.shape:
            raise nl.ShapeError(f"got {x.shape}, {mask.shape} and {lengths.shape}, expected (N, T, …), (N, T) and (N,)", where=self)
        kept = mask & (np.arange(x.shape[1]) < lengths[:, None])
        return self.remember(x * kept[..., None], kept)

    def backward(self, dout):
        dout, kept = self.recall(dout)
        return dout * kept[..., None]


def language_model(dtype=np.float64):
    layers = nl.Affine(4, 6, rng=1, dtype=dtype), nl.Tanh(), nl.Affine(6, 5, rng=2, dtype=dtype)
    return nl.Sequential(nl.Embedding(5, 4, padding=2, rng=0, dtype=dtype), *layers)


def masked_model():
    """Return a graph of ids, which fan out, of numbers, and of a mask and lengths for its last layer."""
    ids, x, mask, lengths = map(nl.Input, ("ids", "x", "mask", "lengths"))
    one, other = (nl.Embedding(5, 4, padding, rng=seed, dtype=np.float64)(ids) for seed, padding in [(0, None), (1, 2)])
    h = nl.Tanh()(nl.Affine(4, 3, rng=3, dtype=np.float64)(one + other * nl.Affine(2, 4, rng=2, dtype=np.float64)(x)))
    return nl.Graph([ids, x, mask, lengths], [Masked()(h, mask, lengths)])


def draw_ids(shape=(4, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 5, shape)


def draw_inputs(seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 5, (4, 3)), rng.normal(size=(4, 3, 2)), rng.random((4, 3)) < 0.7, np.array([3, 1, 0, 2])


MODELS = {
    "a chain": (language_model, lambda: (draw_ids(),)),
    "vectors of ids": (language_model, lambda: (draw_ids((6,)),)),
    "a chain in a chain": (lambda: nl.Sequential(language_model(), nl.Residual(nl.Tanh())), lambda: (draw_ids(),)),
    "a recomputed chain": (lambda: nl.Recompute(language_model()), lambda: (draw_ids(),)),
    "a recomputed embedding": (lambda: nl.Sequential(nl.Recompute(nl.Embedding(5, 4, rng=0, dtype=np.float64))), lambda: (draw_ids(),)),
    "a graph": (masked_model, draw_inputs),
    "a recomputed graph": (lambda: nl.Sequential(nl.Recompute(masked_model())), draw_inputs),
}
every_model = pytest.mark.parametrize(("make", "draw"), MODELS.values(), ids=MODELS)


def results(model, inputs, parameters_only=False):
    """Return y, the gradients of the inputs, and those of the parameters, after one step."""
    model.zero_grad()
    y = model.forward(*inputs)
    dx = model.backward_parameters(np.cos(y)) if parameters_only else model.backward(np.cos(y))
    return [y, *(dx if isinstance(dx, tuple) else (dx,)), *(p.grad.copy() for p in model.parameters().values())]


def assert_equal(got, wanted):
    assert [a is None for a in got] == [a is None for a in wanted]
    assert all(np.allclose(a, b, rtol=1e-13, atol=1e-15) for a, b in zip(got, wanted, strict=True) if a is not None)


@every_model
def test_backward_gives_none_in_the_place_of_ids_masks_and_lengths(make, draw):
    model, inputs = make(), draw()
    y = model.forward(*inputs)
    dx = model.backward(np.ones_like(y))
    assert isinstance(dx, tuple) == (len(inputs) > 1)
    for x, d in zip(inputs, dx if isinstance(dx, tuple) else (dx,), strict=True):
        assert (d is None) == (x.dtype.kind != "f")
        assert d is None or d.shape == x.shape
    assert model.backward(np.ones_like(y), input_gradient=False) is None if isinstance(model, nl.Sequential | nl.Graph) else True


@pytest.mark.exhaustive
@every_model
def test_it_keeps_the_rules_of_a_layer(make, draw):
    check_layer(make(), *draw())


@every_model
def test_steps_with_work_arrays_and_without_agree_for_ids_of_any_integer_type(make, draw):
    wanted = results(make(), draw())
    for dtype in INTEGERS:
        model, inputs = make(), [x.astype(dtype) if x.dtype.kind == "i" else x for x in draw()]
        for _ in range(4):
            assert_equal(results(model, inputs), wanted)
            results(model, [x[:2] for x in inputs])


def test_a_plan_runs_ids_through_fused_operations_as_it_does_numbers(way):
    model = nl.Sequential(nl.Embedding(5, 4, rng=0), nl.Affine(4, 6, rng=1), nl.ReLU(), nl.Affine(6, 5, rng=2))
    for _ in range(3):
        results(model, [draw_ids()])
        plan = model.program(1).thread_local.plans.run[0]
        plan = plan._shares[0].plan if isinstance(plan, DividedPlan) else plan
        assert [len(op.steps) for op in plan.ops] == ([1, 1, 1, 1] if way == "layer by layer" else [1, 2, 1])


def test_ids_may_be_written_into_after_forward():
    model, ids = language_model(), draw_ids()
    wanted = results(model, [ids])
    for _ in range(3):
        model.zero_grad()
        lent = ids.copy()
        y = model.forward(lent)
        lent[...] = 0
        model.backward(np.cos(y))
        assert_equal([y, None, *(p.grad for p in model.parameters().values())], wanted)


def test_a_graph_gives_what_its_layers_give_one_by_one():
    model, (ids, x, mask, lengths) = masked_model(), draw_inputs()
    tables, (v, c, w, b) = (
        [p.value for p in list(model.parameters().values())[:2]],
        [p.value for p in list(model.parameters().values())[2:]],
    )
    other = tables[1][ids] * (ids != 2)[..., None]
    h = np.tanh((tables[0][ids] + other * (x @ v + c)) @ w + b)
    kept = mask & (np.arange(3) < lengths[:, None])
    y = h * kept[..., None]
    got, dh = results(model, [ids, x, mask, lengths]), np.cos(y) * kept[..., None] * (1 - h**2) @ w.T
    assert np.allclose(got[0], y)
    assert np.allclose(got[2], dh * other @ v.T)
    onehot = np.eye(5)[ids].reshape(12, 5)
    assert np.allclose(got[5], onehot.T @ dh.reshape(12, 4))
    assert np.allclose(got[6], onehot.T @ (dh * (x @ v + c)).reshape(12, 4) * (np.arange(5) != 2)[:, None])


@every_model
def test_predictions_all_at_once_in_batches_and_in_threads_are_the_same(make, draw):
    model, inputs = make(), draw()
    wanted = make().eval().forward(*inputs)
    assert np.array_equal(model.predict(*inputs), wanted)
    assert np.allclose(model.predict(*inputs, batch_size=3), wanted, rtol=1e-14, atol=1e-15)
    got = []
    threads = [threading.Thread(target=lambda: got.append(model.predict(*inputs))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert all(np.array_equal(y, wanted) for y in got)


@pytest.mark.one_in(3)
@every_model
def test_gradients_pass_the_check_and_the_jacobian_is_that_of_the_parameters(make, draw):
    model, inputs = make(), draw()
    report = nl.check_gradients(model, *inputs)
    assert report.ok
    y = model.forward(*inputs)
    model.zero_grad()
    model.backward(np.cos(y))
    for path, parameter in model.parameters().items():
        jacobian = nl.jacobian(model, *inputs, wrt=path)
        assert np.allclose(np.tensordot(np.cos(y), jacobian, y.ndim), parameter.grad)


def test_there_is_no_jacobian_by_ids_masks_and_lengths():
    for make, draw, i in [(language_model, lambda: (draw_ids(),), 0), (masked_model, draw_inputs, 0), (masked_model, draw_inputs, 3)]:
        with pytest.raises(nl.MissingError, match=f"no gradient flows to input {i}"):
            nl.jacobian(make(), *draw(), wrt=i)
    with pytest.raises(nl.MissingError, match="nothing called 0 to differentiate by, only: 'weight'"):
        nl.jacobian(nl.Embedding(5, 4), draw_ids(), wrt=0)


@pytest.mark.one_in(3)
@every_model
def test_a_drawing_shows_the_ids_and_no_gradient_of_them(make, draw, tmp_path):
    model, inputs = make(), draw()
    for detail in ("folded", "layers", "nodes"):
        drawing = nl.draw(model, *inputs, detail=detail)
        drawing.save(tmp_path / "model.html")
        wires = [wire for wire in drawing.picture.wires if drawing.picture.nodes[wire.source].kind == "input"]
        shown = {
            id(x): [wire for wire in wires if np.array_equal(wire.value, x) and (wire.grad is None) == (x.dtype.kind != "f")]
            for x in inputs
        }
        assert all(shown.values())
        assert len(wires) == sum(map(len, shown.values()))


@every_model
def test_a_summary_needs_only_shapes(make, draw):
    model, inputs = make(), draw()
    summary = model.summary([x.shape for x in inputs])
    assert summary.parameters == sum(p.size for p in model.parameters().values())
    assert summary.rows[-1].output_shapes == (model.forward(*inputs).shape,)


def test_a_summary_of_a_wrong_shape_says_so():
    model = nl.Sequential(nl.Embedding(5, 4), nl.Reshape((-1, 12)), nl.Affine(12, 2))
    assert model.summary((2, 3)).rows[-1].output_shapes == ((2, 2),)
    with pytest.raises(nl.ShapeError, match=r"Reshape"):
        model.summary((2, 5))


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@every_model
def test_a_saved_a_copied_and_a_pickled_model_give_the_same(make, draw, suffix, tmp_path):
    model, inputs = make(), draw()
    wanted = results(model, inputs)
    assert_equal(results(pickle.loads(pickle.dumps(model)), inputs), wanted)
    nl.save(model, tmp_path / f"model.{suffix}")
    assert_equal(results(nl.load(tmp_path / f"model.{suffix}", classes=[Masked]), inputs), wanted)


def test_the_layers_before_an_embedding_get_no_gradient():
    class Bins(nl.Layer):
        """The numbers of the bins of x, a layer that has no gradient."""

        def forward(self, x):
            return np.clip(np.floor(x), 0, 4).astype(int)

        def backward(self, dout):
            raise AssertionError("no gradient arrives here")

    model, x = nl.Sequential(nl.Affine(2, 3, rng=0), Bins(), nl.Embedding(5, 4, rng=0)), np.ones((2, 2))
    for _ in range(3):
        y = model.forward(x)
        assert model.backward(np.ones_like(y)) is None
    assert not model[0].weight.grad.any()


def test_a_layer_inside_that_forgets_to_return_its_gradient_is_still_found():
    class Forgetful(nl.Tanh):
        def backward(self, dout):
            super().backward(dout)

    model = nl.Sequential(nl.Embedding(5, 4), Forgetful())
    y = model.forward(draw_ids())
    with pytest.raises(nl.InvalidTypeError, match=r"Sequential\[1\] Forgetful\(\): backward returned None"):
        model.backward(np.ones_like(y))


# ---- training ------------------------------------------------------------------------------------


def trainer_of(model, **options):
    return nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=0.03), seed=0, **options)


def sentences(n=64, dtype=np.int64):
    """Return ids (N, T), and as targets the ids that follow: 0 1 2 3 4 0 …"""
    ids = (np.random.default_rng(0).integers(0, 5, (n, 1)) + np.arange(6)) % 5
    return ids.astype(dtype), ((ids + 1) % 5).astype(dtype)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_a_model_of_ids_learns_which_id_comes_next(dtype):
    model = nl.Sequential(nl.Embedding(5, 8, rng=0), nl.Affine(8, 16, rng=1), nl.ReLU(), nl.Affine(16, 5, rng=2))
    ids, targets = sentences(dtype=dtype)
    trainer = trainer_of(model, metrics={"accuracy": nl.accuracy})
    history = trainer.fit(ids, targets, epochs=10, batch_size=16, validation=0.25, progress=False)
    assert history["val_accuracy"][-1] == 1
    assert trainer.predict(ids).argmax(axis=-1).tolist() == targets.tolist()
    assert trainer.evaluate(ids, targets, batch_size=7)["accuracy"] == 1


def test_a_fit_passes_ids_masks_and_lengths_on_in_their_types():
    seen = set()

    class Watched(Masked):
        def forward(self, x, mask, lengths):
            seen.add((mask.dtype, lengths.dtype))
            return super().forward(x, mask, lengths)

    ids, mask, lengths = map(nl.Input, ("ids", "mask", "lengths"))
    model = nl.Graph([ids, mask, lengths], [nl.Affine(4, 5, rng=0)(Watched()(nl.Embedding(5, 4, rng=0)(ids), mask, lengths))])
    x, t = sentences()
    trainer_of(model).fit((x, x > 1, x[:, 0].astype(np.int16)), t, epochs=2, validation=0.25, progress=False)
    assert seen == {(np.dtype(bool), np.dtype(np.int16))}


def test_the_loss_of_scores_for_each_step_is_the_mean_over_all_steps():
    rng = np.random.default_rng(0)
    y, t, loss = rng.normal(size=(4, 3, 5)), rng.integers(0, 5, (4, 3)), nl.SoftmaxCrossEntropy()
    p = np.exp(y) / np.exp(y).sum(axis=-1, keepdims=True)
    assert np.isclose(loss.forward(y, t), -np.mean([np.log(p[n, i, t[n, i]]) for n, i in np.ndindex(4, 3)]))
    assert np.allclose(loss.backward(), (p - np.eye(5)[t]) / 12)


def test_ids_as_numbers_are_refused_with_the_conversion_before_any_step():
    model = nl.Sequential(nl.Embedding(5, 8, rng=0), nl.Affine(8, 5, rng=1))
    before = model.state_dict()
    ids, targets = sentences()
    with pytest.raises(nl.InvalidTypeError, match=r"got ids of float64, expected whole numbers\. Convert them with ids\.astype\(int\)\."):
        trainer_of(model).fit(ids.astype(float), targets, progress=False)
    with pytest.raises(nl.InvalidValueError, match=r"got the id 5 at index \(1, 3\), expected 0 to 4 for 5 entries"):
        model.forward(np.where(np.arange(18).reshape(3, 6) == 9, 5, 0))
    assert all(np.array_equal(before[path], value) for path, value in model.state_dict().items())


def test_nothing_is_said_of_the_rounding_of_ids_which_stay_whole_numbers():
    model = nl.Sequential(nl.Embedding(60_002, 2, rng=0), nl.Affine(2, 2, rng=1))
    ids = np.array([[60_000], [60_001]] * 4)
    trainer_of(model).fit(ids, ids - 60_000, progress=False)
    affine = nl.Affine(1, 2, rng=0)
    with pytest.warns(UserWarning, match="column 0 of the inputs goes from 60000 to 60001"):
        trainer_of(affine).fit(ids, ids[:, 0] - 60_000, progress=False)


def test_training_is_recorded_stopped_at_bad_numbers_and_resumed(tmp_path):
    def run(epochs, *callbacks, **options):
        model = nl.Sequential(nl.Embedding(5, 8, padding=0, rng=0), nl.Affine(8, 5, rng=1))
        trainer_of(model, callbacks=callbacks).fit(*sentences(), epochs=epochs, batch_size=16, progress=False, **options)
        return model

    record = nl.LayerStatistics()
    whole = run(4, record)
    assert list(record.activations) == list(record.gradients) == ["0", "1"]
    whole = run(4)
    run(2, nl.Checkpoint(tmp_path / "run.npz"))
    resumed = run(4, resume=tmp_path / "run.npz")
    assert all(np.array_equal(a, resumed.state_dict()[path]) for path, a in whole.state_dict().items())
    whole[0].weight.value[3] = np.nan
    with pytest.raises(nl.NonFiniteError, match=r"0\.weight|Sequential\[0\]"):
        trainer_of(whole).fit(*sentences(), progress=False)


class Lookup(nl.Layer):
    """What a user writes without knowing of `n_nondifferentiable_inputs`."""

    def __init__(self):
        self.weight = nl.Parameter(np.random.default_rng(0).normal(size=(5, 4)))

    def forward(self, ids):
        ids = self.ids = np.array(ids)
        return self.weight.value[ids]

    def backward(self, dout):
        if not hasattr(self, "ids"):
            raise nl.OrderError("backward came before any forward", where=self)
        if dout.shape != (*self.ids.shape, 4):
            raise nl.ShapeError(f"got dout of shape {dout.shape}, expected {(*self.ids.shape, 4)}", where=self)
        np.add.at(self.weight.grad, self.ids, dout)


def test_a_users_embedding_that_returns_nothing_is_used_as_netlibs():
    theirs, ours = Lookup(), nl.Embedding(5, 4, dtype=np.float64)
    ours.weight.value = theirs.weight.value
    check_layer(theirs, draw_ids())
    models = [nl.Sequential(layer, nl.Affine(4, 2, rng=0, dtype=np.float64)) for layer in (theirs, ours)]
    for _ in range(3):
        assert_equal(*(results(model, [draw_ids()]) for model in models))
    assert models[0].summary((4, 3)).parameters == models[1].summary((4, 3)).parameters == 30
    assert nl.check_gradients(models[0], draw_ids()).ok
    ids, x = nl.Input("ids"), nl.Input("x")
    graph = nl.Graph([ids, x], [Lookup()(ids) * x])
    graph.forward(draw_ids(), np.ones((4, 3, 4)))
    assert graph.backward(np.ones((4, 3, 4)))[0] is None
