"""A folder of runs: what is kept, found, locked, and told of damaged files."""

import ast
import gc
import os
import shutil
import subprocess
import sys
import time
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import grokscope
from grokscope.errors import ConfigError, StoreError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.experiment.own_code import allow_code
from grokscope.runs import store as store_module
from grokscope.runs.files import require_file, write_atomically
from grokscope.runs.run import open_run
from grokscope.runs.store import Store
from grokscope.runs.train import train
from grokscope.sweeps.sweep import sweep

EXPERIMENT = Experiment(steps=20, corruption_fraction=0.3).replace(modulus=11, width=8)


@pytest.fixture(scope="module")
def run():
    return train(EXPERIMENT, progress=False)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_a_run_is_one_file_at_its_path(run, store):
    assert store.find(EXPERIMENT) is None
    saved = store.save(run)
    assert saved.path == store.path_of(EXPERIMENT)
    assert list(store.path.iterdir()) == [saved.path]
    again = store.find(EXPERIMENT)
    assert again is not None
    assert again.dataset.identical(run.dataset)


def test_a_stored_run_is_returned_and_not_trained_again(run, store):
    store.save(run)
    for place in (store, store.path, str(store.path)):
        stored = train(EXPERIMENT, place, progress=False)
        assert stored.dataset.attrs["created"] == run.dataset.attrs["created"]
        assert stored.dataset.attrs["seconds"] == run.dataset.attrs["seconds"]


def damage_truncated(path):
    path.write_bytes(path.read_bytes()[:-200])


def damage_flipped(path):
    content = bytearray(path.read_bytes())
    weights = np.float32(open_run(path).dataset.U.values[0, 0]).tobytes()
    content[content.index(weights)] ^= 1
    path.write_bytes(content)


def damage_foreign(path):
    path.write_bytes(b"not a run")


def damage_empty(path):
    path.write_bytes(b"")


def damage_other_netcdf(path):
    xr.Dataset({"x": ("y", [1.0])}).to_netcdf(path, engine="netcdf4")


def damage_other_run(path):
    other = train(EXPERIMENT.replace(seed=1), path.parent / "other", progress=False)
    assert other.path is not None
    os.replace(other.path, path)


DAMAGES = [
    damage_truncated,
    damage_flipped,
    damage_foreign,
    damage_empty,
    damage_other_netcdf,
    damage_other_run,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_reported_set_aside_and_run_again(run, store, damage):
    path = store.save(run).path
    damage(path)
    content = path.read_bytes()
    if damage is not damage_other_run:
        with pytest.raises(StoreError) as error:
            open_run(path)
        assert "\n" not in str(error.value)
        assert path.read_bytes() == content
    with pytest.warns(UserWarning, match="set aside as"):
        again = train(EXPERIMENT, store, progress=False)
    assert again.dataset.drop_attrs().identical(run.dataset.drop_attrs())
    assert path.with_name(f"{path.name}.damaged-1").read_bytes() == content
    damage_foreign(path)
    with pytest.warns(UserWarning, match="damaged-2"):
        assert store.find(EXPERIMENT) is None


def test_a_store_that_is_only_read_stays_as_it_is(run, store):
    damage_truncated(store.save(run).path)
    before = {path: path.stat().st_mtime_ns for path in store.path.iterdir()}
    read = Store(store.path, mend=False)
    with pytest.warns(UserWarning, match="must be a file of grokscope"):
        assert read.find(EXPERIMENT) is None
    with pytest.warns(UserWarning, match="must be a file of grokscope"):
        assert read.summaries() == {}
    assert {path: path.stat().st_mtime_ns for path in store.path.iterdir()} == before


@pytest.fixture(scope="module")
def sound(run, tmp_path_factory):
    return Store(tmp_path_factory.mktemp("sound")).save(run).path.read_bytes()


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_any_flipped_bit_is_found_before_the_file_is_parsed(run, sound, tmp_path, place, bit):
    content = bytearray(sound)
    content[int(place * len(content))] ^= 1 << bit
    path = Store(tmp_path).path_of(EXPERIMENT)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"must match its checksum|must be a file of grokscope"):
        open_run(path)


