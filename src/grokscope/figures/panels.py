"""Single panels that several figures show."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from grokscope.data import Dataset
from grokscope.figures import style
from grokscope.store import Run

BINS = [bin_ / 40 for bin_ in range(41)]
"""Edges of every IPR histogram."""

ACCURACIES = ("train_accuracy", "test_accuracy", "corrupted_accuracy", "uncorrupted_accuracy")


def accuracy_panel(axes: Axes, run: Run, title: str) -> None:
    """Train and test accuracy over steps, with the level of 1 - ξ."""
    for name in ("train_accuracy", "test_accuracy"):
        axes.plot(run.dataset.step, run.dataset[name], **style.LINES[name])
    clean_level(axes, run)
    axes.set(title=title, xlabel="step", xlim=(0, max(run.experiment.steps, 1)))


def ipr_panel(axes: Axes, run: Run, title: str) -> None:
    """Histogram of IPR_k over live neurons; the dead are counted in words."""
    per_neuron = run.neuron_ipr
    live = per_neuron[~np.isnan(per_neuron)]
    axes.hist(live, BINS, color=style.BLUE, ec="white", lw=0.3)
    axes.set(title=title, xlabel="IPR", xlim=(0, 1))
    if dead := len(per_neuron) - len(live):
        note = f"{dead} dead neurons\nnot shown"
        axes.text(0.03, 0.97, note, transform=axes.transAxes, va="top", fontsize=6.5)


def corrupted_examples(dataset: Dataset, n: int) -> np.ndarray:
    """The first n training examples whose given label is wrong; fewer if there are fewer."""
    return np.flatnonzero(dataset.given_labels != dataset.true_labels)[:n]


def logit_panel(axes: Axes, logits: np.ndarray, dataset: Dataset, index: int) -> None:
    """All logits of one example, its true and its given label marked."""
    true, given = dataset.true_labels[index], dataset.given_labels[index]
    axes.plot(logits, color="#8a8a8a", lw=0.7)
    axes.plot(true, logits[true], "o", color=style.BLUE, ms=5, label="true label")
    axes.plot(given, logits[given], "X", color=style.RED, ms=5.5, label="given (corrupted) label")


def pruning_panel(axes: Axes, curve: xr.Dataset, names: tuple[str, ...], first: str) -> None:
    """Scores against the fraction of neurons pruned."""
    for name in names:
        axes.plot(curve.pruned / curve.pruned[-1], curve[name], **style.LINES[name])
    axes.set(xlim=(0, 1), xlabel=f"fraction pruned, {first} IPR first")
    style.percent(axes, "x")


def clean_level(axes: Axes, run: Run) -> None:
    """An axis of accuracies, with the level of 1 - ξ: all uncorrupted labels, none corrupted."""
    clean = 1 - run.experiment.corruption_fraction
    axes.axhline(clean, color="#999999", lw=0.8, ls=(0, (1, 1.5)), label="1 − ξ")
    axes.set_ylim(-0.03, 1.03)
    style.percent(axes)
