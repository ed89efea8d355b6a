"""Where are the secondary peaks in the spectra of periodic neurons (App. I.2), and what do they do?

    python benchmarks/harmonics.py STORE [SEEDS]

Networks of Figure 1 are trained for seeds from 0 (four unless told otherwise) into STORE. Of their
neurons above IPR .5, printed as means over seeds with the half width of their 95 % interval:

- for each matrix, the share whose second-strongest frequency is three times the strongest, k; the
  median amplitude of 3k over that of k; and, with φ and ψ the phases of k and 3k, the mean of
  cos(ψ - 3φ). It is -1 if the waves cancel the cos(2k·m + 2φ) of the squared cosine as they best
  can, and about 0 if the phases have nothing to do with one another;
- the power of Eq. 6's four terms in 2m and 2n, without the waves of 3k over that with them; and,
  as the control, without those of 5k.
"""

import sys

import numpy as np

from common import report_means
from grokscope.analysis.harmonics import doubled_power, harmonics
from grokscope.paper.settings import INVERSION_DECAYS
from grokscope.paper.statements.networks import SPARSELY
from grokscope.runs.run import Run
from grokscope.runs.train import train

STEPS = 1000


def measured(run: Run) -> dict[str, float]:
    """All that is printed of one network."""
    waves, found = harmonics(run), {}
    for name in waves.matrix.values.tolist():
        of = waves.sel(matrix=name)
        third = of.sel(multiple=3)
        found[f"{name}: 3k is second"] = (of.second == 3).mean().item()
        found[f"{name}: amplitude"] = third.amplitude.median().item()
        found[f"{name}: cos(ψ - 3φ)"] = np.cos(third["shift"]).mean().item()
    whole = doubled_power(run)
    return found | {f"without {n}k": doubled_power(run, n) / whole for n in (3, 5)}


store, seeds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 4
base = SPARSELY.replace(steps=STEPS)
for decay in INVERSION_DECAYS:
    runs = [
        train(base.replace(weight_decay=decay, seed=seed), store, progress=False)
        for seed in range(seeds)
    ]
    rows = [measured(run) for run in runs]
    print(f"wd {decay}", flush=True)
    report_means(rows)
