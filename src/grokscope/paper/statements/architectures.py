"""Statements about deeper networks, Transformers and images, by their sweeps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from grokscope.measures.phases import GENERALIZED, INVERTED, Phase
from grokscope.paper.statements import Claim, Measure, Seed
from grokscope.paper.statements.statistics import LOW_IPR
from grokscope.paper.statements.sweep_statistics import (
    WD0,
    At,
    at,
    by_row,
    by_sweep,
    codes,
    codes_of,
    grows,
    ipr_histogram,
    mean_of,
    share,
    share_of,
    trained,
)

NOT_GENERALIZED = tuple(phase for phase in Phase if phase not in GENERALIZED)


def ipr_grows(name: str, more: At, less: At, layer: int = 0) -> Measure:
    """A statistic: by how much mean IPR is larger at one value of an axis than at another.

    It is the mean of the differences at each place along the other axes. The input layer's IPR is
    exact; of other layers sweeps have histograms, whose bins' middles count.

    Args:
        name: the sweep.
        more: where mean IPR should be larger, as values of the sweep's axes.
        less: where it should be smaller.
        layer: whose units, by the layer's index.
    """

    def difference(seed: Seed) -> float:
        sweep = seed.sweeps[name]
        counts = ipr_histogram(sweep, name, layer)
        middles = (counts * counts.ipr_bin).sum("ipr_bin") / counts.sum("ipr_bin")
        mean = middles if layer else sweep.mean_ipr
        return mean_of((at(mean, more) - at(mean, less)).values)

    return difference


def accuracy_falls(name: str, kind: str, more: At, less: At) -> Measure:
    """A statistic: by how much an accuracy is larger at one value of an axis than at another."""

    def difference(seed: Seed) -> float:
        accuracy = seed.sweeps[name][kind]
        return mean_of((at(accuracy, more) - at(accuracy, less)).values)

    return difference


def _ipr_of_generalizing(sweep: xr.Dataset) -> np.ndarray:
    """The mean IPR of the input layer of every network that generalises."""
    phases = codes(sweep)
    good = np.isin(phases.values, codes_of(GENERALIZED))
    return sweep.mean_ipr.transpose(*map(str, phases.dims), "seed").values[good]


def _ipr_where_it_generalizes(name: str, **place: float | int | str) -> Measure:
    """A statistic: the mean of these, where axes have certain values."""
    return lambda seed: mean_of(_ipr_of_generalizing(seed.sweeps[name].sel(place)))


def _least_ipr(seed: Seed) -> float:
    """The least of these over Transformers of all kinds; NaN if none generalises."""
    found = _ipr_of_generalizing(seed.sweeps["figure12"])
    return float(found.min()) if found.size else np.nan


def _restricted_accuracy(phases: Sequence[Phase]) -> Measure:
    """A statistic: what the key waves alone answer, the mean over all Transformers in `phases`."""

    def mean(seed: Seed) -> float:
        found = []
        for sweep in (seed.sweeps["figure12"], seed.sweeps["figure13"]):
            of_phase = codes(sweep).isin(codes_of(phases))
            found.append(sweep.restricted_test_accuracy.isel(seed=0).where(of_phase).values.ravel())
        return mean_of(np.concatenate(found))

    return mean


def _full_without_decay(seed: Seed) -> float:
    """The share of trained networks without weight decay that are in Full Inversion."""
    places = {"figure7a": WD0, "figure7b": WD0, "figure13": {}}
    found = [trained(seed.sweeps[name], **place).values.ravel() for name, place in places.items()]
    return share(xr.DataArray(np.concatenate(found)), (Phase.FULL_INVERSION,))


def _decay_over_dropout(seed: Seed) -> float:
    """Inversion's share of a row at the best weight decay minus that at the best dropout."""

    def best(name: str, axis: str) -> float:
        values = seed.sweeps[name][axis].values.tolist()
        shares = [by_row(codes(seed.sweeps[name], **{axis: v}), INVERTED).mean() for v in values]
        return float(np.max(shares))  # NaN if one is

    return best("figure16a", "weight_decay") - best("figure16b", "dropout")


