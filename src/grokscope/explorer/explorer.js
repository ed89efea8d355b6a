"use strict";
// The page's state lives in the address, after the #; everything on the page follows from it and
// from the data. Strings from files are set as text, never as markup.

const $ = (id) => document.getElementById(id);
const LETTERS = "ABCDEFGHIJ";
const DASHES = ["solid", "dash", "dot", "dashdot"];
const PIN_COLORS = ["#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"];
const THRESHOLDS = {
  generalizes: { label: "generalises from test accuracy", value: 0.9 },
  memorizes: { label: "memorises from train accuracy", value: 0.9 },
  slack: { label: "slack above 1 − ξ", value: 0.05 },
};
const UNKNOWN = -1;
const COARSE = 4; // as in refine.COARSE
const POLL = 3000;
const UNTRAINED = "#ffffff";

let data = null; // the overview
let codes = null; // a phase code for each cell and seed
let diagram = null; // {codes, inferred} for each cell
let state = null;
let cursor = null; // a cell: its place along every dimension
const details = new Map();

// ---- data ---------------------------------------------------------------------------------

const embedded = JSON.parse($("overview").textContent || "null");
let unpacked = null;

async function packedCells() {
  const bytes = Uint8Array.from(atob($("cells").textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

async function detailsOf(cell) {
  if (!details.has(cell)) {
    if (embedded) {
      unpacked = unpacked || ($("cells").textContent.trim() ? packedCells() : Promise.resolve({}));
      details.set(cell, (await unpacked)[cell] || null);
    } else {
      const found = await (await fetch(`cell/${cell}`)).json();
      if (!found) return null; // it may be trained later
      details.set(cell, found);
    }
  }
  return details.get(cell);
}

const strides = () => data.shape.map((_, i) => data.shape.slice(i + 1).reduce((a, b) => a * b, 1));
const flat = (place) => place.reduce((sum, index, i) => sum + index * strides()[i], 0);
const dimension = (name) => data.dimensions.findIndex((d) => d.name === name);

// ---- phases: as phases.classify, diagram.most_frequent and refine.enclosed ------------------

function classify(cell) {
  const { train_accuracy: train, test_accuracy: test, peak_test_accuracy: peak, failed_at: failed } = data.cells;
  if (train[cell] === null && failed[cell] === null) return UNKNOWN;
  const values = [train[cell], test[cell], peak[cell]];
  if (failed[cell] !== null || values.includes(null)) return 6;
  const { generalizes, memorizes, slack } = state.thresholds;
  const generalized = test[cell] >= generalizes, memorized = train[cell] >= memorizes;
  if (generalized && memorized) return 0;
  if (generalized && train[cell] >= 1 + slack - data.corruption[cell] - 1e-9) return 1;
  if (generalized) return 2;
  if (memorized) return 3;
  return peak[cell] >= generalizes ? 4 : 5;
}

function mostFrequent(all) {
  const counts = new Array(7).fill(0);
  all.forEach((code) => code === UNKNOWN || counts[code]++);
  const most = Math.max(...counts);
  return most ? counts.indexOf(most) : UNKNOWN;
}

function enclosed(panel, rows, columns) {
  const at = (r, c) => r * columns + c;
  const lattice = (n) => [...Array(n).keys()].filter((i) => i % COARSE === 0 || i === n - 1);
  const filled = panel.slice();
  for (const r of lattice(rows)) for (const c of lattice(columns)) if (panel[at(r, c)] === UNKNOWN) return filled;
  const seen = new Set();
  for (let start = 0; start < panel.length; start++) {
    if (panel[start] !== UNKNOWN || seen.has(start)) continue;
    const gap = [start], around = new Set();
    seen.add(start);
    for (const cell of gap) {
      const r = Math.floor(cell / columns), c = cell % columns;
      for (const [i, j] of [[r - 1, c], [r + 1, c], [r, c - 1], [r, c + 1]]) {
        if (i < 0 || j < 0 || i >= rows || j >= columns) continue;
        const next = at(i, j);
        if (panel[next] !== UNKNOWN) around.add(panel[next]);
        else if (!seen.has(next)) { seen.add(next); gap.push(next); }
      }
    }
    if (around.size === 1) gap.forEach((cell) => { filled[cell] = [...around][0]; });
  }
  return filled;
}

// A code for every place but the seed's: of one seed, or the most frequent of all.
function makeDiagram() {
  const seeds = data.shape[data.shape.length - 1], n = codes.length / seeds;
  const trained = [...Array(n).keys()].map((i) => {
    const own = codes.slice(i * seeds, (i + 1) * seeds);
    return state.seed === null ? mostFrequent(own) : own[state.seed];
  });
  const shape = data.shape.slice(0, -1);
  if (shape.length < 2) return { codes: trained, inferred: trained.map(() => false) };
  const [rows, columns] = shape.slice(-2), panels = [];
  for (let p = 0; p < n; p += rows * columns) panels.push(enclosed(trained.slice(p, p + rows * columns), rows, columns));
  const all = panels.flat();
  return { codes: all, inferred: all.map((code, i) => code !== UNKNOWN && trained[i] === UNKNOWN) };
}

// ---- state and address -----------------------------------------------------------------------

function defaults() {
  const names = data.dimensions.slice(0, -1).map((d) => d.name);
  const at = Object.fromEntries(names.map((name) => [name, 0]));
  return {
    x: names[names.length - 1], y: names[names.length - 2] || null, panels: names[names.length - 3] || null, at,
    seed: data.shape[data.shape.length - 1] > 1 ? null : 0, pins: [],
    thresholds: Object.fromEntries(Object.entries(THRESHOLDS).map(([name, t]) => [name, t.value])),
  };
}

function fromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)), found = defaults();
  const names = new Set(Object.keys(found.at));
  for (const axis of ["x", "y", "panels"]) if (names.has(given.get(axis))) found[axis] = given.get(axis);
  if (given.get("panels") === "none") found.panels = null;
  if (new Set([found.x, found.y, found.panels].filter(Boolean)).size < [found.x, found.y, found.panels].filter(Boolean).length)
    Object.assign(found, { x: defaults().x, y: defaults().y, panels: defaults().panels });
  for (const name of names) {
    const index = Number(given.get(`at.${name}`));
    if (Number.isInteger(index) && index >= 0 && index < data.shape[dimension(name)]) found.at[name] = index;
  }
  for (const name of Object.keys(THRESHOLDS)) {
    const value = Number.parseFloat(given.get(name));
    if (value >= 0 && value <= 1) found.thresholds[name] = value;
  }
  const seed = Number.parseInt(given.get("seed"), 10);
  if (seed >= 0 && seed < data.shape[data.shape.length - 1]) found.seed = seed;
  const size = data.shape.reduce((a, b) => a * b, 1);
  found.pins = (given.get("pins") || "").split(".").map(Number)
    .filter((cell, i, all) => Number.isInteger(cell) && cell >= 0 && cell < size && all.indexOf(cell) === i && given.get("pins"))
    .slice(0, PIN_COLORS.length);
  return found;
}

