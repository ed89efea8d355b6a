"""Pruning curves: Figures 6, 17 and 18."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from grokscope.config import Experiment
from grokscope.data import make_dataset
from grokscope.figures import Figure, style
from grokscope.prune import pruning_curve, pruning_order
from grokscope.run import final_network
from grokscope.store import Run

NOISY = Experiment(corruption_fraction=0.35)
ACCURACIES = ("train_accuracy", "test_accuracy", "corrupted_accuracy", "uncorrupted_accuracy")
LOSSES = ("train_loss", "test_loss")


def pruning_panels(left: Axes, right: Axes, run: Run, names: tuple[str, ...]) -> None:
    """Scores against the fraction pruned: lowest IPR first on the left, highest on the right."""
    network, dataset = final_network(run), make_dataset(run.experiment)
    for axes, first in ((left, "lowest"), (right, "highest")):
        order = pruning_order(run.neuron_ipr, first)
        curve = pruning_curve(network, dataset, order, run.experiment.loss)
        fraction = curve.pruned / len(order)
        for name in names:
            axes.plot(fraction, curve[name], **style.LINES[name])
        if names == ACCURACIES:
            clean = 1 - run.experiment.corruption_fraction
            axes.axhline(clean, color="#999999", lw=0.8, ls=(0, (1, 1.5)), label="1 − ξ")
            axes.set_ylim(-0.03, 1.03)
            style.percent(axes)
        axes.set(xlim=(0, 1), xlabel=f"fraction pruned, {first} IPR first")
        style.percent(axes, "x")


def draw_pruning(
    runs: list[Run], small_print: str, names: tuple[str, ...], show: Callable[[Axes], object]
) -> Canvas:
    """One row a run, both directions; `show` adjusts each panel."""
    figure, grid = style.panels(len(runs), 2, height=1.85)
    for index, (row, run) in enumerate(zip(grid, runs, strict=True)):
        pruning_panels(*row, run, names)
        for axes in row:
            axes.set_title(f"{style.letter(index)} {style.varied(run)}: {style.phase_title(run)}")
            show(axes)
        row[0].set_ylabel("accuracy" if names == ACCURACIES else "loss")
    return style.finish(figure, small_print, grid[0, 0])


def _half(axes: Axes) -> None:
    axes.set_xlim(0, 0.5)


FIGURES = {
    6: Figure(
        "Pruning a network in Coexistence, from low and from high IPR",
        (NOISY,),
        partial(draw_pruning, names=ACCURACIES, show=_half),
    ),
    17: Figure(
        "Accuracies under pruning, in three phases",
        tuple(NOISY.replace(weight_decay=decay) for decay in (0, 5, 15)),
        partial(draw_pruning, names=ACCURACIES, show=np.shape),
    ),
    18: Figure(
        "Losses under pruning, in three phases",
        tuple(NOISY.replace(weight_decay=decay) for decay in (0, 5, 15)),
        partial(draw_pruning, names=LOSSES, show=lambda axes: axes.set_yscale("log")),
    ),
}
