"""The mutation test: is every small mistake in netlib's arithmetic seen by the suite?

``python tests/mutants.py [--only FILE[:LINE] …] [--sample N] [--jobs 2] [--list]`` makes every
mutant of the files below, or a sample of them: one operator, comparison, sign, transpose, axis,
order of operands, number or flag changed. The suite is collected and run once, to see which
functions each test calls. Each mutant then runs in a new process the tests that call its function:
first those that concern its file, the quick and telling before the slow ones. Unforeseen survivors
then face the rules in pictures, Jacobians, plots and the peers.
The exit status is 1 where less than 95 % are caught, where a survivor is not among `KNOWN`, and
where one of `KNOWN` is caught after all.

mutmut and cosmic-ray know neither transposes nor axes nor the order of operands.
"""

import argparse
import ast
import copy
import gc
import importlib
import json
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FILES = [
    "netlib/normal.py",
    "netlib/generation.py",
    "netlib/parameter.py",
    *sorted(
        str(p.relative_to(ROOT))
        for room in ("containers", "kernels", "layers", "losses", "optimizers", "training")
        for p in (ROOT / "netlib" / room).rglob("[a-z]*.py")
        if p.name not in ("kernel.py", "fusion.py", "channel.py")  # which decide no number
    ),
]
CONCERNED = {  # which tests come first
    "netlib/normal.py": ("tests/test_normal.py", "tests/layers/test_gelu.py"),
    "netlib/generation.py": ("tests/test_generation.py",),
    "netlib/containers/incremental.py": ("tests/test_generation.py",),
    "netlib/containers/division.py": ("tests/containers/test_division.py", "tests/containers/test_stale.py"),
    "netlib/parameter.py": (
        "tests/test_gradient_of_rows.py",
        "tests/optimizers/",
        "tests/kernels/",
        "tests/test_layer.py",
        "tests/test_state.py",
        "tests/test_arrays.py",
    ),
    "netlib/containers/": (
        "tests/containers/",
        "tests/kernels/",
        "tests/test_predict.py",
        "tests/test_remember.py",
        "tests/test_memory.py",
    ),
    "netlib/kernels/fused/": ("tests/kernels/", "tests/containers/", "tests/layers/test_affine.py"),
    "netlib/kernels/": ("tests/kernels/", "tests/losses/", "tests/optimizers/", "tests/layers/test_affine.py"),
    "netlib/layers/": ("tests/layers/", "tests/drawing/test_rules.py", "tests/test_chapter.py", "tests/test_layer.py"),
    "netlib/losses/": ("tests/losses/", "tests/drawing/test_rules.py", "tests/kernels/"),
    "netlib/optimizers/": ("tests/optimizers/", "tests/kernels/"),
    "netlib/training/": ("tests/training/",),
}
OF_VECTORS = ("netlib/optimizers/lbfgs.py",)
"""Files whose products are of two vectors: neither a transpose nor the order changes them."""
THE_TABLE = "tests/layers/test_table.py"
SHARED = {
    "axes": "softmax|sum|mean|transpose|concatenate|flatten",
    "attention_inputs": "attention",
    "attention_rule": "attention",
    "head_attention": "attention|transformer",
    "rows": "attention",
    "broadcasting": "add|subtract|multiply|divide|concatenate",
    "windows": "conv|maxpool|avgpool|testpooling",
    "per_axis": "conv|pool",
    "images": "conv|pool|norm|upsample|pixelshuffle",
    "sliding_kernel": "conv",
    "convolution": "conv",
    "conv_transpose": "convtranspose|testconvolution",
    "pooling": "maxpool|avgpool|testpooling",
    "max_pool": "maxpool|testpooling",
    "avg_pool": "avgpool|testpooling",
    "adaptive_pooling": "adaptive|testpooling",
    "adaptive_avg_pool": "adaptive|testpooling",
    "adaptive_max_pool": "adaptive|testpooling",
    "global_pooling": "global|testpooling",
    "normalization": "norm",
    "batch_statistics": "batchnorm",
    "standardization": "norm",
    "ids": "embedding",
    "positions": "positional|sinusoidal|rotary|testpositions",
    "positional_embedding": "positional|testpositions",
    "sinusoidal_encoding": "sinusoidal|testpositions",
    "rotary_encoding": "rotary|testpositions",
    "upsample": "upsampl|resizing",
    "interpolation": "upsampl|resizing",
    "pixel_shuffle": "pixelshuffle|resizing",
    "pad": "pad|resizing",
    "recurrent_layer": "rnn|lstm|gru|testrecurrent",
    "sequence_order": "rnn|lstm|gru|testrecurrent",
    "rnn": "rnn|testrecurrent",
    "lstm": "lstm|testrecurrent",
    "gru": "gru|testrecurrent",
    "memory": "workarrays",
    "planning": "plan",
}
APART = ("peers", "checker", "derivatives", "drawing", "plot", "test_benchmarks.py", "test_mutants.py", "containers/test_depth.py")
THE_SUITE = ["tests", *(f"--ignore=tests/{path}" for path in APART)]
THE_REST = ["-m", "not sweep", *(f"tests/{path}" for path in ("drawing/test_rules.py", "derivatives", "plot", "peers"))]
"""What else judges numbers."""
BROKEN = 70
"""The exit status of a process that failed to run the tests at all."""
SECONDS = 120
"""Of computing, at most, for a test without a mutant; of waiting, ten times as many."""

