"""Which unit holds which label: what each adds to the logits, without a transform or a rule."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.scipy.stats
import numpy as np
import scipy.stats
from jaxtyping import Array, Bool, Float, Int, Shaped

from grokscope.data.dataset import Dataset
from grokscope.errors import ConfigError, whole_numbers
from grokscope.measures.material import Material, Numbers, on_host
from grokscope.measures.nested import TILE
from grokscope.measures.scores import AnyArray, ipr_of, namespace
from grokscope.models.network import Layer, Network, arrays_of, with_offset
from grokscope.models.precision import in_own_precision
from grokscope.training.compile import compiled


class Attribution(NamedTuple):
    """What each unit adds, in the mean over some examples.

    Attributes:
        memorizing: to the given label over the true one, on training examples whose given label is
            wrong. Over all units it sums to the mean margin there, but for the network's
            offset.
        generalizing: to the label over the mean of all others, on test examples. Over all units it
            sums to the mean of that margin, but for the offset.
        steadiness: the mean over the standard deviation of what the unit adds to the given label
            over the mean of all others, over all training examples. It needs neither truth nor
            test labels: a unit that follows a rule adds to every label that follows it, one that
            memorises adds much to few.
    """

    memorizing: Float[np.ndarray, "unit"]
    generalizing: Float[np.ndarray, "unit"]
    steadiness: Float[np.ndarray, "unit"]


def attribution(network: Network, dataset: Dataset, layer: str) -> Attribution:
    """What each unit of a layer adds to memorised labels, and to the rule.

    Args:
        network: the network.
        dataset: what it was trained and tested on. The true labels are used.
        layer: whose units, a name in `network.layers`.

    Returns:
        NaN for memorising if no given label is wrong, for generalising without test examples, and
        for the steadiness of a unit that adds nothing.

    Raises:
        ConfigError: if the layer's units do not add to the logits.
    """
    require_terms(network, dataset, layer)
    return _attribution(network, dataset, layer)


@in_own_precision
def _attribution(network: Network, dataset: Dataset, layer: str) -> Attribution:
    """The same of a layer whose units are known to add to the logits."""
    labels = dataset.given_labels, dataset.true_labels
    arrays = dataset.inputs, *labels, dataset.is_wrong, dataset.is_train
    return Attribution(*map(np.asarray, _means(network, *map(jnp.asarray, arrays), layer)))


@in_own_precision
def attribution_map(
    network: Network, dataset: Dataset, layer: str, examples: Int[np.ndarray, "example"]
) -> Float[np.ndarray, "example unit"]:
    """What each unit adds to the given label over the true one, for each of some examples.

    Args:
        network: the network.
        dataset: where the examples are from.
        layer: whose units.
        examples: indices of training examples; of one whose given label is right, all are 0.

    Raises:
        ConfigError: if the layer's units do not add to the logits, or an index is none.
    """
    require_terms(network, dataset, layer)
    some = whole_numbers("examples", examples, 0, len(dataset.inputs) - 1, "Use 0.")
    W = np.asarray(network.layers[layer].outgoing_of(network))
    features = np.asarray(_features(network, jnp.asarray(dataset.inputs[some])))
    given, true = dataset.given_labels[some], dataset.true_labels[some]
    return features * (W[given] - W[true])


def layers_of_terms(network: Network) -> list[str]:
    """The layers whose units add to the logits."""
    return [name for name, row in network.layers.items() if row.adds_to_logits(network)]


def layer_of_terms(network: Network) -> str | None:
    """The last layer whose units add to the logits; None without one."""
    fitting = layers_of_terms(network)
    return fitting[-1] if fitting else None


def require_terms(network: Network, dataset: Dataset, layer: str) -> None:
    """Refuse a layer whose units do not add to the logits, and `features` that are not theirs.

    Raises:
        ConfigError: naming those that do.
    """
    fitting = layers_of_terms(network)
    if layer not in fitting:
        raise ConfigError(
            f"`layer` must be one whose units add to the logits, got {layer!r}. "
            f"Use {' or '.join(fitting) or 'a network with `features`: this one has none'}."
        )
    require_features(network, dataset, layer)


def require_features(network: Network, dataset: Dataset, layer: str) -> None:
    """Refuse a network whose `features` are not those of its logits.

    Raises:
        ConfigError: if they are others.
    """
    if not features_fit(network, dataset, layer):
        raise ConfigError(
            "`features` must give the logits when multiplied by W, transposed, got others. Mend "
            "it, or leave it out: pruning then evaluates the network at every count."
        )


@in_own_precision
def features_fit(network: Network, dataset: Dataset, layer: str) -> bool:
    """Whether the `features` of a network whose layer adds to the logits are those of its logits.

    A network of the user's own may say otherwise than it does.
    """
    units = network.layers[layer]
    inputs = dataset.inputs[:TILE]
    return _is_for_each_unit(network, inputs, units) and not _features_differ(
        network, inputs, units.outgoing
    )


def _is_for_each_unit(
    network: Network, inputs: Shaped[AnyArray, "example *feature"], units: Layer
) -> bool:
    """Whether `features` give each example a number for each unit of a layer."""
    shape = jax.eval_shape(lambda some: network.features(some), inputs).shape
    return shape == (len(inputs), units.outgoing_of(network).shape[1])


@compiled("readout")
def _features_differ(
    network: Network, inputs: Shaped[AnyArray, "example *feature"], readout: str
) -> Bool[Array, ""]:
    """Whether the logits are not `features` times what reads them out, and the offset."""
    inputs = jnp.asarray(inputs)
    logits = network(inputs).T
    terms = arrays_of(network)[readout] @ network.features(inputs).T
    others = with_offset(terms, network, inputs)
    return jnp.abs(others - logits).max() > 1e-3 * jnp.abs(logits).max()


def attribution_summaries(network: Network, material: Material, loss: str) -> Numbers:
    """How concentrated memorising is, and on which neurons, by the measures' names.

    Of the last layer whose units add to the logits; none without one. NaN if the `features` of a
    user's network are not those of its logits.
    """
    layer = layer_of_terms(network)
    if layer is None:
        return {}
    inputs, units = material.inputs, network.layers[layer]
    if not _is_for_each_unit(network, inputs, units):
        return {}
    labels, chosen = (material.given, material.true), (material.is_wrong, material.is_train)
    memorizing, _, steadiness = on_host(_means(network, inputs, *labels, *chosen, layer))
    found = {"memorizing_half": half_of(memorizing)}
    if units.vectors and material.waves is not None:
        ipr = ipr_of(units, on_host(arrays_of(network)), material.waves)
        found["memorizing_by_ipr"] = rank_correlation(ipr, memorizing)
        found["steadiness_by_ipr"] = rank_correlation(ipr, steadiness)
    are_wrong = on_host(_features_differ(network, inputs[:TILE], units.outgoing))
    xp = namespace(memorizing)
    return {name: xp.where(are_wrong, xp.nan, value) for name, value in found.items()}


def rank_correlation(a: Float[AnyArray, "unit"], b: Float[AnyArray, "unit"]) -> Float[Any, ""]:
    """Spearman's ρ over the units that have both numbers; NaN if these do not vary."""
    xp = namespace(a)
    rankdata = (scipy if xp is np else jax.scipy).stats.rankdata
    both = xp.isfinite(a) & xp.isfinite(b)

    def ranks(values: Any) -> Any:
        """The rank of each that has both, less their mean; 0 of the others."""
        found = rankdata(xp.where(both, values, xp.inf))
        return xp.where(both, found - (both * found).sum() / both.sum(), 0)

    x, y = ranks(a), ranks(b)
    return x @ y / xp.sqrt((x @ x) * (y @ y))


