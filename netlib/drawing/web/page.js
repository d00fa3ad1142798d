/* The page: where it stands, what it shows of the picture, what the panel says, and what keys and pointers do. */

const data = JSON.parse(document.getElementById("data").textContent);
const arrays = data.arrays.map(decoded);
const at = id => document.getElementById(id);
const canvas = at("canvas");
const views = new Map();
const edits = new Map(); // the numbers that were changed, by the name of what they belong to

let view = null;
let step = 0; // how many moments have passed; 0 is the whole picture, before any step
let chosen = null; // the wire that was chosen
let looked = null; // the wire under the pointer or the focus
let timer = null;
let trail = []; // the views and steps from which a folded node was looked into

// The views.

/** A detail of the graph, or a part, its drawing made ready: what can be pointed at, and a slot for each array that is not there yet. */
function opened(name) {
  const drawing = canvas.firstElementChild && name === data.begin && !views.size
    ? canvas.firstElementChild
    : document.querySelector(`template[data-view="${CSS.escape(name)}"]`).content.firstElementChild.cloneNode(true);
  canvas.replaceChildren(drawing);
  const picture = data.views[name];
  const [, , width, height] = drawing.getAttribute("viewBox").split(" ").map(Number);
  const made = { name, picture, drawing, width, height, scale: 0, x: 0, y: 0, camera: "auto" };
  made.nodes = picture.nodes.map((_, i) => drawing.querySelector(`[data-node="${i}"]`));
  made.wires = picture.wires.map((_, i) => drawing.querySelector(`[data-wire="${i}"]`));
  made.first = [picture.wires.map(wire => arrays[wire.value]), picture.wires.map(wire => (wire.grad === null ? null : arrays[wire.grad]))];
  [made.values, made.gradients] = made.first;
  made.obstacle = obstacleOf(picture, ...made.first);
  made.labels = made.wires.map(wire => ({ value: label(wire, "value"), grad: label(wire, "grad") }));
  drawing.setAttribute("role", "group");
  drawing.setAttribute("aria-label", drawing.querySelector("title").textContent);
  drawing.querySelectorAll("title").forEach(title => title.remove());
  drawing.removeAttribute("width");
  drawing.removeAttribute("height");
  const legend = drawing.querySelector(".legend");
  picture.nodes.forEach((node, i) => { // in the order of the flow, for those who go from one to the next by the tab key
    drawing.insertBefore(ready(made.nodes[i], nameOf(node), () => chooseNode(i)), legend);
    for (const w of node.outputs) {
      const { name } = picture.wires[w];
      drawing.insertBefore(ready(made.wires[w], `${name}, ${sized(made.values[w].shape)}: its numbers`, () => chooseWire(w)), legend);
      made.wires[w].addEventListener("pointerenter", () => look(w));
      made.wires[w].addEventListener("pointerleave", () => look(null));
      made.wires[w].addEventListener("focus", () => { look(w); if (made.wires[w].matches(":focus-visible")) intoSight(made.wires[w].querySelector(".label")); });
      made.wires[w].addEventListener("blur", () => look(null));
    }
  });
  return made;
}

function svgElement(tag, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.textContent = text;
  return element;
}

/** A node or a wire that can be pointed at, reached by the tab key and chosen. */
function ready(group, name, choose) {
  const { x, y, width, height } = (group.querySelector(":scope > .label") || group).getBBox();
  const line = group.querySelector(":scope > .line");
  if (line) group.prepend(svgElement("path", { class: "reach", d: line.getAttribute("d") }));
  group.prepend(svgElement("rect", { class: "reach", x: x - 6, y: y - 4, width: width + 12, height: height + 8, rx: 8 }));
  group.setAttribute("tabindex", "0");
  group.setAttribute("role", "button");
  group.setAttribute("aria-label", name);
  group.addEventListener("click", choose);
  group.addEventListener("keydown", event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    choose();
  });
  return group;
}

