// Colours of cells by a measure. A scale covers the whole sweep, so that panels, sliders and seeds compare.

const SHARES = ["accuracy", "share", "difference"]; // shown in percent
const SIGNED = ["difference", "correlation", "cosine"]; // of which 0 is the middle
const DECADES = 2; // from so many on, the colours of losses are logarithmic

const PHASES_MEAN = "what the network answers, by its accuracies";

const chosen = () => data.measures.find(({ name }) => name === state.color) || null; // null: the phase
const isShare = (measure) => SHARES.includes(measure.kind);
const titleOf = (measure) => plain(`${measure.label}${measure.unit && ` (${measure.unit})`}`);
const stops = (colors) => colors.map((color, i) => [i / (colors.length - 1), color]);

// The mean of a measure over some cells; null if none has it.
function meanOf(name, cells) {
  const known = cells.map((cell) => data.cells[name][cell]).filter((v) => v !== null);
  return known.length ? mean(known) : null;
}

// The seeds shown whose trained networks all lack a measure: it may be newer than they are.
function seedsWithout(name) {
  const seeds = seedCount(), all = state.seed === null ? [...Array(seeds).keys()] : [state.seed];
  const trained = (seed) => [...codes.keys()].filter((cell) => cell % seeds === seed && codes[cell] !== UNKNOWN);
  return all.filter((seed) => trained(seed).length && meanOf(name, trained(seed)) === null).map((seed) => values("seed")[seed]);
}

function worded(measure, value) {
  if (value === null || isShare(measure)) return (measure.kind === "difference" && value > 0 ? "+" : "") + percent(value);
  return `${Number(value.toPrecision(3))}${measure.unit && ` ${measure.unit}`}`;
}

// What Plotly needs of a measure: a number's place on the scale, and the scale with a bar so many pixels wide and up.
function scaleOf(measure, width, y) {
  const known = data.cells[measure.name].filter((v) => v !== null), low = known.reduce((a, b) => Math.min(a, b)), high = known.reduce((a, b) => Math.max(a, b)); // of more cells than a call takes arguments
  const signed = SIGNED.includes(measure.kind) || (measure.kind === "own" && low < 0), reach = Math.max(-low, high) || 1;
  const log = measure.kind === "loss" && low > 0 && high >= low * 10 ** DECADES, at = log ? Math.log10 : (v) => v;
  const [cmin, cmax] = signed ? [-reach, reach] : measure.kind === "accuracy" ? [0, 1] : [at(low), low < high ? at(high) : low + 1];
  const powers = log ? [...Array(99).keys()].map((i) => Math.ceil(cmin) + i * Math.ceil((cmax - cmin) / TICKS)).filter((v) => v <= cmax) : [];
  const bar = {
    orientation: "h", x: 0, xanchor: "left", y, yanchor: "bottom", lenmode: "pixels", len: width, xpad: 0, ypad: 4, thickness: 12, outlinewidth: 0,
    title: { text: titleOf(measure), side: "top", font: { size: 12 } }, ...(isShare(measure) ? { tickformat: ".0%" } : {}),
    ...(log ? { tickvals: powers, ticktext: powers.map((v) => `10<sup>${v}</sup>`) } : {}),
  };
  return { at, axis: { colorscale: stops(data.scales[signed ? "diverging" : "sequential"]), cmin, cmax, colorbar: bar } };
}
