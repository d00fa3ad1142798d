/*
 * The words of rules for images, (N, C, …): convolution, pooling, resampling and padding. Options are lists, with a number or a pair for
 * each axis after the channels, or one for all of them.
 */

const ofAxis = (list, axis) => list[list.length > 1 ? axis : 0];

/** The widths before and after an axis, from a pair or from one number for both. */
const widthsOf = (list, axis) => { const [before, after = before] = [ofAxis(list, axis)].flat(); return [before, after]; };

/** An option that a word cannot do without. */
function needed(options, name) {
  if (!options[name]) throw new Error(`its rule needs [${name}=…]`);
  return options[name];
}

const listed = (n, at) => Array.from({ length: n }, (_, i) => at(i));

const zeros = shape => filled(shape, () => 0);

const channelsOf = x => x.shape.slice(0, 2);

const lengthsOf = x => x.shape.slice(2);

/*
 * What a number is made of: a list of sources [pixel, weight]. A pixel is NaN in the border.
 */

/** For each window along an axis of n pixels, those under it, each with its share; what lies outside of the border does not count. */
function windowsAlong(n, axis, options) {
  const { windows, stride = [1], dilation = [1], border = [0], outside = [0] } = options;
  const shared = pixels => pixels.map(pixel => [pixel, 1 / pixels.length]);
  if (windows) {
    const m = ofAxis(windows, axis), first = i => Math.floor(i * n / m), end = i => Math.ceil((i + 1) * n / m);
    return listed(m, i => shared(listed(end(i) - first(i), j => first(i) + j)));
  }
  const [k, step, gap] = [needed(options, "kernel"), stride, dilation].map(list => ofAxis(list, axis));
  const [before, after] = widthsOf(border, axis), [start, end] = widthsOf(outside, axis);
  const room = start + before + n + after + end - ((k - 1) * gap + 1);
  if (room < 0) throw new Error(`a kernel of ${k} is larger than the image`);
  return listed(Math.floor(room / step) + 1, i => {
    const under = listed(k, j => i * step + j * gap - before - start).filter(pixel => -before <= pixel && pixel < n + after);
    return shared(under.map(pixel => (0 <= pixel && pixel < n ? pixel : NaN)));
  });
}

/** For each number along an enlarged axis, the one or two of n pixels that it is made of. */
function enlargedAlong(n, axis, options) {
  const factor = ofAxis(needed(options, "scale"), axis);
  return listed(Math.floor(n * factor), i => {
    if (options.mode !== "linear") return [[Math.min(Math.floor(i / factor), n - 1), 1]];
    const place = Math.min(Math.max((i + 0.5) / factor - 0.5, 0), n - 1), left = Math.floor(place);
    return [[left, 1 - (place - left)], [Math.min(left + 1, n - 1), place - left]];
  });
}

const modulo = (i, n) => ((i % n) + n) % n;

/* Which of n pixels a border repeats at place i. */
const BORDERS = {
  edge: (i, n) => Math.min(Math.max(i, 0), n - 1),
  wrap: modulo,
  reflect: (i, n) => (n === 1 ? 0 : n - 1 - Math.abs(n - 1 - modulo(i, 2 * n - 2))),
};

function paddedAlong(n, axis, { widths, mode }) {
  const [before, after] = widthsOf(widths, axis);
  return listed(before + n + after, i => {
    const pixel = i - before;
    if (0 <= pixel && pixel < n) return [[pixel, 1]];
    return mode ? [[BORDERS[mode](pixel, n), 1]] : [];
  });
}

/** The sources over all axes, from those `along` each of them: {lengths, sources} of the result, for images of these lengths. */
function crossed(lengths, along, options) {
  const axes = lengths.map((n, axis) => along(n, axis, options));
  const sources = axes.reduce((all, own, axis) => all.flatMap(some => own.map(more =>
    some.flatMap(([pixel, weight]) => more.map(([p, w]) => [pixel * lengths[axis] + p, weight * w])))), [[[0, 1]]]);
  return { lengths: axes.map(own => own.length), sources };
}

/** Call `f(i, j, weight)` for each number i of the result and each of its sources j, image by image. */
function eachSource({ sources }, images, pixels, f) {
  for (let image = 0; image < images; image++) {
    sources.forEach((all, i) => all.forEach(([j, weight]) => { if (!Number.isNaN(j)) f(image * sources.length + i, image * pixels + j, weight); }));
  }
}