/** One half of what stands on a wire, and where in it the array is. */
function label(wire, half) {
  const group = wire.querySelector(`.${half}`), rows = [...group.querySelectorAll(".row")], image = group.querySelector("image");
  const whole = group.getBBox(), brackets = [...group.querySelectorAll(".bracket")];
  const boxes = [...rows, ...brackets, ...(image ? [image] : [])].map(each => each.getBBox());
  if (!boxes.length) return { group, rows, image, brackets };
  const left = Math.min(...boxes.map(b => b.x)), right = Math.max(...boxes.map(b => b.x + b.width));
  const top = Math.min(...boxes.map(b => b.y)), bottom = Math.max(...boxes.map(b => b.y + b.height));
  const centre = (left + right) / 2, width = Math.max(right - left, 26), room = Math.max(whole.width + 14, width);
  const slot = svgElement("g", { class: "slot" });
  slot.append(svgElement("rect", { x: centre - width / 2, y: top + 1, width, height: Math.max(bottom - top - 2, 12), rx: 3 }));
  if (width > 58) slot.append(svgElement("text", { x: centre, y: (top + bottom) / 2 + 3.5 }, "not yet"));
  group.append(slot);
  const ends = brackets.map(bracket => bracket.getAttribute("d").match(/[\d.]+/g).map(Number));
  return { group, rows, image, brackets, centre, room, ends, isGradient: half === "grad" };
}

const LETTER = 7.26; // the width of a letter in the picture, in px

/** Write an array where another stood. */
function rewrite({ rows, image, brackets, centre, room, ends, isGradient }, array) {
  if (!rows.length) return;
  const lines = image ? rangeOf(array) : rowsOf(array, Math.floor((room - (brackets.length ? 14 : 0)) / LETTER));
  rows.forEach((row, i) => { row.textContent = lines[i] || ""; });
  if (image) image.setAttribute("href", imageOf(array, isGradient));
  if (image) return;
  const width = Math.max(...lines.map(line => line.length)) * LETTER + (brackets.length ? 14 : 0), left = centre - width / 2;
  rows.forEach(row => row.setAttribute("x", left + (brackets.length ? 7 : 0)));
  brackets.forEach((bracket, side) => {
    const [, y, , bottom] = ends[side], edge = side ? left + width : left, inner = edge + (side ? -4 : 4);
    bracket.setAttribute("d", `M${inner} ${y}H${edge}V${bottom}H${inner}`);
  });
}

// The laboratory.

/** Why this picture cannot be computed here; empty where it can. */
function obstacleOf(picture, values, gradients) {
  if (picture.nodes.some(node => node.kind === "entry" || node.kind === "exit")) return "This is a part, and hangs on the rest.";
  const layers = picture.nodes.filter(node => node.kind === "operation"), gaps = new Map();
  for (const node of picture.nodes) {
    const gap = node.kind === "operation" ? gapOf(node, picture.wires) : "";
    if (gap || node.kind === "group") gaps.set(node.title, gap);
  }
  const foreign = [...gaps.keys()], reason = gaps.size === 1 && gaps.get(foreign[0]) ? `: ${gaps.get(foreign[0])}` : "";
  if (foreign.length) return `This page cannot compute ${foreign.slice(0, 3).join(", ")}${foreign.length > 3 ? " …" : ""} itself${reason}.`;
  const large = picture.wires.find(wire => !arrays[wire.value].data || (wire.grad !== null && !arrays[wire.grad].data));
  if (large) return `${large.name} is too large to be computed here.`;
  const untrue = layers.find(node => !isTrue(node, picture.wires, values, gradients));
  return untrue ? `The rule of ${untrue.title} gives other numbers than the layer did.` : "";
}

/** What can be changed on a wire: {wire, isGradient, key}, or null. */
function sourceAt(w, isGradient) {
  if (view.obstacle) return null;
  const { nodes, wires } = view.picture;
  if (isGradient) return nodes[wires[w].target].kind === "output" ? { wire: w, isGradient, key: `dout ${nodes[wires[w].target].title}` } : null;
  let node = nodes[wires[w].source];
  if (node.kind === "fan-out") { [w] = node.inputs; node = nodes[wires[w].source]; }
  return isSource(node) ? { wire: w, isGradient, key: `${node.kind} ${node.path} ${node.title}` } : null;
}

const isSource = node => ["input", "parameter", "constant"].includes(node.kind);

/** All that can be changed in this view. */
const sources = () => view.picture.wires.flatMap((wire, w) =>
  [sourceAt(w, false), sourceAt(w, true)].filter(source => source && source.wire === w));

