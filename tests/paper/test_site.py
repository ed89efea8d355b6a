"""The site: gallery, report and explorers in one folder, whose links all lead somewhere."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from typer.testing import CliRunner

import grokscope
import grokscope.paper.statements as package
from browsing import until
from grokscope.cli import app
from grokscope.experiment.experiment import Experiment
from grokscope.paper import gallery as galleries
from grokscope.paper import page, plan
from grokscope.paper import site as module
from grokscope.paper.figures import RunFigure, SweepFigure, figures, load
from grokscope.paper.gallery import figures_of, gallery
from grokscope.paper.statements import Claim, Verdict, claims
from grokscope.plotting.diagram import plot_phases
from grokscope.sweeps.archive import archive, export

TINY = Experiment(steps=20, corruption_fraction=0.3).replace(modulus=11, width=12)
HOSTILE = '<script>alert("1")</script>'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A site of one figure of runs and one of a sweep, of small networks."""
    home = tmp_path_factory.mktemp("site")
    (home / "results").mkdir()
    axes = {"train_fraction": (0.5, 0.7), "corruption_fraction": (0.0, 0.3)}
    for name, width in (("figure3a", 12), ("hidden", 8)):
        grid = grokscope.Grid(TINY.replace(width=width), axes=axes)
        grokscope.sweep(grid, home / name, workers=1, progress=False)
        export(archive(grid, home / name), home / f"results/{name}.nc")
    shown = {
        1: RunFigure("Curves", HOSTILE, (TINY,), load(1).plot),
        24: SweepFigure("Diagram", "A map.", ("figure3a",), plot_phases),
        25: SweepFigure("Missing", "Another map.", ("figure3b",), plot_phases),
    }
    some = {"x": Claim("2, Fig. 1(a)", "It holds.", "a number", 0.5, "above", "why", lambda s: 1.0)}
    with pytest.MonkeyPatch.context() as patch:
        for changed in (module, page, plan, galleries):
            patch.setattr(changed, "figures", lambda: shown)
        for changed in (module, page, plan, package):
            patch.setattr(changed, "claims", lambda: some)
        patch.setattr(module, "NOISY", TINY.replace(train_fraction=0.7))
        patch.setattr(module, "KEPT", "log:4")
        options = [
            "--store",
            "runs",
            "--from",
            "results",
            "--no-sweeps",
            "--workers",
            "1",
            "--json",
        ]
        patch.chdir(home)
        ran = CliRunner().invoke(app, ["site", "--out", "site", *options])
    assert ran.exit_code == 0, ran.output
    sizes = json.loads(ran.stdout)["bytes"]
    assert sizes == {
        str(path.relative_to(home / "site")): path.stat().st_size
        for path in (home / "site").rglob("*")
        if path.is_file()
    }
    return home / "site"


def test_every_link_leads_to_a_file_of_the_folder(folder):
    text = (folder / "index.html").read_text()
    links = re.findall(r'(?:href|src)="([^"#]+)(#[^"]*)?"', text)
    assert {"report.html", "explore/figure3a.html", "explore/hidden.html"} <= {a for a, _ in links}
    for address, place in links:
        assert (folder / address).is_file(), address
        assert not place or f'id="{place[1:]}"' in (folder / address).read_text()
    assert len([*folder.glob("time/*.html")]) == 3
    assert "<script>alert" not in text
    assert "The statement about it is supported." in text
    assert text.count("Not made yet.") == 1  # of the sweep that is not there


def test_pages_of_sweeps_share_one_library(folder):
    sizes = {path.name: path.stat().st_size for path in folder.rglob("*.*")}
    assert sizes["plotly.js"] > 1e6
    assert max(size for name, size in sizes.items() if name != "plotly.js") < 1e6


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_page_is_accessible_and_fits(folder, browser, width, scheme):
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.goto((folder / "index.html").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert Axe().run(tab).response["violations"] == []
    tab.close()


@pytest.mark.slow
@pytest.mark.parametrize("is_served", [True, False])
def test_an_explorer_works_from_a_server_and_from_a_disk(folder, server, browser, is_served):
    tab, errors = browser.new_page(), []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    tab.goto(f"{server(folder) if is_served else folder.as_uri() + '/'}index.html")
    tab.click("text=explore figure3a")
    until(tab, "document.querySelectorAll('#diagrams canvas, #diagrams svg').length > 0")
    tab.goto(f"{tab.url}#pins=0")
    until(tab, "document.querySelectorAll('#curves .scatterlayer').length > 0")
    tab.close()
    assert [error for error in errors if "favicon" not in error and "404" not in error] == []


def test_every_figure_has_a_caption_and_what_agrees():
    entries = gallery(claims(), dict.fromkeys(claims(), Verdict.SUPPORTED))
    assert [*entries] == [*figures()]
    captions = [entry.caption for entry in entries.values()]
    assert len({*captions}) == len(captions)
    assert all(caption.endswith(".") for caption in captions)
    about = sum(3 in figures_of(claim) for claim in claims().values())
    assert about >= 10
    assert entries[3].agreement.startswith(f"{about} statements about it: all supported")
    assert entries["notebook"].agreement.startswith("None of the statements")
    assert entries[24].command == "grokscope figure 24 --from results"


def test_figures_of_a_statement_are_those_that_its_section_names():
    assert figures_of(claims()["two-stages"]) == [1]
    assert figures_of(claims()["forgetting-at-20"]) == [3]
    assert figures_of(claims()["sgd-keeps"]) == []
