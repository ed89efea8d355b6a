"""The table of measures: a row added at run time is measured, stored, swept, printed and shown."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from grokscope.cli.tables import print_table, summary_of
from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.explorer.payload import overview
from grokscope.measures import table
from grokscope.measures.table import MEASURES, Score, is_reserved
from grokscope.runs.compact import without_weights
from grokscope.runs.pruning import prune
from grokscope.runs.store import Store
from grokscope.runs.summaries import summarize
from grokscope.runs.train import train
from grokscope.sweeps.archive import archive, export, load_sweep, restore
from grokscope.sweeps.diagram import collect
from grokscope.sweeps.sweep import sweep

BASE = Experiment(steps=20, measure_every=10, corruption_fraction=0.3).replace(modulus=7, width=8)
GRID = Grid(base=BASE, axes={"weight_decay": [0, 5]})


def _is_in_top_two(answers):
    """Whether fewer than two labels have a larger logit than the true one."""
    labels = np.arange(answers.logits.shape[1])
    true = (answers.logits * (labels == answers.true[:, None])).sum(axis=1, keepdims=True)
    return (answers.logits > true).sum(axis=1) < 2


TOP_TWO = Score(
    name="top_two_accuracy",
    description="share of test examples whose true label is among the two most likely",
    kind="accuracy",
    title="top two",
    has_column=True,
    value=_is_in_top_two,
    subset=lambda dataset: ~dataset.is_train,
)


def top_two(network, dataset):
    """The same on its own, by sorting."""
    logits = np.asarray(network(jnp.asarray(dataset.inputs)))[~dataset.is_train]
    best = np.argsort(-logits, axis=1)[:, :2]
    return (best == dataset.true_labels[~dataset.is_train, None]).any(axis=1).mean()


@pytest.fixture
def row(monkeypatch):
    monkeypatch.setitem(MEASURES, TOP_TWO.name, TOP_TWO)
    return TOP_TWO.name


def test_a_new_row_is_in_the_run_its_summary_its_curves_and_its_table(row, capsys):
    run = train(BASE, progress=False)
    expected = top_two(run.network, make_dataset(BASE))
    assert 0 < expected < 1
    assert float(run.final[row]) == pytest.approx(expected)
    assert run.dataset[row].sizes == {"step": 3}
    assert run.dataset[row].attrs == {"units": "1", "description": TOP_TWO.description}
    assert summarize(run)[row] == summary_of(run)[row] == float(run.final[row])
    assert float(prune(run, stride=4)[row][0]) == pytest.approx(expected)
    assert f"pruned_{row}" in without_weights(run).dataset
    print_table("runs", [run])
    shown = capsys.readouterr().out
    assert "top two" in shown
    assert f"{expected:.3f}" in shown


def test_a_new_row_is_in_the_sweep_its_exports_and_the_page(row, tmp_path):
    data = sweep(GRID, tmp_path / "runs", workers=1, progress=False)
    runs = [train(cell, progress=False) for _, cell in GRID.cells()]
    expected = [float(run.final[row]) for run in runs]
    assert data[row].values.ravel().tolist() == expected
    assert overview(data)["cells"][row] == pytest.approx(expected, abs=1e-3)
    export(data, tmp_path / "sweep.csv")
    assert pd.read_csv(tmp_path / "sweep.csv")[row].tolist() == pytest.approx(expected)
    export(archive(GRID, tmp_path / "runs"), tmp_path / "sweep.nc")
    assert restore(load_sweep(tmp_path / "sweep.nc"), tmp_path / "again") == 2
    assert collect(GRID, tmp_path / "again")[row].equals(data[row])


def test_a_new_row_has_its_name_for_itself(row, monkeypatch, tmp_path):
    assert is_reserved(row)
    monkeypatch.setitem(MEASURES, "weight_decay", TOP_TWO)
    with pytest.raises(ConfigError, match="axis `weight_decay` must have a name that nothing else"):
        collect(GRID, tmp_path)
    with pytest.raises(ConfigError, match="axis `weight_decay` must have a name that nothing else"):
        sweep(GRID, tmp_path / "runs", workers=1, progress=False)
    assert not (tmp_path / "runs").exists()


def test_summaries_made_before_a_row_are_made_again(tmp_path, monkeypatch):
    sweep(GRID, tmp_path, workers=1, progress=False)
    assert "peak" not in next(iter(Store(tmp_path).summaries().values()))
    peak = table.Summary(
        name="peak",
        description="highest training accuracy",
        kind="accuracy",
        value=lambda run: float(run.dataset.train_accuracy.max()),
    )
    monkeypatch.setitem(MEASURES, "peak", peak)
    runs = [train(cell, progress=False) for _, cell in GRID.cells()]
    expected = [float(run.dataset.train_accuracy.max()) for run in runs]
    assert collect(GRID, tmp_path).peak.values.ravel().tolist() == expected
    monkeypatch.setitem(MEASURES, TOP_TWO.name, TOP_TWO)  # which these runs have not
    assert np.isnan(collect(GRID, tmp_path)[TOP_TWO.name].values).all()


def test_the_table_needs_no_jax():
    program = "import sys, grokscope.measures.table; print('jax' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert out.stdout == "False\n", out.stderr
