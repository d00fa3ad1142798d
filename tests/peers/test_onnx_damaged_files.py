"""A damaged file is refused with its name, or opens: nothing else happens."""

import random

import onnx_networks
import pytest

import netlib as nl


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the bytes of three files: a tagger, a transformer block, and a perceptron."""
    path, contents = tmp_path_factory.mktemp("files") / "model.onnx", {}
    for name in ("lstm_tagger", "vit", "perceptron"):
        module, inputs = onnx_networks.network(name)
        onnx_networks.export(module, inputs(2), path)
        contents[name] = path.read_bytes()
    return contents


def flip(data, chance):
    i = chance.randrange(len(data))
    return data[:i] + bytes([data[i] ^ 1 << chance.randrange(8)]) + data[i + 1 :]


def cut(data, chance):
    return data[: chance.randrange(len(data))]


@pytest.mark.parametrize("name", ["lstm_tagger", "perceptron", pytest.param("vit", marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize(("damage", "times"), [(flip, 40), (cut, 15), pytest.param(flip, 400, marks=pytest.mark.sweep)])
def test_a_damaged_file_opens_or_is_refused_with_its_name(files, tmp_path, name, damage, times):
    chance, path, messages = random.Random(0), tmp_path / "damaged.onnx", []
    for _ in range(times):
        path.write_bytes(damage(files[name], chance))
        try:
            nl.onnx.load(path)
        except nl.NetlibError as error:
            messages.append(str(error))
    assert all("damaged.onnx" in message for message in messages)
    assert len(messages) > times // 8


def test_names_that_are_no_text_are_refused(files, tmp_path):
    path = tmp_path / "damaged.onnx"
    path.write_bytes(files["perceptron"].replace(b"Gemm", b"Ge\xe1m"))
    with pytest.raises(nl.FormatError, match=r"damaged\.onnx: has names that are no valid text"):
        nl.onnx.load(path)
