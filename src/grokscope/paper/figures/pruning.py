"""Pruning curves: Figures 6, 17 and 18."""

from __future__ import annotations

from functools import partial

from matplotlib.figure import Figure as Canvas

from grokscope.paper.figures import NOISY, Figure
from grokscope.plotting import style
from grokscope.plotting.panels import ACCURACIES, clean_level, pruning_panel
from grokscope.runs.pruning import pruning_curves
from grokscope.runs.run import Run

LOSSES = ("train_loss", "test_loss")


def draw_pruning(
    runs: list[Run], small_print: str, names: tuple[str, ...], reach: float = 1.0
) -> Canvas:
    """One row a run: lowest IPR first on the left, highest on the right, pruned up to `reach`."""
    figure, grid = style.panels(len(runs), 2, height=1.85, sharey="row")
    for index, (row, run) in enumerate(zip(grid, runs, strict=True)):
        curves = pruning_curves(run)
        for axes, first in zip(row, curves["first"].values.tolist(), strict=True):
            pruning_panel(axes, curves.sel(first=first), names, first)
            if names == ACCURACIES:
                clean_level(axes, run)
            axes.set_xlim(0, reach)
            letter = f"{style.letter(index)} " if len(runs) > 1 else ""
            axes.set_title(letter + style.title(run, runs))
        row[0].set_ylabel("accuracy" if names == ACCURACIES else "loss")
    return style.finish(figure, small_print, grid[0, 0])


PHASES = tuple(NOISY.replace(weight_decay=decay) for decay in (0, 5, 15))

FIGURES = {
    6: Figure(
        "Pruning a network in Coexistence, from low and from high IPR",
        (NOISY,),
        partial(draw_pruning, names=ACCURACIES, reach=0.6),
    ),
    17: Figure(
        "Accuracies under pruning, in three phases", PHASES, partial(draw_pruning, names=ACCURACIES)
    ),
    18: Figure(
        "Losses under pruning, in three phases", PHASES, partial(draw_pruning, names=LOSSES)
    ),
}
