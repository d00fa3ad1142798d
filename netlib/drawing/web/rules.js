/* The language of the rules, as docs/write-your-own-layer.md describes it: a line becomes a function that computes. */

const TOKEN = /\s*(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?)|((?:(?!ᵀ)[\p{L}\p{Nd}_])+)|(<=|>=|\S))/gu;

const ALIASES = { "-": "−", "*": "⊙", "@": "·", "<=": "≤", ">=": "≥" };

/** The tokens of a formula: {number}, {text} of a word or a sign, and {array} for what stands for an array. */
function tokensOf(parts) {
  return parts.flatMap(part => {
    if (typeof part !== "string") return [{ array: part }];
    return [...part.trim().matchAll(TOKEN)].map(([, number, word, sign]) => (number ? { number: Number(number) } : { text: word ?? ALIASES[sign] ?? sign }));
  });
}

const constant = number => ({ shape: [], data: Float64Array.of(number) });

const elementwise = f => xs => each(f, ...xs);

const reduced = (f, begin, [x], axes) => gathered(f, begin, x, kept(x, axes));

/** The softmax of x where `allowed` is not 0, if it is given; elsewhere 0. */
function softmax([x, allowed], axes) {
  if (!allowed) return over(exp(x), sum(exp(x), axes ?? [-1]));
  const ruledOut = each((number, is) => (is ? number : -Infinity), x, allowed);
  return each((share, is) => (is ? share : 0), softmax([ruledOut], axes), allowed);
}

const triangle = ([{ data: [rows] }, { data: [columns] }]) => filled([rows, columns], i => Number(i % columns <= Math.floor(i / columns)));
const arange = ([{ data: [n] }]) => filled([n], i => i);

function onehot([t, { data: [n] }]) {
  if (!t.data.every(label => Number.isInteger(label) && label >= 0 && label < n)) throw new Error(`classes are whole numbers from 0 to ${n - 1}`);
  return filled([...t.shape, n], i => Number(t.data[Math.floor(i / n)] === i % n));
}

/** `x` with the third and the second to last of its axes exchanged. */
function exchanged(x) {
  const order = x.shape.map((_, axis) => axis), n = order.length;
  [order[n - 3], order[n - 2]] = [n - 2, n - 3];
  return permuted(x, order);
}

/** `x` (…, T, features) as (…, n, T, features / n). */
function heads([x, { data: [n] }]) {
  const [rows, features] = x.shape.slice(-2), lead = x.shape.slice(0, -2);
  return exchanged(reshaped(x, [...lead, rows, n, features / n]));
}

/** `x` (…, n, T, features) as (…, T, n · features). */
function joinedHeads([x]) {
  const [n, rows, features] = x.shape.slice(-3);
  return reshaped(exchanged(x), [...x.shape.slice(0, -3), rows, n * features]);
}

/** The mean of the squares of x minus its mean. */
function variance([x], axes) {
  const centered = minus(x, mean([x], axes));
  return mean([times(centered, centered)], axes);
}

const mean = ([x], axes) => over(sum(x, axes), constant(sizeOf(x.shape) / sizeOf(kept(x, axes))));

/*
 * Each takes its arguments, the axes in [axis=…] or null, and all options in the brackets. A sum keeps the axes that it sums over, with
 * length 1.
 */
const FUNCTIONS = {
  exp: ([x]) => exp(x),
  log: ([x]) => log(x),
  sqrt: elementwise(Math.sqrt),
  sin: elementwise(Math.sin),
  cos: elementwise(Math.cos),
  tanh: elementwise(Math.tanh),
  sign: elementwise(Math.sign),
  σ: elementwise(sigmoid),
  Φ: elementwise(normal),
  φ: elementwise(density),
  clip: elementwise((x, low, high) => Math.min(Math.max(x, low), high)),
  max: (xs, axes) => (xs.length > 1 ? each(Math.max, ...xs) : reduced(Math.max, -Infinity, xs, axes)),
  min: (xs, axes) => (xs.length > 1 ? each(Math.min, ...xs) : reduced(Math.min, Infinity, xs, axes)),
  sum: ([x], axes) => sum(x, axes),
  mean,
  var: variance,
  softmax,
  tri: triangle,
  heads,
  joined: joinedHeads,
  logsoftmax: ([x], axes) => minus(x, log(sum(exp(x), axes ?? [-1]))),
  onehot,
  arange,
  einsum: (xs, axes, { letters }) => einsum(letters, xs),
  row: ([x]) => asRow(x),
  column: ([x]) => asColumn(x),
  ...OF_IMAGES,
};

const OPTIONS = ["kernel", "stride", "border", "outside", "dilation", "groups", "windows", "scale", "widths", "mode", "value", "to"];

const PRODUCTS = { "⊙": times, "·": matmul, "/": over };