def test_a_file_that_was_made_again_meanwhile_is_not_set_aside(run, store, monkeypatch):
    path = store.save(run).path
    sound = path.read_bytes()
    path.write_bytes(b"damaged")

    def late(path):
        """Another process finds the damage first, and trains the cell again."""
        path.with_name("new").write_bytes(sound)
        path.with_name("new").replace(path)
        raise StoreError("It was damaged.")

    monkeypatch.setattr("grokscope.runs.store.open_run", late)
    assert store.find(EXPERIMENT) is None
    monkeypatch.undo()
    assert store.find(EXPERIMENT) is not None
    assert list(store.path.iterdir()) == [path]


def test_a_run_is_opened_by_the_beginning_of_its_digest(run, store):
    path = store.save(run).path
    for length in (4, 64):
        assert store.open(run.digest[:length]).path == path
    for name in ("", "zz", "*", "../x", "no such file"):
        with pytest.raises(StoreError, match="got none"):
            store.open(name)
    other = path.with_name(f"{run.digest[:10]}{'0' * 54}.nc")
    other.write_bytes(path.read_bytes())
    with pytest.raises(StoreError, match="got 2 that begin so"):
        store.open(run.digest[:8])
    with pytest.raises(StoreError, match="must hold the run of its name"):
        store.open(other.stem)


def test_a_store_that_cannot_be_written_is_refused_before_training(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="`store` must be in a folder that can be written"):
        train(EXPERIMENT.replace(steps=10**9), tmp_path / "file" / "runs", progress=False)


def test_a_folder_is_made_with_its_first_file_and_not_before(tmp_path):
    path = tmp_path / "new" / "pictures" / "a.png"
    require_file(path, "out", (".png",))
    assert list(tmp_path.iterdir()) == []
    write_atomically(path, b"content")
    assert path.read_bytes() == b"content"


