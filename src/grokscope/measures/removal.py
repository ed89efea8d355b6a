"""What a network does without one of its units, for each of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from grokscope.data.dataset import Dataset
from grokscope.measures.nested import TILE
from grokscope.measures.pruning import layer_named
from grokscope.measures.scores import evaluate, first_largest
from grokscope.measures.table import scores
from grokscope.models.network import Network, with_offset
from grokscope.training.compile import compiled
from grokscope.training.cost import tiled

ACCURACIES = ("test_accuracy", "corrupted_accuracy")


def removal_effects(
    network: Network, dataset: Dataset, layer: str
) -> dict[str, Float[np.ndarray, "unit"]]:
    """How much each of `ACCURACIES` changes when a unit alone is removed; negative where it falls.

    A unit that adds to the logits is taken out of their sum; of another layer it sends nothing on,
    and the network is evaluated once for every unit.

    Args:
        network: the network.
        dataset: what it is scored on.
        layer: whose units, a name in `network.layers`.

    Returns:
        Changes by the name of the accuracy; NaN for an accuracy over no examples.

    Raises:
        ConfigError: if the network has no such layer.
    """
    layer = layer_named(network, layer)
    rows = [scores()[name] for name in ACCURACIES]
    subsets = np.stack([row.subset(dataset) for row in rows], axis=1).astype(np.float32)
    inputs, given = tiled(dataset.inputs, TILE), tiled(dataset.given_labels, TILE)
    masks = tiled(subsets, TILE, "constant")
    if network.layers[layer].adds_to_logits(network):
        right = _right_without_each(network, inputs, given, masks, layer)
    else:
        right = _right_by_evaluation(network, inputs, given, masks, layer)
    with np.errstate(invalid="ignore"):
        accuracy = np.asarray(right, np.float64) / subsets.sum(axis=0)
    return dict(zip(ACCURACIES, (accuracy[1:] - accuracy[0]).T, strict=True))


@compiled("layer")
def _right_without_each(
    network: Network,
    inputs: Shaped[Array, "tile example *feature"],
    given: Int[Array, "tile example"],
    masks: Float[Array, "tile example subset"],
    layer: str,
) -> Float[Array, "network subset"]:
    """Right answers in each subset, of the whole network and of the one without each unit."""
    W = network.layers[layer].outgoing_of(network)

    def one_tile(total: Array, tile: tuple[Array, Array, Array]) -> tuple[Array, None]:
        inputs, given, masks = tile
        features = network.features(inputs).T
        logits = with_offset(W @ features, network, inputs)

        def right(term: tuple[Array, Array]) -> Array:
            without = logits - term[0][:, None] * term[1]
            return (first_largest(without, axis=0) == given) @ masks

        whole = (first_largest(logits, axis=0) == given) @ masks
        return total + jnp.concatenate([whole[None], jax.lax.map(right, (W.T, features))]), None

    zero = jnp.zeros((W.shape[1] + 1, masks.shape[-1]))
    return jax.lax.scan(one_tile, zero, (inputs, given, masks))[0]


def _right_by_evaluation(
    network: Network,
    inputs: Shaped[np.ndarray, "tile example *feature"],
    given: Int[np.ndarray, "tile example"],
    masks: Float[np.ndarray, "tile example subset"],
    layer: str,
) -> Float[np.ndarray, "network subset"]:
    """The same of a layer that does not add to the logits."""
    units = network.layers[layer]
    n_units = units.outgoing_of(network).shape[1]
    is_right = (scores()[ACCURACIES[0]].value,)
    kept = [np.ones(n_units, bool), *~np.eye(n_units, dtype=bool)]
    return np.stack([
        np.einsum(
            "te,tex->x",
            evaluate(units.pruned(network, some), inputs, given, given, "mse", is_right)[0],
            masks,
        )
        for some in kept
    ])  # fmt: skip
