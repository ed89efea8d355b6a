"""Sweeps in which training is changed at a step: what weight decay, repaired labels and pruning do
to a network that has already learned. They go on from the paper, whose networks they start from.
"""

from __future__ import annotations

from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.paper.settings import DECAYS

INVERTING, FORGETTING = DECAYS[1], DECAYS[3]
"""Weight decays of Inversion and of Forgetting (Fig. 3a)."""

MEASURED = "log:60"
"""Steps at which a branch is measured, counted from where it starts."""

SEEDS = 3

CELLS: dict[str, object] = {
    "corruption_fraction": (0.2, 0.35, 0.1),
    "train_fraction": (0.5, 0.5, 0.25),
}
"""Cells that weight decay inverts, that it inverts in part, and that it lets generalise."""


def _branches(base: Experiment, start_steps: tuple[int, ...], **axes: object) -> Grid:
    """Branches of a base at some steps."""
    zipped = (tuple(CELLS),) if CELLS.keys() <= axes.keys() else ()
    return Grid(base=base, axes={"start_step": start_steps, **axes}, zipped=zipped, seeds=SEEDS)


def decay_on() -> Grid:
    """Weight decay is switched on after the labels are memorised; from step 0 is the control."""
    base = Experiment(
        weight_decay=INVERTING, steps=4000, measure=MEASURED,
        start_step=100, before={"weight_decay": 0},
    )  # fmt: skip
    return _branches(base, (0, 100, 300, 1000), **CELLS)


def decay_off() -> Grid:
    """Weight decay is switched off after Full Inversion; from step 0 there is none."""
    base = Experiment(
        corruption_fraction=0.2, weight_decay=0, steps=6000, measure=MEASURED,
        start_step=1000, before={"weight_decay": INVERTING},
    )  # fmt: skip
    return _branches(base, (0, 500, 1000, 2000))


def labels_repaired() -> Grid:
    """All labels are made right at a step; from step 0 they never were wrong."""
    base = Experiment(
        steps=3000, measure=MEASURED, start_step=100, before={"corruption_fraction": 0.35}
    )
    return _branches(base, (0, 100, 300, 1000), weight_decay=(0, INVERTING))


def memorizers_pruned() -> Grid:
    """Neurons that hold the wrong labels are pruned at step 1000; as many at random for control."""
    base = Experiment(
        corruption_fraction=0.2, steps=3000, measure=MEASURED,
        start_step=1000, prune_by="memorizing", prune_share=0.4,
    )  # fmt: skip
    axes = {"prune_by": ("memorizing", "random"), "weight_decay": (0, INVERTING)}
    return _branches(base, (1000,), **axes)


def forgetting_stopped() -> Grid:
    """Weight decay of Forgetting is switched off at a step, before and after all is lost."""
    base = Experiment(
        corruption_fraction=0.35, weight_decay=0, steps=4000, measure=MEASURED,
        start_step=1000, before={"weight_decay": FORGETTING},
    )  # fmt: skip
    return _branches(base, (300, 600, 1000, 1400, 2000))


INTERVENTIONS = {
    function.__name__: function
    for function in (decay_on, decay_off, labels_repaired, memorizers_pruned, forgetting_stopped)
}
"""The sweeps by name."""
