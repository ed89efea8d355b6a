// The panels of one network over time. Their axes stay as they are, so that motion is seen.

const RUN_COLORS = ["#E0529C", "#8A78E0", "#9A9A1C", "#12A5A5", "#A0703C"]; // of further runs: no score's
const GIVEN = "#D55E00", TRUE = "#0072B2", VECTOR_COLORS = ["#0072B2", "#E69F00", "#009E73", "#D55E00"], VECTOR_DASHES = [[], [6, 3], [2, 3], [7, 3, 2, 3]];
const LOG = (step) => Math.log10(1 + step); // has a place for step 0
const SQUARES = [0, 1, 10, 50, 200, 500, 1000, 2000, 5000, 10000]; // ticks of an axis of square roots: it shows few neurons beside many
const SPREAD = 0.7; // of the points of one frequency
const COLORS = 64;

let colors = []; // of IPR
let weights = null; // {scales, numbers}, once they are unpacked
let fixed = {}; // axes, as they were made for the page's state
let plane = []; // where each neuron's point is, for who points at it

const stepNow = () => data.steps[state.step];
const colorOf = (ipr) => colors[Math.min(Math.floor(ipr * COLORS), COLORS - 1)];
const shareAxis = (label) => axis([-0.03, 1.03], label, { ticks: [0, 0.25, 0.5, 0.75, 1], text: (v) => `${100 * v} %` });
const finite = (list) => list.filter((v) => v !== null);
const PLANES = { attribution: ["memorizing", "generalizing"], frequency: ["frequency", "ipr"] };
const planesThere = () => Object.keys(PLANES).filter((name) => PLANES[name].every((one) => data.neurons[one]));

function counts(step) {
  const found = Array(data.bins).fill(0);
  for (const v of finite(data.neurons.ipr[step])) found[Math.min(Math.floor(v * data.bins), data.bins - 1)]++;
  return found;
}

// Powers of ten; where these are few, twice and five times each too, or ticks at equal distances.
function logTicks(first, last) {
  const among = (factors) => [0, ...[...Array(10).keys()].flatMap((i) => factors.map((m) => m * 10 ** i))].filter((v) => v >= first && v <= last);
  return [among([1]), among([1, 2, 5])].find((ticks) => ticks.length > 2) || ticksOf(first, last, 5);
}

// The axes that follow from the data and from what is chosen.
function fixAxes() {
  const ends = data.runs.flatMap((run) => [run.steps[0], run.steps.at(-1)]).concat(data.steps), first = Math.min(...ends), last = Math.max(...ends, first + 1);
  fixed = { steps: axis([first, last], "step", state.time === "log" ? { place: LOG, ticks: logTicks(first, last) } : {}) };
  fixed.accuracy = shareAxis("accuracy");
  if (state.plane === "attribution") {
    fixed.x = smallAxis(rangeOf(data.neurons.memorizing), "memorizing: adds to wrong labels");
    fixed.y = smallAxis(rangeOf(data.neurons.generalizing), "generalizing");
  } else if (state.plane) {
    fixed.x = axis([0, rangeOf(data.neurons.frequency, 0)[1] + 1], "frequency");
    fixed.y = axis([0, 1], "IPR");
  }
  if (data.neurons.ipr) {
    fixed.ipr = axis([0, 1], "IPR");
    const most = 1.05 * Math.max(...data.steps.map((_, step) => Math.max(...counts(step))), 1);
    fixed.count = axis([0, most], "neurons (√ axis)", { place: Math.sqrt, ticks: SQUARES.filter((v) => v <= most && (v === 0 || v >= most / 150)) });
  }
  const { logits } = data.examples[state.example];
  fixed.labels = axis([-0.5, logits[0].length - 0.5], "label", { ticks: ticksOf(0, logits[0].length - 1, 6) });
  fixed.logits = smallAxis(rangeOf(logits), "logit", { most: 5 });
  if (weights) fixAxesOfNeuron();
}

function fixAxesOfNeuron() {
  const { names, residues } = data.vectors, n = residues.length, all = data.steps.flatMap((_, step) => names.flatMap((_, matrix) => [...vector(matrix, step)]));
  const isPlain = residues.every((residue, i) => i === 0 || residue > residues[i - 1]), reach = Math.max(...all.map(Math.abs)) || 1;
  fixed.residues = axis([0, n - 1], isPlain ? "residue" : "residue, as powers of a root", { ticks: ticksOf(0, n - 1, 6), text: (i) => String(residues[Math.round(i)]) });
  fixed.weight = smallAxis([-1.08 * reach, 1.08 * reach], "", { most: 3 });
  fixed.frequencies = axis([0, Math.floor(n / 2)], "frequency", { ticks: ticksOf(0, Math.floor(n / 2), 6) });
}

