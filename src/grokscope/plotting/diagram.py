"""Phase diagrams of sweeps, with accuracies above and histograms of IPR below if wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator

from grokscope.errors import ConfigError
from grokscope.plotting import style
from grokscope.plotting.wording import AXIS_LABELS, COLORS, PALE, short
from grokscope.sweeps.diagram import PHASES, Boundary, ascends, boundaries, phase_diagram
from grokscope.sweeps.refine import UNKNOWN

ACCURACIES = {"train_accuracy": "train accuracy", "test_accuracy": "test accuracy"}

TICKS = 5
"""At most so many values stand along an axis, each at the middle of its cells."""


def panels_of(diagram: xr.Dataset) -> list[dict[str, int]]:
    """The place of every panel along all dimensions but the last two.

    Raises:
        ConfigError: if there are not two dimensions for rows and columns.
    """
    if diagram.phase.ndim < 2:
        raise ConfigError(
            f"a diagram must have two axes, got {list(diagram.phase.dims)}. Sweep another."
        )
    names = list(map(str, diagram.phase.dims[:-2]))
    shape = [diagram.sizes[name] for name in names]
    return [dict(zip(names, place, strict=True)) for place in np.ndindex(*shape)]


def panel_title(diagram: xr.Dataset, place: dict[str, int]) -> str:
    """The panel's settings, as in "wd = 5"."""
    words = []
    for name, index in place.items():
        text = short(diagram[name].values[index].item())
        words.append(f"{AXIS_LABELS.get(name, name)} = {text}")
    return ", ".join(words)


UNEVEN = 4
"""How many times the smallest gap between an axis's values the largest may be on a scale: on one of
0.02, 0.05, 0.2 and 0.6 the first two could not be told apart."""


def is_scale(values: np.ndarray) -> bool:
    """Whether an axis can have its values as a scale: several ascending numbers, nearly even."""
    if len(values) < 2 or not ascends(values):
        return False
    gaps = np.diff(values)
    return bool(gaps.max() <= UNEVEN * gaps.min())


def positions(values: np.ndarray) -> np.ndarray:
    """Where the middles of cells are drawn: at the values, or one apart where they are no scale."""
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
    """One diagram: colours for phases, paler where inferred, with the boundaries' intervals.

    Where seeds differ, a square in a cell has the colour of the second most frequent phase, and
    its share of the area.
    """
    panel = diagram.isel(place)
    rows, columns = map(str, panel.phase.dims)
    ys, xs = positions(panel[rows].values), positions(panel[columns].values)
    palette = np.array([to_rgb(COLORS[phase]) for phase in PHASES] + [to_rgb("white")])
    colors = palette[panel.phase.values]  # UNKNOWN, -1, is the last
    pale = panel.inferred.values[..., None] * PALE
    colors = colors * (1 - pale) + pale
    _mesh(axes, panel, rows, columns, colors)
    for cell in np.argwhere(panel.phase.values == UNKNOWN):
        axes.plot(xs[cell[1]], ys[cell[0]], marker="x", color="#999999", ms=2, lw=0)
    _second_phases(axes, panel, edges(panel[rows].values), edges(panel[columns].values))
    for boundary in found if is_scale(panel[columns].values) else ():
        here = {name: boundary.row[name] for name in place}
        if here == place and np.isfinite(boundary.low):
            y = ys[boundary.row[rows]]
            axes.plot([boundary.low, boundary.high], [y, y], color="white", lw=1.6)
            axes.plot([boundary.low, boundary.high], [y, y], color="black", lw=0.8)
            axes.plot(boundary.position, y, "|", color="black", ms=3)
    axes.set_xlim(*edges(panel[columns].values)[[0, -1]])


def _second_phases(axes: Axes, panel: xr.Dataset, y: np.ndarray, x: np.ndarray) -> None:
    share = np.nan_to_num(panel.frequency.values)
    order = np.argsort(-share, axis=-1, kind="stable")[..., 1]
    second = np.take_along_axis(share, order[..., None], axis=-1)[..., 0]
    for row, column in np.argwhere(second > 0).tolist():
        side = float(np.sqrt(second[row, column]))
        width, height = side * float(x[column + 1] - x[column]), side * float(y[row + 1] - y[row])
        left = float(x[column] + x[column + 1] - width) / 2
        bottom = float(y[row] + y[row + 1] - height) / 2
        color = COLORS[PHASES[order[row, column]]]
        axes.add_patch(Rectangle((left, bottom), width, height, fc=color, ec="white", lw=0.3))


def _mesh(
    axes: Axes, panel: xr.Dataset | xr.DataArray, rows: str, columns: str, cells: Any, **look: Any
) -> Any:
    drawn = axes.pcolormesh(
        edges(panel[columns].values), edges(panel[rows].values), cells, rasterized=True, **look
    )
    axes.grid(False)
    axes.set_xlabel(AXIS_LABELS.get(columns, columns))
    for name, axis in ((rows, axes.yaxis), (columns, axes.xaxis)):
        values = panel[name].values
        if is_scale(values):
            axis.set_major_locator(FixedLocator(values.tolist(), TICKS))
        else:
            axis.set_ticks(positions(values), [short(value) for value in values.tolist()])
    return drawn


