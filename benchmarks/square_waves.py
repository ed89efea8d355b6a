"""Are the secondary peaks of periodic neurons (App. I.2) the mark of bounded weights?

    python benchmarks/square_waves.py STORE [SEEDS]

With AdamW, Lion and Grokfast a step moves each weight by about the same, so that decay holds all
weights near or below 1/wd. A cosine that is cut at a bound is nearer to a square wave, whose waves
are cos(x) - cos(3x)/3 + cos(5x)/5 - ... SGD and Muon hold no single weight. As a control SGD is
trained without decay and with a bound (`bounded.py`).

Networks at α = .5, ξ = .35 are trained for four seeds, unless told otherwise, into STORE. Of their
neurons above IPR .5, means over seeds with the half width of their 95 % interval: how many there
are; of U and W the largest weight, the median amplitude of the waves at 3k and 5k over that at k,
and the mean cosines of their shifts (-1 and 1 in a square wave), as `harmonics.py` has them; and
the power of Eq. 6's terms in 2m and 2n without the waves at 3k, over that with them.
"""

import sys

import numpy as np

from bounded import bounded
from common import report_means
from grokscope.analysis.harmonics import doubled_power, harmonics
from grokscope.paper.optimizers import CHOSEN
from grokscope.paper.settings import NOISY
from grokscope.runs.train import train

DECAYS = {
    "adamw": (1.6, 5, 15),
    "grokfast": (50 / 3,),
    "lion": (5,),
    "muon": (5 / 3,),
    "sgd": (4e-6,),
}
"""AdamW's on the way to Full Inversion; of the others that at which they invert, which Lion does
at none that was tried."""

BOUNDS = (0.3, 0.2, 0.15, 0.12)
"""From one that hardly a weight of a network trained by SGD reaches."""


def experiments():
    """Experiments by name."""
    for optimizer in CHOSEN:
        for decay in DECAYS[optimizer.name]:
            experiment = NOISY.replace(optimizer=optimizer, weight_decay=decay)
            yield f"{optimizer.name}, wd {decay:.3g}", experiment
    for bound in BOUNDS:
        experiment = NOISY.replace(optimizer=bounded)
        yield f"sgd, bound {bound}", experiment.replace(bound=bound)


def measured(run):
    """All that is printed of one network."""
    waves = harmonics(run)
    found = {"periodic neurons": float(waves.sizes["neuron"])}
    for matrix in ("U", "W"):
        weights = np.asarray(getattr(run.network, matrix))[:, waves.neuron.values]
        found[f"{matrix}: largest weight"] = float(abs(weights).max())
        for multiple in (3, 5):
            of = waves.sel(matrix=matrix, multiple=multiple)
            found[f"{matrix}: amplitude of {multiple}k"] = float(of.amplitude.median())
            found[f"{matrix}: cosine of {multiple}k"] = float(np.cos(of["shift"]).mean())
    return found | {"power without 3k": doubled_power(run, 3) / doubled_power(run)}


store, seeds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 4
for title, experiment in experiments():
    runs = [train(experiment.replace(seed=seed), store, progress=False) for seed in range(seeds)]
    rows = [measured(run) for run in runs]
    print(f"{title}: {', '.join(str(run.phase()) for run in runs)}", flush=True)
    report_means(rows)
