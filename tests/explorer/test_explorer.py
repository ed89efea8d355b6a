"""The page in a real browser: what it computes, what it reacts to, and what it refuses."""

import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import grokscope
from browsing import set_slider, until
from grokscope import Experiment, Grid
from grokscope.cli import main
from grokscope.errors import ConfigError, StoreError
from grokscope.explorer import payload
from grokscope.explorer.page import page
from grokscope.explorer.payload import details, overview
from grokscope.explorer.serve import listen
from grokscope.explorer.server import make_server
from grokscope.explorer.source import open_source
from grokscope.measures.differences import DIFFERENCES
from grokscope.measures.table import MEASURES
from grokscope.plotting.diagram import UNEVEN
from grokscope.plotting.palette import PHASE_COLORS
from grokscope.runs.compact import without_weights
from grokscope.runs.files import read_dataset, write_dataset
from grokscope.runs.summaries import IPR_BINS
from grokscope.sweeps.boundary import boundaries
from grokscope.sweeps.diagram import as_dataset, phase_diagram
from grokscope.sweeps.refine import UNKNOWN

AXES = {
    "weight_decay": [0, 5, 15],
    "train_fraction": [0.3, 0.5, 0.6, 0.7, 0.8, 0.9],
    "corruption_fraction": [0.0, 0.05, 0.2, 0.35, 0.5],
}


def sweep(seeds=2, missing=0.3, shape=AXES):
    """A sweep that was never trained: accuracies by chance, some cells missing or diverged."""
    grid = Grid(base=Experiment().replace(modulus=11, width=8), axes=shape, seeds=seeds)
    rng = np.random.default_rng(0)
    found = []
    for index, _ in grid.cells():
        train, test, peak = rng.choice([0.2, 0.66, 0.8, 0.89996, 0.9, 0.95, 1.0], 3)
        last = [size - 1 for size in grid.sizes.values()]
        on_lattice = all(index[i] % 4 == 0 or index[i] == last[i] for i in (1, 2))
        summary = dict.fromkeys(MEASURES, 0.5)
        summary |= {"train_accuracy": train, "test_accuracy": test, "settled_at": None}
        summary |= {"peak_test_accuracy": max(peak, test), "neurons_required": None, "own": {}}
        summary |= {"norm": {"U": 1.0}, "has_weights": False}
        summary |= {"ipr_counts": {"hidden": [1] * IPR_BINS}}
        summary |= {"failed_at": 7 if rng.random() < 0.05 else None}
        found.append(None if rng.random() < missing and not on_lattice else summary)
    failed = [summary is None and bool(rng.random() < 0.3) for summary in found]
    names = grid.digests
    return as_dataset(
        grid,
        {name: summary for name, summary in zip(names, found, strict=True) if summary is not None},
        {name for name, is_failed in zip(names, failed, strict=True) if is_failed},
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store with a small real sweep."""
    store = tmp_path_factory.mktemp("store") / "runs"
    base = Experiment(steps=30, measure_every=10).replace(modulus=11, width=12)
    axes = {"weight_decay": [0, 5], "train_fraction": [0.5, 0.7], "corruption_fraction": [0, 0.3]}
    grid = Grid(base=base, axes=axes)
    grokscope.sweep(grid, store, workers=1, progress=False)
    return store, grid


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A store with a sweep of two networks and their weights; the first has no wrong labels."""
    store = tmp_path_factory.mktemp("kept") / "runs"
    base = Experiment(steps=30, measure_every=10).replace(modulus=11, width=12)
    grid = Grid(base=base, axes={"corruption_fraction": [0, 0.3]})
    grokscope.sweep(grid, store, workers=1, final_weights=True, progress=False)
    return open_source(store)


LINES = "(id => ($(id).data || []).filter((line) => !line.showlegend).length)"
"""How many lines a chart has, without its key."""


def written(tmp_path, data, cells=None, name="page.html"):
    path = tmp_path / name
    path.write_text(page(overview(data), cells or {}), "utf-8")
    return path.as_uri()


WORDS = {"optimizer": ["adam", "sgd", "adamw"], "corruption_fraction": [0, 0.1, 0.2, 0.3]}
"""Between words lies nothing, so that no gap is filled."""


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "shape"), [(1, AXES), (3, AXES), (1, WORDS)])
def test_its_phases_are_the_package_s_for_any_thresholds(open_page, tmp_path, seeds, shape):
    data = sweep(seeds, shape=shape)
    tab = open_page(written(tmp_path, data))
    for thresholds in ({}, {"generalizes": 0.81}, {"memorizes": 0.66, "slack": 0.2}):
        for name, value in thresholds.items():
            set_slider(tab, name, value)
        ours = phase_diagram(data, **thresholds)
        assert tab.evaluate("diagram.codes") == ours.phase.values.ravel().tolist()
        assert tab.evaluate("diagram.inferred") == ours.inferred.values.ravel().tolist()
        tab.locator("#reset").click()
    if seeds > 1:
        tab.locator("#diagrams").focus()
        tab.keyboard.press("]")
        tab.keyboard.press("]")
        alone = phase_diagram(data.isel(seed=[1]))
        assert tab.evaluate("diagram.codes") == alone.phase.values.ravel().tolist()
        assert tab.locator("output").filter(has_text="1").count()
        found = [(b.position, b.low, b.high) for b in boundaries(data)]
        tab.keyboard.press("[")
        tab.keyboard.press("[")
        drawn = tab.evaluate("boundaries().map((b) => [b.middle, b.low, b.high])")
        np.testing.assert_allclose(drawn, [row for row in found if np.isfinite(row[1])], atol=1e-9)
        share = np.sort(np.nan_to_num(phase_diagram(data).frequency.values), axis=-1)[..., -2]
        shown = tab.evaluate("diagram.second.map((one) => (one ? one.share : 0))")
        np.testing.assert_allclose(shown, share.ravel(), atol=1e-9)
    assert UNKNOWN in tab.evaluate("diagram.codes")


