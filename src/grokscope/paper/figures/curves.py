"""Training curves: Figures 1 and 19."""

from __future__ import annotations

from grokscope.paper.figures import RunFigure
from grokscope.paper.settings import DROPOUTS, INVERSION_DECAYS, NOISY
from grokscope.plotting.run import plot_accuracies

FIGURES = {
    1: RunFigure(
        "Training curves by weight decay",
        "Train and test accuracy of three networks that are taught 35 % wrong labels. Without weight decay both end high: the network has learned the rule and the wrong labels. With weight decay 5 it gives up part of the wrong labels, and with 15 all of them.",
        tuple(NOISY.replace(weight_decay=decay) for decay in INVERSION_DECAYS),
        plot_accuracies,
    ),
    19: RunFigure(
        "Training curves by dropout",
        "Train and test accuracy of four networks that are taught 35 % wrong labels. Without dropout both end high. Dropout .3 and .6 make the network give up wrong labels; with .9 it fits part of its labels and does not learn the rule.",
        tuple(NOISY.replace(dropout=dropout) for dropout in DROPOUTS),
        plot_accuracies,
    ),
}
