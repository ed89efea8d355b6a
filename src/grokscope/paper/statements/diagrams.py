"""Statements about phase diagrams and other sweeps, by their exports."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from grokscope.measures.phases import GENERALIZED, INVERTED, Phase
from grokscope.paper.statements import Claim, Measure, Seed
from grokscope.paper.statements.sweep_statistics import (
    WD0,
    WD5,
    by_sweep,
    codes,
    codes_of,
    grows,
    mean_of,
    share,
    share_of,
    trained,
    wide,
)
from grokscope.sweeps.diagram import PHASES
from grokscope.sweeps.refine import UNKNOWN


def _of(
    phase: Phase,
    where: Callable[[xr.DataArray], xr.DataArray],
    name: str,
    **place: float | int,
) -> Measure:
    """A statistic: the share of a phase's cells that lie where they should.

    Enclosed cells count: of a seed that is trained along boundaries alone, the trained ones are
    no sample of its diagram.
    """

    def there(seed: Seed) -> float:
        everywhere = codes(seed.sweeps[name], **place)
        code = PHASES.index(phase)
        total = int((everywhere == code).sum())
        return int((where(everywhere) == code).sum()) / total if total else np.nan

    return there


def _ample(panel: xr.DataArray) -> xr.DataArray:
    return panel.sel(train_fraction=panel.train_fraction > 0.59)


def _same_phase(seed: Seed) -> float:
    both = xr.align(*(trained(seed.sweeps[name]) for name in ("figure3a", "figure31")))
    one, other = (found.values for found in both)
    known = (one != UNKNOWN) & (other != UNKNOWN)
    return float((one == other)[known].mean()) if known.any() else np.nan


def _least_data(seed: Seed) -> float:
    """How much less data generalises at wd 5 than at wd 0, on average over ξ where both do."""
    found = []
    for place in (WD0, WD5):
        panel = codes(seed.sweeps["figure3a"], **place)
        alpha = panel.train_fraction.values[:, None]
        good = np.isin(panel.transpose("train_fraction", ...).values, codes_of(GENERALIZED))
        found.append(np.where(good, alpha, np.inf).min(axis=0))
    both = np.isfinite(found[0]) & np.isfinite(found[1])
    return mean_of(found[0][both] - found[1][both])


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


def _less_coexistence(seed: Seed) -> float | bool:
    wide(seed, "figure29")
    return grows((Phase.COEXISTENCE,), "figure3a", WD0, WD0, "figure29")(seed)


def _less_confused(seed: Seed) -> float | bool:
    wide(seed, "figure30a")
    strong = {"weight_decay": 20}
    return grows((Phase.CONFUSION,), "figure30b", strong, strong, "figure30a")(seed)


CLAIMS: dict[str, Claim] = {
    "forgetting-at-20": by_sweep(
        "2 and App. E, Fig. 3(a)",
        "Forgetting needs very strong weight decay.",
        "share of its cells that are at wd 20",
        0.95,
        "above",
        "nearly all",
        _of(Phase.FORGETTING, lambda c: c.sel(weight_decay=20), "figure3a"),
        "figure3a",
    ),
    "partial-needs-data": by_sweep(
        "2, Fig. 3",
        "Without regularisation only ample data inverts in part.",
        "share of wd 0's Partial Inversion at α ≥ .6",
        0.9,
        "above",
        "nearly all",
        _of(Phase.PARTIAL_INVERSION, _ample, "figure3a", weight_decay=0),
        "figure3a",
    ),
    "decay-inverts": by_sweep(
        "3.1, Fig. 3(a)",
        "Weight decay enlarges Inversion.",
        "growth of its share of a row, wd 0 to 5",
        0.1,
        "above",
        "two cells of nineteen",
        grows(INVERTED, "figure3a", WD5, WD0),
        "figure3a",
    ),
    "decay-needs-less-data": by_sweep(
        "3.1, Fig. 3(a)",
        "Weight decay moves the border of Memorization to less data.",
        "by how much smaller α generalises at wd 5 than at 0",
        0.02,
        "above",
        "most columns by a cell of .05, or half",
        _least_data,
        "figure3a",
    ),
    "dropout-inverts-map": by_sweep(
        "2, Fig. 3(b)",
        "So does dropout enlarge Inversion.",
        "growth of its share of a row, dp 0 to .6",
        0.1,
        "above",
        "two cells of nineteen",
        grows(INVERTED, "figure3b", {"dropout": 0.6}, {"dropout": 0}),
        "figure3b",
    ),
    "confusion-at-high-dropout": by_sweep(
        "2, Fig. 3(b)",
        "Confusion needs strong dropout.",
        "share of its cells that are at dp .9",
        0.8,
        "above",
        "most",
        _of(Phase.CONFUSION, lambda c: c.sel(dropout=0.9), "figure3b"),
        "figure3b",
    ),
    "multiplication": by_sweep(
        "App. P, Fig. 31",
        "Multiplication behaves almost as addition does.",
        "share of the trained cells, most of them beside borders, in the same phase",
        0.9,
        "above",
        "all but those beside a border",
        _same_phase,
        "figure3a",
        "figure31",
    ),
    "small-batches": by_sweep(
        "2.1, Fig. 10",
        "Smaller batches enhance Inversion.",
        "growth of its share of a row, batch size 256 to 8",
        0,
        "above",
        "any growth",
        grows(INVERTED, "figure10", {"batch_size": 8}, {"batch_size": 256}),
        "figure10",
    ),
    "batchnorm-inverts": by_sweep(
        "App. F, Fig. 9",
        "BatchNorm enhances Inversion.",
        "its share of a row at batch size 8, with minus without",
        0,
        "above",
        "any growth",
        grows(INVERTED, "figure9", {"batch_size": 8}, {"batch_size": 8}, "figure10"),
        "figure9",
        "figure10",
    ),
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
        _less_coexistence,
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
        _less_confused,
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
    "layernorm-inverts": by_sweep(
        "App. F, Fig. 11",
        "LayerNorm enhances Inversion too.",
        "its share of a row at batch size 8, with minus without",
        0,
        "above",
        "any growth",
        grows(INVERTED, "figure11", {"batch_size": 8}, {"batch_size": 8}, "figure10"),
        "figure11",
        "figure10",
    ),
    "cross-entropy-band": by_sweep(
        "App. M, Fig. 26(a)",
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
        "App. M, Fig. 26(a)",
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
        "App. M, Fig. 26(b)",
        "With cross-entropy only very strong dropout inverts.",
        "growth of Inversion's share of a row, dp .3 to .9",
        0,
        "above",
        "any growth",
        grows(INVERTED, "figure26b", {"dropout": 0.9}, {"dropout": 0.3}),
        "figure26b",
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
}
