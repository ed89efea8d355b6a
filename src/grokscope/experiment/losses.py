"""Which losses there are; what they compute is in `training.losses`."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from grokscope.experiment.own_code import OwnCode
from grokscope.experiment.part import Number, Rule

LossName = Literal["mse", "cross_entropy", "stablemax"]
"""Built-in losses; `training.losses` has each of them."""

CROSS_ENTROPIES = ("cross_entropy", "stablemax")
"""Losses that compare probabilities with a label, which can be smoothed."""

_NAMES = get_args(LossName)

Loss = Annotated[
    OwnCode | LossName,
    Rule(
        f"must be {', '.join(_NAMES[:-1])} or {_NAMES[-1]}, or a function as in my_losses:hinge",
        "Use mse for the paper's default.",
    ),
]

Smoothing = Annotated[
    Number, Field(ge=0, lt=1), Rule("must lie in [0, 1)", "Use 0 for labels as they are.")
]
