"""Which order of neurons parts the rule from what is memorised, where IPR does and where it fails?

    python benchmarks/attribution.py STORE [SEEDS]

Networks are trained for seeds from 0 (three unless told otherwise) into STORE. Printed, as means
over seeds: the highest accuracy on the true labels of corrupted examples under pruning in each
order, and how many neurons steadiness and IPR put on the same side.
"""

import sys

import numpy as np

from grokscope.analysis.neurons import neuron_table
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.pruning import layer_named
from grokscope.runs.extraction import extract
from grokscope.runs.pruning import prune
from grokscope.runs.train import train

ORDERS = {"ipr": "lowest", "memorizing": "highest", "steadiness": "lowest", "norm": "lowest",
          "random": "lowest"}  # fmt: skip

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

store, seeds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
print(f"{'':20} {'test':>5} {'corrected':>9} | best corrected accuracy under pruning by")
print(f"{'':36} | {' '.join(f'{name:>10}' for name in ORDERS)}  {'extracted':>9}  same side")
for name, experiment in NETWORKS.items():
    rows = []
    for seed in range(seeds):
        run = train(experiment.replace(seed=seed), store, progress=False)
        layer = layer_named(run.network, None)
        row = [run.final.test_accuracy.item(), run.final.corrected_accuracy.item()]
        for by, first in ORDERS.items():
            try:
                row.append(float(prune(run, by, first, stride=5).corrected_accuracy.max()))
            except ConfigError:  # no IPR
                row.append(np.nan)
        try:
            row.append(extract(run).final.corrected_accuracy.item())
        except ConfigError:
            row.append(np.nan)
        table = neuron_table(run, layer)
        sides = (
            "group" in table and {"low", "high"} <= set(table.group) and "steady" in set(table.part)
        )
        row.append(
            ((table.part == "steady") == (table.group == "high")).mean() if sides else np.nan
        )
        rows.append(row)
    test, corrected, *pruned, extracted, same = np.nanmean(rows, axis=0)
    best = " ".join(f"{value:10.2f}" for value in pruned)
    print(
        f"{name:20} {test:5.2f} {corrected:9.2f} | {best}  {extracted:9.2f}  {same:9.2f}",
        flush=True,
    )
