"""Networks by the name of their settings, and how one is made before training."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.models import OwnModel
from grokscope.experiment.own_code import load
from grokscope.experiment.part import Part
from grokscope.models.deep_mlp import DeepMLP
from grokscope.models.image_mlp import ImageMLP
from grokscope.models.network import Network
from grokscope.models.precision import in_own_precision
from grokscope.models.transformer import Transformer
from grokscope.models.two_layer import TwoLayer
from grokscope.training.compile import compilation

NETWORKS: dict[str, Any] = {
    "two_layer": TwoLayer,
    "deep_mlp": DeepMLP,
    "transformer": Transformer,
    "image_mlp": ImageMLP,
}
"""The class of each network by the name of its settings, but for the user's own."""


class Sizes(NamedTuple):
    """What a network has to be made for.

    Attributes:
        n_inputs: values of a token, or features.
        n_labels: labels.
        n_operands: tokens of an example; None of features.
    """

    n_inputs: int
    n_labels: int
    n_operands: int | None


@in_own_precision
def init_model(experiment: Experiment) -> Network:
    """The network before training, from the experiment's `init` stream.

    One of float64 begins with the weights of that of float32.

    Args:
        experiment: whose model, task and seeds are used.
    """
    with jax.enable_x64(False):
        made = _make(experiment.model, _sizes(experiment), stream_key(experiment, "init"))
    return jax.tree.map(lambda array: array.astype(experiment.precision), made)


def model_shapes(experiment: Experiment) -> Network:
    """The experiment's network with shapes in place of arrays; nothing is computed.

    Args:
        experiment: whose model and task are used.

    Raises:
        ConfigError: if a network of the user's own cannot be made.
    """
    model: Any = experiment.model  # hashable, since it is frozen, which pyright does not see
    shapes = _shapes(model, _sizes(experiment))
    return jax.tree.map(lambda shape: shape.update(dtype=experiment.precision), shapes)


def _sizes(experiment: Experiment) -> Sizes:
    return Sizes(experiment.n_inputs, experiment.n_labels, experiment.n_operands)


def n_weights(experiment: Experiment) -> int:
    """How many weights the experiment's network has."""
    return sum(leaf.size for leaf in jax.tree.leaves(model_shapes(experiment)))


def stream_key(experiment: Experiment, stream: str) -> PRNGKeyArray:
    """The key of one of the experiment's random streams, such as init or batches."""
    compilation()  # before JAX makes its first array
    seed, index = experiment.seeds.of(stream)
    return jax.random.fold_in(jax.random.key(seed), index)


@lru_cache(maxsize=256)  # every cell of a sweep asks for it
def _shapes(model: Part, sizes: Sizes) -> Network:
    compilation()  # before JAX makes its first array
    try:
        with jax.enable_x64(False):
            made = eqx.filter_eval_shape(_make, model, sizes, jax.random.key(0))
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


def _make(model: Part, sizes: Sizes, key: PRNGKeyArray) -> PyTree:
    """A network, unless code of the user's own makes something else, which `_shapes` refuses."""
    if isinstance(model, OwnModel):
        made_by, settings = load(model.code), model.settings
        scale = 1.0
    else:
        settings = model.model_dump(exclude={"dropout"})
        made_by, scale = NETWORKS[settings.pop("name")], settings.pop("init_scale")
    if "n_operands" in inspect.signature(made_by.init).parameters:
        settings["n_operands"] = sizes.n_operands
    made = made_by.init(key, sizes.n_inputs, sizes.n_labels, **settings)
    if scale == 1:
        return made
    # Vectors are those of norm layers, which no scale of weights is meant for.
    return jax.tree.map(lambda array: scale * array if array.ndim > 1 else array, made)
