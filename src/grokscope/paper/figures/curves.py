"""Training curves: Figures 1 and 19."""

from __future__ import annotations

from grokscope.paper.figures import RunFigure
from grokscope.paper.settings import DROPOUTS, INVERSION_DECAYS, NOISY
from grokscope.plotting.run import plot_accuracies

FIGURES = {
    1: RunFigure(
        "Training curves by weight decay",
        tuple(NOISY.replace(weight_decay=decay) for decay in INVERSION_DECAYS),
        plot_accuracies,
    ),
    19: RunFigure(
        "Training curves by dropout",
        tuple(NOISY.replace(dropout=dropout) for dropout in DROPOUTS),
        plot_accuracies,
    ),
}
