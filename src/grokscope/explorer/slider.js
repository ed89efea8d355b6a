// The state of the page of one network over time: controls, keys, playing, the address.

const RATE = 8; // kept steps a second
const NEAR = 18; // pixels from a point within which it is chosen
const CANVASES = ["curves", "plane", "ipr", "vectors", "spectrum", "logits"];
const ADDRESS_MS = 150; // browsers refuse an address that changes more often

let playing = null; // when it began, and at which step
let addressing = null;

function usual() {
  return { step: data.steps.length - 1, neuron: data.typical.periodic ?? data.typical.memorizing ?? 0, example: 0, plane: planesThere()[0] || null, time: "log" };
}

function fromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)), found = usual(), whole = (name, size) => {
    const value = given.get(name);
    return value !== null && /^\d{1,9}$/.test(value) && Number(value) < size ? Number(value) : found[name];
  };
  const step = data.steps.indexOf(Number(given.get("step") ?? NaN));
  if (step >= 0) found.step = step;
  found.neuron = whole("neuron", neuronCount());
  found.example = whole("example", data.examples.length);
  if (planesThere().includes(given.get("plane"))) found.plane = given.get("plane");
  if (given.get("time") === "linear") found.time = "linear";
  return found;
}

function toAddress() {
  clearTimeout(addressing);
  addressing = setTimeout(() => {
    const words = new URLSearchParams({ step: stepNow() }), as = usual();
    for (const name of ["neuron", "example", "plane", "time"]) if (state[name] !== as[name]) words.set(name, state[name]);
    history.replaceState(null, "", `#${words}`);
  }, ADDRESS_MS);
}

const neuronCount = () => { const [one] = Object.values(data.neurons); return one ? one[0].length : 0; };

function update() {
  fixAxes();
  draw();
  toAddress();
}

function go(step, keepsPlaying = false) {
  if (!keepsPlaying) pause();
  state.step = Math.min(Math.max(step, 0), data.steps.length - 1);
  draw();
  toAddress();
}

function pause() {
  playing = null;
  $("play").textContent = "▶ Play";
}

function play() {
  if (playing) { pause(); draw(); return; }
  if (state.step === data.steps.length - 1) state.step = 0;
  playing = { from: state.step, since: performance.now() };
  $("play").textContent = "❚❚ Pause";
  requestAnimationFrame(playOn);
}

function playOn(now) {
  if (!playing) return;
  const at = playing.from + Math.max(now - playing.since, 0) / 1000 * RATE, last = data.steps.length - 1;
  if (at >= last) { go(last); return; }
  state.step = Math.floor(at);
  draw(matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : at - state.step);
  toAddress();
  requestAnimationFrame(playOn);
}

function choose(neuron) {
  if (!(neuron >= 0 && neuron < neuronCount())) return;
  state.neuron = neuron;
  if ($("neuron")) $("neuron").value = neuron;
  update();
}

function drawControls() {
  const pieces = [selector("steps", { id: "time", value: state.time, set: (name) => { state.time = name; }, options: [["log", "logarithmic"], ["linear", "linear"]] })];
  const names = { attribution: "memorizing, generalizing", frequency: "frequency, IPR" };
  if (state.plane) {
    pieces.push(selector("neurons by", { id: "plane-of", value: state.plane, set: (name) => { state.plane = name; }, options: planesThere().map((name) => [name, names[name]]) }));
    const input = Object.assign(document.createElement("input"), { type: "number", id: "neuron", min: 0, max: neuronCount() - 1, value: state.neuron });
    input.addEventListener("change", () => choose(Number(input.value)));
    pieces.push(labelled("neuron", input), ...Object.entries(data.typical).map(([kind, neuron]) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: `${kind}: ${neuron}`, id: `typical-${kind}` });
      button.addEventListener("click", () => choose(neuron));
      return button;
    }));
  }
  const examples = data.examples.map(({ name, given, true: right }, i) => [String(i), given === right ? `${name}: ${right}` : `${name}: given ${given}, true ${right}`]);
  pieces.push(selector("example", { id: "example", value: String(state.example), set: (i) => { state.example = Number(i); drawKeys(); }, options: examples }));
  $("controls").replaceChildren(...pieces);
}

