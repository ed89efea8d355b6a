"""What norm layers do to neurons and to training: Figures 5, 20, 21 and 22."""

from __future__ import annotations

from matplotlib.figure import Figure as Canvas

from grokscope.experiment.experiment import Experiment
from grokscope.experiment.models import Normalization
from grokscope.paper.figures import Figure
from grokscope.plotting import style
from grokscope.plotting.panels import SCALES, draw_accuracies, ipr_panel, scale_panel
from grokscope.runs.run import Run

BATCHES = Experiment(batch_size=256).with_batch_size(64)
"""Batches of 64 by the paper's rule: learning rate .005, 8000 steps (App. A)."""

PLAIN = BATCHES.replace(
    optimizer="adam", learning_rate=0.005, train_fraction=0.65, corruption_fraction=0.2
)


def draw_scales(runs: list[Run], small_print: str) -> Canvas:
    """IPR histograms without and with BatchNorm, and IPR against γ and the effective γ."""
    figure, grid = style.panels(2, 2, height=1.95)
    for axes, run, letter, name in zip(
        grid[0], runs, ("(a)", "(b)"), ("without BatchNorm", "with BatchNorm"), strict=True
    ):
        ipr_panel(axes, run, f"{letter} {name}: {style.phase_title(run)}")
        axes.set_ylabel("neurons")
    grid[0, 1].sharey(grid[0, 0])
    for axes, name, letter in zip(grid[1], SCALES, ("(c)", "(d)"), strict=True):
        scale_panel(axes, runs[1], name, letter)
    print_ = f"{small_print} · ρ: Spearman, 95 % bootstrap interval over live neurons"
    return style.finish(figure, print_)


def _curves(title: str, normalization: Normalization | None) -> Figure:
    noisy = BATCHES.replace(corruption_fraction=0.3, normalization=normalization)
    runs = tuple(noisy.replace(train_fraction=fraction) for fraction in (0.4, 0.5, 0.8))
    return Figure(f"Training curves {title}", runs, draw_accuracies, quick_steps=noisy.steps)


FIGURES = {
    5: Figure(
        "IPR with and without BatchNorm, and IPR against γ",
        (PLAIN, PLAIN.replace(normalization="batch_norm")),
        draw_scales,
        quick_steps=PLAIN.steps,
    ),
    20: _curves("with BatchNorm", "batch_norm"),
    21: _curves("with LayerNorm", "layer_norm"),
    22: _curves("without norm layer", None),
}
