"use strict";

/*
 * Arrays and what the rules of the nodes need of them, in float64. An array is {shape, data}, its numbers in C order. If they come out
 * of exp, `log` has their logarithms beside them, so that a quotient or a sum of what overflows is exact all the same.
 */

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

/** `x` with its last two axes exchanged; a vector stays as it is. */
function turned(x) {
  const order = x.shape.map((_, axis) => axis), n = order.length;
  if (n < 2) return x;
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

/** The shape of `x` with 1 for each of these axes, all for null. */
function kept(x, axes) {
  const those = axes === null ? null : axes.map(axis => asAxis(axis, x.shape.length));
  return x.shape.map((n, i) => (those === null || those.includes(i) ? 1 : n));
}

/** The shape that arrays of these shapes are broadcast to. */
function broadcast(...shapes) {
  const n = Math.max(...shapes.map(shape => shape.length));
  return Array.from({ length: n }, (_, i) => {
    const lengths = shapes.map(shape => shape[shape.length - n + i] ?? 1), length = lengths.find(each => each !== 1) ?? 1;
    if (lengths.some(each => each !== 1 && each !== length)) throw new Error(`${shapes.map(sized).join(" and ")} do not broadcast`);
    return length;
  });
}

/** `f` of the arrays, element by element, broadcast. */
const each = (f, ...xs) => zipped(f, broadcast(...xs.map(x => x.shape)), ...xs);

// With logarithms.

const withLog = log => ({ ...mapped(Math.exp, log), log });

/** The logarithms of arrays, where they are needed and exist: one has them already, and none is negative. */
function logsOf(...xs) {
  if (!xs.some(x => x.log) || xs.some(x => !x.log && x.data.some(number => !(number >= 0)))) return null;
  return xs.map(x => x.log ?? mapped(Math.log, x));
}

const logAddExp = (a, b) => (a === b ? a + Math.LN2 : Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b))));

function plus(a, b) {
  const logs = logsOf(a, b), sum = each((p, q) => p + q, a, b);
  return logs ? { ...sum, log: each(logAddExp, ...logs) } : sum;
}

const minus = (a, b) => each((p, q) => p - q, a, b);

/** The product; an array of zeros and ones from a bracket decides, whatever it meets. */
function times(a, b) {
  const logs = logsOf(a, b), isOut = (x, number) => x.isBracket && number === 0;
  return logs ? withLog(each((p, q) => p + q, ...logs)) : each((p, q) => (isOut(a, p) || isOut(b, q) ? 0 : p * q), a, b);
}

const negative = x => mapped(number => -number, x);

const raised = (a, b) => (a.log ? withLog(each((p, q) => p * q, a.log, b)) : each(Math.pow, a, b));

function over(a, b) {
  const logs = logsOf(a, b);
  return logs ? withLog(minus(...logs)) : each((p, q) => p / q, a, b);
}

const exp = x => withLog({ shape: x.shape, data: x.data });

const log = x => x.log ?? mapped(Math.log, x);

/** The sum over these axes, all for null, which stay with length 1. */
function sum(x, axes) {
  const along = kept(x, axes), plain = summed(x, along);
  if (!x.log) return plain;
  const top = mapped(number => (Number.isFinite(number) ? number : 0), largest(x.log, along));
  const rest = summed(mapped(Math.exp, minus(x.log, top)), along);
  return { ...plain, log: each((a, b) => a + Math.log(b), top, rest) };
}

// Products of matrices.

/** a·b as NumPy has it: a vector is a row on the left and a column on the right. */
function matmul(a, b) {
  if (!a.shape.length || !b.shape.length) throw new Error("a number has no matrix product");
  const [left, right] = [a.shape.length === 1 ? asRow(a) : a, b.shape.length === 1 ? asColumn(b) : b];
  if (left.shape.at(-1) !== right.shape.at(-2)) throw new Error(`${sized(a.shape)} and ${sized(b.shape)} do not fit`);
  const y = product(left, right, broadcast(left.shape.slice(0, -2), right.shape.slice(0, -2)));
  const shape = [...y.shape.slice(0, -2), ...(a.shape.length > 1 ? y.shape.slice(-2, -1) : []), ...(b.shape.length > 1 ? y.shape.slice(-1) : [])];
  return reshaped(y, shape);
}

