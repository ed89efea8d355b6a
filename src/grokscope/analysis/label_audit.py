"""Which labels are wrong: by a trained network, by its pruned one, by cross-fitting, or by
predictions that something else made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int, Shaped
from scipy import stats

from grokscope.analysis.cross_fitting import cross_fit, logits_of
from grokscope.analysis.predictions import Predictions, predictions_of
from grokscope.data.dataset import Dataset
from grokscope.errors import ConfigError, require_kind
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.tasks import Counted
from grokscope.measures.extraction import extracted
from grokscope.measures.logits import losses_of
from grokscope.measures.vote import vote_logits, vote_order
from grokscope.runs.run import Run, require_finished

EVIDENCE = {
    "confidence": "how little probability the network gives the label (softmax of its logits)",
    "loss": "the example's own part of the training loss",
    "margin": "how far the best other logit is above the label's",
    "vote_margin": "the same as margin, of the training labels projected on waves: no network",
    "extracted_margin": "the same as margin, of the network with one frequency a neuron",
    "pruned_confidence": "the same as confidence, of the network without its low-IPR neurons",
    "pruned_loss": "the same as loss, of the network without its low-IPR neurons",
    "pruned_margin": "the same as margin, of the network without its low-IPR neurons",
}
"""Kinds of evidence that a label is wrong. None knows the truth, or the test examples' labels.

Confidence and margin are the plain baselines. Extraction and the vote are given the order of the
residues in which the task is a shift; the others need no such order to be known.
"""

NAMES = {
    "confidence": "confidence (baseline)",
    "loss": "loss",
    "margin": "margin (baseline)",
    "vote_margin": "margin, training labels alone (vote)",
    "extracted_margin": "margin, extracted",
    "pruned_confidence": "confidence, pruned",
    "pruned_loss": "loss, pruned",
    "pruned_margin": "margin, pruned",
}
"""What they are called where they are shown."""

PERIODIC = 0.25
"""The IPR above which a neuron is taken to carry the rule (measured on small networks)."""

FOLDS = 5
"""Into which data of a user's own are dealt."""


def audit(
    run_or_labels: Any,
    folds: int | None = None,
    progress: bool = True,
    *,
    logits: object = None,
    probabilities: object = None,
    classes: Sequence[object] | None = None,
    true: object = None,
) -> xr.Dataset:
    """Evidence that labels are wrong; larger is stronger. It uses neither truth nor test labels.

    By a run's own network, it is on the training examples. The pruned network keeps the neurons
    of IPR above 0.25: in the paper's picture (Sec. 2) they carry the rule, and the others the
    wrong labels. If all neurons or none are such, it is the whole network. A network without IPR
    is audited by its own logits alone.

    With folds, it is on every example that the train fraction is of, out of sample: each is judged
    by a network that was trained on the other folds (`cross_fitting.cross_fit`).

    Of predictions that something else made, it is on every label that is given. Let each be of a
    model that has not seen its label: one that has may repeat it.

    Args:
        run_or_labels: a run; or the given labels of some examples, words or numbers.
        folds: how many networks are trained, each to judge one fold; 1 for the run's own network.
            By default 5 for features of your own, and 1 for other tasks, tables included.
        progress: whether to show the progress of training.
        logits: of labels: an array [example, class] of a classifier's logits.
        probabilities: of labels, instead of logits: the same, at least 0, of sum 1 in each row.
        classes: of labels: the names of the columns; by default those of a data frame, or 0, 1, ….
        true: of labels: the true ones, if they are known, by which evidence is then scored.

    Returns:
        Over `example`, the index in `make_dataset`: each of `EVIDENCE`; `row` of the task, as in
        `Dataset.rows`; `given` and `suggested` labels, the latter of the pruned network. If the
        truth is known, `true` labels and `is_wrong` too. The attribute `periodic` is the number of
        neurons of high IPR, `kept` of those kept, `neurons` of all. With folds: no evidence of
        pruned networks, but `fold`, and `probability` of each `label`, the softmax of the logits.
        Of predictions: confidence and margin alone, `row` in the given arrays, and `probability`.

    Raises:
        ConfigError: if the run diverged, was stored without weights and `folds` is 1, or cannot be
            cross-fitted; if labels are missing or no classes, or predictions no numbers.

    >>> audit([0, 1], probabilities=[[0.9, 0.1], [0.8, 0.2]]).margin.values.round(2).tolist()
    [-2.2, 1.39]
    """
    named = {"logits": logits, "probabilities": probabilities, "classes": classes, "true": true}
    if isinstance(run_or_labels, Run) or all(value is None for value in named.values()):
        return _of_run(run_or_labels, folds, progress, named)
    if folds is not None:
        raise ConfigError(f"`folds` must be left out of predictions, got {folds}. Leave it out.")
    return _of_predictions(predictions_of(run_or_labels, logits, probabilities, classes, true))


