"""`grokscope extract`: what it prints, what it writes, and what it refuses."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

import grokscope
from grokscope.cli import main
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.measures.table import scores
from grokscope.runs.extraction import KINDS, extraction_curve
from grokscope.runs.store import Store
from grokscope.sweeps.diagram import as_table, collect

TINY = Experiment(steps=20, corruption_fraction=0.3).replace(modulus=7, width=16)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A stored run."""
    return grokscope.train(TINY, tmp_path_factory.mktemp("cli") / "runs", progress=False)


@pytest.fixture
def here(run, monkeypatch):
    monkeypatch.chdir(run.path.parents[1])
    return run.path.parents[1]


def call(*arguments):
    with pytest.raises(SystemExit) as exit_:
        main(list(arguments))
    return exit_.value.code


def test_it_prints_the_test_accuracy_of_everything_and_draws_it(run, here, capsys):
    assert call("extract", run.digest[:8], "--seed", "2") == 0
    out, err = capsys.readouterr()
    assert err == ""
    curve = extraction_curve(run, seed=2).test_accuracy
    rows = {
        line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()[:1].isdigit()
    }
    for count in (1, 2, 3, 4):
        found = [float(curve.sel(kind=kind, frequencies=count)) for kind in KINDS]
        difference = found[0] - found[[*KINDS].index("vote")]
        assert rows[str(count)] == [f"{value:.4f}" for value in (*found, difference)]
    for kind, words in KINDS.items():
        assert f"{kind.replace('_', ' '):14} {words}" in out
    assert "only what differs from the vote says something of the weights" in out
    assert out.endswith(f"picture  figures/{run.digest[:12]}-extracted.png\n")
    picture = here / f"figures/{run.digest[:12]}-extracted.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_json_holds_every_score_of_every_kind(run, here, capsys):
    line = ("extract", run.digest[:8], "--counts", "3,1", "--json", "--out", "a/b.svg")
    assert call(*line) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["frequencies"] == [1, 3]
    assert document["picture"] == "a/b.svg"
    assert (here / "a/b.svg").read_text().startswith("<?xml")
    assert document["curves"].keys() == KINDS.keys()
    curve = extraction_curve(run, [1, 3])
    for kind, found in document["curves"].items():
        assert found.keys() == scores().keys()
        for name, values in found.items():
            assert values == curve[name].sel(kind=kind).values.tolist()
    test = curve.test_accuracy.values
    assert document["beyond_vote"] == (test[0] - test[[*KINDS].index("vote")]).tolist()
    assert document["curves"]["vote"]["test_loss"][0] == document["curves"]["vote"]["test_loss"][1]


def test_show_and_tables_have_extracted_minus_vote(run, here, capsys, monkeypatch):
    difference = float(run.dataset.extracted_test_accuracy - run.dataset.vote_test_accuracy)
    assert not np.isnan(difference)
    monkeypatch.setattr("grokscope.plotting.run.plot_run", lambda *_: Figure())
    monkeypatch.setattr("grokscope.plotting.neurons.plot_neurons", lambda *_: Figure())
    assert call("show", run.digest[:8]) == 0
    out = capsys.readouterr().out
    assert f"{difference:.4g}" in out.partition("extracted - vote")[2].splitlines()[0].split()
    assert call("show", run.digest[:8], "--json") == 0
    shown = json.loads(capsys.readouterr().out)["in_the_weights"]
    assert shown["extracted_minus_vote"] == difference
    assert Store("runs").table().extracted_minus_vote[run.digest] == difference
    grid = Grid(TINY, axes={"weight_decay": [0]})
    assert as_table(collect(grid, "runs")).extracted_minus_vote.tolist() == [difference]


def test_what_is_missing_is_null_in_json(here, capsys, monkeypatch):
    monkeypatch.setattr("grokscope.plotting.extraction.plot_extraction", lambda *_: Figure())
    run = grokscope.train(TINY.replace(corruption_fraction=0), "runs", progress=False)
    assert call("extract", run.digest[:8], "--counts", "1", "--json") == 0
    out = capsys.readouterr().out
    assert "NaN" not in out
    assert json.loads(out)["curves"]["network"]["corrected_accuracy"] == [None]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--counts", "0"], "`counts` must hold whole numbers from 1 to 4, got 0. Leave it out."),
        (["--counts", "0", "--out", "new/picture.svg"], "must hold whole numbers from 1 to 4"),
        (["--counts", "1,5"], "`counts` must hold whole numbers from 1 to 4, got 5. Leave it out."),
        (["--counts", "1,,2"], "`counts` must be whole numbers"),
        (["--counts", "one"], "`counts` must be whole numbers of at most nine digits, got 'one'."),
        (["--counts", "-1"], "`counts` must be whole numbers"),
        (["--counts", "1.5"], "`counts` must be whole numbers"),
        (["--counts", ""], "`counts` must be whole numbers"),
        (["--seed", "-1"], "`seed` must be greater than or equal to 0, got '-1'."),
        (["--out", "picture.jpg"], "`out` must be"),
    ],
)
def test_bad_options_exit_with_two_and_one_line(run, here, capsys, options, words):
    before = sorted(here.rglob("*"))
    assert call("extract", run.digest[:8], *options) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("grokscope: ")
    assert words in err
    assert err.count("\n") == 1
    assert sorted(here.rglob("*")) == before


def test_runs_that_cannot_be_extracted_exit_with_two(here, capsys):
    wild = TINY.replace(optimizer="sgd", learning_rate=1e9, steps=30, measure_every=5)
    diverged = Store("runs").save(grokscope.train(wild, progress=False))
    for name, words in (
        (diverged.digest[:8], "must have finished to be extracted"),
        ("f00", "f00"),
    ):
        assert call("extract", name) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert words in err
        assert err.count("\n") == 1


def test_built_in_measures_are_named_on_the_command_line(here, capsys):
    line = ["train", "--modulus", "7", "--width", "16", "--steps", "20", "--json"]
    assert call(*line, "--measures", "restricted_test_loss,vote_test_accuracy") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["experiment"]["measures"] == ["restricted_test_loss", "vote_test_accuracy"]
    run = Store("runs").open_named(document["digest"])
    assert np.isfinite(run.dataset.restricted_test_loss.values).all()
    assert run.dataset.restricted_test_loss.dims == ("step",)
    assert call(*line, "--measures", "restricted") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "got 'restricted'" in err
    assert err.count("\n") == 1
