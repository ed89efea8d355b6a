"""Statements about Eq. 6's terms in the logits of trained networks (App. I.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float

from grokscope.experiment.experiment import Experiment
from grokscope.measures.analytic_terms import LEADING, analytic_terms, logits_of_pairs
from grokscope.measures.logits import scores_of
from grokscope.measures.spectrum import HIGH_IPR, power_spectrum
from grokscope.models.network import named_arrays
from grokscope.paper.statements import Claim, Measure
from grokscope.paper.statements.networks import DECAY_5, DECAY_15, PLAIN
from grokscope.paper.statements.statistics import LOW_IPR, of_runs
from grokscope.runs.run import Run

N_RANDOM = 10
"""Random choices of neurons, of whose statistics the median is the control."""


def _table(run: Run, kept: Bool[np.ndarray, "neuron"]) -> Float[np.ndarray, "m n q"]:
    """The logits of all pairs with some of the neurons."""
    network = run.network
    return logits_of_pairs(network.layers["hidden"].pruned(network, kept), run.data.inputs)


def _other_terms(table: Float[np.ndarray, "m n q"]) -> Float[np.ndarray, "m n q"]:
    """The sum of Eq. 6's sub-leading terms: all but the one that answers."""
    found = analytic_terms(table)
    return np.sum([part for name, part in found.items() if name != LEADING], axis=0)


def _power(run: Run, kept: Bool[np.ndarray, "neuron"]) -> float:
    return float((_other_terms(_table(run, kept)) ** 2).sum())


@lru_cache(maxsize=64)  # many claims are about the same networks
def _whole_power(run: Run) -> float:
    return _power(run, np.ones(len(run.neuron_ipr), bool))


def _is_periodic(run: Run) -> Bool[np.ndarray, "neuron"]:
    """Whether each neuron is no dead one and none of low IPR."""
    return run.neuron_ipr >= LOW_IPR


@lru_cache(maxsize=64)
def _uncancelled(run: Run) -> float:
    """The sub-leading terms' power without neurons of low IPR over that with them."""
    return _power(run, _is_periodic(run)) / _whole_power(run)


@lru_cache(maxsize=64)
def _uncancelled_at_random(run: Run) -> float:
    """The same without as many neurons at random."""
    rng = np.random.default_rng(run.experiment.seeds.seed)
    kept = _is_periodic(run)
    powers = [_power(run, rng.permutation(kept)) for _ in range(N_RANDOM)]
    return float(np.median(powers)) / _whole_power(run)


@lru_cache(maxsize=64)
def _with_and_without(run: Run) -> tuple[dict[str, float], dict[str, float]]:
    """Scores of the periodic neurons' logits, and of these without the sub-leading terms."""
    table = _table(run, _is_periodic(run))
    rows = tuple(run.data.inputs.T)
    with_, without = (
        scores_of(logits[rows], run.data, run.experiment.loss)
        for logits in (table, (table - _other_terms(table)).astype(np.float32))
    )
    return with_, without


def _accuracy_gained(runs: Mapping[str, Run]) -> float:
    """How much test accuracy the periodic neurons gain without the sub-leading terms."""
    with_, without = _with_and_without(runs["run"])
    return without["test_accuracy"] - with_["test_accuracy"]


def _loss_of_terms(runs: Mapping[str, Run]) -> float:
    """The share of the periodic neurons' test loss that goes with the sub-leading terms."""
    with_, without = _with_and_without(runs["run"])
    return 1 - without["test_loss"] / with_["test_loss"]


def _stands_out(run: Run, rank: int) -> float:
    """The power of the frequency of a rank over that of the next, the strongest being of rank 1.

    The median over the weight vectors of neurons of high IPR.
    """
    kept = run.neuron_ipr > HIGH_IPR
    matrices = (matrix[:, kept] for matrix in named_arrays(run.network).values())
    power = np.hstack([power_spectrum(matrix) for matrix in matrices])
    ordered = np.sort(power, axis=0)[::-1]
    return float(np.median(ordered[rank - 1] / ordered[rank]))


def _more_peaks(rank: int) -> Measure:
    """By how much more a frequency of a rank stands out with strong weight decay."""
    return of_runs(lambda runs: _stands_out(runs["decay"], rank) - _stands_out(runs["plain"], rank))


def _fewer(ratio: Callable[[Run], float]) -> Measure:
    """By how much a ratio is smaller with strong weight decay."""
    return of_runs(lambda runs: ratio(runs["plain"]) - ratio(runs["decay"]))


def _cancelled(says: str, experiment: Experiment) -> Claim:
    """The claim that neurons of low IPR cancel the sub-leading terms."""
    return Claim(
        "App. I.2",
        says,
        "power of these terms without neurons below IPR .1 over that with them, "
        f"wd {experiment.weight_decay:g}",
        1,
        "above",
        "more without what cancels",
        of_runs(lambda runs: _uncancelled(runs["run"])),
        {"run": experiment},
        controls={"at random": of_runs(lambda runs: _uncancelled_at_random(runs["run"]))},
    )


CLAIMS: dict[str, Claim] = {
    "terms-cancelled": _cancelled(
        "Without weight decay low-IPR neurons cancel the sub-leading terms of Eq. 6.", PLAIN
    ),
    "terms-cancelled-partial": _cancelled("With a little weight decay too.", DECAY_5),
    "terms-cancelled-otherwise": Claim(
        "App. I.2",
        "With strong weight decay it is not they that cancel them.",
        "the same ratio, wd 0 minus wd 15",
        0,
        "above",
        "any difference",
        _fewer(_uncancelled),
        {"plain": PLAIN, "decay": DECAY_15},
        controls={"at random": _fewer(_uncancelled_at_random)},
    ),
    "terms-spare-accuracy": Claim(
        "App. I.2",
        "The sub-leading terms matter little for accuracy.",
        "change of test accuracy of neurons above IPR .1 without these terms, wd 0",
        0.02,
        "below",
        "no more than seeds vary",
        of_runs(_accuracy_gained),
        {"run": PLAIN},
        is_size=True,
    ),
    "terms-cost-loss": Claim(
        "App. I.2",
        "But much for the losses.",
        "share of the test loss of neurons above IPR .1 that goes with these terms, wd 0",
        0.05,
        "above",
        "more than its last digits",
        of_runs(_loss_of_terms),
        {"run": PLAIN},
    ),
    "secondary-peaks": Claim(
        "App. I.2",
        "With strong weight decay the spectra of periodic neurons have secondary peaks.",
        "growth of the second-strongest frequency's power over the third's, wd 0 to 15",
        0,
        "above",
        "any growth",
        _more_peaks(2),
        {"plain": PLAIN, "decay": DECAY_15},
        controls={"third over fourth": _more_peaks(3)},
    ),
}