/** Compute the view anew with all changes; an error leaves everything as it was. */
function compute() {
  const [values, gradients] = view.first.map(all => [...all]);
  const changed = sources().filter(source => edits.has(source.key));
  for (const { wire, isGradient, key } of changed) {
    const all = isGradient ? gradients : values;
    all[wire] = { ...all[wire], data: edits.get(key) };
  }
  const before = [view.values, view.gradients];
  [view.values, view.gradients] = changed.length ? computed(view.picture, values, gradients) : view.first;
  view.labels.forEach((both, w) => {
    if (view.values[w] !== before[0][w]) rewrite(both.value, view.values[w]);
    if (view.gradients[w] !== before[1][w]) rewrite(both.grad, view.gradients[w]);
  });
  at("reset").hidden = !edits.size;
}

function edit(source, place, input) {
  const number = read(input), had = edits.get(source.key);
  const all = source.isGradient ? view.gradients : view.values;
  const numbers = all[source.wire].data.slice();
  numbers[place] = number;
  let complaint = Number.isFinite(number) ? "" : "A number, please.";
  if (!complaint) {
    edits.set(source.key, numbers);
    try {
      compute();
    } catch (error) {
      complaint = error.message;
      if (had) edits.set(source.key, had);
      else edits.delete(source.key);
    }
  }
  input.setAttribute("aria-invalid", Boolean(complaint));
  at("complaint").textContent = complaint;
  if (complaint) return;
  showStep();
  showWire(source);
}

function reset() {
  edits.clear();
  compute();
  show();
  at("live").textContent = "The numbers are those it began with.";
  at("play").focus();
}

// What the panel says.

const nameOf = node => (node.symbol && node.symbol !== "•" ? `${node.symbol}, ${node.title}` : node.kind === "fan-out" ? `${node.title}, fan-out` : node.title);

const shortened = name => (name.length <= 28 ? name : `${name.slice(0, 14)}…${name.slice(-13)}`);

const called = (wire, isGradient, isTurned = false) => `${isGradient ? "d" : ""}${shortened(view.picture.wires[wire].name)}${isTurned ? "ᵀ" : ""}`;

const arrayOf = (wire, isGradient) => (isGradient ? view.gradients : view.values)[wire];

const word = (wire, isGradient, isTurned) =>
  make("span", { class: isGradient ? "of-gradient" : "of-value" }, called(wire, isGradient, isTurned));

const sign = text => make("span", { class: "sign" }, text);

/** An array in an equation, its name beneath it. */
function term({ wire, grad, turned: isTurned }, { most = 8, isThere = true, winners = null } = {}) {
  const name = called(wire, grad, isTurned);
  const array = arrayOf(wire, grad), marks = winners && winners.wire === wire && !grad ? winners.marks : null;
  const inside = !array ? make("span", { class: "none" }, "none") : isThere
    ? hasImages(array) ? summary(array, name, grad, marks) : matrix(array, { name, grad, isTurned, most })
    : make("span", { class: `yet ${grad ? "of-gradient" : "of-value"}` }, "not yet");
  return make("span", { class: "term" }, inside, make("span", { class: `below ${grad ? "of-gradient" : "of-value"}`, "aria-hidden": "true" }, name));
}

const equation = (...items) => make("div", { class: "equation" }, items);

/** A line of a rule: as it stands there, with its shapes, with numbers, and what comes out. */
function lineOfRule({ result, parts, fit }, winners = null) {
  const words = parts.map(part => (typeof part === "string" ? sign(part) : word(part.wire, part.grad, part.turned)));
  const left = result ? [word(result.wire, result.grad), sign(" = ")] : [];
  const steps = [make("p", { class: "rule" }, left, words, fit ? make("span", { class: "fit" }, fit) : null)];
  const isBare = result && parts.length === 1 && typeof parts[0] !== "string";
  const isSaid = parts.some(part => typeof part !== "string") && !isBare;
  const terms = isSaid ? [sign("="), parts.map(part => (typeof part === "string" ? sign(part.trim()) : term(part, { winners })))] : [];
  if (isSaid || result) steps.push(equation(terms, result ? make("span", { class: "result" }, sign("="), term(result)) : null));
  return make("div", { class: "line-of-rule" }, steps);
}