KNOWN: dict[str, list[str]] = {
    "The other branch is right there too: two formulas meet, or `where` takes the other one": [
        "netlib/normal.py  below *= ⟦np.greater → np.greater_equal⟧(x, 0, out=t)",  # p and 1 - p are both 1/2
        "netlib/training/trainer.py  …lip_norm is not None and norm ⟦> → >=⟧ self.clip_norm:",
        "netlib/training/learning_rates.py  …WEST and smoothed[-1] - least ⟦> → >=⟧ 3 * abs(least)",
        "netlib/optimizers/line_search.py  …thest if step is None or step ⟦<= → <⟧ low.step else min(max(step, n…",
        "netlib/optimizers/line_search.py  if abs(high.step - low.step) ⟦<= → <⟧ NARROWEST * max(high.step, lo…",
        "netlib/optimizers/line_search.py  if abs(point.slope) ⟦<= → <⟧ -CURVATURE * start.slope:",
        "netlib/training/measuring.py  if self._n_new ⟦>= → >⟧ CHUNK:",
        "netlib/training/samples.py  if t.ndim == 2 and t.shape[1] ⟦> → >=⟧ 1 and ((t == 0) | (t == 1)).a…",  # a single class
        "netlib/losses/cosine_embedding.py  …n (scaled / np.where(length > ⟦0 → 1⟧, length, 1), length * largest…",
        "netlib/optimizers/line_search.py  …ot isfinite(square) or square ⟦< → <=⟧ 0:",
        "netlib/optimizers/lbfgs.py  if s @ y ⟦<= → <⟧ np.finfo(np.float64).eps * (y…",
        "netlib/optimizers/line_search.py  if not finite or point.value ⟦> → >=⟧ start.value + DECREASE * step…",
        "netlib/optimizers/line_search.py  … is not start and point.value ⟦>= → >⟧ low.value):",
        "netlib/kernels/activations.py  … + two * e, two * e * e) if v ⟦> → >=⟧ 0 else (e * (e + two), two)",
        "netlib/layers/sigmoid.py  return np.where(x ⟦>= → >⟧ 0, 1, small) / (1 + small)",
        "netlib/losses/sigmoid_cross_entropy.py  … = product_or_zero(np.where(y ⟦< → <=⟧ 0, t, 1 - t), size) + np.log1…",
        "netlib/optimizers/clipping.py  return sqrt(total) if _LEAST ⟦< → <=⟧ total < inf else _norm_of_ext…",
        "netlib/layers/rotary_encoding.py  half = ⟦self.features // 2 → -(self.features // 2)⟧",  # half the features, counted from the end
        "netlib/kernels/exponentials.py  return (1.0 - tail if x ⟦> → >=⟧ 0.0 else tail, e * 0.39894228…",
        "netlib/kernels/exponentials.py  return (F4(1) - tail if x ⟦> → >=⟧ F4(0) else tail, e * F4(0.398…",
        "netlib/training/metrics/ranking.py  …np.abs(rows.sum(axis=-1) - 1) ⟦> → >=⟧ 0.001).any():",  # a tolerance
    ],
    "Beyond 40 everything is 0 or 1 in every floating type": [
        "netlib/layers/gelu.py  near = np.clip(x, -⟦40 → 41⟧, 40)",
        "netlib/layers/gelu.py  near = np.clip(x, -40, ⟦40 → 41⟧)",
        "netlib/kernels/activations.py  bound = x.dtype.type(⟦40 → 41⟧)",
        "netlib/kernels/activations.py  bound = y.dtype.type(⟦40 → 41⟧)",
    ],
    "An even function, or a quotient of two: the sign cancels": [
        "netlib/normal.py  coarse = ⟦a * digits → -(a * digits)⟧",
        "netlib/normal.py  coarse *= ⟦1 / digits → -(1 / digits)⟧",
        "netlib/kernels/threads.py  …ts == 1 or (of_equal_size and ⟦n % n_parts → -(n % n_parts)⟧) else split(n, n_parts)",
        "netlib/training/samples.py  … if batch.weight is None else ⟦ → -⟧np.sum(batch.weight, dtype=np.…",
        "netlib/kernels/fused/batch_norm.py  squares = np.square(⟦of_parts[0] - average → average - of_parts[0]⟧)",
        "netlib/kernels/fused/batch_norm.py  squares = np.square(⟦of_parts[0] - average → -(of_parts[0] - average)⟧)",
        "netlib/kernels/fused/batch_norm.py  while columns < COLUMNS and ⟦size % (2 * columns) → -(size % (2 * columns))⟧ == 0:",
        "netlib/optimizers/line_search.py  if abs(⟦high.step - low.step → low.step - high.step⟧) <= NARROWEST * max(high.step…",
        "netlib/optimizers/line_search.py  if point.slope ⟦* → /⟧ (1 if high is None else high.…",
        "netlib/optimizers/line_search.py  if point.slope * (⟦1 → 2⟧ if high is None else high.ste…",
        "netlib/optimizers/line_search.py  if abs(⟦high.step - low.step → -(high.step - low.step)⟧) <= NARROWEST * max(high.step…",
        "netlib/layers/attention_inputs.py  if any((⟦x.shape[-1] % heads → -(x.shape[-1] % heads)⟧ for x in (q, k, v))):",
        "netlib/layers/softmax.py  y = ⟦ → -⟧np.exp(x - x.max(axis=self.axi…",
        "netlib/optimizers/clipping.py  scaled = (⟦grad.astype(np.float64) / peak → -(grad.astype(np.float64) / pe…⟧ for grad in grads)",
        "netlib/optimizers/flat.py  if ⟦t % FLUSH_EVERY → -(t % FLUSH_EVERY)⟧ == 0:",
        "netlib/optimizers/schedules.py  …terpolate(first, self.max_lr, ⟦step / top → -(step / top)⟧)",
        "netlib/optimizers/schedules.py  …nd + (start - end) * (1 + cos(⟦pi * min(progress, 1) → -(pi * min(progress, 1))⟧)) / 2",
        "netlib/layers/rotary_encoding.py  if ⟦self.features % 2 → -(self.features % 2)⟧:",
        "netlib/layers/split.py  if ⟦n % self.sections → -(n % self.sections)⟧:",
        "netlib/losses/gaussian_nll.py  deviation = ⟦ → -⟧np.sqrt(variance)",
        "netlib/kernels/attention.py  return n + LANES if ⟦n % 256 → -(n % 256)⟧ == 0 else n",
        "netlib/kernels/attention.py  return ⟦d % half_vector(x) → -(d % half_vector(x))⟧ == 0 and x.shape[-1] * x.item…",
        "netlib/kernels/max_pooling.py  has_nan = np.isnan(⟦ → -⟧np.min(y))",
        "netlib/kernels/max_pooling.py  has_nan = np.isnan(⟦np.min → np.max⟧(y))",
        "netlib/kernels/normalization.py  centered = ⟦x - mean → -(x - mean)⟧",
        "netlib/kernels/normalization.py  centered = ⟦x - mean → mean - x⟧",
        "netlib/kernels/normalization.py  d = ⟦x[m, c] - of_block[ → of_block[c] - x[m, ⟧c]",
        "netlib/kernels/normalization.py  d = ⟦x[m, c] - of_block[c] → -(x[m, c] - of_block[c])⟧",
        "netlib/kernels/normalization.py  shift = ⟦of_block[c] / k - mean[c] / st… → -(of_block[c] / k - mean[c] / …⟧",
        "netlib/kernels/normalization.py  shift = ⟦of_block[c] / k - mean[c] / st… → mean[c] / start - of_block[c] …⟧",
        "netlib/optimizers/schedules.py  …rpolate(self.lr, self.min_lr, ⟦step % self.steps / self.steps → -(step % self.steps / self.ste…⟧)",  # noqa: E501
        "netlib/optimizers/schedules.py  …rpolate(self.lr, self.min_lr, ⟦step / length → -(step / length)⟧)",
        "netlib/training/metrics/ranking.py  …oat(np.average(areas, weights=⟦ → -⟧true.sum(axis=0) if average ==…",
        "netlib/training/metrics/ranking.py  if (np.abs(⟦rows.sum(axis=-1) - 1 → 1 - rows.sum(axis=-1)⟧) > 0.001).any():",
        "netlib/training/metrics/ranking.py  if (np.abs(⟦rows.sum(axis=-1) - 1 → -(rows.sum(axis=-1) - 1)⟧) > 0.001).any():",
        "netlib/training/metrics/regression.py  return float(np.mean(np.abs(⟦y - t → t - y⟧)))",
        "netlib/training/metrics/regression.py  return float(np.mean(np.abs(⟦y - t → -(y - t)⟧)))",
        "netlib/training/metrics/regression.py  return r2_of(len(y), ((⟦t - t.mean(axis=0) → t.mean(axis=0) - t⟧) ** 2).sum(axis=0), ((t - y) …",  # noqa: E501
        "netlib/training/metrics/regression.py  …axis=0)) ** 2).sum(axis=0), ((⟦t - y → y - t⟧) ** 2).sum(axis=0))",
        "netlib/training/metrics/streams.py  self.merge([len(t), mean, ((⟦t - mean → mean - t⟧) ** 2).sum(axis=0), ((t - y) …",
        "netlib/training/metrics/streams.py  … - mean) ** 2).sum(axis=0), ((⟦t - y → y - t⟧) ** 2).sum(axis=0)])",
        "netlib/training/checkpoint.py  …r (self._unit == 'epochs' and ⟦trainer.epoch % self._n → -(trainer.epoch % self._n)⟧ == 0):",
        "netlib/containers/multi_head_attention.py  if ⟦self.features % self.heads → -(self.features % self.heads)⟧:",
        "netlib/layers/batch_statistics.py  …tal(n * (variance + np.square(⟦own - whole → whole - own⟧))) / max(sums[-1], 1)",
        "netlib/layers/batch_statistics.py  …tal(n * (variance + np.square(⟦own - whole → -(own - whole)⟧))) / max(sums[-1], 1)",
    ],
    "Nothing but the sign of a zero differs": [
        "netlib/kernels/fused/attention.py  …-1] and (k[-2] == v[-2]) and (⟦q[-1] % n_heads → -(q[-1] % n_heads)⟧ == v[-1] % n_heads == 0)",
        "netlib/kernels/fused/attention.py  …[-2]) and (q[-1] % n_heads == ⟦v[-1] % n_heads → -(v[-1] % n_heads)⟧ == 0)",
        "netlib/layers/rules.py  return ('−' if number ⟦< → <=⟧ 0 else '') + repr(abs(float(n…",
        "netlib/kernels/attention.py  nothing, ds_v, widths = (⟦ → -⟧np.full(n_blocks, 0), np.full(…",
        "netlib/kernels/attention.py  … = (np.full(n_key_blocks, 0), ⟦ → -⟧np.full(n_key_blocks, 0), np.f…",
    ],
    "Any seed serves": [
        "netlib/training/ranks.py  numbers = ⟦0 → 1⟧",
        "netlib/training/ranks.py  …ed = int(generator.integers(2 ⟦** → *⟧ 63))",
        "netlib/training/ranks.py  seed = int(generator.integers(⟦2 ** 63 → 63 ** 2⟧))",
        "netlib/training/ranks.py  …eed = int(generator.randint(2 ⟦** → *⟧ 31))",
        "netlib/training/ranks.py  seed = int(generator.randint(⟦2 ** 31 → 31 ** 2⟧))",
        "netlib/training/ranks.py  … = int(generator.randint(2 ** ⟦31 → 32⟧))",
        "netlib/training/sources.py  number = ⟦0 → 1⟧",
        "netlib/training/trainer.py  …eed = int(self.rng.integers(2 ⟦** → *⟧ 63))",
        "netlib/layers/recurrent_layer.py  …else int(generator.integers(2 ⟦** → *⟧ 63)), where)",
        "netlib/layers/recurrent_layer.py  …e else int(generator.integers(⟦2 ** 63 → 63 ** 2⟧)), where)",
    ],
    "A vector transposed is itself": [
        "netlib/kernels/vectors.py  total += ⟦numbers → numbers.T⟧ @ w[w0 + w_run + along[:, Non…",
        "netlib/kernels/bias_relu.py  …(dout), dout.dtype).dot(dout, ⟦dbias → dbias.T⟧)",
        "netlib/kernels/bias_relu.py  …es(len(dx), dx.dtype).dot(dx, ⟦dbias → dbias.T⟧)",
        "netlib/kernels/softmax_cross_entropy.py  …dot(ones(x.shape[-1], x.dtype)⟦ → .T⟧)",
        "netlib/optimizers/clipping.py  total += float(np.dot(⟦flat → flat.T⟧, flat))",
        "netlib/optimizers/clipping.py  total += float(np.dot(flat, ⟦flat → flat.T⟧))",
    ],
    "No floating type has 3 bytes": [
        "netlib/normal.py  …iguousarray(x if x.itemsize > ⟦2 → 3⟧ else x.astype(np.float32))",
        "netlib/layers/standardization.py  …xes != (-1,) or x.itemsize == ⟦2 → 3⟧:",
        "netlib/optimizers/clipping.py  …ad.ravel() if grad.itemsize > ⟦2 → 3⟧ else grad.ravel().astype(np.f…",
    ],
    "The same axis, counted from the end": [
        "netlib/training/samples.py  … == 1)).all() and (t.sum(axis=⟦ → -⟧1) == 1).all():",
        "netlib/training/samples.py  …lasses: Array = t.argmax(axis=⟦ → -⟧1)",
        "netlib/layers/recurrent_layer.py  …p.concatenate(h_of_last, axis=⟦ → -⟧1))",
        "netlib/layers/recurrent_layer.py  …, len(self._directions), axis=⟦2 → -1⟧)",
        "netlib/layers/recurrent_layer.py  y = np.concatenate(ys, axis=⟦2 → -1⟧) if self.bidirectional else y…",
        "netlib/layers/adaptive_max_pool.py  …_axis(candidates, place, axis=⟦2 → -1⟧)[..., 0]",
        "netlib/layers/global_pooling.py  winners = numbers.argmax(axis=⟦2 → -1⟧)[..., None]",
    ],
    "NumPy takes every negative length for the unknown one": [
        "netlib/layers/batch_statistics.py  …(0, *range(2, len(shape))), (-⟦1 → 2⟧,) + (1,) * (len(shape) - 2))",
        "netlib/layers/group_norm.py  …e(grouped.reshape(x.shape), (-⟦1 → 2⟧,) + (1,) * (x.ndim - 2))",
        "netlib/layers/group_norm.py  …e(dout.shape), per_channel, (-⟦1 → 2⟧,) + (1,) * (dout.ndim - 2))",
    ],
    "Two ways to the same number, up to rounding: what differs is time or memory": [
        "netlib/kernels/fused/add.py  …_memory is None or len(parts) ⟦== → !=⟧ 1:",
        "netlib/kernels/fused/add.py  …mory is None or len(parts) == ⟦1 → 2⟧:",
        "netlib/kernels/threads.py  …list[slice], stay_awake: bool=⟦True → False⟧) -> None:",
        "netlib/training/ranks.py  return weight or ⟦1.0 → 2.0⟧",
        "netlib/training/ranks.py  return weight or ⟦ → -⟧1.0",
        "netlib/training/ranks.py  …._channel.agree(weight)[0] or ⟦1.0 → 2.0⟧ if before is None else before",
        "netlib/training/ranks.py  …._channel.agree(weight)[0] or ⟦ → -⟧1.0 if before is None else bef…",
        "netlib/training/ranks.py  …seed, rank]).get_state(legacy=⟦False → True⟧)",
        "netlib/training/sources.py  yield (self._first.take(slice(⟦0 → 1⟧, 0)), True)",
        "netlib/training/samples.py  …pe(self.x) is type(self.t) is ⟦ → not ⟧np.ndarray and self.weight is …",
        "netlib/training/samples.py  …hosen = (2 * np.arange(n_out) ⟦+ → -⟧ 1) * len(order) // (2 * n_out…",
        "netlib/training/reading.py  ends = slice(None, None, ⟦ → -⟧max(len(mapped) - 1, 1))",
        "netlib/training/measuring.py  self._n_new = ⟦0 → 1⟧",
        "netlib/training/measuring.py  self._new, self._n_new = ([], ⟦0 → 1⟧)",
        "netlib/training/measuring.py  whole._n_new ⟦+ → -⟧= part._n_new",
        "netlib/training/measuring.py  whole._n_new ⟦+= → *=⟧ part._n_new",
        "netlib/training/measuring.py  …if not isinstance(y, tuple)}) ⟦<= → <⟧ 1",
        "netlib/training/measuring.py  …nate(outputs) if len(outputs) ⟦> → >=⟧ 1 else outputs[0]",
        "netlib/training/epoch.py  …ccumulated = self.reference = ⟦0.0 → 1.0⟧",  # of a sum: 1 / 1
        "netlib/training/trainer.py  …epoch.accumulate(share, whole ⟦* → /⟧ self.accumulate) if has_mean …",
        "netlib/training/trainer.py  …nputs) if self._least_samples ⟦> → >=⟧ 1 else None",
        "netlib/training/trainer.py  …d(source.head().take(slice(0, ⟦1 → 2⟧)), transform, source).take(sl…",
        "netlib/training/trainer.py  …transform, source).take(slice(⟦0 → 1⟧, 0))",
        "netlib/training/trainer.py  if factor != ⟦ → -⟧1.0:",
        "netlib/training/resuming.py  …ax(self._entry('batch', int), ⟦0 → 1⟧)",
        "netlib/kernels/fused/recurrent.py  …bda dout: differentiate(dout, ⟦False → True⟧))",
        "netlib/kernels/fused/recurrent.py  …infer, _prepare, keeps_inputs=⟦False → True⟧)",
        "netlib/kernels/fused/batch_norm.py  WORTH_A_THREAD = ⟦20000 → 20001⟧",
        "netlib/kernels/fused/convolution.py  WORTH_A_THREAD = ⟦500000 → 500001⟧",
        "netlib/kernels/fused/convolution.py  WORTH_A_THREAD_ALONE = ⟦12000000 → 12000001⟧",
        "netlib/kernels/threads.py  WORTH_A_THREAD = ⟦100000 → 100001⟧",
        "netlib/kernels/team.py  HEAD_START = ⟦40000 → 40001⟧",
        "netlib/kernels/team.py  LINE = ⟦16 → 17⟧",
        "netlib/containers/container.py  …backward(dout, input_gradient=⟦False → True⟧)",
        "netlib/kernels/vectors.py  …rgest, ir.Constant(ir.IntType(⟦32 → 33⟧), 0)), lanes)",
        "netlib/kernels/fused/relu.py  has_channels_last = ⟦any → all⟧((not array.flags.c_contiguous…",
        "netlib/kernels/fused/relu.py  has_channels_last = any((⟦not  → ⟧array.flags.c_contiguous for a…",
        "netlib/kernels/fused/embedding.py  most = ⟦min → max⟧(entries, math.prod(like.shape…",
        "netlib/kernels/fused/embedding.py  padding = -⟦1 → 2⟧ if layer.padding is None else…",
        "netlib/kernels/fused/embedding.py  …ayer.weight, layer.__dict__, -⟦1 → 2⟧ if layer.padding is None else…",
        "netlib/kernels/fused/embedding.py  …s, found = (np.full(entries, -⟦1 → 2⟧), np.empty(most, np.int64))",
        "netlib/kernels/fused/row_norm.py  …infer, _prepare, keeps_inputs=⟦False → True⟧, separates_samples=lambda lay…",
        "netlib/kernels/fused/elementwise.py  … infer, prepare, keeps_inputs=⟦False → True⟧)",
        "netlib/kernels/vectors.py  VECTOR = ⟦64 → 65⟧",
        "netlib/kernels/vectors.py  …value, ir.Constant(ir.IntType(⟦32 → 33⟧), 0))",
        "netlib/kernels/vectors.py  … '=r,0', [index], side_effect=⟦False → True⟧)",
        "netlib/kernels/vectors.py  if n <= lanes ⟦// → /⟧ 2:",
        "netlib/kernels/vectors.py  n_sums = 2 ⟦// → *⟧ n_vectors",
        "netlib/kernels/vectors.py  n_sums = ⟦2 → 3⟧ // n_vectors",
        "netlib/kernels/fused/batch_norm.py  n, columns = (size ⟦// → /⟧ channels, _count_columns(size…",
        "netlib/kernels/fused/batch_norm.py  …ps_inputs=True, needs_scratch=⟦True → False⟧, layout='channels last', sepa…",
        "netlib/kernels/fused/max_pool.py  …infer, _prepare, keeps_inputs=⟦False → True⟧, layout='channels last')",
        "netlib/training/csv_log.py  self._has_begun = ⟦True → False⟧",
        "netlib/optimizers/line_search.py  …ep - low.step) <= NARROWEST * ⟦max → min⟧(high.step, low.step):",
        "netlib/containers/plan.py  …iven = [dout if dtype is None ⟦or → and⟧ (dout.dtype is dtype and dout…",
        "netlib/containers/plan.py  if source ⟦>= → >⟧ 0:",
        "netlib/containers/plan.py  if source >= ⟦0 → 1⟧:",
        "netlib/layers/recurrent_layer.py  ….dtype = self._parameters('')[⟦0 → 1⟧].dtype",
        "netlib/layers/recurrent_layer.py  …roll_backward, input_gradient=⟦False → True⟧)",
        "netlib/layers/recurrent_layer.py  …nds], input_gradient or layer ⟦> → >=⟧ 0)",
        "netlib/kernels/total.py  if terms.size ⟦< → <=⟧ 100:",
        "netlib/kernels/total.py  if terms.size ⟦< → >=⟧ 100:",
        "netlib/kernels/total.py  if terms.size < ⟦100 → 101⟧:",
        "netlib/layers/broadcasting.py  if all((x.shape ⟦== → !=⟧ first for x in xs)):",
        "netlib/containers/program.py  if len(sources) ⟦== → !=⟧ 1:",
        "netlib/optimizers/clipping.py  _LEAST = ⟦1e-30 → 1.0⟧",
        "netlib/optimizers/clipping.py  total ⟦+ → -⟧= float(np.dot(flat, flat))",
        "netlib/optimizers/clipping.py  total ⟦+= → *=⟧ float(np.dot(flat, flat))",
        "netlib/optimizers/clipping.py  total += float(⟦ → -⟧np.dot(flat, flat))",
        "netlib/optimizers/flat.py  BLOCK = ⟦65536 → 65537⟧",
        "netlib/normal.py  BLOCK = ⟦32768 → 32769⟧",
        "netlib/normal.py  …n (below.astype(x.dtype, copy=⟦False → True⟧).reshape(x.shape), density.as…",
        "netlib/normal.py  … density.astype(x.dtype, copy=⟦False → True⟧).reshape(x.shape))",
        "netlib/layers/standardization.py  if axes != (⟦- → ⟧1,) or x.itemsize == 2:",
        "netlib/layers/standardization.py  if axes != (-⟦1 → 2⟧,) or x.itemsize == 2:",
        "netlib/layers/standardization.py  …f axes != (-1,) or x.itemsize ⟦== → !=⟧ 2:",
        "netlib/optimizers/flat.py  length = ⟦min → max⟧(size, BLOCK)",
        "netlib/optimizers/flat.py  if block[⟦0 → 1⟧] is value:",
        "netlib/layers/windows.py  …n tuple((max(n + sum(pad), (p ⟦- → +⟧ 1) * s + span) for n, pad, p,…",
        "netlib/layers/windows.py  …max(n + sum(pad), (p - 1) * s ⟦+ → *⟧ span) for n, pad, p, s, span …",
        "netlib/parameter.py  MAX_ROWS = ⟦64 → 65⟧",
        "netlib/parameter.py  …rows] if len(self._grad_rows) ⟦< → <=⟧ MAX_ROWS else [ALL_ROWS]",
        "netlib/layers/einsum.py  …insum(equation, *xs, optimize=⟦True → False⟧))",
        "netlib/containers/division.py  MIN_REUSE = ⟦500 → 501⟧",
        "netlib/containers/division.py  MIN_WORK = ⟦50000000 → 50000001⟧",
        "netlib/containers/division.py  if len(parts) < ⟦2 → 3⟧ or not is_loaded() or (not _i…",
        "netlib/containers/division.py  if len(parts) ⟦< → <=⟧ 2 or not is_loaded() or (not …",
        "netlib/containers/division.py  n_parameters += ⟦ → -⟧sum((parameter.size for parame…",
        "netlib/containers/division.py  n_parameters ⟦+ → -⟧= sum((parameter.size for para…",
        "netlib/containers/division.py  n_parameters ⟦+= → *=⟧ sum((parameter.size for param…",
        "netlib/containers/division.py  return [None if parts[⟦0 → 1⟧] is None else np.concatenate(…",
        "netlib/containers/division.py  return work >= MIN_WORK ⟦and → or⟧ work >= MIN_REUSE * n_paramet…",
        "netlib/containers/division.py  return work ⟦>= → >⟧ MIN_WORK and work >= MIN_REUS…",
        "netlib/containers/division.py  work = n_parameters = ⟦0 → 1⟧",
        "netlib/containers/division.py  work ⟦+= → *=⟧ step.layer.multiply_adds(*[sp…",
        "netlib/containers/division.py  … work >= MIN_WORK and work >= ⟦MIN_REUSE * n_parameters → -(MIN_REUSE * n_parameters)⟧",
        "netlib/containers/division.py  …IN_WORK and work >= MIN_REUSE ⟦* → +⟧ n_parameters",
        "netlib/containers/division.py  …IN_WORK and work >= MIN_REUSE ⟦* → /⟧ n_parameters",
        "netlib/containers/division.py  …puts and inputs[0].shape else ⟦0 → 1⟧",
        "netlib/containers/division.py  …urn work >= MIN_WORK and work ⟦>= → >⟧ MIN_REUSE * n_parameters",
        "netlib/containers/memory.py  … follows) and len(spec.shape) ⟦> → >=⟧ 2 and all((each.layout != 'C'…",
        "netlib/containers/planning.py  if ⟦ → not ⟧plan.uses_all_cores:",
        "netlib/containers/planning.py  other_work ⟦+= → *=⟧ work",
        "netlib/containers/planning.py  work_on_all_cores ⟦+ → -⟧= work",
        "netlib/containers/planning.py  work_on_all_cores ⟦+= → *=⟧ work",
        "netlib/containers/planning.py  …all_cores = work_on_all_cores ⟦> → >=⟧ 2 * other_work",
        "netlib/containers/planning.py  …cores = work_on_all_cores > 2 ⟦* → +⟧ other_work",
        "netlib/containers/planning.py  …k_on_all_cores = other_work = ⟦0 → 1⟧",
        "netlib/containers/planning.py  …l_cores = work_on_all_cores > ⟦2 → 3⟧ * other_work",
        "netlib/containers/program.py  for step in steps[:-⟦1 → 2⟧]:",
        "netlib/containers/program.py  if all((type(x) is ⟦ → not ⟧np.ndarray for x in xs)) and f…",
        "netlib/containers/program.py  if len(sources) == ⟦1 → 2⟧:",
        "netlib/containers/program.py  while len(chain) ⟦< → <=⟧ max_length:",
        "netlib/containers/program.py  …puts, *[None] * (self.n_slots ⟦- → +⟧ self.n_inputs)]",
        "netlib/containers/sequential.py  …, Container) and any((each is ⟦ → not ⟧new for _, each in old.walk())…",
        "netlib/containers/sequential.py  …r (isinstance(old, Container) ⟦and → or⟧ any((each is new for _, each …",
        "netlib/kernels/attention.py  BLOCK = 1 << ⟦15 → 16⟧",
        "netlib/kernels/attention.py  BLOCK = ⟦1 << 15 → -(1 << 15)⟧",
        "netlib/kernels/attention.py  BLOCK = ⟦1 → 2⟧ << 15",
        "netlib/kernels/attention.py  IN_PLACE = ⟦512 → 513⟧",
        "netlib/kernels/attention.py  QUERIES = ⟦64 → 65⟧",
        "netlib/kernels/attention.py  begins[b], ends[b] = (max(b ⟦* → /⟧ ROWS - first, 0) if causal el…",
        "netlib/kernels/attention.py  ds = Rows(np.empty(⟦min → max⟧(n_queries, QUERIES) * length,…",
        "netlib/kernels/attention.py  halves = (width - column) ⟦// → /⟧ half",
        "netlib/kernels/attention.py  into = buffer[in_panel:⟦in_panel + (d - 1) * panel + → (in_panel + (d - 1) * panel) *⟧ 4]",
        "netlib/kernels/attention.py  n_at_once = min(n_blocks, max(⟦1 → 2⟧, BLOCK // (length * q.itemsiz…",
        "netlib/kernels/attention.py  n_seen[b] = in_tiles(min((b + ⟦1 → 2⟧) * ROWS, n_keys), multiple)",
        "netlib/kernels/attention.py  … and x.shape[-1] * x.itemsize ⟦<= → <⟧ IN_PLACE",
        "netlib/kernels/attention.py  … halves >= 4 else 2 if halves ⟦>= → >⟧ 2 else 1) * half",
        "netlib/kernels/attention.py  …cks = ((n_queries + ROWS - 1) ⟦// → *⟧ ROWS, (n_keys + ROWS - 1) // …",
        "netlib/kernels/attention.py  …ector(x) == 0 and x.shape[-1] ⟦* → /⟧ x.itemsize <= IN_PLACE",
        "netlib/kernels/attention.py  …f_vector(x) == 0 and x.shape[-⟦1 → 2⟧] * x.itemsize <= IN_PLACE",
        "netlib/kernels/attention.py  …lves >= 4 else 2 if halves >= ⟦2 → 3⟧ else 1) * half",
        "netlib/kernels/attention.py  …ocks, max(1, BLOCK // (length ⟦* → /⟧ q.itemsize) // ROWS)) * ROWS",
        "netlib/kernels/attention.py  …t_once = min(n_blocks, max(1, ⟦BLOCK // (length * q.itemsize) → length * q.itemsize // BLOCK⟧ // ROWS)) * ROWS",  # noqa: E501
        "netlib/kernels/attention.py  …t_once = min(n_blocks, max(1, ⟦BLOCK // (length * q.itemsize)… → -(BLOCK // (length * q.itemsiz…⟧)) * ROWS",  # noqa: E501
        "netlib/kernels/convolution.py  BLOCK = ⟦1 → 2⟧ << 22",
        "netlib/kernels/convolution.py  if kernel[2] * x.shape[4] ⟦< → <=⟧ positions[2]:",
        "netlib/kernels/convolution.py  if kernel[2] * x.shape[4] ⟦< → >=⟧ positions[2]:",
        "netlib/kernels/convolution.py  if ⟦kernel[2] * x.shape[4] → -(kernel[2] * x.shape[4])⟧ < positions[2]:",
        "netlib/kernels/convolution.py  in_sample = ⟦n_places * channels * math.pro… → (n_places * channels + math.pr…⟧ * x.itemsize",
        "netlib/kernels/convolution.py  in_sample = ⟦n_places * channels → (n_places + channels)⟧ * math.prod(geometry[4].tolis…",
        "netlib/kernels/convolution.py  n = max(1, BLOCK ⟦// → *⟧ in_sample)",
        "netlib/kernels/convolution.py  n = max(1, ⟦BLOCK // in_sample → -(BLOCK // in_sample)⟧)",
        "netlib/kernels/convolution.py  n = max(⟦1 → 2⟧, BLOCK // in_sample)",
        "netlib/kernels/convolution.py  reach = (geometry[4, axis] ⟦- → +⟧ 1) * geometry[1, axis] + geom…",
        "netlib/kernels/convolution.py  …2, axis] * (geometry[0, axis] ⟦- → +⟧ 1) + 1",
        "netlib/kernels/exponentials.py  coarse = np.floor(a * 65536.0 ⟦+ → -⟧ 0.5) * (1 / 65536)",
        "netlib/kernels/exponentials.py  coarse = np.floor(a * F4(128) ⟦+ → -⟧ F4(0.5)) * F4(1 / 128)",
        "netlib/kernels/exponentials.py  coarse = np.floor(a * ⟦ → -⟧65536.0 + 0.5) * (1 / 65536)",
        "netlib/kernels/exponentials.py  coarse = np.floor(a * ⟦65536.0 → 65537.0⟧ + 0.5) * (1 / 65536)",
        "netlib/kernels/exponentials.py  coarse = np.floor(⟦a * 65536.0 + 0.5 → -(a * 65536.0 + 0.5)⟧) * (1 / 65536)",
        "netlib/kernels/exponentials.py  coarse = np.floor(⟦a * F4(128) + F4(0.5) → -(a * F4(128) + F4(0.5))⟧) * F4(1 / 128)",
        "netlib/kernels/exponentials.py  coarse = ⟦np.floor(a * 65536.0 + 0.5) * … → -(np.floor(a * 65536.0 + 0.5) …⟧",
        "netlib/kernels/exponentials.py  coarse = ⟦np.floor(a * F4(128) + F4(0.5)… → -(np.floor(a * F4(128) + F4(0.…⟧",
        "netlib/kernels/exponentials.py  p = F4(1 / ⟦5040 → 5041⟧)",
        "netlib/kernels/exponentials.py  p = F4(⟦1 → 2⟧ / 5040)",
        "netlib/kernels/exponentials.py  p = p * r + F4(1 / ⟦720 → 721⟧)",
        "netlib/kernels/exponentials.py  …/ factorial(n) for n in range(⟦14 → 15⟧)))",
        "netlib/kernels/exponentials.py  …arse = np.floor(a * 65536.0 + ⟦ → -⟧0.5) * (1 / 65536)",
        "netlib/kernels/exponentials.py  …arse = np.floor(a * 65536.0 + ⟦0.5 → 1.5⟧) * (1 / 65536)",
        "netlib/kernels/exponentials.py  …e = np.floor(a * F4(128) + F4(⟦ → -⟧0.5)) * F4(1 / 128)",
        "netlib/kernels/exponentials.py  …e = np.floor(a * F4(128) + F4(⟦0.5 → 1.5⟧)) * F4(1 / 128)",
        "netlib/kernels/exponentials.py  …r(a * F4(128) + F4(0.5)) * F4(⟦1 / 128 → -(1 / 128)⟧)",
        "netlib/kernels/fused/fusion.py  uses_all_cores: bool = ⟦False → True⟧",
        "netlib/kernels/fused/positions.py  …infer, _prepare, keeps_inputs=⟦False → True⟧, passes_dout_on=True, separat…",
        "netlib/kernels/fused/relu.py  …infer, _prepare, keeps_inputs=⟦False → True⟧, layout='any')",
        "netlib/kernels/max_pooling.py  ….empty((n, kernel[0] * kernel[⟦1 → 2⟧] * kernel[2]), np.int32), np.…",
        "netlib/kernels/max_pooling.py  …counts = (np.empty((n, kernel[⟦0 → 1⟧] * kernel[1] * kernel[2]), np…",
        "netlib/kernels/max_pooling.py  …ixels, counts = (np.empty((n, ⟦kernel[0] * kernel[1] → (kernel[0] + kernel[1])⟧ * kernel[2]), np.int32), np.z…",  # noqa: E501
        "netlib/kernels/normalization.py  size = max(1, 4096 // max(⟦1 → 2⟧, columns))",
        "netlib/kernels/normalization.py  size = max(1, 4096 // ⟦max → min⟧(1, columns))",
        "netlib/kernels/normalization.py  size = max(1, 4096 ⟦// → *⟧ max(1, columns))",
        "netlib/kernels/normalization.py  size = max(1, ⟦4096 // max(1, columns) → -(4096 // max(1, columns))⟧)",
        "netlib/kernels/normalization.py  size = max(1, ⟦4096 // max(1, columns) → max(1, columns) // 4096⟧)",
        "netlib/kernels/normalization.py  size = max(1, ⟦4096 → 4097⟧ // max(1, columns))",
        "netlib/kernels/normalization.py  size = max(⟦1 → 2⟧, 4096 // max(1, columns))",
        "netlib/kernels/recurrent.py  LINE = ⟦16 → 17⟧",
        "netlib/kernels/softmax_cross_entropy.py  in_fours = columns // ⟦4 → 5⟧ * 4",
        "netlib/kernels/softmax_cross_entropy.py  in_fours = ⟦columns // 4 * 4 → -(columns // 4 * 4)⟧",
        "netlib/training/metrics/classification.py  hits, n_predicted, n_true = (⟦each.sum → each.mean⟧(keepdims=True) for each in (h…",
        "netlib/training/metrics/ranking.py  …oat(np.average(areas, weights=⟦true.sum → true.mean⟧(axis=0) if average == 'weight…",
        "netlib/containers/planning.py  …, op.n_outputs = ((), target, ⟦1 → 2⟧)",
        "netlib/layers/interpolation.py  …m) + 0.5) / scale - 0.5, 0, n ⟦- → +⟧ 1)",  # beyond the last, both pixels are the last
    ],
    "Nobody reads the number: it is overwritten, limited, refused or multiplied by 0 afterwards": [
        "netlib/kernels/fused/add.py  run_parts(lambda part, _: ⟦ → -⟧np.add(a[part], b[part], out=y…",
        "netlib/training/ranks.py  … is_mean: bool, is_last: bool=⟦True → False⟧, stops: bool=False) -> Agreed…",
        "netlib/training/ranks.py  …_last: bool=True, stops: bool=⟦False → True⟧) -> Agreed:",
        "netlib/training/ranks.py  …_total(lambda sums: self.size ⟦* → +⟧ sums) if self._sync else null…",
        "netlib/training/ranks.py  …eturn with_total(lambda sums: ⟦self.size * sums → -(self.size * sums)⟧) if self._sync else nullconte…",
        "netlib/training/reading.py  stand_ins = [⟦ → -⟧np.broadcast_to(np.float32(0),…",
        "netlib/training/reading.py  …= [np.broadcast_to(np.float32(⟦0 → 1⟧), a.shape) if is_on_disk(a) e…",
        "netlib/kernels/fused/recurrent.py  self.dh = ⟦np.zeros → np.ones⟧((n, padded_width(self.m, dtyp…",
        "netlib/kernels/fused/recurrent.py  …(n)] * n_states), (dtype,) * (⟦1 → 2⟧ + n_states))",
        "netlib/kernels/fused/convolution.py  …layer, x.shape), np.empty((0, ⟦3 → 4⟧), np.int64))",
        "netlib/kernels/fused/convolution.py  …ry(layer, x.shape), np.empty((⟦0 → 1⟧, 3), np.int64))",
        "netlib/kernels/fused/convolution.py  …lf.y if len(layers) > 1 else (⟦0 → 1⟧, 0, 0)",
        "netlib/kernels/fused/convolution.py  …y if len(layers) > 1 else (0, ⟦0 → 1⟧, 0)",
        "netlib/kernels/fused/convolution.py  …f len(layers) > 1 else (0, 0, ⟦0 → 1⟧)",
        "netlib/kernels/fused/convolution.py  self.winners: Shape = (⟦0 → 1⟧, 0, 0)",
        "netlib/kernels/fused/convolution.py  self.winners: Shape = (0, ⟦0 → 1⟧, 0)",
        "netlib/kernels/fused/convolution.py  self.winners: Shape = (0, 0, ⟦0 → 1⟧)",
        "netlib/kernels/fused/attention.py  …f.in_mask, self.mask_steps = (⟦np.zeros → np.ones⟧((n, self.heads), np.int64), n…",
        "netlib/kernels/fused/attention.py  …s((n, self.heads), np.int64), ⟦np.zeros → np.ones⟧(2, np.int64))",
        "netlib/kernels/fused/attention.py  … p = (np.empty(shape, dtype), ⟦np.zeros → np.ones⟧((1, 1, *sizes.p[2:]), dtype))",
        "netlib/kernels/fused/geometry.py  fillers = [1, ⟦1 → 2⟧, 1, 0, 1]",
        "netlib/kernels/fused/geometry.py  fillers = [1, 1, ⟦1 → 2⟧, 0, 1]",
        "netlib/containers/plan.py  self.uses_all_cores = ⟦False → True⟧",
        "netlib/containers/plan.py  …0] if len(sources) == 1 else -⟦1 → 2⟧",
        "netlib/containers/memory.py  self.users = ⟦0 → 1⟧",
        "netlib/layers/matmul.py  …olumn(b)', 'column(dy)', (*b, ⟦1 → 2⟧), (*output, 1))",
        "netlib/layers/matmul.py  …lumn(dy)', (*b, 1), (*output, ⟦1 → 2⟧))",
        "netlib/optimizers/clipping.py  …rad in grads if grad.size] or ⟦0.0 → 1.0⟧))",
        "netlib/optimizers/flat.py  …ads = (np.empty(size, dtype), ⟦np.zeros → np.ones⟧(size, dtype))",
        "netlib/optimizers/optimizer.py  …s_count(settings.pop('steps', ⟦0 → 1⟧), 'steps')",
        "netlib/optimizers/optimizer.py  …s_count(selected.pop('steps', ⟦0 → 1⟧), f'{path}: steps')",
        "netlib/optimizers/optimizer.py  twin = type(self)(Parameter(⟦0.0 → 1.0⟧), lr=self._lr if lr is None e…",
        "netlib/optimizers/schedules.py  …(end - top) if end > top else ⟦1 → 2⟧",
        "netlib/layers/sliding_kernel.py  if in_channels % groups or ⟦out_channels % groups → -(out_channels % groups)⟧:",
        "netlib/layers/windows.py  ….ogrid[:shape[0], :shape[1], :⟦1 → 2⟧]",
        "netlib/layers/sliding_kernel.py  if ⟦in_channels % groups → -(in_channels % groups)⟧ or out_channels % groups:",
        "netlib/layers/ids.py  …ro(np.diff(in_order, prepend=-⟦1 → 2⟧))",  # ids are at least 0
        "netlib/layers/broadcast_to.py  own = (-⟦1 → 2⟧,) * (len(self.shape) - x.ndim…",
        "netlib/layers/norm.py  …largest < math.inf), largest, ⟦1 → 2⟧).astype(x.dtype)",
        "netlib/layers/norm.py  …x) * (size / np.where(y == 0, ⟦1 → 2⟧, y).astype(x.dtype)) ** (self…",
        "netlib/layers/log_sum_exp.py  …re = e / np.where(total == 0, ⟦1 → 2⟧, total).astype(total.dtype)",
        "netlib/losses/cosine_embedding.py  …p.where(largest > 0, largest, ⟦1 → 2⟧)",
        "netlib/training/csv_log.py  self._has_begun = ⟦False → True⟧",
        "netlib/losses/loss.py  n = ⟦1 → 2⟧",  # zeros are divided by it
        "netlib/training/measuring.py  CHUNK = ⟦4096 → 4097⟧",
        "netlib/optimizers/lbfgs.py  …direction = (_joined(values), ⟦np.zeros → np.ones⟧(0))",
        "netlib/training/learning_rates.py  self._steps = ⟦0 → 1⟧",
        "netlib/training/weight_average.py  self._steps = ⟦0 → 1⟧",
        "netlib/training/time_limit.py  self._start = ⟦0.0 → 1.0⟧",
        "netlib/training/time_limit.py  self._has_stopped = ⟦False → True⟧",
        "netlib/losses/cosine_embedding.py  … np.where(length > 0, length, ⟦1 → 2⟧), length * largest)",
        "netlib/losses/cosine_embedding.py  …v) / np.where(known, length2, ⟦1 → 2⟧))",
        "netlib/losses/cosine_embedding.py  …n slope * (v - c * u) / np.where(known, length1, ⟦1 → 2⟧), s…",
        "netlib/optimizers/lbfgs.py  …ction) if direction.size else ⟦0.0 → 1.0⟧",
        "netlib/layers/log_sum_exp.py  largest[np.isinf(largest)] = ⟦0 → 1⟧",  # infinity less a number
        "netlib/containers/graph.py  node = cls(name, np.empty(⟦0 → 1⟧))",
        "netlib/kernels/attention.py  scores.starts[t] = end if t ⟦< → <=⟧ last else scores.starts[last …",
        "netlib/kernels/attention.py  …s[t // ROWS] if t < last else ⟦0 → 1⟧",
        "netlib/kernels/convolution.py  …), (sd * plane, sh * line, 0, ⟦0 → 1⟧), 1)",
        "netlib/kernels/convolution.py  …* channels * width, x.dtype), ⟦np.zeros → np.ones⟧(width, x.dtype))",
        "netlib/kernels/convolution.py  …], outputs[p * n_outputs:(p + ⟦1 → 2⟧) * n_outputs], positive, m, p…",
        "netlib/kernels/exponentials.py  bits = np.float32(⟦k + F4(12582912) → -(k + F4(12582912))⟧).view(np.int32)",
        "netlib/kernels/exponentials.py  bits = np.float64(⟦k + 6755399441055744.0 → -(k + 6755399441055744.0)⟧).view(np.int64)",
        "netlib/kernels/max_pooling.py  winners[...] = ⟦0 → 1⟧",
        "netlib/kernels/recurrent.py  dbias_rz, dbias_n = (dbias[:⟦2 → 3⟧ * m], dbias[2 * m:])",
        "netlib/kernels/recurrent.py  result = ⟦np.zeros → np.ones⟧(width, row.dtype)",
        "netlib/kernels/recurrent.py  … 2 * m:3 * m], gates[r, 3 * m:⟦4 → 5⟧ * m])",
        "netlib/kernels/recurrent.py  …(gates[row, :m], gates[row, m:⟦2 → 3⟧ * m], gates[row, 2 * m:3 * m]…",
        "netlib/kernels/recurrent.py  …, da[r, m:2 * m], da[r, 2 * m:⟦3 → 4⟧ * m], da[r, 3 * m:])",
        "netlib/kernels/recurrent.py  …g, da_o = (da[r, :m], da[r, m:⟦2 * m → -(2 * m)⟧], da[r, 2 * m:3 * m], da[r, 3…",
        "netlib/kernels/recurrent.py  …g, da_o = (da[r, :m], da[r, m:⟦2 → 3⟧ * m], da[r, 2 * m:3 * m], da[…",
        "netlib/kernels/recurrent.py  …o = (gates[r, :m], gates[r, m:⟦2 * m → -(2 * m)⟧], gates[r, 2 * m:3 * m], gate…",
        "netlib/kernels/recurrent.py  …o = (gates[r, :m], gates[r, m:⟦2 → 3⟧ * m], gates[r, 2 * m:3 * m], …",
        "netlib/kernels/recurrent.py  …r, :m], da[r, m:2 * m], da[r, ⟦2 * m → -(2 * m)⟧:3 * m], da[r, 3 * m:])",
        "netlib/kernels/recurrent.py  …row = (du[row, :m], du[row, m:⟦2 → 3⟧ * m], du[row, 2 * m:], du[row…",
        "netlib/kernels/recurrent.py  …s[r, m:2 * m], gates[r, 2 * m:⟦3 → 4⟧ * m], gates[r, 3 * m:4 * m])",
        "netlib/kernels/recurrent.py  …u[row, m:2 * m], u[row, 2 * m:⟦3 → 4⟧ * m])",
        "netlib/kernels/recurrent.py  …w, m:2 * m], gates[row, 2 * m:⟦3 → 4⟧ * m])",
        "netlib/kernels/recurrent.py  …w_u_n = (u[row, :m], u[row, m:⟦2 → 3⟧ * m], u[row, 2 * m:3 * m])",
        "netlib/kernels/convolution.py  … sh * dline, sw * width_of_x, ⟦0 → 1⟧), ROWS)",
        "netlib/kernels/fused/convolution.py  …ositive, winners = (np.empty((⟦0 → 1⟧, 0, 0), np.bool_), np.empty(s…",
        "netlib/kernels/fused/convolution.py  …tive, winners = (np.empty((0, ⟦0 → 1⟧, 0), np.bool_), np.empty(size…",
        "netlib/kernels/fused/convolution.py  …e, winners = (np.empty((0, 0, ⟦0 → 1⟧), np.bool_), np.empty(sizes.w…",
        "netlib/training/metrics/ranking.py  … = as_labels_of_columns(y, t, ⟦0 → 1⟧, where)",  # a threshold, and only the targets are used
        "netlib/training/metrics/ranking.py  true = as_classes(y, t, ⟦0 → 1⟧, where).true.reshape(-1, 1) =…",
        "netlib/training/metrics/ranking.py  … n_classes = as_classes(y, t, ⟦0 → 1⟧ if is_one_column(y) else None…",
        "netlib/training/metrics/regression.py  …ed / np.where(varying, total, ⟦1 → 2⟧), unexplained == 0)",
        "netlib/training/metrics/streams.py  self.state: list[Any] = [0, ⟦0.0 → 1.0⟧, 0.0, 0.0]",  # the mean of no samples
        # of no samples
        "netlib/layers/batch_statistics.py  …ar(axis=axes)) if x.size else ⟦np.zeros → np.ones⟧((2, self.channels), x.dtype)",
        "netlib/layers/batch_statistics.py  …y = sums[:-1] / max(sums[-1], ⟦1 → 2⟧)",  # a batch of one number is refused
        "netlib/layers/batch_statistics.py  …wn - whole))) / max(sums[-1], ⟦1 → 2⟧)",
    ],
    "A second look at what holds already: equal lengths, equal types, a bias that is there": [
        "netlib/containers/container.py  if program is not None ⟦and → or⟧ run is not None:",
        "netlib/kernels/fused/attention.py  …tion.evaluates)) or in_use(xs[⟦0 → 1⟧].dtype, 'attention') != 'numb…",
        "netlib/kernels/fused/attention.py  …ype or (xs[2].dtype is not xs[⟦0 → 1⟧].dtype):",
        "netlib/optimizers/lbfgs.py  …pe, gradient), rate) if slope ⟦< → <=⟧ 0 else None",  # H is positive definite, but for rounding
        "netlib/optimizers/lbfgs.py  …, gradient), rate) if slope < ⟦0 → 1⟧ else None",
        "netlib/optimizers/lbfgs.py  if s @ y <= ⟦np.finfo(np.float64).eps * (y … → -(np.finfo(np.float64).eps * (…⟧:",
        "netlib/optimizers/line_search.py  d2 = sqrt(square) if b.step ⟦> → >=⟧ a.step else -sqrt(square)",
        "netlib/optimizers/line_search.py  …ne else high.step - low.step) ⟦>= → >⟧ 0:",  # a slope of 0 has ended the search
        "netlib/losses/cosine_embedding.py  excess = np.where(t ⟦> → >=⟧ 0, 1 - c, c - self.margin)",  # t is -1 or 1
        "netlib/losses/cosine_embedding.py  return (np.where(t ⟦> → >=⟧ 0, excess, np.maximum(excess,…",
        "netlib/losses/cosine_embedding.py  t = 'column(t)' if inputs[⟦0 → 1⟧][:-1] else 't'",
        "netlib/layers/affine.py  if layer.bias is not None ⟦and → or⟧ bias is not None:",
        "netlib/kernels/fused/add.py  …dtype is xs[1].dtype) and (xs[⟦0 → 1⟧].dtype.kind == 'f')",
    ],
    "Only a plan with compiled kernels meets it, which this test switches off": [
        "netlib/containers/division.py  has_one_output = ⟦all → any⟧((step.n_outputs == 1 and step…",
        "netlib/containers/division.py  return has_one_output and ⟦all → any⟧((spec.shape[:1] == (n_samples…",
        "netlib/containers/division.py  return has_one_output ⟦and → or⟧ all((spec.shape[:1] == (n_sam…",
        "netlib/containers/division.py  …etattr(layer, 'dropout', 0) > ⟦0 → 1⟧",
        "netlib/containers/division.py  …ut = all((step.n_outputs == 1 ⟦and step.sources and → or step.sources or⟧ (not _draws(step.layer)) for …",  # noqa: E501
    ],
    "Where the exponential takes its limit, it has it already, but for a subnormal number": [
        "netlib/kernels/exponentials.py  a = min(size, F4(⟦13 → 14⟧))",
        "netlib/kernels/exponentials.py  a = min(size, ⟦37.5 → 38.5⟧)",
        "netlib/kernels/exponentials.py  e = 0.0 if size ⟦> → >=⟧ 37.5 else e",
        "netlib/kernels/exponentials.py  e = F4(0) if size ⟦> → >=⟧ F4(13) else e",
        "netlib/kernels/exponentials.py  return 0.0 if x < -⟦708.0 → 709.0⟧ else np.inf if x > 709.0 else…",
        "netlib/kernels/exponentials.py  return 0.0 if x ⟦< → <=⟧ -708.0 else np.inf if x > 709…",
        "netlib/kernels/exponentials.py  return F4(0) if x < F4(-⟦87 → 88⟧) else F4(np.inf) if x > F4(88…",
        "netlib/kernels/exponentials.py  return F4(0) if x ⟦< → <=⟧ F4(-87) else F4(np.inf) if x …",
        "netlib/kernels/exponentials.py  x = min(max(x, -19.1), ⟦19.1 → 20.1⟧)",
        "netlib/kernels/exponentials.py  x = min(max(x, -⟦19.1 → 20.1⟧), 19.1)",
        "netlib/kernels/exponentials.py  x = min(max(x, F4(-9.1)), F4(⟦9.1 → 10.1⟧))",
        "netlib/kernels/exponentials.py  x = min(max(x, F4(-⟦9.1 → 10.1⟧)), F4(9.1))",
    ],
    "Done once, when the module is imported, before this test changes it": [
        "netlib/kernels/fused/fusion.py  needs_scratch: bool = ⟦False → True⟧",
        "netlib/kernels/fused/fusion.py  passes_dout_on: bool = ⟦False → True⟧",
        "netlib/kernels/threads.py  if ⟦ → not ⟧hasattr(os, 'register_at_fork'…",
        "netlib/kernels/__init__.py  _is_loaded = ⟦False → True⟧",
    ],
    "No running mean has a length of exactly 5": [
        "netlib/optimizers/radam.py  if length ⟦> → >=⟧ 5:",
    ],
    "Only a job of MPI meets it, which tests/mpi starts in processes without the change": [
        "netlib/training/ranks.py  …m) if communicator.Get_size() ⟦> → >=⟧ 1 else Alone()",
        "netlib/training/ranks.py  …m) if communicator.Get_size() ⟦> → <=⟧ 1 else Alone()",
        "netlib/training/ranks.py  … if communicator.Get_size() > ⟦1 → 2⟧ else Alone()",
        "netlib/training/trainer.py  …equested or self.ranks.size > ⟦1 → 2⟧:",
        "netlib/training/resuming.py  …= (ranks.size if ranks.size > ⟦1 → 2⟧ else 0):",
    ],
    "The warning is said to come from netlib's own files, whichever of them": [
        "netlib/kernels/__init__.py  …e, RuntimeWarning, stacklevel=⟦4 → 5⟧)",
    ],
}
"""The survivors that are no gap: why, and which."""


