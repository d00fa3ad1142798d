/* A picture computed anew, forward and backward, by the rules that stand at its nodes. */

/** What a token stands for, among these arrays; the gradient of an output that nothing uses is 0. */
const among = (values, gradients) => ({ wire, grad }) => (grad ? gradients[wire] ?? filled(values[wire].shape, () => 0) : values[wire]);

/** The lines of a rule that say how an array comes about. */
const telling = lines => lines.filter(line => line.result);

/** Why the rule of a node cannot be computed; empty where it can. */
function gapOf(node, wires) {
  const [forward, backward] = [telling(node.forward), telling(node.backward)], told = backward.map(line => line.result.wire);
  const is = forward.length === node.outputs.length && forward.every(({ result }, k) => result.wire === node.outputs[k] && !result.grad);
  if (!is || !forward.length) return "it has no rule";
  const untold = node.inputs.find(i => wires[i].grad !== null && !told.includes(i));
  if (untold !== undefined) return `its rule has no line for d${wires[untold].name}`;
  try {
    [...forward, ...backward].forEach(line => compiled(line, wires));
  } catch (error) {
    return error.message;
  }
  return "";
}

/* What rounding may do to a number of size 1, with room to spare. A rule that says something else is further off. */
const ROUNDING = { float64: 1e-12, float32: 1e-6, float16: 1e-2 };

const largestOf = x => x.data.reduce((most, number) => (Number.isFinite(number) ? Math.max(most, Math.abs(number)) : most), 0);

/** Whether the rule of a node gives the numbers that came out of its layer, to rounding of the terms that they may be made of. */
function isTrue(node, wires, values, gradients) {
  const around = [...node.inputs, ...node.outputs].flatMap(i => [values[i], gradients[i]]).filter(Boolean);
  const unit = Math.max(...around.map(x => ROUNDING[x.dtype] ?? 0)), terms = Math.max(1, ...around.map(largestOf)) ** 2;
  return [...telling(node.forward), ...telling(node.backward)].every(line => {
    const was = among(values, gradients)(line.result);
    try {
      const is = resultOf(line, wires, among(values, gradients), was.shape), most = unit * terms + Math.sqrt(unit) * largestOf(was);
      return was.data.every((number, i) => !Number.isFinite(number) || Math.abs(number - is.data[i]) <= most);
    } catch {
      return false;
    }
  });
}

/** The numbers that a max pool and its like send the gradient back to: their wire, and an array that is 0 elsewhere. Null where there are none. */
function winnersOf(node, wires, values) {
  const line = node.backward.find(({ parts: [first] }) => typeof first === "string" && first.startsWith("to_winners["));
  const x = line && line.parts.filter(part => typeof part !== "string").at(-1);
  if (!x || !values[x.wire].data) return null;
  const ones = node.outputs.map(i => [i, filled(values[i].shape, () => 1)]);
  try {
    return { wire: x.wire, marks: resultOf(line, wires, among(values, Object.fromEntries(ones)), values[x.wire].shape) };
  } catch {
    return null;
  }
}

/** Compute all of `picture` anew: the value on each wire from those that sources send, the gradients from those that outputs send. */
function computed(picture, values, gradients) {
  values = [...values];
  gradients = [...gradients];
  const work = (node, lines, all) => {
    try {
      telling(lines).forEach(line => { all[line.result.wire] = resultOf(line, picture.wires, among(values, gradients), all[line.result.wire].shape); });
    } catch (error) {
      throw new Error(`${node.title}: ${error.message}.`, { cause: error });
    }
  };
  for (const node of picture.nodes) {
    if (node.kind === "fan-out") node.outputs.forEach(i => { values[i] = values[node.inputs[0]]; });
    if (node.kind === "operation") work(node, node.forward, values);
  }
  for (const node of [...picture.nodes].reverse()) {
    if (node.kind === "fan-out" && gradients[node.inputs[0]]) gradients[node.inputs[0]] = total(node.outputs.map(i => gradients[i]).filter(Boolean));
    if (node.kind === "operation") work(node, node.backward, gradients);
  }
  return [values, gradients];
}

const total = arrays => (arrays.length ? zipped((...all) => all.reduce((a, b) => a + b), arrays[0].shape, ...arrays) : null);
