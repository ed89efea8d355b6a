"""Picture of neurons over time: how many are periodic, memorise or are dead, and who turns."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from grokscope.analysis.movement import GROUPS, flows, movement_table
from grokscope.plotting import style
from grokscope.plotting.palette import BLUE, GREY, RED
from grokscope.plotting.wording import phase_title, small_print
from grokscope.runs.run import Run

COLORS = {"periodic": BLUE, "memorizing": RED, "idle": "#C9C9C9", "dead": GREY}
"""Of the groups of neurons."""

COLUMNS = 7
"""Kept steps at which the flow picture shows the groups, evenly spaced among them."""

BAR = 0.12
"""Width of a column of the flow picture, where the next is 1 away."""


@style.context
def plot_movement(run: Run, neurons: xr.Dataset) -> style.Picture:
    """Draw how many neurons are of each group at every kept step, and who turns into what.

    Args:
        run: the run.
        neurons: its `neurons_over_steps`.

    Returns:
        A Matplotlib figure of two panels.
    """
    figure, ((groups, flow),) = style.panels(1, 2, height=2.6)
    steps = neurons.step.values
    counts = [(neurons.group == place).sum("neuron").values for place in range(len(GROUPS))]
    shown = {name: count for name, count in zip(GROUPS, counts, strict=True) if count.any()}
    colors = [COLORS[name] for name in shown]
    groups.stackplot(steps + 1, [*shown.values()], colors=colors, labels=[*shown], lw=0)
    turned = movement_table(neurons)
    words = f"{(turned.periodic_at > steps[0]).sum()} of {len(turned)} neurons become periodic"
    ends = int(steps[0]) + 1, int(steps[-1]) + 1
    style.log_steps(groups, *ends)
    groups.set(xlabel="step + 1", ylabel="neurons", xlim=ends)
    groups.set(ylim=(0, len(turned)), title=f"(a) {phase_title(run)}")
    _draw_flow(flow, neurons)
    flow.set_title(f"(b) {words}")
    return style.finish(figure, small_print([run]), groups)


def _draw_flow(axes: Axes, neurons: xr.Dataset) -> None:
    """Columns of the groups at some steps, and between them ribbons as wide as neurons that go."""
    steps = neurons.step.values
    places = np.unique(np.linspace(0, len(steps) - 1, COLUMNS).round().astype(int))
    shown, ramp = steps[places], np.linspace(0, 1, 30)
    ease = ramp * ramp * (3 - 2 * ramp)
    for column, pair in enumerate(pairwise(shown.tolist())):
        table = flows(neurons, pair).to_numpy()
        left = np.cumsum(table.ravel()) - table.ravel()
        right = (np.cumsum(table.T.ravel()) - table.T.ravel()).reshape(table.T.shape).T.ravel()
        x = column + BAR / 2 + (1 - BAR) * ramp
        for place, count in enumerate(table.ravel()):
            if count:
                low = left[place] + (right[place] - left[place]) * ease
                color = COLORS[GROUPS[place // len(GROUPS)]]
                axes.fill_between(x, low, low + count, fc=color, ec="white", alpha=0.5, lw=0.7)
    for column, step in enumerate(shown):
        base = 0
        for place, name in enumerate(GROUPS):
            count = int((neurons.group.sel(step=step) == place).sum())
            axes.bar(column, count, BAR, bottom=base, color=COLORS[name])
            base += count
    axes.set_xticks(range(len(shown)), [f"{step:,}" for step in shown])
    axes.set(xlabel="step", ylim=(0, neurons.sizes["neuron"]), xlim=(-BAR, len(shown) - 1 + BAR))
    axes.set_yticks([])
