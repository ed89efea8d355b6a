"""Pictures are Matplotlib figures: saved later they look the same, and a notebook shows them."""

import base64
from io import BytesIO

import matplotlib as mpl
import nbclient
import nbformat
import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from grokscope.analysis.label_audit import audit
from grokscope.cli.tables import print_run
from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.measures.phases import Phase
from grokscope.plotting import style
from grokscope.plotting.audit import plot_audit
from grokscope.plotting.courses import plot_courses
from grokscope.plotting.diagram import _boundary_bars, panel_title, plot_phases
from grokscope.plotting.extraction import plot_extraction
from grokscope.plotting.neurons import plot_neurons
from grokscope.plotting.palette import PHASE_COLORS
from grokscope.plotting.panels import logit_panel
from grokscope.plotting.pruning import plot_pruning
from grokscope.plotting.run import plot_accuracies, plot_run
from grokscope.plotting.wording import words_of
from grokscope.runs.extraction import extract, extraction_curve
from grokscope.runs.pruning import control_band, prune, pruning_curves
from grokscope.runs.snapshot import at
from grokscope.runs.train import train
from grokscope.sweeps.archive import archive
from grokscope.sweeps.boundary import Boundary
from grokscope.sweeps.diagram import collect
from grokscope.sweeps.sweep import sweep as run_sweep

TINY = Experiment(steps=20, corruption_fraction=0.3).replace(modulus=11, width=12)


@pytest.fixture(scope="module")
def run():
    return train(TINY, progress=False)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    grid = Grid(axes={"weight_decay": [0, 5], "train_fraction": [0.3, 0.5, 0.7]})
    return collect(grid, tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def courses(tmp_path_factory):
    """A sweep with its curves, of four noises, two weight decays and two seeds."""
    base, store = TINY.replace(modulus=7, width=8), tmp_path_factory.mktemp("courses")
    axes = {"corruption_fraction": [0, 0.1, 0.2, 0.3], "weight_decay": [0, 5]}
    grid = Grid(base, axes, seeds=2)
    run_sweep(grid, store, workers=1, progress=False)
    return archive(grid, store)


def pictures_of(run, sweep):
    return {
        "run": plot_run(run),
        "chosen neurons": plot_run(run, [0, 3]),
        "accuracies": plot_accuracies([run, run]),
        "pruning": plot_pruning(run, pruning_curves(run)),
        "pruning and controls": plot_pruning(
            run, {"lowest": prune(run)}, control_band(run), {"lowest": prune(run, "norm")}
        ),
        "audit": plot_audit(run, audit(run)),
        "extraction": plot_extraction(run, extraction_curve(run)),
        "neurons": plot_neurons(run),
        "phases": plot_phases(sweep),
        "two sweeps": plot_phases([sweep, sweep], with_accuracies=True, generalizes=0.8),
    }


def png(figure):
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


@pytest.mark.slow
def test_every_picture_is_a_figure_and_changes_nothing_else(run, sweep):
    before, backend = dict(mpl.rcParams), mpl.get_backend()
    for name, figure in pictures_of(run, sweep).items():
        assert isinstance(figure, Figure), name
        assert png(figure).startswith(b"\x89PNG"), name
    assert dict(mpl.rcParams) == before
    assert mpl.get_backend() == backend
    assert plt.get_fignums() == []


@pytest.mark.slow
def test_the_command_line_and_savefig_write_the_same_bytes(run, tmp_path):
    for ending in ("png", "svg"):
        style.save(plot_run(run), tmp_path / f"one.{ending}")
        undated = {"svg": {"Date": None}}.get(ending, {})
        plot_run(run).savefig(tmp_path / f"other.{ending}", metadata=undated)
        one, other = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("one", "other"))
        assert one == other


def test_a_users_own_style_does_not_reach_what_pictures_set(run):
    ours = png(plot_run(run))
    with mpl.rc_context({"font.size": 20, "axes.grid": False, "savefig.dpi": 50}):
        assert png(plot_run(run)) == ours


def test_a_diagram_needs_two_axes_and_neurons_must_exist(run, sweep):
    with pytest.raises(ConfigError, match="two axes"):
        plot_phases(sweep.isel(weight_decay=0, drop=True))
    with pytest.raises(ConfigError, match="from 0 to 11"):
        plot_run(run, [12])


def test_pictures_of_another_network_than_the_trained_one_say_so(run):
    extracted = extract(run, 1)
    for figure in (
        plot_run(extracted),
        plot_accuracies([extracted]),
        plot_neurons(extracted),
        plot_pruning(extracted, pruning_curves(extracted)),
        plot_audit(extracted, audit(extracted)),
    ):
        assert "not the trained network, but one with 1 frequency a unit" in words_below(figure)
    assert "one with its weights of step 10" in words_below(plot_accuracies([at(run, 10)]))
    both = plot_accuracies([run, extracted])
    assert "not the trained" not in words_below(plot_accuracies([run])) + words_below(both)
    first, second = (axes.get_title() for axes in both.axes)
    assert "with 1 frequency a unit" in second
    assert "with" not in first


