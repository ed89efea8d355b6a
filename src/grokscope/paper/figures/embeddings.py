"""IPR in the layers of deeper networks: Figures 12 and 15."""

from __future__ import annotations

import numpy as np
import xarray as xr

from grokscope.errors import ConfigError
from grokscope.paper.figures import RunFigure, SweepFigure
from grokscope.paper.settings import DEEP_BATCH_NORM
from grokscope.plotting import style
from grokscope.plotting.palette import BLACK, BLUE
from grokscope.plotting.panels import accuracy_panel, ipr_panel, scale_panel, sweep_print
from grokscope.plotting.wording import small_print, title
from grokscope.runs.run import Run

TIED = {"False": "", "True": ", tied"}
"""By the words that a dataset has for them."""


@style.context
def plot_embeddings(sweeps: list[xr.Dataset], note: str = "") -> style.Picture:
    """Embedding IPR: a row for each number of heads, tied or not; a column for each depth."""
    (data,) = sweeps
    if not {"heads", "tied", "depth"} <= set(data.ipr_histogram.dims):
        raise ConfigError("`sweep` must be over heads, tied and depth, got another. Use figure12.")
    places = [(heads, tied) for heads in data.heads.values for tied in data.tied.values]
    figure, grid = style.panels(
        len(places), data.sizes["depth"], height=1.15, sharex=True, sharey=True
    )
    for row, (heads, tied) in zip(grid, places, strict=True):
        for axes, depth in zip(row, data.depth.values, strict=True):
            cell = data.sel(heads=heads, tied=tied, depth=depth)
            counts = cell.ipr_histogram.isel(layer=0).sum("seed").values
            axes.bar(cell.ipr_bin, counts, 1 / len(counts), color=BLUE, ec="white", lw=0.3)
            mean = float(cell.mean_ipr.mean())
            axes.axvline(mean, color=BLACK, lw=0.9, ls="--")
            blocks = "1 block" if depth == 1 else f"{depth} blocks"
            test = float(cell.test_accuracy.mean())
            axes.set_title(f"{heads} heads{TIED[str(tied)]}, {blocks}: test {test:.0%}")
        row[0].set_ylabel("coordinates")
    for axes in grid[-1]:
        axes.set(xlabel="IPR of the embedding", xlim=(0, 1))
    return style.finish(figure, f"{sweep_print(sweeps, note)} · dashed: mean IPR")


@style.context
def plot_layers(runs: list[Run], note: str) -> style.Picture:
    """One run: accuracies, IPR of its input and output layers, and of each against its γ."""
    (run,) = runs
    figure, grid = style.panels(2, 3, height=1.95)
    accuracy_panel(grid[0, 0], run, f"(a) {title(run, runs)}")
    grid[0, 0].set_ylabel("accuracy")
    for row, (layer, name) in zip(
        grid[:, 1:].T, {"first": "input", "last": "output"}.items(), strict=True
    ):
        above, below = row
        letters = ("(b)", "(d)") if layer == "first" else ("(c)", "(e)")
        ipr_panel(above, run, f"{letters[0]} {name} layer", layer)
        above.set_ylabel("neurons")
        scale_panel(below, run, "gamma", letters[1], layer)
    grid[1, 0].set_axis_off()
    ipr = {layer: np.nanmean(run.layer_ipr(layer)) for layer in ("first", "last")}
    words = "\n".join(f"mean IPR, {layer} layer: {mean:.2f}" for layer, mean in ipr.items())
    grid[1, 0].text(0, 0.7, words, transform=grid[1, 0].transAxes, va="top")
    words = f"{small_print(runs, note)} · ρ: Spearman, 95 % bootstrap interval over live neurons"
    return style.finish(figure, words, grid[0, 0])


FIGURES = {
    12: SweepFigure(
        "Embedding IPR of Transformers by depth, heads and weight tying",
        "How periodic the embedding of a Transformer is, a panel for each network: from left to right one to three blocks, from top to bottom by number of heads and weight tying.",
        ("figure12",),
        plot_embeddings,
        quick_axes={"depth": (1, 2)},
        quick_base={"figure12": {"steps": 1000}},
        quick_settle=False,
        chosen="wd, lr and steps",
    ),
    15: RunFigure(
        "3-layer MLP with BatchNorm: IPR of its first and last layers, and γ",
        "A deeper network with BatchNorm: its accuracies, how periodic the units of its first and last layers are, and the weight that BatchNorm gives to each of them.",
        (DEEP_BATCH_NORM,),
        plot_layers,
        quick_steps=DEEP_BATCH_NORM.steps,
        chosen="lr and steps",
    ),
}
