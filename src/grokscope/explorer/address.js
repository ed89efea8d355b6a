// The page's state, and its words in the address.

function defaults() {
  const names = data.dimensions.slice(0, -1).map((d) => d.name);
  const at = Object.fromEntries(names.map((name) => [name, 0]));
  return {
    x: names[names.length - 1], y: names[names.length - 2] || null, panels: names[names.length - 3] || null, at,
    seed: seedCount() > 1 ? null : 0, color: null, pins: [],
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
  if (data.measures.some(({ name }) => name === given.get("color"))) found.color = given.get("color");
  const seed = Number.parseInt(given.get("seed"), 10);
  if (seed >= 0 && seed < seedCount()) found.seed = seed;
  const size = data.shape.reduce((a, b) => a * b, 1);
  found.pins = (given.get("pins") || "none").split(".").map(Number)
    .filter((cell, i, all) => Number.isInteger(cell) && cell >= 0 && cell < size && all.indexOf(cell) === i)
    .slice(0, PIN_COLORS.length);
  return found;
}

function toAddress() {
  const usual = defaults(), words = new URLSearchParams();
  for (const axis of ["x", "y", "panels"]) if (state[axis] !== usual[axis]) words.set(axis, state[axis] || "none");
  for (const [name, index] of Object.entries(state.at)) if (index) words.set(`at.${name}`, index);
  for (const [name, value] of Object.entries(state.thresholds)) if (value !== THRESHOLDS[name].value) words.set(name, value);
  if (state.seed !== usual.seed) words.set("seed", state.seed === null ? "all" : state.seed);
  if (state.color) words.set("color", state.color);
  words.set("pins", state.pins.join(".") || "none");
  history.replaceState(null, "", `#${words}`);
}
