// Phase diagrams. What comes from a file is text for Plotly too.

const UNTRAINED = "#ffffff";
const SMALL = 6; // pixels of a cell
const BAR = 36; // pixels of the bar of a measure's colours, above the panels

const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"); // for Plotly

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
const UNEVEN = 4; // as in the figures
function positions(name) { // numbers where they ascend nearly evenly, else 0, 1, …
  const all = values(name), gaps = all.slice(1).map((v, i) => v - all[i]);
  const scale = all.every((v) => typeof v === "number") && Math.min(...gaps) > 0
    && Math.max(...gaps) <= UNEVEN * Math.min(...gaps);
  return scale && all.length > 1 ? all : all.map((_, i) => i);
}
const TICKS = 6; // at most so many stand along an axis to scale, each at a cell
function ticks(name) {
  const at = positions(name), step = at === values(name) ? Math.ceil(at.length / TICKS) : 1;
  const kept = at.map((_, i) => i).filter((i) => i % step === 0);
  const gap = at.length > 1 ? at[1] - at[0] : 1, lastGap = at.length > 1 ? at.at(-1) - at.at(-2) : 1;
  const range = [at[0] - gap / 2, at.at(-1) + lastGap / 2]; // to the edges of its cells
  return { tickvals: kept.map((i) => at[i]), ticktext: kept.map((i) => plain(values(name)[i])), range, showgrid: false, zeroline: false };
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
  const seeds = seedCount(), first = flat([...place, 0]);
  return state.seed === null ? [...Array(seeds).keys()].map((i) => first + i) : [first + state.seed];
};

function describe(place) {
  const index = flat([...place, 0]) / seedCount();
  const code = diagram.codes[index];
  const where = place.map((i, d) => `${data.dimensions[d].label} ${data.dimensions[d].values[i]}`).join(", ");
  if (code === UNKNOWN) return `${where}: not trained`;
  const name = data.phases[code].name;
  if (diagram.inferred[index]) return `${where}: ${name}, inferred from its neighbours`;
  const cells = cellsOf(place), ipr = meanOf("mean_ipr", cells), measure = chosen();
  const [train, test, corrupted] = ["train", "test", "corrupted"].map((part) => `${part} ${percent(meanOf(`${part}_accuracy`, cells))}`);
  return [
    `${where}: ${measure ? `${measure.label} ${worded(measure, meanOf(measure.name, cells))} · ` : ""}${name}`, train, test, corrupted, ...(ipr === null ? [] : [`mean IPR ${ipr.toFixed(2)}`]),
  ].join(" · ");
}

// Where the panels stand: pixels of the whole, and each panel's share of it.
function arrangement() {
  const n = panelCount(), room = $("diagrams").clientWidth, narrow = room < 560, across = Math.min(n, narrow ? 2 : 4);
  const down = Math.ceil(n / across), width = Math.min(room, 80 + 420 * across); // a map alone is not stretched
  const tall = Math.max(narrow ? 190 : 250, Math.min(0.75 * (width - 80) / across, 330));
  const gap = 0.045, between = 60 / (down * tall - 16); // 60 pixels between rows of panels
  const share = { width: (1 - gap * (across - 1)) / across, height: (1 - between * (down - 1)) / down };
  const bar = chosen() ? BAR : 0, margin = { l: 55, r: 10, t: 30 + bar, b: 46 }, height = 60 + bar + down * tall;
  const pixels = [share.width * (width - margin.l - margin.r), share.height * (height - margin.t - margin.b)];
  const domain = (panel) => {
    const left = (panel % across) * (share.width + gap), top = 1 - Math.floor(panel / across) * (share.height + between);
    return { x: [left, left + share.width], y: [Math.max(top - share.height, 0), top] };
  };
  return { across, width, height, margin, domain, pixels };
}

const axisKey = (panel) => (panel ? panel + 1 : "");
const panelOf = (place) => (state.panels ? place[dimension(state.panels)] : 0);
const isShown = (place) => place.every((index, d) => [state.x, state.y, state.panels].includes(data.dimensions[d].name) || state.at[data.dimensions[d].name] === index);
const spot = (place) => ({ // where a place lies in its panel
  x: positions(state.x)[place[dimension(state.x)]], y: state.y ? positions(state.y)[place[dimension(state.y)]] : 0,
});