function drawKeys() {
  const others = data.runs.slice(1);
  $("curves-key").replaceChildren(
    ...data.lines.map(({ label, color, dash }) => keyEntry(label, { color, dash })), keyEntry("1 − ξ", { color: ink.quiet, dash: [1, 3], width: 1.5 }),
    ...(others.length ? [`thick: ${data.runs[0].name}`, ...others.map(({ name }, i) => keyEntry(`thin: ${name}`, { color: RUN_COLORS[i], width: 1.2 }))] : []),
  );
  const bar = Object.assign(document.createElement("span"), { className: "ramp" });
  bar.style.background = `linear-gradient(90deg, ${data.scale.join(",")})`;
  const scale = document.createElement("span");
  scale.append("IPR 0", bar, "1");
  $("plane-key").replaceChildren(...(data.neurons.ipr ? [scale] : []));
  if (data.vectors) for (const id of ["vectors", "spectrum"]) $(`${id}-key`).replaceChildren(...data.vectors.names.map((name, i) => keyEntry(name, { color: VECTOR_COLORS[i % 4], dash: id === "spectrum" ? VECTOR_DASHES[i % 4] : [] })));
  const { name, given, true: right } = data.examples[state.example];
  $("logits-title").textContent = `Logits of ${name}, ${given === right ? "rightly" : "wrongly"} labelled`;
  $("logits-key").replaceChildren(...(given === right ? [] : [keyEntry(`given label ${given}`, { color: GIVEN, width: 3, mark: "cross" })]), keyEntry(`true label ${right}`, { color: TRUE, mark: "dot" }));
}

function tableOf(id) {
  const { neurons } = data, columns = Object.keys(neurons);
  const each = (make) => data.vectors.names.flatMap((name, matrix) => [...make(vector(matrix, state.step))].map((value, i) => [name, i, value]));
  switch (id) {
    case "curves": return [["run", "score", "step", "value"], ...data.runs.flatMap((run) => data.lines.flatMap((line, i) => run.steps.map((step, at) => [run.name, line.name, step, run.curves[i][at]])))];
    case "vectors": return [["matrix", "place", "weight"], ...each((values) => values)];
    case "spectrum": return [["matrix", "frequency", "share"], ...each(spectrum)];
    case "logits": return [["label", "logit"], ...data.examples[state.example].logits[state.step].map((value, i) => [i, value])];
    default: return [["neuron", ...columns], ...[...Array(neuronCount()).keys()].map((i) => [i, ...columns.map((name) => neurons[name][state.step][i])])];
  }
}

function save(id, kind) {
  if (kind === "csv") saveTable(id, tableOf(id));
  else $(id).toBlob((content) => saveFile(`grokscope-${id}.png`, content));
}

function nearestNeuron(event) {
  const box = $("plane").getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top, away = (place) => (place ? Math.hypot(place[0] - x, place[1] - y) : Infinity);
  const nearest = plane.reduce((best, place, i) => (away(place) < away(plane[best]) ? i : best), 0);
  return away(plane[nearest]) <= NEAR ? nearest : null;
}

function goToPointer(event) {
  const box = $("curves").getBoundingClientRect(), share = (event.clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right), away = (step) => Math.abs(fixed.steps.share(step) - share);
  go(data.steps.reduce((best, step, i) => (away(step) < away(data.steps[best]) ? i : best), 0));
}

function onKey(event) {
  const { key, target } = event, moves = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
  if (event.ctrlKey || event.altKey || event.metaKey || target.matches("select, [type=number]")) return;
  if (key === " " && !target.matches("button, summary")) play();
  else if (key in moves) go(state.step + moves[key]);
  else return;
  event.preventDefault();
}

function listen() {
  $("transport").addEventListener("submit", (event) => event.preventDefault());
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  $("play").addEventListener("click", play);
  $("step").addEventListener("input", () => go(Number($("step").value)));
  $("plane").addEventListener("click", (event) => { const neuron = nearestNeuron(event); if (neuron !== null) choose(neuron); });
  $("curves").addEventListener("pointerdown", (event) => { $("curves").setPointerCapture(event.pointerId); goToPointer(event); });
  $("curves").addEventListener("pointermove", (event) => { if (event.buttons) goToPointer(event); });
  document.addEventListener("keydown", onKey);
  window.addEventListener("resize", () => draw());
  window.addEventListener("hashchange", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
}

function show() {
  readInk();
  state = fromAddress();
  drawControls();
  drawKeys();
  update();
}

async function start() {
  data = embedded;
  document.title = `grokscope: ${data.digest.slice(0, 8)} over time`;
  $("title").textContent = data.title;
  $("state").textContent = `${data.phase}, run ${data.digest.slice(0, 8)}`;
  $("lacking").textContent = data.lacking.join(" ");
  $("step").max = data.steps.length - 1;
  colors = ramp(data.scale, COLORS);
  const there = { plane: planesThere().length, ipr: data.neurons.ipr, vectors: data.vectors, spectrum: data.vectors };
  for (const id of CANVASES) {
    $(id).parentElement.hidden = id in there && !there[id];
    $(id).after(saveBar(id, ["png", "csv"], save));
  }
  listen();
  show();
  document.body.dataset.painted = "yes";
  if (data.vectors) {
    const bytes = await unpack().arrayBuffer(), n = data.vectors.names.length * neuronCount() * data.steps.length;
    weights = { scales: new Float32Array(bytes, 0, n), numbers: new Int8Array(bytes, 4 * n) };
    fixAxesOfNeuron();
    draw();
  }
  document.body.dataset.ready = "yes";
}

start().catch((error) => { $("state").textContent = `This page cannot be shown: ${error.message}`; });
