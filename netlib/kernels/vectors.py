"""Functions whose compiled versions use vector registers explicitly.

numba vectorises long loops. A loop over the channels of one pixel is too short for that, and no
loop keeps a tile of a matrix product in registers. So the instructions of these functions are
written here, for LLVM. Each function is also written in NumPy, which defines what it computes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array
from .kernel import emitted_by, helper

ROWS = 8
VECTOR = 64
"""In bytes: the widest vector register. On a processor with narrower ones, LLVM uses several."""


class _Emitter:
    """A writer of the instructions of a function on vectors of numbers."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        from llvmlite import ir

        self.ir, self.builder = ir, builder
        self.number = context.get_data_type(signature.args[0].dtype)
        self.size = context.get_abi_sizeof(self.number)
        self.lanes = VECTOR // self.size
        arrays = [getattr(kind, "ndim", 0) > 0 for kind in signature.args]
        structures = [context.make_array(kind)(context, builder, value=value) if is_array else value
                      for kind, value, is_array in zip(signature.args, arguments, arrays, strict=True)]  # fmt: skip
        self.arguments = [each.data if is_array else each for each, is_array in zip(structures, arrays, strict=True)]
        self.sizes = [builder.extract_value(each.shape, 0) if is_array else None for each, is_array in zip(structures, arrays, strict=True)]

    def constant(self, n: int) -> Any:
        return self.ir.Constant(self.ir.IntType(64), n)

    def at(self, base: Any, index: Any) -> Any:
        """Return an element of an array."""
        return self.builder.load(self.builder.gep(base, [index]))

    def load(self, base: Any, index: Any, lanes: int) -> Any:
        """Return a vector of numbers of an array."""
        loaded = self.builder.load(self._pointer(base, index, lanes))
        loaded.align = self.size
        return loaded

    def store(self, values: Any, base: Any, index: Any) -> None:
        """Write a vector into an array."""
        self.builder.store(values, self._pointer(base, index, values.type.count)).align = self.size

    def _pointer(self, base: Any, index: Any, lanes: int) -> Any:
        vector = self.ir.VectorType(base.type.pointee, lanes)
        return self.builder.bitcast(self.builder.gep(base, [index]), vector.as_pointer())

    def everywhere(self, value: Any, lanes: int) -> Any:
        """Return a vector of equal numbers."""
        ir = self.ir
        undefined = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
        one = self.builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))

    def opaque(self, index: Any) -> Any:
        """Return `index`, hidden from LLVM's optimizer.

        Otherwise LLVM would turn addresses at several bases and one index into as many pointers,
        each of which is incremented in a loop, although there are too few registers for them.
        """
        function = self.ir.FunctionType(index.type, [index.type])
        return self.builder.asm(function, "", "=r,0", [index], side_effect=False)

    def loop(self, n: Any, body: Callable[[Any], None]) -> None:
        """Emit a loop with an index from 0 to n - 1."""
        from numba.core import cgutils

        with cgutils.for_range(self.builder, n) as loop:
            body(loop.index)

    def loop_over(self, n: Any, body: Callable[[Any, int], None]) -> None:
        """Emit a loop over n numbers, in vectors as far as possible, then one by one."""
        builder, lanes = self.builder, self.constant(self.lanes)
        whole = builder.mul(builder.sdiv(n, lanes), lanes)
        self.loop(builder.sdiv(n, lanes), lambda i: body(builder.mul(i, lanes), self.lanes))
        self.loop(builder.srem(n, lanes), lambda i: body(builder.add(whole, i), 1))