def center(tab, column, row, panel=0):
    """The pixel of a cell, from Plotly's own axes."""
    return tab.evaluate(
        """([column, row, panel]) => {
            const full = $("diagrams")._fullLayout, key = panel ? panel + 1 : "";
            const x = full[`xaxis${key}`], y = full[`yaxis${key}`];
            const box = $("diagrams").getBoundingClientRect();
            return [box.left + x._offset + x.d2p(positions(state.x)[column]),
                    box.top + y._offset + y.d2p(positions(state.y)[row])];
        }""",
        [column, row, panel],
    )


@pytest.mark.slow
def test_hover_click_pin_compare_and_share(open_page, trained, tmp_path):
    store, grid = trained
    source = open_source(store)
    cells = {cell: details(source.run(cell)) for cell in range(grid.size)}
    tab = open_page(written(tmp_path, source.dataset(), cells) + "#pins=none")
    run = source.run(3)  # wd 0, α .7, ξ .3
    tab.mouse.move(*center(tab, 1, 1))
    words = tab.locator("#cell").text_content()
    assert "wd 0" in words
    assert "α 0.7, corruption fraction ξ 0.3" in words
    assert run.phase().title in words
    assert f"train {100 * float(run.final.train_accuracy):.1f} %" in words
    tab.mouse.click(*center(tab, 1, 1))
    tab.mouse.click(*center(tab, 0, 0, panel=1))
    until(tab, "document.querySelectorAll('#pins button').length === 2")
    until(tab, f"{LINES}('curves') === 6")
    until(tab, "$('norms')._fullLayout")
    for chart in ("curves", "ipr", "pruning", "norms"):
        frame, drawn = f"$('{chart}').parentElement.clientWidth", f"$('{chart}')._fullLayout.width"
        assert tab.evaluate(f"{drawn} <= {frame}"), chart
    drawn = tab.evaluate("$('curves').data[1].y")
    np.testing.assert_allclose(drawn, run.dataset.test_accuracy, atol=5e-4)
    assert tab.evaluate(f"{LINES}('pruning')") == 8
    assert tab.evaluate("$('ipr').data[0].y.reduce((a, b) => a + b)") == 12
    shared = open_page(tab.url)
    until(shared, "document.querySelectorAll('#pins button').length === 2")
    assert shared.evaluate("JSON.stringify(state)") == tab.evaluate("JSON.stringify(state)")
    tab.locator("#pins button").first.click()
    until(tab, "document.querySelectorAll('#pins button').length === 1")
    tab.evaluate("location.hash = '#x=nonsense&pins=999.-1.1.5&generalizes=7&at.q=2&seed=x'")
    until(tab, "state.pins.length === 2")
    assert tab.evaluate("state.pins") == [1, 5]


