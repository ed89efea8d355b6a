"""Pictures of sweeps: phase diagrams, with accuracies above and histograms of IPR below."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from math import prod

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator

from grokscope.errors import ConfigError
from grokscope.plotting import style
from grokscope.plotting.palette import BLUE, PALE, PHASE_COLORS
from grokscope.plotting.panels import sweep_print
from grokscope.plotting.wording import SYMBOLS, axis_label, format_setting
from grokscope.sweeps.boundary import Boundary, boundaries
from grokscope.sweeps.diagram import PHASES, ascends, phase_diagram
from grokscope.sweeps.refine import UNKNOWN

ACCURACIES = {"train_accuracy": "train accuracy", "test_accuracy": "test accuracy"}

TICKS = 5
"""At most so many values stand along an axis, each at the middle of its cells."""


def panels_of(diagram: xr.Dataset) -> list[dict[str, int]]:
    """The indices of every panel along all dimensions but the last two, by dimension.

    Raises:
        ConfigError: if there are not two dimensions, for rows and columns.
    """
    if diagram.phase.ndim < 2:
        raise ConfigError(
            f"a diagram must have two axes, got {list(diagram.phase.dims)}. Sweep another."
        )
    names = list(map(str, diagram.phase.dims[:-2]))
    shape = [diagram.sizes[name] for name in names]
    return [dict(zip(names, place, strict=True)) for place in np.ndindex(*shape)]


TITLES = 88
"""Characters of the titles of all panels, which stand beside each other."""


def panel_title(diagram: xr.Dataset, place: dict[str, int]) -> str:
    """The panel's settings, as in "wd = 5"; in symbols where panels are narrow, as in "ξ = 0.1"."""
    n_panels, words = prod(diagram.sizes[name] for name in place), []
    width = max(TITLES // n_panels, 12)
    for name, index in place.items():
        text = format_setting(diagram[name].values[index].item())
        symbol = SYMBOLS.get(name) if n_panels > 2 else None
        item = f"{symbol or axis_label(name)} = {text}"
        words.append(textwrap.fill(item, width, break_long_words=False))
    return ", ".join(words)


UNEVEN = 4
"""The largest gap between an axis's values may be so many times the smallest if the axis is drawn
to scale. Drawn to scale, the first two of 0.02, 0.05, 0.2 and 0.6 could not be told apart."""


def is_scale(values: np.ndarray) -> bool:
    """Whether an axis is drawn to scale: its values are ascending numbers, nearly evenly spaced."""
    if len(values) < 2 or not ascends(values):
        return False
    gaps = np.diff(values)
    return bool(gaps.max() <= UNEVEN * gaps.min())


def positions(values: np.ndarray) -> np.ndarray:
    """The middles of cells: at the values if these are drawn to scale, and otherwise one apart."""
    return values if is_scale(values) else np.arange(len(values))


def edges(values: np.ndarray) -> np.ndarray:
    """The edges of cells around their `positions`."""
    if not is_scale(values):
        return np.arange(len(values) + 1) - 0.5
    middles = (values[:-1] + values[1:]) / 2
    first, last = 2 * values[0] - middles[0], 2 * values[-1] - middles[-1]
    return np.array([first, *middles, last])


def phase_panel(
    axes: Axes, diagram: xr.Dataset, place: dict[str, int], found: list[Boundary]
) -> None:
    """Draw one diagram: colours for phases, paler where inferred, with boundaries' intervals.

    Where seeds differ, a square in the cell has the colour of the second most frequent phase and
    covers the share of the cell's area that it has of the seeds.
    """
    panel = diagram.isel(place)
    rows, columns = map(str, panel.phase.dims)
    ys, xs = positions(panel[rows].values), positions(panel[columns].values)
    palette = np.array([to_rgb(PHASE_COLORS[phase]) for phase in PHASES] + [to_rgb("white")])
    colors = palette[panel.phase.values]  # UNKNOWN, -1, is the last
    pale = panel.inferred.values[..., None] * PALE
    colors = colors * (1 - pale) + pale
    _mesh(axes, panel, rows, columns, colors)
    for cell in np.argwhere(panel.phase.values == UNKNOWN):
        axes.plot(xs[cell[1]], ys[cell[0]], marker="x", color="#999999", ms=2, lw=0)
    _second_phases(axes, panel, edges(panel[rows].values), edges(panel[columns].values))
    of_panel = [one for one in found if {name: one.row[name] for name in place} == place]
    _boundary_bars(axes, of_panel, rows, panel[rows].values)
    axes.set_xlim(*edges(panel[columns].values)[[0, -1]])


SHIFT = 0.25
"""By so much of a row's height bars that meet lie above and below its middle, in turn."""


def _boundary_bars(axes: Axes, found: list[Boundary], rows: str, values: np.ndarray) -> None:
    """The intervals of a panel's boundaries, row by row."""
    ys, heights = positions(values), np.diff(edges(values))
    for row, of_row in groupby(found, lambda one: one.row[rows]):
        bars = [*of_row]
        meet = [right.low <= left.high for left, right in pairwise(bars)]
        for number, bar in enumerate(bars):
            is_shifted = any(meet[max(number - 1, 0) : number + 1])
            y = ys[row] + is_shifted * (-1) ** number * SHIFT * heights[row]
            axes.plot([bar.low, bar.high], [y, y], color="white", lw=1.6)
            axes.plot([bar.low, bar.high], [y, y], color="black", lw=0.8)
            axes.plot(bar.position, y, "|", color="black", ms=3)


def _second_phases(axes: Axes, panel: xr.Dataset, y: np.ndarray, x: np.ndarray) -> None:
    share = np.nan_to_num(panel.frequency.values)
    order = np.argsort(-share, axis=-1, kind="stable")[..., 1]
    second = np.take_along_axis(share, order[..., None], axis=-1)[..., 0]
    for row, column in np.argwhere(second > 0).tolist():
        side = float(np.sqrt(second[row, column]))
        width, height = side * float(x[column + 1] - x[column]), side * float(y[row + 1] - y[row])
        left = float(x[column] + x[column + 1] - width) / 2
        bottom = float(y[row] + y[row + 1] - height) / 2
        color = PHASE_COLORS[PHASES[order[row, column]]]
        axes.add_patch(Rectangle((left, bottom), width, height, fc=color, ec="white", lw=0.3))


def _mesh(
    axes: Axes, panel: xr.Dataset | xr.DataArray, rows: str, columns: str, cells: np.ndarray
) -> QuadMesh:
    """Draw a cell for each colour, or for each number from 0 to 1, and label the axes."""
    x, y = edges(panel[columns].values), edges(panel[rows].values)
    drawn = axes.pcolormesh(x, y, cells, rasterized=True, vmin=0, vmax=1)
    axes.grid(False)
    axes.set_xlabel(axis_label(columns))
    for name, axis in ((rows, axes.yaxis), (columns, axes.xaxis)):
        values = panel[name].values
        if is_scale(values):
            axis.set_major_locator(FixedLocator(values.tolist(), TICKS))
        else:
            axis.set_ticks(positions(values), [format_setting(value) for value in values.tolist()])
    return drawn


LAYERS = {"first": "input", "last": "output"}


def histogram_panel(axes: Axes, panel: xr.Dataset, layer: int, at: Mapping[str, float]) -> None:
    """Draw the IPR of a layer's live units at one cell, over all seeds.

    IPR still grows after a phase has settled, so the panel says at which step training stopped.
    """
    cell = panel.sel(at, method="nearest")
    counts = cell.ipr_histogram.isel(layer=layer).sum("seed", min_count=1).values
    if np.isfinite(counts).all():
        width = 1 / len(counts)
        axes.bar(cell.ipr_bin, counts, width, color=BLUE, ec="white", lw=0.3)
    else:
        axes.text(0.5, 0.5, "not trained", transform=axes.transAxes, ha="center", fontsize=7)
    where = f"α = {float(cell.train_fraction):g}, ξ = {float(cell.corruption_fraction):g}"
    stopped = cell.settled_at.dropna("seed").values
    if stopped.size:
        ends = np.unique([stopped.min(), stopped.max()])
        words = "step " + "–".join(f"{step:g}" for step in ends)
        axes.text(0.5, 0.95, words, transform=axes.transAxes, ha="center", va="top", fontsize=7)
    axes.set(title=where, xlabel="IPR", xlim=(0, 1))


@style.context
def plot_phases(
    sweeps: xr.Dataset | Sequence[xr.Dataset],
    with_accuracies: bool = False,
    *,
    ipr_of: Sequence[int] = (),
    ipr_at: Mapping[str, float] | None = None,
    note: str = "",
    **thresholds: float,
) -> style.Picture:
    """Draw the phase diagrams of a sweep, or of several below each other.

    Args:
        sweeps: a sweep's dataset, or several.
        with_accuracies: whether train and test accuracy are drawn above the phases.
        ipr_of: layers whose histograms of IPR are drawn below the phases: 0 is the input's, -1
            the output's.
        ipr_at: train and corruption fraction of the networks in the histograms.
        note: the end of the small print.
        thresholds: as in `classify`.

    Returns:
        A Matplotlib figure: a panel for each value of the first axes. A notebook shows it;
        `savefig` saves it.

    Raises:
        ConfigError: if a sweep has fewer than two axes.
    """
    sweeps = [sweeps] if isinstance(sweeps, xr.Dataset) else list(sweeps)
    diagrams = [phase_diagram(data, **thresholds) for data in sweeps]
    kinds = [*(ACCURACIES if with_accuracies else ()), "phase", *ipr_of]
    n_columns = max(len(panels_of(diagram)) for diagram in diagrams)
    figure, grid = style.panels(
        len(sweeps) * len(kinds), n_columns, height=1.75, sharex="row", sharey="row"
    )
    blocks = grid.reshape(len(sweeps), len(kinds), n_columns)
    intervals = [
        _with_interval(boundaries(data, **thresholds), diagram)
        for data, diagram in zip(sweeps, diagrams, strict=True)
    ]
    parts = zip(blocks, sweeps, diagrams, intervals, strict=True)
    for number, (block, data, diagram, found) in enumerate(parts):
        if len(sweeps) > 1:
            block[0, 0].set_title(style.letter(number), loc="left")
        for kind, row in zip(kinds, block, strict=True):
            for axes in row[len(panels_of(diagram)) :]:
                axes.set_visible(False)
            if kind == "phase":
                _phase_row(row, diagram, found, "phase\n" if with_accuracies else "")
            elif isinstance(kind, str):
                _accuracy_row(figure, row, diagram, data[kind].mean("seed"), ACCURACIES[kind])
            else:
                _ipr_row(row, diagram, data, kind, ipr_at or {})
    style.legend(figure, _phase_legend(diagrams, any(intervals)), handlelength=1.0)
    shapes = dict.fromkeys(" × ".join(map(str, diagram.phase.shape[-2:])) for diagram in diagrams)
    words = [f"{' and '.join(shapes)} cells a panel", *([note] if note else [])]
    return style.finish(figure, sweep_print(sweeps, " · ".join(words)))


def _with_interval(found: list[Boundary], diagram: xr.Dataset) -> list[Boundary]:
    """The boundaries that have an interval over seeds; none if columns are not drawn to scale."""
    columns = diagram[diagram.phase.dims[-1]].values
    return [one for one in found if np.isfinite(one.low)] if is_scale(columns) else []


def _phase_row(row: np.ndarray, diagram: xr.Dataset, found: list[Boundary], prefix: str) -> None:
    for axes, place in zip(row, panels_of(diagram), strict=False):
        phase_panel(axes, diagram, place, found)
        axes.set_title(panel_title(diagram, place))
    name = str(diagram.phase.dims[-2])
    row[0].set_ylabel(prefix + axis_label(name))


def _accuracy_row(
    figure: Figure, row: np.ndarray, diagram: xr.Dataset, accuracy: xr.DataArray, label: str
) -> None:
    rows, columns = map(str, diagram.phase.dims[-2:])
    mesh = None
    for axes, place in zip(row, panels_of(diagram), strict=False):
        panel = accuracy.isel(place)
        mesh = _mesh(axes, panel, rows, columns, panel.values)
        axes.set_facecolor("#eeeeee")
        axes.set_title(panel_title(diagram, place))
    row[0].set_ylabel(f"{label}\n{axis_label(rows)}")
    assert mesh is not None
    bar = figure.colorbar(mesh, ax=list(row), fraction=0.02, pad=0.01)
    style.percent(bar.ax)


def _ipr_row(
    row: np.ndarray, diagram: xr.Dataset, data: xr.Dataset, layer: int, at: Mapping[str, float]
) -> None:
    for axes, place in zip(row, panels_of(diagram), strict=False):
        histogram_panel(axes, data.isel(place), layer, at)
    name = data.layer.values[layer]
    row[0].set_ylabel(f"{LAYERS.get(name, name)} layer\nunits")


def _phase_legend(diagrams: Sequence[xr.Dataset], with_intervals: bool) -> list[Artist]:
    """An entry for each phase that is shown, and for what squares, bars and pale cells mean."""
    shown = {code for diagram in diagrams for code in np.unique(diagram.phase.values).tolist()}
    entries: list[Artist] = [
        Patch(color=PHASE_COLORS[phase], label=phase.title)
        for code, phase in enumerate(PHASES)
        if code in shown
    ]
    if any(((diagram.frequency > 0).sum("code") > 1).any() for diagram in diagrams):
        entries.append(Patch(fc="none", ec="#888888", lw=0.5, label="square: other seeds"))
    if with_intervals:
        label = "bar: boundary, 95 % over seeds"
        entries.append(Line2D([], [], color="black", lw=0.8, marker="|", ms=3, label=label))
    if any(diagram.inferred.any() for diagram in diagrams):
        entries.append(Patch(fc="#dddddd", ec="#888888", lw=0.5, label="paler: inferred"))
    return entries
