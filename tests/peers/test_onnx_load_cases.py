"""ONNX's published node cases judge `nl.onnx.load`, and with it the table in docs/onnx.md."""

import numpy as np
import onnx_cases
import pytest

import netlib as nl

DIFFERENTIABLE = {
    "add_bcast", "sub_bcast", "mul_bcast", "div_bcast", "pow_bcast_array", "max_example", "mean_example", "sum_example", "neg",
    "abs", "exp", "log", "sqrt", "reciprocal", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh",
    "atanh", "clip", "mod_mixed_sign_float64", "reduce_sum_keepdims_random", "reduce_mean_do_not_keepdims_random",
    "reduce_prod_keepdims_random", "reduce_l1_keep_dims_random", "reduce_l2_keep_dims_random",
    "reduce_log_sum_exp_keepdims_random", "reduce_sum_square_keepdims_random", "reshape_negative_dim", "flatten_axis2",
    "transpose_all_permutations_2", "squeeze", "unsqueeze_axis_1", "expand_dim_changed", "concat_2d_axis_1",
    "split_equal_parts_2d", "slice", "slice_neg_steps", "constant_pad", "reflect_pad", "tile", "tril_neg", "triu_pos",
    "where_example", "gather_1", "gather_elements_0", "gathernd_example_float32", "cumsum_2d_axis_1",
    "cumsum_1d_reverse_exclusive", "top_k", "matmul_4d", "gemm_all_attributes", "einsum_inner_prod", "elu_default", "celu",
    "hardsigmoid", "selu_example", "shrink_soft", "softmax_axis_1", "logsoftmax_axis_0", "softplus", "mish", "gelu_tanh_2",
    "swish", "sce_mean_weight_ii", "nllloss_NCd1d2_with_weight_reduction_mean",
}  # fmt: skip


def test_each_case_passes_or_is_in_the_table_with_the_reason():
    table, wrong = onnx_cases.results(onnx_cases.cases())
    assert not wrong
    assert onnx_cases.as_markdown(table) == onnx_cases.written_table(), "run tests/peers/onnx_cases.py"


@pytest.mark.exhaustive
def test_operators_written_out_as_others_pass_too():
    twins = [case for case in onnx_cases.cases(with_twins=True) if "expanded" in case.name]
    table, wrong = onnx_cases.results(twins)
    assert not wrong
    assert sum(row[0] for row in table.values()) >= 377


def as_float64(array):
    return array.astype(np.float64) if array.dtype == np.float32 else array


def report_on(case):
    """Return what the gradient check says of the graph of a case."""
    inputs = map(onnx_cases.as_array, case.data_sets[0][0])
    given = {info.name: array for info, array in zip(case.model.graph.input, inputs, strict=True)}
    graph = onnx_cases.load_case(case, given)
    return nl.check_gradients(graph, *map(as_float64, onnx_cases.inputs_of(graph, given)))


def test_backward_of_loaded_cases_is_the_derivative_of_their_forward():
    reports = {case.name: report_on(case) for case in onnx_cases.cases() if case.name.removeprefix("test_") in DIFFERENTIABLE}
    assert len(reports) == len(DIFFERENTIABLE)
    assert not {name: str(report) for name, report in reports.items() if not report.ok}
