"""Grokking without label noise: Figure 2."""

from __future__ import annotations

import numpy as np

from grokscope.experiment.experiment import Experiment
from grokscope.measures.scores import named_arrays, neuron_ipr
from grokscope.paper.figures import RunFigure
from grokscope.plotting import style
from grokscope.plotting.palette import BLACK, BLUE, LINES, ORANGE
from grokscope.plotting.panels import BINS
from grokscope.plotting.wording import small_print
from grokscope.runs.run import Run
from grokscope.training.networks import init_model


@style.context
def plot_grokking(runs: list[Run], note: str) -> style.Picture:
    """Accuracies and mean IPR; a row of U and the IPR of all neurons, before and after."""
    (run,) = runs
    data = run.dataset
    figure, ((curves, rows, histogram),) = style.panels(1, 3, height=2.2)

    for name in ("train_accuracy", "test_accuracy"):
        curves.plot(data.step, data[name], **LINES[name])
    curves.plot(data.step, data.mean_ipr, color=BLACK, ls="-.", label="mean IPR")
    curves.set_title("(a) accuracies and mean IPR")
    curves.set(xlabel="step", ylabel="accuracy, mean IPR", xscale="log", ylim=(-0.03, 1.03))
    every = run.experiment.measure_every
    curves.set_xlim(every, max(run.experiment.steps, every + 1))

    neuron = int(np.nan_to_num(run.neuron_ipr).argmax())
    untrained = named_arrays(init_model(run.experiment))["U"][:, neuron]
    rows.plot(untrained, ":", color=ORANGE, lw=1, marker=".", ms=2, label="before")
    rows.plot(data.U[:, neuron], "-", color=BLUE, lw=1, marker=".", ms=3, label="after")
    rows.set(title=f"(b) row {neuron} of U", xlabel="residue", ylabel="weight")
    low, high = rows.get_ylim()
    rows.set_ylim(low, high + 0.25 * (high - low))
    rows.legend(ncols=2, loc="upper center")

    looks = ((0, ORANGE, "before", "////"), (-1, BLUE, "after", ""))
    for step, color, label, hatch in looks:
        per_neuron = neuron_ipr(data.ipr.isel(step=step).values)
        live = per_neuron[~np.isnan(per_neuron)]
        histogram.hist(live, BINS, color=color, label=label, hatch=hatch, ec="white", lw=0.3)
    histogram.set(title="(c) per-neuron IPR", xlabel="IPR", ylabel="neurons", xlim=(0, 1))
    histogram.legend(loc="upper center")
    return style.finish(figure, small_print(runs, note), curves)


FIGURES = {
    2: RunFigure(
        "Grokking without label noise: accuracies, IPR, one row of U",
        "A network without wrong labels fits its training examples first and generalises later, while its weights turn periodic. The weights of one neuron, a row of the paper's U, are noise before training and a wave after it.",
        (Experiment(measure_every=2).replace(weight_decay=5),),
        plot_grokking,
    ),
}
