"""A sweep's dataset, its phases, their uncertainty and their boundaries."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from grokscope.errors import ConfigError, StoreError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.measures.phases import Phase, classify
from grokscope.measures.table import MEASURES
from grokscope.plotting.diagram import edges, plot_phases
from grokscope.plotting.panels import sweep_print
from grokscope.runs.files import read_dataset, write_dataset
from grokscope.runs.run import open_run
from grokscope.sweeps.archive import archive, export, load_sweep, restore
from grokscope.sweeps.boundary import boundaries
from grokscope.sweeps.diagram import (
    DONE,
    FAILED,
    PHASES,
    as_dataset,
    as_table,
    collect,
    grid_of,
    most_frequent,
    phase_codes,
    phase_diagram,
)
from grokscope.sweeps.refine import UNKNOWN
from grokscope.sweeps.sweep import sweep

COLUMNS = [0.1, 0.2, 0.3, 0.4, 0.5]
GRID = Grid(
    base=Experiment(train_fraction=0.5),
    axes={"weight_decay": [0, 5], "corruption_fraction": COLUMNS},
    seeds=4,
)
C, P, F, M = (PHASES.index(p) for p in list(Phase)[:4])


def made(codes, grid=GRID):
    """A dataset whose runs have the given phases; UNKNOWN is missing, None's code diverged."""
    codes = np.broadcast_to(codes, tuple(grid.sizes.values()))
    accuracies = {C: (1, 1), P: (0.88, 1), F: (0.2, 1), M: (1, 0), 4: (0.1, 0), 5: (0.1, 0)}
    summaries = []
    for code in codes.ravel().tolist():
        train, test = accuracies.get(code, (0.5, 0.5))
        summary = dict.fromkeys(MEASURES, 1.0)
        summary |= {"train_accuracy": train, "test_accuracy": test, "settled_at": None}
        summary |= {
            "peak_test_accuracy": 1.0 if code == 4 else test,
            "norm": {"U": 1.0, "V": 1.0, "W": 1.0},
            "own": {},
            "ipr_counts": {},
        }
        summary |= {"neurons_required": None, "second_rule_accuracy": None}
        summary |= {"failed_at": 7 if code == PHASES.index(Phase.DIVERGED) else None}
        summaries.append(None if code == UNKNOWN else summary)
    found = dict(zip(grid.digests, summaries, strict=True))
    return as_dataset(grid, {name: s for name, s in found.items() if s is not None}, ())


ROW = np.array([C, C, P, M, M])


def test_codes_are_the_classifier_s():
    rng = np.random.default_rng(0)
    codes = rng.choice([C, M, 4, 5, UNKNOWN, PHASES.index(Phase.DIVERGED)], (2, 5, 4))
    data = made(codes)
    assert np.array_equal(phase_codes(data).values, codes)
    assert phase_codes(data).dims == ("weight_decay", "corruption_fraction", "seed")
    # Each column's own corruption fraction decides between partial and full inversion.
    found = phase_codes(made(np.full((2, 5, 4), P)))
    expected = classify(0.88, 1.0, 1.0, np.array(COLUMNS))
    assert [PHASES[code] for code in found.values[0, :, 0]] == list(expected)
    assert not np.isin(phase_codes(data, memorizes=0.0), [P, F, 4, 5]).any()


def test_the_most_frequent_phase_and_its_frequency():
    codes = np.array([[[C, C, C, M], [C, C, M, M], [M, M, M, M], [C, M, M, 5], [M, 5, 5, UNKNOWN]]])
    codes = np.repeat(codes, 2, axis=0)
    diagram = phase_diagram(made(codes))
    assert diagram.phase.values[0].tolist() == [C, C, M, M, 5]
    assert diagram.runs.values[0].tolist() == [4, 4, 4, 4, 3]
    assert diagram.frequency.values[0, 0, [C, M]].tolist() == [0.75, 0.25]
    # Wilson's interval for 4 of 4 at 95 %: n/(n + z²) to 1.
    z = 1.959963984540054
    assert np.isclose(diagram.low.values[0, 2, M], 4 / (4 + z**2))
    assert diagram.high.values[0, 2, M] == 1
    assert most_frequent(np.array([UNKNOWN, UNKNOWN])).item() == UNKNOWN


