"""`generate` against the full forward of the same model, and what it leaves as it was."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose
from table import ROWS

import netlib as nl
from netlib.execution import without_caching
from netlib.generation import choose

VOCABULARY, FEATURES = 7, 4


class RunningMean(nl.Layer):
    """The mean of all positions so far: looks back, and nothing else."""

    def forward(self, x):
        self.n_calls = getattr(self, "n_calls", 0) + 1
        return np.cumsum(x, axis=1) / np.arange(1, x.shape[1] + 1)[:, None]

    def backward(self, dout):
        return np.cumsum((dout / np.arange(1, dout.shape[1] + 1)[:, None])[:, ::-1], axis=1)[:, ::-1]

    def forward_next(self, past, x):
        total, n = (0, 0) if past is None else past
        self.latest = x  # a bad habit, which must not show
        sums = total + np.cumsum(x, axis=1)
        return sums / np.arange(n + 1, n + x.shape[1] + 1)[:, None], (sums[:, -1:], n + x.shape[1])


class Shift(nl.Layer):
    """A user's layer that looks back one position and says nothing about it."""

    def forward(self, x):
        self.n_calls = getattr(self, "n_calls", 0) + 1
        return np.concatenate([np.zeros_like(x[:, :1]), x[:, :-1]], axis=1)

    def backward(self, dout):
        return np.concatenate([dout[:, 1:], np.zeros_like(dout[:, :1])], axis=1)


class Watch(nl.Layer):
    """Notes the number of positions that it is given; passes them on."""

    is_positionwise = True

    def __init__(self):
        self.log = _Log()

    def forward(self, x):
        self.log.append(x.shape[1])
        return x.copy()


class _Log:
    """A list that copies for inference share, since it is no list."""

    def __init__(self):
        self.seen = []

    def append(self, n):
        self.seen.append(n)


def embedding(features=FEATURES):
    return nl.Embedding(VOCABULARY, features, rng=0, dtype="float64")


def affine(n_in, n_out, rng):
    return nl.Affine(n_in, n_out, rng=rng, dtype="float64")


def scores(*layers):
    """Return a model from ids to scores, with `layers` in between."""
    return nl.Sequential(embedding(), *layers, affine(FEATURES, VOCABULARY, 9))


def graph(inner):
    """Return a model with what `inner` makes of the node of the features."""
    ids = nl.Input("ids")
    return nl.Graph([ids], [affine(FEATURES, VOCABULARY, 9)(inner(embedding()(ids)))])


def vector(x):
    return x * nl.Weight("scale", np.arange(1.0, FEATURES + 1)) + nl.Constant("one", 1.0)


def block(rng, **options):
    return nl.TransformerBlock(FEATURES, 2, **{"causal": True, **options}, rng=rng, dtype="float64")


def attention(rng, **options):
    return nl.MultiHeadAttention(FEATURES, 2, **{"causal": True, **options}, rng=rng, dtype="float64")


def own_cell():
    cell = nl.Sequential(nl.Concatenate(), affine(2 * FEATURES, FEATURES, 0), nl.Tanh())
    cell.hidden_features = FEATURES
    return nl.Recurrent(cell)


