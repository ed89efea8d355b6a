"""Grokking without label noise: Figure 2."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure as Canvas

from grokscope.config import Experiment
from grokscope.figures import Figure, style
from grokscope.measure import neuron_ipr, weights
from grokscope.store import Run
from grokscope.train import init_model


def draw_grokking(runs: list[Run], small_print: str) -> Canvas:
    """Accuracies and mean IPR; a row of U before and after; IPR histograms before and after."""
    (run,) = runs
    data = run.dataset
    figure, grid = style.panels(2, 2, height=1.75)
    curves, histogram, before, after = grid.ravel()

    for name in ("train_accuracy", "test_accuracy"):
        curves.plot(data.step, data[name], **style.LINES[name])
    curves.plot(data.step, data.mean_ipr, color=style.BLACK, ls="-.", label="mean IPR")
    title = f"(a) {style.varied(run)}: accuracies and mean IPR"
    curves.set(title=title, xlabel="step", ylim=(-0.03, 1.03), xscale="symlog")
    curves.set_xscale("symlog", linthresh=10)
    curves.set_xlim(0, run.experiment.steps)
    curves.legend()

    bins = np.linspace(0, 1, 41)
    for step, color, label in ((0, style.ORANGE, "before"), (-1, style.BLUE, "after")):
        per_neuron = neuron_ipr(data.ipr.isel(step=step).values)
        live = per_neuron[~np.isnan(per_neuron)]
        hatch = {0: "////", -1: ""}[step]
        histogram.hist(live, bins, color=color, alpha=0.75, label=label, hatch=hatch, ec="white")
    histogram.set(title="(c) per-neuron IPR", xlabel="IPR", ylabel="neurons", yscale="log")
    histogram.legend()

    neuron = int(np.nanargmax(np.nan_to_num(run.neuron_ipr)))
    rows = (weights(init_model(run.experiment))["U"][:, neuron], data.U.values[:, neuron])
    for axes, row, when, color in zip(
        (before, after), rows, ("before", "after"), (style.ORANGE, style.BLUE), strict=True
    ):
        axes.plot(row, ".-", color=color, lw=0.8, ms=3)
        axes.set(title=f"(b) row {neuron} of U {when} training", xlabel="residue", ylabel="weight")
    return style.finish(figure, small_print)


FIGURES = {
    2: Figure(
        "Grokking without label noise: accuracies, IPR, one row of U",
        (Experiment().replace(weight_decay=5),),
        draw_grokking,
    ),
}
