"""What settings, axes and phases are called, and their colours, wherever they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grokscope.experiment.experiment import Experiment
from grokscope.experiment.models import (
    DeepMLPSettings,
    ImageMLPSettings,
    TransformerSettings,
    TwoLayerSettings,
)
from grokscope.experiment.optimizers import Adam, AdamW
from grokscope.experiment.own_code import label
from grokscope.measures.phases import Phase

AXIS_LABELS = {
    "train_fraction": "train fraction α",
    "corruption_fraction": "corruption fraction ξ",
    "weight_decay": "wd",
    "dropout": "dp",
    "batch_size": "batch size",
    "learning_rate": "lr",
}

COLORS: dict[Phase, str] = {
    Phase.COEXISTENCE: "#E69F00",
    Phase.PARTIAL_INVERSION: "#56B4E9",
    Phase.FULL_INVERSION: "#0A4D8C",
    Phase.MEMORIZATION: "#C8553D",
    Phase.FORGETTING: "#222222",
    Phase.CONFUSION: "#B9B9B9",
    Phase.DIVERGED: "#7A1FA2",
}
"""Lightness differs as well as hue."""

PALE = 0.45
"""How far the colour of an inferred cell is on its way to white."""


def words_of(experiments: list[Experiment], without: Iterable[str] = ()) -> list[str]:
    """What the experiments share, in words, except for the settings named.

    >>> words_of([Experiment()], without=["modulus", "width"])[:2]
    ['two layers', 'quadratic']
    """
    varied = set(without)  # leaves, such as width, or whole parts, such as optimizer
    documents = [_words(experiment, varied) for experiment in experiments]
    left_out = {p for p in documents[0] if {p.partition(".")[0], p.rpartition(".")[2]} & varied}
    return [
        words
        for path, words in documents[0].items()
        if words and path not in left_out and all(other[path] == words for other in documents)
    ]


def _words(experiment: Experiment, varied: set[str]) -> dict[str, str]:
    task, model, optimizer = experiment.task, experiment.model, experiment.optimizer
    batch = experiment.batch_size
    rate = getattr(optimizer, "learning_rate", None)
    shown = model.model_dump() | optimizer.model_dump(exclude={"name", "code"})
    words = {
        "task": "" if varied & set(type(task).model_fields) else task.title,
        "model": _model_words(model, varied),
        "model.activation": shown.get("activation", ""),
        "model.width": f"N = {shown['width']}" if "width" in shown else "",
        "model.normalization": _camel(experiment.normalization or ""),
        "corruption": f"labels by {experiment.corruption.label}" if experiment.corruption else "",
        "train_fraction": f"α = {experiment.train_fraction:g}",
        "corruption_fraction": f"ξ = {experiment.corruption_fraction:g}",
        "optimizer.weight_decay": f"wd = {experiment.weight_decay:g}",
        "model.dropout": f"dp = {experiment.dropout:g}",
        "loss": {"mse": "MSE", "cross_entropy": "cross-entropy"}[experiment.loss],
        "optimizer.name": str(label(getattr(optimizer, "code", optimizer.name))),
        "optimizer.learning_rate": f"lr {short(rate, digits=6)}" if rate is not None else "",
        "batch_size": "full batch" if batch is None else f"batch size {batch}",
        "steps": f"{experiment.steps} steps",
        "seeds.seed": f"seed {experiment.seeds.seed}",
    }
    if isinstance(optimizer, AdamW | Adam):
        words["optimizer.name"] += f", betas ({optimizer.beta1:g}, {optimizer.beta2:g})"
    return words


def _model_words(model: Any, varied: set[str]) -> str:
    match model:
        case TwoLayerSettings():
            return "two layers"
        case DeepMLPSettings():
            kind = "ReLU MLP"
            details = {"parameterization": ", lazy" if model.parameterization == "lazy" else ""}
        case ImageMLPSettings():
            kind, details = "ReLU MLP", {}
        case TransformerSettings():
            kind = "Transformer"
            details = {
                "heads": f", {model.heads} heads",
                "tied": ", tied" if model.tied else "",
                "scaling": ", standard scaling" if model.scaling == "standard" else "",
            }
        case _:
            return model.code.label
    layers = "" if "depth" in varied else f"{model.depth}-layer "
    return layers + kind + "".join(details[name] for name in details if name not in varied)


def _camel(name: str) -> str:
    """BatchNorm for batch_norm."""
    return name.title().replace("_", "")


def short(value: object, digits: int = 4) -> str:
    """A setting as it is shown: numbers with at most so many digits, words as they are.

    >>> short(0.0017677669), short(256), short("batch_norm")
    ('0.001768', '256', 'batch_norm')
    """
    return f"{value:.{digits}g}" if isinstance(value, int | float) else str(value)


def span(seconds: float) -> str:
    """A time as people say it.

    >>> span(5.0), span(700.0), span(9000.0)
    ('5 s', '12 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