class Mutant(NamedTuple):
    """A file with one change."""

    file: str
    line: int
    change: str
    code: CodeType
    function: int = 0
    """The first line of the function that it changes; 0 outside of functions."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}  {self.change}"


Put = Callable[[ast.AST], None]

SWAPPED = {
    ast.Add: [ast.Sub, ast.Mult], ast.Sub: [ast.Add], ast.Mult: [ast.Div, ast.Add], ast.Div: [ast.Mult], ast.FloorDiv: [ast.Div, ast.Mult],
    ast.Mod: [ast.FloorDiv], ast.Pow: [ast.Mult], ast.MatMult: [ast.Mult], ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd],
    ast.And: [ast.Or], ast.Or: [ast.And],
    ast.Lt: [ast.LtE, ast.GtE], ast.LtE: [ast.Lt, ast.Gt], ast.Gt: [ast.GtE, ast.LtE], ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is], ast.In: [ast.NotIn], ast.NotIn: [ast.In],
}  # fmt: skip
RENAMED = {"sum": ["mean"], "mean": ["sum"], "max": ["min"], "min": ["max"], "all": ["any"], "any": ["all"]}
RENAMED_IN_NUMPY = RENAMED | {
    "maximum": ["minimum"], "minimum": ["maximum"], "add": ["subtract"], "subtract": ["add"],
    "multiply": ["divide"], "divide": ["multiply"], "prod": ["sum"],
    "greater": ["greater_equal", "less_equal"], "exp": ["expm1"], "expm1": ["exp"], "log": ["log1p"], "log1p": ["log"],
    "sqrt": ["square"], "square": ["sqrt"], "abs": ["positive"], "sign": ["positive"], "negative": ["positive"], "trunc": ["positive"],
    "ones": ["zeros"], "zeros": ["ones"],
}  # fmt: skip
NOT_COMMUTATIVE = (ast.Sub, ast.Div, ast.FloorDiv, ast.Pow, ast.MatMult)
IN_ORDER = {"divide": (0, 1), "subtract": (0, 1), "where": (1, 2), "clip": (1, 2)}
PRODUCTS = {"dot", "matmul", "add_grad_product"}
SIGNED = set(RENAMED_IN_NUMPY) - {"all", "any", "greater", "zeros"} | {
    "array", "broadcast_to", "clip", "copy", "cos", "dot", "erfc", "full", "polyval", "reshape", "sigmoid", "take", "transpose",
    "unbroadcast", "where", "with_rows_of", "_between", "_ratio", "_tail",
}  # fmt: skip


def changed(node: ast.AST, **fields: object) -> ast.AST:
    """Return a copy of a node with other fields."""
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def exchanged(items: list, i: int, j: int) -> list:
    """Return a list with two of its items in each other's place."""
    return [items[j] if k == i else items[i] if k == j else item for k, item in enumerate(items)]


