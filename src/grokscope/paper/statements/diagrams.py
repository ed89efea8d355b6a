"""Statements about phase diagrams and other sweeps, by their exports."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from grokscope.analysis.statistics import rank_correlation
from grokscope.measures.phases import GENERALIZED, INVERTED, Phase
from grokscope.paper.statements import Claim, Measure, Seed
from grokscope.paper.statements.sweep_statistics import (
    WD0,
    WD5,
    agreement,
    by_sweep,
    codes,
    codes_of,
    grows,
    mean_of,
    share,
    trained,
)
from grokscope.sweeps.diagram import PHASES


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
    return agreement(trained(seed.sweeps["figure3a"]), trained(seed.sweeps["figure31"]))


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


def _ipr_with_test_accuracy(seed: Seed) -> float:
    """Spearman's ρ over cells."""
    sweep = seed.sweeps["figure3a"]
    pairs = np.stack([sweep.mean_ipr.values.ravel(), sweep.test_accuracy.values.ravel()])
    return rank_correlation(*pairs[:, np.isfinite(pairs).all(axis=0)]).estimate


def _noise_borne(seed: Seed) -> float:
    """By how much the largest ξ that generalises is larger at α .9 than at .5, over wd 0 to 15."""
    found = []
    for decay in (0, 5, 15):
        panel = codes(seed.sweeps["figure3a"], weight_decay=decay)
        good = np.isin(panel.transpose("train_fraction", ...).values, codes_of(GENERALIZED))
        most = np.where(good, panel.corruption_fraction.values, -1).max(axis=1)
        most[most < 0] = np.nan  # a row in which nothing generalises
        ample, half = (
            int(abs(panel.train_fraction.values - alpha).argmin()) for alpha in (0.9, 0.5)
        )
        found.append(most[ample] - most[half])
    return mean_of(np.array(found))


def _noisiest(seed: Seed) -> float:
    panel = codes(seed.sweeps["figure3a"], **WD0)
    return share(panel.sel(corruption_fraction=slice(0.79, None)), (Phase.MEMORIZATION,))


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
        "2, Fig. 3(a)",
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
    "ipr-generalizes": by_sweep(
        "1.1, Fig. 3(a)",
        "More neurons of high IPR go with better generalisation.",
        "Spearman's ρ of mean IPR and test accuracy over all cells",
        0.5,
        "above",
        "a strong correlation",
        _ipr_with_test_accuracy,
        "figure3a",
        every_cell=True,
    ),
    "data-bears-noise": by_sweep(
        "2, Fig. 3",
        "With more data more wrong labels are borne.",
        "largest ξ that generalises, α .9 minus .5, mean over weight decays without Forgetting",
        0.1,
        "above",
        "two columns of .05",
        _noise_borne,
        "figure3a",
    ),
    "decay-full": by_sweep(
        "2, Fig. 3(a)",
        "Weight decay enlarges Full Inversion.",
        "growth of its share of a row, wd 0 to 15",
        0.1,
        "above",
        "as for Inversion",
        grows((Phase.FULL_INVERSION,), "figure3a", {"weight_decay": 15}, WD0),
        "figure3a",
    ),
    "dropout-full": by_sweep(
        "2, Fig. 3(b)",
        "So does dropout.",
        "growth of its share of a row, dp 0 to .6",
        0.1,
        "above",
        "as for weight decay",
        grows((Phase.FULL_INVERSION,), "figure3b", {"dropout": 0.6}, {"dropout": 0}),
        "figure3b",
    ),
    "dropout-generalizes": by_sweep(
        "2 and 2.1, Fig. 3(b)",
        "Dropout makes generalisation more robust to wrong labels.",
        "growth of the share of a row that generalises, dp 0 to .6",
        0.05,
        "above",
        "one cell of nineteen",
        grows(GENERALIZED, "figure3b", {"dropout": 0.6}, {"dropout": 0}),
        "figure3b",
    ),
    "noise-memorized": by_sweep(
        "2, Fig. 3(a)",
        "With very many wrong labels networks memorise.",
        "share of wd 0's cells with ξ ≥ .8 in Memorization",
        0.9,
        "above",
        "nearly all",
        _noisiest,
        "figure3a",
    ),
    "small-batches-generalize": by_sweep(
        "App. F, Fig. 10",
        "Smaller batches enhance generalisation.",
        "growth of the share of a row that generalises, batch size 256 to 8",
        0,
        "above",
        "any growth",
        grows(GENERALIZED, "figure10", {"batch_size": 8}, {"batch_size": 256}),
        "figure10",
    ),
    "batchnorm-most": by_sweep(
        "App. F, Fig. 9, 11",
        "BatchNorm enhances Inversion more than LayerNorm does.",
        "its share of a row at batch size 8, BatchNorm minus LayerNorm",
        0,
        "above",
        "any difference",
        grows(INVERTED, "figure9", {"batch_size": 8}, {"batch_size": 8}, "figure11"),
        "figure9",
        "figure11",
    ),
}