INCREMENTAL = {
    "a table": lambda: embedding(VOCABULARY),
    "positions alone": lambda: scores(
        affine(FEATURES, FEATURES, 1), nl.GELU(), nl.Dropout(0.5, rng=0), nl.LayerNorm(FEATURES, dtype="float64")
    ),
    "looking back": lambda: scores(RunningMean(), nl.Tanh(), RunningMean()),
    "residual": lambda: scores(nl.Residual(nl.Sequential(nl.RMSNorm(FEATURES, dtype="float64"), RunningMean(), nl.SiLU()))),
    "recomputed": lambda: scores(nl.Recompute(nl.Sequential(affine(FEATURES, FEATURES, 1), RunningMean())), nl.Recompute(nl.Sigmoid())),
    "graph": lambda: graph(lambda x: RunningMean()(x * nl.Softmax()(x)) - nl.Concatenate()(x) / nl.Softplus()(x)),
    "weights of one axis": lambda: graph(vector),
    "RNN": lambda: scores(nl.RNN(FEATURES, FEATURES, rng=0, dtype="float64")),
    "LSTM": lambda: scores(nl.LSTM(FEATURES, FEATURES, layers=2, dropout=0.3, rng=0, dtype="float64")),
    "GRU": lambda: scores(
        nl.GRU(FEATURES, FEATURES, rng=0, dtype="float64"), nl.Residual(nl.GRU(FEATURES, FEATURES, layers=2, rng=1, dtype="float64"))
    ),
    "an LSTM with states": lambda: graph(lambda x: nl.LSTM(FEATURES, FEATURES, return_state=True, rng=0, dtype="float64")(x)[0]),
    "an own cell": lambda: scores(own_cell()),
    "GPT": lambda: scores(
        nl.PositionalEmbedding(40, FEATURES, rng=0, dtype="float64"),
        block(0, activation=nl.GELU()),
        block(1),
        nl.LayerNorm(FEATURES, dtype="float64"),
    ),
    "GPT with late norms": lambda: scores(
        nl.SinusoidalEncoding(FEATURES), block(0, norm_first=False, dropout=0.2), nl.Recompute(block(1, norm_first=False))
    ),
    "rotated attention": lambda: graph(
        lambda x: nl.ScaledDotProductAttention(causal=True)(nl.RotaryEncoding(4)(x), nl.RotaryEncoding(4)(x), x)
    ),
    "attention beside an LSTM": lambda: graph(
        lambda x: (
            attention(0)(x, x, nl.LSTM(FEATURES, FEATURES, rng=0, dtype="float64")(x)) + nl.ScaledDotProductAttention(causal=True)(x, x, x)
        )
    ),
    "a product of weights": lambda: graph(lambda x: x + nl.Weight("a", np.ones(3)) @ nl.Weight("b", np.ones((3, FEATURES)))),
}
"""Models that can go on from what they keep."""


class Tripled(nl.Tanh):
    """A class that inherits from a layer that works on each position alone, and does not."""

    def forward(self, x):
        return super().forward(x) * np.arange(1, x.shape[1] + 1)[:, None]


class Replaced(RunningMean):
    """A class that inherits a way to go on that does not fit its forward."""

    def forward(self, x):
        return 2 * super().forward(x) + Shift().forward(x)


class CutIntoHeads(nl.Layer):
    """(N, T, 4) as (N, T, 2, 2), where axis -2 are not the positions."""

    is_positionwise = True

    def forward(self, x):
        return x.reshape(*x.shape[:2], 2, 2).copy()


class Join(CutIntoHeads):
    is_positionwise = True

    def forward(self, x):
        return x.reshape(*x.shape[:2], 4).copy()


def with_other_forward():
    layer = nl.Tanh()
    layer.forward = Shift().forward
    return scores(layer)