def half_of(memorizing: Float[AnyArray, "unit"]) -> Float[Any, ""]:
    """The smallest share of units that adds half of all that units add; NaN if they add nothing.

    >>> half_of(np.array([5.0, 3.0, 1.0, 1.0, -2.0])).item()
    0.2
    """
    xp = namespace(memorizing)
    added = xp.sort(xp.maximum(memorizing, 0))[::-1]
    total = added.sum()
    fewest = (xp.cumsum(added) >= total / 2).argmax() + 1
    return xp.where(total > 0, fewest / len(memorizing), xp.nan)


@compiled()
def _features(
    network: Network, inputs: Shaped[Array, "example *feature"]
) -> Float[Array, "example unit"]:
    """What a network's units send to the logits."""
    return network.features(inputs)


@compiled("layer")
def _means(
    network: Network,
    inputs: Shaped[AnyArray, "example *feature"],
    given: Int[AnyArray, "example"],
    true: Int[AnyArray, "example"],
    is_wrong: Bool[AnyArray, "example"],
    is_train: Bool[AnyArray, "example"],
    layer: str,
) -> tuple[Float[Array, "unit"], ...]:
    """The numbers of `Attribution`."""
    inputs, is_wrong, is_train = map(jnp.asarray, (inputs, is_wrong, is_train))
    W = network.layers[layer].outgoing_of(network)
    features = network.features(inputs)

    def mean(added: Array, chosen: Array) -> Array:
        return jnp.where(chosen, 1.0, 0.0) @ added / chosen.sum()

    others = (W.sum(axis=0) - W[given]) / (len(W) - 1)
    over_others = features * (W[given] - others)
    in_mean = mean(over_others, is_train)
    spread = jnp.sqrt(mean((over_others - in_mean) ** 2, is_train))
    return (
        mean(features * (W[given] - W[true]), is_wrong),
        mean(over_others, ~is_train),
        jnp.where(spread > 0, in_mean / spread, jnp.nan),
    )
