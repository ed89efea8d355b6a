"""Pruning curves: Figures 6, 17 and 18."""

from __future__ import annotations

from functools import partial

from grokscope.paper.figures import RunFigure
from grokscope.paper.settings import INVERSION_DECAYS, NOISY
from grokscope.plotting import style
from grokscope.plotting.panels import ACCURACIES, clean_level, pruning_panel
from grokscope.plotting.wording import small_print, title
from grokscope.runs.pruning import pruning_curves
from grokscope.runs.run import Run

LOSSES = ("train_loss", "test_loss")


@style.context
def plot_pruned(
    runs: list[Run], note: str, names: tuple[str, ...], reach: float = 1.0
) -> style.Picture:
    """One row a run: lowest IPR first on the left, highest on the right, pruned up to `reach`."""
    figure, grid = style.panels(len(runs), 2, height=1.85, sharey="row")
    for index, (row, run) in enumerate(zip(grid, runs, strict=True)):
        curves = pruning_curves(run)
        for axes, first in zip(row, curves["first"].values.tolist(), strict=True):
            pruning_panel(axes, curves.sel(first=first), names)
            if names == ACCURACIES:
                clean_level(axes, run)
            axes.set_xlim(0, reach)
            letter = f"{style.letter(index)} " if len(runs) > 1 else ""
            axes.set_title(letter + title(run, runs))
        row[0].set_ylabel("accuracy" if names == ACCURACIES else "loss")
    return style.finish(figure, small_print(runs, note), grid[0, 0])


PHASES = tuple(NOISY.replace(weight_decay=decay) for decay in INVERSION_DECAYS)

FIGURES = {
    6: RunFigure(
        "Pruning a network in Coexistence, from low and from high IPR",
        "Neurons are removed one at a time. From low IPR on, the wrong labels go first and the rule stays; from high IPR on, the rule goes first.",
        (NOISY,),
        partial(plot_pruned, names=ACCURACIES, reach=0.6),
    ),
    17: RunFigure(
        "Accuracies under pruning, in three phases",
        "Neurons of networks in Coexistence, Partial Inversion and Full Inversion are removed one at a time, from low IPR on and from high IPR on, until none is left.",
        PHASES,
        partial(plot_pruned, names=ACCURACIES),
    ),
    18: RunFigure(
        "Losses under pruning, in three phases",
        "The losses of the networks of Figure 17, while their neurons are removed.",
        PHASES,
        partial(plot_pruned, names=LOSSES),
    ),
}