def _emit_tile(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Emit `multiply_tile`, for each of the widths that a tile may have."""
    from numba.core import cgutils

    code = _Emitter(context, builder, signature, arguments)
    ir, add, multiply = code.ir, builder.add, builder.mul
    (y, y0, y_rows, start, s0, s_rows, x, x0, x_rows, row, x_runs,
     w, w0, w_runs, length, x_step, w_step, width) = code.arguments  # fmt: skip

    def emit(n_vectors: int, lanes: int) -> None:
        vector = ir.VectorType(code.number, lanes)
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{lanes}f{8 * code.size}")

        def index_of(first: Any, rows: Any, i: int, v: int) -> Any:
            return add(add(first, code.at(rows, add(row, code.constant(i)))), code.constant(v * lanes))

        n_sums = 2 // n_vectors  # of two places at a time, since an addition must wait for the last one
        cells = [(i, v) for i in range(ROWS) for v in range(n_vectors)]
        sums = [{cell: cgutils.alloca_once(builder, vector) for cell in cells} for _ in range(n_sums)]
        for cell in cells:
            builder.store(code.load(start, index_of(s0, s_rows, *cell), lanes), sums[0][cell])
            for more in sums[1:]:
                builder.store(ir.Constant(vector, None), more[cell])
        rows = [builder.gep(x, [add(x0, code.at(x_rows, add(row, code.constant(i))))]) for i in range(ROWS)]

        def add_product(place: Any, in_x: Any, in_w: Any, into: dict[tuple[int, int], Any]) -> None:
            at, w_at = code.opaque(add(in_x, multiply(place, x_step))), add(in_w, multiply(place, w_step))
            ws = [code.load(w, add(w_at, code.constant(v * lanes)), lanes) for v in range(n_vectors)]
            for i in range(ROWS):
                factor = code.everywhere(code.at(rows[i], at), lanes)
                for v in range(n_vectors):
                    builder.store(builder.call(fma, [factor, ws[v], builder.load(into[i, v])]), into[i, v])

        def add_run(run: Any) -> None:
            in_x, in_w = code.at(x_runs, run), add(w0, code.at(w_runs, run))
            together = code.constant(n_sums)

            def add_several(i: Any) -> None:
                for k in range(n_sums):
                    add_product(add(multiply(i, together), code.constant(k)), in_x, in_w, sums[k])

            code.loop(builder.sdiv(length, together), add_several)
            last = builder.sub(length, code.constant(1))
            code.loop(builder.srem(length, together), lambda _: add_product(last, in_x, in_w, sums[0]))

        code.loop(code.sizes[10], add_run)
        for cell in cells:
            total = builder.load(sums[0][cell])
            for more in sums[1:]:
                total = builder.fadd(total, builder.load(more[cell]))
            code.store(total, y, index_of(y0, y_rows, *cell))

    for n_vectors, lanes in ((1, code.lanes // 2), (1, code.lanes), (2, code.lanes)):
        with builder.if_then(builder.icmp_signed("==", width, code.constant(n_vectors * lanes))):
            emit(n_vectors, lanes)
    return context.get_dummy_value()


@helper
def tile_width(n: int, itemsize: int) -> int:
    """Return the width of tiles for `n` columns of numbers of `itemsize` bytes."""
    lanes = VECTOR // itemsize
    if n <= lanes // 2:
        return lanes // 2
    return lanes if n <= lanes else 2 * lanes


@helper
def in_tiles(n: int, tile: int) -> int:
    """Return `n` rounded up to whole tiles."""
    return (n + tile - 1) // tile * tile


@helper
def row_starts(n: int, length: int) -> Array:
    """Return the start of each of `n` rows, with the last one repeated to fill a tile."""
    return np.minimum(np.arange(n + ROWS), n - 1) * length


@emitted_by(_emit_tile)
def multiply_tile(
    y: Array, y0: int, y_rows: Array, start: Array, s0: int, s_rows: Array,
    x: Array, x0: int, x_rows: Array, row: int, x_runs: Array,
    w: Array, w0: int, w_runs: Array, length: int, x_step: int, w_step: int, width: int,
) -> None:  # fmt: skip
    """Set a tile of `y` to a tile of `start` plus a product of `x` and `w`.

    All arrays are vectors. A tile has `ROWS` rows of `width` numbers, for which `tile_width` gives
    half a vector register, one, or two. Row i of the tile begins at ``y0 + y_rows[row + i]``, and
    likewise in `start` and in the first factor, x. Row 0 of the second factor, w, begins at `w0`.
    Products are summed over runs: the k-th has `length` numbers of x and rows of w, which begin at
    ``x_runs[k]`` and ``w_runs[k]`` and follow in steps of `x_step` and `w_step`.

    The rows of x are read in place, and may overlap, as patches of an image do. A matrix library
    would need a copy of every patch.
    """
    along, columns, totals = np.arange(length), np.arange(width), []
    for i in range(ROWS):
        total = start[s0 + s_rows[row + i] + columns]
        for x_run, w_run in zip(x_runs, w_runs, strict=True):
            numbers = x[x0 + x_rows[row + i] + x_run + along * x_step]
            total += numbers @ w[w0 + w_run + along[:, None] * w_step + columns]
        totals.append(total)
    for i, total in enumerate(totals):
        y[y0 + y_rows[row + i] + columns] = total


def _emit_subtract_largest(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    from numba.core import cgutils

    code = _Emitter(context, builder, signature, arguments)
    ir, lanes, (x, n) = code.ir, code.lanes, code.arguments
    vector = ir.VectorType(code.number, lanes)
    numbers = ir.Constant(ir.VectorType(ir.IntType(64), lanes), [*range(lanes)])
    nothing, lowest = (ir.Constant(vector, [value] * lanes) for value in (-np.inf, float(np.finfo(f"f{code.size}").min)))
    best = cgutils.alloca_once_value(builder, lowest)

    def larger(new: Any, best: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", new, best), new, best)

    def loop(body: Callable[[Any, Any, Any], None]) -> None:
        def run(i: Any) -> None:
            at = builder.mul(i, code.constant(lanes))
            counts = builder.icmp_signed("<", numbers, code.everywhere(builder.sub(n, at), lanes))
            body(at, code.load(x, at, lanes), counts)

        code.loop(builder.sdiv(code.sizes[0], code.constant(lanes)), run)

    loop(lambda at, values, counts: builder.store(larger(builder.select(counts, values, lowest), builder.load(best)), best))
    largest, half = builder.load(best), lanes
    while half > 1:
        half //= 2
        first, second = (ir.Constant(ir.VectorType(ir.IntType(32), half), [*range(k, k + half)]) for k in (0, half))
        largest = larger(builder.shuffle_vector(largest, largest, first), builder.shuffle_vector(largest, largest, second))
    largest = code.everywhere(builder.extract_element(largest, ir.Constant(ir.IntType(32), 0)), lanes)
    loop(lambda at, values, counts: code.store(builder.select(counts, builder.fsub(values, largest), nothing), x, at))
    return context.get_dummy_value()


@emitted_by(_emit_subtract_largest)
def subtract_largest(x: Array, n: int) -> None:
    """Subtract from the first n numbers the largest of them, and set the others to -inf.

    NaN does not count as the largest, nor does -inf. The length of x is a multiple of the numbers
    in a vector register.
    """
    x[:n] -= np.fmax.reduce(x[:n], initial=np.finfo(x.dtype).min)
    x[n:] = -np.inf


def _emit_keep_larger(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code = _Emitter(context, builder, signature, arguments)
    x, x0, y, winners, y0, n, number, is_first = code.arguments

    def keep(i: Any, lanes: int) -> None:
        at = builder.add(y0, i)
        new, best, winner = code.load(x, builder.add(x0, i), lanes), code.load(y, at, lanes), code.load(winners, at, lanes)
        is_more, is_number = builder.fcmp_unordered(">", new, best), builder.fcmp_ordered("==", best, best)
        is_better = builder.or_(builder.and_(is_more, is_number), code.everywhere(builder.trunc(is_first, code.ir.IntType(1)), lanes))
        code.store(builder.select(is_better, new, best), y, at)
        code.store(builder.select(is_better, code.everywhere(number, lanes), winner), winners, at)

    code.loop_over(n, keep)
    return context.get_dummy_value()


@emitted_by(_emit_keep_larger)
def keep_larger(x: Array, x0: int, y: Array, winners: Array, y0: int, n: int, number: int, is_first: bool) -> None:
    """Replace numbers of y by those of x that are larger, and their winners by `number`.

    All arrays are vectors, and x and y begin at `x0` and `y0`. NaN counts as the largest. The first
    numbers of x replace all of y.
    """
    new, best, winner = x[x0 : x0 + n], y[y0 : y0 + n], winners[y0 : y0 + n]
    is_better = (~(new <= best) & (best == best)) | is_first
    best[is_better] = new[is_better]
    winner[is_better] = number


def _emit_add_where(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code = _Emitter(context, builder, signature, arguments)
    dx, x0, dout, winners, y0, n, number = code.arguments

    def add_to(i: Any, lanes: int) -> None:
        at, into = builder.add(y0, i), builder.add(x0, i)
        d, winner = code.load(dout, at, lanes), code.load(winners, at, lanes)
        is_winner = builder.icmp_signed("==", winner, code.everywhere(number, lanes))
        share = builder.select(is_winner, d, code.ir.Constant(d.type, None))
        code.store(builder.fadd(code.load(dx, into, lanes), share), dx, into)

    code.loop_over(n, add_to)
    return context.get_dummy_value()


@emitted_by(_emit_add_where)
def add_where(dx: Array, x0: int, dout: Array, winners: Array, y0: int, n: int, number: int) -> None:
    """Add to numbers of dx those of dout whose winner is `number`.

    All arrays are vectors, and dx and dout begin at `x0` and `y0`.
    """
    dx[x0 : x0 + n] += np.where(winners[y0 : y0 + n] == number, dout[y0 : y0 + n], 0)
