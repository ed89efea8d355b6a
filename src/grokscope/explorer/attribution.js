// What each neuron adds to wrong labels: two charts with a panel for each pinned cell whose weights are stored.

const PANEL = 250, CLIPPED = 0.99; // pixels of a panel; the share of numbers that the map's colours cover
const BESIDE = 1.06; // where the map's colour bar begins: Plotly moves a bar with a long title to the left, over the map

function attributionCharts(found) {
  const panels = found.flatMap((one, i) => (one && one.attribution.added ? [{ ...one.attribution, letter: LETTERS[i] }] : []));
  const stacked = (x, y, coloraxis) => ({
    grid: { rows: Math.max(panels.length, 1), columns: 1, pattern: "independent", ygap: 0.25 }, height: 90 + PANEL * panels.length,
    margin: { l: 55, r: 12, t: 40, b: 44 }, showlegend: false, coloraxis,
    ...Object.fromEntries(panels.flatMap(({ letter }, i) => [[`xaxis${axisKey(i)}`, axisOf(x)], [`yaxis${axisKey(i)}`, axisOf({ ...y, title: { text: `${letter}: ${y.title.text}`, standoff: 6 } })]])),
  });
  const on = (i) => ({ xaxis: `x${axisKey(i)}`, yaxis: `y${axisKey(i)}`, showlegend: false });
  const bar = (text) => ({ thickness: 12, outlinewidth: 0, title: { text, side: "right", font: { size: 12 } } });
  const sizes = panels.flatMap(({ added, step }) => added.flat().map((v) => Math.abs(v) * step)).sort((a, b) => a - b);
  const reach = sizes[Math.floor(CLIPPED * sizes.length)] || sizes.at(-1) || 1;
  const iprs = panels.flatMap(({ ipr }) => (ipr || []).filter((v) => v !== null));
  return [{
    id: "attribution-map", title: "Which neuron holds which wrong label", keys: [],
    more: stacked(
      { title: { text: data.map.neurons }, showgrid: false, zeroline: false },
      { title: { text: data.map.examples.replace("\n", "<br>") }, type: "category", autorange: "reversed", showticklabels: false, showgrid: false, ticks: "" },
      { colorscale: stops(data.scales.diverging), cmin: -reach, cmax: reach, colorbar: { ...bar(data.map.added), x: BESIDE } },
    ),
    traces: panels.map(({ added, step, examples, ranks, units, letter }, i) => ({
      type: "heatmap", name: letter, y: examples.map(plain), x: ranks, z: added.map((row) => row.map((v) => v * step)), customdata: added.map(() => units),
      coloraxis: "coloraxis", hovertemplate: "%{y}<br>neuron %{customdata}: %{z:.3g}<extra></extra>", ...on(i),
    })),
  }, {
    id: "attribution-scatter", title: "Memorizing against generalizing, a point for each neuron", keys: [],
    more: stacked({ title: { text: "memorizing" } }, { title: { text: "generalizing" } }, {
      colorscale: stops(data.scales.sequential), cmin: Math.min(...iprs, 1), cmax: Math.max(...iprs, 0), showscale: iprs.length > 0, colorbar: bar("IPR"),
    }),
    traces: panels.map(({ memorizing, generalizing, units, ipr, letter }, i) => ({
      type: "scatter", mode: "markers", name: letter, x: memorizing, y: generalizing, text: units, ...on(i),
      marker: { size: 7, line: { color: css("--ink"), width: 0.6 }, ...(ipr ? { color: ipr, coloraxis: "coloraxis" } : { color: css("--quiet") }) },
      hovertemplate: `neuron %{text}: memorizing %{x:.3g}, generalizing %{y:.3g}${ipr ? ", IPR %{marker.color:.2f}" : ""}<extra></extra>`,
    })),
  }];
}

// Which pinned cells have no such charts, and why.
function lackingWords(found) {
  const cells = new Map(); // letters by their reason
  found.forEach((one, i) => { const why = one && one.attribution.lacking; if (why) cells.set(why, [...(cells.get(why) || []), LETTERS[i]]); });
  const reasons = [...cells].map(([why, letters]) => `${letters.join(", ")}, since ${why}`);
  return reasons.length ? `What each neuron adds to wrong labels is not shown of ${reasons.join("; of ")}.` : "";
}