def _of_run(
    run: Any, folds: int | None, progress: bool, of_labels: Mapping[str, object]
) -> xr.Dataset:
    require_kind("run", run, Run, "Beside labels, give logits=… or probabilities=….")
    require_finished(run, "audited")
    if given := [name for name, value in of_labels.items() if value is not None]:
        raise ConfigError(
            f"`{given[0]}` must be given beside labels, got it beside a run. Leave it out."
        )
    folds = folds_of(run, folds)
    return _by_own_network(run) if folds == 1 else _by_folds(run, folds, progress)


def folds_of(run: Run, folds: int | None) -> int:
    """How many folds a run is audited in; `audit` explains it."""
    if folds is None:
        task = run.experiment.task
        is_own = isinstance(task, Counted) and not task.has_tokens
        return FOLDS if is_own and run.elsewhere is None else 1
    require_kind("folds", folds, int, "Use 5, or 1 for the run's own network.")
    return folds


def _by_own_network(run: Run) -> xr.Dataset:
    network, dataset = run.network, run.data
    n = dataset.n_train
    given, inputs, loss = dataset.given_labels[:n], dataset.inputs[:n], run.experiment.loss
    logits = logits_of(network, inputs)
    columns = _evidence(logits, given, loss)
    attrs = {}
    if run.layer_iprs and dataset.shift_order is not None:
        layer = [*run.layer_iprs][-1]
        periodic = run.layer_ipr(layer) > PERIODIC  # false of a dead neuron, whose IPR is NaN
        kept = periodic if periodic.any() else ~periodic
        logits = logits_of(network.layers[layer].pruned(network, kept), inputs)
        columns |= _by_waves(run, given)
        evidence = _evidence(logits, given, loss)
        columns |= {f"pruned_{name}": values for name, values in evidence.items()}
        attrs = {
            "periodic": int(periodic.sum()),
            "kept": int(kept.sum()),
            "neurons": len(kept),
        }
    return _as_audit(run, dataset, columns, logits, attrs)


def _by_waves(
    run: Run, given: Int[np.ndarray, "example"]
) -> dict[str, Float[np.ndarray, "example"]]:
    """Margins of the extracted network and of the vote; none without pairs of a cyclic
    group.
    """
    dataset = run.data
    order = vote_order(dataset) if run.experiment.task.has_tokens else None
    if order is None:
        return {}
    n = dataset.n_train
    extracted_logits = logits_of(extracted(run.network, order), dataset.inputs[:n])
    return {
        "vote_margin": _margin(vote_logits(dataset, order)[:n].astype(float), given),
        "extracted_margin": _margin(extracted_logits, given),
    }


def _by_folds(run: Run, folds: int, progress: bool) -> xr.Dataset:
    dataset, fold, logits = cross_fit(run, folds, progress)
    columns = _evidence(logits, dataset.given_labels[: len(fold)], run.experiment.loss)
    found = _as_audit(run, dataset, columns | {"fold": fold}, logits, {"folds": folds})
    return found.assign(probability=(("example", "label"), _softmax(logits)))


def _of_predictions(found: Predictions) -> xr.Dataset:
    columns = _evidence(found.logits, found.given) | {"row": np.arange(len(found.given))}
    given, suggested = found.classes[found.given], found.classes[found.logits.argmax(axis=1)]
    true = None if found.true is None else found.classes[found.true]
    probability = ("example", "label"), _softmax(found.logits)
    judged = _with_labels(columns, given, suggested, true)
    return judged.assign(probability=probability).assign_coords(label=found.classes)


