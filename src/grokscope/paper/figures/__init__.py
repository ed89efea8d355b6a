"""The paper's figures. Each file of this folder has some in a table `FIGURES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Literal

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.paper.grids import grid

if TYPE_CHECKING:
    import xarray as xr

    from grokscope.plotting.style import Picture
    from grokscope.runs.run import Run

Scale = Literal["quick", "paper"]

QUICK_STEPS = 1000
"""Half the paper's steps, since phases without Forgetting are decided by step 750 (measured)."""

QUICK_AXES = {
    "train_fraction": (0.1, 0.3, 0.5, 0.7),
    "corruption_fraction": (0.0, 0.2, 0.4, 0.6, 0.8),
}
"""Rows and columns of a quick phase diagram: cells that refining the paper's begins with too."""

SETTINGS_IN_WORDS = {"width": "N"}


@dataclass(frozen=True)
class RunFigure:
    """A figure of single networks.

    Attributes:
        title: what it shows, in a line.
        caption: what there is to see, in our words.
        experiments: at the paper's settings and seed 0, in the order in which `plot` takes runs.
        plot: draws the runs; it takes them and the end of the small print.
        quick_steps: training steps at the quick scale.
        chosen: values that the paper does not give, in words.
    """

    title: str
    caption: str
    experiments: tuple[Experiment, ...]
    plot: Callable[[list[Run], str], Picture]
    quick_steps: int = QUICK_STEPS
    chosen: str = ""

    def experiments_at(self, scale: Scale = "paper", seed: int = 0) -> list[Experiment]:
        """What the figure needs trained.

        >>> [e.weight_decay for e in load(1).experiments_at("quick")]
        [0.0, 5.0, 15.0]
        """
        seeded = [experiment.replace(seed=seed) for experiment in self.experiments]
        if scale == "paper":
            return seeded
        return [experiment.replace(steps=self.quick_steps) for experiment in seeded]

    def note(self, scale: Scale) -> str:
        """The end of the small print: how quick the figure is, and which values are chosen."""
        full = max(experiment.steps for experiment in self.experiments)
        is_quick = scale == "quick" and self.quick_steps != full
        return _note(f"quick (paper: {full} steps)" if is_quick else "", self.chosen)


@dataclass(frozen=True)
class SweepFigure:
    """A figure of sweeps, such as phase diagrams.

    Attributes:
        title: what it shows, in a line.
        caption: what there is to see, in our words.
        grids: names of the paper's sweeps, in the order in which `plot` takes their datasets.
        plot: draws the sweeps' datasets; it takes them and `note`, the end of the small print.
        quick_axes: axes at the quick scale; others are as in the paper.
        quick_base: settings at the quick scale, by the name of the grid.
        quick_seeds: seeds at the quick scale.
        quick_settle: whether runs stop when settled at the quick scale.
        chosen: values that the paper does not give, in words.
    """

    title: str
    caption: str
    grids: tuple[str, ...]
    plot: Callable[..., Picture]
    quick_axes: Mapping[str, tuple[float | int | str, ...]] = field(
        default_factory=lambda: QUICK_AXES
    )
    quick_base: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    quick_seeds: int | None = None
    quick_settle: bool = True
    chosen: str = ""

    def grids_at(self, scale: Scale = "paper", seed: int = 0) -> dict[str, Grid]:
        """The sweeps that the figure needs, by name; the quick ones are coarse.

        >>> [grid.size for grid in load(3).grids_at("quick").values()]
        [60, 60]
        """
        named = {name: _seeded(grid(name), seed) for name in self.grids}
        if scale == "paper":
            return named
        return {name: self._quick(name, paper, seed) for name, paper in named.items()}

    def _quick(self, name: str, paper: Grid, seed: int) -> Grid:
        coarse = {axis: values for axis, values in self.quick_axes.items() if axis in paper.axes}
        changed: dict[str, Any] = dict(self.quick_base.get(name, {}))
        return paper.replace(
            base=paper.base.replace(settle=self.quick_settle, **changed),
            axes={**paper.axes, **coarse},
            seeds=_seeds(self.quick_seeds, seed),
        )

    def note(self, scale: Scale, sweeps: Sequence[xr.Dataset] = ()) -> str:
        """The end of the small print: what the figure lacks of the paper's, and chosen values.

        Args:
            scale: how quick the figure is.
            sweeps: the datasets that it shows, of which exports may be coarser than the paper's.

        >>> load(3).note("quick")
        'quick (paper: 4 × 17 × 19 × 1 networks)'
        """
        wanted = [grid(name).sizes for name in self.grids]
        words = [f"paper: {' × '.join(map(str, wanted[0].values()))} networks"]
        if scale == "paper":
            pairs = zip(wanted, sweeps, strict=False)
            is_coarse = any(
                data.sizes.get(n, 1) < size for sizes, data in pairs for n, size in sizes.items()
            )
            return _note(words[0] if is_coarse else "", self.chosen)
        for name, settings in self.quick_base.items():
            base = grid(name).base
            values = base.model_dump() | base.model.model_dump()
            words += [f"{SETTINGS_IN_WORDS.get(s, s)} = {values[s]}" for s in settings]
        return _note(f"quick ({', '.join(dict.fromkeys(words))})", self.chosen)


def _note(quick: str, chosen: str) -> str:
    chosen = f"chosen here, not given by the paper: {chosen}" if chosen else ""
    return " · ".join(words for words in (quick, chosen) if words)


def _seeded(paper: Grid, seed: int) -> Grid:
    """The grid with `seed` added to its seeds."""
    if not seed:
        return paper
    return paper.replace(base=paper.base.replace(seed=seed), seeds=_seeds(paper.seeds, seed))


def _seeds(count: Sequence[int] | int | None, seed: int) -> tuple[int, ...] | None:
    """So many seeds, or these, counted from `seed` on."""
    chosen = range(count) if isinstance(count, int) else count
    return None if chosen is None else tuple(seed + other for other in chosen)


@cache
def figures() -> dict[int | str, RunFigure | SweepFigure]:
    """All figures by number; a name, which comes last, is of a figure that the paper has not."""
    found = {}
    for file in iter_modules(__path__):
        found |= import_module(f"{__name__}.{file.name}").FIGURES
    return dict(sorted(found.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def load(number: int | str) -> RunFigure | SweepFigure:
    """The figure of a number or name.

    Raises:
        ConfigError: if there is none.

    >>> load(1).title
    'Training curves by weight decay'
    """
    return figures()[number_of(number)]


def number_of(name: int | str) -> int | str:
    """A figure's number or name, which may be given in letters.

    Raises:
        ConfigError: if there is no such figure.
    """
    known = {str(number): number for number in figures()}
    if str(name).strip() not in known:
        raise ConfigError(
            f"`figure` must be one of {', '.join(known)}, got {name!r}. Use 1 to begin."
        )
    return known[str(name).strip()]


def figure_of(sweep: str) -> SweepFigure:
    """The first figure that shows a sweep of the paper.

    >>> figure_of("figure31").title
    'Phase diagrams of modular multiplication'
    """
    of_sweeps = (figure for figure in figures().values() if isinstance(figure, SweepFigure))
    return next(figure for figure in of_sweeps if sweep in figure.grids)


def quick_name(sweep: str) -> str:
    """What to call the quick scale's sweep: its name, and settings that the paper's has not.

    >>> quick_name("figure29")
    'figure29 (width = 2000)'
    """
    changed = figure_of(sweep).quick_base.get(sweep, {})
    words = ", ".join(f"{name} = {value}" for name, value in changed.items())
    return f"{sweep} ({words})" if words else sweep
