"use strict";

/* What the built-in nodes compute, forward and backward, in float64. An array is {shape, data}, its numbers in C order. */

const sizeOf = shape => shape.reduce((n, k) => n * k, 1);

const filled = (shape, at) => ({ shape, data: Float64Array.from({ length: sizeOf(shape) }, (_, i) => at(i)) });

const mapped = (f, x) => filled(x.shape, i => f(x.data[i]));

const reshaped = (x, shape) => ({ shape, data: x.data.slice() });

const stridesOf = shape => shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));

/** For each place of an array of `shape`, the place in one of shape `own` that is broadcast to it. */
function places(own, shape) {
  const strides = stridesOf(own), ahead = shape.length - own.length;
  return filled(shape, i => {
    let place = 0;
    for (let axis = shape.length - 1; axis >= ahead; axis--) {
      const k = i % shape[axis];
      i = (i - k) / shape[axis];
      if (own[axis - ahead] !== 1) place += k * strides[axis - ahead];
    }
    return place;
  }).data;
}

/** `x` copied to every place that broadcasting to `shape` gives it. */
function spread(x, shape) {
  const place = places(x.shape, shape);
  return filled(shape, i => x.data[place[i]]);
}

/** The mirror of `spread`: what stands at the copies of a place, brought together by `f`. */
function gathered(f, begin, x, shape) {
  const y = filled(shape, () => begin), place = places(shape, x.shape);
  x.data.forEach((number, i) => { y.data[place[i]] = f(y.data[place[i]], number); });
  return y;
}

const summed = (x, shape) => gathered((a, b) => a + b, 0, x, shape);

const largest = (x, shape) => gathered(Math.max, -Infinity, x, shape);

/** `f` of the arrays, element by element, broadcast to `shape`. */
function zipped(f, shape, ...xs) {
  const all = xs.map(x => spread(x, shape).data);
  return filled(shape, i => f(...all.map(data => data[i])));
}

function permuted(x, order) {
  const shape = order.map(axis => x.shape[axis]), strides = stridesOf(x.shape), own = stridesOf(shape);
  return filled(shape, i => x.data[order.reduce((place, axis, k) => place + (Math.floor(i / own[k]) % shape[k]) * strides[axis], 0)]);
}

/** `x` with its last two axes exchanged. */
function turned(x) {
  const order = x.shape.map((_, axis) => axis), n = order.length;
  [order[n - 2], order[n - 1]] = [n - 1, n - 2];
  return permuted(x, order);
}

/** a @ b for arrays of two axes and more, the leading ones broadcast to `batch`. */
function product(a, b, batch) {
  const [rows, inner] = a.shape.slice(-2), columns = b.shape.at(-1);
  const left = spread(a, [...batch, rows, inner]).data, right = spread(b, [...batch, inner, columns]).data;
  return filled([...batch, rows, columns], i => {
    const column = i % columns, row = (i - column) / columns, first = Math.floor(row / rows) * inner;
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += left[row * inner + k] * right[(first + k) * columns + column];
    return sum;
  });
}

const asAxis = (axis, n) => (axis < 0 ? axis + n : axis);

/** The shape of `x` with 1 for each axis that `axis` names: a number, several, or null for all. */
const kept = (x, axis) => {
  const axes = axis === null ? null : [axis].flat().map(each => asAxis(each, x.shape.length));
  return x.shape.map((n, i) => (axes === null || axes.includes(i) ? 1 : n));
};

const sigmoid = x => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

const softplus = x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/* 1 - erf(x): W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23, 1969. */
const CODY = {
  near: [
    [1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3],
    [1, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3],
  ],
  middle: [
    [2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1, 2.98635138197400131e2,
      8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3],
    [1, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3, 3.29079923573345963e3,
      4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3],
  ],
  far: [
    [1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1, 1.60837851487422766e-2,
      6.58749161529837803e-4],
    [1, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3],
  ],
};

