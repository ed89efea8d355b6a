"""Histograms of per-neuron IPR: Figure 4."""

from __future__ import annotations

from matplotlib.figure import Figure as Canvas

from grokscope.paper.figures import NOISY, Figure
from grokscope.plotting import style
from grokscope.plotting.panels import ipr_panel
from grokscope.runs.run import Run

DECAYS, DROPOUTS = (0, 5, 15), (0, 0.3, 0.6)


def draw_histograms(runs: list[Run], small_print: str) -> Canvas:
    """Weight decay in the upper row, dropout in the lower."""
    figure, grid = style.panels(2, len(DECAYS), height=1.6, sharey=True)
    columns = len(DECAYS)
    for index, (axes, run) in enumerate(zip(grid.ravel(), runs, strict=True)):
        ipr_panel(
            axes, run, style.title(run, runs[:columns] if index < columns else runs[columns:])
        )
    for axes, name in zip(grid[:, 0], ("(a) weight decay", "(b) dropout"), strict=True):
        axes.set_ylabel(f"{name}\nneurons")
    return style.finish(figure, small_print)


FIGURES = {
    4: Figure(
        "Per-neuron IPR by weight decay and by dropout",
        (
            *(NOISY.replace(weight_decay=decay) for decay in DECAYS),
            *(NOISY.replace(dropout=dropout) for dropout in DROPOUTS),
        ),
        draw_histograms,
    ),
}
