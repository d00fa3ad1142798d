/* Arrays as a reader can take them in. The digits are those of numbers.py, so that picture and panel say the same. */

const MOST_DECIMALS = 4;

const decoded = stored => (stored.data ? { ...stored, data: Float64Array.from(stored.data, Number) } : stored);

const sized = shape => shape.join("×") || "scalar";

/** `x` with so many decimals; exactly in the middle, to the even neighbour, as Python rounds. */
function fixed(x, decimals) {
  const text = x.toFixed(decimals), long = Math.abs(x).toFixed(decimals + 36);
  if (!/50{35}$/.test(long)) return text;
  const down = long.slice(0, decimals ? -36 : -37), even = "02468".includes(down.at(-1));
  return even ? (x < 0 ? "-" : "") + down : text;
}

const power = (x, decimals) => x.toExponential(decimals).replace(/e([+-])(\d)$/, "e$10$2");

const named = x => (Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf");

/** One number by itself, short. */
function short(x) {
  if (!Number.isFinite(x)) return named(x);
  const size = Math.abs(x);
  return size && (size >= 1e4 || size < 1e-4) ? power(x, 3).replace(/\.?0*e/, "e") : String(Number(x.toPrecision(4)) + 0);
}

/** What the array says of how its numbers are written: as whole numbers, in powers of ten, or with decimals. */
function styleOf(array) {
  if (/int|bool/.test(array.dtype) && array.data.every(Number.isInteger)) return { whole: true };
  const top = array.data.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 0);
  return { top, powers: top >= 1e6 || (top > 0 && top < 10 ** (1 - MOST_DECIMALS)) };
}

/** The numbers of a column, with as many decimals as they need and `most` at most. */
function texts(column, style, most = MOST_DECIMALS) {
  if (style.whole) return column.map(String);
  if (style.powers) return column.map(x => (Number.isFinite(x) ? power(x + 0, Math.min(most, 3)) : named(x)));
  const within = 5e-8 * Math.max(style.top, 1e-6);
  let decimals = 0;
  while (decimals < most && !column.every(x => !Number.isFinite(x) || Math.abs(Number(fixed(x, decimals)) - x) <= within)) decimals++;
  return column.map(x => (Number.isFinite(x) ? fixed(Number(fixed(x, decimals)) + 0, decimals) : named(x)));
}

/** The array with two axes: a number as 1×1, a vector as a row, the leading axes of more in one. */
function asMatrix(array, isTurned = false) {
  if (isTurned) array = { ...array, ...(array.shape.length > 1 ? turned(array) : { shape: [...array.shape, 1] }) };
  const columns = array.shape.length ? array.shape.at(-1) : 1;
  return { rows: columns ? array.data.length / columns : 0, columns, slice: array.shape.length > 2 ? array.shape.at(-2) : 0, array };
}

/** The rows of a small array as numbers.py writes them, in the room of so many letters where that is possible. */
function rowsOf(array, letters = Infinity) {
  const { rows, columns } = asMatrix(array), style = styleOf(array);
  for (let most = MOST_DECIMALS; ; most--) {
    const written = Array.from({ length: columns }, (_, j) => {
      const column = texts(Array.from({ length: rows }, (_, i) => array.data[i * columns + j]), style, most);
      const width = Math.max(...column.map(text => text.length));
      return column.map(text => text.padStart(width));
    });
    const lines = Array.from({ length: rows }, (_, i) => written.map(column => column[i]).join("  "));
    if (most === 0 || !lines.some(line => line.length > letters)) return lines;
  }
}

/** The range of an array, in words: min … mean … max, and how many numbers are none. */
function rangeOf(array) {
  if (!sizeOf(array.shape)) return ["empty"];
  let { min, mean, max, lost } = array;
  const n = sizeOf(array.shape);
  if (array.data) {
    const finite = array.data.filter(Number.isFinite);
    lost = n - finite.length;
    [min, mean, max] = [Math.min(...finite), finite.reduce((a, b) => a + b, 0) / finite.length, Math.max(...finite)];
  }
  const range = lost < n ? [[min, mean, max].map(x => short(Number(x))).join(" … ")] : [];
  const images = hasImages(array) ? array.shape[0] * array.shape[1] : 0;
  return [...range, ...(lost ? [`${lost} of ${n} not finite`] : []), ...(lost < n && images > MOST_TILES ? [`${MOST_TILES} of ${images} images`] : [])];
}

/** The means of blocks of a matrix, at most `most` each way: {height, width, data}. */
function meansOf(data, rows, columns, most) {
  const [height, width] = [Math.min(rows, most), Math.min(columns, most)], sums = Array(height * width).fill(0), counts = [...sums];
  const block = (i, n, of) => { let k = Math.floor(i * of / n); while (Math.floor((k + 1) * n / of) <= i) k++; return k; };
  data.forEach((x, place) => {
    const k = block(Math.floor(place / columns), rows, height) * width + block(place % columns, columns, width);
    sums[k] += x;
    counts[k]++;
  });
  return { height, width, data: sums.map((x, k) => x / counts[k]) };
}

const [TILE, GAP, MOST_PER_ROW, MOST_TILES] = [32, 2, 8, 24];
const [BLUE, ORANGE] = [[23, 116, 190], [224, 122, 31]];

/** Whether the array is drawn as images: (N, C, H, W), or kernels. */
const hasImages = array => array.shape.length === 4 && sizeOf(array.shape) > 0;

