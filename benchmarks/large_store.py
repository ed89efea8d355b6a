"""How quick, and how large in memory, is the sweep of a large store, all of whose cells are there?

    python benchmarks/large_store.py [CELLS]

No cell is trained: the files are one small network's, with each cell's own experiment in its place.
100,000 of them take 7 GB of the folder for temporary files, which `TMPDIR` names.
"""

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grokscope import Experiment, Grid
from grokscope.runs.compact import without_weights
from grokscope.runs.files import read_sealed, seal
from grokscope.runs.store import Store
from grokscope.runs.summaries import Cached, signature, summarize
from grokscope.runs.train import train
from lookup3 import lookup3

PANELS = 10
READ = 1000
"""Files that the first opening is timed with: reading all takes half an hour."""

TINY = Experiment(steps=4, measure_every=2).replace(modulus=5, width=2)

HEAP, HEAP_BYTES, CHECKSUM = b"FHDB", 1024, slice(18, 22)
"""HDF5's block of attributes in such a file, its size, and where its checksum stands in it."""


def grid_of(cells: int) -> Grid:
    """A grid of about so many cells, whose experiments are documents of one length."""
    side = round((cells / PANELS) ** 0.5)
    axes = {
        "corruption_fraction": [round(0.11 + 0.08 * i, 2) for i in range(PANELS)],
        "weight_decay": [round(10.1 + 0.2 * i, 1) for i in range(side)],
        "train_fraction": [round(0.201 + 0.002 * i, 3) for i in range(side)],
    }
    return Grid(base=TINY, axes=axes)


def contents(grid):
    """The digest and the experiment of each cell, and its file as `Store.save` would write it."""
    first = grid.cell((0,) * len(grid.sizes))
    with tempfile.TemporaryDirectory() as folder:
        saved = Store(folder).save(without_weights(train(first, progress=False)))
        template = read_sealed(saved.path)
    known, named = first.canonical_json().encode(), saved.digest.encode()
    assert template.count(known) == template.count(named) == 1
    begins = {template.rindex(HEAP, 0, template.index(text)) for text in (known, named)}
    for _, cell in grid.cells():
        document = cell.canonical_json()
        name = hashlib.sha256(document.encode()).hexdigest()
        content = bytearray(template.replace(known, document.encode()))
        content = content.replace(named, name.encode())
        assert len(content) == len(template)
        for begin in begins:
            block = content[begin : begin + HEAP_BYTES]
            block[CHECKSUM] = bytes(4)
            block[CHECKSUM] = lookup3(bytes(block)).to_bytes(4, "little")
            content[begin : begin + HEAP_BYTES] = block
        yield name, document, bytes(content) + seal(bytes(content))


def fill(grid, folder):
    """Put the run of every cell into a folder; return what its sweep would know of them."""
    store, known = Store(folder), {}
    store.record_grid(grid)
    for i, (name, document, content) in enumerate(contents(grid)):
        path = store.path_of(name)
        path.write_bytes(content)
        if not i:
            like = summarize(store.find(name))
        summary = like | {"experiment": document} | accuracies(i, grid)
        known[name] = Cached(signature(path), content[-64:].decode(), summary)
    return known


def accuracies(i, grid):
    """Accuracies that make a diagram of several phases, though all files have the same."""
    row, column = divmod(i % (grid.size // PANELS), grid.sizes["train_fraction"])
    train = 1.0 if row < grid.sizes["weight_decay"] / 2 else 0.5
    test = 1.0 if column > grid.sizes["train_fraction"] / 3 else 0.1
    return {"train_accuracy": train, "test_accuracy": test, "peak_test_accuracy": test}


def measured(program, *arguments):
    """What a process took that runs a program, and the first line that it printed."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", PEAK + program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    *lines, peak = done.stdout.splitlines()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    of_core = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds, megabytes = time.perf_counter() - began, int(peak) * 1024 / 1e6
    return f"{seconds:6.1f} s   {of_core:6.1f} s of a core   {megabytes:6.0f} MB   {lines[0][:120]}"


PEAK = """
import atexit
from pathlib import Path
@atexit.register  # getrusage would tell of the process that began this one, if that is larger
def print_peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""

COMMAND = "from grokscope.cli import main; main()"

OPEN = """
import sys, time
from pathlib import Path
from grokscope.runs.store import Store
from grokscope.sweeps.sweep import open_sweep
began = time.perf_counter()
store = Store(Path(sys.argv[1]))
grid = store.grid()
between = time.perf_counter()
data = open_sweep(grid, store, progress=False)
assert (data.status == 1).sum() == int(sys.argv[2])
print(f"grid of the store {between - began:.1f} s, sweep {time.perf_counter() - between:.1f} s")
"""

EXPLORE = """
import json, shutil, sys, threading, time
from pathlib import Path
from urllib.request import urlopen
from playwright.sync_api import sync_playwright
from grokscope.explorer import serve
from grokscope.explorer.source import open_source
times = [time.perf_counter()]
source = open_source(Path(sys.argv[1]))
server = serve.listen(source)
threading.Thread(target=server.serve_forever, daemon=True).start()
times.append(time.perf_counter())
address = f"http://127.0.0.1:{server.server_port}/"
content = urlopen(address + "overview").read()
times.append(time.perf_counter())
version = json.loads(content).get("version")
urlopen(address + ("overview/" + version if version else "overview")).read()
times.append(time.perf_counter())
with sync_playwright() as playwright:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    times.append(time.perf_counter())
    tab.goto(address)
    tab.wait_for_selector("#diagrams .heatmaplayer", timeout=120_000)
    times.append(time.perf_counter())
    began = time.perf_counter()
    tab.evaluate("state.thresholds.generalizes = 0.8; update()")
    colour = time.perf_counter() - began
    browser.close()
opened, first, again, _, painted = (b - a for a, b in zip(times, times[1:]))
print(f"opened {opened:.1f} s, data {first:.1f} s ({len(content) / 1e6:.1f} MB), unchanged "
      f"{again:.1f} s, painted {painted:.1f} s, new thresholds {colour:.2f} s")
"""
"""Needs Chromium."""


def report(cells):
    grid = grid_of(cells)
    with tempfile.TemporaryDirectory() as folder:
        store, document = Path(folder, "runs"), Path(folder, "grid.toml")
        store.mkdir()
        document.write_text(grid.to_toml())
        began = time.perf_counter()
        known = fill(grid, store)
        os.sync()  # or what follows would wait for the disk
        made = time.perf_counter() - began
        print(f"{grid.size:,} cells: files made in {made:.0f} s, {disk(store):.1f} GB")
        began = time.perf_counter()
        Store(store).summaries(wanted={*list(known)[:READ]})
        seconds = time.perf_counter() - began
        print(f"first opening: {1e3 * seconds / READ:.1f} ms a run")
        began = time.perf_counter()
        Store(store).summaries(known, wanted=known)
        print(f"a sweep's note of what it knows: {time.perf_counter() - began:.1f} s")
        del known
        for title, *arguments in (
            ("second opening", OPEN, store, grid.size),
            ("status", COMMAND, "status", document, "--store", store),
            ("phases", COMMAND, "phases", store, "--json"),
            ("explorer", EXPLORE, store),
        ):
            print(f"{title:15s} {measured(*arguments)}", flush=True)


def disk(folder):
    """GB of the files in a folder."""
    with os.scandir(folder) as files:
        return sum(file.stat().st_size for file in files) / 1e9


if __name__ == "__main__":
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for cells in (largest // 10, largest):
        report(cells)