/** The words of a sum with fixed weights and of its transpose, which brings dy back to where the numbers came from; over the last axes. */
function weighted(along, axesOf) {
  return [
    ([x], _, options) => {
      const n = axesOf(x, options), outer = x.shape.slice(0, x.shape.length - n), lengths = x.shape.slice(x.shape.length - n);
      const all = crossed(lengths, along, options), y = zeros([...outer, ...all.lengths]);
      if (options.value) y.data.forEach((_, i) => { if (!all.sources[i % all.sources.length].length) [y.data[i]] = options.value; });
      eachSource(all, sizeOf(outer), sizeOf(lengths), (i, j, weight) => { y.data[i] += weight * x.data[j]; });
      return y;
    },
    ([dy], _, options) => {
      const to = needed(options, "to"), outer = dy.shape.slice(0, dy.shape.length - to.length), dx = zeros([...outer, ...to]);
      eachSource(crossed(to, along, options), sizeOf(outer), sizeOf(to), (i, j, weight) => { dx.data[j] += weight * dy.data[i]; });
      return dx;
    },
  ];
}

const afterChannels = x => x.shape.length - 2;

const [avgpool, avgpoolTransposed] = weighted(windowsAlong, afterChannels);
const [upsample, upsampleTransposed] = weighted(enlargedAlong, afterChannels);
const [pad, padTransposed] = weighted(paddedAlong, (_, options) => needed(options, "widths").length);

/** For each window, where its largest number is in `x`, the first of equals; NaN counts as the largest. */
function winnersIn(x, options) {
  const all = crossed(lengthsOf(x), windowsAlong, options), winners = zeros([...channelsOf(x), ...all.lengths]);
  winners.data.fill(NaN);
  eachSource(all, sizeOf(channelsOf(x)), sizeOf(lengthsOf(x)), (i, j) => {
    const [best, number] = [x.data[winners.data[i]], x.data[j]];
    if (best === undefined || (!Number.isNaN(best) && !(number <= best))) winners.data[i] = j;
  });
  return winners;
}

function maxpool([x], _, options) {
  const winners = winnersIn(x, options);
  return mapped(place => x.data[place], winners);
}

function toWinners([dy, x], _, options) {
  const dx = zeros(x.shape);
  winnersIn(x, options).data.forEach((place, i) => { dx.data[place] += dy.data[i]; });
  return dx;
}

/**
 * The products of a convolution of images (N, C, …) with weights (K, C / groups, …): the shape of y, and `eachProduct`, which calls f(i, j, k) for
 * every term x[j] ⊙ weight[k] of y[i].
 */
function convolution([samples, channels, ...lengths], [kernels, depth, ...kernel], { groups: [groups] = [1], ...options }) {
  if (channels !== depth * groups || lengths.length !== kernel.length) throw new Error(`${sized([samples, channels, ...lengths])} and ${sized([kernels, depth, ...kernel])} do not fit`);
  const windows = crossed(lengths, windowsAlong, { ...options, kernel });
  const [positions, pixels, cells] = [windows.sources.length, sizeOf(lengths), sizeOf(kernel)];
  const eachProduct = f => {
    for (let y = 0; y < samples * kernels; y++) {
      const k = y % kernels, first = (y - k) / kernels * channels + Math.floor(k * groups / kernels) * depth;
      for (let c = 0; c < depth; c++) {
        windows.sources.forEach((under, position) => under.forEach(([pixel], cell) => {
          if (!Number.isNaN(pixel)) f(y * positions + position, (first + c) * pixels + pixel, (k * depth + c) * cells + cell);
        }));
      }
    }
  };
  return { shape: [samples, kernels, ...windows.lengths], eachProduct };
}

function conv([x, weight], _, options) {
  const { shape, eachProduct } = convolution(x.shape, weight.shape, options), y = zeros(shape);
  eachProduct((i, j, k) => { y.data[i] += x.data[j] * weight.data[k]; });
  return y;
}

function convTransposed([y, weight], _, options) {
  const { groups: [groups] = [1] } = options, x = zeros([y.shape[0], weight.shape[1] * groups, ...needed(options, "to")]);
  const { shape, eachProduct } = convolution(x.shape, weight.shape, options);
  if (sized(shape) !== sized(y.shape)) throw new Error(`${sized(y.shape)} does not come of ${sized(x.shape)}`);
  eachProduct((i, j, k) => { x.data[j] += y.data[i] * weight.data[k]; });
  return x;
}

function convWeight([x, y], _, options) {
  const { groups: [groups] = [1] } = options, kernel = listed(afterChannels(x), axis => ofAxis(needed(options, "kernel"), axis));
  const weight = zeros([y.shape[1], x.shape[1] / groups, ...kernel]);
  const { shape, eachProduct } = convolution(x.shape, weight.shape, options);
  if (sized(shape) !== sized(y.shape)) throw new Error(`${sized(y.shape)} does not come of ${sized(x.shape)}`);
  eachProduct((i, j, k) => { weight.data[k] += x.data[j] * y.data[i]; });
  return weight;
}

const OF_IMAGES = {
  conv, conv_transpose: convTransposed, conv_weight: convWeight, maxpool, to_winners: toWinners, avgpool, avgpool_transpose: avgpoolTransposed,
  upsample, upsample_transpose: upsampleTransposed, pad, pad_transpose: padTransposed,
};
