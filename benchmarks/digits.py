"""Does cross-fitting find wrong labels of scikit-learn's digits, and is cleanlab better at it?

Both judge the same out-of-sample probabilities. Labels are drawn anew for a share of the images,
so the truth is known to the table, and to neither of the two.
"""

from pathlib import Path
from statistics import mean

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.datasets import load_digits

from grokscope.analysis.label_audit import NAMES, audit, quality
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.own_code import allow_code
from grokscope.runs.train import train

SEEDS = range(3)
SHARES = (0.05, 0.1, 0.2, 0.4)
QUALITIES = ("auroc", "precision", "recall", "precision_at_wrong")


def digits():
    """1,797 images of 8 by 8 pixels; the test examples, which no audit sees, are the first 10."""
    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype(np.float32)
    return pixels, labels, pixels[:10], labels[:10]


def by_cleanlab(found):
    """The qualities of cleanlab's scores, and of the labels that it flags, by name."""
    given, probability, wrong = (found[x].values for x in ("given", "probability", "is_wrong"))
    flagged = find_label_issues(given, probability)
    kinds = {}
    for score in ("self_confidence", "normalized_margin", "confidence_weighted_entropy"):
        evidence = -get_label_quality_scores(given, probability, method=score)
        kinds[f"cleanlab, {score.replace('_', ' ')}"] = quality(evidence, wrong) | {
            "precision": wrong[flagged].mean(),
            "recall": flagged[wrong].mean(),
        }
    return kinds


def by_us(found):
    """The qualities of the audit's evidence by name; flagged is what has a positive margin."""
    wrong = found.is_wrong.values
    flags = quality(found.margin.values, wrong, is_margin=True)
    flags = {name: flags[name] for name in ("precision", "recall")}
    kinds = ("confidence", "loss", "margin")
    return {f"audit, {NAMES[kind]}": quality(found[kind].values, wrong) | flags for kind in kinds}


def main():
    allow_code(Path(__file__).parent)
    experiment = Experiment(
        task="digits:digits", model="image_mlp", loss="cross_entropy", width=64, batch_size=64,
        train_fraction=0.8, exclude_true_label=True, steps=300, measure_every=100,
    ).replace(learning_rate=0.003)  # fmt: skip
    print(f"means of {len(SEEDS)} seeds; precision and recall are of the labels that are flagged")
    print(f"{'wrong':6s} {'evidence':40s}" + "".join(f"{name:>20s}" for name in QUALITIES))
    for share in SHARES:
        rows = {}
        for seed in SEEDS:
            run = train(experiment.replace(corruption_fraction=share, seed=seed), progress=False)
            found = audit(run, progress=False)
            for name, values in (by_us(found) | by_cleanlab(found)).items():
                rows.setdefault(name, []).append(values)
        for name, values in rows.items():
            cells = "".join(f"{mean(one[q] for one in values):20.3f}" for q in QUALITIES)
            print(f"{share:<6.0%} {name:40s}{cells}", flush=True)


if __name__ == "__main__":  # this file is also where the function of the data is
    main()
