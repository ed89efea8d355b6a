"""Statements about phase diagrams and other sweeps, by their exports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import xarray as xr

from grokscope.errors import ConfigError
from grokscope.measures.phases import Phase
from grokscope.paper.settings import WIDE
from grokscope.paper.statements import Claim, Evidence, Measure, Share
from grokscope.sweeps.diagram import PHASES, grid_of, phase_diagram
from grokscope.sweeps.refine import UNKNOWN

At = Mapping[str, float | int | str]
"""Values of a sweep's axes, by name."""

INVERTED = (Phase.PARTIAL_INVERSION, Phase.FULL_INVERSION)
WD0: At = {"weight_decay": 0}
WD5: At = {"weight_decay": 5}
GENERALIZED = (Phase.COEXISTENCE, *INVERTED)
ROWS, CELLS = "rows", "trained cells of one seed"
"""What is counted. Rows are of equal train fraction, and hold inferred cells too."""


def chosen(values: xr.DataArray, at: At) -> xr.DataArray:
    """The part of a sweep where its axes have certain values.

    Raises:
        ConfigError: if no cell has them.
    """
    try:
        return values.sel(at)
    except KeyError:
        words = ", ".join(f"{name} = {value}" for name, value in at.items())
        raise ConfigError(f"a sweep with {words}") from None


def codes(data: xr.Dataset, **at: float | int | str) -> xr.DataArray:
    """Phases of a diagram's trained and inferred cells, where axes have certain values."""
    return chosen(phase_diagram(data).phase, at)


def trained(data: xr.Dataset, **at: float | int | str) -> xr.DataArray:
    """The same of trained cells alone: inferred ones are no observations of their own."""
    diagram = phase_diagram(data)
    return chosen(diagram.phase.where(~diagram.inferred, UNKNOWN), at)


def wide(evidence: Evidence, name: str) -> xr.Dataset:
    """A sweep of the paper's wide networks.

    Raises:
        ConfigError: if it is of narrower ones, as at the quick scale.
    """
    data = evidence.sweeps[name]
    if grid_of(data).base.model.widest < WIDE:
        raise ConfigError(f"sweep {name} at N = {WIDE}")
    return data


def share(found: xr.DataArray, phases: Sequence[Phase]) -> Share:
    """How many of the cells whose phase is known are in one of `phases`."""
    known = found.values[found.values != UNKNOWN]
    return Share(int(np.isin(known, [PHASES.index(phase) for phase in phases]).sum()), known.size)


def by_row(found: xr.DataArray, phases: Sequence[Phase]) -> np.ndarray:
    """The share of cells in `phases`, for each row of equal train fraction."""
    rows = [share(row, phases) for row in found.transpose("train_fraction", ...)]
    return np.array([row.hits / row.trials if row.trials else np.nan for row in rows])


def grows(
    phases: Sequence[Phase],
    name: str,
    more: At,
    less: At,
    other: str | None = None,
    anywhere: bool = False,
) -> Callable[[Evidence], Sequence[float]]:
    """A statistic: by how much the phases' share of a row is larger at one value than at another.

    Args:
        phases: the phases whose share is compared.
        name: the sweep.
        more: where the share should be larger, as values of the sweep's axes.
        less: where it should be smaller.
        other: the sweep of `less`, if it is another; cells that both have are compared.
        anywhere: leave out rows where the share is zero at both values.
    """

    def differences(evidence: Evidence) -> Sequence[float]:
        above, below = xr.align(
            codes(evidence.sweeps[name], **more), codes(evidence.sweeps[other or name], **less)
        )
        shares = by_row(above, phases), by_row(below, phases)
        counted = shares[0] + shares[1] > 0 if anywhere else slice(None)
        return (shares[0] - shares[1])[counted].tolist()

    return differences


def _of(
    phase: Phase, where: Callable[[xr.DataArray], xr.DataArray], name: str
) -> Callable[[Evidence], Share]:
    """A statistic: how many of a phase's cells lie where they should."""

    def count(evidence: Evidence) -> Share:
        everywhere = trained(evidence.sweeps[name])
        total = share(everywhere, (phase,)).hits
        return Share(share(where(everywhere), (phase,)).hits, total)

    return count


def _with_data(evidence: Evidence) -> Share:
    panel = trained(evidence.sweeps["figure3a"], **WD0)
    ample = panel.sel(train_fraction=panel.train_fraction > 0.59)
    total = share(panel, (Phase.PARTIAL_INVERSION,)).hits
    return Share(share(ample, (Phase.PARTIAL_INVERSION,)).hits, total)


def _same_phase(evidence: Evidence) -> Share:
    both = xr.align(*(trained(evidence.sweeps[name]) for name in ("figure3a", "figure31")))
    one, other = (found.values for found in both)
    known = (one != UNKNOWN) & (other != UNKNOWN)
    return Share(int((one == other)[known].sum()), int(known.sum()))


def _least_data(evidence: Evidence) -> Sequence[float]:
    """How much less data generalises at wd 5 than at wd 0, for every ξ where both generalise."""
    found = []
    for at in (WD0, WD5):
        panel = codes(evidence.sweeps["figure3a"], **at)
        alpha = panel.train_fraction.values[:, None]
        good = np.isin(
            panel.transpose("train_fraction", ...).values, [PHASES.index(p) for p in GENERALIZED]
        )
        found.append(np.where(good, alpha, np.inf).min(axis=0))
    both = np.isfinite(found[0]) & np.isfinite(found[1])
    return (found[0][both] - found[1][both]).tolist()