const COMPARISONS = {
  ">": (a, b) => a > b, "<": (a, b) => a < b, "≥": (a, b) => a >= b, "≤": (a, b) => a <= b, "=": (a, b) => a === b, "≠": (a, b) => a !== b,
};

/* Formulas are functions of `read`, which gives the array that a token stands for. */
const applied = (f, ...formulas) => read => f(...formulas.map(formula => formula(read)));

/** Reads one line, by recursive descent: each method reads what it is called after, from the next token on. */
class Reader {
  constructor(parts, wires, buffers = {}) {
    this.text = parts.map(part => part.wire === undefined ? part : wires[part.wire].name).join("");
    this.tokens = tokensOf(parts);
    this.place = 0;
    this.buffers = buffers;
    this.locals = {};
    this.tokens.forEach(({ text }, i) => { if (this.tokens[i + 1]?.text === "=" && [",", "where"].includes(this.tokens[i - 1]?.text)) this.locals[text] = null; });
  }

  get next() { return this.tokens[this.place] ?? {}; }

  /** Go on past these words or signs, if they are next. */
  takes(...texts) {
    const isNext = texts.every((text, i) => this.tokens[this.place + i]?.text === text);
    if (isNext) this.place += texts.length;
    return isNext;
  }

  wants(...texts) {
    if (!this.takes(...texts)) throw new Error(`expected ${texts.join(" ")}, got ${this.next.text ?? this.next.number ?? "something else"}`);
  }

  line() {
    const y = this.remarked();
    if (this.place < this.tokens.length) throw new Error(`${this.next.text ?? this.next.number ?? "a name"} follows without a sign`);
    return y;
  }

  /** A formula and the remarks after it. */
  remarked() {
    const formulas = [this.formula()], remarks = [];
    while (this.takes(",")) {
      const remark = this.remark();
      if (remark) remarks.push(remark);
      else formulas.push(this.formula());
    }
    return read => {
      const xs = remarks.reduce((all, remark) => remark(all, read), formulas.map(formula => formula(read)));
      if (xs.length > 1) throw new Error("there are several formulas in one line");
      return xs[0];
    };
  }

  /** What a remark does with the values before it; null where none is next. */
  remark() {
    if (this.takes("reshaped", "to")) {
      const shape = this.size();
      return ([x]) => {
        if (sizeOf(x.shape) !== sizeOf(shape)) throw new Error(`${sized(x.shape)} cannot be reshaped to ${sized(shape)}`);
        return [reshaped(x, shape)];
      };
    }
    if (this.takes("spread", "to")) {
      const shape = this.size(), axes = this.takes("along", "axis") ? this.axes() : null;
      return ([x]) => [repeated(x, shape, axes)];
    }
    if (this.takes("its", "axes", "in", "the", "order")) {
      const order = this.axes();
      return ([x]) => [permuted(x, order.map(axis => asAxis(axis, x.shape.length)))];
    }
    if (this.takes("piece")) {
      const begin = this.whole();
      this.wants(":");
      const end = this.whole();
      this.wants("along", "axis");
      const axis = this.whole();
      return ([x]) => [piece(x, begin, end, axis)];
    }
    if (this.takes("side", "by", "side", "along", "axis")) {
      const axis = this.whole();
      return xs => [joined(xs, axis)];
    }
    if (this.takes("where")) {
      do this.definition(); while (this.takes(","));
      return xs => xs;
    }
    if (this.takes("for")) {
      const holds = this.comparison(), [, condition] = this.text.split(", for ");
      return (xs, read) => {
        if (!holds(read).data.every(Boolean)) throw new Error(`its rule holds for ${condition}`);
        return xs;
      };
    }
    return null;
  }

  /** A name for a formula, which the line uses. */
  definition() {
    const { text } = this.tokens[this.place++] ?? {};
    this.wants("=");
    this.locals[text] = this.formula();
  }

  /** One comparison or several, as in 0 ≤ x ≤ 1: where all hold 1, elsewhere 0. */
  comparison() {
    let left = this.formula(), all = null;
    while (Object.hasOwn(COMPARISONS, this.next.text)) {
      const { text } = this.tokens[this.place++], right = this.formula();
      const one = applied((a, b) => each((p, q) => Number(COMPARISONS[text](p, q)), a, b), left, right);
      all = all ? applied(times, all, one) : one;
      left = right;
    }
    if (!all) throw new Error("a comparison has no sign");
    return read => ({ ...all(read), isBracket: true });
  }

  formula() {
    let y = this.signed();
    for (;;) {
      if (this.takes("+")) y = applied(plus, y, this.signed());
      else if (this.takes("−")) y = applied(minus, y, this.signed());
      else return y;
    }
  }

  signed() { return this.takes("−") ? applied(negative, this.signed()) : this.product(); }