CLAIMS: dict[str, Claim] = {
    "transformer-decay": by_sweep(
        "2.2, Fig. 7(a)",
        "In a Transformer too, weight decay widens what generalises.",
        "growth of its share of a row, wd 0 to 3",
        0,
        "above",
        "any growth",
        grows(GENERALIZED, "figure7a", {"weight_decay": 3}, WD0),
        "figure7a",
    ),
    "deep-decay-ipr": by_sweep(
        "2.2, Fig. 7(b)",
        "In a 3-layer MLP weight decay raises the input layer's IPR.",
        "growth of its mean where each stopped, wd 0 to 8, of every cell",
        0,
        "above",
        "any growth",
        ipr_grows("figure7b", {"weight_decay": 8}, WD0),
        "figure7b",
    ),
    "transformer-heads": by_sweep(
        "App. G.1, Fig. 12",
        "More heads raise the embedding's IPR.",
        "mean IPR, 8 heads minus 4",
        0,
        "above",
        "any growth",
        ipr_grows("figure12", {"heads": 8}, {"heads": 4}),
        "figure12",
    ),
    "transformer-tying": by_sweep(
        "App. G.1, Fig. 12",
        "Weight tying lowers it.",
        "mean IPR, untied minus tied",
        0,
        "above",
        "any fall",
        ipr_grows("figure12", {"tied": "False"}, {"tied": "True"}),
        "figure12",
    ),
    "transformer-dropout": by_sweep(
        "App. G.2, Fig. 13",
        "Dropout above .1 does not help a Transformer.",
        "growth of the share of a row that generalises, dp .1 to .2, where any does",
        0.02,
        "below",
        "less than half a cell",
        grows(GENERALIZED, "figure13", {"dropout": 0.2}, {"dropout": 0.1}, anywhere=True),
        "figure13",
    ),
    "transformer-depth": by_sweep(
        "App. G.1, Fig. 12",
        "Depth leaves the embedding's IPR alone.",
        "size of the difference of mean IPR, 2 blocks and 1",
        0.05,
        "below",
        "as for BatchNorm",
        ipr_grows("figure12", {"depth": 2}, {"depth": 1}),
        "figure12",
        is_size=True,
    ),
    "lazy-output": by_sweep(
        "App. G.3, Fig. 14",
        "A lazier 3-layer MLP has an output layer of larger IPR.",
        "mean IPR of the output layer where each stopped, lazy minus standard",
        0,
        "above",
        "any growth",
        ipr_grows("figure14", {"parameterization": "lazy"}, {"parameterization": "standard"}, -1),
        "figure14",
    ),
    "mnist-decay": by_sweep(
        "App. H, Fig. 16",
        "On MNIST weight decay keeps the network from memorising wrong labels.",
        "fall of accuracy on corrupted labels, wd 0 to 3, of every cell",
        0.1,
        "above",
        "plain to see",
        accuracy_falls("figure16a", "corrupted_accuracy", WD0, {"weight_decay": 3}),
        "figure16a",
        chosen="width, rate, grid and dropout",
    ),
    "mnist-inverts": by_sweep(
        "App. H, Fig. 16",
        "On MNIST weight decay leads to Full Inversion.",
        "growth of its share of a row, wd 0 to 3",
        0,
        "above",
        "any growth",
        grows((Phase.FULL_INVERSION,), "figure16a", {"weight_decay": 3}, WD0),
        "figure16a",
        chosen="width, rate, grid and dropout",
    ),
    "mnist-confuses": by_sweep(
        "App. H, Fig. 16",
        "Very high weight decay leads to Confusion.",
        "growth of its share of a row, wd 0 to 10",
        0,
        "above",
        "any growth",
        grows((Phase.CONFUSION,), "figure16a", {"weight_decay": 10}, WD0),
        "figure16a",
        chosen="width, rate, grid and dropout",
    ),
    "mnist-dropout-test": by_sweep(
        "App. H, Fig. 16",
        "On MNIST strong dropout lowers test accuracy.",
        "fall of test accuracy, dp 0 to .6, of every cell",
        0,
        "above",
        "any fall",
        accuracy_falls("figure16b", "test_accuracy", {"dropout": 0}, {"dropout": 0.6}),
        "figure16b",
        chosen="width, rate, grid and dropout",
    ),
    "mnist-dropout": by_sweep(
        "App. H, Fig. 16",
        "And training accuracy.",
        "fall of training accuracy, dp 0 to .6, of every cell",
        0,
        "above",
        "any fall",
        accuracy_falls("figure16b", "train_accuracy", {"dropout": 0}, {"dropout": 0.6}),
        "figure16b",
        chosen="width, rate, grid and dropout",
    ),
    "transformer-decay-ipr": by_sweep(
        "2.2, Fig. 7(a)",
        "There it raises the embedding's IPR.",
        "growth of its mean where each stopped, wd 0 to 3",
        0,
        "above",
        "any growth",
        ipr_grows("figure7a", {"weight_decay": 3}, WD0),
        "figure7a",
    ),
    "deep-decay": by_sweep(
        "2.2, Fig. 7(b)",
        "In a 3-layer MLP too, weight decay widens what generalises.",
        "growth of its share of a row, wd 0 to 8",
        0,
        "above",
        "any growth",
        grows(GENERALIZED, "figure7b", {"weight_decay": 8}, WD0),
        "figure7b",
    ),
    "hypothesis-transformer": by_sweep(
        "2.2, Hypothesis 2.2",
        "A Transformer that generalises maps its inputs onto periodic features.",
        "mean IPR of the embedding where it generalises",
        LOW_IPR,
        "above",
        "untrained ones have .04",
        _ipr_where_it_generalizes("figure7a"),
        "figure7a",
    ),
    "hypothesis-deep": by_sweep(
        "2.2, Hypothesis 2.2",
        "So does a 3-layer MLP.",
        "mean IPR of the input layer where it generalises",
        LOW_IPR,
        "above",
        "untrained ones have .04",
        _ipr_where_it_generalizes("figure7b"),
        "figure7b",
    ),
    "transformer-dropout-coexists": by_sweep(
        "App. G.2, Fig. 13",
        "With a little dropout a Transformer has a Coexistence phase.",
        "its share of trained cells, dp .05",
        0,
        "above",
        "any",
        share_of((Phase.COEXISTENCE,), "figure13", dropout=0.05),
        "figure13",
    ),
    "transformer-dropout-ipr": by_sweep(
        "App. G.2, Fig. 13",
        "And an embedding of higher IPR.",
        "growth of its mean where each stopped, dp 0 to .05",
        0,
        "above",
        "any growth",
        ipr_grows("figure13", {"dropout": 0.05}, {"dropout": 0}),
        "figure13",
    ),
    "lazy-input": by_sweep(
        "App. G.3, Fig. 14",
        "The IPR of its input layer barely shifts.",
        "size of the difference of mean IPR, lazy and standard",
        0.05,
        "below",
        "as for BatchNorm",
        ipr_grows("figure14", {"parameterization": "lazy"}, {"parameterization": "standard"}),
        "figure14",
        is_size=True,
    ),
    "transformer-dropout-confuses": by_sweep(
        "2.2, Fig. 13",
        "In Transformers dropout mostly extends Confusion.",
        "growth of Confusion's share of a row, dp 0 to .2",
        0,
        "above",
        "any growth",
        grows((Phase.CONFUSION,), "figure13", {"dropout": 0.2}, {"dropout": 0}),
        "figure13",
    ),
    "full-needs-decay": by_sweep(
        "2.2, Fig. 7",
        "Transformers and MLPs of three layers need weight decay for Full Inversion.",
        "its share of networks without weight decay, with dropout or not",
        0.02,
        "below",
        "next to none",
        _full_without_decay,
        "figure7a",
        "figure7b",
        "figure13",
    ),
    "hypothesis-every-transformer": by_sweep(
        "App. G.1, Fig. 12",
        "Hypothesis 2.2 holds for Transformers of every depth, number of heads and tying.",
        "least mean IPR of the embedding of one that generalises",
        0.1,
        "above",
        "plainly more than that of random vectors, .04",
        _least_ipr,
        "figure12",
        chosen="weight decay, α and ξ",
    ),
    "hypothesis-step-two": by_sweep(
        "2.2, Hypothesis 2.2",
        "The rest of such a Transformer computes with these waves.",
        "mean test accuracy of the logits' key waves in m + n where it generalises",
        0.9,
        "above",
        "Table 2's threshold",
        _restricted_accuracy(GENERALIZED),
        "figure12",
        "figure13",
        controls={"where it does not": _restricted_accuracy(NOT_GENERALIZED)},
    ),
    "hypothesis-lazy": by_sweep(
        "App. G.3, Fig. 14",
        "And for a lazier 3-layer MLP.",
        "mean IPR of the input layer where it generalises, lazy",
        0.1,
        "above",
        "plainly more than that of random vectors, .04",
        _ipr_where_it_generalizes("figure14", parameterization="lazy"),
        "figure14",
        chosen="weight decay",
    ),
    "mnist-decay-generalizes": by_sweep(
        "App. H, Fig. 16",
        "On MNIST weight decay enhances generalisation.",
        "growth of the share of a row that generalises, wd 0 to 3",
        0,
        "above",
        "any growth",
        grows(GENERALIZED, "figure16a", {"weight_decay": 3}, WD0),
        "figure16a",
    ),
    "mnist-dropout-less": by_sweep(
        "App. H, Fig. 16",
        "There dropout is less effective than weight decay.",
        "Inversion's share of a row at the best weight decay minus that at the best dropout",
        0,
        "above",
        "any difference",
        _decay_over_dropout,
        "figure16a",
        "figure16b",
    ),
}
