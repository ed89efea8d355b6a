"""What settings, axes and phases are called wherever they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from grokscope.experiment.experiment import Experiment
from grokscope.experiment.models import (
    DeepMLPSettings,
    ImageMLPSettings,
    Model,
    TransformerSettings,
    TwoLayerSettings,
)
from grokscope.experiment.optimizers import Adam, AdamW, Grokfast, Lion
from grokscope.experiment.own_code import label
from grokscope.experiment.part import ABSENT, Part

if TYPE_CHECKING:
    import xarray as xr

    from grokscope.runs.run import Run

AXIS_LABELS = {
    "train_fraction": "train fraction α",
    "corruption_fraction": "corruption fraction ξ",
    "weight_decay": "wd",
    "dropout": "dp",
    "batch_size": "batch size",
    "learning_rate": "lr",
}

SYMBOLS = {
    "train_fraction": "α",
    "corruption_fraction": "ξ",
    "weight_decay": "wd",
    "dropout": "dp",
}
"""What the settings that matter most are called where there is little room."""

LOSSES = {"mse": "MSE", "cross_entropy": "cross-entropy", "stablemax": "StableMax"}
"""What losses are called; the user's own have the name of their function."""

MAP_WORDS = {
    "neurons": "neurons, most memorising first",
    "examples": "wrongly labelled examples,\nmost memorised first",
    "added": "added to given over true label",
}
"""The axes and the colours of `analysis.neurons.label_map`."""

EARLIER = {
    "tied_init": "tied embedding initialised as N(0, 1)",
    "dropout_sites": "dropout of sublayers alone",
}
"""How a Transformer differs from today's defaults where a setting is as before it was added."""


def axis_label(name: str) -> str:
    """What the axis of a setting is called.

    >>> axis_label("train_fraction"), axis_label("prune_by")
    ('train fraction α', 'prune by')
    """
    return AXIS_LABELS.get(name, name.replace("_", " "))


def earlier_words(model: Part, varied: Iterable[str] = ()) -> dict[str, str]:
    """What acts in a model as before a later setting was added, in words, by the setting.

    Args:
        model: settings of a network.
        varied: names of settings that other networks have other values of.

    >>> earlier_words(TransformerSettings(tied=True, tied_init="embedding"))
    {'tied_init': 'tied embedding initialised as N(0, 1)'}
    """
    return {
        name: EARLIER[name]
        for name, later in model.later.items()
        if name in EARLIER
        and getattr(model, name) == later.before
        and (later.acts(vars(model)) or later.acts_with in {*varied})
    }


def words_of(experiments: Sequence[Experiment], without: Iterable[str] = ()) -> list[str]:
    """The settings that all experiments share, in words, except for those named.

    Args:
        experiments: at least one.
        without: names of settings, such as `width`, or of whole parts, such as `optimizer`.

    >>> words_of([Experiment()], without=["modulus", "width"])[:2]
    ['two layers', 'quadratic']
    """
    varied = set(without)
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
    rate, momentum = (getattr(optimizer, name, None) for name in ("learning_rate", "momentum"))
    smoothing, scale = experiment.label_smoothing, getattr(model, "init_scale", 1.0)
    warmup, cosine = (getattr(optimizer, f"{n}_steps", None) for n in ("warmup", "cosine"))
    earlier = earlier_words(model, varied)
    shown = model.model_dump() | optimizer.model_dump(exclude={"name", "code"})
    words = {
        "task": "" if varied & set(type(task).model_fields) else task.title,
        "model": _model_words(model, varied),
        "model.activation": shown.get("activation", ""),
        "model.width": f"N = {shown['width']}" if "width" in shown else "",
        "model.normalization": _camel(experiment.normalization or ""),
        "model.init_scale": f"initial weights × {scale:g}" if scale != 1 else "",
        **_noise_words(experiment),
        "train_fraction": f"α = {_fraction(experiment.train_fraction)}",
        "corruption_fraction": f"ξ = {_fraction(experiment.corruption_fraction)}",
        "optimizer.weight_decay": f"wd = {experiment.weight_decay:g}",
        "model.dropout": f"dp = {experiment.dropout:g}",
        **{f"model.{name}": earlier.get(name, "") for name in EARLIER},
        "loss": LOSSES.get(experiment.loss, str(label(experiment.loss))),
        "label_smoothing": f"labels smoothed by {smoothing:g}" if smoothing else "",
        "optimizer.name": str(label(getattr(optimizer, "code", optimizer.name))),
        "optimizer.momentum": f"momentum {format_setting(momentum)}" if momentum else "",
        "optimizer.learning_rate": f"lr {format_setting(rate, digits=6)}"
        if rate is not None
        else "",
        "optimizer.warmup_steps": f"warm-up {warmup} steps" if warmup else "",
        "optimizer.cosine_steps": f"cosine to 0 at step {cosine}" if cosine else "",
        "batch_size": "full batch" if batch is None else f"batch size {batch}",
        **start_words(experiment, varied),
        "steps": f"{experiment.steps} steps",
        "seeds.seed": f"seed {experiment.seeds.seed}",
    }
    if isinstance(optimizer, AdamW | Adam | Lion | Grokfast):
        words["optimizer.name"] += f", betas ({optimizer.beta1:g}, {optimizer.beta2:g})"
    return words


