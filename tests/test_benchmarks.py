"""The benchmark's own arithmetic and its floors; how fast anything is, no test says."""

import json
from dataclasses import asdict, replace
from math import isfinite

import numpy as np
import pytest

from benchmarks import checking_and_drawing, experiments, files, report, targets
from benchmarks.case import CASES, CHANNELS, IMAGES, LENGTHS, SEQUENCES, SIZES, WIDTHS, Case, id_case, perceptron_case
from benchmarks.contenders.bare_loop import BareLoop
from benchmarks.contenders.netlib_ import Pure, build
from benchmarks.contenders.products import Products
from benchmarks.networks import (
    FLATTEN,
    RELU,
    affine,
    attention,
    conv,
    embedding,
    gru,
    lstm,
    max_pool,
    positional,
    residual_block,
    transformer_block,
)
from benchmarks.results import Measurement, Results


@pytest.fixture
def results() -> Results:
    found = Results("2026-01-02", {"CPU": "abacus"}, {"numpy": "2.4"}, {"sklearn": "not installed"})
    for contender, *rounds in (("products", 4, 5, 90), ("netlib", 60, 50, 40), ("jax", 100, 100, 70), ("torch-fused", 300, 310, 320)):
        found.add("training", "tiny", contender, *rounds)
    found.add("growth", "small", "netlib", 5000)
    return found


def test_results_come_back_from_json_as_they_were(results, tmp_path):
    results.save(tmp_path / "kept.json")
    assert Results.load(tmp_path / "kept.json") == results
    assert json.loads((tmp_path / "kept.json").read_text())["measurements"][0]["values"] == [4, 5, 90]


def test_a_median_is_not_moved_by_one_slow_round(results):
    assert results.median("training", "tiny", "products") == 5
    assert results.median("training", "tiny", "sklearn") is None


@pytest.mark.parametrize(("values", "spread"), [([1, 2, 3, 4, 5], 1 / 3), ([7, 7, 7], 0), ([5], 0), ([0, 0, 1], 0)])
def test_spread_is_half_the_distance_of_the_quartiles_relative_to_the_median(values, spread):
    assert Measurement("training", "tiny", "netlib", values).spread == pytest.approx(spread)


def test_a_table_has_one_width_and_numbers_to_the_right():
    assert report.markdown(["case", "µs"], [["tiny", "50"], ["small", "1,088"]]).splitlines() == [
        "| case  |    µs |",
        "| :---- | ----: |",
        "| tiny  |    50 |",
        "| small | 1,088 |",
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(104558.3, "104,558"), (99.96, "100"), (43.27, "43.3"), (0.7456, "0.746"), (2e-7, "2e-07"), (0, "0"), (None, "–")]
)
def test_numbers_have_three_digits(value, text):
    assert report.number(value) == text


def test_ratios_are_to_the_better_rival(results):
    table = report.ratio_table(results, "training", targets.RIVALS)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert dict(rows[2:]) == {"bare products": "0.05", "netlib, NumPy": "0.5", "JAX jit": "1", "PyTorch fused Adam": "3.1"}


def test_a_target_is_met_at_its_bound_and_says_nothing_unmeasured():
    assert targets.Target("", 1.0, 1.0).met
    assert targets.Target("", 6.0, 6.0, at_least=True).met
    assert targets.Target("", 1.01, 1.0).met is False
    assert targets.Target("", 5.9, 6.0, at_least=True).met is False
    assert targets.Target("", None, 1.0).met is None


def test_without_one_of_the_rivals_there_is_no_better_of_the_two(results):
    assert targets.best(results, "training", "tiny", ("jax", "torch-fused")) == 100
    assert targets.best(results, "training", "tiny", ("jax", "torch")) is None


def test_verdicts_are_drawn_from_the_measurements(results):
    by_text = {target.text: target for target in targets.all_targets(results)}
    assert len(by_text) == len(targets.all_targets(results))
    beside_rivals = by_text["netlib, NumPy: tiny / the better of JAX and PyTorch fused"]
    assert (beside_rivals.figure, beside_rivals.met) == (0.5, True)
    assert by_text["netlib, NumPy: bytes grown by 2,000 steps"].met is False
    assert by_text["netlib, fast: tiny / the better of JAX and PyTorch fused"].met is None


