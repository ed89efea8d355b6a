"""Real training at the paper's settings: what the network learns, and where."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import grokscope.paper
from grokscope.data.mnist import FOLDER
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.measures.pruning import neurons_required
from grokscope.paper.figures import RunFigure, SweepFigure, figures, load
from grokscope.plotting import style
from grokscope.runs.pruning import prune
from grokscope.runs.train import train
from grokscope.sweeps.diagram import grid_of
from grokscope.sweeps.sweep import sweep
from reference import MNIST

FIGURE_1 = {0: "coexistence", 5: "partial_inversion", 15: "full_inversion"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def figure_1(decay, seed, steps, store):
    experiment = Experiment(corruption_fraction=0.35, steps=steps, measure_every=50)
    return train(experiment.replace(weight_decay=decay, seed=seed), store, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("decay", FIGURE_1)
def test_phases_of_figure_1_in_a_quarter_of_the_steps(decay, store):
    run = figure_1(decay, 0, 500, store)
    assert run.phase() == FIGURE_1[decay]


@pytest.mark.slow
def test_pruning_separates_the_rule_from_the_wrong_labels(store):
    run = figure_1(0, 0, 500, store)
    low = prune(run).isel(pruned=325)
    assert low.corrupted_accuracy < 0.1
    assert low.test_accuracy > 0.95
    assert abs(low.train_accuracy - 0.65) < 0.05
    high = prune(run, first="highest").isel(pruned=150)
    assert high.test_accuracy < 0.1
    assert high.corrupted_accuracy > 0.8


@pytest.mark.slow
def test_multiplication_groks_with_periodic_neurons_in_the_groups_order(store):
    experiment = Experiment(steps=300, measure_every=50).replace(
        operation="multiplication", modulus=59, width=256, weight_decay=5, train_fraction=0.6
    )
    run = train(experiment, store, progress=False)
    assert run.final.test_accuracy > 0.99
    assert run.final.mean_ipr > 0.7
    plain = np.fft.rfft(run.dataset.U.values.astype(float), axis=0)
    power = np.abs(plain) ** 2
    assert np.median((power**2).sum(axis=0) / power.sum(axis=0) ** 2) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("decay", FIGURE_1)
def test_phases_of_figure_1_at_the_papers_settings(decay, seed, store):
    assert figure_1(decay, seed, 2000, store).phase() == FIGURE_1[decay]


@pytest.mark.slow
def test_weight_decay_20_forgets_with_collapsing_norms(store):
    run = figure_1(20, 0, 2000, store)
    assert run.phase() == "forgetting"
    norms = run.dataset.norm.sel(matrix="U")
    assert norms[-1] < 0.4 * norms.max()


@pytest.mark.slow
@pytest.mark.parametrize(("dropout", "phase"), [(0.3, "partial_inversion"), (0.9, "confusion")])
def test_phases_by_dropout(dropout, phase, store):
    experiment = Experiment(corruption_fraction=0.35, measure_every=50).replace(dropout=dropout)
    assert train(experiment, store, progress=False).phase() == phase


DIAGRAMS = [
    number
    for number, figure in figures().items()
    if isinstance(figure, SweepFigure) and number not in (12, 32)
]


def words_in(picture, path):
    style.save(picture, path)
    return path.read_text()


def test_a_figure_of_the_paper_is_one_call_in_a_notebook(results):
    drawn = grokscope.paper.figure(31, results=results)
    assert isinstance(drawn, Figure)
    words = [text.get_text() for text in drawn.findobj(Text)]
    assert "wd = 5" in words
    with pytest.raises(ConfigError, match="figure of sweeps"):
        grokscope.paper.figure(1, refine=True)
    with pytest.raises(ConfigError, match="must go without"):
        grokscope.paper.figure(3, seed=1, results=results)


def test_the_papers_names_are_documented_and_frozen():
    assert dir(grokscope.paper) == ["claims", "figure", "grid", "report", "verify"]
    for name in dir(grokscope.paper):
        assert getattr(grokscope.paper, name).__doc__
    with pytest.raises(AttributeError):
        _ = grokscope.paper.nothing
    with pytest.raises(ConfigError, match="figure3a"):
        grokscope.paper.grid("figure33")


def test_every_figure_of_the_paper_is_there():
    assert [*figures()] == [*range(1, 33), "forgetting", "harmonics", "notebook"]


@pytest.mark.slow
@pytest.mark.parametrize("number", DIAGRAMS)
def test_every_diagram_draws_from_real_runs_and_states_its_settings(
    number, store, tmp_path, monkeypatch
):
    figure = load(number)
    tiny = []
    small = {"width": 24, "steps": 0} | ({} if number == 16 else {"modulus": 31})
    if number == 16 and not MNIST.is_dir():
        pytest.skip(f"set {FOLDER} to MNIST's folder")
    monkeypatch.setenv(FOLDER, str(MNIST))
    for grid in figure.grids_at("quick").values():
        base = grid.base.replace(**small)
        axes = {name: values[:2] for name, values in grid.axes.items()}
        axes |= {"train_fraction": (0.05 if number == 16 else 0.6,)}
        axes |= {"corruption_fraction": (0.0, 0.5)}
        axes |= {"steps": (0, 0)} if "steps" in axes else {}
        tiny.append(Grid(base=base, axes=axes, zipped=grid.zipped))
    sweeps = [sweep(grid, store, workers=1, progress=False) for grid in tiny]
    words = words_in(figure.plot(sweeps, note=figure.note("quick")), tmp_path / "figure.svg")
    size = sum(grid.size for grid in tiny)
    cells = f"{size} of {size} cells trained"
    settings = ["N = 24", "adamw", "seed 0", cells, "corruption fraction ξ"]
    settings += ["MNIST", "7 × 10"] if number == 16 else ["p = 31", "17 × 19"]
    settings += {7: ["1-layer Transformer, 4 heads", "embedding layer", "input layer"]}.get(
        number, []
    )
    settings += {13: ["α = 0.6"], 14: ["lazy", "output layer"]}.get(number, [])
    settings += {9: ["BatchNorm", "batch size = 8"], 11: ["LayerNorm"]}.get(number, [])
    settings += {26: ["cross-entropy"], 27: ["relu"], 30: ["relu"]}.get(number, [])
    for setting in settings:
        assert setting in words, setting


@pytest.mark.slow
def test_figure_12_has_every_coordinate_of_every_network_and_names_what_all_share(store, tmp_path):
    figure = load(12)
    (grid,) = figure.grids_at("quick").values()
    base = grid.base.replace(modulus=31, width=16, steps=0)
    data = sweep(Grid(base=base, axes=dict(grid.axes)), store, workers=1, progress=False)
    assert (data.ipr_histogram.isel(layer=0).sum("ipr_bin") == 16).all()
    words = words_in(figure.plot([data], note=figure.note("quick")), tmp_path / "figure.svg")
    for setting in (
        "p = 31 · Transformer · N = 16",
        "8 heads, tied, 2 blocks: test",
        "steps = 4000",
    ):
        assert setting in words, setting
    with pytest.raises(ConfigError, match="Use figure12"):
        figure.plot([data.isel(depth=0, drop=True)], note="")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "words"),
    [(12, "tied embedding initialised as N(0, 1)"), (13, "dropout of sublayers alone")],
)
def test_sweeps_of_transformers_of_before_say_so(number, words, store, tmp_path):
    figure = load(number)
    (grid,) = figure.grids_at("quick").values()
    axes = {name: values[:2] for name, values in grid.axes.items()}
    base = grid.base.replace(width=24, steps=0, modulus=31)
    before = base.replace(tied_init="embedding", dropout_sites="sublayers")
    for one, there in ((base, False), (before, True)):
        data = sweep(Grid(base=one, axes=axes), store, workers=1, progress=False)
        shown = words_in(figure.plot([data], note=""), tmp_path / "figure.svg")
        assert (words in shown) == there
        assert ("tied embedding" in shown or "of sublayers" in shown) == there


@pytest.mark.slow
def test_histograms_say_at_which_steps_their_networks_settled(store, tmp_path):
    (grid,) = load(13).grids_at("quick").values()
    base = grid.base.replace(width=24, steps=0, modulus=31)
    axes = {"dropout": (0, 0.1), "train_fraction": (0.6,), "corruption_fraction": (0, 0.5)}
    data = sweep(Grid(base=base, axes=axes, seeds=3), store, workers=1, progress=False)
    data.settled_at[:] = np.nan
    data.settled_at[1] = [700, np.nan, 900]
    words = words_in(load(13).plot([data], note=""), tmp_path / "figure.svg")
    assert words.count(">step ") == 1
    assert ">step 700–900<" in words


MINIBATCH = {"steps": {8000}, "batch_size": {64}, "learning_rate": {0.005}}
CURVES = MINIBATCH | {"train_fraction": {0.4, 0.5, 0.8}, "corruption_fraction": {0.3}}
SETTINGS = {
    "notebook": {"steps": {5000}},
    "forgetting": {
        "learning_rate": {0.01, 400},
        "name": {"adamw", "sgd"},
        "train_fraction": {0.5, 0.7},
        "corruption_fraction": {0.35, 0.2},
    },
    5: MINIBATCH | {"train_fraction": {0.65}, "corruption_fraction": {0.2}, "name": {"adam"}},
    20: CURVES | {"normalization": {"batch_norm"}},
    21: CURVES | {"normalization": {"layer_norm"}},
    22: CURVES | {"normalization": {None}},
    15: {
        "train_fraction": {0.8},
        "corruption_fraction": {0.1},
        "batch_size": {64},
        "normalization": {"batch_norm"},
        "depth": {3},
        "steps": {8000},
        "learning_rate": {0.001},
    },
}
"""What a figure's networks have in place of the default setting's, as App. A states it."""


def leaves(experiment):
    document = experiment.model_dump()
    return document | document["model"] | document["optimizer"]


def test_quick_diagrams_are_cells_of_the_papers():
    figure = load(3)
    quick, paper = figure.grids_at("quick"), figure.grids_at()
    for name, grid in quick.items():
        assert grid.size == 4 * 3 * 5
        assert grid.base == paper[name].base.replace(settle=True)
        for axis, values in grid.axes.items():
            assert set(values) <= set(paper[name].axes[axis]), axis
    again = figure.grids_at()  # a report asks several times, and making one makes all its cells
    assert all(again[name] is grid for name, grid in paper.items())
    assert figure.grids_at(seed=1)["figure3a"].root_seeds == (1,)


@pytest.mark.slow
def test_figure_32_counts_neurons_by_width_and_says_whether_they_grow_slower(store, tmp_path):
    figure = load(32)
    (grid,) = figure.grids_at().values()
    assert grid.sizes == {"width": 5, "seed": 40}
    assert (min(grid.axes["width"]), max(grid.axes["width"])) == (500, 10_000)
    base = grid.base
    assert (base.optimizer.learning_rate, base.optimizer.weight_decay) == (0.005, 1)
    assert (base.train_fraction, base.corruption_fraction) == (0.5, 0.35)
    easy = Experiment(train_fraction=0.9, steps=300, measure_every=300)
    easy = easy.replace(modulus=11, learning_rate=0.01, weight_decay=4)
    data = sweep(Grid(base=easy, axes={"width": (40, 80)}, seeds=3), store, workers=1)
    for index in ((0, 0), (1, 2)):
        full = train(grid_of(data).cell(index), progress=False)
        exact = neurons_required(prune(full))
        assert data.neurons_required.values[index] == exact
    words = words_in(figure.plot([data], note=""), tmp_path / "figure.svg")
    for setting in ("N", "exponent", "below 1", "3 seeds each", "standard error"):
        assert setting in words, setting


@pytest.mark.slow
@pytest.mark.parametrize("number", [n for n in figures() if isinstance(load(n), RunFigure)])
def test_every_figure_draws_from_real_runs_and_states_its_settings(number, store, tmp_path):
    """At a tiny scale; what it needs at the paper's is checked by its experiments."""
    figure = load(number)
    usual = {"steps": {2000}, "train_fraction": {0.5}, "learning_rate": {0.01}, "name": {"adamw"}}
    for name, values in (usual | SETTINGS.get(number, {})).items():
        assert {leaves(e)[name] for e in figure.experiments} == values, name
    tiny = [e.replace(modulus=31, width=24, steps=30) for e in figure.experiments]
    runs = [train(e, store, progress=False) for e in tiny]
    words = words_in(figure.plot(runs, figure.note("quick")), tmp_path / "figure.svg")
    fractions = {f"α = {e.train_fraction:g}" for e in figure.experiments}
    quick = ["quick (paper: "] if figure.quick_steps < figure.experiments[0].steps else []
    for setting in ("p = 31", "N = 24", "seed 0", *quick, *fractions):
        assert setting in words, setting
