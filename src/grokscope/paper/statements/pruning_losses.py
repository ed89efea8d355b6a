"""Statements about the losses of networks that are pruned."""

from __future__ import annotations

import numpy as np
import xarray as xr

from grokscope.paper.statements import Claim
from grokscope.paper.statements.networks import DECAY_5, DECAY_15, PLAIN
from grokscope.paper.statements.pruning import OfCurve, half_of, pruned_claim
from grokscope.paper.statements.statistics import largest_fall


def _largest_fall(*names: str) -> OfCurve:
    """The largest fall of a loss between two counts, as a share of its range."""

    def fall(curve: xr.Dataset) -> float:
        return float(np.max([largest_fall(curve[name].values) for name in names]))

    return fall


def _lowest_test_loss(curve: xr.Dataset) -> float:
    """The lowest test loss over that of the whole network."""
    return float(curve.test_loss.min() / curve.test_loss[0])


def _falls(which: str, *names: str) -> OfCurve:
    """All falls of a loss in a half, as a share of its range there: the most of these losses."""

    def falls(curve: xr.Dataset) -> float:
        losses = (half_of(curve, which)[name].values for name in names)
        return float(
            np.max([-np.minimum(np.diff(loss), 0).sum() / np.ptp(loss) for loss in losses])
        )

    return falls