// The chosen neuron's weights in one matrix at a step.
function vector(matrix, step) {
  const n = data.vectors.residues.length, steps = data.steps.length, neurons = data.neurons.ipr[0].length;
  const place = (matrix * neurons + state.neuron) * steps + step, scale = weights.scales[place];
  return Float32Array.from(weights.numbers.subarray(place * n, (place + 1) * n), (v) => v * scale);
}

// The share of a vector's power that each frequency has.
function spectrum(values) {
  const n = values.length, cosines = Float32Array.from({ length: n }, (_, i) => Math.cos(2 * Math.PI * i / n)), sines = Float32Array.from({ length: n }, (_, i) => Math.sin(2 * Math.PI * i / n));
  const power = [...Array(Math.floor(n / 2) + 1).keys()].map((k) => {
    let re = 0, im = 0;
    for (let i = 0, at = 0; i < n; i++, at = (at + k) % n) { re += values[i] * cosines[at]; im += values[i] * sines[at]; }
    return re * re + im * im;
  });
  const total = power.reduce((a, b) => a + b, 0) || 1;
  return power.map((v) => v / total);
}

const say = (id, words) => $(id).setAttribute("aria-label", words);

// The measured value of a run at a step: that of the last measurement until then.
function measuredAt(run, line, step) {
  let found = null;
  for (let i = 0; i < run.steps.length && run.steps[i] <= step; i++) found = run.curves[line][i];
  return found;
}

function drawCurves() {
  const at = panel(blank("curves"), fixed.steps, fixed.accuracy), { pen, box, px, py } = at, now = px(stepNow()), right = box.left + box.width;
  const lines = () => {
    stroke(at, [fixed.steps.low, fixed.steps.high], [data.clean, data.clean], ink.quiet, { dash: [1, 3], width: 1 });
    data.runs.slice(1).forEach((run, i) => data.lines.forEach(({ dash }, line) => stroke(at, run.steps, run.curves[line], RUN_COLORS[i], { dash, width: 1.2 })));
    data.lines.forEach(({ color, dash }, line) => stroke(at, data.runs[0].steps, data.runs[0].curves[line], color, { dash, width: 2 }));
  };
  within(at, box.left - 2, now, lines);
  pen.globalAlpha = 0.3;
  within(at, now, right + 2, lines);
  pen.globalAlpha = 1;
  Object.assign(pen, { strokeStyle: ink.strong, lineWidth: 1.5 });
  pen.beginPath(); pen.moveTo(now, box.top); pen.lineTo(now, at.bottom); pen.stroke();
  const values = data.lines.map((_, line) => measuredAt(data.runs[0], line, stepNow()));
  data.lines.forEach(({ color }, line) => { if (values[line] !== null) dot(at, stepNow(), values[line], 3.5, color, ink.ground, 1); });
  say("curves", `Accuracies at step ${stepNow()}: ${data.lines.map(({ label }, i) => `${label} ${percent(values[i])}`).join("; ")}`);
}

// A neuron's place in the plane, a share of the way to the next kept step; null of a dead one.
function placeOf(neuron, step, share = 0) {
  const next = Math.min(step + 1, data.steps.length - 1), place = PLANES[state.plane].map((name) => {
    const from = data.neurons[name][step][neuron], to = data.neurons[name][next][neuron];
    return from === null || to === null || !share ? from : from + (to - from) * share;
  });
  if (place.includes(null)) return null;
  return state.plane === "frequency" ? [place[0] + ((neuron * 0.618) % 1 - 0.5) * SPREAD, place[1]] : place;
}

function drawPlane(share) {
  const at = panel(blank("plane"), fixed.x, fixed.y), { pen, box, px, py, bottom } = at, of = data.neurons.ipr && data.neurons.ipr[state.step];
  if (state.plane === "attribution") {
    Object.assign(pen, { strokeStyle: ink.quiet, lineWidth: 1 });
    pen.beginPath(); pen.moveTo(px(0), box.top); pen.lineTo(px(0), bottom); pen.moveTo(box.left, py(0)); pen.lineTo(box.left + box.width, py(0)); pen.stroke();
  }
  plane = data.neurons[PLANES[state.plane][0]][0].map((_, neuron) => placeOf(neuron, state.step, share));
  const look = (neuron) => (of && of[neuron] !== null ? colorOf(of[neuron]) : ink.quiet);
  plane.forEach((place, neuron) => { if (place) dot(at, ...place, 3.6, look(neuron), ink.edge); });
  const path = [...Array(state.step + 1).keys()].map((step) => placeOf(state.neuron, step)).concat([plane[state.neuron]]).filter(Boolean);
  pen.globalAlpha = 0.7;
  stroke(at, path.map(([x]) => x), path.map(([, y]) => y), ink.strong, { width: 1.2 });
  pen.globalAlpha = 1;
  const place = plane[state.neuron];
  if (place) { dot(at, ...place, 5, look(state.neuron), ink.ground, 1); dot(at, ...place, 7.5, null, ink.strong, 2.2); }
  plane = plane.map((one) => one && [px(one[0]), py(one[1])]);
  say("plane", `${plane.filter(Boolean).length} neurons by ${PLANES[state.plane].join(" and ")} at step ${stepNow()}`);
}

