"""Statements about norm layers, in two-layer and deeper networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import stats

from grokscope.analysis.norm_layers import contributions
from grokscope.analysis.statistics import rank_correlation
from grokscope.measures.phases import Phase
from grokscope.paper.settings import ADAM, DEEP_BATCH_NORM, NOISY_BATCHES
from grokscope.paper.statements import Claim
from grokscope.paper.statements.statistics import in_phase, live_ipr, mean_size, per_seed
from grokscope.runs.run import Run

BATCH_NORM = ADAM.replace(normalization="batch_norm")
LAYER_NORM = NOISY_BATCHES.replace(normalization="layer_norm", train_fraction=0.5)


def _rho(run: Run, layer: str | None = None) -> float:
    neurons = contributions(run, layer)
    return rank_correlation(neurons.ipr.values, neurons.gamma.values).estimate


def _mean_ipr(run: Run) -> float:
    return float(np.nanmean(run.neuron_ipr))


def _distance(runs: Mapping[str, Run]) -> float:
    return float(stats.ks_2samp(live_ipr(runs["norm"]), live_ipr(runs["plain"])).statistic)  # type: ignore[attr-defined]


def _of(layer: str | None) -> Callable[[Mapping[str, Run]], float]:
    return lambda runs: _rho(runs["run"], layer)


CLAIMS: dict[str, Claim] = {
    "batchnorm-gamma": Claim(
        "3, Fig. 5",
        "BatchNorm gives neurons of high IPR the larger weights.",
        "Spearman's ρ of |γ| and IPR",
        0.5,
        "above",
        "strong, by the usual words for ρ",
        per_seed(_of(None)),
        {"run": BATCH_NORM},
        all_steps=True,
    ),
    "batchnorm-ipr": Claim(
        "3, Fig. 5",
        "BatchNorm leaves the neurons' IPR alone on average.",
        "distance of mean IPR with and without it",
        0.05,
        "below",
        "weight decay 5 moves it by .15",
        mean_size(lambda runs: _mean_ipr(runs["norm"]) - _mean_ipr(runs["plain"])),
        {"norm": BATCH_NORM, "plain": ADAM},
        all_steps=True,
    ),
    "batchnorm-ipr-distribution": Claim(
        "3, Fig. 5",
        "And so it does their distribution.",
        "Kolmogorov and Smirnov's distance of IPR with and without it",
        0.103,
        "below",
        "the 1 % critical value for 500 and 500 neurons",
        per_seed(_distance),
        {"norm": BATCH_NORM, "plain": ADAM},
        all_steps=True,
    ),
    "layernorm-gamma": Claim(
        "App. F",
        "LayerNorm's weights show no such preference.",
        "size of Spearman's ρ of |γ| and IPR",
        0.2,
        "below",
        "weak, by the usual words for ρ",
        mean_size(lambda runs: _rho(runs["run"])),
        {"run": LAYER_NORM},
        all_steps=True,
    ),
    "deep-batchnorm": Claim(
        "App. G.4, Fig. 15",
        "A 3-layer MLP with BatchNorm ends in Coexistence.",
        "share of seeds in Coexistence, ξ .1",
        0.5,
        "above",
        "as for all phases",
        in_phase(Phase.COEXISTENCE),
        {"run": DEEP_BATCH_NORM},
        all_steps=True,
    ),
    "deep-gamma": Claim(
        "App. G.4, Fig. 15",
        "Its last layer's BatchNorm weights follow IPR.",
        "Spearman's ρ of |γ| and IPR, last layer",
        0.3,
        "above",
        "moderate, by the usual words for ρ",
        per_seed(_of("last")),
        {"run": DEEP_BATCH_NORM},
        all_steps=True,
    ),
    "deep-gamma-first": Claim(
        "App. G.4, Fig. 15",
        "Its first layer's follow it less.",
        "ρ of the last layer minus ρ of the first",
        0,
        "above",
        "any difference",
        per_seed(lambda runs: _rho(runs["run"], "last") - _rho(runs["run"], "first")),
        {"run": DEEP_BATCH_NORM},
        all_steps=True,
    ),
}
