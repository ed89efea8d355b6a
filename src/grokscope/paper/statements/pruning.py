"""Statements about networks that are pruned, each with the same by size, at random, and within sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Literal

import numpy as np
import xarray as xr

from grokscope.experiment.experiment import Experiment
from grokscope.paper.settings import NOISY
from grokscope.paper.statements import Claim, Measure, Seed
from grokscope.paper.statements.networks import DECAY_5, DECAY_15, PLAIN
from grokscope.paper.statements.statistics import CHANCE
from grokscope.runs.pruning import prune, random_curves
from grokscope.runs.run import Run

STRIDE = 10
"""Neurons between two counts of a pruning curve."""

ORDERS = {"by size": "norm", "by IPR among neurons of like size": "ipr_within_norm"}
"""The controls in words, beside random orders: what is left to IPR where size is held."""

N_RANDOM = 50
"""Random orders of a network, of whose statistics the median is the control."""

OfCurve = Callable[[xr.Dataset], float]
"""A statistic of a pruning curve."""


@lru_cache(maxsize=4)  # several claims are about the same networks
def _random_curves(run: Run) -> xr.Dataset:
    return random_curves(run, N_RANDOM, stride=STRIDE)


def _of(statistic: OfCurve, by: str, first: str) -> Measure:
    return lambda seed: statistic(prune(seed.runs["run"], by, first, stride=STRIDE))


def _at_random(statistic: OfCurve, seed: Seed) -> float:
    curves = _random_curves(seed.runs["run"])
    return float(np.median([statistic(curves.isel(order=order)) for order in range(N_RANDOM)]))


def _pruned(
    section: str,
    says: str,
    statistic: str,
    bound: float,
    side: Literal["above", "below"],
    why: str,
    measure: OfCurve,
    first: str,
    experiment: Experiment,
) -> Claim:
    """A claim about a network's curve as neurons go by IPR, with its controls."""
    controls: dict[str, Measure] = {words: _of(measure, by, first) for words, by in ORDERS.items()}
    controls["at random"] = partial(_at_random, measure)
    of_ipr = _of(measure, "ipr", first)
    return Claim(
        section, says, statistic, bound, side, why, of_ipr, {"run": experiment}, controls=controls
    )


def _excess(kept: str, removed: str) -> OfCurve:
    """The most by which one accuracy is above another."""
    return lambda curve: float((curve[kept] - curve[removed]).max())


def _risen(curve: xr.Dataset) -> float:
    """How far accuracy on corrupted labels rises."""
    return float(curve.corrupted_accuracy.max() - curve.corrupted_accuracy[0])


def _at_half(curve: xr.Dataset) -> float:
    """Test accuracy with half of the neurons."""
    return float(curve.test_accuracy.sel(pruned=curve.pruned[-1] // 2, method="nearest"))


def _plateau(curve: xr.Dataset) -> float:
    """Distance of training accuracy from 1 - ξ where memorisation has just gone; NaN if never."""
    gone = np.flatnonzero(curve.corrupted_accuracy.values < CHANCE)
    clean = 1 - NOISY.corruption_fraction
    return abs(float(curve.train_accuracy[gone[0]]) - clean) if gone.size else np.nan


def _largest_fall(*names: str) -> OfCurve:
    """The largest fall of a loss between two counts, as a share of its range."""

    def fall(curve: xr.Dataset) -> float:
        losses = [curve[name].values for name in names]
        return max(float(-np.diff(loss).min() / np.ptp(loss)) for loss in losses)

    return fall


def _lowest_test_loss(curve: xr.Dataset) -> float:
    """The lowest test loss over that of the whole network."""
    return float(curve.test_loss.min() / curve.test_loss[0])


CLAIMS: dict[str, Claim] = {
    "prune-low": _pruned(
        "2.1, Fig. 6(a)",
        "Pruning low-IPR neurons removes memorisation and keeps generalisation.",
        "most by which test accuracy exceeds that on corrupted labels",
        0.8,
        "above",
        "both nearly whole",
        _excess("test_accuracy", "corrupted_accuracy"),
        "lowest",
        PLAIN,
    ),
    "prune-high": _pruned(
        "2.1, Fig. 6(b)",
        "Pruning high-IPR neurons removes generalisation and keeps memorisation.",
        "most by which accuracy on corrupted labels exceeds test accuracy",
        0.7,
        "above",
        "memorising neurons are many: a little lost",
        _excess("corrupted_accuracy", "test_accuracy"),
        "highest",
        PLAIN,
    ),
    "prune-plateau": _pruned(
        "2.1, Fig. 6(a)",
        "As memorisation is pruned away, training accuracy comes to 1 - ξ.",
        "distance from 1 - ξ where accuracy on corrupted labels falls below .1",
        0.05,
        "below",
        "Table 2's slack",
        _plateau,
        "lowest",
        PLAIN,
    ),
    "prune-partial": _pruned(
        "App. I.1, Fig. 17(b)",
        "In Partial Inversion too, pruning low-IPR neurons separates the two.",
        "most by which test accuracy exceeds that on corrupted labels, wd 5",
        0.8,
        "above",
        "as in Coexistence",
        _excess("test_accuracy", "corrupted_accuracy"),
        "lowest",
        DECAY_5,
    ),
    "prune-full": _pruned(
        "App. I.1, Fig. 17(c)",
        "In Full Inversion half of the neurons can go.",
        "test accuracy without the lower half by IPR, wd 15",
        0.9,
        "above",
        "Table 2's threshold of generalising",
        _at_half,
        "lowest",
        DECAY_15,
    ),
    "prune-partial-high": _pruned(
        "App. I.1, Fig. 17(b)",
        "In Partial Inversion, without high-IPR neurons it memorises more of the wrong labels.",
        "most by which accuracy on corrupted labels rises, wd 5",
        0.1,
        "above",
        "more than seeds vary",
        _risen,
        "highest",
        DECAY_5,
    ),
    "prune-full-high": _pruned(
        "App. I.1, Fig. 17(c)",
        "In Full Inversion hardly, for want of neurons that memorise.",
        "most by which accuracy on corrupted labels rises, wd 15",
        0.2,
        "below",
        "a small increase towards the end",
        _risen,
        "highest",
        DECAY_15,
    ),
    "prune-test-loss": _pruned(
        "App. I.2, Fig. 18(b)",
        "In Partial Inversion pruning low-IPR neurons first lowers the test loss.",
        "lowest test loss over that of the whole network, wd 5",
        0.95,
        "below",
        "more than its last digits",
        _lowest_test_loss,
        "lowest",
        DECAY_5,
    ),
    "prune-train-loss": _pruned(
        "App. I.2, Fig. 18(c)",
        "In Full Inversion pruning low-IPR neurons raises the training loss all the way.",
        "largest fall of training loss between two counts, as a share of its range, wd 15",
        0.02,
        "below",
        "no fall but fluctuations",
        _largest_fall("train_loss"),
        "lowest",
        DECAY_15,
    ),
    "prune-losses-high": _pruned(
        "App. I.2, Fig. 18(c)",
        "There pruning high-IPR neurons raises both losses all the way.",
        "largest fall of either loss between two counts, as a share of its range, wd 15",
        0.02,
        "below",
        "no fall but fluctuations",
        _largest_fall("train_loss", "test_loss"),
        "highest",
        DECAY_15,
    ),
}