@pytest.mark.slow
def test_a_tap_pins_and_the_next_one_unpins(open_page, tmp_path):
    tab = open_page(written(tmp_path, sweep(1, missing=0)), has_touch=True)
    for n_pinned in (1, 0, 1):
        tab.touchscreen.tap(*center(tab, 1, 1))
        tab.wait_for_timeout(600)
        assert tab.evaluate("state.pins.length") == n_pinned
    expect(tab.locator("#pins button")).to_contain_text("its curves are not in the file")


def test_any_two_axes_and_sliders_for_the_rest(open_page, tmp_path):
    data = sweep(1, missing=0)
    tab = open_page(written(tmp_path, data))
    tab.locator("#axis-x").select_option("weight_decay")
    tab.locator("#axis-panels").select_option("none")
    assert tab.evaluate("[state.x, state.y, state.panels]") == [
        "weight_decay",
        "train_fraction",
        None,
    ]
    set_slider(tab, "at-corruption_fraction", 3)
    z = np.array(tab.evaluate("$('diagrams').data[0].z")) // 2
    ours = phase_diagram(data).phase.isel(corruption_fraction=3).values.T
    assert np.array_equal(z, ours)
    assert "at.corruption_fraction=3" in tab.url


def test_the_keyboard_alone_will_do(open_page, trained, tmp_path):
    store, grid = trained
    source = open_source(store)
    cells = {cell: details(source.run(cell)) for cell in range(grid.size)}
    tab = open_page(written(tmp_path, source.dataset(), cells) + "#pins=none")
    tab.locator("#diagrams").focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowRight", "ArrowRight"):
        tab.keyboard.press(key)
    assert (
        "wd 5, train fraction α 0.7, corruption fraction ξ 0" in tab.locator("#cell").text_content()
    )
    tab.keyboard.press("Enter")
    until(tab, "document.querySelectorAll('#pins button').length === 1")
    assert tab.evaluate("state.pins") == [6]


@pytest.mark.slow
def test_downloads_are_pictures_and_tables(open_page, trained, tmp_path):
    source = open_source(trained[0])
    tab = open_page(written(tmp_path, source.dataset(), {0: details(source.run(0))}) + "#pins=0")
    until(tab, "$('curves').data")
    for kind, start in (("SVG", b"<svg"), ("PNG", b"\x89PNG"), ("CSV", b"weight_decay,")):
        with tab.expect_download() as download:
            tab.locator("#diagrams + .save button", has_text=kind).click()
        content = download.value.path().read_bytes()
        assert content.startswith(start)
    rows = content.decode().splitlines()
    assert len(rows) == 1 + source.dataset().status.size
    with tab.expect_download() as download:
        tab.locator("#curves + .save button", has_text="CSV").click()
    assert download.value.path().read_text().startswith("series,x,y\nA train,0,")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_reader_s_scheme(open_page, tmp_path, scheme):
    tab = open_page(written(tmp_path, sweep(1)), color_scheme=scheme)
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    assert tab.evaluate("$('diagrams')._fullLayout.paper_bgcolor") == tab.evaluate(
        "css('--ground')"
    )


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_keeps_out_who_cannot_see_or_point(open_page, kept, tmp_path, scheme, width):
    """By axe-core's rules, with everything that the page can show."""
    cells = {cell: details(kept.run(cell)) for cell in range(2)}
    address = written(tmp_path, kept.dataset(), cells) + "#pins=0.1"
    tab = open_page(address, color_scheme=scheme, bypass_csp=True)
    tab.set_viewport_size({"width": width, "height": 900})
    tab.locator("summary").click()
    until(tab, "$('attribution-scatter').data")
    for color in ("none", "extracted_minus_vote"):
        tab.locator("#color").select_option(color)
        found = Axe().run(tab).response["violations"]
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_strings_from_a_file_are_text(open_page, trained, tmp_path):
    hostile = "</script><img src=x onerror=alert(1)><b>"
    source = open_source(trained[0])
    shown = overview(source.dataset())
    shown["title"] = hostile
    shown["dimensions"][0]["label"] = hostile
    shown["dimensions"][0]["values"] = [hostile, "b"]
    one = details(source.run(0))
    one["ipr"] = {hostile: one["ipr"]["hidden"]}
    one["norms"] = {hostile: one["norms"]["U"]}
    path = tmp_path / "page.html"
    path.write_text(page(shown, {0: one}), "utf-8")
    tab = open_page(path.as_uri() + "#pins=0")
    until(tab, "$('norms').data")
    tab.mouse.move(*center(tab, 0, 0))
    assert tab.locator("#title").text_content() == hostile
    assert hostile in tab.locator("#cell").text_content()
    assert tab.evaluate("document.querySelectorAll('img').length") == 0