def _change_at_first(curve: xr.Dataset) -> float:
    """The largest change of the test loss while the first tenth goes, as a share of its range."""
    loss = curve.test_loss
    early = loss.sel(pruned=slice(0, int(curve.pruned[-1]) // 10))
    return float(abs(early - loss[0]).max() / np.ptp(loss.values))


def _rises(which: str, train: int, test: int) -> OfCurve:
    """The smaller rise (1) or fall (-1) of both losses over a half, as a share of a loss's range."""

    def rise(curve: xr.Dataset) -> float:
        found = []
        for name, sign in (("train_loss", train), ("test_loss", test)):
            loss = half_of(curve, which)[name].values
            found.append(sign * float(loss[-1] - loss[0]) / np.ptp(curve[name].values))
        return float(np.min(found))

    return rise


CLAIMS: dict[str, Claim] = {
    "prune-test-loss": pruned_claim(
        "App. I.2, Fig. 18(b)",
        "In Partial Inversion pruning low-IPR neurons first lowers the test loss.",
        "lowest test loss over that of the whole network, wd 5",
        0.95,
        "below",
        "more than its last digits",
        _lowest_test_loss,
        "lowest",
        DECAY_5,
    ),
    "prune-train-loss": pruned_claim(
        "App. I.2, Fig. 18(c)",
        "In Full Inversion pruning low-IPR neurons raises the training loss all the way.",
        "largest fall of training loss between two counts, as a share of its range, wd 15",
        0.02,
        "below",
        "no fall but fluctuations",
        _largest_fall("train_loss"),
        "lowest",
        DECAY_15,
    ),
    "prune-losses-high": pruned_claim(
        "App. I.2, Fig. 18(c)",
        "There pruning high-IPR neurons raises both losses all the way.",
        "largest fall of either loss between two counts, as a share of its range, wd 15",
        0.02,
        "below",
        "no fall but fluctuations",
        _largest_fall("train_loss", "test_loss"),
        "highest",
        DECAY_15,
    ),
    "prune-train-loss-coexistence-low": pruned_claim(
        "App. I.2, Fig. 18(a)",
        "In Coexistence pruning low-IPR neurons raises the training loss all the way.",
        "largest fall of training loss between two counts, as a share of its range, wd 0",
        0.02,
        "below",
        "no fall but fluctuations",
        _largest_fall("train_loss"),
        "lowest",
        PLAIN,
    ),
    "prune-train-loss-coexistence-high": pruned_claim(
        "App. I.2, Fig. 18(a)",
        "In Coexistence pruning high-IPR neurons raises the training loss all the way.",
        "largest fall of training loss between two counts, as a share of its range, wd 0",
        0.02,
        "below",
        "no fall but fluctuations",
        _largest_fall("train_loss"),
        "highest",
        PLAIN,
    ),
    "prune-train-loss-partial-low": pruned_claim(
        "App. I.2, Fig. 18(b)",
        "In Partial Inversion pruning low-IPR neurons raises the training loss all the way.",
        "largest fall of training loss between two counts, as a share of its range, wd 5",
        0.02,
        "below",
        "no fall but fluctuations",
        _largest_fall("train_loss"),
        "lowest",
        DECAY_5,
    ),
    "prune-train-loss-partial-high": pruned_claim(
        "App. I.2, Fig. 18(b)",
        "In Partial Inversion pruning high-IPR neurons raises the training loss all the way.",
        "largest fall of training loss between two counts, as a share of its range, wd 5",
        0.02,
        "below",
        "no fall but fluctuations",
        _largest_fall("train_loss"),
        "highest",
        DECAY_5,
    ),
    "prune-test-loss-coexistence": pruned_claim(
        "App. I.2, Fig. 18(a)",
        "In Coexistence pruning low-IPR neurons first moves the test loss both ways.",
        "sum of its falls in the first half, as a share of its range there, wd 0",
        0.02,
        "above",
        "more than fluctuations",
        _falls("first", "test_loss"),
        "lowest",
        PLAIN,
    ),
    "prune-losses-coexistence-high-early": pruned_claim(
        "App. I.2, Fig. 18(a)",
        "In Coexistence pruning high-IPR neurons first raises both losses.",
        "smaller rise of the two to half of the neurons, as a share of its range, wd 0",
        0.02,
        "above",
        "more than fluctuations",
        _rises("first", train=1, test=1),
        "highest",
        PLAIN,
    ),
    "prune-losses-coexistence-high-late": pruned_claim(
        "App. I.2, Fig. 18(a)",
        "Then the losses do not only rise.",
        "sum of the falls of either from half of the neurons on, as a share of its range there, wd 0",
        0.02,
        "above",
        "more than fluctuations",
        _falls("second", "train_loss", "test_loss"),
        "highest",
        PLAIN,
    ),
    "prune-full-test-loss-flat": pruned_claim(
        "App. I.2, Fig. 18(c)",
        "In Full Inversion pruning low-IPR neurons first leaves the test loss alone.",
        "its largest change while a tenth of the neurons goes, as a share of its range, wd 15",
        0.05,
        "below",
        "hardly to be seen",
        _change_at_first,
        "lowest",
        DECAY_15,
    ),
    "prune-full-test-loss": pruned_claim(
        "App. I.2, Fig. 18(c)",
        "Then the test loss rises all the way.",
        "its largest fall between two counts, as a share of its range, wd 15",
        0.02,
        "below",
        "no fall but fluctuations",
        _largest_fall("test_loss"),
        "lowest",
        DECAY_15,
    ),
    "prune-partial-late": pruned_claim(
        "App. I.2, Fig. 18(b)",
        "In Partial Inversion the latter half of that pruning raises both losses.",
        "smaller rise of the two from half of the neurons on, as a share of its range, wd 5",
        0.02,
        "above",
        "more than fluctuations",
        _rises("second", train=1, test=1),
        "lowest",
        DECAY_5,
    ),
    "prune-partial-high-early": pruned_claim(
        "App. I.2, Fig. 18(b)",
        "Pruning high-IPR neurons first raises both losses.",
        "smaller rise of the two to half of the neurons, as a share of its range, wd 5",
        0.02,
        "above",
        "more than fluctuations",
        _rises("first", train=1, test=1),
        "highest",
        DECAY_5,
    ),
    "prune-partial-high-late": pruned_claim(
        "App. I.2, Fig. 18(b)",
        "Then the training loss rises and the test loss falls.",
        "smaller of the rise and the fall from half of the neurons on, as a share of its range, wd 5",
        0.02,
        "above",
        "more than fluctuations",
        _rises("second", train=1, test=-1),
        "highest",
        DECAY_5,
    ),
}
