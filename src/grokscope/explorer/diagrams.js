// Phase diagrams. What comes from a file is text for Plotly too.

const UNTRAINED = "#ffffff";

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
const UNEVEN = 4; // as in the figures
function positions(name) { // numbers where they ascend nearly evenly, else 0, 1, …
  const all = values(name), gaps = all.slice(1).map((v, i) => v - all[i]);
  const scale = all.every((v) => typeof v === "number") && Math.min(...gaps) > 0
    && Math.max(...gaps) <= UNEVEN * Math.min(...gaps);
  return scale && all.length > 1 ? all : all.map((_, i) => i);
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
        const index = flat([...placeOf(panel, row, column), 0]) / seedCount();
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
