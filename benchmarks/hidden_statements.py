"""Four statements of arXiv 2605.18022 on networks of this code, three seeds each.

    python benchmarks/hidden_statements.py

Trains 39 networks of 600 steps (about six minutes on a core of 110 GFLOP/s).
"""

import numpy as np

import grokscope as gs
from grokscope.measures.examples import Examples
from grokscope.measures.together import of_networks

SEEDS = range(3)
WIDTHS = 125, 250, 500, 1000, 2000
STEPS = 600
EXTRACTED = ["extracted_test_accuracy", "vote_test_accuracy"]


def trained(seed: int, **settings: object) -> gs.Run:
    """A network that only memorises: no weight decay."""
    return gs.train(
        gs.Experiment(steps=STEPS, measure="log:20", seed=seed, **settings), progress=False
    )


def extracted(run: gs.Run) -> dict[str, float]:
    """Test accuracy of the extracted network, and of the vote."""
    return of_networks([run.network], [Examples(run.data, run.experiment)], EXTRACTED)[0]


def mean(values: list[float]) -> str:
    """The mean over seeds, and the range."""
    return f"{np.mean(values):.3f} [{min(values):.3f}, {max(values):.3f}]"


def print_noise_and_partition() -> None:
    """80 % noise; and which part of the neurons, chosen without the task, generalises."""
    for activation in ("quadratic", "relu"):
        found = []
        for seed in SEEDS:
            run = trained(seed, corruption_fraction=0.8, activation=activation)
            by = {
                name: run.prune(by=name, band=0).best[1] for name in ("steadiness", "ipr", "random")
            }
            found.append({"whole": float(run.final.test_accuracy)} | extracted(run) | by)
        words = {name: mean([one[name] for one in found]) for name in found[0]}
        print(f"α .5, ξ .8, {activation}: test accuracy", words)


def print_widths() -> None:
    """Does a larger network hide more of the rule, or less?"""
    for width in WIDTHS:
        for activation in ("quadratic", "relu"):
            values = [
                extracted(trained(s, width=width, activation=activation, train_fraction=0.3,
                                  corruption_fraction=0.8))["extracted_test_accuracy"]
                for s in SEEDS
            ]  # fmt: skip
            print(f"α .3, ξ .8, {activation}, N {width}: extracted", mean(values))


def print_order_of_learning() -> None:
    """Are wrong labels memorised first? The step at which half of each kind is answered."""
    for corruption in (0.35, 0.8):
        steps: dict[str, list[float]] = {"corrupted": [], "uncorrupted": []}
        for seed in SEEDS:
            experiment = gs.Experiment(
                steps=60, measure_every=1, seed=seed, corruption_fraction=corruption
            )
            run = gs.train(experiment, progress=False)
            for name, found in steps.items():
                reached = run.dataset[f"{name}_accuracy"].values >= 0.5
                found.append(float(run.dataset.step[reached.argmax()]) if reached.any() else np.nan)
        words = {name: mean(found) for name, found in steps.items()}
        print(f"α .5, ξ {corruption}: step at which half is answered as given", words)


if __name__ == "__main__":
    print_order_of_learning()
    print_noise_and_partition()
    print_widths()
