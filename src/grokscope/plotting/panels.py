"""Panels and small print that several pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from grokscope.analysis.norm_layers import contributions
from grokscope.analysis.statistics import rank_correlation
from grokscope.data.dataset import Dataset
from grokscope.plotting import style
from grokscope.plotting.palette import BLACK, BLUE, GREEN, GREY, LINES, ORANGE, RED
from grokscope.plotting.wording import (
    axis_label,
    format_setting,
    format_time,
    order_title,
    words_of,
)
from grokscope.runs.run import Run
from grokscope.runs.summaries import IPR_BINS
from grokscope.sweeps.diagram import grid_of, phase_diagram

BINS = [edge / IPR_BINS for edge in range(IPR_BINS + 1)]
"""Edges of every IPR histogram."""

ACCURACIES = ("train_accuracy", "test_accuracy", "corrupted_accuracy", "uncorrupted_accuracy")

CONTROLLED = ("test_accuracy", "corrupted_accuracy")
"""The accuracies that tell the rule from what is memorised: their controls are drawn."""


def accuracy_panel(axes: Axes, run: Run, title: str) -> None:
    """Train and test accuracy over steps, with the level of 1 - ξ; bars if no steps are known."""
    if run.elsewhere is not None:
        _accuracy_bars(axes, run, title)
        return
    for name in ("train_accuracy", "test_accuracy"):
        axes.plot(run.dataset.step, run.dataset[name], **LINES[name], **_point_of(run))
    clean_level(axes, run)
    axes.set(title=title, xlabel="step", xlim=(0, max(run.experiment.steps, 1)))


def _point_of(run: Run) -> dict[str, Any]:
    """How a curve over a single step is seen: a line needs two. The point may lie on the frame."""
    return {"marker": "o", "ms": 4.5, "clip_on": False} if run.dataset.sizes["step"] == 1 else {}


def _accuracy_bars(axes: Axes, run: Run, title: str) -> None:
    """Accuracies of a network whose training is not known."""
    lines = [LINES[name] for name in ACCURACIES]
    accuracies = [run.final[name].item() for name in ACCURACIES]
    axes.bar(range(len(lines)), accuracies, color=[line["color"] for line in lines])
    axes.set_xticks(range(len(lines)), [line["label"].replace(", ", ",\n") for line in lines])
    clean_level(axes, run)
    axes.set(title=title, xlabel="no steps: trained elsewhere")


def norm_panel(axes: Axes, run: Run) -> None:
    """Frobenius norm of each weight matrix over steps."""
    colors = (ORANGE, BLUE, BLACK, GREEN, RED)
    dashes = ("-", "--", ":", "-.")
    for index, matrix in enumerate(run.dataset.matrix.values):
        color, dashed = colors[index % len(colors)], dashes[index % len(dashes)]
        norm, label = run.dataset.norm.sel(matrix=matrix), f"‖{matrix}‖"
        axes.plot(run.dataset.step, norm, color=color, ls=dashed, label=label, **_point_of(run))
    axes.set(xlabel="step", xlim=(0, max(run.experiment.steps, 1)), ylim=(0, None))


def ipr_panel(axes: Axes, run: Run, title: str, layer: str | None = None) -> None:
    """Draw a histogram of IPR over a layer's live neurons; a note counts the dead ones."""
    per_neuron = run.layer_ipr(layer)
    live = per_neuron[~np.isnan(per_neuron)]
    axes.hist(live, BINS, color=BLUE, ec="white", lw=0.3)
    axes.set(title=title, xlabel="IPR", xlim=(0, 1))
    if dead := len(per_neuron) - len(live):
        note = f"{dead} dead neurons\nnot shown"
        axes.text(0.03, 0.97, note, transform=axes.transAxes, va="top", fontsize=6.5)


SCALES = {"gamma": "|γ|", "effective": "|γ|·‖W‖, effective"}


def scale_panel(axes: Axes, run: Run, name: str, letter: str, layer: str | None = None) -> None:
    """Plot each neuron's IPR against its norm layer's weight, with their rank correlation.

    Args:
        axes: where to draw.
        run: a run of a network with norm layers.
        name: which weight, one of `SCALES`.
        letter: the panel's letter, as in (a).
        layer: whose neurons; by default those next to the input.
    """
    neurons = contributions(run, layer)
    axes.plot(neurons.ipr, neurons[name], ".", ms=2.5, alpha=0.6, color=BLUE, mew=0)
    rho, low, high = rank_correlation(neurons.ipr.values, neurons[name].values)
    axes.set_title(f"{letter} ρ = {rho:.2f} [{low:.2f}, {high:.2f}]")
    axes.set(xlabel="IPR", ylabel=SCALES[name], xlim=(0, 1), ylim=(0, None))


def corrupted_examples(dataset: Dataset, n: int) -> np.ndarray:
    """The first n training examples whose given label is wrong; fewer if there are fewer."""
    return np.flatnonzero(dataset.is_wrong)[:n]


