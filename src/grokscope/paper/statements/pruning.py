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
from grokscope.paper.statements.statistics import CHANCE, largest_fall
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


@lru_cache(maxsize=64)  # many claims are about the same networks
def _random_curves(run: Run) -> xr.Dataset:
    return random_curves(run, N_RANDOM, stride=STRIDE)


def _of(statistic: OfCurve, by: str, first: str) -> Measure:
    return lambda seed: statistic(prune(seed.runs["run"], by, first, stride=STRIDE))


def _at_random(statistic: OfCurve, seed: Seed) -> float:
    curves = _random_curves(seed.runs["run"])
    return float(np.median([statistic(curves.isel(order=order)) for order in range(N_RANDOM)]))


def pruned_claim(
    section: str,
    says: str,
    statistic: str,
    bound: float | int,
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


def _forgetting(curve: xr.Dataset) -> xr.Dataset:
    """A curve up to the first count where memorisation has gone; none of it if it never goes."""
    gone = np.flatnonzero(curve.corrupted_accuracy.values < CHANCE)
    return curve.isel(pruned=slice(0, gone[0] + 1 if gone.size else 0))


def _gain(curve: xr.Dataset) -> float:
    """How much test accuracy has risen where memorisation has just gone; NaN if never."""
    test = _forgetting(curve).test_accuracy.values
    return float(test[-1] - test[0]) if test.size else np.nan


def _clean_kept(curve: xr.Dataset) -> float:
    """The lowest accuracy on uncorrupted labels until memorisation has gone; NaN if never."""
    kept = _forgetting(curve).uncorrupted_accuracy.values
    return float(kept.min()) if kept.size else np.nan


def _clean_kept_to_half(curve: xr.Dataset) -> float:
    return float(half_of(curve, "first").uncorrupted_accuracy.min())


def half_of(curve: xr.Dataset, which: str) -> xr.Dataset:
    """The first or the second half of a curve, with the middle."""
    middle = int(curve.pruned[-1]) // 2
    return curve.sel(pruned=slice(0, middle) if which == "first" else slice(middle, None))


def _largest_rise(curve: xr.Dataset) -> float:
    """The largest rise of accuracy on corrupted labels between two counts, over its range."""
    return largest_fall(-curve.corrupted_accuracy.values)


CLAIMS: dict[str, Claim] = {
    "prune-low": pruned_claim(
        "2.1, Fig. 6 (left)",
        "Pruning low-IPR neurons removes memorisation and keeps generalisation.",
        "most by which test accuracy exceeds that on corrupted labels",
        0.8,
        "above",
        "both nearly whole",
        _excess("test_accuracy", "corrupted_accuracy"),
        "lowest",
        PLAIN,
    ),
    "prune-high": pruned_claim(
        "2.1, Fig. 6 (right)",
        "Pruning high-IPR neurons removes generalisation and keeps memorisation.",
        "most by which accuracy on corrupted labels exceeds test accuracy",
        0.7,
        "above",
        "memorising neurons are many: a little lost",
        _excess("corrupted_accuracy", "test_accuracy"),
        "highest",
        PLAIN,
    ),
    "prune-plateau": pruned_claim(
        "2.1, Fig. 6 (left)",
        "As memorisation is pruned away, training accuracy comes to 1 - ξ.",
        "distance from 1 - ξ where accuracy on corrupted labels falls below .1",
        0.05,
        "below",
        "Table 2's slack",
        _plateau,
        "lowest",
        PLAIN,
    ),
    "prune-partial": pruned_claim(
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
    "prune-full": pruned_claim(
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
    "prune-partial-high": pruned_claim(
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
    "prune-full-high": pruned_claim(
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
    "prune-improves": pruned_claim(
        "Abstract and 2.1",
        "Pruning memorising neurons raises accuracy on examples that were not trained on.",
        "test accuracy where accuracy on corrupted labels falls below .1, minus the whole network's",
        0,
        "above",
        "any gain",
        _gain,
        "lowest",
        PLAIN,
    ),
    "prune-keeps-clean": pruned_claim(
        "1, 2.1 and App. I.1, Fig. 17(a)",
        "Pruning low-IPR neurons keeps accuracy on uncorrupted training data.",
        "its lowest value until accuracy on corrupted labels falls below .1",
        0.9,
        "above",
        "Table 2's threshold",
        _clean_kept,
        "lowest",
        PLAIN,
    ),
    "prune-partial-keeps-clean": pruned_claim(
        "App. I.1, Fig. 17(b)",
        "So it does in Partial Inversion.",
        "its lowest value until accuracy on corrupted labels falls below .1, wd 5",
        0.9,
        "above",
        "Table 2's threshold",
        _clean_kept,
        "lowest",
        DECAY_5,
    ),
    "prune-full-keeps-clean": pruned_claim(
        "App. I.1, Fig. 17(c)",
        "And in Full Inversion.",
        "its lowest value while half of the neurons are removed, wd 15",
        0.9,
        "above",
        "Table 2's threshold",
        _clean_kept_to_half,
        "lowest",
        DECAY_15,
    ),
    "prune-low-monotone": pruned_claim(
        "2.1, Fig. 6 (left)",
        "Pruning low-IPR neurons lowers accuracy on corrupted labels monotonically.",
        "its largest rise between two counts, as a share of its range",
        0.02,
        "below",
        "no rise but fluctuations",
        _largest_rise,
        "lowest",
        PLAIN,
    ),
    "prune-high-corrupted-longer": pruned_claim(
        "App. I.1, Fig. 17(a)",
        "Without high-IPR neurons wrong labels are retained longer than right ones.",
        "most by which accuracy on corrupted exceeds that on uncorrupted labels",
        0.1,
        "above",
        "more than seeds vary",
        _excess("corrupted_accuracy", "uncorrupted_accuracy"),
        "highest",
        PLAIN,
    ),
    "prune-partial-high-test": pruned_claim(
        "App. I.1, Fig. 17(b)",
        "In Partial Inversion pruning high-IPR neurons takes test accuracy and keeps uncorrupted labels.",
        "most by which accuracy on uncorrupted labels exceeds test accuracy, wd 5",
        0.7,
        "above",
        "as in Coexistence for corrupted ones",
        _excess("uncorrupted_accuracy", "test_accuracy"),
        "highest",
        DECAY_5,
    ),
}