// A panel's cells, and on them, where phases of seeds differ, a square with the second one's share of the area.
function cellTraces(panel, shade, pixels) {
  const rows = rowCount(), columns = data.shape[dimension(state.x)], z = [], others = [], measure = chosen();
  for (let row = 0; row < rows; row++) {
    z.push([...Array(columns).keys()].map((column) => {
      const place = placeOf(panel, row, column), index = flat([...place, 0]) / seedCount();
      if (measure) { const value = meanOf(measure.name, cellsOf(place)); return value === null ? null : shade(value); }
      if (diagram.second[index]) others.push({ ...diagram.second[index], ...spot(place) });
      return diagram.codes[index] === UNKNOWN ? null : 2 * diagram.codes[index] + diagram.inferred[index];
    }));
  }
  const axes = { xaxis: `x${axisKey(panel)}`, yaxis: `y${axisKey(panel)}` }, side = Math.min(pixels[0] / columns, pixels[1] / rows);
  const gap = side < SMALL ? 0 : 0.5; // between small cells it would make all colours paler
  const heat = {
    type: "heatmap", x: positions(state.x), y: state.y ? positions(state.y) : [0], z, coloraxis: "coloraxis", xgap: gap, ygap: gap, hoverinfo: "none", ...axes,
  };
  const squares = {
    type: "scatter", mode: "markers", hoverinfo: "skip", x: others.map(({ x }) => x), y: others.map(({ y }) => y), ...axes,
    marker: { symbol: "square", opacity: 1, size: others.map(({ share }) => Math.sqrt(share) * side), color: others.map(({ code }) => data.phases[code].color), line: { color: "#fff", width: 0.5 } },
  };
  return others.length ? [heat, squares] : [heat];
}

// The intervals of boundaries over seeds, where the last axis runs across and is to scale.
function boundaryTraces() {
  const last = data.dimensions[data.dimensions.length - 2].name, panels = new Map();
  if (state.x !== last || positions(last) !== values(last)) return [];
  for (const { first, middle, low, high } of boundaries()) {
    const place = placeOfCell(first * seedCount()), { y } = spot(place);
    if (!isShown(place)) continue;
    if (!panels.has(panelOf(place))) panels.set(panelOf(place), { x: [], y: [] });
    const lines = panels.get(panelOf(place));
    lines.x.push(low, middle, high, null);
    lines.y.push(y, y, y, null);
  }
  return [...panels].flatMap(([panel, { x, y }]) => [["#fff", 3.5], ["#000", 1.5]].map(([color, width]) => ({
    type: "scatter", mode: "lines+markers", x, y, line: { color, width }, hoverinfo: "skip", connectgaps: false,
    marker: { symbol: "line-ns-open", size: x.map((_, i) => (i % 4 === 1 ? 7 : 0)), color, line: { width } },
    xaxis: `x${axisKey(panel)}`, yaxis: `y${axisKey(panel)}`,
  })));
}

function markTrace(place, text, color) {
  const { x, y } = spot(place), key = axisKey(panelOf(place));
  return {
    type: "scatter", mode: text ? "markers+text" : "markers", x: [x], y: [y], text: [text], textfont: { color: "#000", size: 11 },
    marker: { size: text ? 16 : 13, symbol: text ? "circle" : "square-open", color, line: { color: text ? "#fff" : color, width: text ? 1 : 3 } },
    hoverinfo: "skip", xaxis: `x${key}`, yaxis: `y${key}`,
  };
}

function phaseScale() {
  const colors = data.phases.flatMap(({ color }) => [color, mix(color, data.pale)]);
  const colorscale = colors.flatMap((color, i) => [[i / colors.length, color], [(i + 1) / colors.length, color]]);
  return { axis: { colorscale, cmin: -0.5, cmax: colors.length - 0.5, showscale: false } };
}