LAYERS = {"first": "input", "last": "output"}


def histogram_panel(axes: Axes, panel: xr.Dataset, layer: int, at: Mapping[str, float]) -> None:
    """IPR of a layer's live units at a train and a corruption fraction, over all seeds.

    IPR still grows when a phase is settled, so the panel says at which step that was.
    """
    cell = panel.sel(at, method="nearest")
    counts = cell.ipr_histogram.isel(layer=layer).sum("seed", min_count=1).values
    if np.isfinite(counts).all():
        width = 1 / len(counts)
        axes.bar(cell.ipr_bin, counts, width, color=style.BLUE, ec="white", lw=0.3)
    else:
        axes.text(0.5, 0.5, "not trained", transform=axes.transAxes, ha="center", fontsize=7)
    where = f"α = {float(cell.train_fraction):g}, ξ = {float(cell.corruption_fraction):g}"
    stopped = cell.settled_at.dropna("seed").values
    if stopped.size:
        ends = np.unique([stopped.min(), stopped.max()])
        words = "step " + "–".join(f"{step:g}" for step in ends)
        axes.text(0.5, 0.95, words, transform=axes.transAxes, ha="center", va="top", fontsize=7)
    axes.set(title=where, xlabel="IPR", xlim=(0, 1))


def draw_diagrams(
    sweeps: list[xr.Dataset],
    small_print: str,
    with_accuracies: bool = False,
    ipr_of: tuple[int, ...] = (),
    ipr_at: Mapping[str, float] | None = None,
    **thresholds: float,
) -> Canvas:
    """A row of phase diagrams for each sweep.

    Args:
        sweeps: their datasets.
        small_print: the line below.
        with_accuracies: whether a row of each accuracy stands above the phases.
        ipr_of: layers whose histograms of IPR stand below them, a row each: 0 is the input's,
            -1 the output's.
        ipr_at: train and corruption fraction of the networks in the histograms.
        thresholds: as in `phases.classify`.
    """
    diagrams = [phase_diagram(data, **thresholds) for data in sweeps]
    layouts = [panels_of(diagram) for diagram in diagrams]
    kinds: list[Any] = [*(ACCURACIES if with_accuracies else ()), "phase", *ipr_of]
    figure, grid = style.panels(
        len(sweeps) * len(kinds), max(map(len, layouts)), height=1.75, sharex="row", sharey="row"
    )
    for axes in grid.ravel():
        axes.set_visible(False)
    shown: set[int] = set()
    for number, (data, diagram, places) in enumerate(zip(sweeps, diagrams, layouts, strict=True)):
        found = boundaries(data, **thresholds)
        rows, columns = map(str, diagram.phase.dims[-2:])
        shown |= set(np.unique(diagram.phase.values).tolist())
        if len(sweeps) > 1:
            grid[number * len(kinds), 0].set_title(style.letter(number), loc="left")
        for kind, row in zip(kinds, grid[number * len(kinds) :], strict=False):
            mesh = None
            for axes, place in zip(row, places, strict=False):
                axes.set_visible(True)
                title = panel_title(diagram, place)
                if kind == "phase":
                    phase_panel(axes, diagram, place, found)
                elif kind in ipr_of:
                    histogram_panel(axes, data.isel(place), kind, ipr_at or {})
                    continue
                else:
                    mean = data[kind].mean("seed").isel(place)
                    mesh = _mesh(axes, mean, rows, columns, mean.values, vmin=0, vmax=1)
                    axes.set_facecolor("#eeeeee")
                axes.set_title(title)
            label = ACCURACIES.get(kind, "phase")
            prefix = f"{label}\n" if with_accuracies else ""
            if kind in ipr_of:
                layer = data.layer.values[kind]
                row[0].set_ylabel(f"{LAYERS.get(layer, layer)} layer\nunits")
            else:
                row[0].set_ylabel(prefix + AXIS_LABELS.get(rows, rows))
            if mesh is not None:
                bar = figure.colorbar(mesh, ax=list(row), fraction=0.02, pad=0.01)
                style.percent(bar.ax)
    patches = [
        Patch(color=COLORS[phase], label=phase.title)
        for code, phase in enumerate(PHASES)
        if code in shown
    ]
    if any(((diagram.frequency > 0).sum("code") > 1).any() for diagram in diagrams):
        patches.append(Patch(fc="none", ec="#888888", lw=0.5, label="square: other seeds"))
    if any(diagram.inferred.any() for diagram in diagrams):
        patches.append(Patch(fc="#dddddd", ec="#888888", lw=0.5, label="paler: inferred"))
    style.legend(figure, patches, handlelength=1)
    return style.finish(figure, small_print)