  /** Factors from left to right; after a number the sign may be left out. */
  product() {
    let y = this.factor();
    for (;;) {
      const sign = Object.keys(PRODUCTS).find(each => this.takes(each));
      const isBare = this.tokens[this.place - 1].number !== undefined && (this.next.array || [FUNCTIONS, this.locals].some(names => Object.hasOwn(names, this.next.text)) || "([".includes(this.next.text));
      if (sign) y = applied(PRODUCTS[sign], y, this.factor());
      else if (isBare) y = applied(times, y, this.factor());
      else return y;
    }
  }

  factor() {
    if (this.takes("−")) return applied(negative, this.factor());
    let y = this.atom();
    for (;;) {
      if (this.takes("²")) y = applied(x => raised(x, constant(2)), y);
      else if (this.takes("³")) y = applied(x => raised(x, constant(3)), y);
      else if (this.takes("ᵀ")) y = applied(turned, y);
      else if (this.takes("^")) y = applied(raised, y, this.factor());
      else if (this.takes("[", ":")) y = this.lifted(y);
      else return y;
    }
  }

  /** `y` with an axis of length 1 at the end for each None. */
  lifted(y) {
    while (this.takes(",", "None")) y = applied(asColumn, y);
    return this.closed(y, "]");
  }

  atom() {
    if (this.takes("(")) return this.closed(this.remarked(), ")");
    if (this.takes("[")) return this.closed(this.comparison(), "]");
    if (this.takes("|")) return applied(x => mapped(Math.abs, x), this.closed(this.formula(), "|"));
    const { number, array, text } = this.tokens[this.place++] ?? {};
    if (number !== undefined) return () => constant(number);
    if (array) return read => (array.turned ? turned(read(array)) : read(array));
    if (Object.hasOwn(this.locals, text)) return read => this.locals[text](read);
    if (Object.hasOwn(this.buffers, text) && !Object.hasOwn(FUNCTIONS, text)) return () => decoded(this.buffers[text]);
    if (!Object.hasOwn(FUNCTIONS, text)) throw new Error(text ? `“${text}” in its rule is neither a function nor an array here` : "a formula ends too early");
    const { axis = null, ...options } = this.takes("[") ? this.closed(text === "einsum" ? this.letters() : this.options(), "]") : {}, all = [];
    this.wants("(");
    do all.push(...this.argument()); while (this.takes(","));
    this.wants(")");
    return read => FUNCTIONS[text](all.map(argument => argument(read)), axis, options);
  }

  /** The letters of each array of an einsum, and of its result. */
  letters() {
    const letters = [""];
    for (; this.next.text !== "]"; this.place++) {
      const { text } = this.next;
      if (text === "," || text === "→") letters.push("");
      else if (text) letters[letters.length - 1] += text;
      else throw new Error("an einsum consists of letters");
    }
    return { letters };
  }

  /** What stands in brackets after a function, by name. */
  options() {
    const all = {};
    do {
      const { text } = this.tokens[this.place++] ?? {};
      if (text !== "axis" && !OPTIONS.includes(text)) throw new Error(`“${text}” is no option`);
      this.wants("=");
      all[text] = text === "axis" ? this.axes() : text === "mode" ? this.tokens[this.place++]?.text : this.perAxis();
    } while (this.takes(","));
    return all;
  }

  /** Numbers with × between them, or pairs such as 0:1. */
  perAxis() {
    const all = [];
    do {
      const number = this.number();
      all.push(this.takes(":") ? [number, this.number()] : number);
    } while (this.takes("×"));
    return all;
  }

  closed(inside, sign) {
    this.wants(sign);
    return inside;
  }

  /** One argument; two for ±. */
  argument() {
    if (!this.takes("±")) return [this.formula()];
    const y = this.product();
    return [applied(negative, y), y];
  }

  number(isRight = number => number !== undefined, name = "number") {
    const sign = this.takes("−") ? -1 : 1, { number } = this.tokens[this.place++] ?? {};
    if (!isRight(number)) throw new Error(`expected a ${name}`);
    return sign * number;
  }

  whole() { return this.number(Number.isInteger, "whole number"); }

  axes() {
    if (!this.takes("(")) return [this.whole()];
    const all = [];
    while (!this.takes(")")) {
      all.push(this.whole());
      if (!this.takes(",") && this.next.text !== ")") throw new Error("axes stand in parentheses, a comma between them");
    }
    return all;
  }

  size() {
    if (this.takes("scalar")) return [];
    const shape = [this.whole()];
    while (this.takes("×")) shape.push(this.whole());
    return shape;
  }
}

const lengths = shape => shape.filter(n => n !== 1).join("×");

/** What a line of a rule computes, as a function of `read`. */
const compiled = (line, wires) => { line.compute ??= new Reader(line.parts, wires, line.buffers).line(); return line.compute; };

/** What a line of a rule comes to, in `shape`. */
function resultOf(line, wires, read, shape) {
  const x = compiled(line, wires)(read);
  if (lengths(x.shape) !== lengths(shape)) throw new Error(`its rule gives ${sized(x.shape)} in the place of ${sized(shape)}`);
  return { shape, data: x.data };
}
