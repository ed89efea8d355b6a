"""Statements about norm layers, in two-layer and deeper networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import stats

from grokscope.analysis.norm_layers import contributions
from grokscope.analysis.statistics import rank_correlation
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.models import Normalization
from grokscope.measures.phases import GENERALIZED, Phase
from grokscope.measures.spectrum import HIGH_IPR
from grokscope.paper.settings import ADAM, DEEP_BATCH_NORM, MEASURE_EVERY, NOISY_BATCHES
from grokscope.paper.statements import Claim
from grokscope.paper.statements.statistics import (
    LOW_IPR,
    claim_of_phase,
    final,
    highest,
    in_phase,
    live_ipr,
    low_ipr,
    of_runs,
)
from grokscope.runs.run import Run

DEEP = Experiment(
    train_fraction=0.5, corruption_fraction=0.1, steps=5000, measure_every=MEASURE_EVERY
).replace(model="deep_mlp", learning_rate=0.001)
"""The 3-layer MLP of Figure 7(b)."""

BATCH_NORM = ADAM.replace(normalization="batch_norm")
LAYER_NORM = NOISY_BATCHES.replace(normalization="layer_norm")
SHOWN = {
    0.4: Phase.COEXISTENCE,
    0.5: Phase.PARTIAL_INVERSION,
    0.8: Phase.FULL_INVERSION,
}
"""The phases of Figures 20 to 22 by α, the same with each norm layer and without."""

NORMALIZED: dict[str, tuple[str, Normalization | None]] = {
    "batchnorm": ("with BatchNorm", "batch_norm"),
    "layernorm": ("with LayerNorm", "layer_norm"),
    "minibatch": ("in batches of 64 without a norm layer", None),
}
"""The networks of Figures 20, 21 and 22."""


def _shown(figure: int, words: str, kind: Normalization | None, alpha: float) -> Claim:
    experiment = NOISY_BATCHES.replace(normalization=kind, train_fraction=alpha)
    phase = SHOWN[alpha]
    says = f"A network {words} ends in {phase.title} at α = {alpha:g}."
    return claim_of_phase(f"App. J, Fig. {figure}", says, phase, experiment, whole=True)


def _rho(run: Run, layer: str | None = None) -> float:
    neurons = contributions(run, layer)
    return rank_correlation(neurons.ipr.values, neurons.gamma.values).estimate


def _mean_ipr(run: Run, layer: str | None = None) -> float:
    return float(live_ipr(run, layer).mean())


def _loudness(run: Run, of: str) -> float:
    """What BatchNorm gives neurons of low IPR on average, over what it gives those of high IPR."""
    neurons = contributions(run)
    low, high = neurons.ipr < LOW_IPR, neurons.ipr > HIGH_IPR
    return float(neurons[of].where(low).mean() / neurons[of].where(high).mean())


def _distance(runs: Mapping[str, Run], name: str) -> float:
    return float(stats.ks_2samp(live_ipr(runs[name]), live_ipr(runs["plain"])).statistic)  # type: ignore[attr-defined]


def _more_distance(runs: Mapping[str, Run]) -> float:
    return _distance(runs, "norm") - _distance(runs, "other")


def _of(layer: str | None) -> Callable[[Mapping[str, Run]], float]:
    return lambda runs: _rho(runs["run"], layer)


def _always_coexists(runs: Mapping[str, Run]) -> float | bool:
    """Whether all networks that generalised are in Coexistence; NaN if none has."""
    phases = [run.phase() for run in runs.values()]
    generalized = [phase for phase in phases if phase in GENERALIZED]
    return all(p == Phase.COEXISTENCE for p in generalized) if generalized else np.nan


CLAIMS: dict[str, Claim] = {
    **{
        f"{name}-{SHOWN[alpha].value.replace('_', '-')}": _shown(figure, *look, alpha)
        for figure, (name, look) in enumerate(NORMALIZED.items(), 20)
        for alpha in SHOWN
    },
    "batchnorm-gamma": Claim(
        "2.1, Fig. 5",
        "BatchNorm gives neurons of high IPR the larger weights.",
        "Spearman's ρ of |γ| and IPR",
        0.5,
        "above",
        "strong, by the usual words for ρ",
        of_runs(_of(None)),
        {"run": BATCH_NORM},
        all_steps=True,
    ),
    "batchnorm-ipr": Claim(
        "2.1, Fig. 5",
        "BatchNorm leaves the neurons' IPR alone on average.",
        "distance of mean IPR with and without it",
        0.05,
        "below",
        "weight decay 5 moves it by .15",
        of_runs(lambda runs: _mean_ipr(runs["norm"]) - _mean_ipr(runs["plain"])),
        {"norm": BATCH_NORM, "plain": ADAM},
        all_steps=True,
        is_size=True,
    ),
    "batchnorm-ipr-distribution": Claim(
        "2.1, Fig. 5",
        "And so it does their distribution.",
        "Kolmogorov and Smirnov's distance of IPR with and without it, minus that of two without",
        0.05,
        "below",
        "half the 1 % critical value for 500 and 500 neurons",
        of_runs(_more_distance),
        {"norm": BATCH_NORM, "plain": ADAM, "other": ADAM.replace(init_seed=1000)},
        all_steps=True,
        controls={"two without it": of_runs(lambda runs: _distance(runs, "other"))},
    ),
    "layernorm-gamma": Claim(
        "App. F",
        "LayerNorm's weights show no such preference.",
        "largest size of Spearman's ρ of |γ| and IPR at α .4, .5 and .8",
        0.2,
        "below",
        "weak, by the usual words for ρ",
        of_runs(lambda runs: float(np.max([abs(_rho(run)) for run in runs.values()]))),
        {str(alpha): LAYER_NORM.replace(train_fraction=alpha) for alpha in SHOWN},
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
    "deep-batchnorm-always": Claim(
        "App. G.4",
        "It is in Coexistence alone, wherever it generalises.",
        "share of seeds of which all networks that generalise do, at three α and ξ",
        0.5,
        "above",
        "as for all phases",
        of_runs(_always_coexists),
        {
            f"{alpha}, {xi}": DEEP_BATCH_NORM.replace(train_fraction=alpha, corruption_fraction=xi)
            for alpha, xi in ((0.8, 0.1), (0.5, 0.1), (0.8, 0.2))
        },
        all_steps=True,
        chosen="learning rate and steps",
    ),
    "deep-dropout-fails": Claim(
        "App. G",
        "A 3-layer MLP with dropout .05 fails to memorise.",
        "training accuracy, α .5, ξ .1",
        0.9,
        "below",
        "Table 2's threshold",
        of_runs(lambda runs: final(runs["run"], "train_accuracy")),
        {"run": DEEP.replace(dropout=0.05)},
        all_steps=True,
        chosen="learning rate and steps",
        controls={
            "its highest on the way": of_runs(lambda runs: highest(runs["run"], "train_accuracy"))
        },
    ),
    "deep-gamma": Claim(
        "App. G.4, Fig. 15",
        "Its last layer's BatchNorm weights follow IPR.",
        "Spearman's ρ of |γ| and IPR, last layer",
        0.3,
        "above",
        "moderate, by the usual words for ρ",
        of_runs(_of("last")),
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
        of_runs(lambda runs: _rho(runs["run"], "last") - _rho(runs["run"], "first")),
        {"run": DEEP_BATCH_NORM},
        all_steps=True,
    ),
    "deep-gamma-first-weak": Claim(
        "App. G.4, Fig. 15",
        "The correlation of its first layer's is not strong.",
        "Spearman's ρ of |γ| and IPR, first layer",
        0.5,
        "below",
        "strong, by the usual words for ρ",
        of_runs(_of("first")),
        {"run": DEEP_BATCH_NORM},
        all_steps=True,
    ),
    "deep-ipr-near-output": Claim(
        "App. G.4, Fig. 15",
        "High IPR is near its output, not near its input.",
        "mean IPR of the last layer minus that of the first",
        0,
        "above",
        "any difference",
        of_runs(lambda runs: _mean_ipr(runs["run"], "last") - _mean_ipr(runs["run"], "first")),
        {"run": DEEP_BATCH_NORM},
        all_steps=True,
    ),
    "deep-low-ipr-at-input": Claim(
        "App. G.4, Fig. 15",
        "Neurons of very low IPR stay in its first layer.",
        "their share of that layer's live neurons",
        0.2,
        "above",
        "a fifth is plain to see",
        of_runs(lambda runs: low_ipr(runs["run"], "first")),
        {"run": DEEP_BATCH_NORM},
        all_steps=True,
    ),
    "batchnorm-prunes": Claim(
        "2.1 and 4, Fig. 5",
        "BatchNorm in effect prunes neurons of low IPR.",
        "mean |γ|·‖W‖ of neurons below IPR .1 over that of those above .5",
        0.5,
        "below",
        "less than half as loud",
        of_runs(lambda runs: _loudness(runs["run"], "effective")),
        {"run": BATCH_NORM},
        all_steps=True,
        controls={"|γ| alone": of_runs(lambda runs: _loudness(runs["run"], "gamma"))},
    ),
    "batchnorm-keeps-low-ipr": Claim(
        "2.1, Fig. 5",
        "With BatchNorm neurons of low IPR persist.",
        "their share of live neurons",
        0.2,
        "above",
        "a fifth is plain to see",
        of_runs(lambda runs: low_ipr(runs["run"])),
        {"run": BATCH_NORM},
        all_steps=True,
    ),
}