def nothing(sweep, cell):
    """No cell has anything."""


@pytest.fixture
def serve():
    """Serves a source; asked for before `open_page`, it outlives the pages that poll it."""
    servers = []

    def start(source):
        def cell(sweep, index):
            run = source.run(index, sweep)
            return None if run is None else details(run)

        server = make_server(page(), lambda known: overview(source.dataset()), cell, nothing)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_a_served_page_follows_a_sweep_that_runs(serve, open_page, tmp_path):
    base = Experiment(steps=20, measure_every=10).replace(modulus=11, width=12)
    axes = {"train_fraction": [0.5, 0.7], "corruption_fraction": [0, 0.3]}
    grid = Grid(base=base, axes=axes)
    grokscope.sweep(grid, tmp_path, workers=1, limit=1, progress=False)
    tab = open_page(serve(open_source(tmp_path, grid)))
    assert "1 of 4 networks trained" in tab.locator("#state").text_content()
    grokscope.sweep(grid, tmp_path, workers=1, progress=False)
    until(tab, "$('state').textContent.startsWith('4 of 4')")
    tab.mouse.click(*center(tab, 1, 1))
    until(tab, f"{LINES}('curves') === 3")


@pytest.mark.slow
def test_a_pinned_cell_whose_weights_were_kept_is_seen_over_time(open_page, tmp_path):
    base = Experiment(
        steps=20, measure_every=10, modulus=11, width=12, keep_weights="log:4",
        corruption_fraction=0.3,
    )  # fmt: skip
    grid = Grid(base=base, axes={"train_fraction": [0.5, 0.7], "weight_decay": [0, 1]})
    grokscope.sweep(grid, tmp_path, workers=1, limit=3, final_weights=True, progress=False)
    with listen(open_source(tmp_path, grid)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        tab = open_page(address)
        tab.mouse.click(*center(tab, 0, 1))
        link = tab.locator("#times a")
        link.wait_for()
        assert link.text_content() == "A over time"
        page_of_cell = open_page(address + link.get_attribute("href"))
        run = open_source(tmp_path, grid).run(1)
        shown = page_of_cell.evaluate("JSON.parse($('overview').textContent)")
        assert shown["digest"] == run.digest
        assert shown["steps"] == run.experiment.kept_steps
        sweep = tab.evaluate("data.sweep")
        for path in (f"time/{sweep}/3", f"time/{sweep}/9", "time/0123456789abcdef/1", "time/x/1"):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
            connection.request("GET", f"/{path}")
            assert connection.getresponse().status == 404
            connection.close()
        for open_tab in (tab, page_of_cell):
            open_tab.close()  # before its server, which it asks for news
        server.shutdown()


@pytest.mark.slow
def test_where_no_grid_is_named_the_page_grows_with_its_store(serve, open_page, tmp_path):
    base = Experiment(steps=20, measure_every=10).replace(modulus=11, width=12)
    axes = {"train_fraction": [0.5, 0.7], "corruption_fraction": [0, 0.3]}
    grokscope.sweep(Grid(base=base, axes=axes), tmp_path, workers=1, progress=False)
    tab = open_page(serve(open_source(tmp_path)))
    assert "4 of 4 networks trained" in tab.locator("#state").text_content()
    before = tab.evaluate("detailsOf(3).then((d) => d.digest)")
    axes["train_fraction"] = [0.5, 0.6, 0.7]
    grokscope.sweep(Grid(base=base, axes=axes), tmp_path, workers=1, progress=False)
    until(tab, "$('state').textContent.startsWith('6 of 6')")
    assert tab.evaluate("$('diagrams').data[0].y.length") == 3
    after = open_source(tmp_path).run(3)
    assert tab.evaluate("detailsOf(3).then((d) => d.digest)") == after.digest != before


def test_what_the_server_cannot_read_is_said_and_the_page_stays(serve, trained, tmp_path):
    def refuse():
        raise ConfigError("`source` must hold one sweep, got two.")

    source = open_source(trained[0])
    address = serve(source._replace(dataset=refuse))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{address}overview")
    assert refused.value.code == 503
    assert json.loads(refused.value.read()) == {"error": "`source` must hold one sweep, got two."}
    with pytest.raises(urllib.error.HTTPError) as unknown:
        urllib.request.urlopen(f"{address}cell/0123456789abcdef/{'9' * 5000}")
    assert unknown.value.code == 404


def test_the_store_stays_as_it_is_whatever_is_in_it(trained, tmp_path):
    store = tmp_path / "runs"
    shutil.copytree(trained[0], store)
    first, second, *_ = sorted(store.glob("*.nc"))
    first.write_bytes(first.read_bytes()[:-9])
    other = read_dataset(second).assign_attrs(schema_version=99)
    write_dataset(second, other)
    (store / "notes.nc").write_text("not ours")
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    source = open_source(store)
    seen = overview(source.dataset())
    assert seen["missing"] == 2
    assert [source.run(cell) is None for cell in range(8)].count(True) == 2
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


@pytest.mark.slow
def test_cells_read_at_once_do_not_end_the_process(trained):
    source = open_source(trained[0])
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(lambda i: source.run(i % 8).digest, range(200)))
    assert len(set(digests)) == 8