function toAddress() {
  const usual = defaults(), words = new URLSearchParams();
  for (const axis of ["x", "y", "panels"]) if (state[axis] !== usual[axis]) words.set(axis, state[axis] || "none");
  for (const [name, index] of Object.entries(state.at)) if (index) words.set(`at.${name}`, index);
  for (const [name, value] of Object.entries(state.thresholds)) if (value !== THRESHOLDS[name].value) words.set(name, value);
  if (state.seed !== usual.seed) words.set("seed", state.seed === null ? "all" : state.seed);
  if (state.pins.length) words.set("pins", state.pins.join("."));
  history.replaceState(null, "", `#${words}`);
}

// ---- drawing -----------------------------------------------------------------------------------

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"); // for Plotly
const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);

function mix(color, share) { // towards white
  const parts = [1, 3, 5].map((i) => Number.parseInt(color.slice(i, i + 2), 16));
  return `rgb(${parts.map((v) => Math.round(v + (255 - v) * share)).join(",")})`;
}

function layout(more = {}) {
  const line = css("--line"), ink = css("--ink");
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
  return {
    paper_bgcolor: css("--ground"), plot_bgcolor: css("--ground"), font: { color: ink, size: 12 },
    margin: { l: 55, r: 12, t: 34, b: 44 }, height: 300, showlegend: false, hovermode: "closest",
    xaxis: axis, yaxis: axis, ...more,
  };
}
const axisOf = (more) => ({ gridcolor: css("--line"), zerolinecolor: css("--line"), linecolor: css("--line"), automargin: true, ...more });
const CONFIG = { displayModeBar: false, responsive: true };