def _as_audit(
    run: Run,
    dataset: Dataset,
    columns: dict[str, np.ndarray],
    logits: Float[np.ndarray, "example label"],
    attrs: dict[str, int],
) -> xr.Dataset:
    """Evidence on the training examples, with their rows and labels."""
    n = dataset.n_train
    true = dataset.true_labels[:n] if is_truth_known(run.experiment) else None
    columns = columns | {"row": dataset.rows[:n]}
    judged = _with_labels(columns, dataset.given_labels[:n], logits.argmax(axis=1), true)
    return judged.assign_attrs(attrs)


def _with_labels(
    columns: Mapping[str, Shaped[np.ndarray, "example"]],
    given: Shaped[np.ndarray, "example"],
    suggested: Shaped[np.ndarray, "example"],
    true: Shaped[np.ndarray, "example"] | None,
) -> xr.Dataset:
    """Evidence beside the labels that it is of."""
    labels = {"given": given, "suggested": suggested}
    if true is not None:
        labels |= {"true": true, "is_wrong": given != true}
    return xr.Dataset(
        {name: ("example", values) for name, values in (dict(columns) | labels).items()},
        {"example": np.arange(len(given))},
    )


def is_truth_known(experiment: Experiment) -> bool:
    """Whether the right labels are known: they follow a rule, or the wrong ones were drawn here.

    >>> is_truth_known(Experiment()), is_truth_known(Experiment(task="mnist", model="image_mlp"))
    (True, False)
    """
    return experiment.task.has_tokens or experiment.corruption_fraction > 0


def judged_by(found: xr.Dataset) -> str:
    """What the labels of an audit were judged by, beside the run's own network; maybe nothing."""
    if "folds" in found.attrs:
        return f"out of sample, by {found.attrs['folds']} networks of the run's settings"
    if "kept" not in found.attrs:
        return ""
    periodic, neurons = found.attrs["periodic"], found.attrs["neurons"]
    if 0 < periodic < neurons:
        return f"pruned to the {periodic} of {neurons} neurons of IPR above {PERIODIC}"
    which = "every neuron has" if periodic else "no neuron has"
    return f"nothing is pruned: {which} an IPR above {PERIODIC}"


def strongest(found: xr.Dataset) -> tuple[str, xr.Dataset]:
    """The kind of evidence that ranks best as a rule, and the audit in its order, strongest first.

    Args:
        found: an audit, as `audit` gives it.
    """
    best = [name for name in EVIDENCE if name in found][-1]
    return best, found.isel(example=np.argsort(-found[best].values, kind="stable"))


def as_table(found: xr.Dataset) -> pd.DataFrame:
    """A row for each training example, the most suspicious first.

    The columns: `row` of the task, `given` and `suggested` label, the `true` one and `is_wrong` if
    the truth is known, and the `evidence` of `strongest` that the given one is wrong.
    """
    best, ranked = strongest(found)
    names = ("row", "given", "suggested", "true", "is_wrong", best)
    table = ranked[[name for name in names if name in ranked]].to_dataframe()
    return table.rename(columns={best: "evidence"}).reset_index(drop=True)


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


def _evidence(
    logits: Float[np.ndarray, "example label"],
    labels: Int[np.ndarray, "example"],
    loss: str | None = None,
) -> dict[str, Float[np.ndarray, "example"]]:
    """What logits say against each label; of losses, only if it is known which was trained by."""
    probability = _softmax(logits)[np.arange(len(labels)), labels]
    found = {"confidence": -probability, "margin": _margin(logits, labels)}
    if loss == "mse":
        found["loss"] = ((logits - np.eye(logits.shape[1])[labels]) ** 2).mean(axis=1)
    elif loss == "cross_entropy":
        found["loss"] = -np.log(np.maximum(probability, np.finfo(float).tiny))
    elif loss is not None:
        found["loss"] = losses_of(logits, labels, loss)
    return found


def _softmax(logits: Float[np.ndarray, "example label"]) -> Float[np.ndarray, "example label"]:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _margin(
    logits: Float[np.ndarray, "example label"], labels: Int[np.ndarray, "example"]
) -> Float[np.ndarray, "example"]:
    rows = np.arange(len(labels))
    others = logits.copy()
    others[rows, labels] = -np.inf
    return others.max(axis=1) - logits[rows, labels]
