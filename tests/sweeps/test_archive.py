"""Archives with details of some seeds; those of older versions, with lists for records."""

import json

import pytest

from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.explorer.source import open_source
from grokscope.plotting.courses import plot_courses
from grokscope.runs.record import COMPACT
from grokscope.sweeps.archive import archive, archived_run, export, load_sweep, restore
from grokscope.sweeps.diagram import as_table, collect
from grokscope.sweeps.provenance import provenance
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


def test_details_of_the_first_seed_alone(tmp_path):
    """Phases and tables are those of all seeds; runs are there, and are taken, of the first."""
    grid, store, path = GRID.replace(seeds=2), tmp_path / "runs", tmp_path / "part.nc"
    sweep(grid, store, workers=1, progress=False)
    export(archive(grid, store), tmp_path / "whole.nc")
    export(archive(grid, store, detailed_seeds=1), path)
    whole, data = load_sweep(tmp_path / "whole.nc"), load_sweep(path)
    assert as_table(data).equals(as_table(whole))
    assert as_table(whole).columns.tolist() == as_table(collect(grid, store)).columns.tolist()
    assert provenance(data) == provenance(whole)
    assert archived_run(data, grid, (1, 1)) is None
    first = archived_run(data, grid, (1, 0))
    assert first.dataset.identical(archived_run(whole, grid, (1, 0)).dataset)
    source = open_source(path)
    assert [source.run(cell) is not None for cell in range(4)] == [True, False, True, False]
    lines = plot_courses(data, "weight_decay").axes[0].lines
    expected = plot_courses(archive(GRID, store), "weight_decay").axes[0].lines
    for line, of_one_seed in zip(lines, expected, strict=True):
        assert (line.get_xydata() == of_one_seed.get_xydata()).all()
    assert restore(data, tmp_path / "new") == 2