def test_where_the_weights_are_the_pruning_curves_are_shown_too(tmp_path):
    run = grokscope.train(Experiment(steps=20).replace(modulus=11, width=12), progress=False)
    shown = details(run)
    assert len(shown["neurons"]) == 4
    lean = without_weights(run)
    assert shown["pruning"] == details(lean)["pruning"]


def test_absent_settings_marks_and_many_panels(open_page, tmp_path):
    axes = {
        "batch_size": [None, *range(2, 14)],
        "train_fraction": [0.5, 0.7],
        "corruption_fraction": [0, 0.3],
    }
    data = sweep(seeds=1, missing=0, shape=axes)
    shown = overview(data) | {"title": "/*CELLS*/"}
    (tmp_path / "page.html").write_text(page(shown, {0: {}}), "utf-8")
    tab = open_page((tmp_path / "page.html").as_uri())
    assert tab.evaluate("data.dimensions[0].values[0]") == "none"
    assert tab.locator("#title").text_content() == "/*CELLS*/"
    for width in (1280, 400):
        tab.set_viewport_size({"width": width, "height": 900})
        until(tab, f"$('diagrams').clientWidth < {width}")
        tab.wait_for_timeout(300)
        axis = "$('diagrams')._fullLayout[`yaxis${i ? i + 1 : ''}`]._length"
        heights = tab.evaluate(f"[...Array(13).keys()].map(i => {axis})")
        assert min(heights) > 90


@pytest.mark.slow
def test_what_cannot_be_shown_is_refused(tmp_path):
    base = Experiment(steps=1).replace(modulus=5, width=2)
    seeds = Grid(base=base, axes={}, seeds=2)
    grokscope.sweep(seeds, tmp_path / "runs", workers=1, progress=False)
    with pytest.raises(ConfigError, match="must hold a sweep"):
        open_source(tmp_path / "runs")
    bare = sweep().drop_vars("failed_at")
    grokscope.export(bare, tmp_path / "bare.nc")
    with pytest.raises(StoreError, match="must hold failed_at"):
        open_source(tmp_path / "bare.nc")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_no_other_host_s_name_is_answered_on_any_loopback_address(host):
    with make_server("page", dict, nothing, nothing, host) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, status in (("evil.example", 403), (host, 200)):
            connection = http.client.HTTPConnection(host, server.server_port)
            connection.request("GET", "/", headers={"Host": f"{name}:{server.server_port}"})
            assert connection.getresponse().status == status
            connection.close()
        server.shutdown()


