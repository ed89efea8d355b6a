// Charts on canvases: quick enough to be drawn anew for every step.

let ink = {}; // the colours of the reader's scheme
const readInk = () => { ink = Object.fromEntries(["ground", "ink", "quiet", "line", "strong"].map((name) => [name, css(`--${name}`)])); ink.edge = `${ink.ink}99`; };

const MARGIN = { left: 52, right: 24, top: 8, bottom: 38 };
const number = (value) => String(Number(value.toPrecision(4))).replace("-", "−");

// Small numbers are written in units of a power of ten, which the label names.
const DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
function smallAxis(range, label, more = {}) {
  const reach = Math.max(...range.map(Math.abs)), power = reach < 0.01 && reach > 0 ? Math.ceil(-Math.log10(reach)) : 0;
  return axis(range, power ? `${label} (10⁻${[...String(power)].map((d) => DIGITS[d]).join("")})` : label, { ...more, text: (v) => number(v * 10 ** power) });
}

// An axis: its range, where a value lies on it, its ticks and their texts, and its label.
function axis(range, label, more = {}) {
  const [low, high] = range, place = more.place || ((v) => v), a = place(low), b = place(high);
  return { low, high, label, ticks: more.ticks || ticksOf(low, high, more.most || 6), text: more.text || number, share: (v) => (place(v) - a) / (b - a || 1) };
}

// Round numbers in a range.
function ticksOf(low, high, most) {
  const rough = (high - low) / most || 1, ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * ten).find((one) => one >= rough), found = [];
  for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

// Where the numbers of some lists lie, with a little room around them.
function rangeOf(lists, room = 0.06) {
  let low = Infinity, high = -Infinity;
  for (const list of lists) for (const v of list) if (v !== null) { low = Math.min(low, v); high = Math.max(high, v); }
  if (low > high) return [0, 1];
  const gap = (high - low || Math.abs(high) || 1) * room;
  return [low - gap, high + gap];
}

// A canvas that is empty and as sharp as the screen.
function blank(id) {
  const canvas = $(id), ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight, pen = canvas.getContext("2d");
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) Object.assign(canvas, { width: width * ratio, height: height * ratio });
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = ink.ground;
  pen.fillRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif";
  return { pen, width, height };
}

// Draw the axes of a panel that fills a canvas, or some of its rows; gives where numbers lie in it.
function panel({ pen, width, height }, x, y, row = 0, rows = 1) {
  const tall = (height - MARGIN.top - MARGIN.bottom) / rows, isLast = row === rows - 1, gap = isLast ? 0 : 8;
  const box = { left: MARGIN.left, top: MARGIN.top + row * tall, width: width - MARGIN.left - MARGIN.right, height: tall - gap };
  const bottom = box.top + box.height, px = (v) => box.left + x.share(v) * box.width, py = (v) => bottom - y.share(v) * box.height;
  Object.assign(pen, { strokeStyle: ink.line, lineWidth: 1, fillStyle: ink.quiet, textAlign: "center", textBaseline: "top" });
  pen.beginPath();
  for (const v of x.ticks) { pen.moveTo(px(v), box.top); pen.lineTo(px(v), bottom); if (isLast) pen.fillText(x.text(v), px(v), bottom + 5); }
  Object.assign(pen, { textAlign: "right", textBaseline: "middle" });
  for (const v of y.ticks) { pen.moveTo(box.left, py(v)); pen.lineTo(box.left + box.width, py(v)); pen.fillText(y.text(v), box.left - 5, py(v)); }
  pen.stroke();
  Object.assign(pen, { fillStyle: ink.ink, textAlign: "center", textBaseline: "alphabetic" });
  if (isLast) pen.fillText(x.label, box.left + box.width / 2, bottom + 33);
  pen.save();
  pen.translate(11, box.top + box.height / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(y.label, 0, 0);
  pen.restore();
  return { pen, box, px, py, bottom };
}

// A line through places; it is broken where a number is missing.
function stroke({ pen, px, py }, xs, ys, color, { dash = [], width = 1.8 } = {}) {
  Object.assign(pen, { strokeStyle: color, lineWidth: width, lineJoin: "round" });
  pen.setLineDash(dash);
  pen.beginPath();
  let isDown = false;
  for (let i = 0; i < xs.length; i++) {
    if (ys[i] === null) { isDown = false; continue; }
    pen[isDown ? "lineTo" : "moveTo"](px(xs[i]), py(ys[i]));
    isDown = true;
  }
  pen.stroke();
  pen.setLineDash([]);
}

function dot({ pen, px, py }, x, y, radius, fill, edge, width = 0.7) {
  pen.beginPath();
  pen.arc(px(x), py(y), radius, 0, 2 * Math.PI);
  if (fill) { pen.fillStyle = fill; pen.fill(); }
  if (edge) { pen.strokeStyle = edge; pen.lineWidth = width; pen.stroke(); }
}

// What is drawn within a part of a panel's width.
function within({ pen, box }, from, to, draw) {
  pen.save();
  pen.beginPath();
  pen.rect(from, box.top - 4, Math.max(to - from, 0), box.height + 8);
  pen.clip();
  draw();
  pen.restore();
}

// An entry of a chart's key: a stroke or a dot, and words.
function keyEntry(words, { color, dash = [], width = 2, mark }) {
  const item = document.createElement("span"), space = "http://www.w3.org/2000/svg", picture = document.createElementNS(space, "svg");
  const shape = document.createElementNS(space, mark === "dot" ? "circle" : "path");
  for (const [name, value] of Object.entries({ width: mark ? 12 : 28, height: 10, "aria-hidden": "true" })) picture.setAttribute(name, value);
  const look = mark === "dot" ? { cx: 6, cy: 5, r: 4, fill: color } : { d: mark ? "M2 1 L10 9 M2 9 L10 1" : "M0 5 H28", stroke: color, "stroke-width": width, "stroke-dasharray": dash.join(" "), fill: "none" };
  for (const [name, value] of Object.entries(look)) shape.setAttribute(name, value);
  picture.append(shape);
  item.append(picture, ` ${words}`);
  return item;
}

// Colours from low to high, mixed of a few.
function ramp(colors, n = 64) {
  const parts = colors.map((color) => [1, 3, 5].map((i) => Number.parseInt(color.slice(i, i + 2), 16)));
  return [...Array(n).keys()].map((i) => {
    const at = i / (n - 1) * (colors.length - 1), low = Math.min(Math.floor(at), colors.length - 2);
    return `rgb(${parts[low].map((v, c) => Math.round(v + (parts[low + 1][c] - v) * (at - low))).join(",")})`;
  });
}