def test_enclosed_cells_are_inferred_and_marked():
    axes = {"train_fraction": [0.1, 0.2, 0.3, 0.4, 0.5], "corruption_fraction": COLUMNS}
    grid = Grid(axes=axes, seeds=1)
    codes = np.full((5, 5, 1), M)
    codes[1:4, 1:4] = UNKNOWN
    diagram = phase_diagram(made(codes, grid))
    assert (diagram.phase == M).all()
    assert int(diagram.inferred.sum()) == 9
    codes[0, 2] = C
    open_ = phase_diagram(made(codes, grid))
    assert int(open_.inferred.sum()) == 0
    assert int((open_.phase == UNKNOWN).sum()) == 9


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ([], "10 of 10 cells trained, 4 seeds each ·"),
        ([1, 2, 3], "10 of 10 cells trained ·"),
        ([(0, slice(None), 3)], "10 of 10 cells trained, 5 with 3 and 5 with 4 seeds ·"),
        ([(0,), (1, 0, slice(2))], "5 of 10 cells trained, 1 with 2 and 4 with 4 seeds ·"),
        ([(slice(None),)], "0 of 10 cells trained ·"),
    ],
)
def test_the_small_print_says_with_how_many_seeds_each_cell_was_trained(missing, words):
    codes = np.full(tuple(GRID.sizes.values()), M)
    for place in missing:
        codes[(..., place) if isinstance(place, int) else place] = UNKNOWN
    assert f" · {words}" in sweep_print([made(codes)])


def test_boundaries_lie_between_phases_with_an_interval_over_seeds():
    rows = np.stack([ROW, ROW, ROW, np.array([C, C, C, M, M])], axis=1)
    found = boundaries(made(np.stack([rows, rows])))
    assert len(found) == 4
    first, second = found[:2]
    assert (first.before, first.after) == (Phase.COEXISTENCE, Phase.PARTIAL_INVERSION)
    assert first.row == {"weight_decay": 0}
    # 0.25 for three seeds. The fourth has no inversion: it changes over at its window's end.
    assert first.position == pytest.approx((3 * 0.25 + 0.3) / 4)
    assert second.position == pytest.approx(0.35)  # the fourth comes to the last phase there too
    # Student's t with three degrees of freedom, of cuts at .25, .25, .25 and .3.
    half = 3.182446305284263 * np.std([0.25, 0.25, 0.25, 0.3], ddof=1) / 2
    assert np.isclose(first.low, min(first.position - half, first.position - 0.05))
    assert np.isclose(second.high, second.position + 0.05)  # half a column at least
    ends = np.stack([[C, C, P, end, end] for end in (4, 4, 5, 5)], axis=1)
    assert boundaries(made(np.stack([ends, ends])))[1].position == pytest.approx(0.35)
    whole = Grid(axes={"batch_size": [None, 4, 8]}, seeds=1)
    assert boundaries(made(np.array([[C], [M], [M]]), whole)) == []  # None lies between no numbers
    agreed, *_ = boundaries(made(ROW[:, None]))
    assert (agreed.low, agreed.high) == pytest.approx((0.2, 0.3))


def test_seeds_that_agree_do_not_hide_where_a_boundary_may_lie():
    """40 networks whose boundaries are at .33 ± .02 on a grid of .1 apart: simulated coverage."""
    rng, hits = np.random.default_rng(0), 0
    grid = Grid(base=GRID.base, axes={"corruption_fraction": COLUMNS}, seeds=40)
    for _ in range(40):
        middle = rng.uniform(0.2, 0.4)
        cuts = middle + 0.02 * rng.normal(size=40)
        codes = np.where(np.array(COLUMNS)[:, None] < cuts, C, M)
        (found,) = boundaries(made(codes, grid))
        hits += found.low <= middle <= found.high
    assert hits >= 38


@pytest.mark.parametrize(
    ("columns", "seeds", "marks"),
    [
        (COLUMNS, [[C, C, F, F, F], [C, C, C, F, F]], {"square", "bar"}),
        (COLUMNS, [[C, C, F, F, F]] * 2, {"bar"}),
        (COLUMNS, [[C, C, F, F, F]], set()),
        ([0.01, 0.02, 0.1, 0.4, 0.9], [[C, C, F, F, F]] * 2, set()),
    ],
    ids=["seeds differ", "seeds agree", "one seed", "columns not to scale"],
)
def test_the_legend_names_the_marks_that_are_drawn(columns, seeds, marks):
    grid = GRID.replace(axes={**GRID.axes, "corruption_fraction": columns}, seeds=len(seeds))
    legend = plot_phases(made(np.transpose(seeds), grid)).legends[0]
    entries = [text.get_text() for text in legend.get_texts()]
    assert {words.partition(":")[0] for words in entries if ":" in words} == marks
    assert {"Coexistence", "Full Inversion"} < {*entries, ""}


