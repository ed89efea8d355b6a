// Phases, as phases.classify, diagram.most_frequent and boundaries, and refine.enclosed have them.

const THRESHOLDS = {
  generalizes: { label: "generalises from test accuracy", value: 0.9, meaning: "least test accuracy of a network that has generalised" },
  memorizes: { label: "memorises from train accuracy", value: 0.9, meaning: "least train accuracy, against the given labels, of a network that has memorised" },
  slack: { label: "slack above 1 − ξ", value: 0.05, meaning: "room for guessing: below 1 − ξ + slack no wrong label counts as memorised" },
};
const UNKNOWN = -1;
const COARSE = 4; // as in refine.COARSE

function classify(cell) {
  const { train_accuracy: train, test_accuracy: test, peak_test_accuracy: peak, failed_at: failed, second_rule_accuracy: second } = data.cells;
  if (train[cell] === null && failed[cell] === null) return UNKNOWN;
  const values = [train[cell], test[cell], peak[cell]];
  if (failed[cell] !== null || values.includes(null)) return 6;
  const { generalizes, memorizes, slack } = state.thresholds;
  const generalized = test[cell] >= generalizes, memorized = train[cell] >= memorizes;
  if (generalized && memorized) return 0;
  if (generalized && train[cell] >= 1 + slack - data.corruption[cell] - 1e-9) return 1;
  if (generalized) return 2;
  if (second && second[cell] !== null && second[cell] >= generalizes) return 7;
  if (memorized) return 3;
  return peak[cell] >= generalizes ? 4 : 5;
}

// The most frequent phase of some seeds, and the second with its share of those trained.
function mostFrequent(all) {
  const known = all.filter((code) => code !== UNKNOWN), count = (code) => known.filter((other) => other === code).length;
  const [first = UNKNOWN, second] = [...new Set(known)].sort((a, b) => count(b) - count(a) || a - b);
  return { first, second: second === undefined ? null : { code: second, share: count(second) / known.length } };
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
  const each = [...Array(n).keys()].map((i) => {
    const own = codes.slice(i * seeds, (i + 1) * seeds);
    return mostFrequent(state.seed === null ? own : [own[state.seed]]);
  });
  const shape = data.shape.slice(0, -1), trained = each.map(({ first }) => first), second = each.map((one) => one.second);
  if (!data.plane) return { codes: trained, inferred: trained.map(() => false), second };
  const [rows, columns] = shape.slice(-2), panels = [];
  for (let p = 0; p < n; p += rows * columns) panels.push(enclosed(trained.slice(p, p + rows * columns), rows, columns));
  const all = panels.flat();
  for (const cell of data.failed) { // it cannot be known, whatever is around it
    const i = Math.floor(cell / seeds), isOf = state.seed === null || cell % seeds === state.seed;
    if (isOf && trained[i] === UNKNOWN) all[i] = UNKNOWN;
  }
  return { codes: all, inferred: all.map((code, i) => code !== UNKNOWN && trained[i] === UNKNOWN), second };
}

const mean = (all) => all.reduce((a, b) => a + b, 0) / all.length;

// Where to cut a seed's row so that fewest cells are misplaced; the middle of equal places.
function cut(seed, columns, before, after) {
  const isEither = (code) => code === before || code === after, first = seed.findIndex(isEither), last = seed.findLastIndex(isEither);
  const row = first < 0 ? seed : seed.map((code, j) => (j < first ? before : j > last ? after : code)); // a third phase beyond them
  const edges = [columns[0], ...columns.slice(1).map((v, i) => (columns[i] + v) / 2), columns[columns.length - 1]];
  const wrong = edges.map((_, i) => row.filter((code, j) => code === (j < i ? after : before)).length);
  return mean(edges.filter((_, i) => wrong[i] === Math.min(...wrong)));
}

// The boundaries along the last axis with their intervals over seeds; none for a single seed. Cells that a seed lacks
// count as of the most frequent phase there; a seed that lacks all cells on both sides has no boundary.
function boundaries() {
  const seeds = seedCount(), columns = data.dimensions[data.dimensions.length - 2].values, n = columns.length, found = [];
  if (state.seed !== null || seeds < 2 || !columns.every((v) => typeof v === "number")) return found;
  for (let start = 0; start < diagram.codes.length; start += n) {
    const row = diagram.codes.slice(start, start + n), ends = [...row.keys()].filter((i) => i + 1 < n && row[i] !== row[i + 1]);
    const each = [...Array(seeds).keys()].map((seed) => row.map((code, i) => (diagram.inferred[start + i] ? code : codes[(start + i) * seeds + seed])));
    ends.forEach((end, number) => {
      const before = row[end], after = row[end + 1];
      if (before === UNKNOWN || after === UNKNOWN) return;
      const between = [number ? ends[number - 1] + 1 : 0, number + 1 < ends.length ? ends[number + 1] + 1 : n];
      const own = each.map((one) => one.slice(...between)).filter((one) => one.includes(before) || one.includes(after));
      const whole = own.map((one) => one.map((code, i) => (code === UNKNOWN ? row[between[0] + i] : code)));
      const cuts = whole.map((one) => cut(one, columns.slice(...between), before, after));
      if (cuts.length < 2) return;
      const middle = mean(cuts), deviation = Math.sqrt(cuts.reduce((sum, v) => sum + (v - middle) ** 2, 0) / (cuts.length - 1));
      const reach = Math.max(data.student[cuts.length] * deviation, Math.abs(columns[end + 1] - columns[end]) / 2);
      found.push({ first: start, middle, low: Math.max(middle - reach, Math.min(...columns)), high: Math.min(middle + reach, Math.max(...columns)) });
    });
  }
  return found;
}
