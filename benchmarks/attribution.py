"""Which order of neurons parts the rule from what is memorised, where IPR does and where it fails?

    python benchmarks/attribution.py STORE [SEEDS]

Networks are trained for seeds from 0 (three unless told otherwise) into STORE. Printed, as means
over seeds with the half width of their 95 % interval: the highest accuracy on the true labels of
corrupted examples along the curve of each order, of random orders the median of fifty such, and
what extraction and the vote of the labels alone have; and how many neurons steadiness and IPR put
on the same side.
"""

import sys

import numpy as np
import pandas as pd

from grokscope.analysis.neurons import neuron_table
from grokscope.analysis.statistics import mean_interval
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.pruning import layer_named
from grokscope.runs.pruning import prune, random_curves
from grokscope.runs.run import Run
from grokscope.runs.train import train

ORDERS = {
    "by IPR": ("ipr", "lowest"),
    "memorizing": ("memorizing", "highest"),
    "steadiness": ("steadiness", "lowest"),
    "small first": ("norm", "lowest"),
    "large first": ("norm", "highest"),
}
STRIDE = 5

NOISY = Experiment(corruption_fraction=0.35, measure_every=100)
IMAGES = Experiment(task="mnist", model="image_mlp", loss="cross_entropy", batch_size=256,
                    steps=3000, measure_every=1000, corruption_fraction=0.2, train_fraction=0.1,
                    learning_rate=0.001)  # fmt: skip
NETWORKS = {
    "Coexistence, wd 0": NOISY.replace(steps=1000),
    "wd 2": NOISY.replace(steps=1000, weight_decay=2),
    "Memorization, α .1": NOISY.replace(steps=600, train_fraction=0.1),
    "ReLU, wd 0": NOISY.replace(steps=1500, activation="relu", train_fraction=0.8),
    "3-layer MLP": NOISY.replace(model="deep_mlp", learning_rate=0.001, steps=1500,
                                 train_fraction=0.8, corruption_fraction=0.2),
    "MNIST, 4 layers": IMAGES,
}  # fmt: skip


def highest_corrected(run: Run) -> dict[str, float]:
    """The highest corrected accuracy along each order's curve; NaN where there is no such order."""
    found = {"whole": run.final.corrected_accuracy.item()}
    for name, (by, first) in ORDERS.items():
        try:
            curve = prune(run, by, first, stride=STRIDE)
        except ConfigError:  # no IPR
            found[name] = np.nan
        else:
            found[name] = curve.corrected_accuracy.max().item()
    at_random = random_curves(run, stride=STRIDE).corrected_accuracy.max("pruned")
    return found | {"at random": at_random.median().item()}


def known(run: Run) -> dict[str, float]:
    """Extracted and vote accuracy on the true labels of wrong labels; NaN without residues."""
    names = ("extracted_corrected_accuracy", "vote_corrected_accuracy")
    return {
        name.partition("_")[0]: run.dataset[name].item() if name in run.dataset else np.nan
        for name in names
    }


def same_side(run: Run) -> float:
    """The share of neurons that steadiness and IPR put on the same side; NaN if not both part."""
    table = neuron_table(run, layer_named(run.network, None))
    parted = (
        "group" in table and {"low", "high"} <= set(table.group) and "steady" in set(table.part)
    )
    return ((table.part == "steady") == (table.group == "high")).mean() if parted else np.nan


def shown(values: np.ndarray) -> str:
    """A mean over seeds with its interval's half width."""
    found = mean_interval(values[np.isfinite(values)])
    return (
        "-"
        if np.isnan(found.estimate)
        else f"{found.estimate:.2f} ± {found.high - found.estimate:.2f}"
    )


store, seeds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
titles: list[str] = []
for network, experiment in NETWORKS.items():
    runs = [train(experiment.replace(seed=s), store, progress=False) for s in range(seeds)]
    rows = pd.DataFrame(
        highest_corrected(run) | known(run) | {"same side": same_side(run)} for run in runs
    )
    if not titles:
        titles = [*rows]
        print("", "network", *titles, "", sep=" | ")
        print("|---" * (1 + len(titles)), "|", sep="")
    print(
        "", network, *(shown(rows[name].to_numpy()) for name in titles), "", sep=" | ", flush=True
    )