def test_only_cells_between_ascending_numbers_are_inferred_and_none_that_failed():
    axes = {"train_fraction": [0.1, 0.2, 0.3, 0.4, 0.5], "corruption_fraction": COLUMNS}
    codes = np.full((5, 5, 1), M)
    codes[2, 2] = UNKNOWN
    grid = Grid(axes=axes, seeds=1)
    data = made(codes, grid)
    assert phase_diagram(data).inferred.sum() == 1
    data.status[2, 2, 0] = FAILED
    assert phase_diagram(data).inferred.sum() == 0
    assert as_table(data).phase.isna().sum() == 1
    backwards = Grid(axes={**axes, "train_fraction": [0.5, 0.4, 0.3, 0.2, 0.1]}, seeds=1)
    assert phase_diagram(made(codes, backwards)).inferred.sum() == 0
    words = Grid(axes={"loss": ["mse", "cross_entropy"], "corruption_fraction": [0, 0.1]}, seeds=1)
    few = np.full((2, 2, 1), M)
    few[0, 0] = UNKNOWN
    assert phase_diagram(made(few, words)).inferred.sum() == 0


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_lies_between_0_and_1(confidence):
    for found in (boundaries, phase_diagram):
        with pytest.raises(ConfigError, match="`confidence` must lie between 0 and 1"):
            found(made(ROW[:, None]), confidence)


def test_cells_of_uneven_values_are_drawn_of_one_size():
    assert edges(np.array([0.1, 0.3, 0.5, 0.9])) == pytest.approx([0, 0.2, 0.4, 0.7, 1.1])
    assert edges(np.array([0.02, 0.05, 0.2, 0.6])).tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]


def test_one_seed_has_no_interval_and_gaps_no_boundary():
    grid = Grid(base=GRID.base, axes=GRID.axes, seeds=1)
    (first, *_) = boundaries(made(ROW[:, None], grid))
    assert first.position == 0.25
    assert np.isnan(first.low)
    assert boundaries(made(np.array([C, UNKNOWN, P, UNKNOWN, M])[:, None], grid)) == []


def test_inferred_cells_place_a_boundary_as_if_every_seed_had_their_phase():
    axes = {"train_fraction": [0.1, 0.2, 0.3, 0.4, 0.5], "corruption_fraction": COLUMNS}
    grid = Grid(axes=axes, seeds=2)
    codes = np.full((5, 5, 2), M)
    codes[:, 0] = C
    codes[1:4, 2:4] = UNKNOWN
    found = boundaries(made(codes, grid))
    assert [b.position for b in found] == pytest.approx([0.15] * 5)


def test_cells_that_a_seed_lacks_place_its_boundary_by_the_others_if_it_has_any_there():
    codes = np.full((2, 5, 4), M)
    codes[:, :2] = C
    codes[0, :2, 3] = UNKNOWN  # its boundary is that of the others
    codes[0, 2, 2] = C  # that of the third lies a column further
    codes[1, :, 1:] = UNKNOWN  # so one seed is left, which has no interval
    beside, alone = boundaries(made(codes))
    assert beside.position == pytest.approx((0.25 + 0.25 + 0.35 + 0.25) / 4)
    assert beside.high - beside.position < 0.1
    assert alone.position == 0.25
    assert np.isnan(alone.low)


def test_a_table_has_a_row_a_run():
    table = as_table(made(ROW[:, None]))
    assert len(table) == 40
    assert list(table.columns[:3]) == ["weight_decay", "corruption_fraction", "seed"]
    assert table.phase[:20].tolist() == [str(PHASES[code]) for code in ROW for _ in range(4)]
    assert set(as_table(made(np.full((1, 1, 1), PHASES.index(Phase.DIVERGED)))).phase) == {
        "diverged"
    }
    assert as_table(made(np.full((1, 1, 1), UNKNOWN))).phase.isna().all()


def test_words_and_absent_values_are_coordinates():
    axes = {"optimizer": ["adamw", "sgd"], "batch_size": [None, 64]}
    data = collect(Grid(axes=axes), "no store")
    assert data.optimizer.values.tolist() == ["adamw", "sgd"]
    assert np.isnan(data.batch_size.values[0])
    assert data.batch_size.values[1] == 64


# Files


