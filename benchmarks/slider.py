"""How large and how quick is the page of one network over time, and how quick is its movie?

Needs Chromium and ffmpeg.
"""

import os

os.environ["NPROC"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import shutil
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

import grokscope
from grokscope.explorer.trajectory import whole_page

FRAMES = 300

DRAG = """async () => {
    const times = [], frame = () => new Promise(requestAnimationFrame);
    for (let i = 0; i < 50; i++) {
        await frame();
        const began = performance.now();
        $("step").value = i * 7 % data.steps.length;
        $("step").dispatchEvent(new Event("input"));
        document.body.offsetHeight;
        await new Promise((done) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = done; requestAnimationFrame(() => port2.postMessage(0)); });
        times.push(performance.now() - began);
    }
    return times.sort((a, b) => a - b);
}"""  # noqa: E501
"""Milliseconds from moving the slider until the browser has painted, which waits for a frame."""


def kept(steps, schedule):
    """The default network, of 500 neurons and p = 97, with weights kept over time."""
    experiment = grokscope.Experiment(
        corruption_fraction=0.35, weight_decay=5, steps=steps, keep_weights=schedule,
        kept_dtype="float16",
    )  # fmt: skip
    return grokscope.train(experiment, progress=False)


def in_chromium(path):
    """Seconds to the first paint, and until all is there; sorted milliseconds of dragging."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 860})
        began = time.perf_counter()
        tab.goto(path.as_uri(), wait_until="commit")
        tab.wait_for_selector("body[data-painted=yes]")
        paint = time.perf_counter() - began
        tab.wait_for_selector("body[data-ready=yes]")
        whole = time.perf_counter() - began
        times = tab.evaluate(DRAG)
        browser.close()
    return paint, whole, times


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(whole_page(kept(300, "log:40")), "utf-8")
        size = path.stat().st_size / 1e6
        paint, whole, times = in_chromium(path)
        run = kept(FRAMES - 1, 1)
        began = time.perf_counter()
        frames = run.movie(Path(folder) / "movie.mp4")
        movie = time.perf_counter() - began
    for what, value, must, unit in (
        ("first paint", paint, 2, "s"),
        ("with all weights", whole, 2, "s"),
        ("median frame of 50 while dragging", times[25], 50, "ms"),
        ("slowest frame of 50", times[-1], 50, "ms"),
        ("file", size, 15, "MB"),
        (f"movie of {frames} frames", movie, 60, "s"),
    ):
        met = "met" if value <= must else "MISSED"
        print(f"{what:34s} {value:8.2f} {unit:2s}   target ≤ {must} {unit}   {met}")


if __name__ == "__main__":
    main()
