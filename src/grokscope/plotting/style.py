"""One look for every figure: colours that survive greyscale and colour-blindness, small print."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from grokscope.experiment.experiment import Experiment
from grokscope.measures.phases import Phase
from grokscope.plotting.wording import words_of
from grokscope.runs.files import write_atomically
from grokscope.runs.run import Run

# Okabe and Ito's palette; beside colour, each line has its own dashes and lightness.
BLUE, ORANGE, GREEN, RED, BLACK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#222222"

LINES: dict[str, dict[str, Any]] = {
    "train_accuracy": {"color": ORANGE, "ls": "-", "label": "train"},
    "test_accuracy": {"color": BLUE, "ls": "--", "label": "test"},
    "corrupted_accuracy": {"color": RED, "ls": ":", "label": "train, corrupted"},
    "uncorrupted_accuracy": {"color": BLACK, "ls": "-.", "label": "train, uncorrupted"},
    "train_loss": {"color": ORANGE, "ls": "-", "label": "train"},
    "test_loss": {"color": BLUE, "ls": "--", "label": "test"},
}

FORMATS = (".png", ".pdf", ".svg")
"""Endings of pictures."""

SETTINGS: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.5,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.fontsize": 7.5,
    "legend.handlelength": 2.6,
    "figure.constrained_layout.use": True,
    "axes.formatter.limits": (-2, 4),
    "axes.formatter.use_mathtext": True,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "grokscope",
    "savefig.dpi": 200,
}


@contextmanager
def context() -> Iterator[None]:
    """Matplotlib with this project's settings and without a display."""
    backend = mpl.get_backend()
    plt.switch_backend("agg")
    try:
        with plt.rc_context(SETTINGS):
            yield
    finally:
        plt.switch_backend(backend)


def panels(rows: int, columns: int, height: float = 1.9, **options: Any) -> tuple[Figure, Any]:
    """A figure as wide as a page's text, or half as wide for one column, and its axes in 2-D."""
    size = min(7.0, 3.5 * columns), rows * height + 0.35
    return plt.subplots(rows, columns, figsize=size, squeeze=False, **options)


NO_BREAK = "\N{NO-BREAK SPACE}"
PRINT_PER_INCH = 22
"""Characters of small print; Matplotlib's own wrapping leaves no margin."""

ENTRY_INCHES = 1.4
"""Width of a legend's entry at most."""


def legend(figure: Figure, handles: Sequence[Artist], **look: Any) -> None:
    """Add one legend above all panels, in as many lines as its entries need; none without any."""
    if handles:
        lines = ceil(len(handles) * ENTRY_INCHES / figure.get_figwidth())
        ncols = ceil(len(handles) / lines)
        figure.legend(handles=handles, loc="outside upper center", ncols=ncols, **look)


def finish(figure: Figure, print_: str, axes: Axes | None = None) -> Figure:
    """Add the legend of `axes` above all panels, and the small print below."""
    if axes is not None:
        legend(figure, axes.get_legend_handles_labels()[0])
    whole = [item.replace(" ", NO_BREAK) for item in print_.split(" · ")]
    width = round(PRINT_PER_INCH * figure.get_figwidth())
    lines = textwrap.fill(f"{NO_BREAK}· ".join(whole), width).replace(NO_BREAK, " ")
    figure.supxlabel(lines, fontsize=5.5, color="#666666")
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write the figure whole or not at all, in the format of the path's ending; then close it."""
    buffer = io.BytesIO()
    kind = path.suffix[1:].lower()
    dates = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    figure.savefig(buffer, format=kind, metadata=dates.get(kind, {}))
    plt.close(figure)
    write_atomically(path, buffer.getvalue())


def percent(axes: Axes, axis: str = "y") -> None:
    """Ticks in percent on an axis of fractions from 0 to 1."""
    which = axes.yaxis if axis == "y" else axes.xaxis
    which.set_major_formatter(PercentFormatter(1, decimals=0))


def letter(index: int) -> str:
    """(a), (b), …"""
    return f"({chr(ord('a') + index)})"


def phase_title(run: Run) -> str:
    """The run's phase as the paper prints it."""
    phase = run.phase()
    return f"diverged at step {run.failed_at}" if phase == Phase.DIVERGED else phase.title


def title(run: Run, runs: list[Run]) -> str:
    """What is special to the run, and its phase: "wd = 5: Coexistence".

    Named is what differs among the figure's runs; if nothing does, the run's regularisation.
    """
    everyone = [_strengths(other.experiment) for other in runs]
    own = _strengths(run.experiment)
    differing = {name: own[name] for name in own if len({s[name] for s in everyone}) > 1}
    present = {name: own[name] for name in ("wd", "dp") if own[name]}
    named = differing or present or {"wd": 0.0}
    words = ", ".join(f"{name} = {strength:g}" for name, strength in named.items())
    return f"{words}: {phase_title(run)}"


def _strengths(experiment: Experiment) -> dict[str, float]:
    return {
        "wd": experiment.weight_decay,
        "dp": experiment.dropout,
        "α": experiment.train_fraction,
    }


def small_print(runs: list[Run], note: str = "") -> str:
    """The settings that the runs share, in a line or two; what differs stands on the panels."""
    words = words_of([run.experiment for run in runs])
    return " · ".join([*words, *([note] if note else [])])