FULL = {
    "a user's layer": lambda: scores(Shift()),
    "an own layer in a recomputed block": lambda: scores(nl.Recompute(nl.Sequential(Shift(), nl.Tanh()))),
    "a subclass with its own forward": lambda: scores(Tripled()),
    "a subclass that looks back in another way": lambda: scores(Replaced()),
    "a forward of its own": with_other_forward,
    "a convolution": lambda: scores(
        nl.Transpose((0, 2, 1)), nl.Pad(((2, 0),)), nl.Conv1d(FEATURES, FEATURES, 3, rng=0, dtype="float64"), nl.Transpose((0, 2, 1))
    ),
    "a norm over positions": lambda: scores(nl.Transpose((0, 2, 1)), nl.Softmax(), nl.Transpose((0, 2, 1))),
    "softmax along positions": lambda: scores(nl.Softmax(axis=1)),
    "the mean of all positions": lambda: graph(lambda x: x + nl.Mean(axis=1, keepdims=True)(x)),
    "a weight of two axes": lambda: graph(lambda x: x * nl.Weight("row", np.arange(1.0, FEATURES + 1)[None])),
    "a matrix": lambda: graph(lambda x: x @ nl.Weight("W", np.arange(16.0).reshape(4, 4) % 5)),
    "attention to what comes": lambda: scores(block(0, causal=False), block(1)),
    "attention to a fixed memory": lambda: graph(lambda x: attention(0)(x, *[nl.Weight(name, np.ones((1, 3, FEATURES))) for name in "kv"])),
    "an LSTM in both directions": lambda: scores(nl.LSTM(FEATURES, FEATURES // 2, bidirectional=True, rng=0, dtype="float64")),
    "positions of heads": lambda: scores(CutIntoHeads(), nl.SinusoidalEncoding(2), Join()),
    "weights that look back": lambda: graph(lambda x: x + RunningMean()(nl.Weight("x", np.ones((1, 1, FEATURES))))),
}
"""Models of which one step or another is run on the whole sequence."""


def by_full_forward(model, prompt, steps):
    """Return greedy ids by the definition: the whole sequence for each of them."""
    ids = np.array(prompt)
    for _ in range(steps):
        y = model.predict(ids[None] if ids.ndim == 1 else ids)
        ids = np.concatenate([ids, y[:, -1].argmax(axis=-1).reshape(*ids.shape[:-1], 1)], axis=-1)
    return ids


@pytest.mark.parametrize("make", [*INCREMENTAL.values(), *FULL.values()], ids=[*INCREMENTAL, *FULL])
@pytest.mark.parametrize("prompt", [[3], [1, 5, 2, 2], [[0, 1, 2], [6, 5, 4]], [[4]]])
def test_greedy_ids_are_those_of_the_full_forward(make, prompt):
    ids = nl.generate(make(), prompt, steps=9, temperature=0)
    assert ids.dtype == np.int64
    assert ids.tolist() == by_full_forward(make(), prompt, 9).tolist()


@pytest.mark.parametrize("make", INCREMENTAL.values(), ids=INCREMENTAL)
@pytest.mark.parametrize("cuts", [(1, 2, 3, 4, 5), (4,), (3, 4)])
def test_scores_of_parts_are_those_of_the_whole(make, cuts):
    model, ids = make(), np.random.default_rng(0).integers(VOCABULARY, size=(3, 6))
    past, parts = None, []
    with without_caching(evaluates=True):
        for part in np.split(ids, cuts, axis=1):
            y, past = model.forward_next(past, part)
            parts.append(y)
    assert_allclose(np.concatenate(parts, axis=1), model.predict(ids), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("make", FULL.values(), ids=FULL)
def test_a_model_that_cannot_go_on_says_so(make):
    with without_caching(evaluates=True):
        assert make().forward_next(None, np.array([[0, 1, 2, 3]])) is NotImplemented


def sequences(row):
    """Return the inputs of a row as sequences (N, T, …), and those without positions as they are."""
    ids = row.inputs[0].dtype.kind in "iu"
    return [x.reshape((1,) * (3 - x.ndim) + x.shape) if x.ndim > 1 and not ids else x for x in row.inputs]


def has_positions(row):
    shapes = {x.shape[:2] for x in sequences(row) if x.ndim > 1}
    return row.make(np.float64).is_positionwise and len(shapes) == 1


@pytest.mark.parametrize("row", [*filter(has_positions, ROWS)], ids=str)
def test_a_layer_that_says_so_computes_each_position_from_that_position_alone(row):
    layer, xs = row.make(np.float64), sequences(row)
    n = max(x.shape[1] for x in xs if x.ndim > 1)
    parts = [layer.predict(*(x[:, i : i + 1] if x.ndim > 1 else x for x in xs)) for i in range(n)]
    assert_allclose(np.concatenate(parts, axis=1), layer.predict(*xs), rtol=1e-14)


@pytest.mark.parametrize("inner", [RunningMean, lambda: nl.LSTM(FEATURES, FEATURES, rng=0, dtype="float64"), lambda: block(0)])
def test_a_step_computes_the_new_position_alone(inner):
    watch = Watch()
    nl.generate(scores(inner(), watch, inner()), [0, 1, 2, 3, 4], steps=4, rng=0)
    assert watch.log.seen == [5, 1, 1, 1]


def test_a_step_of_any_other_model_computes_all_positions():
    watch = Watch()
    nl.generate(scores(watch, Shift()), [0, 1, 2, 3, 4], steps=3, rng=0)
    assert watch.log.seen == [5, 5, 6, 7]  # the first is the attempt to go on


class Halves(nl.Layer):
    """Two outputs at each position."""

    n_outputs = 2
    is_positionwise = True

    def forward(self, x):
        return x[..., :2].copy(), x[..., 2:].copy()


class Summary(RunningMean):
    """Beside the means, a state: no value at any position, though its shape may say so."""

    n_outputs = 2

    def forward(self, x):
        y = super().forward(x)
        return y, y[:, :1].copy()

    def forward_next(self, past, x):
        y, past = super().forward_next(past, x)
        return (y, y[:, -1:].copy()), past


def test_all_outputs_of_a_layer_on_each_position_have_positions_and_only_the_first_of_one_that_looks_back():
    def halves(x):
        left, right = Halves()(x)
        return nl.Concatenate()(right, left)

    def states(x):
        y, last = Summary()(x)
        return y + last

    with without_caching(evaluates=True):
        assert graph(halves).forward_next(None, np.array([[1, 2]])) is not NotImplemented
        assert graph(lambda x: Summary()(x)[0]).forward_next(None, np.array([[1, 2]])) is not NotImplemented
        assert graph(states).forward_next(None, np.array([[1]])) is NotImplemented


class Last(nl.Layer):
    """Says that it works on each position alone, and returns only one."""

    is_positionwise = True

    def forward(self, x):
        return x[:, -1:].copy()


@pytest.mark.parametrize(
    "make", [lambda: scores(Last()), nl.Tanh, lambda: nl.Sequential(embedding(), Summary())], ids=["last", "ids", "states"]
)
def test_outputs_without_the_positions_of_the_inputs_are_noticed(make):
    with without_caching(evaluates=True):
        assert nl.Sequential(make()).forward_next(None, np.array([[1, 2]])) is NotImplemented


def test_ids_that_meet_features_in_arithmetic_are_not_taken_for_features():
    ids = nl.Input("ids")
    model = nl.Graph([ids], [embedding()(ids) + ids])
    whole = np.arange(FEATURES)[None]
    assert model.predict(whole).shape == (1, FEATURES, FEATURES)
    with without_caching(evaluates=True):
        assert model.forward_next(None, whole) is NotImplemented


def test_frequencies_are_the_softmax_of_scores_over_temperature():
    row = np.array([1.0, 3.0, -np.inf, 2.0])
    rng = np.random.default_rng(0)
    drawn = [choose(row, 2.0, None, rng) for _ in range(20000)]
    p = np.exp(row / 2)
    expected = p / p.sum()
    deviation = np.sqrt(expected * (1 - expected) / 20000)
    assert (np.abs(np.bincount(drawn, minlength=4) / 20000 - expected) <= 4 * deviation).all()


def test_top_k_draws_among_the_highest_scores_and_of_ties_the_first():
    scores, rng = np.array([0.0, 2.0, 1.0, 1.0]), np.random.default_rng(0)
    p = np.exp([2.0, 1.0]) / np.exp([2.0, 1.0]).sum()
    drawn = np.bincount([choose(scores, 1.0, 2, rng) for _ in range(2000)], minlength=4) / 2000
    assert drawn[[0, 3]].tolist() == [0, 0]
    assert abs(drawn[1] - p[0]) < 4 * np.sqrt(p[0] * p[1] / 2000)
    assert {choose(scores, 1.0, 1, rng) for _ in range(100)} == {1}
    assert {choose(scores, 1.0, 99, rng) for _ in range(2000)} == {0, 1, 2, 3}


class Always:
    """A generator that draws one number only."""

    def __init__(self, number):
        self.number = number

    def random(self):
        return self.number


def test_the_extreme_draws_are_possible_ids():
    scores = np.array([-np.inf, 0.0, 1.0, -np.inf])
    assert choose(scores, 1.0, None, Always(0.0)) == 1
    assert choose(scores, 1.0, None, Always(np.nextafter(1.0, 0.0))) == 2


@pytest.mark.parametrize("temperature", [1e-310, 1e-8, 1e308])
def test_extreme_temperatures_neither_warn_nor_leave_the_vocabulary(temperature):
    scores, rng = np.array([0.0, 1e300, -1e300, 5.0]), np.random.default_rng(0)
    with np.errstate(all="raise"):
        drawn = {choose(scores, temperature, None, rng) for _ in range(50)}
    assert drawn == ({1} if temperature < 1 else {0, 1, 2, 3})


def test_temperature_0_takes_the_first_of_equal_scores_and_draws_nothing():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    assert nl.generate(nl.Sequential(embedding(), nl.Affine.from_arrays(np.zeros((FEATURES, 3)))), [0], 4, 0, rng=rng).tolist() == [0] * 5
    assert rng.bit_generator.state == before


def test_a_seed_gives_the_same_ids_again_and_a_generator_others():
    model, rng = scores(RunningMean()), np.random.default_rng(3)
    first = nl.generate(model, [1], 30, rng=3)
    assert first.tolist() == nl.generate(model, [1], 30, rng=3).tolist() == nl.generate(model, [1], 30, rng=rng).tolist()
    assert first.tolist() != nl.generate(model, [1], 30, rng=rng).tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64, np.int64])
def test_the_prompt_may_be_of_any_integer_type_and_stays_as_it_is(dtype):
    prompt = np.array([[1, 2], [3, 4]], dtype)
    ids = nl.generate(scores(RunningMean()), prompt, 3, rng=0)
    assert (ids.dtype, ids.shape) == (np.int64, (2, 5))
    assert ids[:, :2].tolist() == prompt.tolist() == [[1, 2], [3, 4]]


def test_the_default_temperature_is_1_and_top_k_reaches_the_draw():
    model = scores(RunningMean())
    assert nl.generate(model, [1], 30, rng=3).tolist() == nl.generate(model, [1], 30, 1.0, rng=3).tolist()
    assert nl.generate(model, [1], 30, top_k=1, rng=3).tolist() == nl.generate(model, [1], 30, 0).tolist()


def test_no_steps_return_a_copy_of_the_prompt():
    prompt = np.array([1, 2])
    ids = nl.generate(scores(), prompt, 0)
    ids[0] = 5
    assert (ids.tolist(), prompt.tolist()) == ([5, 2], [1, 2])


@pytest.mark.parametrize("inner", [RunningMean, Shift])
def test_nothing_in_the_model_changes_and_a_backward_still_belongs_to_the_forward_before(inner):
    def model_after(generates):
        model = scores(nl.Dropout(0.5, rng=0), affine(FEATURES, FEATURES, 1), inner())
        y = model.forward(np.array([[1, 2, 3]]))
        if generates:
            nl.generate(model, [0, 1], 5, rng=0)
        assert model.training
        model.backward(np.ones_like(y))
        return model

    a, b = model_after(False), model_after(True)
    for path, parameter in a.parameters().items():
        assert parameter.grad.tolist() == b.parameters()[path].grad.tolist()
    assert a[1]._rng.bit_generator.state == b[1]._rng.bit_generator.state
    assert a[3].n_calls == b[3].n_calls == 1
    assert not hasattr(b[3], "latest")


def test_threads_generate_side_by_side_while_another_trains():
    model = scores(RunningMean(), nl.Dropout(0.5, rng=0), affine(FEATURES, FEATURES, 1), nl.Tanh())
    expected = [nl.generate(model, [seed % VOCABULARY], 20, rng=seed).tolist() for seed in range(6)]
    found = {}

    def work(seed):
        found[seed] = [nl.generate(model, [seed % VOCABULARY], 20, rng=seed).tolist() for _ in range(5)]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        model.backward(model.forward(np.array([[1, 2, 3]])))
    for thread in threads:
        thread.join()
    assert found == {seed: [ids] * 5 for seed, ids in enumerate(expected)}


@pytest.mark.parametrize(
    ("prompt", "options", "kind", "message"),
    [
        ([1.0, 2.0], {}, nl.InvalidTypeError, "generate: the prompt is an array of float64, expected integers. Convert it"),
        ([True], {}, nl.InvalidTypeError, "array of bool, expected integers"),
        ("ab", {}, nl.InvalidTypeError, "generate: got"),
        ([], {}, nl.InvalidValueError, r"the prompt has shape \(0,\), expected at least one id"),
        (np.zeros((0, 3), int), {}, nl.InvalidValueError, r"shape \(0, 3\), expected at least one id"),
        (3, {}, nl.ShapeError, r"shape \(\), expected \(T,\) or \(N, T\)\. Wrap the number"),
        ([[[1]]], {}, nl.ShapeError, r"shape \(1, 1, 1\), expected"),
        ([[1, 2], [0, -3]], {}, nl.InvalidValueError, r"the id at \(1, 1\) is -3, expected 0 or more"),
        ([1], {"steps": -1}, nl.InvalidValueError, "steps is -1, expected at least 0"),
        ([1], {"steps": 1.5}, nl.InvalidTypeError, "steps is 1.5"),
        ([1], {"temperature": -0.5}, nl.InvalidValueError, "temperature is -0.5, expected a finite number of at least 0"),
        ([1], {"temperature": float("nan")}, nl.InvalidValueError, "temperature is nan"),
        ([1], {"top_k": 0}, nl.InvalidValueError, "top_k is 0, expected at least 1"),
        ([1], {"rng": -1}, nl.InvalidValueError, "rng is -1"),
    ],
)
def test_wrong_arguments_are_refused(prompt, options, kind, message):
    with pytest.raises(kind, match=message):
        nl.generate(scores(), prompt, **{"steps": 2, **options})


def test_a_model_is_a_layer():
    with pytest.raises(nl.InvalidTypeError, match=r"generate: got .*, expected a layer"):
        nl.generate(np.ones, [1], 2)


class OneHot(nl.Layer):
    def forward(self, ids):
        return np.eye(9)[ids]


def test_ids_outside_the_vocabulary_are_refused_by_place():
    model = nl.Sequential(OneHot(), affine(9, 4, 0))
    with pytest.raises(nl.InvalidValueError, match=r"the id 4 at \(1, 0\) is outside the vocabulary, expected 0 to 3"):
        nl.generate(model, [[0, 3], [4, 1]], 2)


@pytest.mark.parametrize(
    ("layers", "got"),
    [
        ((embedding(), nl.Flatten()), r"ids of shape \(1, 3\) gave scores of shape \(1, 12\), expected \(N, T, vocabulary\)"),
        ((embedding(), nl.Conv1d(3, 2, 1, rng=0, dtype="float64")), r"gave scores of shape \(1, 2, 4\)"),
        ((embedding(), Halves()), "gave tuple, expected"),
    ],
)
def test_scores_of_another_shape_are_refused(layers, got):
    with pytest.raises(nl.ShapeError, match=got):
        nl.generate(nl.Sequential(*layers), [0, 1, 2], 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused_and_the_generator_is_as_before(bad):
    table = np.zeros((3, 3))
    table[2, 1] = bad
    model = nl.Embedding.from_arrays(table)
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    with pytest.raises(nl.NonFiniteError, match=f"highest score for position [0-9]+ of row 0 is {bad}, expected a finite number"):
        nl.generate(model, [0], 200, rng=rng)
    with pytest.raises(nl.NonFiniteError, match=f"highest score for position 1 of row 1 is {bad}"):
        nl.generate(model, [[0], [2]], 1, rng=rng)
    assert rng.bit_generator.state == before


def test_minus_infinity_forbids_an_id_and_a_row_of_nothing_else_is_refused():
    model = nl.Embedding.from_arrays([[-np.inf, 0.0], [-np.inf, 1.0]])
    assert nl.generate(model, [0], 50, rng=0).tolist() == [0] + [1] * 50
    model.weight.value = np.full((2, 2), -np.inf)
    with pytest.raises(nl.NonFiniteError, match="is -inf"):
        nl.generate(model, [0], 1)


class Places(nl.Layer):
    """A user's layer with room for five positions."""

    max_length = 5

    def forward(self, x):
        return x + np.arange(5.0)[: x.shape[1], None]


def test_a_sequence_longer_than_a_layer_can_take_is_refused_before_the_first_step():
    watch = Watch()
    model = nl.Sequential(watch, *scores(Places()))
    message = r"generate, 2 .*Places.*: a prompt of 3 ids and 4 steps need 6 positions, expected at most 5"
    with pytest.raises(nl.InvalidValueError, match=message):
        nl.generate(model, [0, 1, 2], 4)
    assert watch.log.seen == []
    assert nl.generate(model, [0, 1, 2], 3, rng=0).shape == (6,)  # the last id is not read
    assert nl.generate(model, [0, 1, 2, 3, 4], 1, rng=0).shape == (6,)
    with pytest.raises(nl.InvalidValueError, match="need 6 positions"):
        nl.generate(model, [0, 1, 2, 3, 4, 5], 0)
