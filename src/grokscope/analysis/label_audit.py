"""Which training labels are wrong, by what a trained network and its pruned one make of them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float, Int
from scipy import stats

from grokscope.data.dataset import Dataset
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.tasks import ModularTask
from grokscope.measures.pruning import pruning_curve, pruning_order
from grokscope.measures.scores import measured_layers
from grokscope.models.network import Network
from grokscope.runs.compact import COUNTS
from grokscope.runs.run import Run, require_finished

EVIDENCE = {
    "confidence": "how little probability the network gives the label (softmax of its logits)",
    "loss": "the example's own part of the training loss",
    "margin": "how far the best other logit is above the label's",
    "pruned_confidence": "the same as confidence, of the network without its low-IPR neurons",
    "pruned_loss": "the same as loss, of the network without its low-IPR neurons",
    "pruned_margin": "the same as margin, of the network without its low-IPR neurons",
}
"""Kinds of evidence that a label is wrong; the first is the plain baseline."""

NAMES = {
    "confidence": "confidence (baseline)",
    "loss": "loss",
    "margin": "margin",
    "pruned_confidence": "confidence, pruned",
    "pruned_loss": "loss, pruned",
    "pruned_margin": "margin, pruned",
}
"""What they are called where they are shown."""

BATCH = 4096


def audit(run: Run) -> xr.Dataset:
    """Evidence, for every training example, that its label is wrong; larger is stronger.

    The pruned network keeps the neurons of highest IPR, as many as give the best test accuracy,
    the fewest of those: in the paper's picture (Sec. 2) they carry the rule, and the others the
    wrong labels. A network without IPR is audited by its own logits alone.

    Returns:
        Over `example`, the index in `make_dataset`: each of `EVIDENCE`; `row` of the task, as in
        `Dataset.rows`; `given` and `suggested` labels, the latter of the pruned network. If the
        truth is known, `true` labels and `is_wrong` too. The attribute `kept` is the number of
        neurons kept, all if none is pruned.

    Raises:
        ConfigError: if the run diverged or was stored without weights.
    """
    require_finished(run, "audited")
    network, dataset = run.network, run.data
    n = dataset.n_train
    given = dataset.given_labels[:n]
    loss = run.experiment.loss
    logits = _logits(network, dataset.inputs[:n])
    columns = _evidence(logits, given, loss)
    attrs = {}
    if measured_layers(network):
        kept = best_neurons(network, dataset, run)
        layer = list(measured_layers(network))[-1]
        pruned = network.layers[layer].pruned(network, kept)
        logits = _logits(pruned, dataset.inputs[:n])
        evidence = _evidence(logits, given, loss)
        columns |= {f"pruned_{name}": values for name, values in evidence.items()}
        attrs = {"kept": int(kept.sum()), "neurons": len(kept)}
    columns |= {"row": dataset.rows[:n], "given": given, "suggested": logits.argmax(axis=1)}
    if is_truth_known(run.experiment):
        true = dataset.true_labels[:n]
        columns |= {"true": true, "is_wrong": given != true}
    return xr.Dataset(
        {name: ("example", values) for name, values in columns.items()},
        {"example": np.arange(n)},
        attrs,
    )


def is_truth_known(experiment: Experiment) -> bool:
    """Whether the right labels are known: they follow a rule, or the wrong ones were drawn here.

    >>> is_truth_known(Experiment()), is_truth_known(Experiment(task="mnist", model="image_mlp"))
    (True, False)
    """
    return isinstance(experiment.task, ModularTask) or experiment.corruption_fraction > 0


def strongest(found: xr.Dataset) -> tuple[str, xr.Dataset]:
    """The kind of evidence that ranks best as a rule, and the audit in its order, strongest first.

    Args:
        found: an audit, as `audit` gives it.
    """
    best = [name for name in EVIDENCE if name in found][-1]
    return best, found.isel(example=np.argsort(-found[best].values, kind="stable"))


def as_table(found: xr.Dataset) -> pd.DataFrame:
    """A row for each training example, the most suspicious first.

    The columns: `row` of the task, `given` and `suggested` label, and the `evidence` of
    `strongest` that the given one is wrong.
    """
    best, ranked = strongest(found)
    table = ranked[["row", "given", "suggested", best]].to_dataframe()
    return table.rename(columns={best: "evidence"}).reset_index(drop=True)


def best_neurons(network: Network, dataset: Dataset, run: Run) -> Bool[np.ndarray, "neuron"]:
    """Which neurons of the last layer the pruned network keeps; see `audit`."""
    layer = list(measured_layers(network))[-1]
    ipr = run.layer_ipr(layer)
    order = pruning_order(ipr, "lowest")
    stride = -(-len(ipr) // COUNTS)
    curve = pruning_curve(network, dataset, order, run.experiment.loss, stride, layer)
    best = curve.pruned.values[curve.test_accuracy.values == curve.test_accuracy.values.max()]
    kept = np.ones(len(ipr), bool)
    kept[order[: int(best.max())]] = False
    return kept


QUALITIES = ("auroc", "precision", "recall", "precision_at_wrong")


def qualities(found: xr.Dataset) -> dict[str, dict[str, float]]:
    """The `quality` of each kind of evidence in an audit; none if the truth is not known.

    Only margins say which labels to flag.
    """
    if "is_wrong" not in found:
        return {}
    kinds = [name for name in EVIDENCE if name in found]
    wrong = found.is_wrong.values
    return {name: quality(found[name].values, wrong, "margin" in name) for name in kinds}


def quality(
    evidence: Float[np.ndarray, "example"], is_wrong: np.ndarray, is_margin: bool = False
) -> dict[str, float]:
    """How well evidence finds the wrong labels; NaN if none or all are wrong.

    Returns:
        `auroc`, the chance that a wrong label has more evidence than a right one (Mann and
        Whitney's U; half for ties); `precision` and `recall`, if it is a margin, of those above
        zero, where the network prefers another label; `precision_at_wrong`, of as many of the
        strongest as are wrong, which is the recall too.

    >>> quality(np.array([3.0, 2.0, -1.0, -2.0]), np.array([True, False, True, False]))["auroc"]
    0.75
    """
    n_wrong = int(is_wrong.sum())
    if n_wrong in (0, len(is_wrong)):
        return dict.fromkeys(QUALITIES, float("nan"))
    u = stats.mannwhitneyu(evidence[is_wrong], evidence[~is_wrong]).statistic
    flagged = evidence > 0
    strongest = np.argsort(-evidence, kind="stable")[:n_wrong]
    found = (
        float(u / n_wrong / (len(is_wrong) - n_wrong)),
        float(is_wrong[flagged].mean()) if is_margin and flagged.any() else float("nan"),
        float(flagged[is_wrong].mean()) if is_margin else float("nan"),
        float(is_wrong[strongest].mean()),
    )
    return dict(zip(QUALITIES, found, strict=True))


def _logits(network: Network, inputs: np.ndarray) -> Float[np.ndarray, "example label"]:
    parts = [inputs[start : start + BATCH] for start in range(0, len(inputs), BATCH)]
    return np.concatenate([np.asarray(network(jnp.asarray(part)), np.float64) for part in parts])


def _evidence(
    logits: Float[np.ndarray, "example label"], labels: Int[np.ndarray, "example"], loss: str
) -> dict[str, Float[np.ndarray, "example"]]:
    """What one network's logits say against each label."""
    probability = _probability(logits, labels)
    if loss == "mse":
        losses = ((logits - np.eye(logits.shape[1])[labels]) ** 2).mean(axis=1)
    else:
        losses = -np.log(np.maximum(probability, np.finfo(float).tiny))
    return {"confidence": -probability, "loss": losses, "margin": _margin(logits, labels)}


def _probability(
    logits: Float[np.ndarray, "example label"], labels: Int[np.ndarray, "example"]
) -> Float[np.ndarray, "example"]:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights[np.arange(len(labels)), labels] / weights.sum(axis=1)


def _margin(
    logits: Float[np.ndarray, "example label"], labels: Int[np.ndarray, "example"]
) -> Float[np.ndarray, "example"]:
    rows = np.arange(len(labels))
    others = logits.copy()
    others[rows, labels] = -np.inf
    return others.max(axis=1) - logits[rows, labels]