const given = (wire, isGradient) => equation(make("span", { class: "result" }, word(wire, isGradient), sign("="), term({ wire, grad: isGradient })));

/** What has come back to a fan-out so far, and its sum. */
function meeting(fan) {
  const [trunk] = fan.inputs, { gradients } = arrived();
  const all = fan.outputs.filter(w => view.gradients[w]), here = all.filter(w => gradients.has(w));
  const terms = all.flatMap((w, i) => [...(i ? [sign("+")] : []), term({ wire: w, grad: true }, { isThere: gradients.has(w) })]);
  const sum = total(here.map(w => view.gradients[w]));
  const isDone = here.length === all.length;
  return make("div", { class: "line-of-rule meeting" },
    make("p", { class: "rule" }, word(trunk, true), sign(" = "), all.flatMap((w, i) => [...(i ? [sign(" + ")] : []), word(w, true)])),
    make("p", { class: "remark" }, isDone
      ? `${all.length === 2 ? "Both" : `All ${all.length}`} gradients are back. ${fan.title} went ${all.length} ways, so they add up.`
      : `${fan.title} went ${all.length} ways. ${here.length} of ${all.length} gradients ${here.length === 1 ? "is" : "are"} back.`),
    equation(terms, make("span", { class: "result" }, sign("="), make("span", { class: "term" },
      matrix(sum, { name: called(trunk, true), grad: true, most: 8 }),
      make("span", { class: "below of-gradient", "aria-hidden": "true" }, `${called(trunk, true)}${isDone ? "" : " so far"}`)))));
}

/** The wires whose value, and whose gradient, is there at this step. */
function arrived() {
  const { moments, wires } = view.picture, values = new Set(), gradients = new Set();
  const passed = step ? moments.slice(0, step) : moments;
  for (const [phase, , those] of passed) those.forEach(w => (phase === "forward" ? values : gradients).add(w));
  if (!step) wires.forEach((_, w) => values.add(w));
  return { values, gradients };
}

const SAYINGS = {
  input: node => `${node.title} comes in from outside.`,
  parameter: node => `A parameter${node.path ? `, ${node.path}` : ""}: it is learned.`,
  constant: () => "A constant. Nobody asks for its gradient.",
  "fan-out": node => `The same ${node.title} goes ${node.outputs.length} ways. On the way back the gradients meet here, and add up.`,
  group: node => `${node.folds} ${node.folds === 1 ? "layer" : "layers"}, folded into one node.`,
  entry: node => `${node.title} comes into this part${node.path ? ` from ${node.path}` : ""}.`,
  exit: node => `${node.title} goes out of this part. This is what comes back.`,
  operation: () => "This layer gives no rule of its own. It may have one: an attribute such as rule = \"y = 2 x; dx = 2 dy\".",
};