def test_networks_of_images_have_targets_of_their_own():
    results = Results("", {})
    for contender, us in {"netlib": 90, "netlib-fast": 50, "jax": 100, "torch-fused": 80, "torch": 10}.items():
        results.add("images, training", "digits-cnn", contender, us)
    for contender, size in {"netlib": 1.3, "netlib-fast": 1.2, "torch": 1, "torch-fused": 2}.items():
        results.add("memory", "lenet", contender, size)
    measured = {target.text: (target.figure, target.met) for target in targets.all_targets(results) if target.met is not None}
    assert measured == {
        "netlib, fast: digits-cnn / the better of JAX and PyTorch fused": (50 / 80, False),
        "netlib, NumPy: digits-cnn / PyTorch fused": (90 / 80, False),
        "netlib, NumPy: peak memory of lenet / PyTorch's": (1.3, False),
        "netlib, fast: peak memory of lenet / PyTorch's": (1.2, True),
    }


def test_networks_of_sequences_have_targets_of_their_own():
    results = Results("", {})
    for contender, us in {"netlib": 130, "netlib-fast": 85, "jax": 100, "torch-fused": 110, "torch": 10}.items():
        results.add("sequences, training", "gpt", contender, us)
    for contender, matrices in {"netlib": 5, "netlib-fast": 4.25, "torch-math": 3, "torch": 1}.items():
        results.add("attention", "causal attention", contender, matrices)
    measured = {target.text: (target.figure, target.met) for target in targets.all_targets(results) if target.met is not None}
    assert measured == {
        "netlib, fast: gpt / the better of JAX and PyTorch fused": (0.85, False),
        "netlib, NumPy: gpt / the better of JAX and PyTorch fused": (1.3, True),
        "netlib, NumPy: peak memory of causal attention − PyTorch's with scores, in matrices of scores": (2, False),
        "netlib, fast: peak memory of causal attention − PyTorch's with scores, in matrices of scores": (1.25, True),
    }


class Recorded:
    """A contender that records what it is asked for."""

    def __init__(self) -> None:
        self.loaded = []

    def ask(self, do, **arguments):
        if do == "load":
            self.loaded.append((arguments["task"], arguments["case"].name))
        return {"load": {"steps": 1, "loss": 0.5}, "time": 2e-6}.get(do)


def test_each_kind_of_network_is_measured_apart_and_scikit_learn_has_perceptrons_alone():
    results, ours, sklearn = Results("", {}), Recorded(), Recorded()
    cases = [CASES["tiny"], IMAGES["lenet"], SEQUENCES["gpt"]]
    bench = experiments.Bench({"netlib": ours, "sklearn": sklearn}, results, cases, rounds=1, threads=1, log=lambda _: None)
    experiments.training(bench)
    experiments.images(bench)
    experiments.sequences(bench)
    assert ours.loaded == [("train", "tiny"), ("train", "lenet"), ("infer", "lenet"), ("train", "gpt"), ("infer", "gpt")]
    assert sklearn.loaded == [("train", "tiny")]
    assert [results.median(f"images, {table}", "lenet", "netlib") for table in ("training", "inference")] == [2, 2]
    assert [results.median(f"sequences, {table}", "gpt", "netlib") for table in ("training", "inference")] == [2, 2]


def test_memory_of_attention_is_counted_in_matrices_of_scores_also_beside_pytorch_that_holds_them(monkeypatch):
    class Process:
        def __init__(self, name, threads):
            self.matrices = {"netlib": 3.5, "torch": 0.5, "torch-math": 3}[name]

        def __enter__(self):
            return self

        def __exit__(self, *_): ...

        def ask(self, do, case, **_):
            (length, _), heads = case.sample, case.network[0][2]
            return {"added": self.matrices * case.batch * heads * length**2 * 4}

    monkeypatch.setattr(experiments, "Process", Process)
    results = Results("", {})
    experiments.attention(experiments.Bench({"netlib": None, "torch": None, "sklearn": None}, results, [], 1, 1, log=lambda _: None))
    for case in ("attention", "causal attention"):
        assert [results.median("attention", case, name) for name in ("netlib", "torch", "torch-math", "sklearn")] == [3.5, 0.5, 3, None]