function values(name) { return data.dimensions[dimension(name)].values; }
function positions(name) { // numbers where they ascend, else 0, 1, …
  const all = values(name);
  const ascend = all.every((v, i) => typeof v === "number" && (!i || v > all[i - 1]));
  return ascend && all.length > 1 ? all : all.map((_, i) => i);
}
function ticks(name) {
  return positions(name) === values(name) ? {} : { tickvals: positions(name), ticktext: values(name).map(plain) };
}

function placeOf(panel, row, column) {
  return data.dimensions.slice(0, -1).map(({ name }) => {
    if (name === state.x) return column;
    if (name === state.y) return row;
    return name === state.panels ? panel : state.at[name];
  });
}

const panelCount = () => (state.panels ? data.shape[dimension(state.panels)] : 1);
const rowCount = () => (state.y ? data.shape[dimension(state.y)] : 1);
const cellsOf = (place) => { // of the grid: every seed's, or one
  const seeds = data.shape[data.shape.length - 1], first = flat([...place, 0]);
  return state.seed === null ? [...Array(seeds).keys()].map((i) => first + i) : [first + state.seed];
};

function describe(place) {
  const index = flat([...place, 0]) / data.shape[data.shape.length - 1];
  const code = diagram.codes[index];
  const where = place.map((i, d) => `${data.dimensions[d].label} ${data.dimensions[d].values[i]}`).join(", ");
  if (code === UNKNOWN) return `${where}: not trained`;
  const name = data.phases[code].name;
  if (diagram.inferred[index]) return `${where}: ${name}, inferred from its neighbours`;
  const cells = cellsOf(place), mean = (key) => {
    const known = cells.map((cell) => data.cells[key][cell]).filter((v) => v !== null);
    return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
  };
  const ipr = mean("mean_ipr");
  return `${where}: ${name} · train ${percent(mean("train_accuracy"))} · test ${percent(mean("test_accuracy"))}`
    + ` · corrupted ${percent(mean("corrupted_accuracy"))}${ipr === null ? "" : ` · mean IPR ${ipr.toFixed(2)}`}`;
}

function drawDiagrams() {
  const n = panelCount(), rows = rowCount(), columns = data.shape[dimension(state.x)];
  const narrow = $("diagrams").clientWidth < 560, across = narrow ? Math.min(n, 2) : Math.min(n, 4);
  const down = Math.ceil(n / across), traces = [], annotations = [];
  const tall = narrow ? 190 : 250, between = 60 / (down * tall - 16); // 60 pixels between rows of panels
  const shown = layout({ height: 60 + down * tall, margin: { l: 55, r: 10, t: 30, b: 46 } });
  shown.plot_bgcolor = UNTRAINED; // in both schemes, so that no phase looks like it
  const colors = data.phases.flatMap(({ color }) => [color, mix(color, data.pale)]);
  const scale = colors.flatMap((color, i) => [[i / colors.length, color], [(i + 1) / colors.length, color]]);
  for (let panel = 0; panel < n; panel++) {
    const z = [], key = panel ? panel + 1 : "";
    for (let row = 0; row < rows; row++) {
      z.push([...Array(columns).keys()].map((column) => {
        const index = flat([...placeOf(panel, row, column), 0]) / data.shape[data.shape.length - 1];
        return diagram.codes[index] === UNKNOWN ? null : 2 * diagram.codes[index] + diagram.inferred[index];
      }));
    }
    const y = state.y ? positions(state.y) : [0];
    traces.push({
      type: "heatmap", x: positions(state.x), y, z, zmin: -0.5, zmax: colors.length - 0.5, colorscale: scale,
      showscale: false, xgap: 0.5, ygap: 0.5, hoverinfo: "none", xaxis: `x${key}`, yaxis: `y${key}`,
    });
    const column = panel % across, row = Math.floor(panel / across), gap = 0.045;
    const width = (1 - gap * (across - 1)) / across, height = (1 - between * (down - 1)) / down;
    const left = column * (width + gap), top = 1 - row * (height + between);
    shown[`xaxis${key}`] = axisOf({ domain: [left, left + width], anchor: `y${key}`, title: { text: panel + across < n ? "" : plain(data.dimensions[dimension(state.x)].label) }, ...ticks(state.x) });
    shown[`yaxis${key}`] = axisOf({
      domain: [Math.max(top - height, 0), top], anchor: `x${key}`, showticklabels: !column,
      title: { text: column || !state.y ? "" : plain(data.dimensions[dimension(state.y)].label) }, ...(state.y ? ticks(state.y) : { visible: false }),
    });
    if (state.panels) {
      const d = data.dimensions[dimension(state.panels)];
      annotations.push({ text: plain(`${d.label} = ${d.values[panel]}`), xref: "paper", yref: "paper", x: left + width / 2, y: top, xanchor: "center", yanchor: "bottom", showarrow: false });
    }
  }
  const mark = (place, text, color) => {
    const panel = state.panels ? place[dimension(state.panels)] : 0, key = panel ? panel + 1 : "";
    const hidden = data.dimensions.slice(0, -1).some(({ name }, d) => ![state.x, state.y, state.panels].includes(name) && state.at[name] !== place[d]);
    if (hidden) return;
    traces.push({
      type: "scatter", mode: text ? "markers+text" : "markers", x: [positions(state.x)[place[dimension(state.x)]]],
      y: [state.y ? positions(state.y)[place[dimension(state.y)]] : 0], text: [text], textfont: { color: "#000", size: 11 },
      marker: { size: text ? 16 : 13, symbol: text ? "circle" : "square-open", color, line: { color: text ? "#fff" : color, width: text ? 1 : 3 } },
      hoverinfo: "skip", xaxis: `x${key}`, yaxis: `y${key}`,
    });
  };
  state.pins.forEach((cell, i) => mark(placeOfCell(cell), LETTERS[i], PIN_COLORS[i]));
  if (cursor && document.activeElement === $("diagrams")) mark(cursor, "", css("--ink"));
  Plotly.react($("diagrams"), traces, { ...shown, annotations, dragmode: false }, CONFIG);
}