def _fraction(value: float) -> str:
    """A fraction as it was given; with three digits if counted, as of a network from elsewhere."""
    given = f"{value:g}"
    return given if float(given) == value else f"{value:.3g}"


def start_words(experiment: Experiment, varied: Iterable[str] = ()) -> dict[str, str]:
    """Where training went on from and what was pruned there, by the setting; of new weights, empty.

    Args:
        experiment: what is trained.
        varied: names of settings that other networks have other values of.

    >>> late = Experiment(start_step=26, before={"weight_decay": 8}, prune_by="memorizing")
    >>> [*start_words(late).values()]
    ['from step 26 of wd = 8', '50 % of neurons pruned, highest memorizing first']
    """
    start, words = experiment.start, {"start.start_step": "", "start.prune_by": ""}
    if start is not None and start.start_step:
        held = ", ".join(_held_words(experiment))
        words["start.start_step"] = f"from step {start.start_step}" + (
            f" of {held}" if held else ""
        )
    if start is not None and start.prune_by and not {"prune_first", "prune_share"} & {*varied}:
        order = _order_words(start.prune_by, start.prune_first)
        words["start.prune_by"] = f"{100 * start.prune_share:g} % of neurons pruned, {order}"
    return words


def _held_words(experiment: Experiment) -> list[str]:
    """The settings that held before the start and no longer after it."""
    assert experiment.start is not None
    earlier, held = _words(experiment.earlier, set()), []
    for path, value in experiment.start.before.items():
        words = [w for name, w in earlier.items() if w and path in (name, name.partition(".")[0])]
        name = axis_label(path.rpartition(".")[2])
        held += words or [f"{name} = {format_setting(label(value))}"]
    return held


def _noise_words(experiment: Experiment) -> dict[str, str]:
    """What wrong labels are, unless they are uniform."""
    kind, second = experiment.corruption, experiment.second_rule
    return {
        "corruption": f"labels {'' if kind == 'asymmetric' else 'by '}{label(kind)}"
        if kind
        else "",
        "exclude_true_label": "wrong labels alone" if experiment.exclude_true_label else "",
        "second_rule": f"second rule {label(second)}" if kind == "second_rule" else "",
        "label_scores": f"scores {label(experiment.label_scores)}" if kind == "by_instance" else "",
    }


def _model_words(model: Model, varied: set[str]) -> str:
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


def format_setting(value: object, digits: int = 4) -> str:
    """Write a setting: a fraction with at most `digits` digits, anything else as it is.

    An absent one, which among numbers is NaN, is "none".

    >>> format_setting(0.0017677669), format_setting(10_000), format_setting(float("nan"))
    ('0.001768', '10000', 'none')
    """
    if value is None or value != value:
        return ABSENT
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def format_time(seconds: float) -> str:
    """Write a time in the unit that people would use.

    >>> format_time(5.0), format_time(700.0), format_time(9000.0)
    ('5 s', '12 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def order_title(curve: xr.Dataset) -> str:
    """In which order the neurons of a pruning curve are removed: "lowest IPR first"."""
    first = curve["first"].item() if "first" in curve.coords else curve.attrs["first"]
    return _order_words(curve.attrs["by"], first)


def _order_words(by: str, first: str) -> str:
    if by == "random":
        return "at random"
    named = {"ipr": "IPR", "ipr_within_norm": "IPR within norm"}.get(by, by)
    return f"{first} {named} first"


def phase_title(run: Run) -> str:
    """The run's phase, or the step at which it diverged."""
    if run.failed_at is not None:
        return f"diverged at step {run.failed_at}"
    return " or ".join(phase.title for phase in run.phases)


def title(run: Run, runs: Sequence[Run]) -> str:
    """How the run differs from the others of its picture, and its phase: "wd = 5: Coexistence".

    If it differs in nothing, its regularisation is named, where it is known.
    """
    if run.elsewhere is not None:
        return f"{run.name}: {phase_title(run)}"
    everyone = [_strengths(other.experiment) for other in runs]
    own = _strengths(run.experiment)
    differing = {name: own[name] for name in own if len({s[name] for s in everyone}) > 1}
    present = {name: own[name] for name in ("wd", "dp") if own[name]}
    named = differing or present or {"wd": 0.0}
    words = [f"{name} = {strength:g}" for name, strength in named.items()]
    starts = {other.experiment.first_step for other in runs}
    if run.experiment.first_step and len(starts) > 1:
        words.append(f"from step {run.experiment.first_step}")
    if run.derived and len({other.derived for other in runs}) > 1:
        words.append(f"with {run.derived}")
    return f"{', '.join(words)}: {phase_title(run)}"


def _strengths(experiment: Experiment) -> dict[str, float]:
    return {
        "wd": experiment.weight_decay,
        "dp": experiment.dropout,
        "α": experiment.train_fraction,
    }


def small_print(runs: Sequence[Run], note: str = "") -> str:
    """The settings that all runs share, how their networks were made from the trained ones, and the
    note; what differs stands on the panels.
    """
    elsewhere = [run.elsewhere for run in runs if run.elsewhere is not None]
    unknown = {name for one in elsewhere for name in one.unknown}
    words = words_of([run.experiment for run in runs], without=unknown)
    words += ["trained elsewhere"] if elsewhere else []
    derived = {run.derived for run in runs}
    if len(derived) == 1 and None not in derived:
        words.append(f"not the trained network, but one with {derived.pop()}")
    return " · ".join([*words, *([note] if note else [])])
