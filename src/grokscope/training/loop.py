"""The one training loop: compiled blocks of steps, for every architecture and any ensemble."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree, Shaped

from grokscope.data.dataset import Dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.models import OwnModel
from grokscope.experiment.own_code import load
from grokscope.experiment.part import Part
from grokscope.models.deep_mlp import DeepMLP
from grokscope.models.image_mlp import ImageMLP
from grokscope.models.network import Network
from grokscope.models.normalization import has_batch_norm, split_trained, with_seen
from grokscope.models.transformer import Transformer
from grokscope.models.two_layer import TwoLayer
from grokscope.training.compile import CPU_OPTIONS
from grokscope.training.optimizers import Kind, make_optimizer, split_settings

ARCHITECTURES: dict[str, Any] = {
    "two_layer": TwoLayer,
    "deep_mlp": DeepMLP,
    "transformer": Transformer,
    "image_mlp": ImageMLP,
}
"""The network of each kind of model but the user's own."""

TILE_ELEMENTS = 336 * 500
"""Hidden activations in a tile of examples: what stays in a core's L2 cache (measured)."""

TILE_EXAMPLES = 336
"""Examples in a tile at least: adding up wide networks' gradients costs more than a cache miss."""

DEEP_TILE_EXAMPLES = 784
"""The same for deeper networks, whose gradients do not stay in cache: a 3-layer step takes 1.13
instead of 1.20 times its products (measured)."""

ENSEMBLE_ON_ACCELERATOR = 32
"""Networks trained together where one alone would leave the device idle; on a CPU it is one."""

OTHER_NUMBERS = 64
"""About how many numbers a measurement has besides one for each unit."""

NEVER = np.iinfo(np.int32).max


Step = int | Int[Array, ""]


class State(eqx.Module):
    """What the next step needs. `failed_at` is the first step with a loss that is not finite."""

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
    batches_key: PRNGKeyArray
    dropout_key: PRNGKeyArray


class Static(NamedTuple):
    """What a compiled block is specialised to, besides the shapes of its arrays."""

    loss: str
    optimizer: Kind
    n_train: int
    batch_size: int | None
    has_dropout: bool


def mse(
    logits: Float[Array, "example label"], labels: Int[Array, "example"]
) -> Float[Array, "example"]:
    """Squared distance to the one-hot label, averaged over the outputs (App. A).

    As a product with a constant vector, since XLA's CPU compiler does not vectorise a sum along
    rows: it saves 0.5 ms of a default step.
    """
    n_labels = logits.shape[1]
    squares = jnp.square(logits - jax.nn.one_hot(labels, n_labels))
    return squares @ jnp.full(n_labels, 1 / n_labels)


LOSSES = {"mse": mse, "cross_entropy": optax.softmax_cross_entropy_with_integer_labels}
"""Loss of each example, [example], from logits and labels."""