function erfc(x) {
  const size = Math.abs(x);
  const ratio = (name, z) => { const [above, below] = CODY[name].map(c => c.reduce((sum, k) => sum * z + k, 0)); return above / below; };
  if (size <= 0.46875) return 1 - x * ratio("near", x * x);
  const inverse = 1 / (size * size);
  const scaled = size <= 4 ? ratio("middle", size) : (Math.sqrt(1 / Math.PI) - inverse * ratio("far", inverse)) / size;
  const tail = Math.exp(-size * size) * scaled;
  return x < 0 ? 2 - tail : tail;
}

const normal = x => erfc(-x * Math.SQRT1_2) / 2;

const density = x => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);

/* A node is {forward(inputs, options) -> y, backward(dout, inputs, y, options) -> [gradients]}; options.shape is y's shape. */

/** Of inputs that broadcast: `slopes` are the derivatives by each. */
const elementwise = (f, ...slopes) => ({
  forward: (inputs, { shape }) => zipped(f, shape, ...inputs),
  backward: (dout, inputs) =>
    inputs.map((x, i) => summed(zipped((d, ...all) => d * slopes[i](...all), dout.shape, dout, ...inputs), x.shape)),
});

/** Of one input: `slope` is the derivative, from x and y. */
const activation = (f, slope) => ({
  forward: ([x], options) => mapped(each => f(each, options), x),
  backward: (dout, [x], y, options) => [filled(x.shape, i => dout.data[i] * slope(x.data[i], y.data[i], options))],
});

const mover = (there, back) => ({
  forward: ([x], options) => there(x, options),
  backward: (dout, [x], y, options) => [back(dout, x, options)],
});

const add = {
  forward: (inputs, { shape }) => zipped((...all) => all.reduce((a, b) => a + b), shape, ...inputs),
  backward: (dout, inputs) => inputs.map(x => summed(dout, x.shape)),
};

const matmul = {
  matrices: ([a, b]) => [
    a.shape.length === 1 ? reshaped(a, [1, ...a.shape]) : a,
    b.shape.length === 1 ? reshaped(b, [...b.shape, 1]) : b,
  ],
  batch: (inputs, shape) => shape.slice(0, Math.max(...inputs.map(x => x.shape.length), 2) - 2),
  forward(inputs, { shape }) {
    const [row, column] = this.matrices(inputs);
    return reshaped(product(row, column, this.batch(inputs, shape)), shape);
  },
  backward(dout, inputs) {
    const [row, column] = this.matrices(inputs), batch = this.batch(inputs, dout.shape);
    const d = reshaped(dout, [...batch, row.shape.at(-2), column.shape.at(-1)]);
    return [
      reshaped(summed(product(d, turned(column), batch), row.shape), inputs[0].shape),
      reshaped(summed(product(turned(row), d, batch), column.shape), inputs[1].shape),
    ];
  },
};

const asRows = x => reshaped(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)]);

const affine = {
  forward([x, weight, bias], { shape }) {
    const y = reshaped(product(asRows(x), weight, []), shape);
    return bias ? zipped((a, b) => a + b, shape, y, bias) : y;
  },
  backward(dout, [x, weight, bias]) {
    const d = asRows(dout);
    const gradients = [reshaped(product(d, turned(weight), []), x.shape), product(turned(asRows(x)), d, [])];
    return bias ? [...gradients, summed(dout, bias.shape)] : gradients;
  },
};

const softmax = {
  forward([x], { axis }) {
    const along = kept(x, axis), raised = zipped((a, top) => Math.exp(a - top), x.shape, x, largest(x, along));
    return zipped((a, sum) => a / sum, x.shape, raised, summed(raised, along));
  },
  backward(dout, [x], y, { axis }) {
    const sums = summed(zipped((d, p) => d * p, y.shape, dout, y), kept(x, axis));
    return [zipped((d, p, sum) => p * (d - sum), y.shape, dout, y, sums)];
  },
};

const logSoftmax = {
  forward([x], { axis }) {
    const along = kept(x, axis), below = zipped((a, top) => a - top, x.shape, x, largest(x, along));
    return zipped((a, sum) => a - Math.log(sum), x.shape, below, summed(mapped(Math.exp, below), along));
  },
  backward: (dout, [x], y, { axis }) => [zipped((d, log, sum) => d - Math.exp(log) * sum, y.shape, dout, y, summed(dout, kept(x, axis)))],
};

