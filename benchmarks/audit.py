"""Does the pruned network find wrong labels better than plain confidence? By phase, and for MNIST.

Runs are kept in the folder given, or in `runs`. MNIST is from the folder that GROKSCOPE_MNIST
names, or downloaded.
"""

import sys
from statistics import mean

from grokscope.analysis.label_audit import NAMES, audit, quality
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

store = sys.argv[1] if len(sys.argv) > 1 else "runs"
print("AUROC (precision at the number of wrong labels), mean of three seeds; neurons kept")
print(f"{'cell':24s} {'phases':36s}" + "".join(f"{name:>24s}" for name in NAMES.values()))
for cell, experiment in CELLS.items():
    phases, kept, found = [], [], {name: [] for name in NAMES}
    for seed in SEEDS:
        run = train(experiment.replace(seed=seed), store, progress=False)
        audited = audit(run)
        phases.append(run.phase().title)
        kept += [str(audited.attrs["kept"])] if "kept" in audited.attrs else []
        for name in NAMES:
            if name in audited:
                found[name].append(quality(audited[name].values, audited.is_wrong.values))
    words = [
        f"{mean(q['auroc'] for q in each):.3f} ({mean(q['precision_at_wrong'] for q in each):.3f})"
        if each else "-"
        for each in found.values()
    ]  # fmt: skip
    listed = ", ".join(dict.fromkeys(phases))
    row = "".join(f"{word:>24s}" for word in words)
    print(f"{cell:24s} {listed:36s}{row}  {', '.join(kept)}", flush=True)