function placeOfCell(cell) {
  const place = [];
  strides().slice(0, -1).forEach((stride) => { place.push(Math.floor(cell / stride)); cell %= stride; });
  return place;
}

// The place under the pointer, from its pixel: quicker than Plotly's own search.
function placeAt(event) {
  const plot = $("diagrams"), full = plot._fullLayout;
  if (!full) return null;
  const box = plot.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
  for (let panel = 0; panel < panelCount(); panel++) {
    const key = panel ? panel + 1 : "", x = full[`xaxis${key}`], y = full[`yaxis${key}`];
    const dx = px - x._offset, dy = py - y._offset;
    if (dx < 0 || dy < 0 || dx > x._length || dy > y._length) continue;
    const nearest = (all, value) => all.reduce((best, v, i) => (Math.abs(v - value) < Math.abs(all[best] - value) ? i : best), 0);
    return placeOf(panel, state.y ? nearest(positions(state.y), y.p2d(dy)) : 0, nearest(positions(state.x), x.p2d(dx)));
  }
  return null;
}

// All figures are shown before any is drawn, since each takes the width that it then has.
function drawCharts(charts) {
  for (const { id, traces } of charts) $(id).parentElement.hidden = !traces.length;
  for (const { id, title, traces, more } of charts) {
    if (traces.length) Plotly.react($(id), traces, layout({ title: { text: title, font: { size: 13 } }, ...more }), CONFIG);
  }
}

