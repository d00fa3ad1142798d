"""Files that PyTorch wrote, and files that PyTorch reads."""

import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import netlib as nl

TYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_tensors_of_pytorch_are_read_to_the_bit(dtype, tmp_path):
    tensor = (torch.arange(12).reshape(3, 4) - 3).to(dtype)
    save_file(
        {"a": tensor, "one": tensor[1, 1].clone(), "none": tensor[:0].clone()}, tmp_path / "theirs.safetensors", metadata={"format": "pt"}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state = nl.load_state(tmp_path / "theirs.safetensors")
    assert {name: (array.dtype, array.tobytes()) for name, array in state.items()} == {
        "a": (tensor.numpy().dtype, tensor.numpy().tobytes()),
        "one": (tensor.numpy().dtype, tensor.numpy()[1, 1].tobytes()),
        "none": (tensor.numpy().dtype, b""),
    }
    nl.save_state(state, tmp_path / "ours.safetensors")
    assert all(torch.equal(each, torch.from_numpy(state[name])) for name, each in load_file(tmp_path / "ours.safetensors").items())


def test_bfloat16_of_pytorch_becomes_the_same_float32(tmp_path):
    tensor = torch.randn(100, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    tensor[:4] = torch.tensor([float("inf"), -0.0, 1e-40, float("nan")], dtype=torch.bfloat16)
    save_file({"a": tensor}, tmp_path / "theirs.safetensors")
    with pytest.warns(UserWarning, match="1 arrays of bfloat16 became float32"):
        loaded = nl.load_state(tmp_path / "theirs.safetensors")["a"]
    assert loaded.tobytes() == tensor.to(torch.float32).numpy().tobytes()


def test_numbers_of_8_bits_are_refused_by_name(tmp_path):
    save_file({"a": torch.zeros(4, dtype=torch.float8_e4m3fn)}, tmp_path / "theirs.safetensors")
    with pytest.raises(nl.FormatError, match=r"'a': has the type 'F8_E4M3', expected one of .* Convert it to F16, BF16 or F32"):
        nl.load_state(tmp_path / "theirs.safetensors")


@pytest.mark.parametrize("suffix", [".pt", ".npz", ".safetensors"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_a_pickle_of_pytorch_is_named(is_zip, suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    torch.save(torch.nn.Linear(2, 2).state_dict(), path, _use_new_zipfile_serialization=is_zip)
    for load in (nl.load, nl.load_state):
        with pytest.raises(nl.FormatError, match=r"is a file of PyTorch, with a pickle.*safetensors\.torch\.save_file"):
            load(path)


def test_a_saved_model_is_a_state_for_pytorch(tmp_path):
    affine = nl.Affine(3, 2, rng=0)
    nl.save(affine, tmp_path / "model.safetensors")
    state = load_file(tmp_path / "model.safetensors")
    linear = torch.nn.Linear(3, 2)
    linear.load_state_dict({"weight": state["weight"].T, "bias": state["bias"]})
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
    np.testing.assert_allclose(linear(torch.from_numpy(x)).detach().numpy(), affine.predict(x), rtol=1e-6, atol=1e-7)
