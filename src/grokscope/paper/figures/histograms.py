"""Histograms of per-neuron IPR: Figure 4."""

from __future__ import annotations

from grokscope.paper.figures import RunFigure
from grokscope.paper.settings import INVERSION_DECAYS, INVERSION_DROPOUTS, NOISY
from grokscope.plotting import style
from grokscope.plotting.panels import ipr_panel
from grokscope.plotting.wording import small_print, title
from grokscope.runs.run import Run


@style.context
def plot_histograms(runs: list[Run], note: str) -> style.Picture:
    """Weight decay in the upper row, dropout in the lower."""
    columns = len(runs) // 2
    figure, grid = style.panels(2, columns, height=1.6, sharey=True)
    for row, row_runs in zip(grid, (runs[:columns], runs[columns:]), strict=True):
        for axes, run in zip(row, row_runs, strict=True):
            ipr_panel(axes, run, title(run, row_runs))
    for axes, name in zip(grid[:, 0], ("(a) weight decay", "(b) dropout"), strict=True):
        axes.set_ylabel(f"{name}\nneurons")
    return style.finish(figure, small_print(runs, note))


FIGURES = {
    4: RunFigure(
        "Per-neuron IPR by weight decay and by dropout",
        "How many neurons are how periodic. Without regularisation there are two groups. The one of low IPR shrinks with weight decay and with dropout, and is nearly gone at weight decay 15.",
        (
            *(NOISY.replace(weight_decay=decay) for decay in INVERSION_DECAYS),
            *(NOISY.replace(dropout=dropout) for dropout in INVERSION_DROPOUTS),
        ),
        plot_histograms,
    ),
}
