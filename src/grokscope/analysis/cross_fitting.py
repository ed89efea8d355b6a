"""Every example of the data judged by a network that has not seen its label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Shaped

from grokscope.data.dataset import Dataset, all_for_training
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.models.network import Network
from grokscope.progress import progress_bar
from grokscope.runs.run import Run, require_trained_here
from grokscope.training.compile import require_environment
from grokscope.training.cost import work
from grokscope.training.ensemble import seconds_per_work, train_steps
from grokscope.training.loop import failed_step

BATCH = 4096
"""Examples whose logits are computed at a time."""


class OutOfSample(NamedTuple):
    """What cross-fitting finds.

    Attributes:
        dataset: the data; its training examples are all that are judged.
        fold: which fold each example is in, from 0.
        logits: of each example, by the network that was trained on the other folds.
    """

    dataset: Dataset
    fold: Int[np.ndarray, "example"]
    logits: Float[np.ndarray, "example label"]


def cross_fit(run: Run, folds: int, progress: bool = True) -> OutOfSample:
    """Train a network on all folds but one, for each fold, and let it judge that one.

    Examples are dealt to the folds in split order, so the split seed decides which are together.
    The networks have the run's settings, seeds included, and train for as many steps. None is
    stored: no experiment says which examples they were trained on.

    Args:
        run: whose settings and data.
        folds: how many, from 2.
        progress: whether to show progress.

    Raises:
        ConfigError: if there cannot be so many folds, the data are no longer those of the run, or
            a network diverges.
    """
    experiments = fold_experiments(run, folds)
    require_environment()
    _ = run.data  # refuses data that are not the run's
    dataset = all_for_training(run.experiment)
    n = dataset.n_train
    fold_of, logits = np.arange(n) % folds, np.zeros((n, dataset.n_labels))
    total = sum(experiment.steps for experiment in experiments)
    with progress_bar(f"training {folds} networks", total, progress) as advance:
        for fold, experiment in enumerate(experiments):
            network = _train(experiment, _only(dataset, fold_of != fold), advance)
            held_out = np.flatnonzero(fold_of == fold)
            logits[held_out] = logits_of(network, dataset.inputs[held_out])
    return OutOfSample(dataset, fold_of, logits)


def fold_experiments(run: Run, folds: int) -> list[Experiment]:
    """For each fold, the run's experiment with as many training examples as the other folds have.

    Raises:
        ConfigError: if there cannot be so many folds, or the run goes on from another.
    """
    require_trained_here(run, "audited by networks that are trained alike")
    if run.experiment.start is not None:
        raise ConfigError(
            "`folds` must be of a run that was trained from new weights, got one that goes on from "
            f"step {run.experiment.first_step:,} of another. Use 1, its own network."
        )
    n, batch_size = run.experiment.n_examples, run.experiment.batch_size or 1
    if not 2 <= folds <= n:
        raise ConfigError(
            f"`folds` must be a whole number from 2 to the {n:,} examples, or 1 for the run's own "
            f"network, got {folds}. Use 5."
        )
    largest = -(-n // folds)
    if n - largest < batch_size:
        raise ConfigError(
            f"`folds` must leave a batch of {batch_size:,} for training, got {folds}, which leave "
            f"{n - largest:,} of {n:,} examples. Use more folds."
        )
    settings = run.experiment.replace(
        measure=None, measures=None, keep_weights=None, kept_dtype=None, settle=False
    )
    steps = run.final.step.item()
    return [
        settings.replace(train_fraction=1 - len(range(fold, n, folds)) / n, steps=steps)
        for fold in range(folds)
    ]


def estimated_seconds(run: Run, folds: int) -> float:
    """What cross-fitting takes on this machine, from a few steps that are timed."""
    experiments = fold_experiments(run, folds)
    return seconds_per_work(experiments[0]) * sum(map(work, experiments))


def logits_of(
    network: Network, inputs: Shaped[np.ndarray, "example ..."]
) -> Float[np.ndarray, "example label"]:
    """A network's logits, batch by batch."""
    parts = [inputs[start : start + BATCH] for start in range(0, len(inputs), BATCH)]
    return np.concatenate([np.asarray(network(jnp.asarray(part)), np.float64) for part in parts])


def _only(dataset: Dataset, chosen: np.ndarray) -> Dataset:
    """The training examples that are chosen, for training, and no others."""
    rows = np.flatnonzero(chosen)
    arrays = {
        name: array[rows] for name, array in vars(dataset).items() if isinstance(array, np.ndarray)
    }
    return replace(dataset, **arrays, n_train=len(rows))


def _train(experiment: Experiment, dataset: Dataset, advance: Callable[[int], None]) -> Network:
    """The network at the end of training."""
    before, last = 0, None
    for step, (state,) in train_steps([experiment], [dataset]):
        if (failed_at := failed_step(state)) is not None:
            raise ConfigError(
                f"`folds` must be of a run whose networks train on every part of the data, got one "
                f"that diverged at step {failed_at}. Use a smaller learning rate."
            )
        advance(step - before)
        before, last = step, state.model
    assert last is not None  # step 0 is always scheduled
    return last