def test_cost_per_layer_is_compared_from_8_to_64_layers():
    results = Results("", {})
    for layers, cost in {2: 900, 8: 80, 16: 176, 32: 320, 64: 640}.items():
        results.add("depth", str(layers), "netlib", cost)
    (target,) = (t for t in targets.all_targets(results) if t.text.startswith("netlib, NumPy: cost per layer"))
    assert target.figure == pytest.approx(1.1)


def test_a_report_tells_what_was_measured_what_was_not_and_where_a_peer_is_ahead(results):
    results.add("inference", "tiny", "netlib", 20)
    results.add("inference", "tiny", "jax", 9)
    text = report.report(results)
    assert "Measured on 2026-01-02." in text
    assert "- CPU: abacus" in text
    assert "- not measured: sklearn: not installed" in text
    assert "- inference, tiny: JAX jit (0.45)" in text
    assert "- training, tiny" not in text


def test_losses_a_hundredth_apart_are_refused():
    experiments.require_agreement({"netlib": 0.690, "jax": 0.691, "torch": 0.692})
    experiments.require_agreement({})
    for other in (0.72, float("nan")):
        with pytest.raises(experiments.DisagreementError, match="torch"):
            experiments.require_agreement({"netlib": 0.69, "jax": 0.69, "torch": other})


@pytest.mark.parametrize("batch", [1, 8])
def test_the_bare_loop_does_the_very_step_of_netlib(batch):
    case = perceptron_case("", (5, 7, 6, 3), batch, "float64")
    bare, ours = BareLoop(1).train(case), Pure(1).train(case)
    np.testing.assert_allclose([bare() for _ in range(30)], [ours() for _ in range(30)], rtol=1e-9)
    np.testing.assert_allclose(BareLoop(1).infer(case)(), Pure(1).infer(case)(), rtol=1e-12)