def replaced(items: list, i: int, item: object) -> list:
    """Return a list with another item in one place."""
    return [*items[:i], item, *items[i + 1 :]]


def called(node: ast.AST) -> str:
    """Return the last name of what a call calls."""
    return getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""


def replacements(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST]:
    """Yield what stands wrongly in the place of a node."""
    minus = partial(ast.UnaryOp, ast.USub())
    match node:
        case ast.BinOp() | ast.AugAssign():
            yield from (changed(node, op=op()) for op in SWAPPED.get(type(node.op), ()))
            if isinstance(node, ast.BinOp) and isinstance(node.op, NOT_COMMUTATIVE):
                yield changed(node, left=node.right, right=node.left)
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
                yield from (changed(node, **{side: turned(getattr(node, side))}) for side in ("left", "right"))
        case ast.BoolOp():
            yield changed(node, op=SWAPPED[type(node.op)][0]())
        case ast.Compare(ops=ops):
            first = 1 if is_larger_or_smaller(parent) else 0  # of equal numbers, either may be taken
            yield from (changed(node, ops=replaced(ops, i, new())) for i, op in enumerate(ops) for new in SWAPPED[type(op)][first:])
        case ast.UnaryOp():
            yield node.operand
        case ast.Constant(value=bool()):
            yield changed(node, value=not node.value)
        case ast.Constant(value=int() | float()):
            yield changed(node, value=node.value + 1)
            if isinstance(node.value, float) and node.value and not isinstance(parent, ast.UnaryOp):
                yield minus(node)
        case ast.Attribute(attr="T"):
            yield node.value
        case ast.Attribute(value=ast.Name(id="np")):
            yield from (changed(node, attr=name) for name in RENAMED_IN_NUMPY.get(node.attr, ()))
        case ast.Attribute():
            yield from (changed(node, attr=name) for name in RENAMED.get(node.attr, ()))
        case ast.Name(id="max" | "min" | "all" | "any"):
            yield changed(node, id=RENAMED[node.id][0])
        case ast.Call(args=args):
            name = called(node)
            if name in ("swapaxes", "transpose"):
                yield node.func.value
            if name in PRODUCTS:
                yield from (changed(node, args=replaced(args, i, turned(arg))) for i, arg in enumerate(args))
            if name in IN_ORDER and len(args) > max(IN_ORDER[name]):
                yield changed(node, args=exchanged(args, *IN_ORDER[name]))
        case ast.keyword(arg="axis"):
            others = [ast.Constant(0), minus(ast.Constant(1))]
            yield from (changed(node, value=other) for other in others if ast.dump(other) != ast.dump(node.value))
        case ast.keyword(arg="keepdims") if not isinstance(node.value, ast.Constant):
            yield changed(node, value=ast.UnaryOp(ast.Not(), node.value))
    if isinstance(node, ast.If | ast.IfExp | ast.While) and isinstance(node.test, ast.Name | ast.Attribute | ast.Call | ast.NamedExpr):
        yield changed(node, test=ast.UnaryOp(ast.Not(), node.test))
    is_part = isinstance(parent, ast.BinOp | ast.UnaryOp | ast.Attribute | ast.Expr)
    if not is_part and (called(node) in SIGNED or (isinstance(node, ast.BinOp) and not isinstance(node.op, ast.BitAnd | ast.BitOr))):
        yield minus(node)


