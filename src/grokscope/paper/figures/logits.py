"""Logits on corrupted training examples: Figure 23."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure as Canvas

from grokscope.data.dataset import make_dataset
from grokscope.paper.figures import NOISY, Figure
from grokscope.plotting import style
from grokscope.plotting.panels import corrupted_examples, logit_panel
from grokscope.runs.compact import EXAMPLES
from grokscope.runs.run import Run


def draw_logits(runs: list[Run], small_print: str) -> Canvas:
    """A row a run, a column an example."""
    figure, grid = style.panels(len(runs), EXAMPLES, height=1.35, sharex=True, sharey=True)
    for row, run in zip(grid, runs, strict=True):
        dataset = make_dataset(run.experiment)
        chosen = corrupted_examples(dataset, EXAMPLES)
        logits = np.asarray(run.network(jnp.asarray(dataset.inputs[chosen])))
        for axes, index, values in zip(row, chosen.tolist(), logits, strict=False):
            logit_panel(axes, values, dataset, index)
            m, n = dataset.inputs[index]
            axes.set_title(f"({m}, {n})", fontsize=7.5)
        row[0].set_ylabel(style.title(run, runs).replace(": ", "\n") + "\nlogit")
    grid[0, 0].margins(y=0.12)
    for axes in grid[-1]:
        axes.set_xlabel("label")
    return style.finish(figure, small_print, grid[0, 0])


FIGURES = {
    23: Figure(
        "Logits on four corrupted training examples",
        tuple(NOISY.replace(weight_decay=decay) for decay in (0, 5, 15)),
        draw_logits,
    ),
}
