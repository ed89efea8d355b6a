"""The one training loop: compiled blocks of steps, for every architecture and any ensemble."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree, Shaped

from grokscope.data.dataset import Dataset
from grokscope.experiment.experiment import Experiment
from grokscope.models.normalization import Statistics, split_trained, with_seen
from grokscope.models.precision import in_own_precision
from grokscope.training.compile import compiled
from grokscope.training.cost import tiled, training_tile_size
from grokscope.training.losses import loss_of, smoothed
from grokscope.training.members import How, over_members
from grokscope.training.networks import init_model, stream_key
from grokscope.training.optimizers import Kind, make_optimizer, split_settings

NEVER = np.iinfo(np.int32).max
"""The step at which a network failed that did not."""

Step = int | Int[Array, ""]


class State(eqx.Module):
    """What the next step needs.

    Attributes:
        model: the network.
        optimizer: the optimiser's own state.
        order: the training examples in the order of this epoch.
        failed_at: the first step whose loss was not finite, `NEVER` if there was none.
    """

    model: PyTree
    optimizer: PyTree
    order: Int[Array, "train"]
    failed_at: Int[Array, ""]


class Dynamic(eqx.Module):
    """What may change from run to run without a new compilation."""

    inputs: Shaped[Array, "*tile_and_example_and_feature"]
    labels: Int[Array, "*tile_and_example"]
    weights: Float[Array, "*tile_and_example"]  # 0 marks padding
    optimizer: dict[str, Float[Array, ""]]
    dropout: Float[Array, ""]
    label_smoothing: Float[Array, ""]
    batches_key: PRNGKeyArray
    dropout_key: PRNGKeyArray


class Static(NamedTuple):
    """What a compiled block is specialised to, besides the shapes of its arrays."""

    loss: str
    optimizer: Kind
    n_train: int
    batch_size: int | None
    has_dropout: bool
    has_smoothing: bool


def failed_step(state: State) -> int | None:
    """The first step whose loss was not finite, or None if there was none."""
    failed_at = int(state.failed_at)
    return None if failed_at == NEVER else failed_at


def static_settings(experiment: Experiment) -> Static:
    """What the experiment's compiled block is specialised to."""
    return Static(
        experiment.loss,
        split_settings(experiment.optimizer)[0],
        experiment.n_train,
        experiment.batch_size,
        experiment.dropout > 0,
        experiment.label_smoothing > 0,
    )


@in_own_precision
def prepare(experiment: Experiment, dataset: Dataset) -> tuple[State, Dynamic]:
    """The state before the first step, and what the experiment's steps need besides.

    Args:
        experiment: what is trained.
        dataset: its data.
    """
    model, precision = init_model(experiment), experiment.precision
    kind, settings = split_settings(experiment.optimizer)
    settings = {name: jnp.asarray(value, precision) for name, value in settings.items()}
    n_train = dataset.n_train
    inputs, labels = dataset.inputs[:n_train], dataset.given_labels[:n_train]
    importance = np.ones(n_train, np.float32)
    if experiment.batch_size is None:
        size = training_tile_size(experiment)
        inputs, labels = tiled(inputs, size), tiled(labels, size)
        importance = tiled(importance, size, "constant")
    dynamic = Dynamic(
        jnp.asarray(inputs),
        jnp.asarray(labels),
        jnp.asarray(importance),
        settings,
        jnp.asarray(experiment.dropout, precision),
        jnp.asarray(experiment.label_smoothing, precision),
        stream_key(experiment, "batches"),
        stream_key(experiment, "dropout"),
    )
    weights: PyTree = split_trained(model)[0]
    state = State(
        model,
        make_optimizer(kind, settings).init(weights),
        jnp.arange(n_train, dtype=jnp.int32),
        jnp.int32(NEVER),
    )
    return state, dynamic


@compiled("static", "how")
def train_block(
    state: State,
    dynamic: Dynamic,
    start: Step | Int[Array, "member"] | Int[np.ndarray, "member"],
    n_steps: Step,
    static: Static,
    how: How,
) -> State:
    """`n_steps` steps in one compiled loop, of one network or an ensemble, each from step `start`
    of its own.
    """

    def run(state: State, dynamic: Dynamic, start: Step) -> State:
        return _train_block(state, dynamic, start, n_steps, static=static)

    return over_members(run, how)(state, dynamic, start)


