"""Differences of two measures, worked out wherever they are shown and stored nowhere."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from grokscope.measures.table import FinishedRun, Measure

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Difference(Measure):
    """One measure minus another.

    Attributes:
        first: the name of the one.
        second: the name of the other.
    """

    _: KW_ONLY
    first: str
    second: str

    def of(self, data: xr.Dataset | pd.DataFrame) -> Float[Any, "*cell"] | None:
        """Its values in a dataset or table of runs; None if that lacks one of the two."""
        if self.first not in data or self.second not in data:
            return None
        first, second = (np.asarray(data[name], float) for name in (self.first, self.second))
        return first - second

    def summary(self, run: FinishedRun) -> float | None:
        """Its value at the end; None of a run that lacks one of the two."""
        values = self.of(run.dataset)
        return None if values is None else float(values.ravel()[-1])


_ROWS = (
    Difference("extracted_minus_vote",
               "test accuracy of the extracted network minus that of the training labels alone: "
               "what the weights know of the rule beyond their data", "difference",
               title="extracted - vote",
               first="extracted_test_accuracy", second="vote_test_accuracy"),
)  # fmt: skip

DIFFERENCES: dict[str, Difference] = {row.name: row for row in _ROWS}
"""Differences worth looking at, in the order in which they are shown."""


def with_differences(table: pd.DataFrame) -> pd.DataFrame:
    """A table of runs with a column for each difference of two that it has."""
    found = {name: row.of(table) for name, row in DIFFERENCES.items()}
    return table.assign(**{name: values for name, values in found.items() if values is not None})