def is_larger_or_smaller(node: ast.AST) -> bool:
    """Return whether a node is ``a if a > b else b``, or the like."""
    if not (isinstance(node, ast.IfExp) and isinstance(node.test, ast.Compare)):
        return False
    return {ast.dump(node.body), ast.dump(node.orelse)} == {ast.dump(node.test.left), ast.dump(node.test.comparators[0])}


def turned(matrix: ast.expr) -> ast.expr:
    """Return a matrix transposed; as it is where it was transposed already."""
    return matrix.value if isinstance(matrix, ast.Attribute) and matrix.attr == "T" else ast.Attribute(matrix, "T", ast.Load())


def names_read(node: ast.AST) -> Iterator[str]:
    """Yield the names that are read, but for those that an error is made of."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id
    if not isinstance(node, ast.Raise):
        for child in ast.iter_child_nodes(node):
            yield from names_read(child)


def is_out_of_reach(node: ast.AST, read: set[str]) -> bool:
    """Return whether a node decides no number: imports, types, messages, checks of lengths."""
    match node:
        case ast.keyword(arg="strict"):
            return True
        case ast.Raise() | ast.JoinedStr() | ast.Import() | ast.ImportFrom() | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(value=ast.BinOp(op=ast.BitOr())):  # the name of a type
            return True
        case ast.Assign(targets=[ast.Name(id=name)]):  # a piece of a message
            return name not in read and not name.startswith("_") and name.islower()
    return called(node) == "isinstance"


def places(parent: ast.AST, statement: ast.AST, read: set[str]) -> Iterator[tuple[ast.AST, ast.AST, ast.AST, Put]]:
    """Yield each node that may be mutated, its parent, its statement, and how to replace it."""
    for field, value in ast.iter_fields(parent):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for i, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or is_out_of_reach(child, read):
                continue
            put = partial(value.__setitem__, i) if isinstance(value, list) else partial(setattr, parent, field)
            own = child if isinstance(child, ast.stmt) else statement
            yield child, parent, own, put
            is_unknown_length = called(parent) == "reshape" and isinstance(child, ast.UnaryOp)  # -1 or any negative number
            if not is_unknown_length and not (isinstance(child, ast.keyword) and child.arg == "axis"):
                yield from places(child, own, set(names_read(child)) if isinstance(child, ast.FunctionDef | ast.ClassDef) else read)


def text_of(statement: ast.AST) -> str:
    """Return a statement on one line; of one with a body, its head."""
    parts = ("body", "orelse", "handlers", "finalbody", "decorator_list")
    head = changed(statement, **{name: [] for name in parts if isinstance(getattr(statement, name, None), list)})
    return " ".join(ast.unparse(head).split())


def marked(was: str, now: str) -> str:
    """Return both texts as one, with the change marked.

    >>> marked("y = a + b", "y = a - b")
    'y = a ⟦+ → -⟧ b'
    """
    a, b = (re.findall(r"[\w.]+|[<>=!*/@%&|]+|.", text) for text in (was, now))
    shorter = min(len(a), len(b))
    front = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    back = next((i for i in range(shorter - front) if a[-1 - i] != b[-1 - i]), shorter - front)
    while any(tokens[front : len(tokens) - back].count("(") > tokens[front : len(tokens) - back].count(")") for tokens in (a, b)):
        back -= 1
    middle = " → ".join(cut("".join(tokens[front : len(tokens) - back])) for tokens in (a, b))
    return f"{cut(''.join(a[:front]), at_the_end=False)}⟦{middle}⟧{cut(''.join(a[len(a) - back :]))}"


def cut(text: str, at_the_end: bool = True, length: int = 30) -> str:
    """Return at most `length` letters of a text, and a sign of what is left out."""
    return text if len(text) <= length else f"{text[:length]}…" if at_the_end else f"…{text[-length:]}"


def mutants_of(file: str, source: str = "") -> list[Mutant]:
    """Return every mutant of a file of the repository, or of another source, each change once."""
    tree = ast.parse(source or (ROOT / file).read_text(encoding="utf-8"))
    found: dict[tuple[int, str], Mutant] = {}
    for node, parent, statement, put in list(places(tree, tree, set(names_read(tree)))):
        was = text_of(statement)
        for new in replacements(node, parent):
            if file in OF_VECTORS and all(isinstance(getattr(each, "op", None), ast.MatMult) for each in (node, new)):
                continue
            ast.copy_location(new, node)
            put(new)
            now = text_of(new if node is statement else statement)
            line = getattr(node, "lineno", None) or getattr(getattr(node, "value", statement), "lineno", statement.lineno)
            code = compile(ast.fix_missing_locations(copy.deepcopy(tree)), str(ROOT / file), "exec")
            if now != was:
                found.setdefault((line, now), Mutant(file, line, marked(was, now), code, function_around(tree, line)))
            put(node)
    return list(found.values())


def function_around(tree: ast.AST, line: int) -> int:
    """Return the first line of the innermost function with a line in its body; 0 if there is none."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.body[0].lineno <= line <= node.end_lineno]
    inner = max(functions, key=lambda node: node.lineno, default=None)
    return min(node.lineno for node in (inner, *inner.decorator_list)) if inner else 0


