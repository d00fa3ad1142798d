"""The innermost loop of a convolution: a small matrix product that stays in registers.

The rows of its first factor are read in place, from wherever they lie in an image, and may overlap.
A matrix library cannot do that, so it would need a copy of every patch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from .kernel import helper

ROWS = 8
VECTOR = 64
"""In bytes: the widest vector register. On a processor with narrower ones, LLVM uses several."""


def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Emit the instructions of `multiply_tile`, once for one vector and once for two."""
    from llvmlite import ir
    from numba.core import cgutils

    integer, number = ir.IntType(64), context.get_data_type(signature.args[0].dtype)
    size = context.get_abi_sizeof(number)
    lanes = VECTOR // size
    vector = ir.VectorType(number, lanes)
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{lanes}f{8 * size}")
    undefined = ir.Constant(vector, ir.Undefined)
    all_first = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

    def constant(n: int) -> Any:
        return ir.Constant(integer, n)

    def array(i: int) -> tuple[Any, Any]:
        value = context.make_array(signature.args[i])(context, builder, value=arguments[i])
        return value.data, builder.extract_value(value.shape, 0)

    y, start, x, x_rows, x_runs, w, w_runs = (array(i)[0] for i in (0, 3, 6, 8, 10, 11, 13))
    n_runs = array(10)[1]
    y0, y_step, s0, s_step, x0, row, w0, length, x_step, w_step, vectors = (arguments[i] for i in (1, 2, 4, 5, 7, 9, 12, 14, 15, 16, 17))

    def number_at(base: Any, index: Any) -> Any:
        return builder.load(builder.gep(base, [index]))

    def vector_at(base: Any, index: Any) -> Any:
        return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())

    def load(base: Any, index: Any) -> Any:
        loaded = builder.load(vector_at(base, index))
        loaded.align = size
        return loaded

    def index_of(first: Any, step: Any, i: int, v: int) -> Any:
        return builder.add(builder.add(first, builder.mul(step, constant(i))), constant(v * lanes))

    def emit(n_vectors: int) -> None:
        n_sums = 2 // n_vectors  # the sums of two places at a time, since one FMA must wait for another
        cells = [(i, v) for i in range(ROWS) for v in range(n_vectors)]
        sums = [{cell: cgutils.alloca_once(builder, vector) for cell in cells} for _ in range(n_sums)]
        for cell in cells:
            builder.store(load(start, index_of(s0, s_step, *cell)), sums[0][cell])
            for more in sums[1:]:
                builder.store(ir.Constant(vector, None), more[cell])
        rows = [builder.gep(x, [builder.add(x0, number_at(x_rows, builder.add(row, constant(i))))]) for i in range(ROWS)]

        def add_product(place: Any, in_x: Any, in_w: Any, into: dict[tuple[int, int], Any]) -> None:
            at = builder.add(in_x, builder.mul(place, x_step))
            w_at = builder.add(in_w, builder.mul(place, w_step))
            ws = [load(w, builder.add(w_at, constant(v * lanes))) for v in range(n_vectors)]
            for i in range(ROWS):
                one = builder.insert_element(undefined, number_at(rows[i], at), ir.Constant(ir.IntType(32), 0))
                everywhere = builder.shuffle_vector(one, undefined, all_first)
                for v in range(n_vectors):
                    builder.store(builder.call(fma, [everywhere, ws[v], builder.load(into[i, v])]), into[i, v])

        n_together = constant(n_sums)
        with cgutils.for_range(builder, n_runs) as run:
            in_x, in_w = number_at(x_runs, run.index), builder.add(w0, number_at(w_runs, run.index))
            with cgutils.for_range(builder, builder.sdiv(length, n_together)) as several:
                for k in range(n_sums):
                    add_product(builder.add(builder.mul(several.index, n_together), constant(k)), in_x, in_w, sums[k])
            with cgutils.for_range(builder, builder.srem(length, n_together)):
                add_product(builder.sub(length, constant(1)), in_x, in_w, sums[0])
        for cell in cells:
            total = builder.load(sums[0][cell])
            for more in sums[1:]:
                total = builder.fadd(total, builder.load(more[cell]))
            builder.store(total, vector_at(y, index_of(y0, y_step, *cell))).align = size

    with builder.if_else(builder.icmp_signed("==", vectors, constant(1))) as (one_vector, two_vectors):
        with one_vector:
            emit(1)
        with two_vectors:
            emit(2)
    return context.get_dummy_value()


@helper(emit=_emit)
def multiply_tile(
    y: Array, y0: int, y_step: int, start: Array, s0: int, s_step: int,
    x: Array, x0: int, x_rows: Array, row: int, x_runs: Array,
    w: Array, w0: int, w_runs: Array, length: int, x_step: int, w_step: int, vectors: int,
) -> None:  # fmt: skip
    """Set a tile of `y` to a tile of `start` plus a product of `x` and `w`.

    All arrays are vectors. A tile has `ROWS` rows of one or two vector registers, and begins at
    ``y[y0]``; the next row begins `y_step` later. Row i of the first factor begins at
    ``x0 + x_rows[row + i]``, row 0 of the second at `w0`. Products are summed over runs: the k-th
    has `length` numbers of x and rows of w, from ``x_runs[k]`` and ``w_runs[k]`` on, in steps of
    `x_step` and `w_step`.
    """
    width = vectors * VECTOR // y.itemsize
    along, columns = np.arange(length), np.arange(width)
    for i in range(ROWS):
        total = start[s0 + i * s_step : s0 + i * s_step + width].copy()
        for x_run, w_run in zip(x_runs, w_runs, strict=True):
            numbers = x[x0 + x_rows[row + i] + x_run + along * x_step]
            total += numbers @ w[w0 + w_run + along[:, None] * w_step + columns]
        y[y0 + i * y_step : y0 + i * y_step + width] = total