def _train_block(
    state: State, dynamic: Dynamic, start: Step, n_steps: Step, *, static: Static
) -> State:
    def step(index: Array, state: State) -> State:
        key = jax.random.fold_in(dynamic.dropout_key, index) if static.has_dropout else None
        weights, rest = split_trained(state.model)
        # What all examples share is computed, and its gradient taken, once.
        shared, through_shared = jax.vjp(lambda w: eqx.combine(w, rest).shared(), weights)
        if static.batch_size is None:
            order = state.order
            (loss, seen), gradients = full_batch_gradient(
                (weights, shared), rest, dynamic, key, static
            )
        else:
            order, rows = next_batch(
                state.order, dynamic.batches_key, index, static.n_train, static.batch_size
            )
            (loss, seen), gradients = jax.value_and_grad(_mean_loss, has_aux=True)(
                (weights, shared),
                rest,
                dynamic.inputs[rows],
                dynamic.labels[rows],
                jnp.ones(static.batch_size),
                key,
                dynamic,
                static.batch_size,
                static,
            )
        gradient, of_shared = gradients
        if shared is not None:
            gradient = jax.tree.map(jnp.add, gradient, *through_shared(of_shared))
        optimizer = make_optimizer(static.optimizer, dynamic.optimizer, index)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, weights)
        model = eqx.combine(optax.apply_updates(weights, updates), with_seen(rest, seen))
        failed_at = jnp.where(jnp.isfinite(loss), NEVER, index + 1).astype(jnp.int32)
        return State(model, optimizer_state, order, jnp.minimum(state.failed_at, failed_at))

    return jax.lax.fori_loop(0, n_steps, lambda done, state: step(start + done, state), state)


def _mean_loss(
    weights_and_shared: tuple[PyTree, PyTree],
    rest: PyTree,
    inputs: Shaped[Array, "example *feature"],
    labels: Int[Array, "example"],
    importance: Float[Array, "example"],
    key: PRNGKeyArray | None,
    dynamic: Dynamic,
    total: int,
    static: Static,
) -> tuple[Float[Array, ""], list[Statistics]]:
    """Some examples' part of a batch's mean loss, Σ importance · loss / total.

    Returns:
        The loss, and what each BatchNorm layer saw.
    """
    weights, shared = weights_and_shared
    logits, seen = eqx.combine(weights, rest).in_training(inputs, key, dynamic.dropout, shared)
    if static.has_smoothing:
        losses = smoothed(static.loss, logits, labels, dynamic.label_smoothing)
    else:
        losses = loss_of(static.loss)(logits, labels)
    return (importance * losses).sum() / total, seen


def full_batch_gradient(
    weights_and_shared: tuple[PyTree, PyTree],
    rest: PyTree,
    dynamic: Dynamic,
    key: PRNGKeyArray | None,
    static: Static,
) -> tuple[tuple[Float[Array, ""], list[Statistics]], PyTree]:
    """Loss and gradient of the whole training set, summed tile by tile while each is in cache.

    Args:
        weights_and_shared: what the gradient is taken of: the weights, and what all examples of
            a step share.
        rest: what of the network is not trained.
        dynamic: the training set as tiles.
        key: of this step's dropout, or None for no dropout.
        static: what the block is specialised to.

    Returns:
        The loss and what each BatchNorm layer saw; and the gradient.
    """

    def add_tile(total: PyTree, tile: tuple[Array, ...]) -> tuple[PyTree, list[Statistics]]:
        inputs, labels, importance, index = tile
        tile_key = None if key is None else jax.random.fold_in(key, index)
        (loss, seen), gradient = jax.value_and_grad(_mean_loss, has_aux=True)(
            weights_and_shared, rest, inputs, labels, importance, tile_key, dynamic,
            static.n_train, static,
        )  # fmt: skip
        return jax.tree.map(jnp.add, total, (loss, gradient)), seen

    zero = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, weights_and_shared))
    tiles = (dynamic.inputs, dynamic.labels, dynamic.weights, jnp.arange(len(dynamic.labels)))
    (loss, gradient), seen = jax.lax.scan(add_tile, zero, tiles)
    # BatchNorm saw the last tile, which with BatchNorm is the only one.
    return (loss, jax.tree.map(lambda tiles: tiles[-1], seen)), gradient


def next_batch(
    order: Int[Array, "train"], key: PRNGKeyArray, index: Step, n_train: int, batch_size: int
) -> tuple[Int[Array, "train"], Int[Array, "batch"]]:
    """The order of the training examples in a step's epoch, and the examples of the step.

    Examples that do not fill a batch at the end of an epoch are left out of it.

    Args:
        order: the order in the step before.
        key: of the experiment's `batches` stream.
        index: the step, from 0.
        n_train: training examples.
        batch_size: examples a step.
    """
    per_epoch = n_train // batch_size
    epoch, batch = index // per_epoch, index % per_epoch
    order = jax.lax.cond(
        batch == 0,
        lambda: epoch_order(key, epoch, n_train),
        lambda: order,
    )
    return order, jax.lax.dynamic_slice(order, (batch * batch_size,), (batch_size,))


def epoch_order(key: PRNGKeyArray, epoch: Step, n_train: int) -> Int[Array, "train"]:
    """The order of the training examples in an epoch, counted from 0."""
    order = jax.random.permutation(jax.random.fold_in(key, epoch), n_train)
    return order.astype(jnp.int32)