def words_below(figure):
    return figure.get_supxlabel().replace("\n", " ")


def test_a_curve_over_a_single_step_is_seen_as_points(run):
    extracted = plot_accuracies([extract(run, 1), run])
    points, curves = ([line.get_marker() for line in axes.lines[:2]] for axes in extracted.axes)
    assert (points, curves) == (["o", "o"], ["None", "None"])


def test_ticks_of_ranks_counts_and_frequencies_are_whole_numbers(run):
    waves, _, amplitude = plot_neurons(run).axes[:3]
    assert amplitude.get_xlim() == (0.5, 5.5)
    _, _, spectrum, logits = plot_run(run).axes
    for axis in (waves.xaxis, amplitude.xaxis, amplitude.yaxis, spectrum.xaxis, logits.xaxis):
        axis.axes.set(xlim=(0.5, 3.5), ylim=(0.5, 3.5))  # where there is room for halves
        assert axis.get_ticklocs().tolist() == [0, 1, 2, 3, 4]


def test_the_small_print_names_momentum_where_there_is_some():
    sgd = Experiment(optimizer="sgd", momentum=0.9)
    assert "momentum 0.9" in words_of([sgd])
    assert not any("momentum" in words for words in words_of([sgd.replace(momentum=0)]))
    assert "sgd" in words_of([sgd, sgd.replace(momentum=0.5)], without=["momentum"])


def test_the_small_print_says_where_training_went_on_from(run, capsys):
    branch = train(TINY.replace(weight_decay=8), start=at(run, 10), progress=False)
    assert "· from step 10 of wd = 0 · 20 steps" in words_below(plot_run(branch))
    print_run(branch, as_json=False)
    assert "start    from step 10 of wd = 0\n" in capsys.readouterr().out
    assert "from step" not in words_below(plot_run(run))
    both = plot_accuracies([run, branch])
    titles = [axes.get_title().partition("\n")[0] for axes in both.axes]
    assert titles == ["(a) wd = 0", "(b) wd = 8, from step 10"]


def test_what_held_before_a_branch_and_what_was_pruned_is_worded():
    def words_with(**settings):
        return ", ".join(words_of([TINY.replace(start_step=5, **settings)]))

    before = {"optimizer": "sgd", "batch_size": None, "label_smoothing": 0}
    held = "full batch, label smoothing = 0, wd = 0, sgd, lr 0.01"
    assert f"from step 5 of {held}, 20 steps" in words_with(before=before)
    pruned = {"prune_by": "ipr", "prune_first": "lowest", "prune_share": 0.4}
    assert "from step 5, 40 % of neurons pruned, lowest IPR first" in words_with(**pruned)
    assert "40 % of neurons pruned, at random" in words_with(**pruned | {"prune_by": "random"})
    experiment = TINY.replace(start_step=5, **pruned)
    assert "pruned" not in "".join(words_of([experiment], without=["prune_by"]))
    assert "pruned" not in "".join(words_of([experiment], without=["prune_share"]))


def test_counted_fractions_have_three_digits_and_given_ones_their_own():
    counted = TINY.replace(train_fraction=74 / 121, corruption_fraction=7 / 74)
    assert {"α = 0.612", "ξ = 0.0946"} <= {*words_of([counted])}
    given = TINY.replace(train_fraction=0.12345, corruption_fraction=0.3)
    assert {"α = 0.12345", "ξ = 0.3"} <= {*words_of([given])}


def test_long_small_print_and_legends_take_nothing_from_the_panels():
    @style.context
    def height(entries, words):
        figure, ((axes,),) = style.panels(1, 1)
        style.legend(figure, [Patch(label=f"entry {number}") for number in range(entries)])
        style.finish(figure, " · ".join(["a few words"] * words))
        png(figure)
        return axes.get_position().height * figure.get_figheight()

    assert height(12, 40) == pytest.approx(height(4, 10), abs=0.1)


@pytest.mark.filterwarnings("error")
def test_a_line_without_numbers_is_empty_and_keeps_its_colour(courses):
    """Without noise no example is corrupted."""
    figure = plot_courses(courses, "corruption_fraction")
    test, corrupted = figure.axes[0], figure.axes[2]
    assert corrupted.get_ylabel() == "corrupted accuracy"
    assert [np.size(line.get_xdata()) > 0 for line in corrupted.lines] == [False, True, True, True]
    assert [line.get_color() for line in corrupted.lines] == [
        line.get_color() for line in test.lines
    ]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "0.1", "0.2", "0.3"]


