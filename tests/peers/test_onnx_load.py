"""`nl.onnx.load`: names, sharing, free lengths, saving; and files that are damaged, hostile or out of reach."""

import copy

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import netlib as nl

INT, FLOAT, DOUBLE = TensorProto.INT64, TensorProto.FLOAT, TensorProto.DOUBLE
node = helper.make_node


def model_of(nodes, arrays=None, inputs=(("x", DOUBLE, ["N", 4]),), outputs=(("y", DOUBLE, [None, None]),), opset=20, **more):
    infos = [[helper.make_tensor_value_info(*each) for each in given] for given in (inputs, outputs)]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (arrays or {}).items()]
    graph = helper.make_graph(nodes, "test", *infos, tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("my.company", 1)]
    return helper.make_model(graph, opset_imports=opsets, **more)


@pytest.fixture
def load(tmp_path):
    def load(model, **options):
        path = tmp_path / "model.onnx"
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        return nl.onnx.load(path, **options)

    return load


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def assert_as_onnx(graph, model, *arrays, rows=(3, 1)):
    """The graph predicts what ONNX's own evaluator computes, for batches of several sizes."""
    names = [info.name for info in model.graph.input]
    for n in rows:
        given = [array[:n] for array in arrays]
        expected = ReferenceEvaluator(model).run(None, dict(zip(names, given, strict=True)))
        found = graph.predict(*given)
        for y, t in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
            assert (y.shape, y.dtype) == (t.shape, t.dtype)
            np.testing.assert_allclose(y, t, rtol=1e-10, atol=1e-12)


TAGGER = [
    node("Gather", ["emb.weight", "ids"], ["e"]),
    node("Shape", ["e"], ["s"]),
    node("Gather", ["s", "zero"], ["n"]),
    node("Unsqueeze", ["n", "first"], ["n1"]),
    node("Concat", ["n1", "rest"], ["target"], axis=0),
    node("Reshape", ["e", "target"], ["flat"]),
    node("Gemm", ["flat", "fc.1.weight", "fc.1.bias"], ["h"], transB=1),
    node("Tanh", ["h"], ["a"], name="/act/Tanh"),
    node("MatMul", ["a", "W"], ["p"]),
    node("Add", ["p", "B"], ["y"]),
]


def tagger(rng):
    arrays = {"emb.weight": rng.normal(size=(5, 2)), "zero": 0, "first": [0], "rest": [-1], "W": rng.normal(size=(4, 3)), "B": np.ones(3)}
    arrays |= {"fc.1.weight": rng.normal(size=(4, 6)), "fc.1.bias": rng.normal(size=4)}
    return model_of(TAGGER, arrays, inputs=[("ids", INT, ["N", 3])])


def test_weights_have_the_names_of_the_file_and_shapes_are_no_nodes(load, rng):
    model = tagger(rng)
    graph = load(model)
    assert set(graph.parameters()) == {"emb.weight", "fc/1.weight", "fc/1.bias", "MatMul_p.weight", "MatMul_p.bias"}
    assert [type(layer).__name__ for name, layer in graph.walk() if name] == ["Embedding", "Reshape", "Affine", "Tanh", "Affine"]
    assert "/act/Tanh".strip("/") in dict(graph.walk())
    assert_as_onnx(graph, model, rng.integers(0, 5, (3, 3)))


def test_a_loaded_graph_is_checked_trained_drawn_copied_and_saved(load, rng, tmp_path):
    graph = load(tagger(rng))
    ids, t = rng.integers(0, 5, (8, 3)), rng.integers(0, 3, 8)
    assert graph.n_nondifferentiable_inputs == 1
    report = nl.check_gradients(graph, ids)
    assert report.ok, str(report)
    loss, optimizer = nl.SoftmaxCrossEntropy(), nl.Adam(graph, lr=0.05)
    losses = []
    for _ in range(20):
        losses.append(loss.forward(graph.forward(ids), t))
        graph.backward(loss.backward())
        optimizer.step()
    assert losses[-1] < losses[0] / 2
    y = graph.predict(ids)
    nl.save(graph, tmp_path / "graph.npz")
    assert np.array_equal(nl.load(tmp_path / "graph.npz", classes=nl.onnx.LAYERS).predict(ids), y)
    assert np.array_equal(copy.deepcopy(graph).predict(ids), y)
    assert "fc/1" in nl.draw(graph, ids).svg


