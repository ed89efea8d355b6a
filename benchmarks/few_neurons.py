"""Do few neurons memorise wrong labels without weight decay? The control of Forgetting stopped.

    python benchmarks/few_neurons.py

Networks of as many neurons as weight decay leaves alive by then, trained from the start: α = .5,
ξ = .35, wd = 0, 3000 steps, three seeds.
"""

from grokscope import Experiment, train

WIDTHS = (45, 110, 190, 360)
SEEDS = 3


def main() -> None:
    """Train and print each network's accuracies."""
    for width in WIDTHS:
        for seed in range(SEEDS):
            experiment = Experiment(
                corruption_fraction=0.35, width=width, steps=3000, measure_every=100, seed=seed
            )
            run = train(experiment, progress=False)
            names = ("test_accuracy", "corrupted_accuracy", "mean_ipr")
            found = ", ".join(f"{name} {float(run.final[name]):.2f}" for name in names)
            print(f"N = {width}, seed {seed}: {run.phase().title}, {found}")


if __name__ == "__main__":
    main()