def logit_panel(axes: Axes, logits: np.ndarray, dataset: Dataset, index: int) -> None:
    """Plot all logits of one example, with its true label marked, and a wrong given one."""
    true, given = dataset.true_labels[index], dataset.given_labels[index]
    axes.plot(logits, color="#8a8a8a", lw=0.7)
    axes.plot(true, logits[true], "o", color=BLUE, ms=5, label="true label")
    if given != true:
        axes.plot(given, logits[given], "X", color=RED, ms=5.5, label="given (corrupted) label")


def pruning_panel(axes: Axes, curve: xr.Dataset, names: tuple[str, ...]) -> None:
    """Scores against the fraction of neurons pruned, whose order the curve's attributes say."""
    for name in names:
        axes.plot(curve.pruned / curve.pruned[-1], curve[name], **LINES[name])
    axes.set(xlim=(0, 1), xlabel=f"fraction pruned, {order_title(curve)}")
    style.percent(axes, "x")


CONTROL_LINES = {
    "norm": ("thin", {"lw": 0.7}),
    "ipr": ("marked", {"lw": 0.7, "marker": "|", "ms": 4, "markevery": 0.05}),
}
"""How a control is called and drawn, by what orders it."""


def control_panel(axes: Axes, curve: xr.Dataset, names: tuple[str, ...]) -> None:
    """Scores of another pruning curve, thin and behind what is drawn."""
    word, style_ = CONTROL_LINES[curve.attrs["by"]]
    share = curve.pruned / curve.pruned[-1]
    for name in names:
        color, dashes = LINES[name]["color"], LINES[name]["ls"]
        axes.plot(share, curve[name], color=color, ls=dashes, zorder=1.5, **style_)
    by = curve.attrs["by"].replace("ipr", "IPR")
    axes.plot([], [], color=GREY, label=f"{word}: by {by}", **style_)


def band_panel(axes: Axes, band: xr.Dataset, names: tuple[str, ...]) -> None:
    """The central 95 % and the median of each score over random orders, pale, behind all."""
    low, median, high = band["quantile"].values
    share = band.pruned / band.pruned[-1]
    for name in names:
        color, at = LINES[name]["color"], band[name]
        least, most = at.sel(quantile=low), at.sel(quantile=high)
        axes.fill_between(share, least, most, color=color, alpha=0.18, lw=0)
        axes.plot(share, at.sel(quantile=median), color=color, lw=0.7, alpha=0.4, zorder=1)
    label = f"pale: {band.attrs['orders']} random orders"
    axes.fill_between([], [], color=GREY, alpha=0.3, lw=0, label=label)


def clean_level(axes: Axes, run: Run) -> None:
    """Mark 1 - ξ on an axis of accuracies: the accuracy of who answers all examples truly."""
    clean = 1 - run.experiment.corruption_fraction
    axes.axhline(clean, color="#999999", lw=0.8, ls=(0, (1, 1.5)), label="1 − ξ")
    axes.set_ylim(-0.03, 1.03)
    style.percent(axes)


def sweep_print(sweeps: Sequence[xr.Dataset], note: str = "") -> str:
    """The small print of sweeps: shared settings, numbers of cells, cost, and the note."""
    words = [*_shared_settings(sweeps), _counts(sweeps)]
    if settled := sum(int(np.isfinite(data.settled_at).sum()) for data in sweeps):
        words.append(f"{settled:,} runs stopped when settled")
    words.append(f"{format_time(sum(float(data.seconds.sum()) for data in sweeps))} of one core")
    return " · ".join([*words, *([note] if note else [])])


def _shared_settings(sweeps: Sequence[xr.Dataset]) -> list[str]:
    """What all sweeps share, what each has of its own, and axes that advance with another."""
    grids = [grid_of(data) for data in sweeps]
    varied = {name for grid in grids for name, values in grid.values.items() if len(values) > 1}
    firsts = [grid.cell((0,) * len(grid.sizes)) for grid in grids]
    words = words_of(firsts, without=varied)
    for index, first in enumerate(firsts):
        own = [word for word in words_of([first], without=varied) if word not in words]
        words += [f"{style.letter(index)} {', '.join(own)}"] if own else []
    for grid in grids:
        for name in (name for names in grid.dimensions.values() for name in names[1:]):
            values = ", ".join(format_setting(value) for value in grid.axes[name])
            words.append(f"{axis_label(name)} {values}")
    return words


def _counts(sweeps: Sequence[xr.Dataset]) -> str:
    """How many cells were trained and inferred, and with how many seeds."""
    n_cells = sum(data.status[..., 0].size for data in sweeps)
    diagrams = [phase_diagram(data) for data in sweeps]
    runs = np.concatenate([diagram.runs.values.ravel() for diagram in diagrams])
    seeds, cells = np.unique(runs[runs > 0], return_counts=True)
    inferred = sum(int(diagram.inferred.sum()) for diagram in diagrams)
    words = [f"{cells.sum():,} of {n_cells:,} cells trained"]
    words += [f"{inferred:,} inferred"] if inferred else []
    if len(seeds) > 1:
        each = [f"{count:,} with {n}" for n, count in zip(seeds, cells, strict=True)]
        words.append(f"{' and '.join(each)} seeds")
    elif seeds.max(initial=1) > 1:
        words.append(f"{seeds[0]} seeds each")
    return ", ".join(words)
