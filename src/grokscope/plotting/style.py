"""One look for every picture: settings of Matplotlib, sizes, legends, small print, and saving."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import (
    MaxNLocator,
    NullFormatter,
    PercentFormatter,
    SymmetricalLogLocator,
)

from grokscope.plotting.palette import DIVERGING, SEQUENTIAL
from grokscope.runs.files import write_atomically

LOW_TO_HIGH = LinearSegmentedColormap.from_list("low to high", SEQUENTIAL)
AROUND_ZERO = LinearSegmentedColormap.from_list("around zero", DIVERGING)

FORMATS = (".png", ".pdf", ".svg")
"""Endings of pictures."""

SETTINGS = {
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
    "axes.formatter.limits": (-2, 4),
    "axes.formatter.use_mathtext": True,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "grokscope",
    "savefig.dpi": 200,
}


context = mpl.rc_context(SETTINGS)  # type: ignore[arg-type]
"""Matplotlib with this project's settings: a decorator of every function that draws."""


class Picture(Figure):
    """A Matplotlib figure that keeps this project's settings when it is drawn later.

    Matplotlib reads the settings of ticks and fonts only when it draws, which may be long after
    the function that made the figure has returned: in a notebook, or in `savefig`. Such a figure
    needs neither pyplot nor a display; a notebook shows it if it is the value of a cell.
    """

    draw = context(Figure.draw)
    savefig = context(Figure.savefig)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=self.dpi)
        return buffer.getvalue()


def panels(
    rows: int,
    columns: int,
    height: float = 1.9,
    sharex: bool | Literal["row", "col"] = False,
    sharey: bool | Literal["row", "col"] = False,
) -> tuple[Picture, np.ndarray]:
    """A figure as wide as a page's text, or half as wide for one column.

    Args:
        rows: how many panels stand below each other.
        columns: how many panels stand beside each other.
        height: of a row, in inches.
        sharex: which panels have the same horizontal axis.
        sharey: which panels have the same vertical axis.

    Returns:
        The figure, and its axes as an array [row, column].
    """
    size = min(7.0, 3.5 * columns), rows * height + 0.35
    figure = Picture(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)


NO_BREAK = "\N{NO-BREAK SPACE}"
PRINT_PER_INCH = 22
"""Characters of small print; Matplotlib's own wrapping leaves no margin."""

ENTRY_INCHES = 1.4
"""Width of a legend's entry at most."""

LINES = 2
"""Lines of a legend, and of small print, for which `panels` leaves room."""

LEGEND_LINE, PRINT_LINE = 0.16, 0.1
"""Inches by which a figure grows with every further line of either, so that its panels do not
shrink."""


def legend(figure: Figure, handles: Sequence[Artist], handlelength: float | None = None) -> None:
    """Add one legend above all panels, in as many lines as its entries need, if it has any."""
    if handles:
        most = max(1, int(figure.get_figwidth() / ENTRY_INCHES))
        lines = ceil(len(handles) / most)
        ncols = ceil(len(handles) / lines)
        _grow(figure, (lines - LINES) * LEGEND_LINE)
        where = "outside upper center"
        figure.legend(handles=handles, loc=where, ncols=ncols, handlelength=handlelength)


def legend_above(axes: Axes, columns: int) -> None:
    """Put a panel's legend between its title and its frame, where it covers no curve."""
    shown = axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1), ncols=columns, borderaxespad=0, borderpad=0.2,
        frameon=False, handlelength=2, columnspacing=1,
    )  # fmt: skip
    lines = ceil(len(shown.get_texts()) / columns)
    axes.set_title(axes.get_title(), pad=6 + 11 * lines)


def finish(figure: Picture, small_print: str, axes: Axes | None = None) -> Picture:
    """Add the legend of `axes` above all panels, and the small print below them."""
    if axes is not None:
        legend(figure, axes.get_legend_handles_labels()[0])
    whole = [item.replace(" ", NO_BREAK) for item in small_print.split(" · ")]
    width = round(PRINT_PER_INCH * figure.get_figwidth())
    lines = textwrap.fill(f"{NO_BREAK}· ".join(whole), width).replace(NO_BREAK, " ")
    _grow(figure, (lines.count("\n") + 1 - LINES) * PRINT_LINE)
    figure.supxlabel(lines, fontsize=5.5, color="#666666")
    return figure


def _grow(figure: Figure, inches: float) -> None:
    figure.set_figheight(figure.get_figheight() + max(0, inches))


def save(figure: Figure, path: Path) -> None:
    """Write a figure as the path's ending says, whole or not at all, and without its date.

    Raises:
        OSError: if the file cannot be written.
    """
    buffer = io.BytesIO()
    kind = path.suffix[1:].lower()
    dates = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    figure.savefig(buffer, format=kind, metadata=dates.get(kind, {}))
    write_atomically(path, buffer.getvalue())


def percent(axes: Axes, axis: str = "y") -> None:
    """Ticks in percent on an axis of fractions from 0 to 1."""
    which = axes.yaxis if axis == "y" else axes.xaxis
    which.set_major_formatter(PercentFormatter(1, decimals=0))


def whole_numbers(axes: Axes, axis: str) -> None:
    """Ticks at whole numbers alone, on an axis of counts, ranks or frequencies."""
    which = axes.yaxis if axis == "y" else axes.xaxis
    which.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def log_steps(axes: Axes, first: int, last: int, scale: str = "log", **settings: float) -> None:
    """Ticks for steps, on a logarithmic axis if the last step is at least ten times the first.

    Where fewer than two powers of ten lie between, 2 and 5 of each have ticks too.
    """
    if last >= 10 * first:
        axes.set_xscale(scale, **settings)
        subs = [1, 2, 5] if last < 100 * max(first, 1) else [1]
        axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=subs))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter("{x:,.0f}")


def letter(index: int) -> str:
    """(a), (b), …"""
    return f"({chr(ord('a') + index)})"
