// Python in a thread of its own, so that the page stays usable, and a loop without end can be stopped.

let run;

async function start({ runtime: place, wheels }) {
  const runtime = new URL(place, location.href).href;
  postMessage(["status", "Getting Python…"]);
  const { loadPyodide } = await import(`${runtime}pyodide.mjs`);
  const python = await loadPyodide({ indexURL: runtime });
  postMessage(["status", "Getting NumPy…"]);
  await python.loadPackage("numpy", { messageCallback() {} });
  postMessage(["status", "Getting netlib…"]);
  for (const wheel of wheels) python.unpackArchive(await (await get(wheel)).arrayBuffer(), "wheel");
  python.FS.writeFile("runner.py", await (await get("runner.py")).text());
  run = python.runPython("import sys; sys.path.append('.'); from runner import run; run");
}

async function get(name) {
  const response = await fetch(new URL(name, location.href));
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  return response;
}

onmessage = async ({ data: { source, settings } }) => {
  try {
    if (!run) await start(settings);
  } catch (error) {
    postMessage(["failed", String(error)]);
    return;
  }
  postMessage(["status", "Running…"]);
  const started = performance.now();
  run(source, (...result) => postMessage(result));
  postMessage(["done", (performance.now() - started) / 1000]);
};
