"""What every architecture is: what the training loop, the measures and pruning ask of it."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from grokscope.models.normalization import Statistics


class Layer(NamedTuple):
    """Units of a network, and the names of the arrays that are theirs.

    `vectors` are matrices with one row a residue and one column a unit, whose columns have an IPR;
    `outgoing` is the matrix whose column k carries unit k onwards: without it the unit is gone;
    `gamma` are the factors that a norm layer behind the units gives them, if there is one.
    """

    vectors: tuple[str, ...]
    outgoing: str
    gamma: str | None = None


class Network(eqx.Module):
    """Base of all architectures; only `__call__` must be given, and `init` to make one.

    `init(key, n_inputs, n_labels, width=500, …)` is a class method, whose further arguments are
    settings; `n_inputs` is the modulus, or the number of features.

    Arrays are named by their path, as in `blocks_0_query`; matrices are [output, input], as the
    paper prints them, except for those in `tables`.
    """

    tables: ClassVar[tuple[str, ...]] = ()
    """Matrices whose rows are looked up, [input, unit]: transposes of the paper's."""

    @property
    def layers(self) -> dict[str, Layer]:
        """Layers whose units can be measured and pruned; the first is next to the input."""
        return {}

    def shared(self) -> Any:
        """What all examples of a step have in common, computed once a step; None for nothing."""
        return None

    def __call__(self, inputs: Shaped[Array, "example *feature"]) -> Float[Array, "example label"]:
        """Logits in evaluation. If it has `shared()`, an optional second argument takes that."""
        raise NotImplementedError

    def in_training(
        self,
        inputs: Shaped[Array, "example *feature"],
        key: PRNGKeyArray | None = None,
        dropout: Float[Array, ""] | float = 0.0,
        shared: Any = None,
    ) -> tuple[Float[Array, "example label"], list[Statistics]]:
        """Logits, and what each BatchNorm layer saw, in the order of the network's fields; with a
        key, under dropout.
        """
        return self(inputs), []
