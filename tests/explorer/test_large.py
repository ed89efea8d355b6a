"""The page of a large sweep, and what a page is told that polls."""

import json
import threading
import urllib.request

import numpy as np
import pytest

import grokscope
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.explorer.page import page
from grokscope.explorer.payload import overview
from grokscope.explorer.serve import listen
from grokscope.explorer.source import open_source
from grokscope.measures.table import MEASURES
from grokscope.runs.store import Store
from grokscope.sweeps.diagram import as_dataset

BASE = Experiment(steps=20, measure_every=10).replace(modulus=11, width=12)


@pytest.mark.slow
@pytest.mark.parametrize(("side", "gap"), [(8, 0.5), (200, 0)])
def test_colours_of_many_small_cells_are_not_mixed_with_what_lies_between(
    open_page, tmp_path, side, gap
):
    axes = {
        "weight_decay": np.linspace(0, 20, side),
        "train_fraction": np.linspace(0.2, 0.9, side),
    }
    grid = Grid(BASE, axes=axes)
    one = dict.fromkeys(MEASURES, 1.0) | {"norm": {}, "own": {}, "ipr_counts": {}}
    one |= {"failed_at": None, "settled_at": None}
    data = as_dataset(grid, dict.fromkeys(grid.digests, one), ())
    path = tmp_path / "page.html"
    path.write_text(page(overview(data), {}), "utf-8")
    tab = open_page(path.as_uri())
    assert tab.evaluate("$('diagrams').data[0].z.length") == side
    assert tab.evaluate("$('diagrams').data[0].xgap") == gap
    assert f"{side**2:,} of {side**2:,} networks" in tab.locator("#state").text_content()


def test_a_page_that_polls_is_told_what_is_new(tmp_path):
    grid = Grid(BASE, axes={"weight_decay": [0, 1, 2]})
    grokscope.sweep(grid, tmp_path, workers=1, progress=False, limit=2)
    source = open_source(tmp_path)
    server = listen(source)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def asked(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/{path}") as answer:
            return json.loads(answer.read())

    try:
        first = asked("overview")
        assert first["missing"] == 1
        assert asked(f"overview/{first['version']}") is None
        assert asked("overview") == first
        assert source.dataset() is source.dataset()
        Store(tmp_path).record_failure(grid.cell((2, 0)), "out of memory")
        failed = asked(f"overview/{first['version']}")
        assert failed["failed"] == [2]
        Store(tmp_path).forget_failure(grid.cell((2, 0)))
        grokscope.sweep(grid, tmp_path, workers=1, progress=False)
        assert asked(f"overview/{failed['version']}")["missing"] == 0
    finally:
        server.shutdown()
        server.server_close()