def unchanged(file: str) -> Mutant:
    """Return the mutant that is none."""
    return Mutant(file, 0, "", compile((ROOT / file).read_text(encoding="utf-8"), str(ROOT / file), "exec"))


def put_in_place(mutant: Mutant) -> None:
    """Give the imported module the code of a mutant, in the function and class objects it has."""
    module = importlib.import_module(mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    other = ModuleType(module.__name__)
    other.__package__ = module.__package__
    exec(mutant.code, vars(other))
    graft(module, other)


def graft(old: object, new: object) -> None:
    """Change `old` into `new`, as far down as it goes."""
    if hasattr(old, "__wrapped__"):  # decorated functions too: their decorator calls the very object inside
        graft(old.__wrapped__, new.__wrapped__)
        if hasattr(old, "cache_clear"):
            old.cache_clear()
    elif isinstance(old, FunctionType):
        old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
    elif isinstance(old, classmethod | staticmethod):
        graft(old.__func__, new.__func__)
    elif isinstance(old, property):
        for part in filter(None, (old.fget, old.fset)):
            graft(part, new.fget if part is old.fget else new.fset)
    elif isinstance(old, type | ModuleType):
        for name, value in vars(new).items():
            if isinstance(value, tuple) and hasattr(value, "_fields"):  # an entry of a table that has it too
                replace_everywhere(vars(old)[name], value._make(map(grafted, vars(old)[name], value)))
            elif isinstance(value, dict) and name.isupper():
                kept = {key: grafted(vars(old)[name].get(key), each) for key, each in value.items()}
                vars(old)[name].clear()
                vars(old)[name].update(kept)
            elif isinstance(value, bool | int | float | tuple):
                setattr(old, name, value)
            elif name in vars(old) and vars(old)[name] is not value:
                graft(vars(old)[name], value)


def grafted(old: object, new: object) -> object:
    """Return `new`; of a function or class the old one with the new code, which sees what tests put into its module."""
    if not isinstance(old, FunctionType | type):
        return new
    graft(old, new)
    return old


def replace_everywhere(old: object, new: object) -> None:
    """Put `new` where a dictionary, of a module or a table, has `old`."""
    gc.unfreeze()  # conftest.py has frozen all, and what is frozen is not found
    for holder in gc.get_referrers(old):
        if isinstance(holder, dict):
            holder.update({key: new for key, value in holder.items() if value is old})


def outcomes(tasks: Iterable[Mutant], run: Callable[[Mutant], bool], jobs: int) -> Iterator[tuple[Mutant, str]]:
    """Yield each mutant and its outcome: `run`, in a process for each, says if all tests pass."""
    running, waiting = {}, iter(tasks)
    while True:
        while len(running) < jobs and (mutant := next(waiting, None)):
            sys.stdout.flush()
            if pid := os.fork():
                running[pid] = mutant
                continue
            silence = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2) if mutant.change else (0, 1):  # what is red without a mutant may say so
                os.dup2(silence, stream)
            allow(SECONDS)
            try:
                os._exit(0 if run(mutant) else 1)
            except Exception:  # of this script: pytest keeps those of the tests to itself
                os._exit(BROKEN)
            finally:
                os._exit(1)
        if not running:
            return
        pid, status = os.wait()
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == BROKEN:
            raise RuntimeError(f"nothing was tried for {running[pid]}: the run itself has broken")
        is_late = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM)
        yield running.pop(pid), "timed out" if is_late else "caught" if status else "survived"