def test_a_proxy_s_name_is_answered_if_it_is_allowed(trained):
    with listen(open_source(trained[0]), allowed=["hub.example"]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, status in (("hub.example", 200), ("hub.example:443", 200), ("evil.example", 403)):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
            connection.request("GET", "/", headers={"Host": name})
            assert connection.getresponse().status == status
            connection.close()
        server.shutdown()


def test_a_dropped_connection_prints_nothing(capfd):
    """A browser that leaves the page drops its requests."""
    asked = threading.Event()

    def slow(sweep, cell):
        asked.set()
        time.sleep(0.3)
        return {"text": "x" * 10_000_000}

    with make_server("page", dict, slow, nothing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = socket.create_connection(("127.0.0.1", server.server_port))
        connection.sendall(b"GET /cell/0123456789abcdef/0 HTTP/1.0\r\nHost: localhost\r\n\r\n")
        asked.wait()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()  # which resets it
        time.sleep(1.0)
        server.shutdown()
    assert capfd.readouterr() == ("", "")


def test_it_serves_its_store_and_nothing_else(serve, trained):
    address = serve(open_source(trained[0]))

    def status(path, host=None):
        request = urllib.request.Request(address + path, headers={"Host": host} if host else {})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, b""

    shown = json.loads(status("overview")[1])
    assert shown["shape"] == [2, 2, 2, 1]
    cell = f"cell/{shown['sweep']}"
    assert json.loads(status(f"{cell}/0")[1])["steps"] == [0, 10, 20, 30]
    assert json.loads(status(f"{cell}/99")[1]) is None
    assert json.loads(status("cell/0123456789abcdef/0")[1]) is None, "of another sweep"
    for path in ("../pyproject.toml", "%2e%2e/etc/passwd", "cell/0", f"{cell}/-1", "overview/x"):
        assert status(path)[0] == 404
    assert status("overview", "evil.example:80")[0] == 403
    assert status("overview", "localhost:80")[0] == 200


@pytest.mark.slow
def test_the_command_writes_a_page_or_serves_until_it_is_told(trained, tmp_path, monkeypatch):
    store, _ = trained
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["explore", str(store), "--export", "out/page.html", "--json"])
    assert not ended.value.code
    assert (tmp_path / "out/page.html").stat().st_size < 7e6
    for wrong in (["--export", "page.txt"], ["--port", "x"], ["--port", "99999"], ["--every", "2"]):
        with pytest.raises(SystemExit) as ended:
            main(["explore", str(store), *wrong])
        assert ended.value.code == 2
    main_ = (
        "import signal; from grokscope.cli import main; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); main()"
    )  # though started with &
    command = [sys.executable, "-c", main_, "explore", str(store), "--no-browser", "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    address = json.loads(process.stdout.readline())["address"]
    with urllib.request.urlopen(address + "overview") as answer:
        assert json.loads(answer.read())["missing"] == 0
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def test_no_pin_has_the_colour_of_a_phase(open_page, tmp_path):
    tab = open_page(written(tmp_path, sweep(1)))
    pins = set(tab.evaluate("PIN_COLORS"))
    assert len(pins) == 6
    assert not pins & set(PHASE_COLORS.values())


@pytest.mark.slow
def test_a_first_look_shows_two_cells_of_different_phases(open_page, trained, tmp_path):
    data = sweep(1)
    cells = dict.fromkeys(range(data.status.size), details(open_source(trained[0]).run(0)))
    tab = open_page(written(tmp_path, data, cells))
    shown = tab.evaluate("state.pins.map((cell) => codes[cell])")
    buttons = tab.locator("#pins button")
    assert len(set(shown)) == buttons.count() == 2
    for left in (1, 0):
        buttons.first.click()
        expect(buttons).to_have_count(left)
    assert tab.url.endswith("pins=none")
    again = open_page(tab.url)
    assert again.locator("#pins button").count() == 0, "as the reader left it"


@pytest.mark.slow
def test_another_sweep_on_the_same_port_is_not_taken_for_the_first(open_page, trained, tmp_path):
    source, axes = open_source(trained[0]), {"weight_decay": [0, 5], "train_fraction": [0.5, 0.7]}
    other = Grid(
        base=trained[1].base.replace(steps=20), axes=axes | {"corruption_fraction": [0, 0.3]}
    )
    grokscope.sweep(other, tmp_path / "runs", workers=1, progress=False)
    second = open_source(tmp_path / "runs")
    served = [source]
    shown = source._replace(
        dataset=lambda: served[0].dataset(), run=lambda *args: served[0].run(*args)
    )
    with listen(shown) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tab = open_page(f"http://127.0.0.1:{server.server_port}/#pins=none")
        served[0] = second
        assert tab.evaluate("detailsOf(3)") is None
        until(tab, "data.title.includes('20 steps')")
        assert tab.evaluate("detailsOf(3).then((d) => d.digest)") == second.run(3).digest
        server.shutdown()


def measured_sweep(seeds=2):
    """A sweep whose extracted and vote accuracies, and a loss, differ from cell to cell."""
    data, rng = sweep(seeds), np.random.default_rng(1)
    known = np.isfinite(data.test_accuracy.values)
    for name, numbers in {
        "extracted_test_accuracy": rng.random(known.shape),
        "vote_test_accuracy": rng.random(known.shape),
        "restricted_test_loss": 10 ** (4 * rng.random(known.shape) - 3),
    }.items():
        data[name] = data[name].copy(data=np.where(known, numbers, np.nan))
    data["key_frequencies"] = data.key_frequencies * np.nan
    data["mine"] = data.test_loss - 1
    return data.drop_vars("excluded_train_loss")  # as in an older export


def test_cells_can_be_coloured_by_what_the_sweep_has_a_number_of():
    data = measured_sweep()
    shown = overview(data)
    names = [row["name"] for row in shown["measures"]]
    lacking = ("key_frequencies", "excluded_train_loss", "neurons_required", "settled_at")
    measures = [name for name in MEASURES if name not in lacking]
    assert names == [*measures, *DIFFERENCES, "mine"]
    difference = (data.extracted_test_accuracy - data.vote_test_accuracy).values.ravel()
    drawn = np.array(shown["cells"]["extracted_minus_vote"], float)
    np.testing.assert_allclose(drawn, difference, rtol=1e-3)
    old = overview(data.drop_vars("vote_test_accuracy"))
    assert "extracted_minus_vote" not in [row["name"] for row in old["measures"]]
    assert len({row["label"] for row in shown["measures"]}) == len(names)


@pytest.mark.slow
def test_a_seed_that_lacks_the_measure_of_the_colours_is_named(open_page, tmp_path):
    """As in a sweep some of whose seeds were trained before there was the measure."""
    data = measured_sweep(3)
    data["vote_test_accuracy"][..., 0] = np.nan
    tab = open_page(written(tmp_path, data) + "#pins=none&color=vote_test_accuracy")
    legend = tab.locator("#legend")
    assert "seed 0 has no vote test accuracy" in legend.text_content()
    set_slider(tab, "seed", 1)
    assert "has no" not in legend.text_content()
    set_slider(tab, "seed", 0)
    assert "seed 0 has no vote test accuracy" in legend.text_content()
    tab.locator("#color").select_option("extracted_test_accuracy")
    assert "has no" not in legend.text_content()
    tab.evaluate("data.cells.own = data.corruption.map(() => null); state.seed = null")
    assert tab.evaluate("seedsWithout('own')") == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_a_measure_chosen_by_keyboard_colours_the_cells(open_page, tmp_path, width, scheme):
    data = measured_sweep()
    tab = open_page(written(tmp_path, data) + "#pins=none", color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": 900})
    phases = tab.evaluate("$('diagrams').data[0].z")
    tab.locator("#color").focus()
    tab.keyboard.type("extracted minus")
    assert "color=extracted_minus_vote" in tab.url
    assert tab.evaluate("document.activeElement.id") == "color"
    difference = data.extracted_test_accuracy - data.vote_test_accuracy
    z = np.array(tab.evaluate("$('diagrams').data[0].z"), float)
    np.testing.assert_allclose(z, difference.mean("seed").values[0], atol=1e-3)
    axis = tab.evaluate("$('diagrams').layout.coloraxis")
    assert axis["cmin"] == -axis["cmax"], "0 is the middle"
    np.testing.assert_allclose(axis["cmax"], np.abs(difference).max(), rtol=1e-3)
    assert axis["colorbar"]["title"]["text"] == "extracted minus vote"
    words = DIFFERENCES["extracted_minus_vote"].description
    assert tab.locator("label", has=tab.locator("#color")).get_attribute("title") == words
    assert words in tab.locator("#legend").text_content()
    tab.mouse.move(*center(tab, 4, 5))
    shown = tab.locator("#cell").text_content()
    assert f"extracted minus vote {100 * z[5, 4]:+.1f} %" in shown
    assert tab.evaluate("data.phases[diagram.codes[29]].name") in shown
    assert open_page(tab.url).evaluate("state.color") == "extracted_minus_vote"
    tab.locator("#color").select_option("restricted_test_loss")
    z = np.array(tab.evaluate("$('diagrams').data[0].z"), float)
    loss = data.restricted_test_loss.mean("seed").values[0]
    np.testing.assert_allclose(z, np.log10(loss), atol=1e-3)
    assert tab.evaluate("$('diagrams').clientWidth") <= width
    tab.locator("#color").select_option("none")
    assert "color" not in tab.url
    assert tab.evaluate("$('diagrams').data[0].z") == phases
    tab.evaluate("location.hash = '#color=nonsense'")
    until(tab, "state.color === null")


def test_what_each_neuron_adds_is_that_of_the_network(kept):
    run = kept.run(1)
    shown = details(run)["attribution"]
    data = run.data
    wrong = np.flatnonzero(data.given_labels != data.true_labels)
    assert len(wrong) == len(shown["examples"]) < 60, "all of them"
    added = np.array(shown["added"]) * shown["step"]
    logits = np.asarray(run.network(jnp.asarray(data.inputs[wrong])))
    rows = np.arange(len(wrong))
    margins = logits[rows, data.given_labels[wrong]] - logits[rows, data.true_labels[wrong]]
    order = np.argsort(-margins)
    np.testing.assert_allclose(added.sum(axis=1), margins[order], atol=12 * shown["step"])
    assert np.abs(shown["added"]).max() == 9999
    np.testing.assert_allclose(added.mean(axis=0), shown["memorizing"], atol=1e-3)
    assert shown["memorizing"] == sorted(shown["memorizing"], reverse=True)
    np.testing.assert_allclose(shown["ipr"], run.neuron_ipr[shown["units"]], rtol=1e-3)
    most = wrong[order[0]]
    assert "(" + ", ".join(map(str, data.inputs[most])) + ")" in shown["examples"][0]


def test_why_nothing_is_known_of_what_neurons_add_is_said(kept, monkeypatch):
    def reason(run):
        return details(run)["attribution"]["lacking"]

    assert "none of its training labels is wrong" in reason(kept.run(0))
    assert "--final-weights" in reason(without_weights(kept.run(1)))
    experiment = kept.run(1).experiment.replace(learning_rate=1e12)
    assert "diverged" in reason(grokscope.train(experiment, progress=False))
    monkeypatch.setattr(payload, "layer_of_terms", lambda network: None)
    assert "do not add to the logits" in reason(kept.run(1))


@pytest.mark.slow
def test_a_cell_of_a_wide_network_stays_small():
    run = grokscope.train(Experiment(steps=1, corruption_fraction=0.35), progress=False)
    shown = details(run)
    assert np.shape(shown["attribution"]["added"]) == (60, 500)
    assert len(json.dumps(shown)) < 300_000


@pytest.mark.slow
def test_neurons_and_wrong_labels_are_drawn_of_cells_with_weights(open_page, kept, tmp_path):
    cells = {0: details(kept.run(0)), 1: details(without_weights(kept.run(1)))}
    tab = open_page(written(tmp_path, kept.dataset(), cells) + "#pins=0.1")
    until(tab, "$('lacking').textContent")
    said = tab.locator("#lacking").text_content()
    assert "of A, since none of its training labels is wrong; of B, since its weights" in said
    assert not tab.locator("#attribution-map").is_visible()
    cells[1] = details(kept.run(1))
    tab = open_page(written(tmp_path, kept.dataset(), cells) + "#pins=1")
    until(tab, "$('attribution-scatter').data")
    found = cells[1]["attribution"]
    z = tab.evaluate("$('attribution-map').data[0].z")
    np.testing.assert_allclose(z, np.array(found["added"]) * found["step"])
    axis = tab.evaluate("$('attribution-map').layout.coloraxis")
    assert axis["cmin"] == -axis["cmax"]
    assert tab.evaluate("$('attribution-scatter').data[0].x") == found["memorizing"]
    assert tab.evaluate("$('attribution-scatter').data[0].marker.color") == found["ipr"]
    with tab.expect_download() as download:
        tab.locator("#attribution-map + .save button", has_text="CSV").click()
    rows = download.value.path().read_text().splitlines()
    assert rows[0] == "series,x,y,z"
    assert len(rows) == 1 + np.size(found["added"])


def test_figures_and_page_draw_uneven_values_alike():
    script = (Path(grokscope.__file__).parent / "explorer/diagrams.js").read_text("utf-8")
    assert f"const UNEVEN = {UNEVEN};" in script


def test_a_network_that_cannot_be_followed_is_answered_with_the_reason():
    def refuse(sweep, cell):
        raise ConfigError("`run` must have kept its weights over time, got none.")

    with make_server("page", dict, nothing, refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/time/0123456789abcdef/3"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address)
        assert refused.value.code == 503
        assert "must have kept its weights" in refused.value.read().decode()
        server.shutdown()
