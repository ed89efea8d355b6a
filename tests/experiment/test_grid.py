"""Grids: what they vary, how they read, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.grid import Grid
from grokscope.paper.grids import GRIDS, load_grid
from grokscope.paper.interventions import INTERVENTIONS
from grokscope.paper.optimizers import DECAYS_A_STEP, OPTIMIZERS

fractions = st.lists(st.integers(1, 99).map(lambda n: n / 100), min_size=1, max_size=4, unique=True)


def test_crossed_axes_times_seeds():
    grid = Grid(axes={"weight_decay": [0, 5], "width": [8, 16, 32]}, seeds=2)
    assert grid.sizes == {"weight_decay": 2, "width": 3, "seed": 2}
    cells = dict(grid.cells())
    assert len(cells) == grid.size == 12
    assert cells[1, 2, 1] == Experiment().replace(weight_decay=5, width=32, seed=1)
    assert len({digest(cell) for cell in cells.values()}) == 12


def test_zipped_axes_advance_together():
    axes = {"batch_size": [8, 64], "steps": [100, 50], "weight_decay": [0, 1, 2]}
    grid = Grid(axes=axes, zipped=[["batch_size", "steps"]])
    assert grid.sizes == {"batch_size": 2, "weight_decay": 3, "seed": 1}
    cell = grid.cell((1, 2, 0))
    assert (cell.batch_size, cell.steps, cell.optimizer.weight_decay) == (64, 50, 2)


def test_every_few_rows_and_columns_and_the_last_are_cells_of_the_whole_grid():
    whole = load_grid("figure9")
    coarse = whole.every(4)
    assert coarse.sizes == {
        "batch_size": 3,
        "train_fraction": 5,
        "corruption_fraction": 6,
        "seed": 1,
    }
    assert coarse.axes["corruption_fraction"] == (0, 0.2, 0.4, 0.6, 0.8, 0.9)
    assert coarse.axes["steps"] == whole.axes["steps"], "panels stay as they are"
    assert {e for _, e in coarse.cells()} < {e for _, e in whole.cells()}
    assert whole.every(1) == whole
    assert whole.every(100).size == 3 * 2 * 2


def test_axes_that_advance_together_are_thinned_together():
    axes = {"width": [1, 2, 3, 4], "steps": [4, 3, 2, 1], "train_fraction": [0.1, 0.2, 0.3]}
    coarse = Grid(axes=axes, zipped=[("width", "steps")]).every(2)
    assert (coarse.axes["width"], coarse.axes["steps"]) == ((1, 3, 4), (4, 2, 1))


def test_seeds_are_a_number_a_list_or_the_base_s():
    axes = {"weight_decay": [0]}
    assert Grid(axes=axes, seeds=3).root_seeds == (0, 1, 2)
    assert Grid(axes=axes, seeds=[5, 7]).root_seeds == (5, 7)
    assert Grid(base=Experiment().replace(seed=9), axes=axes).root_seeds == (9,)


def test_start_stop_and_num_give_whole_numbers_where_they_can():
    axes = {"width": {"start": 8, "stop": 16, "num": 3}, "weight_decay": [1.23456e-9, 0.1 + 0.2]}
    assert Grid(axes=axes).axes == {"width": (8, 12, 16), "weight_decay": (1.23456e-9, 0.3)}
    assert Grid(axes={"corruption_fraction": {"start": 0, "stop": 1, "num": 3}}).size == 3


def test_linspace_and_arrays_give_round_values():
    table = Grid(axes={"train_fraction": {"start": 0.1, "stop": 0.9, "num": 17}})
    array = Grid(axes={"train_fraction": np.linspace(0.1, 0.9, 17)})
    assert table == array
    assert table.axes["train_fraction"][4] == 0.3


@given(fractions, st.integers(1, 3))
def test_toml_gives_the_grid_back(values, seeds):
    grid = Grid(base=Experiment(settle=True), axes={"train_fraction": values}, seeds=seeds)
    assert Grid.from_toml(grid.to_toml()) == grid


def test_an_absent_setting_is_none_in_toml():
    grid = Grid(axes={"batch_size": [None, 64]})
    assert Grid.from_toml(grid.to_toml()) == grid
    assert Grid.from_toml('[axes]\nbatch_size = ["none", 64]\n') == grid
    assert grid.cell((0, 0)).batch_size is None


TRANSFORMER = {"model": "transformer", "learning_rate": 0.001, "steps": 3000}
DEEP = {"model": "deep_mlp", "learning_rate": 0.001, "steps": 5000}
DIFFERS = {
    "figure3a": {},
    "figure3b": {},
    "figure9": {"batch_size": 256, "normalization": "batch_norm"},
    "figure10": {"batch_size": 256},
    "figure11": {"batch_size": 256, "normalization": "layer_norm"},
    "figure26a": {"loss": "cross_entropy"},
    "figure26b": {"loss": "cross_entropy"},
    "figure27": {"activation": "relu"},
    "figure28": {"activation": "relu"},
    "figure29": {"width": 5000},
    "figure30a": {"width": 5000, "activation": "relu", "learning_rate": 0.002},
    "figure30b": {"activation": "relu", "learning_rate": 0.002},
    "figure31": {"operation": "multiplication"},
    "figure7a": TRANSFORMER,
    "figure7b": DEEP,
    "figure13": TRANSFORMER,
    "figure14": DEEP | {"weight_decay": 8},
}
"""In what the paper's diagrams differ from its default setting (App. A and F to P)."""