def allow(seconds: float) -> None:
    """Let this process end once it has computed for so long, or waited for very long, from now on."""
    signal.setitimer(signal.ITIMER_PROF, seconds)  # nobody handles these signals
    signal.alarm(10 * SECONDS)


def relevance(nodeid: str, file: str) -> int:
    """Return 0 for tests that name what is in a file, 1 for others about it, 2 for the rest."""
    if not nodeid.startswith(next((tests for place, tests in CONCERNED.items() if file.startswith(place)), ("",))):
        return 2
    stem = Path(file).stem
    named = re.search(SHARED.get(stem, stem.replace("_", "")), nodeid.removeprefix(THE_TABLE).replace("_", ""), re.IGNORECASE)
    return 0 if named else 2 if nodeid.startswith(THE_TABLE) else 1


class Hunt:
    """Part of pytest: run the collected tests for each mutant until one fails, not just once."""

    def __init__(self, mutants: list[Mutant], jobs: int, folder: str) -> None:
        self.mutants, self.jobs = mutants, jobs
        self.calls, self.red = Path(folder, "calls.json"), Path(folder, "red")
        self.found: dict[Mutant, str] = {}

    def pytest_runtestloop(self, session) -> bool:
        if not is_sound(partial(self.watch, session)):
            return True
        calls = json.loads(self.calls.read_text())
        self.red.touch()
        self.found = told(outcomes(self.mutants, partial(self.survives, session, calls), self.jobs))
        return True

    def watch(self, session, mutant: Mutant) -> bool:
        """Write down which functions of the files each test calls, and how long it takes."""
        files = {str(ROOT / mutant.file): mutant.file for mutant in self.mutants}
        calls = {}

        def trace(frame, event, argument) -> None:
            code = frame.f_code
            if code.co_filename in files:
                functions.add((code.co_filename, code.co_firstlineno))

        threading.settrace(trace)
        for file in files.values():
            put_in_place(unchanged(file))  # which must not be noticed
        for item, following in in_turn(session.items):
            functions = set()
            allow(SECONDS)
            began = time.process_time()
            sys.settrace(trace)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            sys.settrace(None)
            if session.testsfailed:
                print(f"red: {item.nodeid}", file=sys.stderr)
                return False
            calls[item.nodeid] = time.process_time() - began, [f"{files[file]}:{line}" for file, line in functions]
        self.calls.write_text(json.dumps(calls))
        return True

    def survives(self, session, calls: dict[str, tuple[float, list[str]]], mutant: Mutant) -> bool:
        """Return whether all tests pass with a mutant in place; write down which one does not."""
        ranks = {item: relevance(item.nodeid, mutant.file) for item in session.items}
        calling = [item for item in session.items if f"{mutant.file}:{mutant.function}" in calls[item.nodeid][1]] or session.items
        caught = Counter(self.red.read_text().splitlines())
        least = 0 if reason_for(mutant) else 2
        chosen = [item for item in calling if ranks[item] <= least]
        chosen.sort(key=lambda item: (ranks[item], calls[item.nodeid][0] / (1 + caught[item.nodeid])))
        try:
            put_in_place(mutant)
        except Exception:  # of the module itself, which cannot even be imported
            return False
        for item, following in in_turn(chosen):
            allow(5 + 10 * calls[item.nodeid][0])
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                with self.red.open("a") as file:
                    file.write(f"{item.nodeid}\n")
                return False
        return True


