"""PyTorch's names and layouts, which need no PyTorch: arrays by hand."""

import numpy as np
import pytest
import torch_table

import netlib as nl


def test_a_weight_is_transposed_by_its_name_even_if_it_is_square():
    weight = np.array([[1.0, 2.0], [3.0, 4.0]])
    state = nl.torch.state_dict(nl.Affine.from_arrays(weight, [5.0, 6.0]))
    assert {name: array.tolist() for name, array in state.items()} == {"weight": [[1, 3], [2, 4]], "bias": [5, 6]}
    affine, embedding = nl.Affine(2, 2, bias=False), nl.Embedding(2, 2)
    for layer, expected in [(affine, weight.T), (embedding, weight)]:
        nl.torch.load_state_dict(layer, {"weight": weight})
        assert np.array_equal(layer.weight.value, expected)


def test_the_two_biases_are_added_but_for_that_of_a_grus_candidate():
    arrays = {"weight_ih_l0": np.zeros((6, 3)), "weight_hh_l0": np.zeros((6, 2))}
    biases = {"bias_ih_l0": np.arange(6.0), "bias_hh_l0": np.full(6, 10.0)}
    gru, lstm = nl.GRU(3, 2), nl.LSTM(3, 2)
    nl.torch.load_state_dict(gru, arrays | biases)
    assert gru.bias.value.tolist() == [10, 11, 12, 13, 4, 5]
    assert gru.bias_h.value.tolist() == [10, 10]
    back = nl.torch.state_dict(gru)
    assert back["bias_ih_l0"].tolist() == [10, 11, 12, 13, 4, 5]
    assert back["bias_hh_l0"].tolist() == [0, 0, 0, 0, 10, 10]
    nl.torch.load_state_dict(lstm, {name: np.concatenate([array, array[:2]]) for name, array in (arrays | biases).items()})
    assert lstm.bias.value.tolist() == [10, 11, 12, 13, 14, 15, 10, 11]


def test_all_faults_are_listed_at_once_and_nothing_has_changed():
    model = nl.Sequential(nl.Affine(2, 3), nl.BatchNorm(3), ("last", nl.Affine(3, 1)))
    before = model.state_dict()
    state = nl.torch.state_dict(model)
    state["0.weight"] = state["0.weight"].T
    state["1.running_mean"] = np.array(["a", "b", "c"])
    state["lost.bias"] = state.pop("last.bias")
    with pytest.raises(nl.NetlibError) as caught:
        nl.torch.load_state_dict(model, state)
    message = str(caught.value)
    assert "'0.weight' has shape (2, 3), expected (3, 2): is it transposed?" in message
    assert "'1.running_mean'" in message
    assert "'last.bias' is missing (or is it 'lost.bias'?)" in message
    assert "'lost.bias' is unexpected" in message
    after = model.state_dict()
    assert all(np.array_equal(before[path], after[path]) for path in before)


def test_num_batches_tracked_may_be_missing_but_nothing_else():
    state = nl.torch.state_dict(nl.BatchNorm(2))
    assert state.pop("num_batches_tracked").dtype == np.int64
    nl.torch.load_state_dict(nl.BatchNorm(2), state)
    del state["running_var"]
    with pytest.raises(nl.NetlibError, match="'running_var' is missing"):
        nl.torch.load_state_dict(nl.BatchNorm(2), state)


def test_a_shared_array_has_all_its_names_and_one_of_them_is_enough():
    encode = nl.Affine(2, 2, bias=False)
    model = nl.Sequential(encode, nl.Tanh(), encode.tied_copy())
    state = nl.torch.state_dict(model)
    assert list(state) == ["0.weight", "2.weight"]
    nl.torch.load_state_dict(model, {"2.weight": np.array([[1.0, 2.0], [3.0, 4.0]])})
    assert encode.weight.value.tolist() == [[1, 3], [2, 4]]
    with pytest.raises(nl.NetlibError, match=r"'2\.weight' differs from '0\.weight'"):
        nl.torch.load_state_dict(model, {"0.weight": np.zeros((2, 2)), "2.weight": np.ones((2, 2))})


def test_the_arrays_of_a_users_layer_keep_names_and_layouts():
    class Scale(nl.Layer):
        def __init__(self):
            self.weight, self.inner = nl.Parameter(np.ones((2, 3))), nl.Affine(2, 3)

    state = nl.torch.state_dict(nl.Residual(Scale()))
    assert {name: array.shape for name, array in state.items()} == {
        "layer.weight": (2, 3),
        "layer.inner.weight": (3, 2),
        "layer.inner.bias": (3,),
    }


def test_arrays_are_converted_to_the_type_of_the_model():
    layer = nl.Affine(1, 1, dtype="float32")
    nl.torch.load_state_dict(layer, {"weight": np.array([[1 / 3]]), "bias": np.zeros(1)})
    assert layer.weight.value.dtype == np.float32
    with pytest.raises(nl.NetlibError, match="complex128, expected real numbers"):
        nl.torch.load_state_dict(layer, {"weight": np.array([[1j]]), "bias": np.zeros(1)})


def test_a_module_in_place_of_its_state_is_refused():
    class Module:
        def state_dict(self):
            return {}

    with pytest.raises(nl.NetlibError, match=r"Pass module\.state_dict\(\)"):
        nl.torch.load_state_dict(nl.Affine(1, 1), Module())


def test_the_table_of_the_page_is_that_in_the_code():
    assert torch_table.PAGE.read_text(encoding="utf-8") == torch_table.page(), "run: python tests/torch_table.py"
