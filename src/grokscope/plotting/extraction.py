"""Pictures of extraction: what a network can do with few frequencies a unit."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes

from grokscope.plotting import style
from grokscope.plotting.palette import BLACK, BLUE, GREEN, GREY, LINES, ORANGE, RED
from grokscope.plotting.panels import clean_level, pruning_panel
from grokscope.plotting.wording import phase_title, small_print
from grokscope.runs.extraction import FIRST_STEPS
from grokscope.runs.pruning import prune
from grokscope.runs.run import Run

SCORES = ("test_accuracy", "corrupted_accuracy", "corrected_accuracy", "uncorrupted_accuracy")

CONTROLS = {
    "network": (BLUE, "-", "trained network"),
    "vote": (BLACK, (0, (4, 2)), "training labels alone (vote)"),
    "first_steps": (GREEN, "-.", f"after {FIRST_STEPS} steps"),
    "random_phases": (ORANGE, "--", "random phases"),
    "shuffled": (RED, ":", "shuffled residues"),
    "untrained": (GREY, (0, (1, 2)), "untrained"),
}
"""Colour, dashes and words of what is extracted."""


@style.context
def plot_extraction(run: Run, curve: xr.Dataset) -> style.Picture:
    """Draw what a network can do with few frequencies a unit, its controls, and its pruning.

    Args:
        run: the run whose network is extracted.
        curve: its `extraction_curve`.

    Returns:
        A Matplotlib figure of three panels: accuracies of the extracted network; the same under
        pruning, lowest IPR first; the extracted test accuracy beside its controls. A notebook shows
        it; `savefig` saves it.
    """
    figure, ((own, pruned), (controls, key)) = style.panels(2, 2, height=1.9)
    for name in SCORES:
        own.plot(curve.frequencies, curve[name].sel(kind="network"), **LINES[name])
    _over_frequencies(own, f"(a) extracted: {phase_title(run)}", curve)
    own.set_ylabel("accuracy")
    pruning_panel(pruned, prune(run), SCORES)
    pruned.set_title("(b) pruned")
    for axes in (own, pruned):
        clean_level(axes, run)
    for kind, (color, dashes, label) in CONTROLS.items():
        if kind not in curve.kind:
            continue
        test = curve.test_accuracy.sel(kind=kind)
        controls.plot(curve.frequencies, test, color=color, ls=dashes, label=label)
    _over_frequencies(controls, "(c) extracted, and controls", curve)
    controls.set(ylabel="test accuracy", ylim=(-0.03, 1.03))
    style.percent(controls)
    key.legend(*controls.get_legend_handles_labels(), loc="center left", title="test accuracy of",
               alignment="left", frameon=False)  # fmt: skip
    key.axis("off")
    return style.finish(figure, small_print([run]), own)


def _over_frequencies(axes: Axes, title: str, curve: xr.Dataset) -> None:
    axes.set(title=title, xlabel="frequencies that a unit keeps", xscale="log")
    ticks = [count for count in (1, 2, 5, 10, 20, 50, 100) if count <= int(curve.frequencies[-1])]
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.minorticks_off()
