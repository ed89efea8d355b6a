"""Training curves: Figures 1, 8 and 19."""

from __future__ import annotations

from matplotlib.figure import Figure as Canvas

from grokscope.figures import NOISY, Figure, style
from grokscope.figures.panels import accuracy_panel
from grokscope.store import Run


def draw_accuracies(runs: list[Run], small_print: str) -> Canvas:
    """One panel a run, side by side."""
    figure, grid = style.panels(1, len(runs), height=1.95, sharey=True)
    for index, (axes, run) in enumerate(zip(grid[0], runs, strict=True)):
        title = f"{style.letter(index)} {style.title(run, runs)}"
        accuracy_panel(axes, run, title.replace(": ", "\n"))
    grid[0, 0].set_ylabel("accuracy")
    return style.finish(figure, small_print, grid[0, 0])


def draw_forgetting(runs: list[Run], small_print: str) -> Canvas:
    """Accuracies and weight norms of one run."""
    (run,) = runs
    figure, ((left, right),) = style.panels(1, 2, height=2.1)
    accuracy_panel(left, run, f"(a) {style.title(run, runs)}")
    left.set_ylabel("accuracy")
    looks = ((style.ORANGE, "-"), (style.BLUE, "--"), (style.BLACK, ":"))
    for matrix, (color, dashes) in zip(run.dataset.matrix.values, looks, strict=True):
        norm = run.dataset.norm.sel(matrix=matrix)
        right.plot(run.dataset.step, norm, color=color, ls=dashes, label=f"‖{matrix}‖")
    right.set(title="(b) Frobenius norms of the weights", xlabel="step", ylabel="norm")
    right.set(xlim=(0, run.experiment.steps), ylim=(0, None))
    right.legend()
    return style.finish(figure, small_print, left)


FIGURES = {
    1: Figure(
        "Training curves by weight decay",
        tuple(NOISY.replace(weight_decay=decay) for decay in (0, 5, 15)),
        draw_accuracies,
    ),
    8: Figure(
        "Forgetting: accuracies and weight norms",
        (NOISY.replace(weight_decay=20),),
        draw_forgetting,
        quick_steps=2000,  # the network forgets between steps 1000 and 2000
    ),
    19: Figure(
        "Training curves by dropout",
        tuple(NOISY.replace(dropout=dropout) for dropout in (0, 0.3, 0.6, 0.9)),
        draw_accuracies,
    ),
}
