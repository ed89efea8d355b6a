"""Settings that were added after runs were stored: their digests, and what old documents mean."""

import hashlib
import json

import pytest

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.grid import Grid
from grokscope.paper.grids import load_grid
from grokscope.runs.store import Store
from grokscope.runs.train import train
from grokscope.sweeps.archive import load_sweep
from grokscope.sweeps.diagram import collect, grid_of

BEFORE = {"tied_init": "embedding", "dropout_sites": "sublayers"}
NEW = {"tied_init": "read_out", "dropout_sites": "everywhere"}
TRANSFORMER = Experiment(model="transformer")
TIED = TRANSFORMER.replace(tied=True)
DROPPED = TRANSFORMER.replace(dropout=0.1)
BOTH = TIED.replace(dropout=0.1, depth=2, normalization="layer_norm")

GOLDEN_BEFORE = {
    TRANSFORMER: "163d50ab6da13f748d2e4ac1df6cd60aceb9d47ad50e5c00fcfa503a2a54d99b",
    TIED: "6ab6bccde8811d4a707a130febdb5bcd8e0937415530f0b8d5e68f7034d3dc08",
    DROPPED: "a127c88eb7c563505f292650a57e13945dd571ac96e1c6c2d16d65088c2e45c9",
    BOTH: "9d02bca0e1ea6a45cb9d0af846be94428657aa97c1582c91c26d58968013f94d",
}
"""By the code that had neither setting."""

GOLDEN = {
    TRANSFORMER: "163d50ab6da13f748d2e4ac1df6cd60aceb9d47ad50e5c00fcfa503a2a54d99b",
    TIED: "0de0921c3cf4063116ca30149cb7609335860281ed876445461075f281fee073",
    DROPPED: "c17d4d179639443c07135738997174bfd4a4232e3d6bd679d3bf93f1123fb386",
    BOTH: "e1a0694d3f8fee02b5df41bd3f26487ffa3f07bb4be16d2bc0403708938e2358",
}


@pytest.mark.parametrize("experiment", GOLDEN)
def test_digests_are_those_of_today_s_files_for_the_values_of_before(experiment):
    assert digest(experiment.replace(**BEFORE)) == GOLDEN_BEFORE[experiment]
    assert digest(experiment) == digest(experiment.replace(**NEW)) == GOLDEN[experiment]


@pytest.mark.parametrize("experiment", GOLDEN)
def test_canonical_json_gives_the_experiment_back(experiment):
    assert Experiment.from_json(experiment.canonical_json()) == experiment
    before = experiment.replace(**BEFORE)
    again = Experiment.from_json(before.canonical_json())
    assert digest(again) == digest(before)
    assert again.model.unrecorded >= {*BEFORE}, "what acts is as before, the rest has no effect"


@pytest.mark.slow
def test_what_changes_nothing_is_another_value_of_the_same_network():
    one, other = (TRANSFORMER.replace(steps=3, modulus=7, width=8, **how) for how in (BEFORE, NEW))
    assert digest(one) == digest(other)
    one, other = (train(experiment, progress=False).dataset for experiment in (one, other))
    assert all((one[name] == other[name]).all() for name in ("E", "W", "train_loss"))


OLD_BASE = """
[base.model]
name = "transformer"
width = 16
depth = 1
heads = 4
tied = false
scaling = "mup"
dropout = 0.0

[axes]
tied = [false, true]
dropout = [0.0, 0.1]
"""
"""What a sweep of before the settings recorded, in short."""


def test_a_recorded_grid_means_what_was_trained_and_a_user_s_own_the_defaults():
    recorded, own = Grid.from_record(OLD_BASE), Grid.from_toml(OLD_BASE)
    assert recorded.base.model.model_dump().items() >= BEFORE.items()
    assert own.base.model.model_dump().items() >= NEW.items()
    for (_, cell), (_, default) in zip(recorded.cells(), own.cells(), strict=True):
        without = json.loads(cell.canonical_json())["model"]
        assert not {*BEFORE} & set(without)
        is_plain = not cell.model.tied and not cell.dropout
        assert (digest(cell) == digest(default)) == is_plain
    assert Grid.from_record(recorded.to_toml()) == recorded
    assert Grid.from_record(own.to_toml()) == own


DAMAGED = ("base = 3\naxes = 4", "[base]\nmodel = [1]", "[base.model]\nname = [1]", "[base")


@pytest.mark.parametrize("document", DAMAGED)
def test_a_damaged_record_is_refused_as_a_document_is(document):
    for read in (Grid.from_record, Grid.from_toml):
        with pytest.raises(ConfigError, match="must"):
            read(document)


@pytest.mark.slow
def test_stores_and_exports_of_before_open_with_the_values_of_before(tmp_path, monkeypatch):
    grid = Grid.from_record(OLD_BASE).with_base(steps=2, modulus=7)
    store = Store(tmp_path)
    for _, cell in grid.cells():
        train(cell, store, progress=False)
    document = grid.to_toml()
    for name, value in BEFORE.items():
        line = f'{name} = "{value}"\n'
        assert document.count(line) == 1
        document = document.replace(line, "")
    with monkeypatch.context() as older:
        older.setattr(Grid, "to_toml", lambda grid: document)
        store.record_grid(grid)
        data = collect(grid, store)
    assert store.grid() == grid_of(data) == grid
    assert (data.status == 1).all()
    for _, cell in grid.cells():
        run = store.find(cell)
        acting = {"tied_init": cell.model.tied, "dropout_sites": cell.dropout}
        for name, acts in acting.items():
            assert getattr(run.experiment.model, name) == (BEFORE if acts else NEW)[name]


FIGURE_7A = "4870b78ec0fa4146c8171435ce578f7d2df143703ae002a865ecff9ad0004b63"
"""SHA-256 of the digests of a shipped sweep's seed 0, one after another, by the code of before."""


def shipped(name, results):
    """A shipped sweep's grid, and that of today with its axes."""
    grid = grid_of(load_sweep(results / f"{name}.nc"))
    assert load_grid(results / f"{name}.nc") == grid
    today = load_grid(name).with_base(settle=grid.base.settle is not None)
    return grid, today.replace(axes=grid.axes, seeds=grid.seeds)


def test_a_shipped_sweep_of_before_is_the_one_that_was_trained(results):
    grid, today = shipped("figure7a", results)
    first = grid.replace(seeds=1).digests
    assert hashlib.sha256("".join(first).encode()).hexdigest() == FIGURE_7A
    assert grid.base.model.tied_init == "embedding"
    assert today.digests == grid.digests, "without ties and dropout the settings have no effect"


@pytest.mark.parametrize("name", ["figure12", "figure13"])
def test_shipped_sweeps_with_ties_or_dropout_have_today_s_settings(name, results):
    grid, today = shipped(name, results)
    assert grid.base.model == today.base.model
    assert today.digests == grid.digests