BASE = Experiment(steps=40, measure_every=20, corruption_fraction=0.3).replace(modulus=7, width=8)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Runs of several lengths and widths, one of them diverged, one without corruption."""
    store = tmp_path_factory.mktemp("store")
    sweep(MIXED, store, workers=1, progress=False)
    return store


MIXED = Grid(
    base=BASE.replace(optimizer="sgd"),
    axes={"learning_rate": [0.1, 1e9], "steps": [40, 100], "corruption_fraction": [0, 0.3]},
)


@pytest.mark.slow
def test_an_archive_gives_every_run_back_bit_for_bit(store, tmp_path):
    path = tmp_path / "sweep.nc"
    export(archive(MIXED, store), path)
    data = load_sweep(path)
    assert data.drop_attrs().identical(archive(MIXED, store).drop_attrs())
    assert int(np.isfinite(data.failed_at).sum()) == 4
    assert restore(data, tmp_path / "new") == 8
    for original in store.glob("*.nc"):
        again = open_run(tmp_path / "new" / original.name)
        assert again.dataset.identical(open_run(original).dataset)
    assert restore(data, tmp_path / "new") == 0
    assert (
        collect(MIXED, tmp_path / "new").drop_attrs().identical(collect(MIXED, store).drop_attrs())
    )


def test_a_selection_is_not_restored_under_other_settings(store, tmp_path):
    data = archive(MIXED, store)
    for selected in (data.isel(steps=[1]), data.isel(steps=[1, 0]), data.isel(seed=0)):
        with pytest.raises(StoreError, match="must be a whole sweep's to be restored"):
            restore(selected, tmp_path / "new")


def test_a_diagram_goes_by_names_and_not_by_the_order_of_dimensions(store):
    data = collect(MIXED, store)
    whole = phase_diagram(data).phase
    assert phase_diagram(data.isel(seed=0)).phase.drop_vars("seed", errors="ignore").equals(whole)
    turned = phase_diagram(data.transpose("seed", "steps", ...)).phase
    assert turned.transpose(*whole.dims).equals(whole)
    assert len(as_table(data.isel(seed=0))) == 8
    with pytest.raises(ConfigError, match="`confidence` must lie between 0 and 1"):
        phase_diagram(data, confidence=2.0)


@pytest.mark.slow
def test_networks_of_several_kinds_and_widths_are_archived_together(tmp_path):
    base = BASE.replace(width=12)
    grid = Grid(base=base, axes={"model": ["two_layer", "transformer"], "steps": [20, 40]})
    sweep(grid, tmp_path / "runs", workers=1, progress=False)
    export(archive(grid, tmp_path / "runs"), str(tmp_path / "a.nc"))
    assert restore(load_sweep(tmp_path / "a.nc"), tmp_path / "new") == 4
    for path in (tmp_path / "runs").glob("*.nc"):
        assert open_run(tmp_path / "new" / path.name).dataset.identical(open_run(path).dataset)


def test_an_export_of_ends_alone_cannot_be_restored(store, tmp_path):
    path = tmp_path / "ends.nc"
    export(collect(MIXED, store), path)
    assert grid_of(load_sweep(path)) == MIXED
    with pytest.raises(StoreError, match="must hold its runs"):
        restore(load_sweep(path), tmp_path / "new")


def test_a_selection_that_has_lost_its_corruption_has_no_phases(store):
    data = collect(MIXED, store)
    with pytest.raises(ConfigError, match="must say the corruption_fraction of its cells"):
        phase_diagram(data.isel(corruption_fraction=1, drop=True))


def test_a_run_found_damaged_while_it_is_packed_leaves_no_number(store, tmp_path):
    copied = Path(shutil.copytree(store, tmp_path / "runs"))
    collect(MIXED, copied)  # which remembers what each run ended with
    path = next(copied.glob("*.nc"))
    kept, content = path.stat(), bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    with pytest.warns(UserWarning, match="damaged|altered|seal"):
        data = archive(MIXED, copied)
    lost = data.status.values != DONE
    assert lost.sum() == 1
    for name in ("test_accuracy", "norm", "ipr_histogram"):
        assert np.isnan(data[name].values[lost]).all(), name


def test_tables_as_csv_and_parquet(store, tmp_path):
    data = collect(MIXED, store)
    for name, read in (("a.csv", pd.read_csv), ("a.parquet", pd.read_parquet)):
        export(data, tmp_path / name)
        table = read(tmp_path / name)
        assert len(table) == 8
        assert np.allclose(table.train_loss, as_table(data).train_loss)
        assert sorted(table.phase) == sorted(as_table(data).phase)


@pytest.mark.parametrize("name", ["a.txt", "a", "folder.nc"])
def test_an_export_that_cannot_be_is_refused(store, tmp_path, name):
    (tmp_path / "folder.nc").mkdir()
    with pytest.raises(ConfigError, match="`export` must"):
        export(collect(MIXED, store), tmp_path / name)


def test_files_that_are_no_sweep_are_refused(store, tmp_path):
    path = tmp_path / "sweep.nc"
    with pytest.raises(StoreError, match="got neither"):
        load_sweep(path)
    path.write_bytes(b"nothing of ours")
    with pytest.raises(StoreError, match="must be a file of grokscope"):
        load_sweep(path)
    with pytest.raises(ConfigError, match="must be an exported sweep, got a single run"):
        load_sweep(next(store.glob("*.nc")))
    export(collect(MIXED, store), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="must match its checksum"):
        load_sweep(path)
    write_dataset(path, xr.Dataset({"x": 1}))
    assert int(read_dataset(path).x) == 1
