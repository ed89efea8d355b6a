"""Picture of training over a sweep: accuracies over steps, a line for each value of one axis."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes

from grokscope.errors import ConfigError
from grokscope.measures.table import MEASURES
from grokscope.plotting import style
from grokscope.plotting.diagram import panel_title
from grokscope.plotting.panels import CONTROLLED, sweep_print
from grokscope.plotting.wording import axis_label, format_setting

DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
"""Of the lines of a panel, in the order of the axis's values."""

COLUMNS = 4
"""At most so many panels stand beside each other."""

CURVES = (*CONTROLLED, "mean_ipr")
"""What is drawn, from above to below, if the sweep has it."""


@style.context
def plot_courses(dataset: xr.Dataset, lines: str) -> style.Picture:
    """Draw accuracies over steps: a column for each cell of the other axes, a line for each value.

    Args:
        dataset: of a sweep that was exported with details.
        lines: the axis whose values are lines. A branch's line begins where it left its run.

    Returns:
        A Matplotlib figure: test accuracy, corrupted accuracy and mean IPR, one below the other;
        the mean over seeds, and a band from the least to the greatest.

    Raises:
        ConfigError: if the sweep has no such axis, no curves, or too many panels.
    """
    others = [str(name) for name in dataset.status.dims if name not in (lines, "seed")]
    if "run_step" not in dataset.variables:
        raise ConfigError(
            "`lines` must be drawn of a sweep with its curves, got an export without. Export it "
            "with --details."
        )
    if lines not in dataset.status.dims or lines == "seed":
        raise ConfigError(
            f"`lines` must be an axis of the sweep, got {lines!r}. "
            f"Use one of {', '.join(str(n) for n in dataset.status.dims if n != 'seed')}."
        )
    places = [*np.ndindex(*(dataset.sizes[name] for name in others))]
    if len(places) > COLUMNS:
        raise ConfigError(
            f"`lines` must leave at most {COLUMNS} panels, got {len(places)} of "
            f"{', '.join(others)}. Select some of their values first."
        )
    shown = [name for name in CURVES if np.isfinite(dataset[f"run_{name}"].values).any()]
    figure, grid = style.panels(len(shown), len(places), 1.5, sharex="col", sharey="row")
    first, last = int(dataset.run_step.min()) + 1, int(dataset.run_step.max()) + 1
    for column, place in zip(grid.T, places, strict=True):
        of_panel = dict(zip(others, place, strict=True))
        for axes, name in zip(column, shown, strict=True):
            _draw_lines(axes, dataset.isel(of_panel), name, lines)
        column[0].set_title(panel_title(dataset, of_panel).replace(", ", "\n"))
        style.log_steps(column[-1], first, last)
        column[-1].set_xlabel("step + 1")
    for axes, name in zip(grid[:, 0], shown, strict=True):
        axes.set_ylabel(MEASURES[name].label)
        if name in CONTROLLED:
            axes.set_ylim(-0.03, 1.03)
            style.percent(axes)
    title = axis_label(lines)
    handles = grid[0, 0].get_legend_handles_labels()[0]
    widest = max(len(str(handle.get_label())) for handle in handles)
    n_columns = max(2, round(figure.get_figwidth() / (0.55 + 0.075 * widest)))
    figure.legend(handles=handles, loc="outside upper center", ncols=n_columns, title=title,
                  columnspacing=1, frameon=False)  # fmt: skip
    return style.finish(figure, sweep_print([dataset], _seed_words(dataset)))


def _seed_words(dataset: xr.Dataset) -> str:
    """Of how many seeds the curves are, if not of all, and what lines and bands are of several."""
    others = [dim for dim in dataset.run_step.dims if dim != "seed"]
    seeds, drawn = dataset.sizes["seed"], int(dataset.run_step.notnull().any(others).sum())
    words = [f"curves of {drawn} of {seeds} seeds"] if drawn < seeds else []
    words += ["line: mean over seeds; band: least to greatest"] if drawn > 1 else []
    return " · ".join(words)


def _draw_lines(axes: Axes, panel: xr.Dataset, name: str, lines: str) -> None:
    """One score of a panel: the mean over seeds of each line, with a band."""
    colors = colormaps["viridis"]
    values = panel[lines].values
    for index, value in enumerate(values):
        cell = panel.isel({lines: index}).transpose("seed", ..., missing_dims="ignore")
        steps = cell.run_step.max("seed").values
        scores = cell[f"run_{name}"]
        if scores.notnull().any():  # else the line is empty, as of corrupted examples without noise
            scores = scores.dropna("seed", how="all")
        is_there = np.isfinite(steps) & np.isfinite(scores.values).all(axis=0)
        color, dashes = colors(0.8 * index / max(len(values) - 1, 1)), DASHES[index % len(DASHES)]
        label = format_setting(value.item())
        x, found = steps[is_there] + 1, scores.values[:, is_there]
        axes.plot(x, found.mean(axis=0), color=color, ls=dashes, lw=1.3, label=label)
        axes.fill_between(x, found.min(axis=0), found.max(axis=0), color=color, alpha=0.15, lw=0)