def test_integers_and_constants_survive_saving(load, rng, tmp_path):
    nodes = [node("Gather", ["x", "columns"], ["g"], axis=1), node("Mul", ["g", "scale"], ["m"]), node("ArgMax", ["m"], ["y"], axis=1)]
    model = model_of(nodes, {"columns": [3, 0], "scale": 0.5}, outputs=[("y", INT, [None, None])])
    graph = load(model)
    assert graph.parameters() == {}
    x = rng.normal(size=(3, 4))
    assert_as_onnx(graph, model, x)
    nl.save(graph, tmp_path / "graph.npz")
    assert np.array_equal(nl.load(tmp_path / "graph.npz", classes=nl.onnx.LAYERS).predict(x), graph.predict(x))


def test_a_weight_that_two_nodes_use_is_one_parameter(load, rng):
    nodes = [
        node("Gemm", ["x", "W"], ["a"], transB=1),
        node("Gemm", ["a", "W"], ["b"], transB=1),
        node("Add", ["b", "B"], ["c"]),
        node("Mul", ["c", "B"], ["y"]),
    ]
    model = model_of(nodes, {"W": rng.normal(size=(4, 4)), "B": rng.normal(size=4)})
    graph = load(model)
    assert sorted(graph.parameters()) == ["B", "W"]
    x = rng.normal(size=(3, 4))
    assert_as_onnx(graph, model, x)
    assert nl.check_gradients(graph, x).ok


def test_a_table_that_is_also_the_last_matrix_is_one_parameter(load, rng):
    nodes = [
        node("Gather", ["emb.weight", "ids"], ["e"]),
        node("Transpose", ["emb.weight"], ["turned"]),
        node("Identity", ["emb.weight"], ["same"]),
        node("MatMul", ["e", "turned"], ["h"]),
        node("MatMul", ["h", "same"], ["y"]),
    ]
    model = model_of(nodes, {"emb.weight": rng.normal(size=(5, 2))}, inputs=[("ids", INT, ["N"])])
    graph = load(model)
    assert list(graph.parameters()) == ["emb/weight"]
    ids = rng.integers(0, 5, 3)
    assert_as_onnx(graph, model, ids)
    report = nl.check_gradients(graph, ids)
    assert report.ok, str(report)


def test_a_weight_that_is_turned_once_is_trained_as_it_is_used(load, rng):
    nodes = [node("Transpose", ["fc.weight"], ["T"]), node("MatMul", ["x", "T"], ["y"])]
    model = model_of(nodes, {"fc.weight": rng.normal(size=(3, 4))})
    graph = load(model)
    assert {name: each.shape for name, each in graph.parameters().items()} == {"fc.weight": (4, 3)}
    assert_as_onnx(graph, model, rng.normal(size=(3, 4)))


RESHAPES = {
    "keeps two free lengths": ([0, 0, 2, 3], [], ["Late"]),
    "merges two free lengths": ([-1, 6], [], ["Reshape"]),
    "splits by the shape of x": (
        None,
        [node("Slice", ["s", "zero", "two"], ["head"]), node("Concat", ["head", "tail"], ["target"], axis=0)],
        ["Late"],
    ),
}


@pytest.mark.parametrize(("shape", "nodes", "layers"), RESHAPES.values(), ids=RESHAPES)
def test_a_reshape_follows_free_lengths(load, rng, shape, nodes, layers):
    arrays = {"zero": [0], "two": [2], "tail": [3, 2]} | ({} if shape is None else {"target": shape})
    nodes = [node("Shape", ["x"], ["s"]), *nodes, node("Reshape", ["x", "target"], ["y"])]
    rank = 2 if shape and len(shape) == 2 else 4
    model = model_of(nodes, arrays, inputs=[("x", DOUBLE, ["N", "T", 6])], outputs=[("y", DOUBLE, [None] * rank)])
    graph = load(model)
    assert [type(layer).__name__ for name, layer in graph.walk() if name] == layers
    x = rng.normal(size=(3, 5, 6))
    assert_as_onnx(graph, model, x)
    assert_as_onnx(graph, model, x[:, :2])
    assert nl.check_gradients(graph, x).ok