def tile_size(n_examples: int, width: int, least: int = TILE_EXAMPLES) -> int:
    """Examples in a tile: as many as stay in cache or pay, all tiles alike, little padding.

    >>> tile_size(4704, width=500)
    336
    """
    n_tiles = -(-n_examples // max(TILE_ELEMENTS // width, least))
    return -(-n_examples // n_tiles)


def tiled(array: np.ndarray, size: int) -> np.ndarray:
    """[example, …] as [tile, `size`, …], padded with zeros.

    >>> tiled(np.array([1, 2, 3]), 2).tolist()
    [[1, 2], [3, 0]]
    """
    n_tiles = -(-len(array) // size)
    padding = [(0, n_tiles * size - len(array))] + [(0, 0)] * (array.ndim - 1)
    return np.pad(array, padding).reshape(n_tiles, size, *array.shape[1:])


def init_model(experiment: Experiment) -> Network:
    """The network before training, from the experiment's `init` stream."""
    return _make(
        experiment.model, experiment.n_inputs, experiment.n_labels, _key(experiment, "init")
    )


def model_shapes(experiment: Experiment) -> Network:
    """The network with shapes in place of arrays; nothing is computed.

    Raises:
        ConfigError: if a network of the user's own cannot be made.
    """
    model: Any = experiment.model
    return _shapes(model, experiment.n_inputs, experiment.n_labels)


@lru_cache(maxsize=256)  # asked for by every cell of a sweep
def _shapes(model: Part, n_inputs: int, n_labels: int) -> Network:
    try:
        made = eqx.filter_eval_shape(_make, model, n_inputs, n_labels, jax.random.key(0))
    except TypeError as error:
        raise ConfigError(f"`model` must be a network that can be made, got: {error}") from None
    if not isinstance(made, Network):
        raise ConfigError(
            f"`model` must be made by init as a grokscope.Network, got {type(made).__name__}. "
            "Derive its class from grokscope.Network, and return it."
        )
    for leaf in jax.tree.leaves(made):
        if leaf.dtype != jnp.float32:
            raise ConfigError(
                f"`model` must hold arrays of float32, got one of {leaf.dtype}. Keep what is not "
                "trained in a field with eqx.field(static=True)."
            )
    return made


def _make(model: Part, n_inputs: int, n_labels: int, key: PRNGKeyArray) -> Any:
    if isinstance(model, OwnModel):
        return load(model.code).init(key, n_inputs, n_labels, **model.settings)
    settings = model.model_dump(exclude={"name", "dropout"})
    kind = model.model_dump()["name"]
    return ARCHITECTURES[kind].init(key, n_inputs, n_labels, **settings)


def train_steps(
    experiments: Sequence[Experiment], datasets: Sequence[Dataset]
) -> Iterator[tuple[int, list[Network], list[int | None]]]:
    """Train an ensemble; at every scheduled step yield it, the networks, and who has failed.

    Experiments in an ensemble may differ in labels, seeds, learning rate, weight decay, the
    optimiser's other numbers and a non-zero dropout: what leaves shapes alone. One alone is
    trained as it is, several under `vmap`, which pays on an accelerator.

    Yields:
        The step; each network; for each, the first step whose loss was not finite, or None.

    Raises:
        ConfigError: if the experiments do not share one static shape.
    """
    first = experiments[0]
    for experiment in experiments:
        require_memory(experiment)
    if len({ensemble_key(experiment) for experiment in experiments}) > 1:
        raise ConfigError(
            "an ensemble must share loss, optimizer, training-set size, batch size, schedule and "
            "network shape, got experiments that differ in one. Train them one by one."
        )
    static = _static(first)
    members = [_prepare(*pair) for pair in zip(experiments, datasets, strict=True)]
    alone = len(members) == 1
    state, dynamic = members[0] if alone else jax.tree.map(lambda *x: jnp.stack(x), *members)
    step = 0
    for target in first.schedule:
        if target > step:
            state = train_block(state, dynamic, step, target - step, static, alone)
            step = target
        states = [state]
        if not alone:
            states = [jax.tree.map(lambda x, i=i: x[i], state) for i in range(len(members))]
        failures = [int(member.failed_at) for member in states]
        failures = [None if failure == NEVER else failure for failure in failures]
        yield step, [member.model for member in states], failures


def ensemble_key(experiment: Experiment) -> tuple:
    """Experiments with equal keys share every shape and can train as one ensemble."""
    shape = experiment.model.model_dump(exclude={"dropout"})
    return (
        _static(experiment),
        tuple(experiment.schedule),
        (*shape.values(), experiment.n_inputs, experiment.n_labels),
    )


def ensemble_size() -> int:
    """How many networks of one shape this machine's device trains best at a time."""
    return 1 if jax.default_backend() == "cpu" else ENSEMBLE_ON_ACCELERATOR


def _static(experiment: Experiment) -> Static:
    return Static(
        experiment.loss,
        split_settings(experiment.optimizer)[0],
        experiment.n_train,
        experiment.batch_size,
        experiment.dropout > 0,
    )


def _key(experiment: Experiment, stream: str) -> PRNGKeyArray:
    seed, index = experiment.seeds.of(stream)
    return jax.random.fold_in(jax.random.key(seed), index)


def require_memory(experiment: Experiment) -> None:
    """Refuse a network or measurements that cannot fit: out of memory, XLA ends the process.

    Raises:
        ConfigError: with what it needs at least and what this machine has.
    """
    copies = 6  # weights, gradient, both moments, and two on their way from step to step
    model = experiment.model
    needed = 4 * copies * n_weights(experiment) + 32 * experiment.n_examples
    if experiment.batch_size is None and has_batch_norm(model_shapes(experiment)):
        needed += 8 * experiment.n_train * model.widest  # the one tile, forward and backward
    if not hasattr(os, "sysconf"):
        return  # not a Unix
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        raise ConfigError(
            f"`width` must let the network fit in memory, got {model.widest}, which with "
            f"{experiment.n_inputs} inputs needs {needed / 1e9:.0f} GB of {there / 1e9:.0f}. "
            "Use a smaller one."
        )
    measured = 8 * (experiment.steps // experiment.measure_every) * (model.widest + OTHER_NUMBERS)
    if needed + measured > there:
        raise ConfigError(
            f"`measure_every` must let the measurements fit in memory, got "
            f"{experiment.measure_every}, which in {experiment.steps} steps needs "
            f"{measured / 1e9:.0f} GB of {there / 1e9:.0f}. Use a larger one."
        )


def n_weights(experiment: Experiment) -> int:
    """How many weights the experiment's network has."""
    return sum(leaf.size for leaf in jax.tree.leaves(model_shapes(experiment)))


def _tile_size(experiment: Experiment) -> int:
    """Examples in a tile of a full batch; all of them where BatchNorm must see the whole batch."""
    if has_batch_norm(model_shapes(experiment)):
        return experiment.n_train
    least = TILE_EXAMPLES if experiment.model.name == "two_layer" else DEEP_TILE_EXAMPLES
    return tile_size(experiment.n_train, experiment.model.widest, least)


def _prepare(experiment: Experiment, dataset: Dataset) -> tuple[State, Dynamic]:
    model: Any = init_model(experiment)
    kind, settings = split_settings(experiment.optimizer)
    settings = {name: jnp.float32(value) for name, value in settings.items()}
    n_train = dataset.n_train
    inputs, labels = dataset.inputs[:n_train], dataset.given_labels[:n_train]
    weights = np.ones(n_train, np.float32)
    if experiment.batch_size is None:
        size = _tile_size(experiment)
        inputs, labels, weights = (tiled(array, size) for array in (inputs, labels, weights))
    dynamic = Dynamic(
        jnp.asarray(inputs),
        jnp.asarray(labels),
        jnp.asarray(weights),
        settings,
        jnp.float32(experiment.dropout),
        _key(experiment, "batches"),
        _key(experiment, "dropout"),
    )
    state = State(
        model,
        make_optimizer(kind, settings).init(split_trained(model)[0]),
        jnp.arange(n_train, dtype=jnp.int32),
        jnp.int32(NEVER),
    )
    return state, dynamic


@partial(jax.jit, static_argnames=("static", "alone"), compiler_options=CPU_OPTIONS)
def train_block(
    state: State, dynamic: Dynamic, start: Step, n_steps: Step, static: Static, alone: bool
) -> State:
    """`n_steps` steps from step `start` in one compiled loop, of one network or an ensemble."""
    run = partial(_train_block, static=static)
    if not alone:
        run = jax.vmap(run, in_axes=(0, 0, None, None))
    return run(state, dynamic, start, n_steps)


def _train_block(
    state: State, dynamic: Dynamic, start: Step, n_steps: Step, *, static: Static
) -> State:
    optimizer = make_optimizer(static.optimizer, dynamic.optimizer)

    def step(index: Array, state: State) -> State:
        key = jax.random.fold_in(dynamic.dropout_key, index) if static.has_dropout else None
        weights, rest = split_trained(state.model)
        # What all examples share is computed, and its gradient taken, once.
        shared, through_shared = jax.vjp(lambda w: eqx.combine(w, rest).shared(), weights)
        if static.batch_size is None:
            order = state.order
            (loss, seen), gradients = _full_batch_gradient(
                (weights, shared), rest, dynamic, key, static
            )
        else:
            order, rows = _next_batch(
                state.order, dynamic.batches_key, index, static.n_train, static.batch_size
            )
            (loss, seen), gradients = jax.value_and_grad(_mean_loss, has_aux=True)(
                (weights, shared),
                rest,
                dynamic.inputs[rows],
                dynamic.labels[rows],
                jnp.ones(static.batch_size),
                key,
                dynamic.dropout,
                static.batch_size,
                static.loss,
            )
        gradient, of_shared = gradients
        if shared is not None:
            gradient = jax.tree.map(jnp.add, gradient, *through_shared(of_shared))
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, weights)
        model = eqx.combine(optax.apply_updates(weights, updates), with_seen(rest, seen))
        failed_at = jnp.where(jnp.isfinite(loss), NEVER, index + 1)
        return State(model, optimizer_state, order, jnp.minimum(state.failed_at, failed_at))

    return jax.lax.fori_loop(start, start + n_steps, step, state)


def _mean_loss(weights_and_shared, rest, inputs, labels, importance, key, dropout, total, loss):
    """Σ importance · loss / total over some examples: their part of the batch's mean loss.

    Beside it, what BatchNorm saw of them.
    """
    weights, shared = weights_and_shared
    logits, seen = eqx.combine(weights, rest).in_training(inputs, key, dropout, shared)
    return (importance * LOSSES[loss](logits, labels)).sum() / total, seen


def _full_batch_gradient(weights_and_shared, rest, dynamic: Dynamic, key, static: Static):
    """Loss and gradient of the whole training set, summed tile by tile while it is in cache."""

    def add_tile(total, tile):
        inputs, labels, importance, index = tile
        tile_key = None if key is None else jax.random.fold_in(key, index)
        (loss, seen), gradient = jax.value_and_grad(_mean_loss, has_aux=True)(
            weights_and_shared, rest, inputs, labels, importance, tile_key, dynamic.dropout,
            static.n_train, static.loss,
        )  # fmt: skip
        return jax.tree.map(jnp.add, total, (loss, gradient)), seen

    zero = (jnp.float32(0), jax.tree.map(jnp.zeros_like, weights_and_shared))
    tiles = (dynamic.inputs, dynamic.labels, dynamic.weights, jnp.arange(len(dynamic.labels)))
    (loss, gradient), seen = jax.lax.scan(add_tile, zero, tiles)
    # BatchNorm saw the last tile, which with BatchNorm is the only one.
    return (loss, jax.tree.map(lambda tiles: tiles[-1], seen)), gradient


def _next_batch(order, key, index, n_train: int, batch_size: int):
    """The training set's order in this epoch, and the step's part; an incomplete one is dropped."""
    per_epoch = n_train // batch_size
    epoch, batch = index // per_epoch, index % per_epoch
    order = jax.lax.cond(
        batch == 0,
        lambda: jax.random.permutation(jax.random.fold_in(key, epoch), n_train),
        lambda: order,
    )
    return order, jax.lax.dynamic_slice(order, (batch * batch_size,), (batch_size,))
