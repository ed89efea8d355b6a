// Charts of the pinned cells.

// All figures are shown before any is drawn, since each takes the width that it then has.
function drawCharts(charts) {
  for (const { id, traces } of charts) $(id).parentElement.hidden = !traces.length;
  for (const { id, title, keys, traces, more } of charts) {
    if (!traces.length) continue;
    const rows = $(id).clientWidth < 480 && keys.length > 3 ? keys.length : 1; // of the legend, below the title
    Plotly.react($(id), [...traces, ...keys], layout({
      title: { text: title, font: { size: 13 }, y: 1, yref: "container", yanchor: "top", pad: { t: 10 } },
      margin: { l: 55, r: 12, t: 40 + 18 * rows, b: 44 }, height: 300 + 18 * rows, showlegend: true,
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 11 }, itemclick: false, itemdoubleclick: false }, ...more,
    }), CONFIG);
  }
}

const line = (x, y, name, color, dash, width = 2) => ({
  type: "scatter", mode: "lines", x, y, name, showlegend: false, line: { color, dash, width }, hovertemplate: `%{y:.3g}<extra>${plain(name)}</extra>`,
});

// An entry of a chart's legend: what a line's dashes or width mean, whatever its colour.
function key(name, look) {
  const grey = css("--quiet");
  return { type: "scatter", mode: look.symbol ? "markers" : "lines", x: [null], y: [null], name: plain(name), showlegend: true, line: { color: grey, ...look }, marker: { color: grey, size: 8, ...look } };
}
const dashed = (names) => names.map((name, i) => key(name, { dash: DASHES[i % DASHES.length] }));

async function drawPinned() {
  const wanted = state.pins.slice(), found = await Promise.all(wanted.map((cell) => detailsOf(cell).catch(tell)));
  if (wanted.join() !== state.pins.join()) return; // pinned anew meanwhile
  $("pins").replaceChildren(...wanted.map((cell, i) => pinButton(cell, found[i], i)));
  $("pinned").hidden = !wanted.length;
  $("lacking").textContent = lackingWords(found);
  const kept = wanted.flatMap((cell, i) => (found[i] && found[i].has_kept_weights && !embedded ? [timeLink(cell, i)] : []));
  $("times").replaceChildren(...kept);
  if (wanted.length) drawCharts([...chartsOf(found), ...attributionCharts(found)]);
}

// To the page on which the network behind a cell is seen while it learns.
function timeLink(cell, i) {
  const link = document.createElement("a");
  link.href = `time/${data.sweep}/${cell}`;
  link.target = "_blank";
  link.textContent = `${LETTERS[i]} over time`;
  return link;
}

function pinButton(cell, one, i) {
  const button = document.createElement("button"), swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.background = PIN_COLORS[i];
  const words = [describeCell(cell), ...(codes[cell] === UNKNOWN ? [] : [data.phases[codes[cell]].name])];
  if (one && one.settled_at !== null) words.push(`settled, stopped at step ${one.settled_at}`);
  words.push(one ? `run ${one.digest.slice(0, 8)}` : codes[cell] === UNKNOWN ? "nothing stored" : "its curves are not in the file");
  button.append(swatch, `${LETTERS[i]}: ${words.join(", ")} ✕`);
  button.addEventListener("click", () => pin(cell));
  button.setAttribute("aria-label", `Unpin ${LETTERS[i]}: ${words.join(", ")}`);
  return button;
}

// The charts of some cells' details; null for a cell without.
function chartsOf(found) {
  const each = (make) => found.flatMap((one, i) => (one ? make(one, LETTERS[i], PIN_COLORS[i]) : []));
  const named = (part) => [...new Set(each((d) => Object.keys(d[part] || {})))];
  const share = axisOf({ tickformat: ".0%", range: [-0.02, 1.04] }), step = axisOf({ title: { text: "step" } });
  const neurons = (part) => each((d, letter, color) => (d.neurons || []).map((one, i) => line(one[part].map((_, k) => k), one[part], `${letter} ${one.name}`, color, DASHES[i % DASHES.length])));
  const byIpr = dashed(["lowest IPR", "low", "high", "highest IPR"]);
  const ends = each((d, letter, color) => (d.settled_at === null ? [] : Object.values(d.curves).map((curve) => ({
    ...line([d.steps.at(-1)], [curve.at(-1)], `${letter} settled`, color), mode: "markers", marker: { color, symbol: "square", size: 7 },
  }))));
  return [{
    id: "curves", title: "Accuracy", more: { xaxis: step, yaxis: share },
    keys: [...dashed(["train", "test", "train, corrupted"]), ...(ends.length ? [key("settled, stopped here", { symbol: "square" })] : [])],
    traces: [...each((d, letter, color) => Object.entries(d.curves).map(([name, curve], i) => line(d.steps, curve, `${letter} ${name.split("_")[0]}`, color, DASHES[i]))), ...ends],
  }, {
    id: "ipr", title: "Units by IPR", more: { xaxis: axisOf({ title: { text: "IPR" }, range: [0, 1] }), yaxis: axisOf({ title: { text: "units" } }) },
    keys: dashed(named("ipr")),
    traces: each((d, letter, color) => Object.entries(d.ipr).map(([layer, counts], i) => ({
      ...line(counts.map((_, bin) => (bin + 0.5) / counts.length), counts, `${letter} ${layer}`),
      line: { shape: "hvh", color, dash: DASHES[i % DASHES.length], width: 1.5 }, fill: i ? "none" : "tozeroy",
    }))),
  }, {
    id: "pruning", title: "Units pruned by IPR", more: { xaxis: axisOf({ title: { text: "units pruned" }, tickformat: ".0%" }), yaxis: share },
    keys: [key("test", { dash: "dash" }), key("train, corrupted", { dash: "dot" }), key("lowest first", { width: 2 }), key("highest first", { width: 0.8 })],
    traces: each((d, letter, color) => Object.entries(d.pruning || {}).flatMap(([first, curve]) => [["test_accuracy", "dash"], ["corrupted_accuracy", "dot"]].map(
      ([name, dash]) => line(curve.share, curve[name], `${letter} ${name.split("_")[0]}, ${first} first`, color, dash, first === "lowest" ? 2 : 0.8),
    ))),
  }, {
    id: "norms", title: "Frobenius norms", more: { xaxis: step, yaxis: axisOf({ rangemode: "tozero" }) }, keys: dashed(named("norms")),
    traces: each((d, letter, color) => Object.entries(d.norms).map(([name, norms], i) => line(d.steps, norms, `${letter} ${name}`, color, DASHES[i % DASHES.length]))),
  },
  { id: "weights", title: "Weights of some neurons", more: { xaxis: axisOf({ title: { text: "residue" } }) }, keys: byIpr, traces: neurons("vector") },
  { id: "spectra", title: "Their spectra", more: { xaxis: axisOf({ title: { text: "frequency" } }) }, keys: byIpr, traces: neurons("spectrum") }];
}

function describeCell(cell) {
  const seeds = seedCount(), place = placeOfCell(cell).map((i, d) => `${data.dimensions[d].label} ${data.dimensions[d].values[i]}`);
  return [...place, ...(seeds > 1 ? [`seed ${values("seed")[cell % seeds]}`] : [])].join(", ");
}