function showStep() {
  const { moments, nodes, wires } = view.picture, panel = at("step");
  if (!step) {
    const chips = sources().map(source => make("button", { class: "chip", onclick: () => chooseWire(source.wire) }, sourceName(source)));
    panel.replaceChildren(
      make("h2", {}, trail.length ? `What is inside ${trail.at(-1).title}` : "The whole picture"),
      make("p", {}, "What went forward stands above each line, what came back below it. Step on to see how each number comes about, one node at a time."),
      make("p", { class: "keys" }, key("→"), " a step on  ", key("←"), " back  ", key("space"), " play  ", key("+"), " ", key("−"), " zoom  ", key("shift"), " ", key("→"), " move  ", key("tab"), " from line to line"),
      view.obstacle
        ? make("p", { class: "remark" }, `${view.obstacle} So the numbers of this view can be read, but not changed.${edits.size ? " They are the first ones: elsewhere there are other numbers now." : ""}`)
        : make("p", {}, "Change a number, and all others follow: ", chips));
    return;
  }
  const [phase, n, those] = moments[step - 1], node = nodes[n], isBack = phase === "backward";
  const lines = isBack ? node.backward : node.forward, winners = winnersOf(node, wires, view.values);
  const told = new Set(lines.filter(line => line.result).map(line => line.result.wire));
  const body = [];
  if (isBack && node.kind === "output") body.push(make("p", {}, "Here backward begins: this gradient, dout, is sent in from the right."));
  else if (!lines.length && SAYINGS[node.kind]) body.push(make("p", {}, SAYINGS[node.kind](node)));
  if (node.kind === "group" && node.path !== "…") body.push(wayInto(node));
  if (node.kind === "fan-out" && isBack) body.push(meeting(node));
  else body.push(...lines.map(line => lineOfRule(line, winners)));
  if (winners && hasImages(winners.marks)) body.push(make("p", { class: "remark" }, "Orange: the largest number under each window. The gradient goes back to these alone."));
  if (!lines.length && (node.kind === "operation" || node.kind === "group")) {
    const from = isBack ? node.outputs.filter(w => view.gradients[w]) : node.inputs;
    body.push(equation(from.map(wire => term({ wire, grad: isBack })), sign("→"), those.map(wire => term({ wire, grad: isBack }))));
  } else if (node.kind !== "fan-out") {
    body.push(...those.filter(w => !told.has(w)).map(w => given(w, isBack)));
  }
  if (isBack) {
    const fans = new Set(those.map(w => nodes[wires[w].source]).filter(source => source.kind === "fan-out"));
    body.push(...[...fans].map(meeting));
  }
  panel.replaceChildren(
    make("h2", {}, make("span", { class: `phase ${isBack ? "of-gradient" : "of-value"}` }, phase), node.kind === "fan-out" ? `fan-out of ${node.title}` : node.title,
      node.path && !isSource(node) ? make("span", { class: "path" }, node.path) : null),
    ...body);
}

/** How to see what is inside a folded node. */
function wayInto(node) {
  if (isOpenable(node)) return make("p", {}, make("button", { class: "chip", id: "inside", onclick: () => lookInto(node) }, "look inside"));
  return make("p", { class: "remark" }, "What is inside would make this page heavy. ", make("code", {}, `nl.draw(model, …, within="${node.path}")`), " draws it.");
}

const key = text => make("kbd", {}, text);

const sourceName = ({ wire, isGradient }) => (isGradient ? "dout" : shortened(view.picture.wires[wire].name)) ;

/** Tell of the wire that is looked at, or else the one that was chosen. After an edit (`source`) the fields themselves stay. */
function showWire(source = null) {
  const panel = at("wire"), w = looked ?? chosen;
  view.wires.forEach((wire, i) => wire.classList.toggle("chosen", i === chosen));
  if (w === null) {
    panel.replaceChildren(make("p", { class: "remark" }, "Point at a line, or go to it by the tab key, to see all that it carries. A click keeps it here."));
    return;
  }
  const wire = view.picture.wires[w], there = arrived();
  const halves = [false, true].map(isGradient => half(w, isGradient, there));
  if (source) { // only what is no field
    halves.forEach(each => {
      const old = panel.querySelector(`[data-half="${each.dataset.half}"]`);
      if (!old.querySelector("input")) old.replaceWith(each);
    });
    return;
  }
  const facts = [sized(view.values[w].shape), arrays[wire.value].dtype, wire.path === wire.name ? "" : wire.path].filter(Boolean).join("  ·  ");
  panel.replaceChildren(
    make("h2", {}, shortened(wire.name), make("span", { class: "path" }, facts)),
    ...halves,
    make("p", { id: "complaint", role: "alert" }));
}

function half(w, isGradient, there) {
  const array = arrayOf(w, isGradient), source = w === chosen ? sourceAt(w, isGradient) : null;
  const name = `${isGradient ? "∂L/∂" : ""}${shortened(view.picture.wires[w].name)}`;
  const isThere = (isGradient ? there.gradients : there.values).has(w);
  let body;
  if (!array) body = make("p", { class: "none" }, "not computed");
  else if (source) body = matrix(array, { name, grad: isGradient, edit: (place, input) => edit(source, place, input) });
  else if (!isThere) body = make("p", { class: "yet" }, "not yet");
  else body = [...(hasImages(array) && array.data ? [make("div", {}, summary(array, name, isGradient))] : []), matrix(array, { name, grad: isGradient })];
  const hint = source ? make("span", { class: "path" }, "yours to change") : null;
  return make("div", { class: "half", "data-half": isGradient ? "gradient" : "value" },
    make("h3", { class: isGradient ? "of-gradient" : "of-value" }, isGradient ? `gradient ${name}` : "value", hint), make("div", { class: "whole", tabindex: "-1" }, body));
}

