"""Statements about other losses, activations and widths, by their sweeps."""

from __future__ import annotations

import numpy as np

from grokscope.measures.phases import GENERALIZED, INVERTED, Phase
from grokscope.measures.spectrum import HIGH_IPR
from grokscope.paper.statements import Claim, Measure, Seed
from grokscope.paper.statements.sweep_statistics import (
    WD0,
    WD5,
    At,
    agreement,
    at,
    by_row,
    by_sweep,
    codes,
    grows,
    ipr_histogram,
    mean_of,
    share,
    share_of,
    trained,
    wide,
)

WD20: At = {"weight_decay": 20}


def _required(seed: Seed) -> tuple[np.ndarray, np.ndarray]:
    """Widths, and the neurons that generalisation requires of a network; NaN if none does."""
    required = seed.sweeps["figure32"].neurons_required.isel(seed=0)
    return required.width.values.astype(float), required.values


def _exponent(seed: Seed) -> float:
    """The exponent of neurons required over width; NaN if a width does not generalise."""
    width, required = _required(seed)
    if not np.isfinite(required).all():
        return np.nan
    return float(np.polyfit(np.log(width), np.log(required), 1)[0])


def _prunable(seed: Seed) -> float:
    """How much more of the widest network can be pruned than of the narrowest, as shares."""
    width, required = _required(seed)
    share_left = required / width
    return float(share_left[width.argmin()] - share_left[width.argmax()])


def _required_of_periodic(seed: Seed) -> float:
    """The neurons that generalisation requires over those of high IPR, the mean over widths."""
    sweep = seed.sweeps["figure32"].isel(seed=0)
    counts = ipr_histogram(sweep, "figure32")
    periodic = counts.where(counts.ipr_bin > HIGH_IPR, 0).sum("ipr_bin")
    return float((sweep.neurons_required / periodic).mean(skipna=False))


def _memorizes_more(seed: Seed) -> float:
    """How much better wide networks know their training labels at wd 0, where both were trained."""
    wide_ones, others = (
        at(sweep.train_accuracy, WD0) for sweep in (wide(seed, "figure29"), seed.sweeps["figure3a"])
    )
    return mean_of((wide_ones - others).values)


def _if_wide(name: str, measure: Measure) -> Measure:
    """A statistic of a sweep that has the paper's wide networks."""

    def checked(seed: Seed) -> float | bool:
        wide(seed, name)
        return measure(seed)

    return checked


def _band(seed: Seed) -> float:
    """How much more inverts at wd 5 than at the decays on either side, as shares of a row."""
    less, here, more = (
        by_row(codes(seed.sweeps["figure26a"], weight_decay=decay), INVERTED).mean()
        for decay in (0, 5, 10)
    )
    return float(here - np.maximum(less, more))  # NaN if one is


def _alike(seed: Seed) -> float:
    """The share of cells at wd 0 and 5 in the same phase with both activations."""
    sweeps = (seed.sweeps[name].sel(weight_decay=[0, 5]) for name in ("figure3a", "figure27"))
    return agreement(*map(codes, sweeps))