def in_turn(items: list) -> Iterator[tuple]:
    """Yield each test and the one after it."""
    return zip(items, [*items[1:], None], strict=bool(items))


class InPlace(NamedTuple):
    """Part of pytest: put a mutant in place once the tests have imported everything."""

    mutant: Mutant

    def pytest_collection_finish(self) -> None:
        put_in_place(self.mutant)


def is_sound(run: Callable[[Mutant], bool]) -> bool:
    """Return whether the tests pass with the code unchanged; otherwise they catch everything."""
    return [outcome for _, outcome in outcomes([unchanged(FILES[0])], run, 1)] == ["survived"]


def told(found: Iterable[tuple[Mutant, str]]) -> dict[Mutant, str]:
    """Print what became of each mutant as it comes in; return all."""
    return {mutant: outcome for mutant, outcome in found if print(f"{outcome:9}  {mutant}", flush=True) is None}


def hunt(mutants: list[Mutant], tests: list[str], jobs: int) -> dict[Mutant, str]:
    """Return what became of each mutant."""
    import pytest

    os.chdir(ROOT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell takes from what it runs in the background
    quietly = ["-q", "-q", "-x", "-s", "--tb=no", "--no-summary", "-p", "no:cacheprovider"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"NETLIB_ACCELERATOR": "numpy", "OPENBLAS_NUM_THREADS": "1", "PYTEST_DEBUG_TEMPROOT": folder}
        first = Hunt(mutants, jobs, folder)
        pytest.main([*quietly, *(tests or THE_SUITE)], plugins=[first])
        left = [m for m, outcome in first.found.items() if outcome == "survived" and not reason_for(m)]
        if tests or not left:
            return first.found
        print(f"{len(left)} of them unforeseen: against the rest", flush=True)

        def survives_the_rest(mutant: Mutant) -> bool:
            return pytest.main([*quietly, *THE_REST], plugins=[InPlace(mutant)]) == pytest.ExitCode.OK

        by_the_rest = told(outcomes(left, survives_the_rest, jobs)) if is_sound(survives_the_rest) else {}
        return first.found | by_the_rest


def reason_for(mutant: Mutant) -> str:
    """Return why a mutant may survive; ``""`` where nobody knows."""
    return next((reason for reason, known in KNOWN.items() if f"{mutant.file}  {mutant.change}" in known), "")


def report(found: dict[Mutant, str]) -> int:
    """Print the table and the survivors; return the exit status."""
    if not found:
        print("red without any mutant, or nothing to mutate")
        return 1
    print(f"\n{'':40}{'mutants':>9}{'caught':>9}{'timed out':>11}{'survived':>10}")
    kinds = ("caught", "timed out", "survived")
    count = {file: Counter(outcome for m, outcome in found.items() if m.file == file) for file in dict.fromkeys(m.file for m in found)}
    for file, each in [*count.items(), ("all", sum(count.values(), Counter()))]:
        print(f"{file:40}{each.total():9}" + "".join(f"{each[kind]:{width}}" for kind, width in zip(kinds, (9, 11, 10), strict=True)))
    survivors = [m for m, outcome in found.items() if outcome == "survived"]
    unknown = [m for m in survivors if not reason_for(m)]
    stale = [m for m in found if reason_for(m) and m not in survivors]
    for reason in dict.fromkeys(reason_for(m) for m in survivors):
        print(f"\n{reason or 'A GAP: no test sees the difference'}")
        print(*(f"    {m}" for m in survivors if reason_for(m) == reason), sep="\n")
    if stale:
        print("\nKNOWN, and caught all the same:", *(f"    {m}" for m in stale), sep="\n")
    share = 1 - len(survivors) / len(found)
    print(f"\n{share:.1%} caught; {len(survivors) - len(unknown)} survive for known reasons, {len(unknown)} for none")
    return int(share < 0.95 or bool(unknown or stale))


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=FILES, metavar="FILE[:LINE]", help="files, or single lines of them")
    parser.add_argument("--sample", type=int, metavar="N", help="only N of the mutants, chosen at random")
    parser.add_argument("--seed", type=int, default=0, help="chooses them (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--tests", nargs="+", default=[], metavar="PATH", help="the tests to run, instead of all")
    parser.add_argument("--list", action="store_true", help="name the mutants, and run none")
    chosen = parser.parse_args()
    mutants = [m for file in dict.fromkeys(each.split(":")[0] for each in chosen.only) for m in mutants_of(file)]
    mutants = [m for m in mutants if {m.file, f"{m.file}:{m.line}"} & set(chosen.only)]
    if chosen.sample is not None and chosen.sample < len(mutants):
        mutants = random.Random(chosen.seed).sample(mutants, chosen.sample)
    if chosen.list:
        print(*mutants, f"{len(mutants)} mutants", sep="\n")
        return 0
    began = time.monotonic()
    status = report(hunt(mutants, chosen.tests, chosen.jobs))
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")
    return status


if __name__ == "__main__":
    sys.exit(main())
