"""Logits on corrupted training examples: Figure 23."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from grokscope.paper.figures import RunFigure
from grokscope.paper.settings import INVERSION_DECAYS, NOISY
from grokscope.plotting import style
from grokscope.plotting.panels import corrupted_examples, logit_panel
from grokscope.plotting.wording import small_print, title
from grokscope.runs.run import Run

EXAMPLES = 4


@style.context
def plot_logits(runs: list[Run], note: str) -> style.Picture:
    """A row a run, a column an example."""
    figure, grid = style.panels(len(runs), EXAMPLES, height=1.35, sharex=True, sharey=True)
    for row, run in zip(grid, runs, strict=True):
        dataset = run.data
        chosen = corrupted_examples(dataset, EXAMPLES)
        logits = np.asarray(run.network(jnp.asarray(dataset.inputs[chosen])))
        for axes, index, values in zip(row, chosen.tolist(), logits, strict=False):
            logit_panel(axes, values, dataset, index)
            m, n = dataset.inputs[index]
            axes.set_title(f"({m}, {n})", fontsize=7.5)
        row[0].set_ylabel(title(run, runs).replace(": ", "\n") + "\nlogit")
    grid[0, 0].margins(y=0.12)
    for axes in grid[-1]:
        axes.set_xlabel("label")
    return style.finish(figure, small_print(runs, note), grid[0, 0])


FIGURES = {
    23: RunFigure(
        "Logits on four corrupted training examples",
        "What three networks answer where they were taught a wrong label. Logits have a peak at the given label and one at the true label; weight decay decides which is higher.",
        tuple(NOISY.replace(weight_decay=decay) for decay in INVERSION_DECAYS),
        plot_logits,
    ),
}
