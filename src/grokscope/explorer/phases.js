// Phases, as phases.classify, diagram.most_frequent and refine.enclosed have them.

const THRESHOLDS = {
  generalizes: { label: "generalises from test accuracy", value: 0.9 },
  memorizes: { label: "memorises from train accuracy", value: 0.9 },
  slack: { label: "slack above 1 − ξ", value: 0.05 },
};
const UNKNOWN = -1;
const COARSE = 4; // as in refine.COARSE

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
  const seeds = seedCount(), n = codes.length / seeds;
  const trained = [...Array(n).keys()].map((i) => {
    const own = codes.slice(i * seeds, (i + 1) * seeds);
    return state.seed === null ? mostFrequent(own) : own[state.seed];
  });
  const shape = data.shape.slice(0, -1);
  if (!data.plane) return { codes: trained, inferred: trained.map(() => false) };
  const [rows, columns] = shape.slice(-2), panels = [];
  for (let p = 0; p < n; p += rows * columns) panels.push(enclosed(trained.slice(p, p + rows * columns), rows, columns));
  const all = panels.flat();
  for (const cell of data.failed) { // it cannot be known, whatever is around it
    const i = Math.floor(cell / seeds), isOf = state.seed === null || cell % seeds === state.seed;
    if (isOf && trained[i] === UNKNOWN) all[i] = UNKNOWN;
  }
  return { codes: all, inferred: all.map((code, i) => code !== UNKNOWN && trained[i] === UNKNOWN) };
}