const asRow = x => reshaped(x, [...x.shape.slice(0, -1), 1, ...x.shape.slice(-1)]);

const asColumn = x => reshaped(x, [...x.shape, 1]);

/** Sums of products of `xs`, each axis named by a letter; last come the letters of the result, where a letter twice is a diagonal. */
function einsum(terms, xs) {
  const length = {};
  if (terms.length !== xs.length + 1) throw new Error(`${terms.length - 1} groups of letters do not fit ${xs.length} arrays`);
  xs.forEach(({ shape }, k) => {
    if (shape.length !== terms[k].length) throw new Error(`${terms[k]} and ${sized(shape)} do not fit`);
    shape.forEach((n, axis) => {
      const letter = terms[k][axis], before = length[letter] ?? 1;
      if (before !== 1 && n !== 1 && before !== n) throw new Error(`${letter} has lengths ${before} and ${n}`);
      length[letter] = n === 1 ? before : n;
    });
  });
  const letters = Object.keys(length), all = letters.map(letter => length[letter]), own = stridesOf(all), shape = [...terms.at(-1)].map(letter => length[letter]);
  const y = filled(shape, () => 0), steps = [...xs.map(x => x.shape), shape].map((lengths, k) => {
    const strides = stridesOf(lengths);
    return letters.map(letter => strides.reduce((sum, stride, axis) => sum + (terms[k][axis] === letter && lengths[axis] !== 1 ? stride : 0), 0));
  });
  for (let i = 0; i < sizeOf(all); i++) {
    const [...at] = steps.map(step => step.reduce((place, stride, k) => place + (Math.floor(i / own[k]) % all[k]) * stride, 0));
    y.data[at.pop()] += xs.reduce((product, x, k) => product * x.data[at[k]], 1);
  }
  return y;
}

// Moving.

/** `x` side by side along an axis with others. */
function joined(xs, axis) {
  const at = asAxis(axis, xs[0].shape.length), ends = [];
  xs.forEach(x => ends.push((ends.at(-1) ?? 0) + x.shape[at]));
  const shape = xs[0].shape.map((n, i) => (i === at ? ends.at(-1) : n)), inner = sizeOf(shape.slice(at + 1));
  return filled(shape, i => {
    const before = Math.floor(i / inner / ends.at(-1)), place = Math.floor(i / inner) % ends.at(-1), k = ends.findIndex(end => place < end);
    const n = xs[k].shape[at];
    return xs[k].data[(before * n + place - (ends[k] - n)) * inner + i % inner];
  });
}

/** The part of `x` from `begin` up to `end` along an axis. */
function piece(x, begin, end, axis) {
  const at = asAxis(axis, x.shape.length), inner = sizeOf(x.shape.slice(at + 1)), n = end - begin;
  return filled(x.shape.map((length, i) => (i === at ? n : length)), i => {
    const before = Math.floor(i / inner / n), place = Math.floor(i / inner) % n + begin;
    return x.data[(before * x.shape[at] + place) * inner + i % inner];
  });
}

/** `x` repeated to `shape` along axes that it lost, or has with length 1. */
function repeated(x, shape, axes) {
  const lost = axes === null || x.shape.length === shape.length ? [] : axes.map(axis => asAxis(axis, shape.length)), left = [...x.shape];
  const y = lost.length ? reshaped(x, shape.map((_, i) => (lost.includes(i) ? 1 : left.shift()))) : x;
  if (sized(broadcast(y.shape, shape)) !== sized(shape)) throw new Error(`${sized(x.shape)} does not spread to ${sized(shape)}`);
  return spread(y, shape);
}

// Functions of one number.

const sigmoid = x => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

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
