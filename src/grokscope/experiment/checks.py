"""Settings that are possible each, and refused together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from grokscope.errors import ConfigError
from grokscope.experiment.losses import CROSS_ENTROPIES
from grokscope.experiment.own_code import label
from grokscope.experiment.part import ABSENT, Own
from grokscope.experiment.replace import locate
from grokscope.experiment.start import Start
from grokscope.experiment.tasks import ModularTask

if TYPE_CHECKING:
    from grokscope.experiment.experiment import Experiment

ONLY_LOOKED_AT = ("measure", "measures", "keep_weights", "kept_dtype", "settle")
"""Settings, absent by default, that say what is looked at, and decide nothing about the weights."""

NOT_OF_THE_WEIGHTS = ("steps", "measure_every", *ONLY_LOOKED_AT)
"""All settings that do not decide which way the weights take."""


def require_inputs(experiment: Experiment) -> None:
    """Refuse a network that does not take what the task gives.

    Raises:
        ConfigError: if it does not.
    """
    takes_tokens, task = experiment.model.takes_tokens, experiment.task
    if takes_tokens is not None and takes_tokens != task.has_tokens:
        words = "tokens" if takes_tokens else "arrays of features"
        fitting = "two_layer" if task.has_tokens else "image_mlp"
        raise ConfigError(
            f"`model` must take what task {task.name} gives, got {experiment.model.name}, which "
            f"takes {words}. Use model {fitting}."
        )
    if getattr(experiment.model, "tied", False) and experiment.n_inputs != experiment.n_labels:
        raise ConfigError(
            f"`tied` must be false where labels are no tokens, got {experiment.n_inputs} tokens "
            f"and {experiment.n_labels} labels. Leave it out."
        )


def require_smoothable(experiment: Experiment) -> None:
    """Refuse smoothed labels with a loss that does not compare probabilities.

    Raises:
        ConfigError: if both are given.
    """
    if experiment.label_smoothing and experiment.loss not in CROSS_ENTROPIES:
        raise ConfigError(
            f"`label_smoothing` must be 0 with loss {label(experiment.loss)}, got "
            f"{experiment.label_smoothing:g}. Use loss {' or '.join(CROSS_ENTROPIES)}."
        )


def require_schedule(experiment: Experiment) -> None:
    """Refuse steps without a learning rate, and a rise that is not over before the fall ends.

    Raises:
        ConfigError: if there are such.
    """
    optimizer = experiment.optimizer
    if isinstance(optimizer, Own) or optimizer.cosine_steps is None:
        return
    if optimizer.cosine_steps < experiment.steps:
        raise ConfigError(
            f"`cosine_steps` must be at least the experiment's {experiment.steps} steps, got "
            f"{optimizer.cosine_steps}, after which the learning rate is 0. "
            f"Use {experiment.steps}."
        )
    if optimizer.warmup_steps >= optimizer.cosine_steps:
        raise ConfigError(
            f"`warmup_steps` must be below the {optimizer.cosine_steps} cosine_steps, which count "
            f"them too, got {optimizer.warmup_steps}. Use {optimizer.cosine_steps // 10}."
        )


def require_sets(experiment: Experiment) -> None:
    """Refuse training sets and batches that cannot be.

    Raises:
        ConfigError: if there are none of some examples, too few for a batch, or labels are drawn
            in two ways.
    """
    total, n_train, batch_size = experiment.n_examples, experiment.n_train, experiment.batch_size
    if not 1 <= n_train < total:
        raise ConfigError(
            f"`train_fraction` must leave an example for training and one for testing, got "
            f"{experiment.train_fraction} of {total}. Use {max(1, total // 2) / total}."
        )
    if batch_size is not None and batch_size > n_train:
        raise ConfigError(
            f"`batch_size` must be at most the training set's {n_train} examples, got "
            f"{batch_size}. Leave it out for full batches."
        )
    if experiment.corruption is not None and experiment.exclude_true_label:
        raise ConfigError(
            "`exclude_true_label` must be false with another corruption than uniform, got true "
            f"beside {label(experiment.corruption)}. Leave one of them out."
        )
    _require_rows(experiment)
    if experiment.normalization == "batch_norm" and (batch_size or n_train) == 1:
        raise ConfigError(
            "`batch_size` must be at least 2 with batch_norm, got 1, which has no variance. "
            "Use layer_norm, or larger batches."
        )


def _require_rows(experiment: Experiment) -> None:
    """Refuse noise by tokens, by scores or by a second rule where there are none."""
    task, kind, second = experiment.task, experiment.corruption, experiment.second_rule
    if kind == "by_operand" and not task.has_tokens:
        raise ConfigError(
            f"`corruption` must not be by_operand without tokens, got task {task.name}. Use "
            "asymmetric, or a function of your own."
        )
    if (kind == "by_instance") != (experiment.label_scores is not None):
        raise ConfigError(
            "`label_scores` must be given with corruption by_instance and with no other, got "
            f"{label(experiment.label_scores)} beside {label(kind)}. Change one of them."
        )
    if kind != "second_rule":
        return
    if not isinstance(task, ModularTask):
        raise ConfigError(
            f"`corruption` must not be second_rule without residues, got task {task.name}. Use "
            "a function of your own."
        )
    if second == "division" != task.operation:
        raise ConfigError(
            "`second_rule` must give every row a label, got division, which has none for n = 0. "
            "Use it as the operation."
        )
    if second == task.operation:
        raise ConfigError(
            f"`second_rule` must be another rule than the operation, got {label(second)} for both. "
            "Use addition, or change the operation."
        )
    ModularTask(operation=second, modulus=task.modulus, operands=task.operands)  # or it is refused


def require_listed_steps(experiment: Experiment) -> None:
    """Refuse lists of steps that are not all trained.

    Raises:
        ConfigError: if one is before the first step or after the last.
    """
    first, last = experiment.first_step, experiment.steps
    for name in ("measure", "keep_weights"):
        listed = getattr(experiment, name)
        if isinstance(listed, tuple) and not first <= listed[0] <= listed[-1] <= last:
            raise ConfigError(
                f"`{name}` must list steps from {first} to {last}, got {listed[0]} to "
                f"{listed[-1]}. Leave others out, or train for longer."
            )


def require_start(experiment: Experiment, start: Start) -> None:
    """Refuse a start that cannot be, or at which the sets of examples would change.

    Raises:
        ConfigError: if it is not before the end, or says what does not act on the weights, or
            other numbers of examples or inputs.
    """
    if start.start_step >= max(experiment.steps, 1):
        raise ConfigError(
            f"`start_step` must be below the experiment's {experiment.steps} steps, got "
            f"{start.start_step}. Use more steps, which are counted from the first of all."
        )
    if clash := {*NOT_OF_THE_WEIGHTS} & {*start.before}:
        raise ConfigError(
            f"`before` must hold settings that act on the weights, got {min(clash)}. Leave it out."
        )
    both = (experiment, experiment.earlier)
    if all(one.is_counted for one in both):
        sizes = {(one.n_train, one.n_inputs) for one in both}
        if len(sizes) > 1:
            raise ConfigError(
                "`before` must leave the numbers of examples and inputs as they are, got others. "
                "Change labels, the optimizer, the loss, dropout or the batch size."
            )


def by_path(experiment: Experiment, named: Mapping[str, object]) -> dict[str, object]:
    """Settings of an experiment by their paths, sorted, so that each has one name.

    Args:
        experiment: whose values are taken.
        named: settings by leaf or path. Where a whole part is among them, its leaves are left out.
    """
    document = experiment.model_dump()
    paths = {name if name in document else ".".join(locate(document, name)) for name in named}
    found = {}
    for path in sorted(paths):
        part, _, leaf = path.partition(".")
        if not leaf or part not in paths:
            value = document[part][leaf] if leaf else document[part]
            if isinstance(value, Mapping):  # a whole part, whose absent settings TOML cannot say
                value = {name: item for name, item in value.items() if item is not None}
            found[path] = ABSENT if value is None else value
    return found
