"""A network reduced to the strongest frequencies of each of its units (arXiv 2605.18022).

What is left can follow a rule that the whole network does not show. It says little by itself: the
reduction supplies the order of the residues, and so does `vote`, which has no network.
"""

from __future__ import annotations

from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int, Shaped

from grokscope.measures.material import Material, comes_before, logits_of, means
from grokscope.measures.scores import first_largest, measured_layers
from grokscope.models.network import Network, arrays_of, with_arrays
from grokscope.models.precision import in_own_precision

ALMOST_NOTHING = 1e-6
"""What the share of the constant counts. In ReLU networks without weight decay it is the largest of
nearly every unit, which would be left with no wave; so it is ranked last, but of a unit that has
nothing else."""


class Waves(eqx.Module):
    """The vectors of a network's units as sums of waves over the residues.

    A unit's frequencies are ranked by the share of power that each has, summed over the unit's
    vectors. Frequency 0, a constant, is the last, but of a unit that is constant.

    Args:
        network: with a vector over the residues for the units of some layers.
        order: the residues in the order in which a wave runs over them; a residue that is left out
            keeps its weights.

    Attributes:
        ranks: for each layer, the place of each frequency for each unit; 0 is the strongest.
        n_frequencies: ⌊n/2⌋ + 1 of n residues.
    """

    network: Network
    order: Shaped[Array | np.ndarray, "residue"]
    ranks: dict[str, Int[Array, "freq unit"]]
    _waves: dict[str, Complex[Array, "freq unit"]]

    @in_own_precision
    def __init__(self, network: Network, order: Shaped[Array | np.ndarray, "residue"]) -> None:
        self.network, self.order, self.ranks, self._waves = network, order, {}, {}
        arrays = arrays_of(network)
        for title, layer in measured_layers(network).items():
            for name in layer.vectors:
                self._waves[name] = jnp.fft.rfft(arrays[name][order], axis=0)
            shares = jnp.stack([_shares(self._waves[name]) for name in layer.vectors]).sum(axis=0)
            self.ranks[title] = comes_before(shares.at[0].multiply(ALMOST_NOTHING)).sum(axis=1)

    @property
    def n_frequencies(self) -> int:
        """How many frequencies there are."""
        return len(self.order) // 2 + 1

    def strongest(self, frequencies: int) -> Network:
        """The network whose units keep their strongest frequencies, and nothing else."""
        return self._kept(frequencies, self._waves)

    @in_own_precision
    def with_random_phases(self, frequencies: int, seed: int) -> Network:
        """The same with each wave moved by a random angle: what frequencies alone are good for.

        The constant, and the alternating wave of an even number of residues, change their sign at
        random.
        """
        rng = np.random.default_rng(seed)
        moved = {}
        for name, waves in self._waves.items():
            angles = rng.uniform(0, 2 * np.pi, waves.shape)
            is_real = np.arange(len(waves)) * 2 % len(self.order) == 0
            angles[is_real] = np.pi * (angles[is_real] > np.pi)
            moved[name] = waves * np.exp(1j * angles)
        return self._kept(frequencies, moved)

    @in_own_precision
    def _kept(self, frequencies: int, waves: Mapping[str, Complex[Array, "freq unit"]]) -> Network:
        """The network made of the strongest of some waves."""
        arrays, made = arrays_of(self.network), {}
        for title, layer in measured_layers(self.network).items():
            is_kept = self.ranks[title] < frequencies
            for name in layer.vectors:
                kept = jnp.where(is_kept, waves[name], 0)
                vectors = jnp.fft.irfft(kept, len(self.order), axis=0)
                made[name] = arrays[name].at[self.order].set(vectors.astype(arrays[name].dtype))
        return with_arrays(self.network, made)


def _shares(waves: Complex[Array, "freq unit"]) -> Float[Array, "freq unit"]:
    """The share of a vector's power that each frequency has; 0 for a vector of zeros."""
    power = jnp.real(waves) ** 2 + jnp.imag(waves) ** 2
    return power / jnp.maximum(power.sum(axis=0), 1e-30)


def extracted(
    network: Network, order: Shaped[Array | np.ndarray, "residue"], frequencies: int = 1
) -> Network:
    """The network whose units keep their strongest frequencies, and nothing else.

    Args:
        network: with a vector over the residues for the units of some layers.
        order: the residues in the order in which a wave runs over them.
        frequencies: how many each unit keeps. All of them give the network itself, to rounding.

    >>> from grokscope.models.analytic import analytic_network
    >>> network = analytic_network(7, 21)
    >>> bool(np.allclose(extracted(network, np.arange(7)).U, network.U, atol=1e-6))
    True
    """
    return Waves(network, order).strongest(frequencies)


def extraction_scores(
    network: Network, material: Material, loss: str
) -> dict[str, Float[Array, ""]]:
    """Accuracies of the network whose units keep their strongest frequency, by measures' names."""
    if not measured_layers(network) or material.order is None:
        return {}
    single = extracted(network, material.order)
    answers = first_largest(logits_of(single, material), axis=1)
    is_given, is_true = answers == material.given, answers == material.true
    return means(
        {
            "extracted_test_accuracy": (is_given, material.is_test),
            "extracted_corrupted_accuracy": (is_given, material.is_corrupted),
            "extracted_corrected_accuracy": (is_true, material.is_corrupted),
        }
    )