def test_functions_of_the_file_are_expanded(load, rng):
    double = helper.make_function("my.company", "Double", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 20)])
    nodes = [node("Double", ["x"], ["h"], domain="my.company"), node("Double", ["h"], ["y"], domain="my.company")]
    graph = load(model_of(nodes, functions=[double]))
    assert np.array_equal(graph.predict(np.ones((2, 4))), np.full((2, 4), 4.0))


def test_inputs_without_use_are_left_out(load):
    model = model_of([node("Neg", ["x"], ["y"])], inputs=[("unused", INT, [1]), ("x", DOUBLE, ["N", 4])])
    graph = load(model)
    assert [each.name for each in graph.inputs] == ["x"]


def test_a_translation_of_ones_own_is_used(load):
    model = model_of([node("Scale", ["x"], ["y"], domain="my.company", by=3.0)])
    graph = load(model, translations={"my.company.Scale": lambda op: op.node(0) * nl.Constant("by", op.get("by"))})
    assert np.array_equal(graph.predict(np.ones((2, 4))), np.full((2, 4), 3.0))


# What is refused


def test_all_missing_operators_are_listed_at_once(load):
    nodes = [
        node("Blur", ["x"], ["a"], name="first", domain="my.company"),
        node("Blur", ["a"], ["b"], name="second", domain="my.company"),
        node("NonMaxSuppression", ["b", "b"], ["y"]),
    ]
    with pytest.raises(nl.FormatError) as info:
        load(model_of(nodes))
    message = str(info.value)
    assert "model.onnx: has operators that netlib does not have: my.company.Blur at 'first', 'second'; NonMaxSuppression at 'y'" in message
    assert "translations={'my.company.Blur': function}" in message


def test_all_options_that_are_missing_are_listed_at_once(load):
    nodes = [
        node("Dropout", ["x", "half", "yes"], ["a"], name="noise"),
        node("Cast", ["a"], ["b"], to=TensorProto.BFLOAT16),
        node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16, name="last"),
    ]
    with pytest.raises(nl.FormatError, match=r"Dropout at 'noise': draws .*; Cast at 'last': makes BFLOAT16"):
        load(model_of(nodes, {"half": np.float32(0.5), "yes": True}, outputs=[("y", TensorProto.BFLOAT16, [None, None])]))


def test_branches_and_loops_are_refused(load):
    branch = helper.make_graph([node("Neg", ["x"], ["z"])], "branch", [], [helper.make_tensor_value_info("z", DOUBLE, None)])
    model = model_of([node("If", ["condition"], ["y"], then_branch=branch, else_branch=branch)], {"condition": True})
    with pytest.raises(nl.FormatError, match=r"If at 'y'\. A graph has no branches and loops"):
        load(model)


def test_a_graph_without_inputs_is_refused(load):
    model = model_of([node("Identity", ["c"], ["y"])], {"c": np.ones((1, 1))}, inputs=[])
    with pytest.raises(nl.FormatError, match="Everything in it is constant"):
        load(model)


