"""Models that cannot be saved, and files that describe a model that cannot be built."""

import json
import resource
import sys
import time
import tracemalloc
from pathlib import Path

import fuzz
import numpy as np
import pytest
from table import ROWS
from versions import make

import netlib as nl
from netlib.files.model import FORMAT


class Plain(nl.Layer):
    """A layer of a user whose arguments may be anything."""

    def __init__(self, thing=None, *, more=None):
        self.thing, self.more = thing, more


class Forgetful(nl.Layer):
    def __init__(self, features):
        self.weight = nl.Parameter(np.ones(features))


class Changed(nl.Layer):
    def __init__(self):
        self.table, self.names, self.function = np.zeros(3), {"a"}, len


def with_attribute(layer, **attributes):
    for name, value in attributes.items():
        setattr(layer, name, value)
    return layer


def inside_itself():
    layer = Plain()
    layer.thing = [layer]
    return nl.Sequential(nl.Affine(1, 1), layer)


def with_another_layer():
    model = nl.Sequential(Changed())
    model[0].extra = nl.Affine(2, 2, rng=0)
    return model


def two_of_one_name():
    other = type("Plain", (nl.Layer,), {"__init__": lambda self: None})
    return nl.Sequential(Plain(), other())


def nested(n):
    value = []
    for _ in range(n):
        value = [value]
    return value


