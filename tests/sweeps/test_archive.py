"""Archives of older versions, whose runs shared lists of words and not records, still open."""

import json

import pytest

from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.runs.record import COMPACT
from grokscope.sweeps.archive import archive, archived_run
from grokscope.sweeps.sweep import sweep

BASE = Experiment(steps=20, measure_every=10, corruption_fraction=0.3).replace(modulus=7, width=8)
GRID = Grid(base=BASE, axes={"weight_decay": [0, 5]})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    store = tmp_path_factory.mktemp("runs")
    sweep(GRID, store, workers=1, progress=False)
    return archive(GRID, store)


def old_list(maker, dicts):
    """A record as older versions wrote it: without attributes that differ, or words too."""
    attrs = maker["attrs"]
    words = [maker["variable_attrs"], maker["words"]][2 - dicts :]
    return [attrs["grokscope_version"], attrs["environment"], *maker["variables"], *words]


@pytest.mark.parametrize("dicts", [2, 1, 0])
def test_lists_of_older_versions_mean_the_same_runs(data, dicts):
    makers = [old_list(maker, dicts) for maker in json.loads(data.attrs["makers"])]
    older = data.assign_attrs(makers=json.dumps(makers))
    for index, _ in GRID.cells():
        run, expected = (archived_run(file, GRID, index) for file in (older, data))
        assert expected.dataset.attrs.pop("kind") == COMPACT
        assert run.dataset.identical(expected.dataset)
        assert not run.has_weights  # by what it holds
        assert run.neurons_required == expected.neurons_required
