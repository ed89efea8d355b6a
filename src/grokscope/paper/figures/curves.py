"""Training curves: Figures 1 and 19."""

from __future__ import annotations

from grokscope.paper.figures import NOISY, Figure
from grokscope.plotting.panels import draw_accuracies

FIGURES = {
    1: Figure(
        "Training curves by weight decay",
        tuple(NOISY.replace(weight_decay=decay) for decay in (0, 5, 15)),
        draw_accuracies,
    ),
    19: Figure(
        "Training curves by dropout",
        tuple(NOISY.replace(dropout=dropout) for dropout in (0, 0.3, 0.6, 0.9)),
        draw_accuracies,
    ),
}