PANELS = dict.fromkeys(("figure7a", "figure7b", "figure9", "figure10", "figure11"), 3)
PANELS |= {"figure14": 2}


@pytest.mark.parametrize("name", DIFFERS)
def test_the_paper_s_diagrams(name):
    grid = load_grid(name)
    seeds = 3 if name.startswith("figure7") else 1
    assert list(grid.sizes.values()) == [PANELS.get(name, 4), 17, 19, seeds]
    assert list(grid.sizes)[1:] == ["train_fraction", "corruption_fraction", "seed"]
    assert grid.base == Experiment(measure_every=50).replace(**DIFFERS[name])


def test_other_grids_of_the_paper():
    assert set(GRIDS) - set(DIFFERS) == {
        *("figure12", "figure16a", "figure16b", "figure32", "hidden", "noises"),
        *INTERVENTIONS,
        *OPTIMIZERS,
    }
    twelve = load_grid("figure12")
    assert twelve.values["heads"] == (8, 4)
    assert (twelve.base.train_fraction, twelve.base.corruption_fraction) == (0.8, 0.2)
    for name in ("figure16a", "figure16b"):
        base = load_grid(name).base
        assert (base.task.name, base.model.depth, base.loss) == ("mnist", 4, "cross_entropy")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimisers_are_compared_at_equal_decays_a_step(name):
    grid = load_grid(name)
    assert [*grid.sizes.values()] == [len(DECAYS_A_STEP), 3, 3]
    for (place, *_), cell in grid.cells():
        o = cell.optimizer
        assert name.endswith(o.name)
        share = o.learning_rate * o.weight_decay / (1 - (o.momentum if o.name == "sgd" else 0))
        assert share == pytest.approx(DECAYS_A_STEP[place])


@pytest.mark.parametrize("name", ["figure9", "figure10", "figure11"])
def test_networks_of_every_batch_size_see_as_many_examples(name):
    grid = load_grid(name)
    cells = [grid.cell((place, 0, 0, 0)) for place in range(3)]
    assert [cell.batch_size for cell in cells] == [8, 64, 256]
    assert {cell.batch_size * cell.steps for cell in cells} == {256 * 2000}
    for cell in cells:
        rate = 0.01 * (cell.batch_size / 256) ** 0.5
        assert cell.optimizer.learning_rate == pytest.approx(rate, abs=1e-12)
        assert len(cell.schedule) == 41


