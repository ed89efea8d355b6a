"""How near the borders of phases are the networks of Figures 20 to 22, and does γ follow IPR?

Each claim's networks, as `grokscope verify` trains them, in the folder given, or in `runs`: phases
and training accuracy, and Spearman's ρ of IPR with |γ|, with ‖W‖ and with |γ|·‖W‖.
"""

import sys
from collections import Counter

import numpy as np

from grokscope.analysis.norm_layers import contributions
from grokscope.analysis.statistics import mean_interval, rank_correlation
from grokscope.paper.settings import NOISY_BATCHES
from grokscope.paper.statements import chosen, claims, experiments_of
from grokscope.paper.statements.layers import SHOWN
from grokscope.runs.train import train

NORMS = {"BatchNorm": "batch_norm", "LayerNorm": "layer_norm", "without": None}
store = sys.argv[1] if len(sys.argv) > 1 else "runs"


def seeds_of(network):
    """The most seeds that any claim has of a network."""
    return max(claim.seeds for claim in claims().values() if network in claim.experiments.values())


def interval_of(values):
    estimate, low, high = mean_interval(np.array(values))
    return f"{estimate:.3f} [{low:.3f}, {high:.3f}], {min(values):.3f} to {max(values):.3f}"


def print_correlations(runs, layer=None):
    found = {"γ": [], "‖W‖": [], "γ‖W‖": []}
    for run in runs:
        units = contributions(run, layer)
        ipr, gamma, both = (units[name].values for name in ("ipr", "gamma", "effective"))
        for name, values in zip(found, (gamma, both / gamma, both), strict=True):
            found[name].append(rank_correlation(ipr, values).estimate)
    for name, values in found.items():
        print(f"    ρ of IPR and {name:5s} {interval_of(values)}")


for name, norm in NORMS.items():
    for alpha in SHOWN:
        network = NOISY_BATCHES.replace(normalization=norm, train_fraction=alpha)
        seeds = range(seeds_of(network))
        runs = [train(network.replace(seed=seed), store, progress=False) for seed in seeds]
        phases = Counter(run.phase().title for run in runs)
        print(f"{name}, α {alpha}: {dict(phases)}")
        accuracies = [float(run.final["train_accuracy"]) for run in runs]
        print(f"    training accuracy {interval_of(accuracies)}")
        if norm:
            print_correlations(runs)

for claim_name in ("batchnorm-gamma", "deep-gamma"):
    (claim,) = chosen([claim_name]).values()
    cells = [experiments_of(claim, "quick", seed)["run"] for seed in range(claim.seeds)]
    runs = [train(cell, store, progress=False) for cell in cells]
    for layer in ("first", "last") if claim_name == "deep-gamma" else (None,):
        print(f"{claim_name}, {claim.seeds} seeds" + (f", {layer} layer" if layer else ""))
        print_correlations(runs, layer)
