"""Sweeps: the store as a queue, lean runs, failures, executors, interruptions."""

import gc
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError, WorkerError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.grid import Grid
from grokscope.runs.pruning import pruning_curves
from grokscope.runs.run import open_run
from grokscope.runs.store import SUMMARIES, Store
from grokscope.runs.summaries import Cached
from grokscope.runs.train import train
from grokscope.sweeps import scheduler
from grokscope.sweeps import task as runner
from grokscope.sweeps.archive import archive, export
from grokscope.sweeps.diagram import DONE, FAILED, MISSING, phase_diagram
from grokscope.sweeps.estimate import RUN_BYTES, estimate
from grokscope.sweeps.executors import (
    LocalPool,
    Workers,
    dask_executor,
    local_pool,
    n_cores,
    open_workers,
)
from grokscope.sweeps.refine import UNKNOWN
from grokscope.sweeps.scheduler import Outcome, Scheduler
from grokscope.sweeps.sweep import failed_cells, open_sweep, sweep, train_missing
from grokscope.training import ensemble as training
from grokscope.training.cost import CELL_SECONDS, work

BASE = Experiment(steps=60, measure_every=20, corruption_fraction=0.3).replace(modulus=11, width=16)
AXES = {"weight_decay": [0, 5], "train_fraction": [0.4, 0.6, 0.8]}
GRID = Grid(base=BASE, axes=AXES, seeds=2)