def test_a_failed_write_leaves_nothing(run, store, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.save(run)
    assert list(store.path.iterdir()) == []


def test_summaries_are_made_once_and_only_where_wanted(run, store, monkeypatch):
    store.save(run)
    seen = []
    assert store.summaries(wanted={"0" * 64}, advance=seen.append) == {}
    assert sum(seen) == 0
    made = store.summaries(advance=seen.append)
    assert made[run.digest]["peak_test_accuracy"] == float(run.dataset.test_accuracy.max())
    assert sum(seen) == 1
    monkeypatch.setattr("grokscope.runs.store.open_run", None)
    assert store.summaries() == made


# Locks and failures


def test_a_training_lock_holds_until_its_process_ends(store):
    with store.training_lock(EXPERIMENT) as mine, store.training_lock(EXPERIMENT) as again:
        assert (mine, again) == (True, False)
        with store.training_lock(EXPERIMENT.replace(steps=1)) as other:
            assert other
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from grokscope.runs.store import Store\n"
            "from grokscope import Experiment\n"
            "with Store(sys.argv[1]).training_lock(Experiment()):\n"
            "    print('mine', flush=True); time.sleep(60)",
            str(store.path),
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"mine\n"
    with store.training_lock(Experiment()) as mine:
        assert not mine
    holder.kill()
    holder.wait()
    with store.training_lock(Experiment()) as mine:
        assert mine
    assert not list((store.path / ".claims").iterdir()), "the folder that older versions lock in"


def test_nothing_is_locked_where_files_cannot_be(store):
    (store.path / ".claims").write_text("in the way")
    with store.training_lock(EXPERIMENT) as mine, store.training_lock(EXPERIMENT) as again:
        assert mine
        assert again


def test_a_failure_is_noted_until_it_is_forgotten_or_its_run_is_there(run, store):
    store.record_failure(EXPERIMENT, "out of memory")
    assert store.failures() == {run.digest: "out of memory"}
    store.save(run)
    assert store.failures() == {}
    store.path_of(EXPERIMENT).unlink()
    note = next(store.path.glob("*.failed"))
    for damaged in (b"\xff", note.read_bytes().replace(b"memory", b"memorx")):
        note.write_bytes(damaged)
        assert store.failures() == {run.digest: "unknown: its record cannot be read"}
    store.forget_failure(EXPERIMENT)
    store.forget_failure(EXPERIMENT)
    assert store.failures() == {}


# The grid of a store

BASE = Experiment(steps=4, measure_every=2, corruption_fraction=0.3).replace(modulus=7, width=8)
GRID = Grid(base=BASE, axes={"train_fraction": [0.3, 0.5, 0.7], "corruption_fraction": [0, 0.1]})


def swept(grid, store, **options):
    sweep(grid, store, workers=1, progress=False, **options)


def test_a_refined_sweep_shows_rows_without_a_run(store):
    with pytest.raises(ConfigError, match="without any"):
        store.grid()
    swept(GRID, store, limit=2)
    assert store.grid() == GRID


@pytest.mark.slow
def test_of_several_the_largest_is_shown_and_what_lies_beside_all_is_said(store):
    swept(GRID.every(2), store)
    assert store.grid() == GRID.every(2)
    swept(GRID, store, limit=1)
    assert store.grid() == GRID
    assert store.grids() == [GRID, GRID.every(2)]
    train(BASE.replace(train_fraction=0.2, seed=1), store, progress=False)
    with pytest.raises(ConfigError) as error:
        store.grid()
    assert "got 6 that differ in corruption_fraction, train_fraction, seed" in str(error.value)
    assert str(error.value).endswith("Name the sweep with --grid.")


def test_a_file_that_is_only_called_like_a_run_hides_no_sweep(store):
    swept(GRID, store, limit=1)
    (store.path / f"{'0' * 64}.nc").write_bytes(b"no run")
    with pytest.warns(UserWarning, match="set aside"):
        assert store.grid() == GRID


def test_a_record_that_cannot_be_read_is_passed_over(store):
    swept(GRID.every(2), store)
    (record,) = (store.path / ".grids").iterdir()
    for content in (b"\xff [not a grid", b"axes = {width = [1]}\ncode = '../../x'"):
        record.write_bytes(content)
        assert store.grids() == []
        with pytest.raises(ConfigError, match="no recorded sweep has them all"):
            store.grid()


def test_a_store_without_a_record_says_what_it_holds(run, store):
    store.save(run)
    with pytest.raises(ConfigError, match="got 1, and no recorded sweep"):
        store.grid()
    swept(GRID, store, limit=2)
    shutil.rmtree(store.path / ".grids")
    with pytest.raises(ConfigError, match="got 3 that differ in"):
        store.grid()


# The layout on disk

NAMES = (".failed", ".claims", ".grids", ".summaries", ".damaged")
LISTINGS = ("glob", "rglob", "iterdir", "scandir", "listdir")
EXPORTS = ("sweeps/archive", "session/sweep", "cli/", "paper/")
"""Where a sweep's exports are named, which are netCDF too."""
OTHER_FOLDERS = ("sweeps/machine.py", "sweeps/archive.py")
"""What lists the cache of compiled code and devices, and what lists exports."""


def test_only_the_store_knows_how_it_lies_on_disk():
    source = Path(grokscope.__file__).parent
    for path in source.rglob("*.py"):
        where = path.relative_to(source).as_posix()
        if where == "runs/store.py":
            continue
        text = path.read_text()
        assert not [name for name in NAMES if f'"{name}' in text], where
        assert '.nc"' not in text or where.startswith(EXPORTS), where
        calls = [
            node.func.attr
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        ]
        assert not {*LISTINGS} & {*calls} or where in OTHER_FOLDERS, where


@pytest.mark.slow
def test_a_setting_that_one_run_lacks_is_a_difference(tmp_path):
    base = Experiment(steps=2, modulus=5, width=4)
    for experiment in (base, base.replace(keep_weights="log:2")):
        train(experiment, tmp_path, progress=False)
    assert set(Store(tmp_path).table().keep_weights.fillna("none")) == {"none", "log:2"}


@pytest.mark.slow
def test_a_table_of_runs_has_what_they_differ_in(tmp_path):
    store = Store(tmp_path)
    assert store.table().empty
    base = Experiment(steps=2, corruption_fraction=0.3).replace(modulus=7, width=8)
    first = train(base, store, progress=False)
    assert [n for n in store.table() if n in ("width", "seed", "steps", "name")] == []
    second = train(base.replace(model="deep_mlp", width=9, seed=1), store, progress=False)
    table = store.table()
    assert set(table.index) == {first.digest, second.digest}
    assert {"width", "seed", "model.name"} <= {*table} or {"width", "seed", "name"} <= {*table}
    assert table.phase[first.digest] == first.phase()
    assert table.width[second.digest] == 9
    assert table.test_accuracy[first.digest] == pytest.approx(float(first.final.test_accuracy))
    assert table.created.is_monotonic_increasing


def test_a_setting_has_its_path_where_its_name_means_something_else(tmp_path, monkeypatch):
    (tmp_path / "named_own.py").write_text(
        "import optax\n"
        "def slow(learning_rate=0.01, created=1.0):\n"
        "    return optax.sgd(learning_rate * created)\n"
    )
    monkeypatch.chdir(tmp_path)
    allow_code(tmp_path)
    store = Store("runs")
    base = Experiment(steps=4, modulus=5, width=4)
    slow = base.replace(optimizer="named_own:slow")
    changed = {"start_step": 2, "before": {"weight_decay": 3}}
    for experiment in (slow, slow.replace(created=2.0), base, base.replace(**changed)):
        train(experiment, store, progress=False)
    table = store.table()
    assert set(table["optimizer.created"].dropna()) == {1.0, 2.0}
    assert table["start.before.optimizer.weight_decay"].dropna().tolist() == [3.0]
    assert 3.0 not in table.get("weight_decay", pd.Series(dtype=float)).to_numpy()


def opened(monkeypatch):
    """The names of the run files that are opened from now on."""
    names = []
    real = store_module._open

    def counted(path):
        names.append(path.stem)
        return real(path)

    monkeypatch.setattr(store_module, "_open", counted)
    return names


def test_a_store_remembers_what_it_has_read(tmp_path, run, monkeypatch):
    """As the explorer needs it, which looks every few seconds and changes nothing on disk."""
    Store(tmp_path).save(run)
    names = opened(monkeypatch)
    looker = Store(tmp_path, mend=False)
    first = looker.summaries()
    assert looker.summaries() == first
    assert names == [run.digest]
    other = Store(tmp_path).save(train(EXPERIMENT.replace(seed=1), progress=False))
    assert set(looker.summaries()) == {run.digest, other.digest}
    assert names == [run.digest, other.digest]
    assert not (tmp_path / store_module.SUMMARIES).exists()


def test_a_looker_takes_what_others_have_cached_meanwhile(tmp_path, run, monkeypatch):
    looker = Store(tmp_path, mend=False)
    assert looker.summaries() == {}
    Store(tmp_path).save(run)
    Store(tmp_path).summaries()
    names = opened(monkeypatch)
    assert set(looker.summaries()) == {run.digest}
    assert names == []


def test_a_copied_store_is_not_read_again(tmp_path, run, monkeypatch):
    store = Store(tmp_path / "runs")
    store.save(run)
    known = store.summaries()
    shutil.copytree(tmp_path / "runs", tmp_path / "copy", copy_function=shutil.copyfile)
    names = opened(monkeypatch)
    copy = Store(tmp_path / "copy")
    assert copy.summaries() == known
    assert names == []
    other = train(EXPERIMENT.replace(steps=19), progress=False)
    (tmp_path / "copy" / f"{run.digest}.nc").write_bytes(store.save(other).path.read_bytes())
    with pytest.warns(UserWarning, match="must hold the run of its name"):
        assert copy.summaries() == {}  # of other content, and so read


@pytest.mark.slow
def test_runs_that_were_read_are_not_kept(tmp_path, run, monkeypatch):
    store = Store(tmp_path)
    for seed in range(6):
        store.save(replace(run, experiment=EXPERIMENT.replace(seed=seed)))
    seen, most, real = [], [], store_module._open

    def watched(path):
        gc.collect()
        most.append(sum(one() is not None for one in seen))
        found = real(path)
        seen.append(weakref.ref(found.dataset))
        return found

    monkeypatch.setattr(store_module, "_open", watched)
    assert len(store.summaries()) == len(most) == 6
    assert max(most) <= 1


def test_a_damaged_grid_is_told_left_out_and_written_again(tmp_path):
    store = Store(tmp_path)
    grid = Grid(EXPERIMENT, axes={"weight_decay": [0, 5]})
    store.record_grid(grid)
    (path,) = (tmp_path / ".grids").iterdir()
    path.write_bytes(path.read_bytes().replace(b"5", b"6", 1))
    store_module._read_grid.cache_clear()
    with pytest.warns(UserWarning, match="must have the content that its name is a hash of"):
        assert store.grids() == []
    store.record_grid(grid)
    assert store.grids() == [grid]


FILES = ("run", "cache", "failure", "grid")


@pytest.mark.filterwarnings("ignore:.* must ")
@pytest.mark.parametrize("other", FILES)
@pytest.mark.parametrize("kind", FILES)
def test_a_whole_file_in_the_place_of_another_is_left_out(kind, other, tmp_path, run):
    store, lost = Store(tmp_path), EXPERIMENT.replace(seed=1)
    grid = Grid(EXPERIMENT, axes={}, seeds=2)
    store.record_grid(grid)
    store.save(run)
    store.record_failure(lost, "out of memory")
    known, reasons = store.summaries(), store.failures()
    paths = {
        "run": store.path_of(EXPERIMENT),
        "cache": tmp_path / store_module.SUMMARIES,
        "failure": store.path_of(lost).with_suffix(store_module.FAILED),
        "grid": next((tmp_path / store_module.GRIDS).iterdir()),
    }
    content = paths[other].read_bytes()
    paths[kind].unlink()
    paths[kind].write_bytes(content)
    store_module._read_grid.cache_clear()
    again, changed = Store(tmp_path), kind != other
    assert again.summaries() == ({} if changed and kind == "run" else known)
    assert (again.failures() == reasons) is not (changed and kind == "failure")
    assert again.grids() == ([] if changed and kind == "grid" else [grid])


def test_a_store_that_can_only_be_read_shows_what_is_whole(tmp_path, run, monkeypatch):
    store = Store(tmp_path)
    store.save(run)
    other = store.save(train(EXPERIMENT.replace(seed=1), progress=False))
    other.path.write_bytes(other.path.read_bytes()[:-9])

    def refused(path, target):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.warns(UserWarning, match="must be a file of grokscope"):
        assert set(store.summaries()) == {run.digest}


def test_a_file_that_may_not_be_read_is_named(tmp_path, run, monkeypatch):
    store = Store(tmp_path)
    path = store.save(run).path

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(store_module, "_open", refused)
    with pytest.warns(UserWarning, match=f"Permission denied.*{run.digest}"):
        assert store.summaries() == {}
    assert path.exists()


def test_what_a_kill_left_is_removed_after_a_day(tmp_path, run):
    store = Store(tmp_path)
    store.save(run)
    names = [".0123456789ab-0123456789abcdef", ".figure3a-fedcba9876543210", ".mine-not"]
    now = time.time()
    for name, age in zip(names, (90_000, 10, 90_000), strict=True):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (now - age, now - age))
    store.record_grid(Grid(EXPERIMENT, axes={}))
    assert [(tmp_path / name).exists() for name in names] == [False, True, True]
    assert store.find(EXPERIMENT) is not None


def test_a_table_of_runs_without_votes_has_no_difference_from_them(tmp_path):
    store = Store(tmp_path)
    store.save(train(Experiment(task="group", width=8, steps=2), progress=False))
    assert store.table().get("extracted_minus_vote", pd.Series(dtype=float)).isnull().all()
