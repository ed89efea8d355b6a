"""Sweeps over the optimiser: is it weight decay that inverts, whatever takes the steps?

One for each optimiser, weight decay over α, at the same decays a step in all of them. They go on
from the paper, which has AdamW, Adam and SGD.
"""

from __future__ import annotations

from functools import partial

from grokscope.experiment.grid import Grid
from grokscope.experiment.optimizers import SGD, AdamW, Grokfast, Lion, Muon
from grokscope.paper.settings import MEASURE_EVERY, NOISY

DECAYS_A_STEP = (0, 0.001, 0.005, 0.016, 0.05, 0.15)
"""Shares of the weights that decay takes in a step: AdamW's in Coexistence, Partial Inversion and
Full Inversion (Fig. 3a) are the first and the last two; .016 is SGD's (App. E). The least are for
optimisers of smaller updates, which .016 lets learn nothing."""

TRAIN_FRACTIONS = (0.3, 0.5, 0.7)

SEEDS = 3

CHOSEN = (
    AdamW(learning_rate=0.01),
    Muon(learning_rate=0.003),
    Lion(learning_rate=0.001),
    Grokfast(learning_rate=0.003),
    SGD(learning_rate=400, momentum=0.9),
)
"""At learning rates with which each learns the default task, without wrong labels and weight decay.

AdamW's and SGD's are the paper's; of three others (Grokfast: two) that with the lowest training
loss at step 1000 is taken. The step (measured at every 50th) of 90 % test accuracy, and that loss,
of one seed: AdamW 50, 1.1e-5; SGD 150, 2.9e-6; Muon 300, 3.0e-6, at .01 100, 2.5e-5, at .03 50,
2.8e-4; Lion 250, 1.1e-4, at .0003 650, 6.2e-4, at .003 200, 5.6e-4; Grokfast 150, 2.0e-6, at .01
350, 1.4e-5.
"""


def _decays_over_fractions(optimizer: AdamW | Muon | Lion | Grokfast | SGD) -> Grid:
    """Weight decay of one optimiser over α, at the label noise of most of the paper's figures.

    What is matched is the share of the weights that decay takes in a step. Where it is decoupled
    that is lr·wd; SGD's is an L2 penalty, which momentum repeats, and the share lr·wd / (1 - μ).
    What else a step does differs in size: equal decays do not mean equal norms.
    """
    repeated = 1 / (1 - optimizer.momentum) if isinstance(optimizer, SGD) else 1
    decays = tuple(decay / (optimizer.learning_rate * repeated) for decay in DECAYS_A_STEP)
    return Grid(
        base=NOISY.replace(optimizer=optimizer, measure_every=MEASURE_EVERY),
        axes={"weight_decay": decays, "train_fraction": TRAIN_FRACTIONS},
        seeds=SEEDS,
    )


OPTIMIZERS = {
    f"optimizer_{optimizer.name}": partial(_decays_over_fractions, optimizer)
    for optimizer in CHOSEN
}
"""The sweeps by name."""
