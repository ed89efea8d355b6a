"""Does the pruned network find wrong labels better than plain confidence? By phase, and for MNIST.

The controls of pruning by IPR keep as many neurons: those of the largest norm, and random ones.
Runs are kept in the folder given, or in `runs`. MNIST is from the folder that GROKSCOPE_MNIST
names, or downloaded.
"""

import sys

import numpy as np

from common import report_means
from grokscope.analysis.cross_fitting import logits_of
from grokscope.analysis.label_audit import NAMES, audit, qualities, quality
from grokscope.experiment.experiment import Experiment
from grokscope.runs.train import train

NOISY = Experiment(corruption_fraction=0.35, measure_every=50)
SEEDS = range(3)
CELLS = {
    "wd 0, α .5": NOISY,
    "wd 0, α .8": NOISY.replace(train_fraction=0.8),
    "wd 5, α .5": NOISY.replace(weight_decay=5),
    "wd 15, α .5": NOISY.replace(weight_decay=15),
    "wd 0, α .3": NOISY.replace(train_fraction=0.3),
    "dp .9, α .5": NOISY.replace(dropout=0.9),
    "wd 20, α .5": NOISY.replace(weight_decay=20),
}
IMAGES = Experiment(
    task="mnist", model="image_mlp", loss="cross_entropy", batch_size=256,
    train_fraction=0.5, corruption_fraction=0.2, measure_every=1000,
).replace(learning_rate=0.001)  # fmt: skip
CELLS |= {
    "MNIST, 300 steps": IMAGES.replace(steps=300),
    "MNIST, 5000 steps": IMAGES.replace(steps=5000),
    "MNIST, 5000 steps, wd 1": IMAGES.replace(steps=5000, weight_decay=1),
}
DRAWS = 20
"""Random sets of neurons, for each network."""


def controls(run, audited):
    """Qualities of the margin of networks that keep as many neurons as pruning by IPR does."""
    kept, n_neurons = (audited.attrs.get(name, 0) for name in ("periodic", "neurons"))
    if not 0 < kept < n_neurons:
        return {}
    layer, given = run.network.layers[[*run.layer_iprs][-1]], audited.given.values
    by_size = np.argsort(-layer.outgoing_norm_of(run.network))
    rng = np.random.default_rng(run.experiment.seeds.seed)

    def of(order):
        pruned = layer.pruned(run.network, np.isin(np.arange(n_neurons), order[:kept]))
        logits = logits_of(pruned, run.data.inputs[: len(given)])
        return quality(audit(given, logits=logits).margin.values, audited.is_wrong.values)

    by_ipr, by_norm = qualities(audited)["pruned_margin"], of(by_size)
    random = [of(rng.permutation(n_neurons)) for _ in range(DRAWS)]
    return {
        "margin, as many by norm": by_norm,
        "margin, pruned minus by norm": {name: by_ipr[name] - by_norm[name] for name in by_norm},
        "margin, as many at random": {
            name: float(np.mean([each[name] for each in random])) for name in by_norm
        },
    }


store = sys.argv[1] if len(sys.argv) > 1 else "runs"
print(f"AUROC, and precision at the number of wrong labels; seeds {SEEDS[0]} to {SEEDS[-1]}")
for cell, experiment in CELLS.items():
    phases, kept, rows = [], [], []
    for seed in SEEDS:
        run = train(experiment.replace(seed=seed), store, progress=False)
        audited = audit(run)
        phases.append(run.phase().title)
        kept += [str(audited.attrs["kept"])] if "kept" in audited.attrs else []
        found = {NAMES[name]: each for name, each in qualities(audited).items()}
        rows.append({
            f"{name}, {words}": each[number]
            for name, each in (found | controls(run, audited)).items()
            for number, words in (("auroc", "AUROC"), ("precision_at_wrong", "precision"))
        })  # fmt: skip
    print(f"{cell}: {', '.join(phases)}; neurons kept: {', '.join(kept) or 'all'}")
    report_means(rows)
