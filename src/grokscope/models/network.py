"""What every architecture is: what the training loop, the measures and pruning ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree, Shaped

from grokscope.models.normalization import Statistics
from grokscope.models.precision import in_own_precision

OUTSIDE = jax.tree_util.GetAttrKey("outside")
"""The field of `models.outside.Outside` that holds its arrays, by names of their own."""


def array_name(path: tuple) -> str:
    """The name of an array of a network: its path in the tree, such as U or blocks_0_query."""
    path = path[1:] if path[:1] == (OUTSIDE,) else path
    return jax.tree_util.keystr(path, simple=True, separator="_")


def arrays_of(network: Network) -> dict[str, Any]:
    """All arrays of a network by name; of a network of shapes, the shapes."""
    leaves = jax.tree_util.tree_leaves_with_path(network)
    return {array_name(path): array for path, array in leaves}


def named_arrays(network: Network) -> dict[str, np.ndarray]:
    """All arrays of a network by name, copied to the host."""
    return {name: np.asarray(array) for name, array in arrays_of(network).items()}


@in_own_precision
def with_arrays(network: Network, arrays: Mapping[str, Any]) -> Network:
    """The network with other arrays in place of those named, in its precision."""

    def other(path: tuple, array: Array) -> Array:
        name = array_name(path)
        return jnp.asarray(arrays[name], array.dtype) if name in arrays else array

    return jax.tree_util.tree_map_with_path(other, network)


def vector_matrices(network: Network) -> dict[str, str]:
    """Matrices whose columns have an IPR, the embedding first: their names, and their layers'."""
    return {name: title for title, layer in network.layers.items() for name in layer.vectors}


def with_offset(
    terms: Float[Array, "label example"],
    network: Network,
    inputs: Shaped[Array, "example *feature"],
) -> Float[Array, "label example"]:
    """Logits from the sum of some units' terms, to which the network's offset is added."""
    offset = network.offset(inputs)
    return terms if offset is None else terms + offset.T


class Layer(NamedTuple):
    """Units of a network, and the names of the arrays that belong to them.

    Attributes:
        vectors: matrices [residue, unit], whose columns have an IPR.
        outgoing: the matrix [output, unit] whose column k carries unit k onwards; a unit whose
            column is zero is pruned.
        gamma: the factors [unit] of the norm layer behind the units, if there is one.
    """

    vectors: tuple[str, ...]
    outgoing: str
    gamma: str | None = None

    def outgoing_of(self, network: Network) -> Float[Array, "output unit"]:
        """The matrix that carries the units onwards."""
        return arrays_of(network)[self.outgoing]

    def outgoing_norm_of(self, network: Network) -> Float[np.ndarray, "unit"]:
        """‖W_k‖: the Euclidean norm of the weights that carry each unit onwards."""
        return np.linalg.norm(np.asarray(self.outgoing_of(network)), axis=0)

    def gamma_of(self, network: Network) -> Float[Array, "unit"] | None:
        """The factors of the norm layer behind the units; None without one."""
        return None if self.gamma is None else arrays_of(network)[self.gamma]

    def adds_to_logits(self, network: Network) -> bool:
        """Whether the logits are a sum of one term for each unit, `features` times `readout`."""
        has_features = type(network).features is not Network.features
        return has_features and self.outgoing == network.readout

    @in_own_precision
    def pruned(self, network: Network, kept: Bool[Array | np.ndarray, "unit"]) -> Network:
        """The network with only the units that are `kept`; the others send nothing onwards."""
        return with_arrays(network, {self.outgoing: self.outgoing_of(network) * kept})


class Network(eqx.Module):
    """Base of all architectures; only `__call__` must be given, and `init` to make one.

    `init(key, n_inputs, n_labels, width=500, …)` is a class method, whose further arguments are
    settings; `n_inputs` is how many values a token can take, or the number of features. One that
    has an argument `n_operands` is given the number of tokens of an example.

    Arrays are named by their path, as in `blocks_0_query`; matrices are [output, input], as the
    paper prints them, except for those in which tokens look up their row, [token, unit].

    >>> from grokscope.models.two_layer import TwoLayer
    >>> network = TwoLayer.init(jax.random.key(0), 7, 7, width=16)
    >>> network(jnp.array([[1, 2], [3, 4]])).shape
    (2, 7)
    """

    readout: ClassVar[str] = "W"
    """The matrix [label, unit] by which `features` are multiplied, in networks that have them."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Make a network compute in its own precision also where a user's program calls it."""
        super().__init_subclass__(**options)
        for name in {"__call__", "features"} & vars(cls).keys():
            setattr(cls, name, in_own_precision(vars(cls)[name]))

    @property
    def operands(self) -> tuple[str, ...]:
        """For each operand, the matrix [token, unit] in which its row is looked up."""
        return ()

    @property
    def layers(self) -> dict[str, Layer]:
        """Layers whose units can be measured and pruned; the first is next to the input."""
        return {}

    def shared(self) -> PyTree:
        """What all examples of a step have in common, computed once a step; None for nothing."""
        return None

    def __call__(self, inputs: Shaped[Array, "example *feature"]) -> Float[Array, "example label"]:
        """Logits in evaluation. If it has `shared()`, an optional second argument takes that."""
        raise NotImplementedError

    def features(self, inputs: Shaped[Array, "example *feature"]) -> Float[Array, "example unit"]:
        """If given, the logits in evaluation are `features(inputs) @ W.T`, W being `readout`, and
        `offset` if there is one.

        Pruning the layer that W carries onwards is then a hundred times as fast.
        """
        raise NotImplementedError

    def offset(
        self, inputs: Shaped[Array, "example *feature"]
    ) -> Float[Array, "example label"] | None:
        """What is added to the units' terms, such as a bias; None for nothing."""
        return None

    def logits_of_rows(self, rows: Float[Array, "operand unit"]) -> Float[Array, "label"]:
        """Logits in evaluation of an example whose operands have these rows in their tables."""
        tables: dict[str, list[Array]] = {}
        tokens = []
        for name, row in zip(self.operands, rows, strict=True):
            tokens.append(len(tables.setdefault(name, [])))
            tables[name].append(row)
        network = with_arrays(self, {name: jnp.stack(some) for name, some in tables.items()})
        return network(jnp.array([tokens]))[0]

    def in_training(
        self,
        inputs: Shaped[Array, "example *feature"],
        key: PRNGKeyArray | None = None,
        dropout: Float[Array, ""] | float = 0.0,
        shared: PyTree = None,
    ) -> tuple[Float[Array, "example label"], list[Statistics]]:
        """Logits, and what each BatchNorm layer saw, in the order of the network's fields; with a
        key, under dropout.
        """
        return self(inputs), []