const sum = mover(
  (x, { axis, shape }) => reshaped(summed(x, kept(x, axis)), shape),
  (dout, x, { axis }) => spread(reshaped(dout, kept(x, axis)), x.shape),
);

const mean = mover(
  (x, options) => mapped(total => total * sizeOf(options.shape) / sizeOf(x.shape), sum.forward([x], options)),
  (dout, x, options) => mapped(d => d * sizeOf(options.shape) / sizeOf(x.shape), sum.backward(dout, [x], null, options)[0]),
);

const reshape = mover((x, { shape }) => reshaped(x, shape), (dout, x) => reshaped(dout, x.shape));

const orderOf = (x, axes) => (axes === null ? x.shape.map((_, i) => x.shape.length - 1 - i) : axes.map(axis => asAxis(axis, x.shape.length)));

const transpose = mover(
  (x, { axes }) => permuted(x, orderOf(x, axes)),
  (dout, x, { axes }) => permuted(dout, x.shape.map((_, i) => orderOf(x, axes).indexOf(i))),
);

/** Every input's places in the whole, in the order of their own numbers. */
function pieces(inputs, axis, shape) {
  let begin = 0;
  const at = asAxis(axis, shape.length), inner = sizeOf(shape.slice(at + 1));
  return inputs.map(x => {
    const run = x.shape[at] * inner, offset = begin * inner;
    begin += x.shape[at];
    return filled(x.shape, i => Math.floor(i / run) * shape[at] * inner + offset + (i % run)).data;
  });
}

const concatenate = {
  forward(inputs, { axis, shape }) {
    const y = filled(shape, () => 0);
    pieces(inputs, axis, shape).forEach((place, k) => place.forEach((p, i) => { y.data[p] = inputs[k].data[i]; }));
    return y;
  },
  backward: (dout, inputs, y, { axis }) =>
    pieces(inputs, axis, dout.shape).map((place, k) => filled(inputs[k].shape, i => dout.data[place[i]])),
};

/** `terms(y, t, options)` and `derivative(y, t, options)` in y's shape; terms may have lost the last axis. */
const loss = (terms, derivative) => ({
  forward([y, t], options) {
    const each = terms(y, t, options), { reduction, shape } = options;
    if (reduction === "none") return each;
    const total = each.data.reduce((a, b) => a + b, 0);
    return { shape, data: Float64Array.of(reduction === "mean" ? total / each.data.length : total) };
  },
  backward(dout, [y, t], _, options) {
    const dy = derivative(y, t, options), { reduction } = options;
    const n = reduction === "mean" ? terms(y, t, options).data.length : 1;
    const share = reshaped(dout, [...dout.shape, ...Array(dy.shape.length - dout.shape.length).fill(1)]);
    return [zipped((a, d) => a * d / n, dy.shape, dy, share), null];
  },
});

const termwise = (term, slope, refused = () => "") => {
  const each = f => (y, t, options) => {
    const complaint = t.data.reduce((found, target) => found || refused(target), "");
    if (complaint) throw new Error(complaint);
    return zipped((a, b) => f(a, b, options), y.shape, y, t);
  };
  return loss(each(term), each(slope));
};

const clipped = (d, delta) => Math.min(Math.max(d, -delta), delta);

