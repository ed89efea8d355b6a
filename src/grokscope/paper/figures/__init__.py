"""The paper's figures: the runs each needs, and how to draw them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.paper.grids import load_grid

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib import figure as mpl

    from grokscope.runs.run import Run

Scale = Literal["quick", "paper"]

FAMILIES: dict[int | str, str] = {
    1: "curves",
    2: "grokking",
    3: "diagrams",
    4: "histograms",
    5: "normalization",
    6: "pruning",
    7: "diagrams",
    8: "forgetting",
    9: "diagrams",
    10: "diagrams",
    11: "diagrams",
    12: "embeddings",
    13: "diagrams",
    14: "diagrams",
    15: "embeddings",
    16: "diagrams",
    17: "pruning",
    18: "pruning",
    19: "curves",
    20: "normalization",
    21: "normalization",
    22: "normalization",
    23: "logits",
    24: "diagrams",
    25: "diagrams",
    26: "diagrams",
    27: "diagrams",
    28: "diagrams",
    29: "diagrams",
    30: "diagrams",
    31: "diagrams",
    32: "widths",
    "forgetting": "forgetting",
}
"""Which file of this folder draws which figure; a name is no figure of the paper."""

AXES_IN_WORDS = {"width": "N"}

NOISY = Experiment(corruption_fraction=0.35)
"""The default setting with the label noise of most of the paper's figures."""

QUICK_STEPS = 1000
"""Half the paper's steps, since phases without Forgetting are decided by step 750 (measured)."""


@dataclass(frozen=True)
class Figure:
    """One figure of the paper.

    Attributes:
        title: what it shows, in a line.
        experiments: at the paper's settings and seed 0, in the order in which `draw` takes runs.
        draw: from runs and a line of small print to a Matplotlib figure.
        quick_steps: training steps at the quick scale.
        chosen: values that the paper does not give, in words.
    """

    title: str
    experiments: tuple[Experiment, ...]
    draw: Callable[[list[Run], str], mpl.Figure]
    quick_steps: int = QUICK_STEPS
    chosen: str = ""


QUICK_AXES = {
    "train_fraction": (0.1, 0.3, 0.5, 0.7),
    "corruption_fraction": (0.0, 0.2, 0.4, 0.6, 0.8),
}
"""Rows and columns of a quick phase diagram: cells that refining the paper's begins with too."""


@dataclass(frozen=True)
class SweepFigure:
    """A figure of sweeps, such as phase diagrams.

    Attributes:
        title: what it shows, in a line.
        grids: names in `grid.GRIDS`, in the order in which `draw` takes their datasets.
        draw: from sweeps' datasets and a line of small print to a Matplotlib figure.
        quick_axes: axes at the quick scale; others are as in the paper.
        quick_base: settings at the quick scale, by the name of the grid.
        quick_seeds: seeds at the quick scale.
        quick_settle: whether runs stop when settled at the quick scale.
        chosen: values that the paper does not give, in words.
    """

    title: str
    grids: tuple[str, ...]
    draw: Callable[[list[xr.Dataset], str], mpl.Figure]
    quick_axes: Mapping[str, tuple[float | int, ...]] = field(default_factory=lambda: QUICK_AXES)
    quick_base: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quick_seeds: int | None = None
    quick_settle: bool = True
    chosen: str = ""


def load(number: int | str) -> Figure | SweepFigure:
    """The figure of a number or name.

    Raises:
        ConfigError: if there is none.

    >>> load(1).title
    'Training curves by weight decay'
    """
    if number not in FAMILIES:
        known = ", ".join(map(str, FAMILIES))
        raise ConfigError(f"`figure` must be one of {known}, got {number!r}. Use 1 to begin.")
    module = import_module(f"{__name__}.{FAMILIES[number]}")
    return module.FIGURES[number]


def experiments(figure: Figure, scale: Scale = "paper", seed: int = 0) -> list[Experiment]:
    """What the figure needs trained.

    >>> [e.optimizer.weight_decay for e in experiments(load(1), "quick")]
    [0.0, 5.0, 15.0]
    """
    chosen = [experiment.replace(seed=seed) for experiment in figure.experiments]
    if scale == "quick":
        return [experiment.replace(steps=figure.quick_steps) for experiment in chosen]
    return chosen


