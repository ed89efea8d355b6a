"""How exported sweeps were made: against what was trained, on the command line and as a page."""

import json
import shutil

import pytest
from typer.testing import CliRunner

import grokscope
from grokscope.cli import app
from grokscope.errors import ConfigError, StoreError
from grokscope.paper.grids import load_grid
from grokscope.sweeps.archive import archive, export, load_sweep
from grokscope.sweeps.diagram import collect
from grokscope.sweeps.provenance import provenance, provenance_of

BASE = grokscope.Experiment(modulus=7, width=8, steps=20, measure_every=10)
AXES = {"weight_decay": (0, 5), "learning_rate": (0.01, 0.02), "train_fraction": (0.3, 0.5, 0.7)}
GRID = grokscope.Grid(BASE, AXES, zipped=[["weight_decay", "learning_rate"]], seeds=2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs and export of a sweep, of which one network is not trained."""
    place = tmp_path_factory.mktemp("trained")
    grokscope.sweep(GRID, place / "runs", limit=11, workers=1, progress=False)
    (place / "exports").mkdir()
    export(archive(GRID, place / "runs"), place / "exports/small.nc")
    return place


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of the folder of exports, with the runs beside it."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path / "exports"


def test_it_is_what_was_trained(folder):
    ((name, found),) = provenance_of(folder).items()
    runs = [grokscope.open_run(path) for path in (folder.parent / "runs").glob("**/*.nc")]
    assert name == "small.nc"
    assert (found.seeds, found.networks, found.trained, len(runs)) == (2, 12, 11, 11)
    assert (found.settled, found.diverged, found.inferred) == (0, 0, 0)
    assert found.axes["train_fraction"] == [0.3, 0.5, 0.7]
    assert found.together == {"weight_decay": ["learning_rate"]}
    seconds = sum(run.dataset.attrs["seconds"] for run in runs)
    assert found.core_hours == pytest.approx(seconds / 3600)
    days = sorted(run.dataset.attrs["created"][:10] for run in runs)
    assert (found.first, found.last) == (days[0], days[-1])
    made = json.loads(runs[0].dataset.attrs["environment"])
    assert f"JAX {made['jax']}, {made['device']}" in found.versions[0]
    assert len(found.versions) == 1


def test_a_file_without_runs_has_no_days(folder, tmp_path):
    data = collect(GRID, tmp_path / "runs")
    found = provenance(data)
    assert (found.trained, found.first, found.last, found.versions) == (11, "", "", [])


def test_command_and_page(folder):
    page = folder / "README.md"
    run = CliRunner().invoke(app, ["provenance", str(folder), "--out", str(page)])
    assert "11 networks trained in 1 sweep" in run.output
    row = "| `small.nc` | weight_decay 0, 5 (with learning_rate) × train_fraction 0.3, 0.5, 0.7 "
    assert f"{row}| 2 | 12 | 11 | 0 | 0 |" in page.read_text()
    run = CliRunner().invoke(app, ["provenance", str(folder), "--json"])
    assert json.loads(run.output)["small.nc"]["trained"] == 11


def test_what_holds_no_sweep_is_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"got '.*none', which is no folder"):
        provenance_of(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"got '.*empty', without one"):
        provenance_of(tmp_path / "empty")
    with pytest.raises(ConfigError, match=r"nc` must be an exported sweep, got a single run"):
        provenance_of(tmp_path / "runs")


def test_a_broken_file_does_not_hide_the_others(folder):
    content = (folder / "small.nc").read_bytes()
    (folder / "broken.nc").write_bytes(content[:1000])
    with pytest.warns(UserWarning, match=r"a file is left out: .*broken\.nc` must be"):
        found = provenance_of(folder)
    assert [*found] == ["small.nc"]
    (folder / "small.nc").unlink()
    with pytest.raises(StoreError, match=r"broken\.nc"):
        provenance_of(folder)


def test_somebody_else_s_page_is_not_written_over(folder):
    page = folder / "README.md"
    page.write_text("# My own notes\n")
    run = CliRunner().invoke(app, ["provenance", str(folder), "--out", str(page)])
    assert isinstance(run.exception, ConfigError)
    assert "`out` must be a new file or a page of this command" in str(run.exception)
    assert page.read_text() == "# My own notes\n"
    page.unlink()
    for _ in range(2):  # its own is
        assert (
            not CliRunner().invoke(app, ["provenance", str(folder), "--out", str(page)]).exit_code
        )


def test_a_grid_is_read_from_an_exported_sweep(folder):
    path = folder / "small.nc"
    assert load_grid(path) == GRID
    status = CliRunner().invoke(app, ["status", str(path), "--store", str(folder.parent / "runs")])
    assert "11 done" in status.output


def test_exporting_what_was_read_gives_the_same_dataset(folder):
    data = load_sweep(folder / "small.nc")
    export(data, folder / "again.nc")
    assert load_sweep(folder / "again.nc").identical(data)


def test_a_selection_of_a_sweep_is_left_out(folder):
    selection = load_sweep(folder / "small.nc").isel(seed=0)
    export(selection, folder / "one.nc")
    with pytest.warns(UserWarning, match="`sweep` must hold its whole grid, got a selection of it"):
        assert [*provenance_of(folder)] == ["small.nc"]