function drawIpr() {
  const at = panel(blank("ipr"), fixed.ipr, fixed.count), { pen, px, py, box, bottom } = at, found = counts(state.step), dead = data.neurons.ipr[state.step].filter((v) => v === null).length;
  found.forEach((count, bin) => {
    const left = px(bin / data.bins), width = box.width / data.bins;
    Object.assign(pen, { fillStyle: colorOf((bin + 0.5) / data.bins), strokeStyle: ink.edge, lineWidth: 0.7 });
    pen.fillRect(left, py(count), width, bottom - py(count));
    if (count) pen.strokeRect(left, py(count), width, bottom - py(count));
  });
  const words = dead ? `${dead} dead neurons not shown` : "";
  Object.assign(pen, { fillStyle: ink.quiet, textAlign: "right", textBaseline: "top" });
  pen.fillText(words, box.left + box.width - 4, box.top + 4);
  const live = finite(data.neurons.ipr[state.step]);
  say("ipr", `Histogram of IPR at step ${stepNow()}: ${live.filter((v) => v >= 0.5).length} of ${live.length} neurons from 0.5 up. ${words}`);
}

function drawNeuron() {
  const { names } = data.vectors, all = names.map((_, matrix) => vector(matrix, state.step)), places = [...all[0].keys()], sheet = blank("vectors");
  all.forEach((values, matrix) => {
    const at = panel(sheet, fixed.residues, { ...fixed.weight, label: names[matrix] + fixed.weight.label }, matrix, names.length);
    stroke(at, [0, values.length - 1], [0, 0], ink.quiet, { width: 1 });
    stroke(at, places, values, VECTOR_COLORS[matrix % 4], { width: 1.6 });
  });
  const at = panel(blank("spectrum"), fixed.frequencies, shareAxis("share of power")), peaks = [];
  all.forEach((values, matrix) => {
    const shares = spectrum(values);
    stroke(at, [...shares.keys()], shares, VECTOR_COLORS[matrix % 4], { dash: VECTOR_DASHES[matrix % 4] });
    peaks.push(`${names[matrix]} frequency ${shares.indexOf(Math.max(...shares))} with ${percent(Math.max(...shares))}`);
  });
  const ipr = data.neurons.ipr[state.step][state.neuron], words = `neuron ${state.neuron}, ${ipr === null ? "dead" : `IPR ${ipr.toFixed(2)}`}`;
  $("vectors-title").textContent = `Weights of ${words}`;
  $("spectrum-title").textContent = `Spectrum of neuron ${state.neuron}`;
  say("vectors", `Weights of ${words} at step ${stepNow()}`);
  say("spectrum", `Strongest waves of ${words} at step ${stepNow()}: ${peaks.join(", ")}`);
}

function drawLogits() {
  const { logits, given, true: right } = data.examples[state.example], values = logits[state.step], at = panel(blank("logits"), fixed.labels, fixed.logits), { pen, px, py } = at;
  stroke(at, [...values.keys()], values, ink.quiet, { width: 1.2 });
  dot(at, right, values[right], 5.5, TRUE, ink.ground, 1);
  if (given !== right) {
    const x = px(given), y = py(values[given]);
    for (const [color, width] of [[ink.ground, 5], [GIVEN, 3]]) {
      Object.assign(pen, { strokeStyle: color, lineWidth: width });
      pen.beginPath(); pen.moveTo(x - 5, y - 5); pen.lineTo(x + 5, y + 5); pen.moveTo(x - 5, y + 5); pen.lineTo(x + 5, y - 5); pen.stroke();
    }
  }
  const answer = values.indexOf(Math.max(...values));
  say("logits", `Logits at step ${stepNow()}: the largest is at label ${answer}; given ${given}, true ${right}`);
}

// Draw what belongs to the present step, or a share of the way to the next.
function draw(share = 0) {
  drawCurves();
  if (state.plane) drawPlane(share);
  if (data.neurons.ipr) drawIpr();
  if (weights) drawNeuron();
  drawLogits();
  const words = `step ${stepNow().toLocaleString("en")} (${state.step + 1} of ${data.steps.length})`;
  if ($("now").textContent !== words) { $("now").textContent = words; $("step").setAttribute("aria-valuetext", words); }
  $("step").value = state.step;
}