def hostile():
    neg = [node("Neg", ["x"], ["y"])]

    def with_tensor(**fields):
        model = model_of([node("Add", ["x", "w"], ["y"])], {"w": np.ones((2, 4))})
        tensor = model.graph.initializer[0]
        for name, value in fields.items():
            if isinstance(value, list):
                del getattr(tensor, name)[:]
                getattr(tensor, name).extend(value)
            else:
                setattr(tensor, name, value)
        return model

    outside = with_tensor(data_location=TensorProto.EXTERNAL)
    outside.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")
    yield "in another file", outside, "'w' is in another file"
    yield (
        "in another file, in an attribute",
        model_of([node("Constant", [], ["c"], value=outside.graph.initializer[0]), *neg]),
        "in another file",
    )
    yield "longer than its bytes", with_tensor(dims=[1 << 40, 4]), r"'w' has 8 numbers, but the shape \(1099511627776, 4\)"
    yield "shorter than its bytes", with_tensor(dims=[1, 4]), "'w' has 8 numbers, but the shape"
    yield "negative", with_tensor(dims=[-2, -4]), r"'w' has the shape \(-2, -4\)"
    sparse = model_of(neg)
    sparse.graph.sparse_initializer.add().values.name = "s"
    yield "sparse", sparse, "'s' is sparse"
    yield "cycle", model_of([node("Add", ["x", "b"], ["a"]), node("Neg", ["a"], ["b"]), node("Neg", ["b"], ["y"])]), "is not valid"
    yield "undefined", model_of([node("Neg", ["nothing"], ["y"])]), "is not valid"
    yield "twice", model_of([*neg, *neg]), "is not valid"
    huge = node("ConstantOfShape", ["n"], ["c"])
    yield "huge constant", model_of([huge, node("Add", ["x", "c"], ["y"])], {"n": [1 << 30, 4]}), "makes a constant of 17179869184 bytes"
    far = [node("Shape", ["x"], ["s"]), node("Reshape", ["s", "n"], ["r"]), node("Expand", ["x", "r"], ["y"])]
    yield "huge length in shape arithmetic", model_of(far, {"n": [1 << 49]}), r"Reshape at 'r' has the lengths \[562949953421312\]"
    many = [node("ConstantOfShape", ["n"], [f"c{i}"]) for i in range(9)]
    yield "many constants", model_of([*many, *neg], {"n": [1 << 21]}), "makes a constant"
    loop = helper.make_function("my.company", "Loop", ["a"], ["b"], [node("Loop", ["a"], ["b"], domain="my.company")], [])
    yield "function that calls itself", model_of([node("Loop", ["x"], ["y"], domain="my.company")], functions=[loop]), "call themselves"
    bombs = [
        helper.make_function(
            "my.company", f"F{i}", ["a"], ["b"], [node(f"F{i + 1}", ["a"], [f"t{j}"], domain="my.company") for j in range(9)], []
        )
        for i in range(9)
    ]
    yield "functions that explode", model_of([node("F0", ["x"], ["y"], domain="my.company")], functions=bombs), "expand to more than"
    bad = model_of([node("Einsum", ["x"], ["y"], equation="...ii.->...i")])
    yield "an equation that ONNX never ends reading", bad, "Einsum at 'y' has the equation"
    yield (
        "a name that is no text",
        model_of([node("Neg", ["x"], ["y"], name="NAME")]).SerializeToString().replace(b"NAME", b"\xff\xfe\xfd\xfc"),
        "names that are no valid text|cannot be parsed",
    )
    yield "empty", b"", "has no nodes"
    yield "text", b"Once upon a time, there was a file", "cannot be parsed|has no nodes"
    yield "pickle", b"\x80\x04\x95" + bytes(20), "pickle"
    yield "cut off", model_of(neg).SerializeToString()[:-30], "cannot be parsed|not valid|no nodes|no operator"


HOSTILE = {name: (model, message) for name, model, message in hostile()}


@pytest.mark.parametrize(("model", "message"), HOSTILE.values(), ids=HOSTILE)
def test_damaged_and_hostile_files_are_refused(load, model, message):
    with pytest.raises(nl.FormatError, match=message) as info:
        load(model)
    assert "model.onnx" in str(info.value)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        nl.onnx.load(tmp_path / "nothing.onnx")


def test_an_array_outside_of_its_table_is_an_error(load):
    graph = load(model_of([node("GatherElements", ["x", "i"], ["y"], axis=1)], {"i": [[9]]}))
    with pytest.raises(nl.InvalidValueError, match="indices"):
        graph.predict(np.ones((1, 4)))


def test_large_integers_are_not_rounded(load):
    graph = load(model_of([node("Add", ["x", "one"], ["y"])], {"one": 1}, inputs=[("x", INT, ["N"])], outputs=[("y", INT, [None])]))
    assert graph.predict([2**53 - 1]).tolist() == [2**53]
    with pytest.raises(nl.InvalidValueError, match="which float64 would round"):
        graph.predict(np.array([2**53 + 1]))