def test_diagrams_share_the_panel_without_regularisation():
    first = {digest(cell) for _, cell in load_grid("figure3a").cells()}
    second = {digest(cell) for _, cell in load_grid("figure3b").cells()}
    assert len(first & second) == 17 * 19, "both have the panel without regularisation"


IMPOSSIBLE = [
    ({"axes": {"widht": [1]}}, "widht = 1, seed = 0: `widht` is not a setting"),
    ({"axes": {"width": []}}, "axis `width` must list one value or more"),
    ({"axes": {"width": 3}}, "axis `width` must list one value or more"),
    ({"axes": {"width": [8, 8]}}, "axis `width` must not repeat a value"),
    ({"axes": {"width": [[8]]}}, "axis `width` must hold plain values"),
    ({"axes": {"width": {"start": 1}}}, "axis `width` must have start, stop and num"),
    ({"axes": {"width": {"start": "a", "stop": 2, "num": 3}}}, "axis `width` must hold numbers"),
    ({"axes": {"width": {"start": 1, "stop": 2, "num": np.inf}}}, "axis `width` must hold numbers"),
    ({"axes": {"width": {"start": 1, "stop": 2, "num": 2.7}}}, "axis `width` must hold numbers"),
    ({"axes": {"train_fraction": [0.5, 1.5]}}, "train_fraction = 1.5, seed = 0: `train_fraction`"),
    ({"axes": {"batch_size": [64, 9000]}}, "batch_size = 9000, seed = 0: `batch_size` must be at"),
    ({"axes": {"seed": [1]}}, "axis `seed` must be given as seeds"),
    ({"axes": {"width": [1]}, "zipped": [["width", "steps"]]}, "`zipped` must name axes"),
    (
        {"axes": {"width": [1, 2], "steps": [1]}, "zipped": [["width", "steps"]]},
        "`zipped` axes must have equally many values",
    ),
    ({"axes": {"width": [1]}, "seeds": [-1]}, "seed = -1: `seed` must be a whole number"),
    ({"axes": {"width": [1]}, "seeds": 0}, "`seeds` must be a whole number from 1 or a list"),
    ({"axes": {"width": [1]}, "seeds": -2}, "got -2. Use seeds = 3."),
    ({"axes": {"width": [1]}, "seeds": "two"}, "list of seeds, got 'two'. Use seeds = 3."),
    ({"axes": {"width": [1]}, "seeds": []}, "axis `seeds` must list one value or more"),
    ({"axes": [1]}, "`axes` must be a table"),
    ({}, "`axes` must be a table of settings and their values, got 'nothing'"),
    ({"axes": {"steps": {"start": 0, "stop": 1, "num": 10**9}}}, "`axes` must make at most"),
    ({"axes": {"width": [1]}, "colour": 1}, "`colour` is not a setting of this experiment"),
]


@pytest.mark.parametrize(("settings", "message"), IMPOSSIBLE)
def test_what_cannot_be_is_refused_naming_axis_and_value(settings, message):
    with pytest.raises(ConfigError) as error:
        Grid(**settings)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "axes",
    [{"seeds.seed": [0, 1]}, {"weight_decay": [0, 5], "optimizer.weight_decay": [1, 2]}],
)
def test_an_axis_has_one_name_and_seeds_their_own_place(axes):
    with pytest.raises(ConfigError, match="must be given"):
        Grid(axes=axes)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"got 'figure4'. Did you mean figure14 or figure9"):
        load_grid("figure4")


@pytest.mark.parametrize("name", ["q1.tml", "q1.toml", "q1.nc", "grids/figure3a"])
def test_a_file_that_is_not_there_is_said_to_be_none(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"got '{name}', which is no file. Check its name"):
        load_grid(name)
