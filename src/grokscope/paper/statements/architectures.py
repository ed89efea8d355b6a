"""Statements about deeper networks, Transformers and images, by their sweeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grokscope.errors import ConfigError
from grokscope.measures.phases import Phase
from grokscope.paper.statements import Claim, Evidence, Size
from grokscope.paper.statements.diagrams import (
    CELLS,
    GENERALIZED,
    ROWS,
    WD0,
    At,
    by_sweep,
    chosen,
    grows,
)


def ipr_grows(
    name: str, more: At, less: At, layer: int = 0, size: bool = False
) -> Callable[[Evidence], Sequence[float] | Size]:
    """A statistic: by how much mean IPR is larger at one value of an axis than at another.

    There is a difference for each cell of the other axes.

    Args:
        name: the sweep.
        more: where mean IPR should be larger, as values of the sweep's axes.
        less: where it should be smaller.
        layer: whose units, by the layer's index.
        size: whether either sign counts.
    """

    def differences(evidence: Evidence) -> Sequence[float] | Size:
        sweep = evidence.sweeps[name]
        if "ipr_histogram" not in sweep:
            raise ConfigError(f"networks of {name}")
        counts = sweep.ipr_histogram.isel(layer=layer)
        mean = (counts * counts.ipr_bin).sum("ipr_bin") / counts.sum("ipr_bin")
        found = (chosen(mean, more) - chosen(mean, less)).values.ravel().tolist()
        return Size(found) if size else found

    return differences


def accuracy_falls(
    name: str, kind: str, more: At, less: At
) -> Callable[[Evidence], Sequence[float]]:
    """A statistic: by how much an accuracy is larger at one value of an axis than at another."""

    def differences(evidence: Evidence) -> Sequence[float]:
        accuracy = evidence.sweeps[name][kind].mean("seed")
        return (chosen(accuracy, more) - chosen(accuracy, less)).values.ravel().tolist()

    return differences


CLAIMS: dict[str, Claim] = {
    "transformer-decay": by_sweep(
        "2.3, Fig. 7",
        "In a Transformer too, weight decay widens what generalises.",
        "growth of its share of a row, wd 0 to 3",
        0,
        "above",
        "any growth",
        grows(GENERALIZED, "figure7a", {"weight_decay": 3}, WD0),
        ROWS,
        "figure7a",
    ),
    "deep-decay-ipr": by_sweep(
        "2.3, Fig. 7",
        "In a 3-layer MLP weight decay raises the input layer's IPR.",
        "growth of its mean where each stopped, wd 0 to 8, of every cell",
        0,
        "above",
        "any growth",
        ipr_grows("figure7b", {"weight_decay": 8}, WD0),
        "networks",
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
        "networks",
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
        "networks",
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
        ROWS,
        "figure13",
    ),
    "transformer-depth": by_sweep(
        "App. G.1, Fig. 12",
        "Depth leaves the embedding's IPR alone.",
        "size of the difference of mean IPR, 2 blocks and 1",
        0.05,
        "below",
        "as for BatchNorm",
        ipr_grows("figure12", {"depth": 2}, {"depth": 1}, size=True),
        "networks",
        "figure12",
    ),
    "lazy-output": by_sweep(
        "App. G.3, Fig. 14",
        "A lazier 3-layer MLP has an output layer of larger IPR.",
        "mean IPR of the output layer where each stopped, lazy minus standard",
        0,
        "above",
        "any growth",
        ipr_grows("figure14", {"parameterization": "lazy"}, {"parameterization": "standard"}, -1),
        "networks",
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
        CELLS,
        "figure16a",
    ),
    "mnist-inverts": by_sweep(
        "App. H, Fig. 16",
        "On MNIST weight decay leads to Full Inversion.",
        "growth of its share of a row, wd 0 to 3",
        0,
        "above",
        "any growth",
        grows((Phase.FULL_INVERSION,), "figure16a", {"weight_decay": 3}, WD0),
        ROWS,
        "figure16a",
    ),
    "mnist-confuses": by_sweep(
        "App. H, Fig. 16",
        "Very high weight decay leads to Confusion.",
        "growth of its share of a row, wd 0 to 10",
        0,
        "above",
        "any growth",
        grows((Phase.CONFUSION,), "figure16a", {"weight_decay": 10}, WD0),
        ROWS,
        "figure16a",
    ),
    "mnist-dropout-test": by_sweep(
        "App. H, Fig. 16",
        "On MNIST strong dropout lowers test accuracy.",
        "fall of test accuracy, dp 0 to .6, of every cell",
        0,
        "above",
        "any fall",
        accuracy_falls("figure16b", "test_accuracy", {"dropout": 0}, {"dropout": 0.6}),
        CELLS,
        "figure16b",
    ),
    "mnist-dropout": by_sweep(
        "App. H, Fig. 16",
        "And training accuracy.",
        "fall of training accuracy, dp 0 to .6, of every cell",
        0,
        "above",
        "any fall",
        accuracy_falls("figure16b", "train_accuracy", {"dropout": 0}, {"dropout": 0.6}),
        CELLS,
        "figure16b",
    ),
}
