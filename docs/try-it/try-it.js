// The page "Try it": an editor, and a worker that runs its code in Python. Nothing is loaded before the first run.

const byId = id => document.getElementById(id);
const [editor, example, run, stop, status, output] = ["editor", "example", "run", "stop", "status", "output"].map(byId);
const originals = new Map([...document.querySelectorAll("script[data-title]")].map(each => [each.dataset.title, each.textContent.trim() + "\n"]));
const edited = new Map(originals);
let worker = null;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// What is shown

const show = {
  status: text => { status.textContent = text; },
  text: text => {
    const last = output.lastElementChild;
    (last?.matches("pre.text") ? last : output.appendChild(element("pre", { className: "text" }))).append(text);
  },
  error: text => output.append(element("pre", { className: "error" }, text)),
  picture: (svg, page, description) => {
    const image = element("img", { alt: description, src: `data:image/svg+xml,${encodeURIComponent(svg)}` });
    const scroll = element("div", { className: "scroll", tabIndex: 0 }, image);
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "The picture; arrow keys scroll");
    const steps = element("button", { type: "button" }, "Step through forward and backward");
    steps.onclick = () => {  // the page of the drawing has scripts: they may not touch this one
      const frame = element("iframe", { title: "Forward and backward, step by step", srcdoc: page });
      frame.sandbox = "allow-scripts";
      steps.replaceWith(frame);
      frame.focus();
    };
    output.append(element("figure", {}, scroll, steps));
  },
  done: seconds => finish(`Done in ${seconds.toFixed(1)} s.`),
  failed: text => {
    worker.terminate();
    worker = null;
    show.error(`Python could not be started.\n${text}\nIs there a connection to ${origin()}?`);
    finish("");
  },
};

function finish(text) {
  status.textContent = text;
  run.disabled = false;
  run.textContent = worker ? "Run" : "Start Python and run";
  if (document.activeElement === stop) run.focus();
  stop.disabled = true;
  if (!output.childElementCount) output.append(element("p", { className: "faint" }, "The code prints nothing, and its last line has no value."));
}

// Running

function start() {
  if (run.disabled) return;
  worker ??= new Worker("worker.js", { type: "module" });
  worker.onmessage = ({ data: [kind, ...result] }) => show[kind](...result);
  worker.onerror = event => show.failed(event.message ?? "The worker cannot be loaded.");
  output.replaceChildren();
  stop.disabled = false;
  if (document.activeElement === run) stop.focus();
  run.disabled = true;
  status.textContent = "Starting…";
  worker.postMessage({ source: editor.value, settings: SETTINGS });
}

run.onclick = start;
stop.onclick = () => {
  worker.terminate();
  worker = null;
  finish("Stopped.");
};

// Where Python comes from

function origin() {
  const { host } = new URL(SETTINGS.runtime, location.href);
  return host === location.host ? "this site" : host;
}

byId("source").textContent = location.protocol === "file:"
  ? "Browsers do not run Python from a file. Serve this folder, for example with: python -m http.server"
  : "Nothing is downloaded until you press the button. Then your browser downloads Python and NumPy "
    + `(17 MB, less if compressed) from ${origin()}, and netlib from this site, and caches them.`;
run.disabled = location.protocol === "file:";

// The starting points

example.append(...[...originals.keys()].map(title => element("option", {}, title)));
const take = () => {
  editor.value = edited.get(example.value);
  editor.rows = editor.value.split("\n").length + 1;
};
example.onchange = take;
editor.oninput = () => edited.set(example.value, editor.value);
byId("reset").onclick = () => {
  edited.set(example.value, originals.get(example.value));
  take();
  editor.focus();
};
take();

// The keys of the editor

let leaves = false;  // whether the next Tab moves the focus
editor.onkeydown = event => {
  const moves = leaves;
  if (event.key !== "Shift") leaves = event.key === "Escape";
  if (event.isComposing) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) start();
  else if (event.key === "Tab" && !moves && !event.ctrlKey && !event.altKey && !event.metaKey) indent(event.shiftKey);
  else if (event.key === "Enter" && !event.shiftKey && !event.altKey) insert("\n" + indentation());
  else return;
  event.preventDefault();
};
editor.onfocus = () => { leaves = false; };

function insert(text) {
  document.execCommand("insertText", false, text);  // unlike changes of the value, this can be undone
}

function lineStart(place) {
  return editor.value.lastIndexOf("\n", place - 1) + 1;
}

function indentation() {
  const line = editor.value.slice(lineStart(editor.selectionStart), editor.selectionStart);
  return line.match(/^ */)[0] + (/:\s*(#.*)?$/.test(line) ? "    " : "");
}

function indent(back) {
  const { selectionStart: from, selectionEnd: to, value } = editor;
  if (from === to && !back) return insert(" ".repeat(4 - (from - lineStart(from)) % 4));
  const begin = lineStart(from), found = value.indexOf("\n", Math.max(to - 1, from)), end = found < 0 ? value.length : found;
  const old = value.slice(begin, end), changed = back ? old.replace(/^ {1,4}/gm, "") : old.replace(/^(?=.)/gm, "    ");
  if (changed === old) return;
  editor.setSelectionRange(begin, end);
  insert(changed);
  const first = changed.match(/^ */)[0].length - old.match(/^ */)[0].length;
  if (from === to) editor.setSelectionRange(Math.max(begin, from + first), Math.max(begin, from + first));
  else editor.setSelectionRange(begin, begin + changed.length);
}