function drawDiagrams() {
  const n = panelCount(), { across, width, height, margin, domain, pixels } = arrangement();
  const inner = [width - margin.l - margin.r, height - margin.t - margin.b], above = state.panels ? 20 : 0; // a panel's title
  const { at, axis } = chosen() ? scaleOf(chosen(), Math.min(inner[0] - 16, 420), 1 + above / inner[1]) : phaseScale();
  const shown = layout({ width, height, margin, dragmode: false, annotations: [], coloraxis: axis });
  shown.plot_bgcolor = UNTRAINED; // in both schemes, so that no phase looks like it
  const named = (name) => ({ text: name ? plain(data.dimensions[dimension(name)].label) : "" });
  for (let panel = 0; panel < n; panel++) {
    const key = axisKey(panel), { x, y } = domain(panel), isLeft = panel % across === 0, isLowest = panel + across >= n;
    shown[`xaxis${key}`] = axisOf({ domain: x, anchor: `y${key}`, title: named(isLowest && state.x), ...ticks(state.x) });
    shown[`yaxis${key}`] = axisOf({ domain: y, anchor: `x${key}`, showticklabels: isLeft, title: named(isLeft && state.y), ...(state.y ? ticks(state.y) : { visible: false }) });
    if (!state.panels) continue;
    const { label, values: all } = data.dimensions[dimension(state.panels)];
    shown.annotations.push({ text: plain(`${label} = ${all[panel]}`), xref: "paper", yref: "paper", x: mean(x), y: y[1], xanchor: "center", yanchor: "bottom", showarrow: false });
  }
  const pins = state.pins.map((cell, i) => [placeOfCell(cell), LETTERS[i], PIN_COLORS[i]]);
  const marks = cursor && document.activeElement === $("diagrams") ? [...pins, [cursor, "", css("--ink")]] : pins;
  Plotly.react($("diagrams"), [
    ...[...Array(n).keys()].flatMap((panel) => cellTraces(panel, at, pixels)),
    ...boundaryTraces(),
    ...marks.filter(([place]) => isShown(place)).map((mark) => markTrace(...mark)),
  ], shown, { ...CONFIG, responsive: false });
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

function drawLegend() {
  const present = new Set(diagram.codes), measure = chosen();
  const entry = (color, text, meaning = "") => {
    const item = document.createElement("span"), swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = color;
    item.title = meaning;
    item.append(swatch, text);
    return item;
  };
  const grey = "#888888";
  const entries = measure ? [`${measure.label}: ${measure.meaning}`]
    : data.phases.flatMap(({ name, color, meaning }, code) => (present.has(code) ? [entry(color, name, meaning)] : []));
  if (!measure && diagram.second.some(Boolean)) entries.push(entry(`linear-gradient(${grey}, ${grey}) center / 50% 50% no-repeat`, "square: other seeds"));
  if (boundaryTraces().length) entries.push(entry("linear-gradient(#000, #000) center / 100% 2px no-repeat #fff", "boundary, 95 % over seeds"));
  if (!measure && diagram.inferred.some(Boolean)) entries.push(entry(`linear-gradient(90deg, ${grey} 50%, ${mix(grey, data.pale)} 50%)`, "paler: inferred"));
  const lacks = measure && diagram.codes.some((_, i) => meanOf(measure.name, cellsOf(placeOfCell(i * seedCount()))) === null);
  if (lacks || (!measure && present.has(UNKNOWN))) entries.push(entry(UNTRAINED, measure ? "no value" : "not trained"));
  const without = measure ? seedsWithout(measure.name) : [];
  if (without.length) entries.push(`${without.length > 1 ? "seeds" : "seed"} ${without.join(", ")} ${without.length > 1 ? "have" : "has"} no ${measure.label}`);
  $("legend").replaceChildren(...entries);
}

// What the words on the page mean, for those who cannot point at them.
function drawGlossary() {
  const words = [
    ...data.phases.map(({ name, meaning }) => [name, meaning]),
    ...data.dimensions.map(({ label, meaning }) => [label, meaning]),
    ...Object.values(THRESHOLDS).map(({ label, meaning }) => [label, meaning]),
    ...data.measures.map(({ label, meaning }) => [label, meaning]),
  ];
  $("glossary").replaceChildren(...words.filter(([, meaning]) => meaning).flatMap((pair) => pair.map((text, i) => {
    const item = document.createElement(i ? "dd" : "dt");
    item.textContent = text;
    return item;
  })));
}

function update() {
  codes = data.corruption.map((_, cell) => classify(cell));
  diagram = makeDiagram();
  drawLegend();
  drawDiagrams();
  toAddress();
}
