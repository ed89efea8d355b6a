"""Training that goes on from an earlier step, with something changed."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from grokscope.data.dataset import Dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.models.precision import in_own_precision
from grokscope.training.loop import State, epoch_order, failed_step, prepare
from grokscope.training.optimizers import split_settings


@in_own_precision
def branched(experiment: Experiment, dataset: Dataset, earlier: State) -> State:
    """The state from which an experiment with a `start` trains.

    The optimiser starts anew if it is another than before.

    Args:
        experiment: what is trained from there.
        dataset: its data.
        earlier: where `experiment.earlier` came to.

    Raises:
        ConfigError: if the earlier network has other shapes, or had diverged.
    """
    if (failed_at := failed_step(earlier)) is not None:
        raise ConfigError(
            f"`start_step` must be before the network diverged, which it did at step {failed_at}, "
            f"got {experiment.first_step}. Use a smaller one."
        )
    new, dynamic = prepare(experiment, dataset)
    if _shapes(new.model) != _shapes(earlier.model):
        raise ConfigError(
            "`before` must leave the network's shapes as they are, got a network of other arrays. "
            "Change labels, the optimizer, the loss, dropout or the batch size."
        )
    earlier = jax.tree.map(partial(_in_precision, experiment.precision), earlier)
    model = jax.tree.unflatten(jax.tree.structure(new.model), jax.tree.leaves(earlier.model))
    same = _kind(experiment) == _kind(experiment.earlier)
    same = same and _shapes(earlier.optimizer) == _shapes(new.optimizer)
    order = new.order
    if experiment.batch_size is not None:
        epoch = experiment.first_step // (experiment.n_train // experiment.batch_size)
        order = epoch_order(dynamic.batches_key, epoch, experiment.n_train)
    return State(model, earlier.optimizer if same else new.optimizer, order, new.failed_at)


def _kind(experiment: Experiment) -> object:
    """An optimiser's name, or the user's code."""
    return split_settings(experiment.optimizer)[0][0]


def _shapes(tree: PyTree) -> list[tuple]:
    """Path and shape of each array."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(path, leaf.shape) for path, leaf in leaves]


def _in_precision(precision: str, array: Array) -> Array:
    """Fractions in another precision; whole numbers as they are."""
    return array.astype(precision) if jnp.issubdtype(array.dtype, jnp.floating) else array