async function drawPinned() {
  const wanted = state.pins.slice(), found = await Promise.all(wanted.map(detailsOf));
  if (wanted.join() !== state.pins.join()) return; // pinned anew meanwhile
  const pins = $("pins");
  pins.replaceChildren(...wanted.map((cell, i) => {
    const button = document.createElement("button"), swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = PIN_COLORS[i];
    const seeds = data.shape[data.shape.length - 1], seed = seeds > 1 ? `, seed ${values("seed")[cell % seeds]}` : "";
    button.append(swatch, `${LETTERS[i]}: ${describeCell(cell)}${seed}${found[i] ? "" : " (nothing stored)"} ✕`);
    button.addEventListener("click", () => pin(cell));
    button.setAttribute("aria-label", `Unpin ${LETTERS[i]}: ${describeCell(cell)}${seed}`);
    return button;
  }));
  $("pinned").hidden = !wanted.length;
  if (!wanted.length) return;
  const each = (make) => found.flatMap((one, i) => (one ? make(one, LETTERS[i], PIN_COLORS[i]) : []));
  const line = (x, y, name, color, dash) => ({ type: "scatter", mode: "lines", x, y, name, line: { color, dash, width: 2 }, hovertemplate: `%{y:.3g}<extra>${plain(name)}</extra>` });
  const share = { tickformat: ".0%", range: [-0.02, 1.04] };
  const charts = [], chart = (id, title, traces, more) => charts.push({ id, title, traces, more });
  chart("curves", "Accuracy: train —, test - -, corrupted ···", each((d, letter, color) => [
    line(d.steps, d.curves.train_accuracy, `${letter} train`, color, "solid"),
    line(d.steps, d.curves.test_accuracy, `${letter} test`, color, "dash"),
    line(d.steps, d.curves.corrupted_accuracy, `${letter} corrupted`, color, "dot"),
  ]), { xaxis: axisOf({ title: { text: "step" } }), yaxis: axisOf(share) });
  chart("ipr", "Units by IPR (first layer filled, others lines)", each((d, letter, color) => Object.entries(d.ipr).map(([layer, counts], i) => ({
    type: "scatter", mode: "lines", line: { shape: "hvh", color, dash: DASHES[i % 4], width: 1.5 }, fill: i ? "none" : "tozeroy",
    x: counts.map((_, bin) => (bin + 0.5) / counts.length), y: counts, name: `${letter} ${layer}`, hovertemplate: `%{y}<extra>${plain(`${letter} ${layer}`)}</extra>`,
  }))), { xaxis: axisOf({ title: { text: "IPR" }, range: [0, 1] }), yaxis: axisOf({ title: { text: "units" } }) });
  chart("pruning", "Pruned from low IPR: test - -, corrupted ···; from high: thin", each((d, letter, color) => Object.entries(d.pruning || {}).flatMap(([first, curve]) => {
    const width = first === "lowest" ? 2 : 0.8;
    return [["test_accuracy", "dash"], ["corrupted_accuracy", "dot"]].map(([name, dash]) => ({
      ...line(curve.share, curve[name], `${letter} ${name.split("_")[0]}, ${first} first`, color, dash), line: { color, dash, width },
    }));
  })), { xaxis: axisOf({ title: { text: "units pruned" }, tickformat: ".0%" }), yaxis: axisOf(share) });
  chart("norms", "Frobenius norms", each((d, letter, color) => Object.entries(d.norms).map(([name, norms], i) => line(d.steps, norms, `${letter} ${name}`, color, DASHES[i % 4]))),
    { xaxis: axisOf({ title: { text: "step" } }), yaxis: axisOf({ rangemode: "tozero" }) });
  const neurons = (key) => each((d, letter, color) => (d.neurons || []).map((one, i) => line(one[key].map((_, k) => k), one[key], `${letter} ${one.name}`, color, DASHES[i % 4])));
  chart("weights", "Weights of some neurons, by IPR", neurons("vector"), { xaxis: axisOf({ title: { text: "residue" } }) });
  chart("spectra", "Their spectra", neurons("spectrum"), { xaxis: axisOf({ title: { text: "frequency" } }) });
  drawCharts(charts);
}

function describeCell(cell) {
  return placeOfCell(cell).map((i, d) => `${data.dimensions[d].label} ${data.dimensions[d].values[i]}`).join(", ");
}

function drawLegend() {
  const present = new Set(diagram.codes);
  const entry = (color, text) => {
    const item = document.createElement("span"), swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = color;
    item.append(swatch, text);
    return item;
  };
  const entries = data.phases.flatMap(({ name, color }, code) => (present.has(code) ? [entry(color, name)] : []));
  if (diagram.inferred.some(Boolean)) {
    entries.push(entry(`linear-gradient(90deg, #888888 50%, ${mix("#888888", data.pale)} 50%)`, "paler: inferred"));
  }
  if (present.has(UNKNOWN)) entries.push(entry(UNTRAINED, "not trained"));
  $("legend").replaceChildren(...entries);
}

function update() {
  codes = data.corruption.map((_, cell) => classify(cell));
  diagram = makeDiagram();
  drawLegend();
  drawDiagrams();
  toAddress();
}

// ---- controls ------------------------------------------------------------------------------------

function labelled(text, control, output) {
  const label = document.createElement("label");
  label.append(text, control, ...(output ? [output] : []));
  return label;
}

function slider(text, { min, max, step, value, show, set, id }) {
  const input = document.createElement("input"), output = document.createElement("output");
  Object.assign(input, { type: "range", min, max, step, value, id });
  const say = () => { output.textContent = show(Number(input.value)); input.setAttribute("aria-valuetext", output.textContent); };
  say();
  input.addEventListener("input", () => { say(); set(Number(input.value)); });
  return labelled(text, input, output);
}