// What the picture shows.

function showPicture() {
  const { moments, nodes } = view.picture, there = arrived();
  const [phase, active] = step ? moments[step - 1] : ["", -1];
  const worked = new Set(moments.slice(0, step).map(([, node]) => node));
  view.wires.forEach((wire, w) => {
    wire.classList.toggle("value-yet", !there.values.has(w));
    wire.classList.toggle("grad-yet", Boolean(view.gradients[w]) && !there.gradients.has(w));
    const isLit = active >= 0 && (nodes[active].inputs.includes(w) || nodes[active].outputs.includes(w));
    wire.classList.toggle("lit-forward", isLit && phase === "forward");
    wire.classList.toggle("lit-backward", isLit && phase === "backward" && Boolean(view.gradients[w]));
  });
  view.nodes.forEach((node, i) => {
    node.classList.toggle("ahead", step > 0 && !worked.has(i));
    node.classList.toggle("lit-forward", i === active && phase === "forward");
    node.classList.toggle("lit-backward", i === active && phase === "backward");
  });
  view.drawing.classList.toggle("stepping", step > 0);
  film();
}

function statusText() {
  const { moments } = view.picture;
  return step ? `step ${step} of ${moments.length}, ${moments[step - 1][0]}` : "the whole picture";
}

function show() {
  const { moments, nodes } = view.picture;
  at("slider").max = moments.length;
  at("slider").value = step;
  at("slider").setAttribute("aria-valuetext", statusText());
  at("status").textContent = statusText();
  at("first").disabled = at("back").disabled = step === 0;
  at("next").disabled = at("last").disabled = step === moments.length;
  showPicture();
  showStep();
  showWire();
  const rules = step ? [...at("step").querySelectorAll(".rule")].map(rule => rule.textContent).join("; ") : "";
  const node = step ? `: ${nameOf(nodes[moments[step - 1][1]])}. ${rules}` : "";
  at("live").textContent = statusText() + node;
}

function go(to) {
  step = Math.min(Math.max(to, 0), view.picture.moments.length);
  show();
}

function play(isOn) {
  clearInterval(timer);
  timer = null;
  if (isOn) {
    if (step === view.picture.moments.length) step = 0;
    go(step + 1);
    timer = setInterval(() => { go(step + 1); if (step === view.picture.moments.length) play(false); }, 2000);
  }
  document.body.classList.toggle("playing", isOn);
  at("play").setAttribute("aria-label", isOn ? "Pause" : "Play");
}

/** Look at a wire, or at none; while somebody writes in a field, that stays. */
function look(w) {
  if (w === looked || document.activeElement.matches("input.number")) return;
  looked = w;
  showWire();
}

function chooseWire(w) {
  looked = null;
  const { nodes, wires } = view.picture, source = sourceAt(w, false);
  chosen = source ? source.wire : w;
  showWire();
  const field = at("wire").querySelector("input");
  if (field) field.focus({ preventScroll: innerWidth > 900 });
}

function chooseNode(n) {
  play(false);
  const { moments, nodes } = view.picture, phase = step && moments[step - 1][0] === "backward" ? "backward" : "forward";
  if (step && moments[step - 1][1] === n && isOpenable(nodes[n])) { lookInto(nodes[n]); return; }
  const places = moments.flatMap(([each, node], i) => (node === n ? [[each, i + 1]] : []));
  const place = places.find(([each]) => each === phase) || places[0];
  if (place) go(place[1]);
  if (isSource(nodes[n])) { chosen = nodes[n].outputs[0]; showWire(); }
}

const isOpenable = node => node.kind === "group" && `in ${node.path}` in data.views;

/** Look into a folded node. */
function lookInto(node) {
  trail.push({ name: view.name, step, title: `${node.path} ${node.title}` });
  open(`in ${node.path}`);
}

/** Go back to where this part was looked into. */
function lookOut() {
  const before = trail.pop();
  open(before.name, before.step);
}