@pytest.fixture
def multiplied(monkeypatch) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The shapes of the matrices that are multiplied."""
    shapes = []
    matmul = np.matmul

    def counted(a, b, out):
        shapes.append((a.shape, b.shape))
        return matmul(a, b, out=out)

    monkeypatch.setattr(np, "matmul", counted)
    return shapes


def test_the_products_are_those_of_forward_and_of_backward_without_the_first_dx(multiplied):
    Products(1).train(perceptron_case("", (5, 7, 3), 8))()
    assert multiplied == [((8, 5), (5, 7)), ((8, 7), (7, 3)), ((7, 8), (8, 3)), ((8, 3), (3, 7)), ((5, 8), (8, 7))]


def test_the_products_of_a_convolution_have_a_patch_in_each_row(multiplied):
    network = conv(3, 4, 3), RELU, max_pool(2), *residual_block(4, 5), FLATTEN, affine(20, 2)
    case = Case("", network, (3, 10, 10), 6)  # 8 x 8 after the convolution, 4 x 4 after the pooling, 2 x 2 after the stride
    assert case.shapes == [(4, 3, 3, 3), (5, 4, 3, 3), (5, 5, 3, 3), (5, 4, 1, 1), (20, 2)]
    Products(1).infer(case)()
    assert multiplied == [((384, 27), (27, 4)), ((24, 36), (36, 5)), ((24, 45), (45, 5)), ((24, 4), (4, 5)), ((6, 20), (20, 2))]


def test_the_products_of_a_recurrent_layer_are_one_of_all_inputs_and_one_of_the_state_at_each_step_after_the_first(multiplied):
    case = Case("", (embedding(9, 2), lstm(2, 3), gru(3, 5, last=True), affine(5, 9)), (4,), 6)
    assert case.shapes == [(9, 2), (2, 12), (3, 12), (3, 15), (5, 15), (5, 9)]
    Products(1).train(case)()
    forward = [((24, 2), (2, 12)), *[((6, 3), (3, 12))] * 3, ((24, 3), (3, 15)), *[((6, 5), (5, 15))] * 3, ((6, 5), (5, 9))]
    last = [((5, 6), (6, 9)), ((6, 9), (9, 5))]
    second = [*[((6, 15), (15, 5))] * 3, ((5, 18), (18, 15)), ((3, 24), (24, 15)), ((24, 15), (15, 3))]
    first = [*[((6, 12), (12, 3))] * 3, ((3, 18), (18, 12)), ((2, 24), (24, 12)), ((24, 12), (12, 2))]
    assert multiplied == [*forward, *last, *second, *first]


def test_the_products_of_attention_are_batched_by_head(multiplied):
    case = id_case("", (embedding(9, 8), positional(4, 8), transformer_block(8, 2, 10), attention(8, 4), affine(8, 9)), 4, 6)
    square, heads, four_heads = [(8, 8)] * 4, (6, 2, 4, 4), (6, 4, 4, 2)
    assert case.shapes == [(9, 8), (4, 8), *square, (8, 10), (10, 8), *square, (8, 9)]
    Products(1).infer(case)()
    rows = (24, 8)
    assert multiplied == [
        *[(rows, (8, 24)), (heads, heads), (heads, heads), (rows, (8, 8)), (rows, (8, 10)), ((24, 10), (10, 8))],
        *[(rows, (8, 24)), (four_heads, (6, 4, 2, 4)), ((6, 4, 4, 4), four_heads), (rows, (8, 8)), (rows, (8, 9))],
    ]
    multiplied.clear()
    Products(1).train(Case("", (attention(8, 2),), (4, 8), 6))()
    assert multiplied == [
        *[(rows, (8, 24)), (heads, heads), (heads, heads), (rows, (8, 8))],
        *[((8, 24), rows), (rows, (8, 8)), *[(heads, heads)] * 4, ((8, 24), (24, 24))],
    ]


def test_the_numbers_that_are_multiplied_do_not_grow_from_step_to_step():
    network = embedding(9, 8), lstm(8, 8), transformer_block(8, 2, 8), gru(8, 8), affine(8, 9)
    step = Products(1).train(id_case("", network, 4, 6))
    with np.errstate(over="raise"):
        for _ in range(500):
            step()


def test_ids_are_below_the_number_of_entries_and_have_a_target_each():
    case = SEQUENCES["gpt"]
    x, (t, *_) = case.inputs(), case.targets()
    assert x.shape == t.shape == (16, 64)
    assert (x.min(), x.max(), t.min(), t.max()) == (0, 63, 0, 63)
    assert case.inputs(3).shape == case.targets(3)[0].shape == (3, 64)
    assert SEQUENCES["wide-lstm"].targets()[0].shape == (64,)


def test_a_case_gives_everybody_the_same_numbers_in_its_type():
    case = replace(CASES["tiny"], dtype="float64")
    for arrays in (case.weights, case.targets, lambda: [case.inputs()]):
        for a, b in zip(arrays(), arrays(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert {w.dtype for w in case.weights()} == {case.inputs().dtype} == {np.dtype("float64")}
    assert CASES["mnist"].n_parameters == 101_770


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("digits-cnn", 160 + 2_320 + 4_640 + 1_290),
        ("lenet", 416 + 12_832 + 65_664 + 1_290),
        ("resnet-8", 464 + 4_672 + (13_824 + 512 + 192) + (55_296 + 2_048 + 384) + 650),
        ("batch-norm-mlp", 4_224 + 256 + 16_512 + 256 + 1_290),
        ("lstm", 2_048 + (16_384 + 65_536 + 512) + 8_256),
        ("gru", 2_048 + (12_288 + 49_152 + 384 + 128) + 8_256),
        ("gpt", 4_096 + 4_096 + 2 * (16_640 + 16_640 + 16_448 + 256) + 128 + 4_160),
        ("wide-lstm", (131_072 + 262_144 + 1_024) + 2_570),
    ],
)
def test_the_networks_have_the_parameters_counted_by_hand_also_after_json(name, parameters):
    case = (IMAGES | SEQUENCES)[name]
    sent = Case(**json.loads(json.dumps(asdict(case))))
    for model in (build(case), build(sent)):
        assert sum(p.value.size for p in model.parameters().values()) == parameters
        assert model.predict(case.inputs(2)).shape == (2, *case.labels, case.n_classes)
    np.testing.assert_array_equal(build(sent).predict(case.inputs(2)), build(case).predict(case.inputs(2)))


@pytest.mark.parametrize("case", [*CHANNELS, *SIZES], ids=lambda case: f"{case.network[0][2]} channels, {case.sample[1]} pixels")
def test_the_swept_networks_take_their_images(case):
    assert build(case).predict(case.inputs(1)).shape == (1, 10)


@pytest.mark.parametrize(
    "case",
    [case for sweep in (LENGTHS, WIDTHS) for cases in sweep.values() for case in cases],
    ids=lambda case: f"{case.network[1][0]} of {case.network[1][2]} features, {case.sample[0]} steps",
)
def test_the_swept_networks_take_their_ids(case):
    assert build(case).predict(case.inputs(1)).shape == (1, *case.sample, 64)


@pytest.mark.exhaustive
def test_each_time_and_each_size_is_measured_and_the_checks_see_what_is_wrong(monkeypatch):
    name, case = next((name, case) for name, case in checking_and_drawing.CASES.items() if not case.is_large)
    monkeypatch.setattr(checking_and_drawing, "CASES", {name: case})
    rows = list(checking_and_drawing.rows(1))
    n_slips = len(case.slips)
    assert len({row.text for row in rows}) == len(rows) == 10 + n_slips
    for slip, row in zip(case.slips, rows[4 : 4 + n_slips], strict=True):
        assert row.text.endswith("; a mistake found" if slip else "; nothing wrong")
    del rows[4 : 4 + n_slips]
    assert all(isfinite(figure) and figure > 0 for row in rows for figure in row.figures)
    assert [row.unit for row in rows] == ["s"] * 7 + ["kB"] * 3
    small, large, small_wrong, large_wrong = (row.text for row in rows[:4])
    assert small == "check of 64-128-10: all 10,122 elements; nothing wrong"
    assert "of 1,009,000 elements and all along random directions; nothing wrong" in large
    assert small_wrong == "check of 64-128-10: all 10,122 elements; a mistake found"
    assert large_wrong.endswith("; a mistake found")


@pytest.mark.parametrize(("figures", "verdict"), [([0.9, 1.1, 0.2], "met"), ([0.2, 1.0, 1.1], "NOT met")])
def test_a_bound_is_met_where_its_median_is_below_the_bound(figures, verdict):
    assert checking_and_drawing._line(checking_and_drawing.Row("a check", figures, 1.0)) == [
        "a check",
        f"{sorted(figures)[1]:g} s",
        "0.2 s",
        "< 1 s",
        verdict,
    ]


def test_each_write_and_each_read_is_measured(tmp_path):
    rows = list(files.rows(100, 3, str(tmp_path)))
    assert len({row.text for row in rows}) == len(rows) == 14
    for row in rows:
        assert all(isfinite(seconds) and seconds > 0 for seconds in row.ours + row.numpy)
        assert (len(row.ours), len(row.numpy)) == ((20, 0) if "digits" in row.text else (3, 3))


@pytest.mark.parametrize(("ours", "speed", "verdict"), [([2.0, 1.0, 9.0], "0.90", "met"), ([2.0, 2.5, 3.0], "0.72", "NOT met")])
def test_the_speed_of_files_is_a_share_of_numpy_s(ours, speed, verdict):
    assert files._line(files.Row("load", ours, [1.8, 1.8, 7.0])) == ["load", f"{sorted(ours)[1]:g} s", "1.8 s", speed, "≥ 0.8", verdict]
