"""How many neurons a network of a width needs: Figure 32."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.ticker import NullLocator

from grokscope.analysis.statistics import Interval, growth_exponent
from grokscope.errors import ConfigError
from grokscope.paper.figures import SweepFigure
from grokscope.plotting import style
from grokscope.plotting.palette import BLUE
from grokscope.plotting.panels import sweep_print

QUICK_WIDTHS = {"width": (500, 1000, 2000)}


def required_by_width(data: xr.Dataset) -> dict[int, np.ndarray]:
    """The neurons that each network requires, by width, of the networks that generalise.

    Raises:
        ConfigError: if no network of any width generalises, or the sweep is not over widths.
    """
    if "width" not in data.neurons_required.dims:
        raise ConfigError("a figure of widths must have a sweep over width, got another.")
    found = {}
    for width in data.width.values.tolist():
        values = data.neurons_required.sel(width=width).values.ravel()
        if np.isfinite(values).any():
            found[int(width)] = values[np.isfinite(values)]
    if not found:
        raise ConfigError("a figure of widths must have networks that generalise, got none.")
    return found


def exponent_in_words(exponent: Interval) -> str:
    """The exponent with its interval, and whether growth is slower than the width's."""
    low, high = exponent.low, exponent.high
    if np.isnan(low):
        return f"exponent {exponent.estimate:.2f}, no interval: a width with one network"
    verdict = "below 1" if high < 1 else "not shown to be below 1"
    return f"exponent {exponent.estimate:.2f} [{low:.2f}, {high:.2f}], {verdict}"


@style.context
def plot_widths(sweeps: list[xr.Dataset], note: str = "") -> style.Picture:
    """Neurons required, and the share that can be pruned, with standard errors over seeds."""
    (data,) = sweeps
    required = required_by_width(data)
    widths = np.array(list(required))
    figure, ((left, right),) = style.panels(1, 2, height=2.2, sharex=True)
    shares = {width: 100 * (1 - values / width) for width, values in required.items()}
    for axes, values in ((left, required), (right, shares)):
        means = [v.mean() for v in values.values()]
        errors = [v.std(ddof=1) / np.sqrt(len(v)) if len(v) > 1 else 0 for v in values.values()]
        axes.errorbar(widths, means, errors, fmt="o-", ms=3.5, lw=1, capsize=2, color=BLUE)
        axes.set(xscale="log", xlabel="width N", xticks=widths, xticklabels=widths)
        axes.xaxis.set_minor_locator(NullLocator())
    left.set(ylabel="neurons required", ylim=(0, None), title="(a)")
    right.set(ylabel="% prunable", title="(b)")
    if len(widths) > 1:
        exponent = growth_exponent(widths.astype(float), list(required.values()))
        left.set_title(f"(a) {exponent_in_words(exponent)}")
    seeds = data.sizes["seed"]
    fewer = [f"{len(v)} of {seeds} at N = {w}" for w, v in required.items() if len(v) < seeds]
    counted = f" · generalise: {', '.join(fewer)}" if fewer else ""
    words = f"{sweep_print(sweeps, note)} · bars: standard error over seeds{counted}"
    return style.finish(figure, words)


FIGURES = {
    32: SweepFigure(
        "Neurons required and prunable, by width",
        "How many neurons a network needs to generalise, and which share of them can be removed, by its width. The number that is needed grows far more slowly than the width.",
        ("figure32",),
        plot_widths,
        quick_axes=QUICK_WIDTHS,
        quick_seeds=3,
        quick_settle=False,
        chosen="the widths between the first and the last",
    ),
}
