"""How quick and how large is the explorer's page with 2,584 cells? Needs Chromium."""

import shutil
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from grokscope.explorer.page import page
from grokscope.explorer.payload import details, overview
from grokscope.explorer.source import open_source
from grokscope.sweeps.archive import load_sweep

CELLS = 2584
FILE = Path(__file__).parent.parent / "results" / "figure3a.nc"


def main():
    """A page of Figure 3(a)'s cells, twice as many: the rest of them are copies of its runs."""
    source, data = open_source(FILE), load_sweep(FILE)
    shown = overview(data)
    runs = [found for cell in range(data.status.size) if (found := source.run(cell))]
    behind = [details(run) for run in runs]
    cells = {cell: behind[cell % len(behind)] for cell in range(CELLS)}
    # Twice the panels; every cell trained.
    for name, values in shown["cells"].items():
        known = [value for value in values if value is not None] or [None]
        shown["cells"][name] = [known[cell % len(known)] for cell in range(CELLS)]
    shown["cells"]["failed_at"] = [None] * CELLS
    shown["corruption"] *= 2
    shown["dimensions"][0]["values"] = list(range(8))
    shown["shape"][0] = 8
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "page.html"
        path.write_text(page(shown, cells), "utf-8")
        size = path.stat().st_size / 1e6
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        began = time.perf_counter()
        tab.goto(path.as_uri())
        tab.wait_for_selector("body[data-ready=yes] #diagrams .heatmaplayer")
        paint = time.perf_counter() - began
        hover = tab.evaluate(
            """() => {
                const box = $("diagrams").getBoundingClientRect(), times = [];
                for (let i = 0; i < 200; i++) {
                    const clientX = box.left + box.width * (0.05 + 0.0045 * i);
                    const at = { clientX, clientY: box.top + 100 };
                    const began = performance.now();
                    $("diagrams").dispatchEvent(new MouseEvent("mousemove", at));
                    document.body.offsetHeight;
                    times.push(performance.now() - began);
                }
                return Math.max(...times);
            }"""
        )
        began = time.perf_counter()
        tab.evaluate("state.thresholds.generalizes = 0.8; update()")
        colour = time.perf_counter() - began
        browser.close()
    for what, value, must, unit in (
        ("first paint", paint, 2, "s"),
        ("slowest of 200 hovers", hover, 50, "ms"),
        ("file", size, 15, "MB"),
    ):  # fmt: skip
        met = "met" if value <= must else "MISSED"
        print(f"{what:30s} {value:8.2f} {unit}   target ≤ {must} {unit}   {met}")
    print(f"{'new thresholds drawn':30s} {colour:8.2f} s")


if __name__ == "__main__":
    main()
