"""A network reduced to the strongest frequencies of each of its units (arXiv 2605.18022).

What is left can follow a rule that the whole network does not show. It says little by itself: the
reduction supplies the order of the residues, and so does `vote`, which has no network.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Complex, Float, Int

from grokscope.experiment.experiment import Experiment
from grokscope.measures.scores import Examples, measured_layers
from grokscope.measures.spectrum import shares_of
from grokscope.models.network import Network, arrays_of, with_arrays

ALMOST_NOTHING = 1e-6
"""What the share of the constant counts. In ReLU networks without weight decay it is the largest of
nearly every unit, which would be left with no wave; so it is ranked last, but of a unit that has
nothing else."""


class Waves:
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

    def __init__(self, network: Network, order: Int[np.ndarray, "residue"]) -> None:
        self.network, self.order = network, order
        self.n_frequencies = len(order) // 2 + 1
        arrays = arrays_of(network)
        self._matrices: dict[str, Float[np.ndarray, "row unit"]] = {}
        self._waves: dict[str, Complex[np.ndarray, "freq unit"]] = {}
        self.ranks: dict[str, Int[np.ndarray, "freq unit"]] = {}
        for title, layer in measured_layers(network).items():
            for name in layer.vectors:
                self._matrices[name] = np.asarray(arrays[name])
                self._waves[name] = np.fft.rfft(self._matrices[name][order], axis=0)
            total = np.sum([shares_of(self._waves[name]) for name in layer.vectors], axis=0)
            total[0] *= ALMOST_NOTHING
            strongest = np.argsort(-total, axis=0, kind="stable")
            self.ranks[title] = np.argsort(strongest, axis=0)

    def strongest(self, frequencies: int) -> Network:
        """The network whose units keep their strongest frequencies, and nothing else."""
        return self._kept(frequencies, self._waves)

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

    def _kept(self, frequencies: int, waves: dict[str, np.ndarray]) -> Network:
        """The network made of the strongest of some waves."""
        made = {}
        for title, layer in measured_layers(self.network).items():
            for name in layer.vectors:
                matrix = self._matrices[name].copy()
                kept = waves[name] * (self.ranks[title] < frequencies)
                matrix[self.order] = np.fft.irfft(kept, len(self.order), axis=0)
                made[name] = matrix
        return with_arrays(self.network, made)


def extracted(network: Network, order: Int[np.ndarray, "residue"], frequencies: int = 1) -> Network:
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


EXTRACTED = ("test_accuracy", "corrupted_accuracy", "corrected_accuracy")


def extraction_scores(
    network: Network, examples: Examples, experiment: Experiment
) -> dict[str, float]:
    """Accuracies of the network whose units keep their strongest frequency, by measures' names."""
    order = examples.dataset.shift_order
    if not measured_layers(network) or order is None:
        return {}
    single = extracted(network, order)
    scores = examples.scores(single, experiment.loss)
    return {f"extracted_{name}": scores[name] for name in EXTRACTED}
