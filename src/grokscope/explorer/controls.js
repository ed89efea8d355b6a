// Axes, sliders, pins, keys, and what can be saved.

function drawControls() {
  const focused = document.activeElement && document.activeElement.id; // it is made anew
  const names = data.dimensions.slice(0, -1).map((d) => d.name);
  const choose = (axis, text, optional) => selector(text, {
    id: `axis-${axis}`, value: state[axis], meaning: state[axis] ? data.dimensions[dimension(state[axis])].meaning : "",
    options: [...names.map((name) => [name, data.dimensions[dimension(name)].label]), ...(optional ? [[null, "none"]] : [])],
    set: (name) => {
      for (const other of ["x", "y", "panels"]) if (other !== axis && state[other] === name && name) state[other] = state[axis];
      state[axis] = name;
      drawControls();
    },
  });
  const axes = [choose("x", "across")];
  if (names.length > 1) axes.push(choose("y", "up"));
  if (names.length > 2) axes.push(choose("panels", "panels", true));
  $("axes").replaceChildren($("axes").firstElementChild, ...axes);
  const explain = () => { colors.title = chosen() ? chosen().meaning : PHASES_MEAN; };
  const colors = selector("colour by", {
    id: "color", value: state.color, set: (name) => { state.color = name; explain(); }, // not made anew while a name is typed
    options: [[null, "phase", PHASES_MEAN], ...data.measures.map(({ name, label, meaning }) => [name, label, meaning])],
  });
  explain();
  colors.querySelector("select").setAttribute("aria-describedby", "legend");
  $("colors").replaceChildren($("colors").firstElementChild, colors);
  const rest = names.filter((name) => ![state.x, state.y, state.panels].includes(name)).map((name) => slider(data.dimensions[dimension(name)].label, {
    min: 0, max: data.shape[dimension(name)] - 1, step: 1, value: state.at[name], id: `at-${name}`, meaning: data.dimensions[dimension(name)].meaning,
    show: (i) => String(values(name)[i]), set: (i) => { state.at[name] = i; update(); },
  }));
  const seeds = seedCount();
  if (seeds > 1) rest.push(slider("seed", {
    min: -1, max: seeds - 1, step: 1, value: state.seed === null ? -1 : state.seed, id: "seed",
    show: (i) => (i < 0 ? "all" : String(values("seed")[i])), set: (i) => { state.seed = i < 0 ? null : i; update(); },
  }));
  $("rest").replaceChildren($("rest").firstElementChild, ...rest);
  $("rest").hidden = !rest.length;
  const reset = document.createElement("button");
  Object.assign(reset, { type: "button", textContent: "reset", id: "reset" });
  reset.addEventListener("click", () => { state.thresholds = defaults().thresholds; drawControls(); update(); });
  $("thresholds").replaceChildren($("thresholds").firstElementChild, ...Object.entries(THRESHOLDS).map(([name, { label, meaning }]) => slider(label, {
    min: 0, max: 1, step: 0.01, value: state.thresholds[name], id: name, meaning, show: (v) => v.toFixed(2),
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
  const cells = cellsOf(place), shown = diagram.codes[cells[0] / seedCount() | 0];
  pin(cells.find((cell) => codes[cell] === shown) ?? cells.find((cell) => codes[cell] !== UNKNOWN) ?? cells[0]);
}

function stepSeed(by) {
  const seeds = seedCount();
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
  if (kind !== "csv") { Plotly.downloadImage(plot, { format: kind, filename: `grokscope-${id}`, width: 1000, height: Math.max(plot.clientHeight, 500), scale: kind === "png" ? 2 : 1 }); return; }
  saveTable(id, id === "diagrams" ? diagramTable() : chartTable(plot.data.filter((t) => !t.showlegend)));
}

function chartTable(traces) {
  if (!traces[0].z) return [["series", "x", "y"], ...traces.flatMap((t) => t.x.map((x, i) => [t.name, x, t.y[i]]))];
  return [["series", "x", "y", "z"], ...traces.flatMap((t) => t.z.flatMap((row, i) => row.map((z, j) => [t.name, t.x[j], t.y[i], z])))];
}

function diagramTable() {
  const names = data.dimensions.map((d) => d.name), seeds = seedCount(), keys = Object.keys(data.cells);
  const rows = codes.map((code, cell) => {
    const own = Math.floor(cell / seeds), inferred = diagram.inferred[own], shown = inferred ? diagram.codes[own] : code;
    const place = [...placeOfCell(cell), cell % seeds];
    return [...place.map((i, d) => data.dimensions[d].values[i]), shown === UNKNOWN ? "" : data.phases[shown].name, inferred, ...keys.map((key) => data.cells[key][cell])];
  });
  return [[...names, "phase", "inferred", ...keys], ...rows];
}

function addSaveButtons() {
  for (const id of ["diagrams", "curves", "ipr", "pruning", "norms", "weights", "spectra", "attribution-map", "attribution-scatter"]) $(id).after(saveBar(id, ["svg", "png", "csv"], save));
}