def grids(figure: SweepFigure, scale: Scale = "paper", seed: int = 0) -> dict[str, Grid]:
    """The sweeps that the figure needs, by name; the quick ones are coarse and stop when settled.

    >>> [grid.size for grid in grids(load(3), "quick").values()]
    [60, 60]
    """

    def seeds(count: Sequence[int] | int | None) -> Any:
        """So many, or these, from the root seed on."""
        chosen = range(count) if isinstance(count, int) else count
        return None if chosen is None else tuple(seed + other for other in chosen)

    named = {}
    for name in figure.grids:
        grid = load_grid(name)
        named[name] = grid.replace(base=grid.base.replace(seed=seed), seeds=seeds(grid.seeds))
    if scale == "paper":
        return named
    return {
        name: grid.replace(
            base=grid.base.replace(settle=figure.quick_settle, **figure.quick_base.get(name, {})),
            axes={**grid.axes, **_known(figure.quick_axes, grid)},
            seeds=seeds(figure.quick_seeds),
        )
        for name, grid in named.items()
    }


def _known(axes: Mapping[str, tuple[float | int, ...]], grid: Grid) -> dict[str, Any]:
    return {name: values for name, values in axes.items() if name in grid.axes}


def sweep_data(
    name: str,
    scale: Scale,
    store: str | Path,
    results: str | Path,
    train: bool = True,
    workers: int | None = None,
    progress: bool = True,
) -> xr.Dataset | None:
    """A sweep of the paper by name: as exported to `results`, or else trained into `store`.

    At the quick scale what is trained is the coarse sweep of the first figure that shows it. None
    if there is no export and nothing is to be trained.

    Raises:
        ConfigError: if the store cannot be written.
        StoreError: if the export is damaged.
        WorkerError: if it cannot be trained.
    """
    from grokscope.sweeps.archive import load_sweep
    from grokscope.sweeps.sweep import sweep

    exported = Path(results) / f"{name}.nc"
    if exported.exists():
        return load_sweep(exported)
    if not train:
        return None
    return sweep(grids(figure_of(name), scale)[name], store, workers=workers, progress=progress)


def figure_of(sweep: str) -> SweepFigure:
    """The first figure that shows a sweep of the paper.

    >>> figure_of("figure31").title
    'Phase diagrams of modular multiplication'
    """
    figures = (figure for figure in map(load, FAMILIES) if isinstance(figure, SweepFigure))
    return next(figure for figure in figures if sweep in figure.grids)


def quick_name(sweep: str) -> str:
    """What to call the quick scale's sweep: its name, and settings that the paper's has not.

    >>> quick_name("figure29")
    'figure29 (width = 2000)'
    """
    changed = figure_of(sweep).quick_base.get(sweep, {})
    words = ", ".join(f"{name} = {value}" for name, value in changed.items())
    return f"{sweep} ({words})" if words else sweep


def quick_note(figure: SweepFigure) -> str:
    """What the small print of a quick figure says of the paper's.

    >>> quick_note(load(29))
    'quick (paper: 4 × 17 × 19 × 1 networks, N = 5000)'
    """
    grid = load_grid(figure.grids[0])
    sizes = " × ".join(map(str, grid.sizes.values()))
    words = [f"paper: {sizes} networks"]
    for name, settings in figure.quick_base.items():
        whole = load_grid(name).base
        values = whole.model_dump() | whole.model.model_dump()
        words += [f"{AXES_IN_WORDS.get(s, s)} = {values[s]}" for s in settings]
    return f"quick ({', '.join(dict.fromkeys(words))})"


def note_of(figure: Figure | SweepFigure, quick: str = "") -> str:
    """The end of a figure's small print: how quick it is, and which of its values are ours."""
    chosen = f"chosen here, not given by the paper: {figure.chosen}" if figure.chosen else ""
    return " · ".join(words for words in (quick, chosen) if words)


def draw_sweeps(
    draw: Callable[[list[xr.Dataset], str], mpl.Figure],
    sweeps: list[xr.Dataset],
    path: Path,
    note: str = "",
) -> None:
    """Draw sweeps' datasets, as a figure's `draw` does, into a PNG, PDF or SVG file.

    The small print ends with `note`.

    Raises:
        OSError: if it cannot be written.
    """
    from grokscope.plotting import style
    from grokscope.plotting.panels import sweep_print

    with style.context():
        words = [sweep_print(sweeps), *([note] if note else [])]
        style.save(draw(sweeps, " · ".join(words)), path)


def draw(figure: Figure, runs: list[Run], path: Path) -> None:
    """Draw the figure from its runs into a PNG, PDF or SVG file.

    Raises:
        OSError: if it cannot be written.
    """
    from grokscope.plotting import style

    full = max(experiment.steps for experiment in figure.experiments)
    steps = max(run.experiment.steps for run in runs)
    note = note_of(figure, "" if steps == full else f"quick (paper: {full} steps)")
    with style.context():
        style.save(figure.draw(runs, style.small_print(runs, note)), path)