def run(grid=GRID, store=None, **options):
    return sweep(grid, store, **{"workers": 1, "progress": False} | options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store with the whole grid, made serially, and its dataset."""
    store = tmp_path_factory.mktemp("whole")
    return store, run(store=store)


def same(a, b):
    """Equal to the bit, but for how long training took."""
    return a.drop_vars("seconds").drop_attrs().identical(b.drop_vars("seconds").drop_attrs())


def same_runs(a, b):
    names = sorted(path.name for path in a.glob("*.nc"))
    assert names
    assert names == sorted(path.name for path in b.glob("*.nc"))
    return all(
        open_run(a / n).dataset.drop_attrs().identical(open_run(b / n).dataset.drop_attrs())
        for n in names
    )


def written(store):
    """When each run was last written, to the nanosecond."""
    return {path.name: path.stat().st_mtime_ns for path in store.glob("*.nc")}


def test_weights_that_are_asked_for_later_are_trained_again(tmp_path):
    grid = Grid(base=BASE, axes={"weight_decay": [0, 5]})
    assert run(grid, tmp_path).has_weights.values.ravel().tolist() == [0, 0]
    assert run(grid, tmp_path, final_weights=True).has_weights.values.ravel().tolist() == [1, 1]
    before = written(tmp_path)
    assert run(grid, tmp_path).has_weights.values.ravel().tolist() == [1, 1]
    assert archive(grid, tmp_path).has_weights.values.ravel().tolist() == [0, 0]
    assert written(tmp_path) == before


def test_every_cell_has_its_place_and_its_run_s_numbers(whole):
    _, data = whole
    sizes = {"weight_decay": 2, "train_fraction": 3, "seed": 2, "matrix": 3, "layer": 1}
    assert data.sizes == sizes | {"ipr_bin": 40}
    assert (data.status == DONE).all()
    for index, experiment in list(GRID.cells())[::5]:  # in which every axis varies
        alone = train(experiment, progress=False)
        cell = data[dict(zip(data.status.dims, index, strict=True))]
        live = alone.neuron_ipr[~np.isnan(alone.neuron_ipr)]
        assert int(cell.ipr_histogram.sum()) == len(live)
        assert np.average(cell.ipr_bin, weights=cell.ipr_histogram[0]) == pytest.approx(
            live.mean(), abs=0.5 / 40
        )
        assert cell.weight_decay == experiment.optimizer.weight_decay
        assert cell.train_fraction == experiment.train_fraction
        assert float(cell.test_accuracy) == float(alone.final.test_accuracy)
        assert float(cell.peak_test_accuracy) == float(alone.dataset.test_accuracy.max())
        assert np.array_equal(cell.norm, alone.final.norm.astype(float))
        assert float(cell.mean_ipr) == float(alone.final.mean_ipr)


def test_files_hold_what_views_need_in_place_of_weights(whole):
    store, _ = whole
    experiment = GRID.cell((1, 2, 0))
    lean, full = Store(store).find(experiment), train(experiment, progress=False)
    assert lean is not None
    assert not lean.has_weights
    assert lean.phase() == full.phase()
    assert np.allclose(lean.neuron_ipr, full.neuron_ipr, rtol=1e-3)
    for name, curve in pruning_curves(full).items():
        assert np.allclose(lean.dataset[f"pruned_{name}"], curve, equal_nan=True), name
    dataset = lean.dataset
    examples = make_dataset(experiment)
    chosen = dataset.example.values
    assert (examples.given_labels[chosen] != examples.true_labels[chosen]).all()
    logits = np.asarray(full.network(jnp.asarray(examples.inputs[chosen])))
    assert np.allclose(dataset.logits, logits, rtol=1e-3, atol=1e-6)
    assert Store(store).path_of(experiment).stat().st_size < 80_000


def test_a_request_for_weights_trains_that_cell_again_and_no_other(whole, tmp_path):
    store = shutil.copytree(whole[0], tmp_path / "copy")
    before = written(store)
    experiment = GRID.cell((0, 0, 0))
    (full,) = train_missing([experiment], store, workers=1, progress=False)
    assert full.has_weights
    after = written(store)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {f"{digest(experiment)}.nc"}
    again, before = (data.drop_vars("has_weights") for data in (run(store=store), whole[1]))
    assert same(again, before)
    assert written(store) == after


@pytest.mark.slow
def test_new_values_and_seeds_run_only_what_is_new(whole, tmp_path):
    store = shutil.copytree(whole[0], tmp_path / "copy")
    before = written(store)
    wider = Grid(base=BASE, axes=AXES | {"weight_decay": [0, 2, 5]}, seeds=3)
    data = run(wider, store)
    assert (data.status == DONE).all()
    after = written(store)
    assert {name: after[name] for name in before} == before
    assert len(after) == 27
    again = data.sel(weight_decay=[0, 5], seed=[0, 1])
    assert same(again.drop_attrs(), whole[1].drop_attrs())


def test_limit_trains_so_many_and_the_rest_is_missing(tmp_path):
    data = run(store=tmp_path, limit=5)
    assert int((data.status == DONE).sum()) == 5
    assert int((data.status == MISSING).sum()) == 7
    assert np.isnan(data.test_accuracy.values).sum() == 7


def test_cells_go_on_from_their_checkpoints_which_go_when_they_are_done(tmp_path, monkeypatch):
    grid = Grid(base=BASE, axes={"weight_decay": [0, 5]})
    cells = [cell for _, cell in grid.cells()]

    def stop(step, found):
        if step == 40:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        train(cells[1], tmp_path, progress=False, log=stop, checkpoint_every=20)
    begun = []

    class Watched(training.Ensemble):
        def __init__(self, experiments, datasets, starts, steps, how):
            begun.extend(zip(experiments, steps, strict=True))
            super().__init__(experiments, datasets, starts, steps, how)

    monkeypatch.setattr("grokscope.runs.train.Ensemble", Watched)
    data = sweep(grid, tmp_path, workers=1, progress=False, checkpoint_every=20)
    assert dict(begun) == {cells[0]: 0, cells[1]: 20}
    assert not [*(tmp_path / ".checkpoints").iterdir()]
    whole = sweep(grid, tmp_path / "whole", workers=1, progress=False)
    for name in ("train_loss", "mean_ipr"):
        assert data[name].equals(whole[name])


@pytest.mark.slow
def test_refined_equals_whole_where_trained(tmp_path):
    grid = Grid(base=BASE, axes={"weight_decay": np.linspace(0, 40, 5),
                                 "corruption_fraction": np.linspace(0, 0.8, 5)},
                seeds=2)  # fmt: skip
    data = run(grid, tmp_path, refine=True)
    full = run(grid, tmp_path)
    trained = (data.status == DONE).values
    assert 8 <= trained.sum() < 50
    for seed in range(2):
        assert (phase_diagram(data.isel(seed=[seed])).phase != UNKNOWN).all()
    assert np.array_equal(data.test_accuracy.values[trained], full.test_accuracy.values[trained])


def test_values_that_are_always_trained_are_of_axes_even_of_those_that_advance_together(tmp_path):
    axes = {"weight_decay": list(range(5)), "learning_rate": [0.01, 0.02, 0.03, 0.04, 0.05],
            "corruption_fraction": np.linspace(0, 0.8, 5)}  # fmt: skip
    grid = Grid(base=BASE, axes=axes, zipped=[["weight_decay", "learning_rate"]])
    data = run(grid, tmp_path, refine=True, always={"learning_rate": 0.02})
    assert (data.status.isel(weight_decay=1) == DONE).all()
    with pytest.raises(ConfigError, match=r"`always` must name axes .* got 'learning_rat', .*Did"):
        run(grid, tmp_path, refine=True, always={"learning_rat": 0.02})
    with pytest.raises(ConfigError, match=r"must hold a value of axis learning_rate, got 0\.025\."):
        run(grid, tmp_path, refine=True, always={"learning_rate": 0.025})
    with pytest.raises(ConfigError, match="`always` must go with refine"):
        run(grid, tmp_path, always={"learning_rate": 0.02})


def test_what_is_found_trained_says_nothing_of_how_long_training_takes(tmp_path):
    cells = [cell for _, cell in GRID.cells()]
    with ThreadPoolExecutor(1) as threads:
        scheduler = Scheduler(cells, Store(tmp_path), Workers(threads, 1, 10.0), train=nothing)
        before = scheduler._estimated_seconds(cells[0])
        assert len([*scheduler.run()]) == len(cells)
        assert scheduler._estimated_seconds(cells[0]) == before


def test_refining_needs_axes_that_are_scales(tmp_path):
    axes = {"train_fraction": [0.4, 0.6], "optimizer": ["adamw", "adam"]}
    with pytest.raises(ConfigError, match="the last two, of ascending numbers"):
        run(Grid(base=BASE, axes=axes), tmp_path, refine=True)


def test_refining_needs_two_axes(tmp_path):
    with pytest.raises(ConfigError, match="`refine` must have two axes"):
        run(Grid(base=BASE, axes={"width": [8, 16]}), tmp_path, refine=True)


# Outcomes that are not a finished network


def test_divergence_is_data_and_is_not_tried_again(tmp_path):
    wild = BASE.replace(optimizer="sgd", learning_rate=1e9)
    grid = Grid(base=wild, axes={"momentum": [0, 0.9]})
    data = run(grid, tmp_path)
    assert (data.status == DONE).all()
    assert np.isfinite(data.failed_at).all()
    lean = Store(tmp_path).find(grid.cell((0, 0)))
    assert lean is not None
    assert lean.failed_at is not None
    assert np.isnan(lean.dataset.pruned_test_accuracy).all()
    before = written(tmp_path)
    run(grid, tmp_path, retry_failed=True)
    assert written(tmp_path) == before


def breaking(reason):
    def train_each(experiments, advance, **others):
        if any(e.optimizer.weight_decay == 5 for e in experiments):
            raise reason
        yield from real(experiments, advance, **others)

    real = runner.train_each
    return train_each


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"), "out of memory"),
        (MemoryError(), "out of memory"),
        (ZeroDivisionError("by design"), "ZeroDivisionError: by design"),
        (FileNotFoundError("no table of the user's"), "FileNotFoundError: no table of the user's"),
        (SystemExit("their own end"), "SystemExit: their own end"),
    ],
)
def test_a_failed_cell_is_recorded_and_does_not_stop_the_others(
    tmp_path, monkeypatch, error, reason
):
    grid = Grid(base=BASE, axes={"weight_decay": [0, 5], "width": [16]}, seeds=2)
    monkeypatch.setattr(runner, "train_each", breaking(error))
    data = run(grid, tmp_path)
    assert (data.status.sel(weight_decay=5) == FAILED).all()
    assert (data.status.sel(weight_decay=0) == DONE).all()
    failed = failed_cells(data, tmp_path)
    assert len(failed) == 2
    assert failed["weight_decay = 5, width = 16, seed = 0"] == reason
    monkeypatch.undo()
    assert (run(grid, tmp_path).status.sel(weight_decay=5) == FAILED).all(), "left out"
    data = run(grid, tmp_path, retry_failed=True)
    assert (data.status == DONE).all()
    assert failed_cells(data, tmp_path) == {}
    assert not list(tmp_path.glob("*.failed"))


def test_one_that_fails_takes_no_member_of_its_ensemble_with_it(tmp_path, monkeypatch):
    for module in (scheduler, runner):
        monkeypatch.setattr(module, "ensemble_size", lambda cell: 3)
    monkeypatch.setattr(runner, "train_each", breaking(MemoryError()))
    data = run(Grid(base=BASE, axes={"weight_decay": [0, 1, 5]}, seeds=2), tmp_path)
    assert (data.status.sel(weight_decay=5) == FAILED).all()
    assert (data.status.sel(weight_decay=[0, 1]) == DONE).all()


def test_train_missing_says_what_could_not_be_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "train_each", breaking(MemoryError()))
    with pytest.raises(WorkerError, match=r"1 of 2 networks could not be trained.*out of memory"):
        train_missing([BASE, BASE.replace(weight_decay=5)], tmp_path, workers=1, progress=False)
    assert Store(tmp_path).find(BASE) is not None


def test_a_damaged_file_is_set_aside_and_its_cell_run_again(whole, tmp_path):
    store = shutil.copytree(whole[0], tmp_path / "copy")
    truncated, flipped, foreign = sorted(store.glob("*.nc"))[:3]
    truncated.write_bytes(truncated.read_bytes()[:-300])
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 1
    flipped.write_bytes(content)
    foreign.write_bytes(b"something else")
    with pytest.warns(UserWarning, match="set aside") as warned:
        data = run(store=store)
    assert len(warned) == 3
    assert same(data, whole[1])
    assert len(list(store.glob("*.damaged-1"))) == 3


def test_what_lies_in_a_store_under_another_name_is_left_alone(whole, tmp_path):
    store = shutil.copytree(whole[0], tmp_path / "copy")
    export(whole[1], store / "map.nc")
    (store / "notes.nc").write_text("somebody's data")
    assert same(run(store=store), whole[1])
    assert (store / "map.nc").exists()
    assert (store / "notes.nc").read_text() == "somebody's data"


@pytest.mark.slow
def test_refining_trains_the_cells_that_are_shown(tmp_path):
    axes = {"train_fraction": [0.1, 0.2, 0.3, 0.4, 0.5], "weight_decay": [0, 1, 2, 3, 4]}
    grid = Grid(base=BASE.replace(steps=1), axes=axes)
    data = run(grid, tmp_path, refine=True, always={"train_fraction": 0.2, "weight_decay": 1})
    plain = run(grid, tmp_path / "plain", refine=True)
    place = {"train_fraction": 0.2, "weight_decay": 1}
    assert [d.status.sel(place).item() for d in (data, plain)] == [DONE, MISSING]
    assert int((data.status == DONE).sum()) == int((plain.status == DONE).sum()) + 1


@pytest.mark.slow
def test_refining_asks_again_for_weights_and_for_what_failed(tmp_path):
    grid = Grid(base=BASE, axes={"train_fraction": [0.4, 0.6], "weight_decay": [0, 5]}, seeds=2)
    run(grid, tmp_path, refine=True)
    data = run(grid, tmp_path, refine=True, final_weights=True)
    assert (data.has_weights == 1).all()
    store, cell = Store(tmp_path), grid.cell((0, 1, 1))
    store.path_of(cell).unlink()
    store.record_failure(cell, "a lost process")
    assert int((run(grid, tmp_path, refine=True).status == FAILED).sum()) == 1
    data = run(grid, tmp_path, refine=True, retry_failed=True)
    assert (data.status == DONE).all()


def test_weights_that_another_has_stored_meanwhile_stay(tmp_path, monkeypatch):
    def slowly(experiments, advance, **others):
        runs = [*real(experiments, advance, **others)]
        Store(tmp_path).save(train(BASE, progress=False))
        yield from runs

    real = runner.train_each
    monkeypatch.setattr(runner, "train_each", slowly)
    data = run(Grid(base=BASE, axes={"weight_decay": [0]}), tmp_path)
    assert (data.has_weights == 1).all()
    assert open_run(Store(tmp_path).path_of(BASE)).has_weights


@pytest.mark.parametrize("wrong", [{"limit": -2}, {"workers": 0}])
def test_numbers_below_one_are_refused(tmp_path, wrong):
    with pytest.raises(ConfigError, match="must be a whole number from 1"):
        run(store=tmp_path, **wrong)
    if "workers" in wrong:
        with pytest.raises(ConfigError, match="`workers` must be a whole number from 1"):
            train_missing([BASE], tmp_path, progress=False, **wrong)


@pytest.mark.slow
def test_the_cache_is_never_trusted_over_the_store(whole, tmp_path):
    store = shutil.copytree(whole[0], tmp_path / "copy")
    (store / SUMMARIES).unlink()
    assert same(open_sweep(GRID, store, False), whole[1])
    sealed = (store / SUMMARIES).read_bytes()
    for content in (b"", b"{}", sealed[:-1], sealed.replace(b"train_loss", b"train_lost", 1)):
        (store / SUMMARIES).write_bytes(content)
        assert same(open_sweep(GRID, store, False), whole[1])
    gone = next(iter(store.glob("*.nc")))
    gone.unlink()
    assert int((open_sweep(GRID, store, False).status == MISSING).sum()) == 1


# Executors


@pytest.mark.slow
def test_a_local_pool_gives_the_same_bits(whole, tmp_path):
    data = run(store=tmp_path, workers=2)
    assert same(data, whole[1])
    assert same_runs(tmp_path, whole[0])


@pytest.mark.slow
def test_any_executor_of_the_standard_library_gives_the_same_bits(whole, tmp_path):
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        assert same(run(store=tmp_path / "processes", executor=processes), whole[1])
    with ThreadPoolExecutor(1) as threads:
        assert same(run(store=tmp_path / "threads", executor=threads), whole[1])


def test_an_executor_that_breaks_gives_one_line(tmp_path):
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        os.kill(pool.submit(os.getpid).result(), signal.SIGKILL)
        with pytest.raises(WorkerError, match="lost a process and takes no more tasks"):
            run(store=tmp_path, executor=pool)


@pytest.mark.slow
def test_ensembles_agree_with_single_networks(whole, tmp_path, monkeypatch):
    """As on an accelerator: cells of one shape train together."""
    for module in (scheduler, runner):
        monkeypatch.setattr(module, "ensemble_size", lambda cell: 3)
    sizes = []
    real = runner.train_each

    def counted(experiments, advance, size, **others):
        sizes.append((len(experiments), size))
        return real(experiments, advance, size=size, **others)

    monkeypatch.setattr(runner, "train_each", counted)
    data = run(Grid(base=BASE, axes=AXES | {"train_fraction": [0.6]}, seeds=2), tmp_path)
    alone = whole[1].sel(train_fraction=[0.6])
    assert sizes == [(4, 3)]
    assert np.allclose(data.train_loss, alone.train_loss, rtol=1e-4)
    assert np.allclose(data.norm, alone.norm, rtol=1e-4)
    assert training.ensemble_size(BASE) == 1


def nothing(experiments, store, final_weights, report):
    return [Outcome(e, Cached([], "", {})) for e in experiments]


def deadly(experiments, store, final_weights, report):
    """A task that takes its process with it, if the cell says so."""
    if any(e.optimizer.weight_decay == 5 and e.train_fraction == 0.6 for e in experiments):
        os.kill(os.getpid(), signal.SIGKILL)
    return nothing(experiments, store, final_weights, report)


@pytest.mark.slow
def test_a_cell_that_kills_its_process_fails_alone(tmp_path):
    cells = [cell for _, cell in GRID.cells() if cell.seeds.seed == 0]
    with local_pool(2) as workers:
        outcomes = list(Scheduler(cells, Store(tmp_path), workers, train=deadly).run())
    assert len(outcomes) == len(cells)
    failed = [o for o in outcomes if o.failure is not None]
    assert [o.experiment for o in failed] == [GRID.cell((1, 1, 0))]
    assert all("its process ended abruptly" in (o.failure or "") for o in failed)


def test_elsewhere_a_task_that_fails_is_split_and_only_the_culprit_fails(tmp_path):
    def fragile(experiments, store, final_weights, report):
        if any(e.optimizer.weight_decay == 5 and e.train_fraction == 0.6 for e in experiments):
            raise RuntimeError("lost three times")
        return nothing(experiments, store, final_weights, report)

    cells = [cell for _, cell in GRID.cells()]
    with ThreadPoolExecutor(1) as threads:
        workers = Workers(threads, 4, 10.0)
        outcomes = list(Scheduler(cells, Store(tmp_path), workers, train=fragile).run())
    assert len(outcomes) == len(cells)
    assert {o.failure for o in outcomes} == {None, "lost three times"}
    assert sum(o.failure is not None for o in outcomes) == 2


def test_a_process_that_lacks_the_package_stops_the_sweep_in_one_line(tmp_path):
    def lacking(experiments, store, final_weights, report):
        raise ModuleNotFoundError("No module named 'grokscope'")

    with ThreadPoolExecutor(1) as threads:
        workers = Workers(threads, 4, 10.0)
        with pytest.raises(WorkerError, match="every process must have grokscope"):
            list(Scheduler([BASE], Store(tmp_path), workers, train=lacking).run())


def test_short_cells_are_packed_and_work_is_reported(tmp_path, monkeypatch):
    cells = [BASE] * 240
    rate = 0.125 - CELL_SECONDS
    monkeypatch.setattr(scheduler, "seconds_per_work", lambda cell: rate / work(cell))
    shown, tasks = [], []

    def counted(experiments, store, final_weights, report):
        tasks.append(len(experiments))
        return nothing(experiments, store, final_weights, report)

    def show(description, done, total):
        shown.append((description, done / total))

    with ThreadPoolExecutor(1) as threads:
        workers = Workers(threads, 4, 10.0)
        outcomes = list(Scheduler(cells, Store(tmp_path), workers, show=show, train=counted).run())
    assert len(outcomes) == 240
    assert tasks == [80, 80, 80], "ten seconds of an eighth each"
    assert shown
    assert all(0 <= part <= 1 for _, part in shown)


def test_a_task_locks_no_more_cells_than_a_process_may_open_files(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduler, "ensemble_size", lambda cell: 512)
    cells, tasks = [BASE.replace(seed=seed) for seed in range(1200)], []

    def counted(experiments, store, final_weights, report):
        tasks.append(len(experiments))
        return nothing(experiments, store, final_weights, report)

    with open_workers(1, 1) as workers:
        list(Scheduler(cells, Store(tmp_path), workers, train=counted).run())
    assert sum(tasks) == 1200
    assert max(tasks) < 1024


def test_after_an_error_nothing_more_is_begun_elsewhere(tmp_path):
    begun = []

    def full(experiments, store, final_weights, report):
        begun.append(experiments)
        time.sleep(0.05)
        raise OSError(28, "No space left on device")

    cells = [cell for _, cell in GRID.cells()]
    with ThreadPoolExecutor(1) as threads:
        workers = Workers(threads, 40, 0.0)
        with pytest.raises(OSError, match="No space"):
            list(Scheduler(cells, Store(tmp_path), workers, train=full).run())
    assert len(begun) < len(cells)


def test_a_lost_scheduler_is_no_fault_of_the_cells(tmp_path):
    class Gone(ThreadPoolExecutor):
        def submit(self, *args, **kwargs):
            future = super().submit(time.sleep, 0)
            lost = type(future)()
            lost.cancel()
            lost.set_running_or_notify_cancel()
            return lost

    with Gone(1) as gone, pytest.raises(WorkerError, match="lost its scheduler"):
        list(Scheduler([BASE], Store(tmp_path), Workers(gone, 4, 0.0)).run())


def test_cells_of_another_process_are_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduler, "POLL_SECONDS", 0.01)
    asked = []

    def busy_at_first(experiments, store, final_weights, report):
        asked.append(len(experiments))
        return [Outcome(e) if len(asked) < 4 else Outcome(e, {}, []) for e in experiments]

    with open_workers(1) as workers:
        (outcome,) = Scheduler([BASE], Store(tmp_path), workers, train=busy_at_first).run()
    assert outcome.entry is not None
    assert len(asked) == 4


def slow(experiments, store, final_weights, report):
    time.sleep(60)


def test_a_pool_that_is_given_up_prints_nothing(tmp_path, caplog):
    """Not even of tasks that it has not yet looked at, as when it is interrupted at once."""
    cells = [cell for _, cell in GRID.cells()]
    with local_pool(1) as workers:
        many = replace(workers, n_tasks=12, task_seconds=0.0)
        deadline = time.monotonic() + 2
        given_up = Scheduler(cells, Store(tmp_path), many, train=slow, deadline=deadline)
        assert list(given_up.run()) == []
    assert given_up.n_left == 12
    assert not caplog.records


@pytest.mark.slow
def test_a_script_needs_no_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from grokscope import Experiment, Grid, sweep\n"
        "base = Experiment(steps=5).replace(modulus=7, width=4)\n"
        "sweep(Grid(base=base, axes={'weight_decay': [0, 1]}), 'runs', workers=2)\n"
    )
    subprocess.run([sys.executable, script], cwd=tmp_path, check=True)
    assert len(list((tmp_path / "runs").glob("*.nc"))) == 2


# A Dask cluster of two local processes


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    import dask

    settings = {"distributed.worker.daemon": False, "distributed.admin.log-format": "%(message)s"}
    with dask.config.set(settings), closing(
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            silence_logs=50,
        )
    ) as started:  # fmt: skip
        yield started


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_gives_the_whole_dataset(cluster, whole, tmp_path):
    store = tmp_path / "dask"

    def kill_one_when_the_first_run_is_stored():
        while not list(store.glob("*.nc")):
            time.sleep(0.05)
        pids = [worker.pid for worker in cluster.workers.values()]
        os.kill(pids[0], signal.SIGKILL)

    with ThreadPoolExecutor(1) as background, dask_executor(cluster.scheduler_address) as executor:
        killer = background.submit(kill_one_when_the_first_run_is_stored)
        data = run(store=store, executor=executor)
        killer.result()
    assert (data.status == DONE).all()
    assert same(data, whole[1])
    assert same_runs(store, whole[0])


CLUSTER = """
import distributed, sys
if __name__ == "__main__":
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True,
                                       dashboard_address=None, silence_logs=50)
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_a_scheduler_that_dies_is_told_in_one_line(tmp_path):
    """Its processes have another current folder; still the runs come into the sweep's own."""
    pytest.importorskip("distributed")
    (tmp_path / "grid.toml").write_text(GRID.with_base(steps=2000).to_toml())
    cluster = subprocess.Popen([sys.executable, "-c", CLUSTER], process_group=0, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert cluster.stdout is not None
    address = cluster.stdout.readline().strip()
    command = f"-m grokscope sweep grid.toml --scheduler {address}".split()
    asked = subprocess.Popen([sys.executable, *command], cwd=tmp_path, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    while asked.poll() is None and not list(tmp_path.glob("runs/*.nc")):
        time.sleep(0.05)
    os.killpg(cluster.pid, signal.SIGKILL)
    cluster.communicate()
    out, err = asked.communicate(timeout=60)
    assert (asked.returncode, out) == (1, "")
    assert err.count("\n") == 1
    assert "lost its scheduler" in err


def test_runs_that_land_in_another_store_are_told(tmp_path):
    with open_workers(1) as workers, pytest.warns(UserWarning, match="1 networks were trained"):
        scheduler.train_all(Scheduler([BASE], Store(tmp_path), workers, train=nothing))


@pytest.mark.slow
def test_an_unreachable_scheduler_is_refused_in_one_line(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("grokscope.sweeps.executors.CONNECT_SECONDS", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense://here", "noport", ""):
        began = time.monotonic()
        with (
            pytest.raises(ConfigError, match="`scheduler` must be") as error,
            dask_executor(address),
        ):
            pass
        assert "\n" not in str(error.value)
        gc.collect()  # no half-made client is left, whose end would take 40 s
        assert time.monotonic() - began < 30


# Time limits


@pytest.mark.slow
def test_a_time_limit_gives_up_what_runs_here_and_the_rest_goes_on_later(whole, tmp_path):
    long = Grid(base=BASE.replace(steps=10**6, measure_every=1000), axes={"weight_decay": [0, 5]})
    began = time.monotonic()
    with pytest.warns(UserWarning, match="the time limit ended the sweep; 2 of its networks"):
        data = run(long, tmp_path, time_limit=3.0)
    assert time.monotonic() - began < 10
    assert (data.status == MISSING).all()
    assert not list(tmp_path.glob("*.nc"))
    assert same(run(store=tmp_path, time_limit=600), whole[1])


@pytest.mark.slow
def test_a_time_limit_ends_the_processes_of_a_pool(tmp_path):
    long = Grid(base=BASE.replace(steps=10**8, measure_every=10**7), axes={"weight_decay": [0, 5]})
    began = time.monotonic()
    with pytest.warns(UserWarning, match="2 of its networks are left"):
        data = run(long, tmp_path, workers=2, time_limit=3.0)
    assert time.monotonic() - began < 30
    assert (data.status == MISSING).all()


def test_what_would_not_end_in_time_is_not_begun(tmp_path):
    """A cell of 0.2 s tells that another one takes a minute, and a third 0.1 s."""
    trained = []

    def timed(experiments, store, final_weights, report):
        trained.extend(e.steps for e in experiments)
        time.sleep(0.2)
        found = nothing(experiments, store, final_weights, report)
        return [outcome._replace(is_new=True) for outcome in found]

    cells = [BASE.replace(steps=steps) for steps in (1000, 999, 10)]
    with open_workers(1, 1) as workers:
        deadline = time.monotonic() + 0.38
        scheduled = Scheduler(cells, Store(tmp_path), workers, train=timed, deadline=deadline)
        outcomes = list(scheduled.run())
    assert trained == [1000, 10]
    assert [cell.steps for cell in scheduled.skipped] == [999]
    assert len(outcomes) == 2
    assert scheduled.n_left == 1


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_a_time_limit_must_be_positive(tmp_path, seconds):
    with pytest.raises(ConfigError, match="`time_limit` must be a positive number of seconds"):
        run(store=tmp_path, time_limit=seconds)


# Interruptions


SCRIPT = """
from grokscope import Experiment, Grid, sweep
base = Experiment(steps=1500, measure_every=500, corruption_fraction=0.3)
base = base.replace(modulus=11, width=16)
axes = {"weight_decay": [0, 5], "train_fraction": [0.3, 0.4, 0.5]}
grid = Grid(base=base, axes=axes, seeds=SEEDS)
if __name__ == "__main__":
    data = sweep(grid, "runs", workers=2, retry_failed=True, progress=False).dataset
    assert (data.status == 1).all()
"""


def start_script(folder, seeds, script=SCRIPT):
    (folder / "script.py").write_text(script.replace("SEEDS", str(seeds)))
    return subprocess.Popen([sys.executable, "script.py"], cwd=folder, process_group=0)


def children_of(pid):
    """Processes that any of its threads began."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended meanwhile
            found += map(int, children.read_text().split())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_pool_that_is_interrupted_as_it_starts_says_one_line(number, tmp_path):
    """As by Ctrl-C in a terminal, which every process gets."""
    (tmp_path / "grid.toml").write_text(GRID.to_toml())
    script = (  # which hears Ctrl-C also where the tests do not, as below nohup
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from grokscope.cli import main; main()"
    )
    command = [sys.executable, "-c", script, "sweep", "grid.toml", "--workers", "2"]
    asked = subprocess.Popen(command, cwd=tmp_path, process_group=0, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)  # fmt: skip
    while asked.poll() is None and len(children_of(asked.pid)) < 4:  # two account for the others
        time.sleep(0.002)
    os.killpg(asked.pid, number)
    assert asked.communicate(timeout=60) == (
        "", "grokscope: interrupted; finished runs are stored, the one in flight is not\n"
    )  # fmt: skip
    assert asked.returncode == 130


@pytest.mark.slow
def test_killed_at_twenty_random_moments_the_sweep_ends_as_if_undisturbed(tmp_path):
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    assert start_script(undisturbed, seeds=4).wait() == 0
    disturbed = tmp_path / "disturbed"
    disturbed.mkdir()
    store = disturbed / "runs"
    rng = random.Random(7)
    kept: dict[str, bytes] = {}
    for kill in range(20):
        process = start_script(disturbed, seeds=4)
        deadline = time.monotonic() + rng.uniform(1.0, 7.0)
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        victims = [process.pid] if kill % 2 else children_of(process.pid)
        for victim in victims[-1:]:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if not kill % 2:  # a worker was killed: its sweep goes on, until it is killed too
            time.sleep(rng.uniform(0, 2))
            process.kill()
        process.wait()
        now = {path.name: path.read_bytes() for path in store.glob("*.nc")}
        assert all(now[name] == content for name, content in kept.items()), "run twice or lost"
        kept = now
    assert start_script(disturbed, seeds=4).wait() == 0
    assert not list(store.glob("*.damaged*"))
    assert same_runs(store, undisturbed / "runs")


@pytest.mark.slow
def test_two_sweeps_at_once_share_the_work(tmp_path):
    script = SCRIPT.replace("progress=False", 'progress=False, log=f"csv:logs/{os.getpid()}"')
    first, second = (start_script(tmp_path, 2, "import os\n" + script) for _ in range(2))
    assert first.wait() == second.wait() == 0
    assert len(list(tmp_path.glob("logs/*/*.csv"))) == 12, "each was trained once"
    names = list((tmp_path / "runs").glob("*.nc"))
    assert len(names) == 12
    for path in names:
        open_run(path)


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", ["400k"], indirect=True)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_stops_the_sweep_and_it_goes_on_when_there_is_room(small_disk, workers):
    with pytest.raises(OSError, match="No space left on device"):
        run(store=small_disk, workers=workers)
    there = list(small_disk.glob("*.nc"))
    assert 0 < len(there) < GRID.size
    for path in there:
        open_run(path)
    subprocess.run(["mount", "-o", "remount,size=40m", small_disk], check=True)
    assert (run(store=small_disk, workers=workers).status == DONE).all()


# Estimates


def test_an_estimate_counts_what_is_missing(whole, tmp_path):
    store, data = whole
    assert estimate(GRID, store, data).to_train == 0
    again = estimate(GRID, store, data, final_weights=True, limit=5)
    assert again.to_train == 5
    stored = train(GRID.cell((0, 0, 0)), tmp_path / "one", progress=False).path.stat().st_size
    assert 0.5 < again.disk_bytes / (5 * stored) < 2
    nothing_there = open_sweep(GRID, tmp_path, False)
    one, two = (estimate(GRID, tmp_path, nothing_there, workers) for workers in (1, 2))
    assert one.to_train == 12
    assert 0 < two.seconds < one.seconds
    assert one.disk_bytes == 12 * RUN_BYTES
    assert one.disk_free > 0


def test_a_pool_ends_at_once_when_told(tmp_path):
    pool = LocalPool(1)
    future = pool.submit(time.sleep, 60)
    began = time.monotonic()
    pool.shutdown()
    assert time.monotonic() - began < 10
    assert not future.done() or future.cancelled() or future.exception() is not None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen")
def test_cores_are_counted_as_affinity_and_slurm_grant_them(monkeypatch):
    program = "from grokscope.sweeps.executors import n_cores; print(n_cores())"
    core = min(os.sched_getaffinity(0))
    command = ["taskset", "-c", str(core), sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"
    assert n_cores() <= len(os.sched_getaffinity(0))
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert n_cores() == 1


def running(pids):
    """Those processes that are still there and no zombies."""
    states = [Path(f"/proc/{pid}/stat") for pid in pids]
    return [s for s in states if s.exists() and s.read_text().rpartition(")")[2].split()[0] != "Z"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGKILL])
def test_no_training_process_outlives_its_sweep(tmp_path, told):
    (tmp_path / "long.py").write_text(
        SCRIPT.replace("steps=1500, measure_every=500", "steps=10**8, measure_every=10**7").replace(
            "SEEDS", "2"
        )
    )
    process = subprocess.Popen(
        [sys.executable, "long.py"], cwd=tmp_path, process_group=0, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    locks = tmp_path / "runs" / ".claims"
    while len(list(locks.glob("*"))) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    children = children_of(process.pid)
    assert len(running(children)) >= 2
    began = time.monotonic()
    process.send_signal(told)
    process.wait()
    while running(children):
        assert time.monotonic() - began < 10
        time.sleep(0.05)
    assert told == signal.SIGKILL or process.stderr.read().count(b"KeyboardInterrupt") == 1


def test_cells_without_steps_are_spread_over_tasks_too(tmp_path):
    """Their work is 0: a rate of infinitely many seconds a unit of work would make it no number."""
    cells = [BASE.replace(steps=0, seed=seed) for seed in range(40)]
    sizes = []

    def counted(experiments, store, final_weights, report):
        sizes.append(len(experiments))
        time.sleep(0.001)
        return nothing(experiments, store, final_weights, report)

    with ThreadPoolExecutor(1) as threads:
        workers = Workers(threads, 2, 0.1, is_local=True)
        list(Scheduler(cells, Store(tmp_path), workers, train=counted).run())
    assert sum(sizes) == 40
    assert max(sizes) < 30