def test_the_small_print_of_courses_says_of_which_seeds_they_are(courses):
    def print_of(curves):
        return words_below(plot_courses(curves, "corruption_fraction"))

    assert print_of(courses).endswith("line: mean over seeds; band: least to greatest")
    for_one = courses.copy()
    for_one["run_step"] = courses.run_step.where(courses.seed == 0)
    assert print_of(for_one).endswith("core · curves of 1 of 2 seeds")
    assert print_of(courses.isel(seed=[0])).endswith("core")


@pytest.mark.parametrize("first", [0, 26, 1000])
def test_courses_have_several_ticks_wherever_they_begin(courses, first):
    later = courses.assign(run_step=courses.run_step * 24 + first)
    axes = plot_courses(later, "corruption_fraction").axes[-1]
    low, high = axes.get_xlim()
    assert sum(low <= tick <= high for tick in axes.get_xticks()) >= 3


def test_titles_of_more_than_two_panels_are_short(courses):
    def titles_of(lines):
        return [axes.get_title() for axes in plot_courses(courses, lines).axes if axes.get_title()]

    assert titles_of("weight_decay") == ["ξ = 0", "ξ = 0.1", "ξ = 0.2", "ξ = 0.3"]
    assert titles_of("corruption_fraction") == ["wd = 0", "wd = 5"]
    assert panel_title(courses.isel(corruption_fraction=[0, 1]), {"corruption_fraction": 1}) == (
        "corruption fraction ξ = 0.1"
    )


@pytest.mark.parametrize(("n_panels", "title"), [
    (2, "corruption = uniform_wrong"), (5, "corruption =\nuniform_wrong"),
    (99, "corruption =\nuniform_wrong"),
])  # fmt: skip
def test_titles_of_narrow_panels_are_broken(n_panels, title):
    names = ["uniform_wrong", *map(str, range(1, n_panels))]
    assert panel_title(xr.Dataset(coords={"corruption": names}), {"corruption": 0}) == title


def test_bars_of_boundaries_that_meet_lie_apart_within_their_row():
    def bar(low, high):
        return Boundary(
            {"wd": 1}, Phase.COEXISTENCE, Phase.MEMORIZATION, (low + high) / 2, low, high
        )

    axes = Figure().subplots()
    _boundary_bars(
        axes, [bar(0.0, 2.0), bar(2.0, 4.0), bar(5.0, 6.0)], "wd", np.array([0.0, 10.0, 20.0])
    )
    first, second, third = (line.get_ydata()[0] for line in axes.lines[::3])
    assert third == 10
    assert 5 < second < 10 < first < 15


def test_every_phase_has_a_colour_and_a_letter_of_its_own():
    for looks in (PHASE_COLORS, {phase: phase.letter for phase in Phase}):
        assert set(looks) == {*Phase}
        assert len(set(looks.values())) == len(looks)


CELL = """
from grokscope.plotting import style
figure, axes = style.panels(1, 2)
figure
"""


@pytest.mark.slow
@pytest.mark.parametrize("first", ["pass", "import matplotlib.pyplot as plt"])
def test_a_notebook_shows_a_picture_once(first):
    """Whether pyplot, whose backend shows figures of its own, was imported or not."""
    cells = [nbformat.v4.new_code_cell(source) for source in (first, CELL)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=300).execute()
    shown = [
        output.data["image/png"]
        for output in notebook.cells[1].outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(shown) == 1
    picture = base64.b64decode(shown[0])
    width = int.from_bytes(picture[16:20], "big")
    assert np.isclose(width, 700, rtol=0.1)  # 7 inches at 100 dots each


def test_a_line_whose_first_seed_is_missing_is_that_of_the_others(courses):
    lacking = (courses.seed == 0) & (courses.corruption_fraction == 0.1)
    names = [name for name in courses.data_vars if str(name).startswith("run_")]
    partly = courses.assign({name: courses[name].where(~lacking) for name in names})
    lines = [plot_courses(data, "corruption_fraction").axes[0].lines for data in (courses, partly)]
    assert [len(line.get_xdata()) for line in lines[1]] == [len(x.get_xdata()) for x in lines[0]]
    one = courses.isel(weight_decay=0).sel(seed=1, corruption_fraction=0.1).run_test_accuracy
    assert np.array_equal(lines[1][1].get_ydata(), one.squeeze(drop=True).values)


@pytest.mark.parametrize(("fraction", "marks"), [(0, 1), (1, 2)])
def test_a_given_label_is_marked_where_it_is_wrong(fraction, marks):
    data = make_dataset(TINY.replace(corruption_fraction=fraction, exclude_true_label=True))
    axes = Figure().subplots()
    logit_panel(axes, np.zeros(data.n_labels), data, 0)
    assert len(axes.get_legend_handles_labels()[1]) == marks