function open(name, to = 0) {
  play(false);
  chosen = looked = null;
  step = to;
  view = views.get(name);
  if (view) canvas.replaceChildren(view.drawing);
  else { view = opened(name); views.set(name, view); }
  at("details").querySelectorAll("button").forEach(button => button.setAttribute("aria-pressed", button.textContent === name));
  at("out").hidden = !trail.length;
  at("out").textContent = trail.length ? `out of ${shortened(trail.at(-1).title)}` : "";
  compute();
  canvas.classList.toggle("zoomed", view.camera === "own");
  arrange();
  show();
}

// The camera: `scale` is px of the page for one of the picture, (x, y) the point of the picture at the top left.

const READABLE = 0.75; // a picture that fits only at less is shown whole at first, and then from near, node by node

/** Return the place from which the camera shows all. */
function whole() {
  const scale = Math.min(canvas.clientWidth / view.width, canvas.clientHeight / view.height, 1.25);
  return centred(scale, view.width / 2, view.height / 2);
}

const centred = (scale, x, y) => ({ scale, x: x - canvas.clientWidth / scale / 2, y: y - canvas.clientHeight / scale / 2 });

/** Give the canvas the height that suits the picture, and the camera its place. */
function arrange() {
  const wide = Math.min(canvas.clientWidth / view.width, 1.25), least = Math.min(view.height, innerHeight * 0.42);
  canvas.style.height = `${Math.round(Math.min(Math.max(wide * view.height, least), Math.max(innerHeight * 0.6, 240)))}px`;
  if (view.camera === "own") moved(view);
  else if (view.camera === "auto") film();
  else moved(whole());
}

/** Show the active node from near where all is too small to be read, and bring it into sight where the reader has gone elsewhere. */
function film() {
  const active = step ? view.nodes[view.picture.moments[step - 1][1]] : null, all = whole();
  if (view.camera === "own" && active) intoSight(active);
  if (view.camera === "auto") glide(active && all.scale < READABLE ? near(active) : all);
}

function near(node) {
  const { x, y, width, height } = node.getBBox(), scale = 0.95;
  const inside = (middle, seen, of) => (of <= seen ? of / 2 : Math.min(Math.max(middle, seen / 2), of - seen / 2));
  return centred(scale, inside(x + width / 2, canvas.clientWidth / scale, view.width), inside(y + height / 2, canvas.clientHeight / scale, view.height));
}

function intoSight(element) {
  const box = element.getBBox(), [wide, high] = [canvas.clientWidth / view.scale, canvas.clientHeight / view.scale];
  const isOut = box.x < view.x || box.x + box.width > view.x + wide || box.y < view.y || box.y + box.height > view.y + high;
  if (isOut) glide(centred(view.scale, box.x + box.width / 2, box.y + box.height / 2));
}

let frame = 0;

/** Move there, in a quarter of a second where motion is welcome. */
function glide(to) {
  cancelAnimationFrame(frame);
  if (!(to.scale > 0)) return;
  if (!view.scale || matchMedia("(prefers-reduced-motion: reduce)").matches) { moved(to); return; }
  const from = { scale: view.scale, x: view.x, y: view.y }, begin = performance.now();
  const tick = now => {
    const t = Math.min(Math.max((now - begin) / 250, 0), 1), part = t * t * (3 - 2 * t);
    moved(Object.fromEntries(Object.keys(from).map(name => [name, from[name] + (to[name] - from[name]) * part])));
    if (t < 1) frame = requestAnimationFrame(tick);
  };
  frame = requestAnimationFrame(tick);
}

function moved({ scale, x, y }) {
  if (!(scale > 0)) return; // a page in a hidden tab or frame has no room
  Object.assign(view, { scale, x, y });
  view.drawing.setAttribute("viewBox", [x, y, canvas.clientWidth / scale, canvas.clientHeight / scale].map(n => n.toFixed(2)).join(" "));
}

/** The reader takes the camera. */
function take({ scale, x, y }) {
  cancelAnimationFrame(frame);
  view.camera = "own";
  canvas.classList.add("zoomed");
  const [wide, high] = [canvas.clientWidth / scale, canvas.clientHeight / scale];
  moved({ scale, x: Math.min(Math.max(x, -wide / 2), view.width - wide / 2), y: Math.min(Math.max(y, -high / 2), view.height - high / 2) });
}

