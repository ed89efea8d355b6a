"""Where are the secondary peaks in the spectra of periodic neurons (App. I.2), and what do they do?

    python benchmarks/harmonics.py STORE [SEEDS]

Networks of Figure 1 are trained for seeds from 0 (four unless told otherwise) into STORE. Of their
neurons above IPR .5, printed as means over seeds with the half width of their 95 % interval:

- for each matrix, the share whose second-strongest frequency is three times the strongest, k; the
  amplitude of 3k over that of k; and, with φ and ψ the phases of k and 3k, the mean of
  cos(ψ - 3φ). It is -1 if the waves cancel the cos(2k·m + 2φ) of the squared cosine as they best
  can, and about 0 if the phases have nothing to do with one another;
- the power of Eq. 6's four terms in 2m and 2n, without the waves of 3k over that with them; and,
  as the control, without those of 5k.
"""

import sys
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from grokscope.analysis.statistics import mean_interval
from grokscope.measures.analytic_terms import analytic_terms
from grokscope.paper.settings import INVERSION_DECAYS
from grokscope.paper.statements.networks import SPARSELY
from grokscope.paper.statements.statistics import HIGH_IPR
from grokscope.runs.run import Run
from grokscope.runs.train import train

MATRICES = ("U", "V", "W")
STEPS = 1000


def waves(run: Run, matrix: str, times: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Of each periodic neuron some multiple of its strongest frequency, and that wave's value."""
    vectors = np.asarray(getattr(run.network, matrix), float)[:, run.neuron_ipr > HIGH_IPR]
    spectrum = np.fft.fft(vectors, axis=0)
    n = len(spectrum)
    strongest = 1 + (abs(spectrum[1 : n // 2 + 1]) ** 2).argmax(axis=0)
    frequency = times * strongest % n
    return frequency, spectrum[frequency, np.arange(frequency.size)]


def is_second(run: Run, matrix: str) -> np.ndarray:
    """Whether three times the strongest frequency is the second-strongest; the constant is none."""
    vectors = np.asarray(getattr(run.network, matrix), float)[:, run.neuron_ipr > HIGH_IPR]
    power = abs(np.fft.rfft(vectors, axis=0)[1:]) ** 2
    n = len(vectors)
    third, _ = waves(run, matrix, 3)
    return 1 + np.argsort(power, axis=0)[-2] == np.minimum(third, n - third)


def double_terms(run: Run, without: int | None = None) -> float:
    """The power of the terms in 2m and 2n, without a multiple of each neuron's frequency."""
    network = run.network
    periodic = np.flatnonzero(run.neuron_ipr > HIGH_IPR)
    matrices = {}
    for name in MATRICES:
        vectors = np.array(getattr(network, name), float)
        if without is not None:
            frequency, value = waves(run, name, without)
            residue = np.arange(len(vectors))[:, None]
            turn = np.exp(2j * np.pi * residue * frequency / len(vectors))
            vectors[:, periodic] -= 2 / len(vectors) * (value * turn).real
        matrices[name] = jnp.asarray(vectors, jnp.float32)
    inputs = run.data.inputs
    table = np.empty((run.data.n_labels,) * 3, np.float32)
    table[tuple(inputs.T)] = replace(network, **matrices)(jnp.asarray(inputs))
    terms = analytic_terms(table)
    return float(sum((terms[name] ** 2).sum() for name in ("2m-q", "2m+q", "2n-q", "2n+q")))


def measured(run: Run) -> dict[str, float]:
    """All that is printed of one network."""
    found = {}
    for name in MATRICES:
        first, third = (waves(run, name, times)[1] for times in (1, 3))
        found[f"{name}: 3k is second"] = is_second(run, name).mean()
        found[f"{name}: amplitude"] = np.median(abs(third) / abs(first))
        found[f"{name}: cos(ψ - 3φ)"] = np.cos(np.angle(third) - 3 * np.angle(first)).mean()
    whole = double_terms(run)
    return found | {f"without {n}k": double_terms(run, n) / whole for n in (3, 5)}


store, seeds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 4
base = SPARSELY.replace(steps=STEPS)
for decay in INVERSION_DECAYS:
    runs = [
        train(base.replace(weight_decay=decay, seed=seed), store, progress=False)
        for seed in range(seeds)
    ]
    rows = [measured(run) for run in runs]
    print(f"wd {decay}", flush=True)
    for name in rows[0]:
        mean = mean_interval(np.array([row[name] for row in rows]))
        print(f"  {name:20} {mean.estimate:7.3f} ± {mean.high - mean.estimate:.3f}", flush=True)