def _exponent(evidence: Evidence) -> Sequence[float]:
    """The exponent of neurons required over width, for each seed that generalises at all widths."""
    required = evidence.sweeps["figure32"].neurons_required.transpose("width", "seed")
    widths = np.log(required.width.values.astype(float))
    whole = required.values[:, np.isfinite(required.values).all(axis=0)]
    return np.polyfit(widths, np.log(whole), 1)[0].tolist() if whole.size else []


def by_sweep(
    section: str,
    says: str,
    statistic: str,
    bound: float | int,
    side: Literal["above", "below"],
    why: str,
    measure: Measure,
    unit: str,
    *sweeps: str,
) -> Claim:
    """A claim that needs the sweeps named last, and no networks of its own."""
    return Claim(section, says, statistic, bound, side, why, measure, sweeps=sweeps, unit=unit)


def _less_coexistence(evidence: Evidence) -> Sequence[float]:
    wide(evidence, "figure29")
    return grows((Phase.COEXISTENCE,), "figure3a", WD0, WD0, "figure29")(evidence)


def _less_confused(evidence: Evidence) -> Sequence[float]:
    wide(evidence, "figure30a")
    strong = {"weight_decay": 20}
    return grows((Phase.CONFUSION,), "figure30b", strong, strong, "figure30a")(evidence)


CLAIMS: dict[str, Claim] = {
    "forgetting-at-20": by_sweep(
        "2.2, Fig. 3(a)",
        "Forgetting needs very strong weight decay.",
        "share of its cells that are at wd 20",
        0.95,
        "above",
        "nearly all",
        _of(Phase.FORGETTING, lambda c: c.sel(weight_decay=20), "figure3a"),
        CELLS,
        "figure3a",
    ),
    "partial-needs-data": by_sweep(
        "2.1, Fig. 3(a)",
        "Without regularisation only ample data inverts in part.",
        "share of wd 0's Partial Inversion at α ≥ .6",
        0.9,
        "above",
        "nearly all",
        _with_data,
        CELLS,
        "figure3a",
    ),
    "decay-inverts": by_sweep(
        "2.2, Fig. 3(a)",
        "Weight decay enlarges Inversion.",
        "growth of its share of a row, wd 0 to 5",
        0.1,
        "above",
        "two cells of nineteen",
        grows(INVERTED, "figure3a", WD5, WD0),
        ROWS,
        "figure3a",
    ),
    "decay-needs-less-data": by_sweep(
        "2.2, Fig. 3(a)",
        "Weight decay moves the border of Memorization to less data.",
        "by how much smaller α generalises at wd 5 than at 0",
        0.02,
        "above",
        "most columns by a cell of .05, or half",
        _least_data,
        "columns",
        "figure3a",
    ),
    "dropout-inverts-map": by_sweep(
        "2.2, Fig. 3(b)",
        "So does dropout enlarge Inversion.",
        "growth of its share of a row, dp 0 to .6",
        0.1,
        "above",
        "two cells of nineteen",
        grows(INVERTED, "figure3b", {"dropout": 0.6}, {"dropout": 0}),
        ROWS,
        "figure3b",
    ),
    "confusion-at-high-dropout": by_sweep(
        "2.2, Fig. 3(b)",
        "Confusion needs strong dropout.",
        "share of its cells that are at dp .9",
        0.8,
        "above",
        "most",
        _of(Phase.CONFUSION, lambda c: c.sel(dropout=0.9), "figure3b"),
        CELLS,
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
        CELLS,
        "figure3a",
        "figure31",
    ),
    "small-batches": by_sweep(
        "3, Fig. 10",
        "Smaller batches enhance Inversion.",
        "growth of its share of a row, batch size 256 to 8",
        0,
        "above",
        "any growth",
        grows(INVERTED, "figure10", {"batch_size": 8}, {"batch_size": 256}),
        ROWS,
        "figure10",
    ),
    "batchnorm-inverts": by_sweep(
        "3, Fig. 9",
        "With BatchNorm they do so more.",
        "its share of a row at batch size 8, with minus without",
        0,
        "above",
        "any growth",
        grows(INVERTED, "figure9", {"batch_size": 8}, {"batch_size": 8}, "figure10"),
        ROWS,
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
        ROWS,
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
        ROWS,
        "figure3a",
        "figure27",
    ),
    "wide-no-partial": by_sweep(
        "App. O, Fig. 29",
        "At N = 5000 there is no Partial Inversion without regularisation.",
        "its share of wd 0's cells",
        0.02,
        "below",
        "no more than one cell of 323, by Wilson's interval; none of 189 would do",
        lambda e: share(trained(wide(e, "figure29"), **WD0), (Phase.PARTIAL_INVERSION,)),
        CELLS,
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
        ROWS,
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
        ROWS,
        "figure30b",
        "figure30a",
    ),
    "sublinear": by_sweep(
        "App. Q, Fig. 32",
        "The neurons that generalisation requires grow more slowly than the width.",
        "exponent of neurons required over width",
        1,
        "below",
        "what sub-linear means",
        _exponent,
        "seeds",
        "figure32",
    ),
}