UNSAVABLE = {
    "a lambda": (lambda: Plain(lambda x: x), "Plain", "attribute 'thing': is a function, which cannot be saved. Use a layer in its place."),
    "an open file": (lambda: Plain(sys.stdin), "Plain", "attribute 'thing': is a "),
    "a set": (lambda: Plain({1}), "Plain", "attribute 'thing': is a set"),
    "a complex number": (lambda: Plain(1j), "Plain", "attribute 'thing': is a complex"),
    "bytes": (lambda: Plain(b"x"), "Plain", "attribute 'thing': is a bytes"),
    "a path": (lambda: Plain(Path("x")), "Plain", "attribute 'thing': is a PosixPath"),
    "a huge number": (lambda: Plain(10**50), "Plain", "attribute 'thing': is 1000000"),
    "half a surrogate pair": (lambda: Plain("\ud800"), "Plain", "attribute 'thing': is '\\ud800', which cannot be saved"),
    "deep inside": (lambda: Plain([1, {"k": (2, {3})}]), "Plain", "attribute 'thing'[1]['k'][1]: is a set"),
    "by keyword": (lambda: Plain(more=object()), "Plain", "attribute 'more': is a object"),
    "nested too deeply": (lambda: Plain(nested(40)), "Plain", "is nested more than 32 times"),
    "an array of objects": (lambda: Plain(np.array([{}])), "Plain", "attribute 'thing': the array has the type object"),
    "a wide array": (lambda: Plain(np.ones(2, np.longdouble)), "Plain", "attribute 'thing': the array has the type"),
    "wide weights": (lambda: nl.Sequential(nl.Affine(2, 2, dtype=np.longdouble)), "save", "'0.weight' has the type"),
    "a legacy generator": (lambda: Plain(np.random.RandomState(0)), "Plain", "attribute 'thing': is a RandomState"),
    "a user's initializer": (lambda: Plain(type("Mine", (nl.He,), {})()), "Plain", "attribute 'thing': is a Mine"),
    "no attribute for an argument": (
        lambda: Forgetful(3), "Forgetful",
        "the layer has no such attribute. Write in __init__: self.features = features.",
    ),
    "a changed array": (
        lambda: with_attribute(Changed(), table=np.ones(3)), "the model Changed, attribute 'table'",
        "make it a netlib.Buffer",
    ),
    "a changed set": (lambda: with_attribute(Changed(), names={"b"}), "the model Changed, attribute 'names'", "is a set"),
    "a changed function": (lambda: with_attribute(Changed(), function=min), "the model Changed, attribute 'function'", "Use a layer"),
    "a layer inside itself": (inside_itself, "Plain", "contains itself"),
    "a layer that the constructor does not make": (
        with_another_layer, "Sequential",
        "the layer '0.extra' is Affine(2, 2), but the constructors make nothing",
    ),
    "two classes of one name": (two_of_one_name, "the model", "has two classes called 'Plain'. Rename one."),
    "no layer": (lambda: {"a": np.ones(1)}, "save", "expected a layer"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize(("make_model", "start", "part"), UNSAVABLE.values(), ids=UNSAVABLE)
def test_what_cannot_be_described_is_refused_by_name_and_no_file_is_written(make_model, start, part, suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"old")
    model = make_model()
    with pytest.raises(nl.InvalidTypeError) as caught:
        nl.save(model, path)
    assert str(caught.value).startswith(start)
    assert part in str(caught.value)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def saved(model, tmp_path, suffix=".npz"):
    path = tmp_path / f"model{suffix}"
    nl.save(model, path)
    return fuzz.File(suffix, path.read_bytes()), path


def with_record(file, path, change):
    """Write the file with a changed record."""
    value = json.loads(file.text())
    record = value if file.suffix == ".npz" else json.loads(value["__metadata__"]["netlib"])
    change(record)
    if file.suffix != ".npz":
        value["__metadata__"]["netlib"] = json.dumps(record)
    path.write_bytes(file.with_text(json.dumps(value)))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_newer_format_is_refused_by_its_number(suffix, tmp_path):
    file, path = saved(nl.Affine(2, 2), tmp_path, suffix)
    with_record(file, path, lambda record: record.update(format=FORMAT + 1, objects="of another kind"))
    message = f"has the format version {FORMAT + 1}, and this netlib reads versions up to {FORMAT}. Upgrade: pip install"
    with pytest.raises(nl.FormatError, match=message):
        nl.load(path)


@pytest.mark.parametrize("version", range(1, FORMAT + 1))
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_files_of_every_version_are_read_for_ever(version, suffix):
    loaded = nl.load(make.FOLDER / f"version-{version}{suffix}", classes=[make.Scale])
    with np.load(make.FOLDER / f"version-{version}-outputs.npz") as outputs:
        np.testing.assert_allclose(
            loaded.predict(make.X), outputs["predicted"], rtol=1e-6
        )  # another BLAS or kernel, another rounding, in float32
        np.testing.assert_allclose(loaded.forward(make.X), outputs["trained"], rtol=1e-6)
    assert loaded[4].calls == 3
    assert [path for path, each in loaded.parameters().items() if not each.trainable] == ["1.layer.0.weight", "1.layer.0.bias"]
    expected = make.model()
    assert repr(loaded) == repr(expected)
    assert {path: array.tobytes() for path, array in loaded.state_dict().items()} == {
        path: array.tobytes() for path, array in expected.state_dict().items()
    }


def test_a_file_without_architecture_and_one_that_netlib_did_not_write_are_told_apart(tmp_path):
    nl.save_state(nl.Affine(1, 1).state_dict(), tmp_path / "state.npz")
    with pytest.raises(nl.FormatError, match=r"state\.npz: holds arrays, but no architecture\. Read them with nl\.load_state"):
        nl.load(tmp_path / "state.npz")
    file, path = saved(nl.Affine(1, 1), tmp_path)
    for text in ("[]", "3", '{"format": "1"}', '{"format": true}', '{"format": 0}', "{}"):
        path.write_bytes(file.with_text(text))
        with pytest.raises(nl.FormatError, match="has no format version, so netlib did not write it"):
            nl.load(path)


def test_a_class_that_was_not_passed_is_named(tmp_path):
    nl.save(nl.Sequential(Plain(3)), tmp_path / "model.npz")
    with pytest.raises(
        nl.FormatError, match=r"has the class 'Plain', which is not netlib's own\. Pass it: nl\.load\(path, classes=\[Plain\]\)"
    ):
        nl.load(tmp_path / "model.npz")
    with pytest.raises(nl.InvalidTypeError, match=r"Pass a list: classes=\[Plain\]"):
        nl.load(tmp_path / "model.npz", classes=Plain)
    with pytest.raises(nl.InvalidTypeError, match=r"expected classes derived from netlib\.Layer"):
        nl.load(tmp_path / "model.npz", classes=[int])
    with pytest.raises(nl.InvalidValueError, match="got two classes called 'Plain'"):
        nl.load(tmp_path / "model.npz", classes=[Plain, type("Plain", (nl.Layer,), {})])


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_all_problems_of_the_arrays_are_listed_at_once(suffix, tmp_path):
    model = nl.Sequential(nl.Affine(2, 3, rng=0), nl.Affine(3, 3, rng=1), nl.Affine(3, 2, rng=2))
    nl.save(model, tmp_path / f"model{suffix}")
    state = model.state_dict()
    state["0.weight"] = state["0.weight"].T
    state["1.bias"] = state["1.bias"].astype(np.float64)
    state["2.w"] = state.pop("2.weight")
    state["x.y"] = np.zeros(7, np.float32)
    del state["0.bias"]
    state["2.bias"] = state["2.bias"] * np.float32(np.nan)
    nl.save_state(state, tmp_path / f"state{suffix}")
    file, path = fuzz.File(suffix, (tmp_path / f"state{suffix}").read_bytes()), tmp_path / f"model{suffix}"
    whole = fuzz.File(suffix, path.read_bytes())
    if suffix == ".npz":
        path.write_bytes(fuzz.zip_of({**file.members, fuzz.TEXT: whole.members[fuzz.TEXT]}))
    else:
        header = json.loads(file.text())
        header["__metadata__"] = json.loads(whole.text())["__metadata__"]
        path.write_bytes(file.with_text(json.dumps(header)))
    parts = [
        "'0.weight' has shape (3, 2), expected (2, 3): is it transposed?",
        "'0.bias' is missing",
        "'1.bias' has type float64, expected float32",
        "'2.weight' is missing (or is it '2.w'?)",
        "'2.w' is unexpected",
        "'x.y' is unexpected",
        "'2.bias' holds NaN",
    ]
    with pytest.raises(nl.FormatError) as caught:
        nl.load(path)
    assert [part for part in parts if part not in str(caught.value)] == []
    before = {path: array.copy() for path, array in model.state_dict().items()}
    with pytest.raises(nl.InvalidValueError) as caught:
        model.load_state_dict(nl.load_state(tmp_path / f"state{suffix}"))
    parts.remove("'1.bias' has type float64, expected float32")  # a state is converted
    assert [part for part in parts if part not in str(caught.value)] == []
    assert all(np.array_equal(model.state_dict()[path], array) for path, array in before.items())


def objects(*entries):
    return lambda record: record.update(objects=list(entries))


AFFINE = {"class": "Affine", "arguments": {"in_features": 2, "out_features": 2}}
RELU = {"class": "ReLU", "arguments": {}}
BAD_GRAPH = {"class": "Graph", "arguments": {"inputs": [{"node": [0, 0]}], "outputs": [{"node": [2, 1]}]}}


def deep_initializers(n):
    value = {"initializer": "He", "arguments": {}}
    for _ in range(n):
        value = {"initializer": "He", "arguments": {"uniform": value}}
    return {"class": "Affine", "arguments": {"in_features": 2, "out_features": 2, "init": value}}


def twister(pos):
    state = {"bit_generator": "MT19937", "state": {"key": [1] * 624, "pos": pos}, "has_gauss": 0, "gauss": 0.0}
    return lambda record: record.update(
        generators=[state], objects=[{"class": "Dropout", "arguments": {"p": 0.5, "rng": {"generator": 0}}}]
    )


WRONG = {
    "no objects": (objects(), "the last of the objects is no layer"),
    "no layer at the end": (objects(AFFINE, {"input": "x"}), "the last of the objects is no layer"),
    "an entry that is no object": (objects(3), "objects[0]: is 3, expected an object"),
    "an unknown class": (objects({"class": "Afine", "arguments": {}}), "has the class 'Afine', which netlib does not have"),
    "a class of Python": (objects({"class": "builtins.eval", "arguments": {}}), "which netlib does not have"),
    "a private class": (objects({"class": "_WeightLayer", "arguments": {}}), "which netlib does not have"),
    "an unknown argument": (objects({"class": "ReLU", "arguments": {"slope": 1}}), "objects[0] ReLU: cannot be built: TypeError"),
    "layers that are an array": (objects({"class": "Sequential", "arguments": {"layers": {"array": "weight"}}}), "layers is array("),
    "an array among the layers": (
        objects({"class": "Sequential", "arguments": {"layers": [{"array": "weight"}]}}),
        "objects[0] Sequential: ",
    ),
    "a missing argument": (objects({"class": "Affine", "arguments": {}}), "cannot be built: TypeError"),
    "a wrong argument": (objects({"class": "Dropout", "arguments": {"p": 2}}), "p is 2"),
    "a forward reference": (
        objects({"class": "Residual", "arguments": {"layer": {"layer": 1}}}, AFFINE),
        "refers to object 1, which is no Layer before it",
    ),
    "a reference to itself": (
        objects({"class": "Residual", "arguments": {"layer": {"layer": 0}}}),
        "refers to object 0, which is no Layer before it",
    ),
    "a layer twice": (objects(AFFINE, {"class": "Sequential", "arguments": {"layers": [{"layer": 0}, {"layer": 0}]}}), "tied_copy"),
    "a node before it": (objects({"call": 0, "sources": [[1, 0]], "name": None}, {"input": "x"}), "refers to object 0, which is no Layer"),
    "a node that is none": (objects(RELU, {"call": 0, "sources": [[0, 0]], "name": None}), "refers to [0, 0], which is no node before it"),
    "an output that is not there": (
        objects({"input": "x"}, RELU, {"call": 1, "sources": [[0, 0]], "name": None}, BAD_GRAPH),
        "refers to [2, 1]",
    ),
    "a huge layer": (
        objects({"class": "Affine", "arguments": {"in_features": 10**12, "out_features": 10**12}}),
        "cannot have an array of shape (1000000000000, 1000000000000)",
    ),
    "a layer too huge for NumPy": (
        objects({"class": "Affine", "arguments": {"in_features": 10**30, "out_features": 1}}),
        "cannot have an array of shape",
    ),
    "more layers than arrays": (objects(AFFINE, AFFINE, AFFINE), "needs more arrays than there are"),
    "a negative layer": (objects({"class": "Affine", "arguments": {"in_features": -1, "out_features": 2}}), "in_features is -1"),
    "an unknown array": (objects({"weight": "w", "value": "nothing"}), "refers to the array 'nothing', which the file does not have"),
    "an array in a list": (objects({"weight": "w", "value": ["weight"]}), "refers to the array ['weight']"),
    "a constant twice": (
        objects({"constant": "c", "value": "weight"}, {"constant": "d", "value": "weight"}),
        "refers to the array 'weight' of another constant",
    ),
    "initializers in initializers": (objects(deep_initializers(60)), "is nested more than 32 times"),
    "a text that NumPy would evaluate": (
        objects({"class": "Affine", "arguments": {"in_features": 2, "out_features": 2, "dtype": "2f4,f4"}}),
        "dtype is '2f4,f4'",
    ),
    "a position outside of the Twister": (twister(625), "the position is 625"),
    "a negative position": (twister(-1), "of a random generator, which is not valid"),
    "an attribute of a layer of netlib": (
        lambda record: record.update(attributes={"": {"in_features": 3}}),
        "sets 'in_features' of Affine",
    ),
    "an attribute of no layer": (lambda record: record.update(attributes={"7": {"x": 3}}), "sets attributes of the layer '7'"),
    "a rule that is no text": (lambda record: record.update(attributes={"": {"rule": 3}}), "sets 'rule' of Affine"),
    "shared with nothing": (
        lambda record: record.update(shared={"weight": "nothing"}),
        "says that 'weight' is 'nothing', which are not alike",
    ),
    "shared, but of other shapes": (
        lambda record: record.update(shared={"weight": "bias"}),
        "says that 'weight' is 'bias', which are not alike",
    ),
    "frozen, but not there": (lambda record: record.update(frozen=["7"]), "frozen has '7', which the model has not"),
    "trainable, but not there": (lambda record: record.update(not_trainable=[["weight"]]), "not_trainable has ['weight']"),
    "generators that are not there": (lambda record: record.update(held_generators=[0]), "has 1 random generators, and the layers 0"),
    **{f"{key} is missing": (lambda record, key=key: record.pop(key), f"{key} is NoneType") for key in (
        "objects", "shared", "generators", "held_generators", "evaluation", "frozen", "not_trainable", "frozen_parameters", "attributes")},
}  # fmt: skip


@pytest.mark.parametrize(("change", "part"), WRONG.values(), ids=WRONG)
def test_a_description_that_describes_no_model_is_refused(change, part, tmp_path):
    file, path = saved(nl.Affine(2, 2, rng=0), tmp_path)
    with_record(file, path, change)
    with pytest.raises(nl.FormatError, match=r"model\.npz") as caught:
        nl.load(path)
    assert part in str(caught.value)


def test_a_user_s_container_keeps_its_layers_whatever_the_file_says(tmp_path):
    class Mine(nl.Sequential):
        pass

    file, path = saved(Mine(nl.ReLU()), tmp_path)
    for name in ("_layers", "n_outputs", "_cached", "_training"):
        with_record(file, path, lambda record, name=name: record.update(attributes={"": {name: 5}}))
        with pytest.raises(nl.FormatError, match=f"sets '{name}' of Mine, which has no such attribute"):
            nl.load(path, classes=[Mine])


def test_a_user_s_constructor_draws_no_more_than_the_file_holds(tmp_path):
    class Wide(nl.Sequential):
        def __init__(self, hidden):
            self.hidden = hidden
            super().__init__(nl.Affine(2, hidden, rng=0))

    file, path = saved(Wide(3), tmp_path)
    with_record(file, path, lambda record: record["objects"][0]["arguments"].update(hidden=10**9))
    with pytest.raises(nl.FormatError, match="needs too much memory for an array of shape"):
        nl.load(path, classes=[Wide])


REPLACEMENTS = [10**12, -1, 1.5, "x", None, True, [], {}]


def numbers_in(value):
    """Yield every place of a number in a JSON value."""
    for container in fuzz.containers_in(value):
        for key in range(len(container)) if isinstance(container, list) else list(container):
            if isinstance(container[key], int | float):
                yield container, key


ONE_ROW_OF_EACH_KIND = list({type(row.make(np.float64)): row for row in ROWS}.values())


@pytest.mark.parametrize(
    "rows",
    [ONE_ROW_OF_EACH_KIND[::4], *(pytest.param(ONE_ROW_OF_EACH_KIND[i::4], marks=pytest.mark.exhaustive) for i in range(1, 4))],
    ids=range(4),
)
def test_no_number_in_a_description_costs_memory_or_raises_anything_else(rows, tmp_path):
    loaded = refused = 0
    seen = set()
    for row in rows:
        file, path = saved(row.make(np.dtype("float32")), tmp_path)
        if file.text() in seen:  # the row differs in its inputs alone
            continue
        seen.add(file.text())
        record = json.loads(file.text())
        places = [(container, key) for part in ("objects", "shared", "held_generators") for container, key in numbers_in(record[part])]
        for container, key in places:
            before = container[key]
            for new in REPLACEMENTS:
                container[key] = new
                path.write_bytes(file.with_text(json.dumps(record)))
                tracemalloc.start()
                started = time.process_time()
                try:
                    nl.load(path)
                    loaded += 1
                except nl.FormatError:
                    refused += 1
                seconds, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
                tracemalloc.stop()
                assert seconds < 0.5  # 0.1 without tracemalloc
                assert peak < 64 << 20
            container[key] = before
    assert refused > loaded >= 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 8 << 20  # in kB: nothing has been written to terabytes


def test_a_part_that_was_replaced_by_one_with_other_options_is_refused_and_not_lost(tmp_path):
    block = nl.TransformerBlock(8, 2)
    block.attention_norm = nl.LayerNorm(8, eps=1.0)
    with pytest.raises(
        nl.InvalidTypeError, match=r"'attention_norm' is LayerNorm\(\(8,\), eps=1.0\), but the constructors make LayerNorm\(\(8,\)\)"
    ):
        nl.save(block, tmp_path / "block.npz")
    assert not [*tmp_path.iterdir()]