CLAIMS: dict[str, Claim] = {
    "cross-entropy-less-robust": by_sweep(
        "App. M, Fig. 26",
        "With cross-entropy networks are less robust to wrong labels.",
        "share of a row that generalises at wd 0, MSE minus cross-entropy",
        0,
        "above",
        "any loss",
        grows(GENERALIZED, "figure3a", WD0, WD0, "figure26a"),
        "figure3a",
        "figure26a",
    ),
    "cross-entropy-band": by_sweep(
        "App. M, Fig. 26",
        "With cross-entropy too strong a decay leads from Inversion to Confusion.",
        "growth of Confusion's share of a row, wd 10 to 40",
        0.2,
        "above",
        "four cells of nineteen",
        grows((Phase.CONFUSION,), "figure26a", {"weight_decay": 40}, {"weight_decay": 10}),
        "figure26a",
        chosen="weight decays",
    ),
    "cross-entropy-no-forgetting": by_sweep(
        "App. M, Fig. 26",
        "With cross-entropy there is no Forgetting.",
        "its share of trained cells",
        0.02,
        "below",
        "next to none",
        share_of((Phase.FORGETTING,), "figure26a"),
        "figure26a",
        chosen="weight decays",
    ),
    "cross-entropy-dropout": by_sweep(
        "App. M, Fig. 26",
        "With cross-entropy only very strong dropout inverts.",
        "growth of Inversion's share of a row, dp .3 to .9",
        0,
        "above",
        "any growth",
        grows(INVERTED, "figure26b", {"dropout": 0.9}, {"dropout": 0.3}),
        "figure26b",
    ),
    "relu-needs-more": by_sweep(
        "App. N, Fig. 27",
        "ReLU networks need more weight decay to invert.",
        "Inversion's share of a row at wd 5, x² minus ReLU",
        0,
        "above",
        "any difference",
        grows(INVERTED, "figure3a", WD5, WD5, "figure27"),
        "figure3a",
        "figure27",
    ),
    "relu-no-forgetting": by_sweep(
        "App. N, Fig. 27",
        "ReLU networks have no Forgetting.",
        "its share of trained cells",
        0.02,
        "below",
        "next to none",
        share_of((Phase.FORGETTING,), "figure27"),
        "figure27",
        chosen="weight decays",
    ),
    "relu-dropout-confuses": by_sweep(
        "App. N, Fig. 28",
        "Moderate dropout leads ReLU networks to Confusion.",
        "growth of its share of a row, dp 0 to .3",
        0.2,
        "above",
        "four cells of nineteen",
        grows((Phase.CONFUSION,), "figure28", {"dropout": 0.3}, {"dropout": 0}),
        "figure28",
    ),
    "wide-no-partial": by_sweep(
        "App. O, Fig. 29",
        "At N = 5000 there is no Partial Inversion without regularisation.",
        "its share of wd 0's cells",
        0.02,
        "below",
        "no more than six cells of 323",
        lambda seed: share(trained(wide(seed, "figure29"), **WD0), (Phase.PARTIAL_INVERSION,)),
        "figure29",
    ),
    "wide-less-coexistence": by_sweep(
        "App. O, Fig. 29",
        "And Coexistence is smaller.",
        "its share of a row at wd 0, N 500 minus N 5000",
        0,
        "above",
        "any difference",
        _if_wide("figure29", grows((Phase.COEXISTENCE,), "figure3a", WD0, WD0, "figure29")),
        "figure3a",
        "figure29",
    ),
    "wide-relu-learns": by_sweep(
        "App. O, Fig. 30",
        "Wide ReLU networks are confused less often.",
        "Confusion's share of a row at wd 20, N 500 minus N 5000",
        0,
        "above",
        "any difference",
        _if_wide("figure30a", grows((Phase.CONFUSION,), "figure30b", WD20, WD20, "figure30a")),
        "figure30b",
        "figure30a",
        chosen="learning rate and weight decays",
    ),
    "sublinear": by_sweep(
        "App. Q, Fig. 32(a)",
        "The neurons that generalisation requires grow more slowly than the width.",
        "exponent of neurons required over width",
        1,
        "below",
        "what sub-linear means",
        _exponent,
        "figure32",
    ),
    "prunable-grows": by_sweep(
        "App. Q, Fig. 32(b)",
        "Of a wider network a larger share can be pruned.",
        "share required at the smallest width minus that at the largest",
        0,
        "above",
        "any growth",
        _prunable,
        "figure32",
    ),
    "all-compute": by_sweep(
        "2.1",
        "The rule is computed by all generalising neurons together.",
        "neurons that generalisation requires over those above IPR .5, mean over widths",
        0.5,
        "above",
        "most of them",
        _required_of_periodic,
        "figure32",
    ),
    "cross-entropy-narrow": by_sweep(
        "App. M, Fig. 26",
        "With cross-entropy a narrow band of weight decay inverts.",
        "Inversion's share of a row at wd 5 minus the larger of those at wd 0 and 10",
        0.1,
        "above",
        "two cells of nineteen",
        _band,
        "figure26a",
        chosen="weight decays",
    ),
    "relu-grokking-needs-more": by_sweep(
        "App. N, Fig. 27",
        "ReLU networks need more weight decay to generalise.",
        "share of a row that generalises at wd 0, x² minus ReLU",
        0,
        "above",
        "any difference",
        grows(GENERALIZED, "figure3a", WD0, WD0, "figure27"),
        "figure3a",
        "figure27",
    ),
    "relu-alike": by_sweep(
        "App. N, Fig. 27",
        "But for Forgetting their diagram is like that of x².",
        "share of cells at wd 0 and 5 in the same phase",
        0.75,
        "above",
        "three of four",
        _alike,
        "figure3a",
        "figure27",
    ),
    "relu-dropout-less": by_sweep(
        "App. N, Fig. 28",
        "Dropout is less effective with ReLU.",
        "Inversion's share of a row at dp .3, x² minus ReLU",
        0,
        "above",
        "any difference",
        grows(INVERTED, "figure3b", {"dropout": 0.3}, {"dropout": 0.3}, "figure28"),
        "figure3b",
        "figure28",
    ),
    "wide-generalizes-less": by_sweep(
        "App. O, Fig. 29",
        "At N = 5000 without regularisation less generalises.",
        "share of a row that generalises at wd 0, N 500 minus N 5000",
        0,
        "above",
        "any difference",
        _if_wide("figure29", grows(GENERALIZED, "figure3a", WD0, WD0, "figure29")),
        "figure3a",
        "figure29",
    ),
    "wide-memorizes-more": by_sweep(
        "App. O, Fig. 29",
        "They have more capacity to memorise.",
        "training accuracy at wd 0 of cells trained at both widths, N 5000 minus N 500",
        0,
        "above",
        "any difference",
        _memorizes_more,
        "figure29",
        "figure3a",
    ),
    "wide-relu-improves": by_sweep(
        "App. O, Fig. 30",
        "Wide ReLU networks generalise far more often.",
        "share of a row that generalises at wd 20, N 5000 minus N 500",
        0.1,
        "above",
        "two cells of nineteen",
        _if_wide("figure30a", grows(GENERALIZED, "figure30a", WD20, WD20, "figure30b")),
        "figure30a",
        "figure30b",
        chosen="learning rate and weight decays",
    ),
}