/** Probabilities out of targets that are class numbers or probabilities already. */
function asProbabilities(y, t, { label_smoothing: share }) {
  const classes = y.shape.at(-1);
  if (t.shape.length < y.shape.length) {
    if (!t.data.every(label => Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new Error(`Targets are whole numbers from 0 to ${classes - 1}: the numbers of the classes.`);
    }
    t = filled(y.shape, i => Number(t.data[Math.floor(i / classes)] === i % classes));
  }
  return mapped(p => (1 - share) * p + share / classes, t);
}

const softmaxCrossEntropy = loss(
  (y, t, options) => {
    const logs = logSoftmax.forward([y], { axis: -1 }), each = zipped((p, log) => -p * log, y.shape, asProbabilities(y, t, options), logs);
    return reshaped(summed(each, kept(y, -1)), y.shape.slice(0, -1));
  },
  (y, t, options) => {
    const p = asProbabilities(y, t, options);
    return zipped((q, each, total) => q * total - each, y.shape, softmax.forward([y], { axis: -1 }), p, summed(p, kept(y, -1)));
  },
);

const NODES = {
  Add: add,
  ResidualAdd: add,
  Subtract: elementwise((a, b) => a - b, () => 1, () => -1),
  Multiply: elementwise((a, b) => a * b, (a, b) => b, (a, b) => a),
  Divide: elementwise((a, b) => a / b, (a, b) => 1 / b, (a, b) => -(a / b) / b),
  MatMul: matmul,
  Affine: affine,
  Identity: activation(x => x, () => 1),
  ReLU: activation(x => (x <= 0 ? 0 : x), x => Number(x > 0)),
  LeakyReLU: activation((x, o) => (x > 0 ? x : x * o.negative_slope), (x, y, o) => (x > 0 ? 1 : o.negative_slope)),
  ELU: activation(
    (x, o) => (x > 0 ? x : o.alpha * Math.expm1(Math.min(x, 0))),
    (x, y, o) => (x > 0 ? 1 : o.alpha * Math.exp(Math.min(x, 0))),
  ),
  GELU: activation(x => x * normal(x), x => normal(x) + (Math.abs(x) < 40 ? x * density(x) : 0)),
  SiLU: activation(x => x * sigmoid(x), x => sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
  Sigmoid: activation(sigmoid, (x, y) => y * (1 - y)),
  Softplus: activation(softplus, sigmoid),
  Tanh: activation(Math.tanh, (x, y) => 1 - y * y),
  Softmax: softmax,
  LogSoftmax: logSoftmax,
  Sum: sum,
  Mean: mean,
  Reshape: reshape,
  Flatten: reshape,
  Transpose: transpose,
  Concatenate: concatenate,
  MeanSquaredError: termwise((y, t) => (y - t) ** 2, (y, t) => 2 * (y - t)),
  MeanAbsoluteError: termwise((y, t) => Math.abs(y - t), (y, t) => Math.sign(y - t)),
  Huber: termwise(
    (y, t, o) => clipped(y - t, o.delta) * (y - t - clipped(y - t, o.delta) / 2),
    (y, t, o) => clipped(y - t, o.delta),
  ),
  Hinge: termwise(
    (y, t) => Math.max(0, 1 - t * y),
    (y, t) => (1 - t * y > 0 ? -t : 0),
    t => (Math.abs(t) === 1 ? "" : "Targets of Hinge are -1 or 1."),
  ),
  SigmoidCrossEntropy: termwise(
    (y, t) => softplus(y) - t * y,
    (y, t) => sigmoid(y) - t,
    t => (t >= 0 && t <= 1 ? "" : "Targets of SigmoidCrossEntropy are from 0 to 1."),
  ),
  SoftmaxCrossEntropy: softmaxCrossEntropy,
};

/** Compute all of `picture` anew: the value on each wire from those that sources send, the gradients from those that outputs send. */
function computed(picture, values, gradients) {
  values = [...values];
  gradients = gradients.map(gradient => gradient && { ...gradient });
  const optionsOf = node => ({ ...node.options, shape: values[node.outputs[0]].shape });
  for (const node of picture.nodes) {
    const inputs = node.inputs.map(i => values[i]);
    if (node.kind === "fan-out") node.outputs.forEach(i => { [values[i]] = inputs; });
    if (node.kind === "operation") values[node.outputs[0]] = NODES[node.op].forward(inputs, optionsOf(node));
  }
  for (const node of [...picture.nodes].reverse()) {
    let sent = [];
    const [dout] = node.outputs.map(i => gradients[i]);
    if (node.kind === "fan-out") sent = [total(node.outputs.map(i => gradients[i]).filter(Boolean))];
    if (node.kind === "operation" && dout) {
      sent = NODES[node.op].backward(dout, node.inputs.map(i => values[i]), values[node.outputs[0]], optionsOf(node));
    }
    sent.forEach((gradient, k) => { if (gradients[node.inputs[k]]) gradients[node.inputs[k]] = gradient; });
  }
  return [values, gradients];
}

const total = arrays => (arrays.length ? zipped((...all) => all.reduce((a, b) => a + b), arrays[0].shape, ...arrays) : null);
