"use strict";
// The page's state lives in the address, after the #; everything on the page follows from it and
// from the data. Strings from files are set as text, never as markup. The parts are put together by
// page.py, in the order of its SCRIPTS.

const $ = (id) => document.getElementById(id);
const LETTERS = "ABCDEFGHIJ";
const DASHES = ["solid", "dash", "dot", "dashdot"];
const PIN_COLORS = ["#2A9D5C", "#E0529C", "#9A9A1C", "#12A5A5", "#A0703C", "#8A78E0"]; // no phase's

let data = null; // the overview
let codes = null; // a phase code for each cell and seed
let diagram = null; // {codes, inferred, second} for each cell
let state = null;
let cursor = null; // a cell: its place along every dimension
let details = new Map(); // of the sweep as it is: a new one when it has grown

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);

const embedded = JSON.parse($("overview").textContent || "null");
let unpacked = null;

// What is packed into the page.
function unpack() {
  const letters = atob($("cells").textContent.trim()), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}

async function detailsOf(cell) {
  const known = details;
  if (!known.has(cell)) {
    if (embedded) {
      unpacked = unpacked || ($("cells").textContent.trim() ? unpack().json() : Promise.resolve({}));
      known.set(cell, (await unpacked)[cell] || null);
    } else {
      const found = await asked(`cell/${data.sweep}/${cell}`);
      if (!found) return null; // it may be trained later
      known.set(cell, found);
    }
  }
  return known.get(cell);
}

function tell(error) {
  const why = error instanceof TypeError ? "The server does not answer" : error.message; // what fetch throws
  $("state").textContent = `${why.replace(/\.$/, "")}; what is here stays.`;
}

// What the server has to say; what it refuses is thrown.
async function asked(path) {
  const found = await (await fetch(path)).json();
  if (found && found.error) throw new Error(found.error);
  return found;
}

const strides = () => data.shape.map((_, i) => data.shape.slice(i + 1).reduce((a, b) => a * b, 1));
const flat = (place) => place.reduce((sum, index, i) => sum + index * strides()[i], 0);
const seedCount = () => data.shape[data.shape.length - 1]; // the last dimension
const dimension = (name) => data.dimensions.findIndex((d) => d.name === name);
