"""What claims measure of a seed's sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import xarray as xr

from grokscope.errors import ConfigError
from grokscope.measures.phases import Phase
from grokscope.paper.settings import WIDE
from grokscope.paper.statements import Claim, Measure, Seed
from grokscope.sweeps.diagram import PHASES, grid_of, phase_diagram
from grokscope.sweeps.refine import UNKNOWN

At = Mapping[str, float | int | str]
"""Values of a sweep's axes, by name."""

WD0: At = {"weight_decay": 0}
WD5: At = {"weight_decay": 5}


def at(values: xr.DataArray, place: At) -> xr.DataArray:
    """The part of a sweep where its axes have certain values.

    Raises:
        ConfigError: if no cell has them.
    """
    try:
        return values.sel(place)
    except KeyError:
        words = ", ".join(f"{name} = {value}" for name, value in place.items())
        raise ConfigError(f"a sweep with {words}") from None


def codes(data: xr.Dataset, **place: float | int | str) -> xr.DataArray:
    """Phases of a diagram's trained and inferred cells, where axes have certain values."""
    return at(phase_diagram(data).phase, place)


def trained(data: xr.Dataset, **place: float | int | str) -> xr.DataArray:
    """The same of trained cells alone: inferred ones are no observations of their own."""
    diagram = phase_diagram(data)
    return at(diagram.phase.where(~diagram.inferred, UNKNOWN), place)


def wide(seed: Seed, name: str) -> xr.Dataset:
    """A sweep of the paper's wide networks.

    Raises:
        ConfigError: if it is of narrower ones, as at the quick scale.
    """
    data = seed.sweeps[name]
    if grid_of(data).base.model.widest < WIDE:
        raise ConfigError(f"sweep {name} at N = {WIDE}")
    return data


def ipr_histogram(sweep: xr.Dataset, name: str, layer: int = 0) -> xr.DataArray:
    """The counts of IPR of a layer, by its index.

    Raises:
        ConfigError: if the sweep has no finished networks.
    """
    if "ipr_histogram" not in sweep:
        raise ConfigError(f"networks of {name}")
    return sweep.ipr_histogram.isel(layer=layer)


def share(found: xr.DataArray, phases: Sequence[Phase]) -> float:
    """The share of the cells whose phase is known that are in one of `phases`; NaN of none."""
    known = found.values[found.values != UNKNOWN]
    return float(np.isin(known, codes_of(phases)).mean()) if known.size else np.nan


def agreement(one: xr.DataArray, other: xr.DataArray) -> float:
    """The share of the cells known in both diagrams that are in one phase; NaN of none."""
    one, other = xr.align(one, other)
    known = (one.values != UNKNOWN) & (other.values != UNKNOWN)
    return float((one.values == other.values)[known].mean()) if known.any() else np.nan


def codes_of(phases: Sequence[Phase]) -> list[int]:
    """The codes that phases have in a diagram."""
    return [PHASES.index(phase) for phase in phases]


def by_row(found: xr.DataArray, phases: Sequence[Phase]) -> np.ndarray:
    """The share of cells in `phases`, for each row of equal train fraction."""
    return np.array([share(row, phases) for row in found.transpose("train_fraction", ...)])


def grows(
    phases: Sequence[Phase],
    name: str,
    more: At,
    less: At,
    other: str | None = None,
    anywhere: bool = False,
) -> Measure:
    """A statistic: by how much the phases' share of a row is larger at one value than at another.

    Args:
        phases: the phases whose share is compared.
        name: the sweep.
        more: where the share should be larger, as values of the sweep's axes.
        less: where it should be smaller.
        other: the sweep of `less`, if it is another. Cells that are known in both are compared.
        anywhere: leave out rows where the share is zero at both values.
    """

    def difference(seed: Seed) -> float:
        above, below = xr.align(
            codes(seed.sweeps[name], **more), codes(seed.sweeps[other or name], **less)
        )
        known = (above.values != UNKNOWN) & (below.values != UNKNOWN)
        above, below = above.where(known, UNKNOWN), below.where(known, UNKNOWN)
        shares = by_row(above, phases), by_row(below, phases)
        counted = shares[0] + shares[1] > 0 if anywhere else np.isfinite(shares[0] + shares[1])
        return mean_of((shares[0] - shares[1])[counted])

    return difference


def mean_of(values: np.ndarray) -> float:
    """The mean of the finite values; NaN if there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else np.nan


def share_of(phases: Sequence[Phase], name: str, **place: float | int | str) -> Measure:
    """A statistic: the phases' share of a sweep's trained cells."""
    return lambda seed: share(trained(seed.sweeps[name], **place), phases)


def by_sweep(
    section: str,
    says: str,
    statistic: str,
    bound: float | int,
    side: Literal["above", "below"],
    why: str,
    measure: Measure,
    *sweeps: str,
    is_size: bool = False,
    chosen: str = "",
    controls: Mapping[str, Measure] | None = None,
    every_cell: bool = False,
) -> Claim:
    """A claim that needs the sweeps named last, and no networks of its own."""
    return Claim(
        section, says, statistic, bound, side, why, measure, sweeps=sweeps, is_size=is_size,
        chosen=chosen, controls=controls or {}, every_cell=every_cell,
    )  # fmt: skip
