// What the page begins with, and what it does when its sweep grows.

const POLL = 3000; // milliseconds

// A tap arrives as two clicks, the browser's and one that Plotly adds: the second would unpin.
const ECHO_MS = 400;
let last = { where: null, time: -Infinity };

function showOverview(found) {
  data = found;
  document.title = `grokscope: ${data.title}`;
  $("title").textContent = data.title;
  const failed = data.failed.length, done = data.corruption.length - data.missing - failed, number = (n) => n.toLocaleString("en");
  $("state").textContent = `${number(done)} of ${number(data.corruption.length)} networks trained${failed ? `, ${number(failed)} failed` : ""}`;
}

function redraw() {
  state = fromAddress();
  drawControls();
  update();
  drawPinned();
}

async function poll() {
  try {
    const found = await asked(data.version ? `overview/${data.version}` : "overview") || data; // nothing if there is nothing new
    const differs = (name) => found !== data && JSON.stringify(found[name]) !== JSON.stringify(data[name]);
    const regrown = differs("sweep"), changed = differs("cells"), remeasured = differs("measures"); // a grid that was not named grows with its sweep; another may be served here now
    showOverview(found);
    if (regrown) { details = new Map(); state.pins = []; toAddress(); redraw(); } else if (changed) { if (remeasured) drawControls(); update(); drawPinned(); }
  } catch (error) {
    tell(error);
  }
  setTimeout(poll, POLL);
}

// A cell of each of the two phases that say most, so that the page explains itself; of the first seed, which alone may
// have its curves in the file.
async function pinExamples() {
  const telling = [0, 2, 1, 3, 4, 5].map((code) => [...codes.keys()].filter((cell) => cell % seedCount() === 0 && codes[cell] === code && isShown(placeOfCell(cell))));
  const middles = telling.filter((cells) => cells.length).slice(0, 2).map((cells) => cells[cells.length >> 1]);
  const found = await Promise.all(middles.map(detailsOf));
  if (state.pins.length) return; // the reader was quicker
  state.pins = middles.filter((_, i) => found[i]);
  drawDiagrams();
  toAddress();
  await drawPinned();
}

async function start() {
  const isFresh = location.hash.length < 2;
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  showOverview(embedded || await asked("overview"));
  addSaveButtons();
  redraw();
  drawGlossary();
  const plot = $("diagrams");
  plot.addEventListener("mousemove", (event) => { const place = placeAt(event); if (place) $("cell").textContent = describe(place); });
  plot.addEventListener("click", (event) => {
    const place = placeAt(event), where = JSON.stringify(place);
    if (!place || where === last.where && event.timeStamp - last.time < ECHO_MS) return;
    last = { where, time: event.timeStamp };
    cursor = place;
    pinPlace(place);
  });
  plot.addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow")) moveCursor(event.key);
    else if (event.key === "Enter" && cursor) pinPlace(cursor);
    else if (event.key === "[" || event.key === "]") stepSeed(event.key === "[" ? -1 : 1);
    else return;
    event.preventDefault();
  });
  plot.addEventListener("blur", drawDiagrams);
  window.addEventListener("hashchange", redraw);
  window.addEventListener("resize", drawDiagrams);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  if (isFresh) await pinExamples().catch(tell);
  document.body.dataset.ready = "yes";
  if (!embedded) setTimeout(poll, POLL);
}

start().catch((error) => { $("state").textContent = `This page cannot be shown: ${error.message}`; });
