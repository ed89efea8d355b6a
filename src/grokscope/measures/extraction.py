"""A network reduced to the strongest frequencies of each of its units (arXiv 2605.18022).

What is left can follow a rule that the whole network does not show. It says little by itself: the
reduction supplies the order of the residues, and so does `vote`, which has no network.
"""

from __future__ import annotations

from collections.abc import Mapping

import equinox as eqx
import numpy as np
from jaxtyping import Complex, Int, Shaped

from grokscope.measures.material import (
    Material,
    Numbers,
    answers_of,
    logits_of,
    means,
    on_host,
)
from grokscope.measures.scores import AnyArray, measured_layers, namespace
from grokscope.measures.spectrum import places_in, shares_of
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
    order: Shaped[AnyArray, "residue"]
    ranks: dict[str, Int[AnyArray, "freq unit"]]
    _waves: dict[str, Complex[AnyArray, "freq unit"]]

    @in_own_precision
    def __init__(self, network: Network, order: Shaped[AnyArray, "residue"]) -> None:
        self.network, self.order, self.ranks, self._waves = network, order, {}, {}
        arrays = on_host(arrays_of(network))
        for title, layer in measured_layers(network).items():
            xp = namespace(arrays[layer.vectors[0]])
            for name in layer.vectors:
                self._waves[name] = xp.fft.rfft(arrays[name][order], axis=0)
            shares = xp.stack([shares_of(self._waves[name]) for name in layer.vectors]).sum(axis=0)
            shares = xp.concatenate([shares[:1] * ALMOST_NOTHING, shares[1:]])
            strongest = xp.argsort(-shares, axis=0, stable=True)
            self.ranks[title] = xp.argsort(strongest, axis=0)

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
    def _kept(
        self, frequencies: int, waves: Mapping[str, Complex[AnyArray, "freq unit"]]
    ) -> Network:
        """The network made of the strongest of some waves."""
        arrays, made = on_host(arrays_of(self.network)), {}
        for title, layer in measured_layers(self.network).items():
            is_kept = self.ranks[title] < frequencies
            xp = namespace(is_kept)
            for name in layer.vectors:
                vectors = xp.fft.irfft(waves[name] * is_kept, len(self.order), axis=0)
                place = places_in(self.order, len(arrays[name]))
                made[name] = xp.where((place >= 0)[:, None], vectors[place], arrays[name])
        return with_arrays(self.network, made)


def extracted(
    network: Network, order: Shaped[AnyArray, "residue"], frequencies: int = 1
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


def extraction_scores(network: Network, material: Material, loss: str) -> Numbers:
    """Accuracies of the network whose units keep their strongest frequency, by measures' names."""
    if not measured_layers(network) or material.order is None:
        return {}
    single = extracted(network, material.order)
    answers = answers_of(logits_of(single, material))
    is_given, is_true = answers == material.given, answers == material.true
    return means(
        {
            "extracted_test_accuracy": (is_given, material.is_test),
            "extracted_corrupted_accuracy": (is_given, material.is_corrupted),
            "extracted_corrected_accuracy": (is_true, material.is_corrupted),
        }
    )
