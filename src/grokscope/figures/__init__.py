"""The paper's figures: the runs each needs, and how to draw them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from grokscope.config import Experiment
from grokscope.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib import figure as mpl

    from grokscope.store import Run

Scale = Literal["quick", "paper"]

FAMILIES = {
    1: "curves",
    2: "grokking",
    4: "histograms",
    6: "pruning",
    8: "curves",
    17: "pruning",
    18: "pruning",
    19: "curves",
    23: "logits",
}
"""Which file of this folder draws which figure."""

FORMATS = (".png", ".pdf", ".svg")

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
    """

    title: str
    experiments: tuple[Experiment, ...]
    draw: Callable[[list[Run], str], mpl.Figure]
    quick_steps: int = QUICK_STEPS


def load(number: int) -> Figure:
    """The figure of a number.

    Raises:
        ConfigError: if there is none.

    >>> load(1).title
    'Training curves by weight decay'
    """
    if number not in FAMILIES:
        known = ", ".join(map(str, FAMILIES))
        raise ConfigError(f"`figure` must be one of {known}, got {number}. Use 1 to begin.")
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


def draw(figure: Figure, runs: list[Run], path: Path) -> None:
    """Draw the figure from its runs into a PNG, PDF or SVG file.

    Raises:
        OSError: if it cannot be written.
    """
    from grokscope.figures import style

    full = max(experiment.steps for experiment in figure.experiments)
    steps = max(run.experiment.steps for run in runs)
    note = "" if steps == full else f"quick (paper: {full} steps)"
    with style.context():
        style.save(figure.draw(runs, style.small_print(runs, note)), path)


def check_path(path: Path) -> None:
    """Refuse an output file that could not be written, before anything is trained.

    Raises:
        ConfigError: if the ending is none of `FORMATS`, or the place cannot be written.
    """
    from grokscope.store import require_writable

    if path.suffix.lower() not in FORMATS or path.is_dir():
        raise ConfigError(
            f"`out` must be a file that ends in {', '.join(FORMATS)}, got {str(path)!r}. "
            "Use figure.png."
        )
    require_writable(path.parent, "out")