function drawControls() {
  const focused = document.activeElement && document.activeElement.id; // it is made anew
  const names = data.dimensions.slice(0, -1).map((d) => d.name);
  const choose = (axis, text, optional) => {
    const select = document.createElement("select");
    select.id = `axis-${axis}`;
    for (const name of [...names, ...(optional ? [null] : [])]) {
      const option = document.createElement("option");
      option.value = name || "none";
      option.textContent = name ? data.dimensions[dimension(name)].label : "none";
      option.selected = name === state[axis];
      select.append(option);
    }
    select.addEventListener("change", () => {
      const chosen = select.value === "none" ? null : select.value;
      for (const other of ["x", "y", "panels"]) if (other !== axis && state[other] === chosen && chosen) state[other] = state[axis];
      state[axis] = chosen;
      drawControls();
      update();
    });
    return labelled(text, select);
  };
  const axes = [choose("x", "across")];
  if (names.length > 1) axes.push(choose("y", "up"));
  if (names.length > 2) axes.push(choose("panels", "panels", true));
  $("axes").replaceChildren($("axes").firstElementChild, ...axes);
  const rest = names.filter((name) => ![state.x, state.y, state.panels].includes(name)).map((name) => slider(data.dimensions[dimension(name)].label, {
    min: 0, max: data.shape[dimension(name)] - 1, step: 1, value: state.at[name], id: `at-${name}`,
    show: (i) => String(values(name)[i]), set: (i) => { state.at[name] = i; update(); },
  }));
  const seeds = data.shape[data.shape.length - 1];
  if (seeds > 1) rest.push(slider("seed", {
    min: -1, max: seeds - 1, step: 1, value: state.seed === null ? -1 : state.seed, id: "seed",
    show: (i) => (i < 0 ? "all" : String(values("seed")[i])), set: (i) => { state.seed = i < 0 ? null : i; update(); },
  }));
  $("rest").replaceChildren($("rest").firstElementChild, ...rest);
  $("rest").hidden = !rest.length;
  const reset = document.createElement("button");
  Object.assign(reset, { type: "button", textContent: "reset", id: "reset" });
  reset.addEventListener("click", () => { state.thresholds = defaults().thresholds; drawControls(); update(); });
  $("thresholds").replaceChildren($("thresholds").firstElementChild, ...Object.entries(THRESHOLDS).map(([name, { label }]) => slider(label, {
    min: 0, max: 1, step: 0.01, value: state.thresholds[name], id: name, show: (v) => v.toFixed(2),
    set: (v) => { state.thresholds[name] = v; update(); },
  })), reset);
  if (focused && $(focused)) $(focused).focus();
}

function pin(cell) {
  const there = state.pins.indexOf(cell);
  if (there >= 0) state.pins.splice(there, 1);
  else if (state.pins.length < PIN_COLORS.length) state.pins.push(cell);
  else $("cell").textContent = `At most ${PIN_COLORS.length} cells are compared: unpin one first.`;
  drawDiagrams();
  toAddress();
  drawPinned();
}

// Of several seeds, one of the phase that is shown, or else one that is there.
function pinPlace(place) {
  const cells = cellsOf(place), shown = diagram.codes[cells[0] / data.shape[data.shape.length - 1] | 0];
  pin(cells.find((cell) => codes[cell] === shown) ?? cells.find((cell) => codes[cell] !== UNKNOWN) ?? cells[0]);
}

function stepSeed(by) {
  const seeds = data.shape[data.shape.length - 1];
  if (seeds < 2) return;
  const now = state.seed === null ? -1 : state.seed, next = Math.min(Math.max(now + by, -1), seeds - 1);
  state.seed = next < 0 ? null : next;
  drawControls();
  update();
}

function moveCursor(key) {
  const rows = rowCount(), columns = data.shape[dimension(state.x)], panels = panelCount();
  const get = (name) => (name ? cursor[dimension(name)] : 0);
  let [panel, row, column] = cursor ? [get(state.panels), get(state.y), get(state.x)] : [0, 0, 0];
  if (cursor) {
    column += { ArrowRight: 1, ArrowLeft: -1 }[key] || 0;
    row += { ArrowUp: 1, ArrowDown: -1 }[key] || 0;
    if (column >= columns && panel < panels - 1) { panel++; column = 0; }
    if (column < 0 && panel > 0) { panel--; column = columns - 1; }
  }
  cursor = placeOf(panel, Math.min(Math.max(row, 0), rows - 1), Math.min(Math.max(column, 0), columns - 1));
  $("cell").textContent = describe(cursor);
  drawDiagrams();
}

