"""Forgetting: Figure 8 by the paper's text and by its notebook, and which networks forget."""

from __future__ import annotations

from grokscope.experiment.optimizers import SGD, AdamW
from grokscope.paper.figures import RunFigure
from grokscope.paper.settings import (
    FORGETTING,
    IN_NOTEBOOK,
    WITH_CROSS_ENTROPY,
    WITH_RELU,
    WITH_SGD,
)
from grokscope.plotting import style
from grokscope.plotting.palette import BLACK, LINES
from grokscope.plotting.panels import accuracy_panel, norm_panel
from grokscope.plotting.wording import phase_title, small_print, title
from grokscope.runs.run import Run


@style.context
def plot_forgetting(runs: list[Run], note: str) -> style.Picture:
    """Accuracies and weight norms of one run."""
    (run,) = runs
    figure, ((left, right),) = style.panels(1, 2, height=2.1)
    accuracy_panel(left, run, f"(a) {title(run, runs)}")
    left.set_ylabel("accuracy")
    norm_panel(right, run)
    right.set(title="(b) Frobenius norms of the weights", ylabel="norm")
    right.legend()
    return style.finish(figure, small_print(runs, note), left)


@style.context
def plot_notebook(runs: list[Run], note: str) -> style.Picture:
    """Accuracies, weight norms and training loss of one run; 1/p is the loss of no output."""
    (run,) = runs
    figure, ((left, middle, right),) = style.panels(1, 3, height=2.1)
    accuracy_panel(left, run, f"(a) {title(run, runs)}")
    left.set_ylabel("accuracy")
    norm_panel(middle, run)
    middle.set(title="(b) Frobenius norms of the weights", ylabel="norm")
    middle.legend()
    right.plot(run.dataset.step, run.dataset.train_loss, **LINES["train_loss"])
    empty = 1 / run.experiment.n_labels
    right.axhline(empty, color=BLACK, lw=0.9, ls=":", label=f"1/{run.experiment.n_labels}")
    right.set(title="(c) training loss", xlabel="step", ylabel="MSE")
    right.set_xlim(0, max(run.experiment.steps, 1))
    right.legend()
    return style.finish(figure, small_print(runs, note), left)


@style.context
def plot_who_forgets(runs: list[Run], note: str) -> style.Picture:
    """A column a run: accuracies above, weight norms below."""
    figure, (above, below) = style.panels(2, len(runs), height=1.75, sharex="col")
    for index, (run, upper, lower) in enumerate(zip(runs, above, below, strict=True)):
        accuracy_panel(upper, run, f"{style.letter(index)} {WHO[index]}\n{phase_title(run)}")
        upper.set_xlabel("")
        norm_panel(lower, run)
    above[0].set_ylabel("accuracy")
    below[0].set_ylabel("norm")
    for axes in above[1:]:
        axes.tick_params(labelleft=False)
    below[0].legend(loc="upper right")
    words = [small_print(runs, note), *_data_in_words(runs), *_optimizers_in_words(runs)]
    return style.finish(figure, " · ".join(words), above[0])


def _data_in_words(runs: list[Run]) -> list[str]:
    first, last = runs[0].experiment, runs[-1].experiment
    return [
        f"{where} α = {e.train_fraction:g}, ξ = {e.corruption_fraction:g}"
        for where, e in (("(a) to (c)", first), ("(d)", last))
    ]


def _optimizers_in_words(runs: list[Run]) -> list[str]:
    optimizers = {run.experiment.optimizer.name: run.experiment.optimizer for run in runs}
    return [
        f"{o.name}: lr {o.learning_rate:g}, wd {o.weight_decay:g}"
        + (f", momentum {o.momentum:g}" if isinstance(o, SGD) else "")
        for o in optimizers.values()
        if isinstance(o, AdamW | SGD)
    ]


WHO = ("AdamW, x²", "SGD, x²", "AdamW, ReLU", "AdamW, x², CE")

FIGURES = {
    8: RunFigure(
        "Forgetting: accuracies and weight norms",
        "With weight decay 20 a network learns the rule, and then loses it again while its weights shrink.",
        (FORGETTING,),
        plot_forgetting,
        quick_steps=2000,  # the network forgets between steps 1000 and 2000
    ),
    "notebook": RunFigure(
        "Figure 8 as in the published notebook: 5000 steps, until the network is empty",
        "The network of Figure 8, trained on: its weights vanish, and its loss becomes that of no answer at all.",
        (IN_NOTEBOOK,),
        plot_notebook,
        quick_steps=IN_NOTEBOOK.steps,
    ),
    "forgetting": RunFigure(
        "Which networks forget: optimiser, activation, loss",
        "The network of Figure 8 beside others with another optimiser, activation or loss. That with cross-entropy, on other data, forgets too. The decay of SGD is far weaker, so that (b) does not show what the optimiser does.",
        (FORGETTING, WITH_SGD, WITH_RELU, WITH_CROSS_ENTROPY),
        plot_who_forgets,
        quick_steps=2000,
        chosen="all but (a)",
    ),
}
