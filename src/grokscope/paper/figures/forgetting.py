"""Forgetting: Figure 8, and which networks forget (App. E)."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure as Canvas

from grokscope.experiment.optimizers import SGD
from grokscope.paper.figures import NOISY, Figure
from grokscope.plotting import style
from grokscope.plotting.panels import accuracy_panel, norm_panel
from grokscope.runs.run import Run


def draw_forgetting(runs: list[Run], small_print: str) -> Canvas:
    """Accuracies and weight norms of one run."""
    (run,) = runs
    figure, ((left, right),) = style.panels(1, 2, height=2.1)
    accuracy_panel(left, run, f"(a) {style.title(run, runs)}")
    left.set_ylabel("accuracy")
    norm_panel(right, run)
    right.set(title="(b) Frobenius norms of the weights", ylabel="norm")
    right.legend()
    return style.finish(figure, small_print, left)


def draw_who_forgets(runs: list[Run], small_print: str) -> Canvas:
    """A column a run: accuracies above, weight norms below."""
    figure, (above, below) = style.panels(2, len(runs), height=1.75, sharex="col")
    for index, (run, upper, lower) in enumerate(zip(runs, above, below, strict=True)):
        accuracy_panel(upper, run, f"{style.letter(index)} {WHO[index]}\n{style.phase_title(run)}")
        upper.set_xlabel("")
        norm_panel(lower, run)
    above[0].set_ylabel("accuracy")
    below[0].set_ylabel("norm")
    for axes in above[1:]:
        axes.tick_params(labelleft=False)
    below[0].legend(loc="upper right")
    optimizers: dict[str, Any] = {
        run.experiment.optimizer.name: run.experiment.optimizer for run in runs
    }
    each = [
        f"{o.name}: lr {o.learning_rate:g}, wd {o.weight_decay:g}"
        + (f", momentum {o.momentum:g}" if isinstance(o, SGD) else "")
        for o in optimizers.values()
    ]
    data = [
        f"{where} α = {e.train_fraction:g}, ξ = {e.corruption_fraction:g}"
        for where, e in (("(a) to (c)", runs[0].experiment), ("(d)", runs[-1].experiment))
    ]
    return style.finish(figure, " · ".join([small_print, *data, *each]), above[0])


STRONG = NOISY.replace(weight_decay=20)

WHO = ("AdamW, x²", "SGD, x²", "AdamW, ReLU", "AdamW, x², CE")

CANDIDATES = (
    STRONG,
    # An L2 penalty, and so small a number: 1e-5 empties the network before it learns anything.
    NOISY.replace(optimizer="sgd", learning_rate=400, momentum=0.9, weight_decay=4e-6),
    STRONG.replace(activation="relu"),
    # With the α and ξ of the others cross-entropy learns nothing that it could forget.
    STRONG.replace(loss="cross_entropy", train_fraction=0.7, corruption_fraction=0.2),
)

FIGURES = {
    8: Figure(
        "Forgetting: accuracies and weight norms",
        (STRONG,),
        draw_forgetting,
        quick_steps=2000,  # the network forgets between steps 1000 and 2000
    ),
    "forgetting": Figure(
        "Which networks forget: optimiser, activation, loss",
        CANDIDATES,
        draw_who_forgets,
        quick_steps=2000,
        chosen="all but (a)",
    ),
}
