// Charts of the pinned cells.

// All figures are shown before any is drawn, since each takes the width that it then has.
function drawCharts(charts) {
  for (const { id, traces } of charts) $(id).parentElement.hidden = !traces.length;
  for (const { id, title, traces, more } of charts) {
    if (traces.length) Plotly.react($(id), traces, layout({ title: { text: title, font: { size: 13 } }, ...more }), CONFIG);
  }
}

async function drawPinned() {
  const wanted = state.pins.slice(), found = await Promise.all(wanted.map((cell) => detailsOf(cell).catch(tell)));
  if (wanted.join() !== state.pins.join()) return; // pinned anew meanwhile
  const pins = $("pins");
  pins.replaceChildren(...wanted.map((cell, i) => {
    const button = document.createElement("button"), swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = PIN_COLORS[i];
    const seeds = seedCount(), seed = seeds > 1 ? `, seed ${values("seed")[cell % seeds]}` : "";
    button.append(swatch, `${LETTERS[i]}: ${describeCell(cell)}${seed}${found[i] ? `, run ${found[i].digest.slice(0, 8)}` : " (nothing stored)"} ✕`);
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
