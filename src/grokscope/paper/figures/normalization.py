"""What norm layers do to neurons and to training: Figures 5, 20, 21 and 22."""

from __future__ import annotations

from grokscope.experiment.models import Normalization
from grokscope.paper.figures import RunFigure
from grokscope.paper.settings import ADAM, NOISY_BATCHES
from grokscope.plotting import style
from grokscope.plotting.panels import SCALES, ipr_panel, scale_panel
from grokscope.plotting.run import plot_accuracies
from grokscope.plotting.wording import phase_title, small_print
from grokscope.runs.run import Run


@style.context
def plot_scales(runs: list[Run], note: str) -> style.Picture:
    """IPR histograms without and with BatchNorm, and IPR against γ and the effective γ."""
    figure, grid = style.panels(2, 2, height=1.95)
    for axes, run, letter, name in zip(
        grid[0], runs, ("(a)", "(b)"), ("without BatchNorm", "with BatchNorm"), strict=True
    ):
        ipr_panel(axes, run, f"{letter} {name}: {phase_title(run)}")
        axes.set_ylabel("neurons")
    grid[0, 1].sharey(grid[0, 0])
    for axes, name, letter in zip(grid[1], SCALES, ("(c)", "(d)"), strict=True):
        scale_panel(axes, runs[1], name, letter)
    words = f"{small_print(runs, note)} · ρ: Spearman, 95 % bootstrap interval over live neurons"
    return style.finish(figure, words)


def _curves(title: str, normalization: Normalization | None) -> RunFigure:
    noisy = NOISY_BATCHES.replace(normalization=normalization)
    runs = tuple(noisy.replace(train_fraction=fraction) for fraction in (0.4, 0.5, 0.8))
    caption = f"Networks in batches of 64 {title}, at three train fractions, with 30 % wrong labels. The more data there are, the more of the wrong labels are given up."
    return RunFigure(
        f"Training curves {title}", caption, runs, plot_accuracies, quick_steps=noisy.steps
    )


FIGURES = {
    5: RunFigure(
        "IPR with and without BatchNorm, and IPR against γ",
        "With BatchNorm neurons are about as periodic as without it, and periodic ones have the larger weight γ.",
        (ADAM, ADAM.replace(normalization="batch_norm")),
        plot_scales,
        quick_steps=ADAM.steps,
    ),
    20: _curves("with BatchNorm", "batch_norm"),
    21: _curves("with LayerNorm", "layer_norm"),
    22: _curves("without norm layer", None),
}
