"""A sweep over kinds of label noise, which goes on from the paper's, who draws labels uniformly."""

from __future__ import annotations

from typing import get_args

from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.experiment.noise import NamedNoise
from grokscope.paper.settings import DECAYS

KINDS = ("uniform", "uniform_wrong", *(k for k in get_args(NamedNoise) if k != "by_instance"))
"""All kinds but by_instance, which needs scores of the user's own."""


def noises() -> Grid:
    """Phases by kind of noise, its fraction and weight decay; three seeds."""
    axes: dict[str, object] = {
        "corruption": KINDS,
        "weight_decay": (0, DECAYS[1]),
        "corruption_fraction": (0.2, 0.5, 0.8),
    }
    return Grid(base=Experiment(), axes=axes, seeds=3)
