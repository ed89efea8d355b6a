"""The report: one file that says what is there and what is not, and treats strings as text."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe

import grokscope.paper.statements as package
from grokscope.analysis.statistics import Interval
from grokscope.cli import main
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.paper import page as module
from grokscope.paper import plan as planning
from grokscope.paper.figures import RunFigure, load
from grokscope.paper.page import Section, page
from grokscope.paper.statements import Claim, Verdict, claims

HOSTILE = "<script>alert(1)</script>"


def a_claim(value, says="It holds."):
    return Claim("1", says, "a number", 0.5, "above", "why", lambda seed: value)


def test_strings_are_text_and_every_picture_has_words():
    found = {"x": package.judge(a_claim(0.9), [{}] * 4)}
    sections = [
        Section(1, HOSTILE, HOSTILE, b"\x89PNG", HOSTILE),
        Section("forgetting", "b", "c", None, "how"),
    ]
    text = page(sections, {"x": a_claim(0.9, HOSTILE)}, found)
    assert "<script" not in text
    assert all('alt="' in tag for tag in re.findall(r"<img[^>]*>", text))
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", text)  # nothing from elsewhere
    assert "Not made yet." in text
    assert "1 supported (1 families)" in text


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 760, 390])
def test_no_verdict_lies_beside_the_page(width, browser, tmp_path):
    units = {"high": Interval(0.0588, 0.00397, 0.114), "low": Interval(-23.1, -123.4, 123.4)}
    found = {
        name: package.Finding(
            Verdict.UNDECIDED, units[kind], 12345, {"a": 99.0}, coarse=("figure26a",)
        )
        for name, kind in zip(claims(), ["high", "low"] * len(claims()), strict=False)
    }
    path = tmp_path / "report.html"
    path.write_text(page([], claims(), found), "utf-8")
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.goto(path.as_uri())
    assert len(tab.query_selector_all(".verdict")) == len(claims())
    table = "document.querySelector('.table')"
    assert tab.evaluate(f"{table}.scrollWidth <= {table}.clientWidth")
    assert Axe().run(tab).response["violations"] == []
    tab.close()


@pytest.fixture
def small(monkeypatch):
    """The real command with few figures and claims, of small networks."""
    tiny = Experiment(steps=20, corruption_fraction=0.3).replace(modulus=11, width=12)
    curves = RunFigure("Curves", "What there is to see.", (tiny,), load(1).plot)
    some = {"one": a_claim(0.1), "sublinear": claims()["sublinear"]}
    for changed in (module, planning):
        monkeypatch.setattr(changed, "figures", lambda: {1: curves, 10: load(10)})
        monkeypatch.setattr(changed, "claims", lambda: some)
    monkeypatch.setattr(package, "claims", lambda: some)


def test_the_command_writes_one_file(small, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["report", "--out", "out/report.html", "--workers", "1", "--json", "--no-sweeps"])
    assert not ended.value.code
    text = (tmp_path / "out/report.html").read_text("utf-8")
    assert text.count("data:image/png;base64,") == 1
    assert "grokscope figure 1 --scale quick" in text
    assert "needs grokscope sweep figure10 --settle --refine" in text
    assert "needs sweep figure32" in text
    assert f'"one": "{Verdict.CONTRADICTED}"' in capsys.readouterr().out
    for wrong in (["--out", "report.pdf"], ["--scale", "huge"], ["--figures", "1,seven"]):
        with pytest.raises(SystemExit) as ended:
            main(["report", *wrong])
        assert ended.value.code == 2


def test_what_it_would_train_is_said_before_and_nothing_is_trained(small, tmp_path, capsys):
    def planned(*options):
        with pytest.raises(SystemExit) as ended:
            main(["report", "--store", str(tmp_path / "runs"), "--dry-run", "--json", *options])
        assert not ended.value.code
        return json.loads(capsys.readouterr().out)

    found = planned("--figures", "1")
    assert (found["networks"], found["sweeps"]) == (1, {})
    assert found["seconds"] > 0
    assert not (tmp_path / "runs").exists()
    everything = planned("--from", str(tmp_path))
    assert set(everything["sweeps"]) == {"figure10", "figure32"}  # the other of a statement
    assert everything["seconds"] > found["seconds"]


def test_the_page_grows_and_tells_the_time_first(small, tmp_path, monkeypatch):
    said, path = [], tmp_path / "report.html"

    def show(line):
        said.append((line, path.read_text("utf-8") if path.exists() else ""))

    module.report(path, store=tmp_path / "runs", results=tmp_path, show=show, train_sweeps=False)
    lines = [line for line, _ in said]
    assert lines[0].startswith("to train 1 network: about")
    assert lines[1:] == ["figure 1, 1 of 2", "figure 10, 2 of 2", "statements"]
    pages = [text.count("<section") for _, text in said]
    assert pages == [0, 0, 1, 2]
    assert "Being made: 1 of 2 figures so far." in said[2][1]
    assert "Being made" not in path.read_text("utf-8")


def test_what_several_statements_share_costs_once():
    nothing = Interval(0.0, 0.0, 0.0)
    found = {
        name: package.Finding(Verdict.SUPPORTED, nothing, 1, costs)
        for name, costs in {"a": {"figure3a": 100.0}, "b": {"figure3a": 100.0, "run": 7.0}}.items()
    }
    assert package.total_seconds(found) == 107
    text = page([], claims() | dict.fromkeys("ab", a_claim(0.9)), found)
    assert "107 s in all" in text


def test_every_figure_of_the_paper_has_a_place_even_if_it_cannot_be_made(tmp_path, monkeypatch):
    def refuse(*_):
        raise ConfigError("not today")

    monkeypatch.setattr(module, "train_missing", refuse)
    monkeypatch.setattr(module, "verify", lambda *_, **options: {})
    monkeypatch.setattr(module, "plan", lambda *_: planning.Plan(0, {}, 0.0))
    path = tmp_path / "report.html"
    module.report(path, store=tmp_path, results=tmp_path, train_sweeps=False)
    places = re.findall(r'<section id="figure-(\w+)"', path.read_text("utf-8"))
    assert places == [*map(str, range(1, 33)), "forgetting", "harmonics", "notebook"]
