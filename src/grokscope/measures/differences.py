"""Differences of two measures, worked out wherever they are shown and stored nowhere."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from grokscope.measures.table import Measure


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

    def of(self, data: xr.Dataset) -> Float[Any, "*cell"] | None:
        """Its values in a sweep's dataset; None if that lacks one of the two."""
        if self.first not in data or self.second not in data:
            return None
        return np.asarray(data[self.first].values - data[self.second].values)


_ROWS = (
    Difference("extracted_minus_vote",
               "test accuracy of the extracted network minus that of the training labels alone: "
               "what the weights know of the rule beyond their data", "difference",
               first="extracted_test_accuracy", second="vote_test_accuracy"),
)  # fmt: skip

DIFFERENCES: dict[str, Difference] = {row.name: row for row in _ROWS}
"""Differences worth looking at, in the order in which they are shown."""