function save(id, kind) {
  const plot = $(id);
  if (kind !== "csv") { Plotly.downloadImage(plot, { format: kind, filename: `grokscope-${id}`, width: 1000, height: id === "diagrams" ? plot.clientHeight : 500, scale: kind === "png" ? 2 : 1 }); return; }
  const quote = (v) => (v === null || v === undefined ? "" : /[",\n]/.test(v) ? `"${String(v).replace(/"/g, '""')}"` : v);
  const rows = id === "diagrams" ? diagramTable() : [["series", "x", "y"], ...plot.data.flatMap((t) => t.x.map((x, i) => [t.name, x, t.y[i]]))];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([rows.map((row) => row.map(quote).join(",")).join("\n")], { type: "text/csv" }));
  link.download = `grokscope-${id}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function diagramTable() {
  const names = data.dimensions.map((d) => d.name), seeds = data.shape[data.shape.length - 1], keys = Object.keys(data.cells);
  const rows = codes.map((code, cell) => {
    const own = Math.floor(cell / seeds), inferred = diagram.inferred[own], shown = inferred ? diagram.codes[own] : code;
    const place = [...placeOfCell(cell), cell % seeds];
    return [...place.map((i, d) => data.dimensions[d].values[i]), shown === UNKNOWN ? "" : data.phases[shown].name, inferred, ...keys.map((key) => data.cells[key][cell])];
  });
  return [[...names, "phase", "inferred", ...keys], ...rows];
}

function addSaveButtons() {
  for (const id of ["diagrams", "curves", "ipr", "pruning", "norms", "weights", "spectra"]) {
    const bar = document.createElement("div");
    bar.className = "save";
    bar.append(...["svg", "png", "csv"].map((kind) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: kind.toUpperCase(), title: `Save ${id} as ${kind.toUpperCase()}` });
      button.addEventListener("click", () => save(id, kind));
      return button;
    }));
    $(id).after(bar);
  }
}

// ---- start ---------------------------------------------------------------------------------------

function showOverview(found) {
  data = found;
  document.title = `grokscope: ${data.title}`;
  $("title").textContent = data.title;
  const done = data.corruption.length - data.missing - data.failed, number = (n) => n.toLocaleString("en");
  $("state").textContent = `${number(done)} of ${number(data.corruption.length)} networks trained${data.failed ? `, ${number(data.failed)} failed` : ""}`;
}

function redraw() {
  state = fromAddress();
  drawControls();
  update();
  drawPinned();
}

async function poll() {
  try {
    const found = await (await fetch("overview")).json(), differs = (name) => JSON.stringify(found[name]) !== JSON.stringify(data[name]);
    const regrown = differs("dimensions"), changed = differs("cells"); // a grid that was not named grows with its sweep
    showOverview(found);
    if (regrown) { state.pins = []; toAddress(); redraw(); } else if (changed) { update(); drawPinned(); }
  } catch {
    $("state").textContent = "The server does not answer; what is here stays.";
  }
  setTimeout(poll, POLL);
}

async function start() {
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  showOverview(embedded || await (await fetch("overview")).json());
  addSaveButtons();
  redraw();
  const plot = $("diagrams");
  plot.addEventListener("mousemove", (event) => { const place = placeAt(event); if (place) $("cell").textContent = describe(place); });
  plot.addEventListener("click", (event) => { const place = placeAt(event); if (place) { cursor = place; pinPlace(place); } });
  plot.addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow")) moveCursor(event.key);
    else if (event.key === "Enter" && cursor) pinPlace(cursor);
    else if (event.key === "[" || event.key === "]") stepSeed(event.key === "[" ? -1 : 1);
    else return;
    event.preventDefault();
  });
  plot.addEventListener("blur", drawDiagrams);
  window.addEventListener("hashchange", redraw);
  window.addEventListener("resize", drawDiagrams);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.body.dataset.ready = "yes";
  if (!embedded) setTimeout(poll, POLL);
}

start().catch((error) => { $("state").textContent = `This page cannot be shown: ${error.message}`; });
