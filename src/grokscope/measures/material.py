"""What measures of a whole network are made from, besides the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, Shaped

from grokscope.measures.scores import AnyArray, Tiles, first_largest, namespace
from grokscope.measures.spectrum import Waves
from grokscope.models.network import Network
from grokscope.training.compile import compiled, is_traced

T = TypeVar("T")

Numbers = dict[str, Num[Any, ""]]
"""Numbers of NumPy or of JAX, by name."""


class Draws(NamedTuple):
    """Pairs and labels drawn at random, of all pairs and of the corrupted ones."""

    pairs: Int[AnyArray, "of triple 2"]
    labels: Int[AnyArray, "of triple"]
    exist: Bool[AnyArray, "of"]  # whether there was a pair to draw


class Material(NamedTuple):
    """A dataset as arrays of NumPy or of JAX; of an ensemble, stacked.

    Attributes:
        tiles: the examples.
        is_train, is_corrupted, is_wrong: as of the dataset.
        waves: functions on the task's group, if it has one.
        order: the residues in the order in which the operation is a shift, if there is one.
        values: of `logits.rule_values`.
        votes: of `vote.vote_spectra`.
        draws: of `symmetricity.draws_of`; of a network with two operands.
        second: labels by the second rule, if labels are corrupted by one.
    """

    tiles: Tiles
    is_train: Bool[AnyArray, "example"]
    is_corrupted: Bool[AnyArray, "example"]
    is_wrong: Bool[AnyArray, "example"]
    waves: Waves | None
    order: Int[AnyArray, "residue"] | None
    values: Int[AnyArray, "example"] | None
    votes: Float[AnyArray, "form residue"] | None
    draws: Draws | None
    second: Int[AnyArray, "example"] | None

    @property
    def is_test(self) -> Bool[AnyArray, "example"]:
        """Which examples were not trained on."""
        return ~self.is_train

    @property
    def inputs(self) -> Shaped[AnyArray, "example *feature"]:
        """Of each example."""
        return self.untiled(self.tiles.inputs)

    @property
    def given(self) -> Int[AnyArray, "example"]:
        """The label that each example was given."""
        return self.untiled(self.tiles.given)

    @property
    def true(self) -> Int[AnyArray, "example"]:
        """The label of each example by the rule."""
        return self.untiled(self.tiles.true)

    def untiled(self, tiles: Shaped[AnyArray, "tile row *of"]) -> Shaped[AnyArray, "example *of"]:
        """What is known of each example of a tile, in the order of the dataset."""
        return tiles.reshape(-1, *tiles.shape[2:])[: len(self.is_train)]


def on_host(arrays: T) -> T:
    """Arrays as NumPy's, unless they stand for those of a program that is being compiled."""
    return arrays if is_traced(arrays) else jax.tree.map(np.asarray, arrays)


def logits_of(network: Network, material: Material) -> Float[AnyArray, "example label"]:
    """A network's logits of all examples."""
    return material.untiled(on_host(_logits(network, material.tiles.inputs)))


@compiled()
def _logits(
    network: Network, inputs: Shaped[AnyArray, "tile row *feature"]
) -> Float[Array, "tile row label"]:
    """A network's logits of tiles."""
    shared = network.shared()
    known = () if shared is None else (shared,)
    return jax.lax.map(lambda tile: network(tile, *known), inputs)


def answers_of(logits: Float[AnyArray, "example label"]) -> Int[AnyArray, "example"]:
    """The label of the largest logit; the smallest of equal ones."""
    if namespace(logits) is np:
        return logits.argmax(axis=1)
    return first_largest(jnp.asarray(logits), axis=1)


def means(
    numbers: Mapping[str, tuple[Shaped[AnyArray, "example"], Bool[AnyArray, "example"]]],
) -> dict[str, Float[Any, ""]]:
    """Means by name, each of some numbers over some examples; NaN over none.

    >>> odd, every = np.array([True, False, True]), np.ones(3, bool)
    >>> with np.errstate(invalid="ignore"):
    ...     found = means({"odd": (odd, every), "none": (odd, ~every)})
    >>> {name: round(mean.item(), 2) for name, mean in found.items()}
    {'odd': 0.67, 'none': nan}
    """
    xp = namespace(next(iter(numbers.values()))[0])
    values, chosen = (xp.stack([*some]) for some in zip(*numbers.values(), strict=True))
    found = xp.where(chosen, values, 0).sum(axis=1) / chosen.sum(axis=1)
    return dict(zip(numbers, found, strict=True))