/** Zoom by `factor`, the point (px, py) of the canvas staying where it is. */
function zoom(factor, px = canvas.clientWidth / 2, py = canvas.clientHeight / 2) {
  const scale = Math.min(Math.max(view.scale * factor, whole().scale * 0.8), 4);
  take({ scale, x: view.x + px / view.scale - px / scale, y: view.y + py / view.scale - py / scale });
}

const pan = (dx, dy) => take({ scale: view.scale, x: view.x - dx / view.scale, y: view.y - dy / view.scale });

function fit() {
  view.camera = "fit";
  canvas.classList.remove("zoomed");
  glide(whole());
}

const drag = { pointers: new Map(), moved: false };

canvas.addEventListener("pointerdown", event => {
  if (event.button) return;
  if (!drag.pointers.size) drag.moved = false;
  drag.pointers.set(event.pointerId, [event.clientX, event.clientY]);
});

canvas.addEventListener("pointermove", event => {
  const before = drag.pointers.get(event.pointerId), now = [event.clientX, event.clientY];
  if (!before) return;
  if (!drag.moved && Math.hypot(now[0] - before[0], now[1] - before[1]) < 5) return;
  drag.moved = true;
  canvas.setPointerCapture(event.pointerId); // so that letting go is no click on what lies there
  if (drag.pointers.size === 1) {
    pan(now[0] - before[0], now[1] - before[1]);
  } else {
    const other = [...drag.pointers].find(([id]) => id !== event.pointerId)[1], { left, top } = canvas.getBoundingClientRect();
    const apart = point => Math.max(Math.hypot(point[0] - other[0], point[1] - other[1]), 1);
    zoom(apart(now) / apart(before), (now[0] + other[0]) / 2 - left, (now[1] + other[1]) / 2 - top);
  }
  drag.pointers.set(event.pointerId, now);
});

for (const name of ["pointerup", "pointercancel"]) {
  addEventListener(name, event => drag.pointers.delete(event.pointerId));
}

canvas.addEventListener("wheel", event => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  const { left, top } = canvas.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY / 300), event.clientX - left, event.clientY - top);
}, { passive: false });

// Keys and buttons.

const MOVES = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] };

const KEYS = {
  ArrowRight: () => { play(false); go(step + 1); },
  ArrowLeft: () => { play(false); go(step - 1); },
  Home: () => { play(false); go(0); },
  End: () => { play(false); go(Infinity); },
  " ": () => play(!timer),
  "+": () => zoom(1.25),
  "=": () => zoom(1.25),
  "-": () => zoom(0.8),
  0: () => fit(),
  Escape: () => {
    if (chosen === null && looked === null && trail.length) lookOut();
    else { chosen = looked = null; showWire(); }
  },
};

document.addEventListener("keydown", event => {
  const inside = event.target, isField = inside.matches("input.number");
  if (event.ctrlKey || event.metaKey || event.altKey || (isField && event.key !== "Escape")) return;
  if (inside.matches("button") && (event.key === " " || event.key === "Enter")) return;
  const act = event.shiftKey && MOVES[event.key] ? () => pan(...MOVES[event.key]) : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

at("slider").addEventListener("input", event => { play(false); go(Number(event.target.value)); });
at("first").addEventListener("click", KEYS.Home);
at("back").addEventListener("click", KEYS.ArrowLeft);
at("play").addEventListener("click", KEYS[" "]);
at("next").addEventListener("click", KEYS.ArrowRight);
at("last").addEventListener("click", KEYS.End);
at("smaller").addEventListener("click", KEYS["-"]);
at("larger").addEventListener("click", KEYS["+"]);
at("fit").addEventListener("click", () => fit());
at("reset").addEventListener("click", reset);
at("out").addEventListener("click", lookOut);
const details = Object.keys(data.views).filter(name => !name.startsWith("in "));
if (details.length > 1) at("details").append(...details.map(detail => make("button", { onclick: () => { trail = []; open(detail); } }, detail)));
else at("details").hidden = true;

let wide = 0;
new ResizeObserver(() => {
  if (canvas.clientWidth !== wide) arrange();
  wide = canvas.clientWidth;
}).observe(canvas);
addEventListener("beforeprint", () => moved(whole()));

open(data.begin);
