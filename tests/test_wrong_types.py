"""Arguments of another type: one line, also where nothing checks annotations."""

import subprocess
import sys

import pytest

CALLS = """
import grokscope as gs
from grokscope.analysis.label_audit import audit
from grokscope.analysis.neurons import wave_table
from grokscope.errors import ConfigError
from grokscope.measures.attribution import attribution
from grokscope.measures.removal import removal_effects
from grokscope.runs.extraction import extract
from grokscope.runs.pruning import prune

experiment = gs.Experiment(steps=2).replace(modulus=7, width=8, keep_weights=1)
run = gs.train(experiment, progress=False)
grid = gs.Grid(experiment, axes={"weight_decay": [0]})
order = gs.pruning.pruning_order(run.neuron_ipr)
for call in (
    lambda: audit(experiment),
    lambda: audit("61cef3"),
    lambda: audit(run, folds=2.5),
    lambda: prune(experiment),
    lambda: extract(experiment),
    lambda: extract(run, 1.5),
    lambda: extract(run, "1"),
    lambda: extract(run, 1, [[0, 1], [2, 3]]),
    lambda: gs.pruning.pruning_curve(run, run.data, order, "mse"),
    lambda: gs.pruning.pruning_curve(run.network, experiment, order, "mse"),
    lambda: gs.train(run),
    lambda: gs.train({"steps": 2}),
    lambda: gs.make_dataset(run),
    lambda: gs.complete(run),
    lambda: gs.digest(run),
    lambda: gs.sweep(experiment, "runs"),
    lambda: gs.open_run(experiment),
    lambda: gs.load_sweep(run),
    lambda: gs.train_missing(experiment, "runs"),
    lambda: gs.train_missing([run], "runs"),
    lambda: gs.export(run, "sweep.csv"),
    lambda: gs.train(experiment, log=5),
    lambda: gs.from_arrays([1], experiment),
    lambda: gs.from_arrays({}, run),
    lambda: gs.sweep(grid, "runs", log=5),
    lambda: gs.sweep(grid, "runs", workers="2"),
    lambda: gs.sweep(grid, "runs", limit=1.5),
    lambda: gs.sweep(grid, "runs", time_limit="1h"),
    lambda: gs.train_missing([experiment], "runs", workers=1.0),
    lambda: gs.train(experiment, 5),
    lambda: run.over_steps(3),
    lambda: run.over_steps(None),
    lambda: run.over_steps(["test_loss", 3]),
    lambda: run.at(1.0),
    lambda: run.at(True),
    lambda: run.extract(True),
    lambda: run.extract(1, [[0, 1], [2]]),
    lambda: run.extract(1, 3),
    lambda: run.extraction(3),
    lambda: run.extraction("1,2"),
    lambda: run.extraction([[1, 2], [3]]),
    lambda: run.extraction([1.5]),
    lambda: run.extraction(seed=1.5),
    lambda: run.prune(seed=1.5),
    lambda: run.prune(seed=None),
    lambda: run.prune(stride=1.5),
    lambda: run.prune(band="50"),
    lambda: run.prune(layer=[1]),
    lambda: run.prune(layer=3),
    lambda: run.neurons({}),
    lambda: run.plot_neurons([1]),
    lambda: run.movement([1]),
    lambda: run.layer_ipr([1]),
    lambda: attribution(run.network, run.data, [1]),
    lambda: removal_effects(run.network, run.data, [1]),
    lambda: wave_table(run.network, [1], run.data.shift_order),
    lambda: run.plot(["a"]),
    lambda: run.plot(3),
    lambda: gs.pruning.pruning_curve(run.network, run.data, order, "mse", stride=0.5),
    lambda: gs.pruning.random_curves(run.network, run.data, "mse", seed="a"),
    lambda: gs.pruning.random_curves(run.network, run.data, "mse", n_orders=None),
):
    try:
        call()
    except ConfigError as error:
        words = "must be of type", "whole numbers from", "must be a ", "must be one "
        assert any(word in str(error) for word in words) and "\\n" not in str(error), error
        print(error)
    else:
        raise AssertionError("accepted")
"""


@pytest.mark.slow
def test_a_wrong_type_gets_one_line(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", CALLS], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == CALLS.count("lambda:")
    assert list(tmp_path.iterdir()) == []
