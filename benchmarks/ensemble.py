"""What does training and measuring networks together cost on a CPU, against one by one? One thread.

An accelerator computes the members of an ensemble at once; a CPU, in turn. What is measured on the
host: scores from each example's answers, IPR by NumPy's Fourier transform, norms by NumPy's.
"""

import jax
import numpy as np

from common import report, sgemm_rate, step_seconds
from grokscope.data.dataset import make_dataset
from grokscope.experiment.experiment import Experiment
from grokscope.measures.examples import Examples
from grokscope.measures.pruning import curves_of
from grokscope.measures.scores import evaluate, matrices, score_means, score_values
from grokscope.measures.spectrum import ipr_over
from grokscope.measures.table import network_measures
from grokscope.measures.together import measure_together, of_networks
from grokscope.models.network import named_arrays, vector_matrices
from grokscope.training.ensemble import Ensemble
from grokscope.training.members import member, stacked

STEPS = 10

base = Experiment(corruption_fraction=0.35)
cells = [base.replace(seed=seed) for seed in range(8)]
datasets = [make_dataset(cell) for cell in cells]


def steps_of(some, how):
    """Steps of some of the networks, for `step_seconds`."""
    data = datasets[: len(some)]
    ensemble = Ensemble(some, data, [None] * len(some), [0] * len(some), how)

    def run():
        ensemble.advance(STEPS)
        jax.block_until_ready(ensemble.models)

    return run, STEPS * len(some)


alone, in_turn, at_once = step_seconds(
    steps_of(cells[:1], "alone"), steps_of(cells, "in turn"), steps_of(cells, "at once")
)
print(f"a network's step: alone {alone * 1e3:.1f} ms, of eight in turn {in_turn * 1e3:.1f} ms, "
      f"of eight at once {at_once * 1e3:.1f} ms")  # fmt: skip
report("ensemble of 8, in turn / one by one", in_turn / alone, 1.2)
print(f"ensemble of 8, at once / one by one: {at_once / alone:.2f}")

examples = [*map(Examples, datasets, cells)] * 4
cells = cells * 4
networks = [Ensemble([c], [d], [None], [0], "alone").models
            for c, d in zip(cells, datasets * 4, strict=True)]  # fmt: skip
models, tiles = stacked(networks, "in turn"), stacked([e.tiles for e in examples], "in turn")
wanted = dict(enumerate(examples))


def on_host():
    """The measurements of all as they were made before: network by network."""
    for place, some in wanted.items():
        model = member(models, place, "in turn")
        arrays = named_arrays(model)
        wanted_of = score_values()
        values = evaluate(model, *some.tiles[:3], some.experiment.loss, wanted_of)
        each = [np.asarray(tiles).ravel()[: len(some.dataset.inputs)] for tiles in values]
        score_means(dict(zip(wanted_of, each, strict=True)), some.dataset)
        [np.linalg.norm(array) for array in matrices(arrays).values()]
        [ipr_over(arrays[name], some.dataset.group) for name in vector_matrices(model)]


together, host = step_seconds(
    (lambda: measure_together(models, tiles, wanted, "in turn"), 32), (on_host, 32)
)
product = 2 * datasets[0].n_labels ** 3 * base.model.width / sgemm_rate()
print(f"a network's measurement: in one call {together * 1e3:.1f} ms, on the host "
      f"{host * 1e3:.1f} ms, its product alone {product * 1e3:.1f} ms")  # fmt: skip
report("measured on the host / in one call", host / together, 5, "above")
print(f"at most, were the product all: {host / product:.1f}")

few, theirs = networks[:8], examples[:8]
names = [*network_measures()]
orders = np.array([[np.arange(base.model.width)] * 2] * 8)
data = [some.dataset for some in theirs]


def at_the_end(how):
    """All network measures, and two pruning curves, of eight networks."""
    of_networks(few, theirs, names, how)
    curves_of(few, data, base.loss, orders, 10, "hidden", how)


alone, at_once = step_seconds((lambda: at_the_end(None), 8), (lambda: at_the_end("at once"), 8),
                              repeats=3)  # fmt: skip
print(f"what is kept of a finished network: one by one {alone * 1e3:.0f} ms, of eight in one "
      f"compiled call {at_once * 1e3:.0f} ms; an accelerator takes the latter")  # fmt: skip