/** The first images of the array side by side, pixel by pixel, with NaN between them. */
function mosaicOf({ shape: [n, c, h, w], data }) {
  const tiles = Array.from({ length: Math.min(n * c, MOST_TILES) }, (_, i) => meansOf(data.slice(i * h * w, (i + 1) * h * w), h, w, TILE));
  const perRow = Math.min(c > 1 ? c : n, MOST_PER_ROW), scale = Math.floor(TILE / Math.max(tiles[0].height, tiles[0].width));
  const [down, across] = [tiles[0].height * scale + GAP, tiles[0].width * scale + GAP];
  const height = Math.ceil(tiles.length / perRow) * down - GAP, width = perRow * across - GAP, pixels = Array(height * width).fill(NaN);
  tiles.forEach((tile, i) => {
    const top = Math.floor(i / perRow) * down, left = i % perRow * across;
    for (let y = 0; y < down - GAP; y++) {
      for (let x = 0; x < across - GAP; x++) {
        const number = tile.data[Math.floor(y / scale) * tile.width + Math.floor(x / scale)];
        pixels[(top + y) * width + left + x] = Number.isFinite(number) ? number : NaN;
      }
    }
  });
  return { height, width, data: pixels };
}

/**
 * A picture of the array: blue is positive, orange negative, zero see-through. Images of values are grey: from black, the smallest number or
 * 0, to white, and tinted where `marks` is not 0.
 */
function imageOf(array, isGradient, marks = null) {
  if (array.image) return array.image;
  const isGrey = hasImages(array) && !isGradient;
  const { rows, columns } = asMatrix(array);
  const { height, width, data } = hasImages(array) ? mosaicOf(array) : meansOf(array.data.map(x => (Number.isFinite(x) ? x : 0)), rows, columns, 24);
  const known = data.filter(x => !Number.isNaN(x)), low = Math.min(0, ...known), high = Math.max(0, ...known);
  const marked = marks ? mosaicOf(marks).data : [];
  const grey = (x, k) => { const shade = (x - low) / (high - low || 1) * 255; return ORANGE.map(tint => Math.round(marked[k] > 0 ? (shade + tint) / 2 : shade)); };
  const alpha = x => Math.round(255 * Math.abs(x) / (Math.max(-low, high) || 1));
  const colour = (x, k) => (isGrey ? [...grey(x, k), 255] : [...(x > 0 ? BLUE : ORANGE), alpha(x)]);
  const canvas = make("canvas", { width, height }), pen = canvas.getContext("2d"), image = pen.createImageData(width, height);
  data.forEach((x, k) => { if (!Number.isNaN(x)) image.data.set(colour(x, k), 4 * k); });
  pen.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

/** An element with attributes and children; text stays text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter(child => child !== null));
  return element;
}

/** The numbers that are shown of `n`: all, or the first and the last with null for those between. */
const shownOf = (n, most) => (n <= most ? [...Array(n).keys()] : [...Array(most - 3).keys(), null, n - 2, n - 1]);

/**
 * An array as an element: a matrix in brackets, aligned on the decimal point; a large one by its range.
 * `most` limits rows and columns; `edit(place, input)` makes fields of the numbers and hears of each change.
 */
function matrix(array, { name, grad = false, isTurned = false, most = Infinity, edit = null }) {
  if (!array.data || !array.data.length) return summary(array, name, grad);
  const { rows, columns, slice, array: { shape, data } } = asMatrix(array, isTurned), style = styleOf(array);
  const [is, js] = [shownOf(rows, most), shownOf(columns, most)];
  const written = js.map(j => (j === null ? null : texts(is.filter(i => i !== null).map(i => data[i * columns + j]), style)));
  const table = make("table", { "aria-label": `${name}, ${sized(shape)}` });
  let row = 0;
  for (const i of is) {
    const tr = make("tr", { class: slice && i && i % slice === 0 ? "begins-slice" : null });
    js.forEach((j, k) => tr.append(i === null || j === null
      ? make("td", { class: "left-out" }, i === null && j === null ? "⋱" : i === null ? "⋮" : "⋯")
      : cell(data[i * columns + j], written[k][row], edit && (input => edit(i * columns + j, input)), `${name}, row ${i + 1}, column ${j + 1}`)));
    if (i !== null) row++;
    table.append(tr);
  }
  return make("span", { class: `matrix ${grad ? "of-gradient" : "of-value"}${array.shape.length ? "" : " is-number"}` }, table);
}

function cell(x, text, edit, name) {
  if (!edit) return make("td", { "data-number": String(x), title: String(x) }, text);
  const input = make("input", { value: String(x + 0), "aria-label": name, spellcheck: "false", autocomplete: "off", class: "number" });
  input.addEventListener("input", () => edit(input));
  input.addEventListener("keydown", event => {
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!step || !Number.isFinite(read(input))) return;
    event.preventDefault();
    input.value = String(Number((read(input) + step * (event.shiftKey ? 1 : 0.1)).toPrecision(12)));
    edit(input);
  });
  return make("td", {}, input);
}

/** The number in a field, NaN where there is none. */
const read = input => (input.value.trim() ? Number(input.value.trim().replace("−", "-").replace(",", ".")) : NaN);

function summary(array, name, grad, marks = null) {
  const kind = grad ? "of-gradient" : "of-value", size = marks ? { width: 3 * mosaicOf(array).width } : hasImages(array) ? {} : { width: 72, height: 72 };
  const image = sizeOf(array.shape) ? make("img", { src: imageOf(array, grad, marks), alt: "", ...size }) : null;
  const lines = [sized(array.shape), ...rangeOf(array)].map(line => make("span", {}, line));
  return make("span", { class: `summary ${kind}`, role: "img", "aria-label": `${name}: ${lines.map(line => line.textContent).join(", ")}` },
    image, make("span", { class: "lines" }, lines));
}
