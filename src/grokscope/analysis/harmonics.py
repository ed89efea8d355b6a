"""Waves at multiples of a periodic neuron's frequency: the secondary peaks of App. I.2."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import xarray as xr

from grokscope.errors import ConfigError
from grokscope.measures.analytic_terms import analytic_terms, logits_of_pairs
from grokscope.measures.spectrum import HIGH_IPR
from grokscope.models.precision import in_own_precision
from grokscope.models.two_layer import TwoLayer
from grokscope.runs.run import Run, require_finished

MULTIPLES = np.arange(1, 9)

DOUBLED = ("2m-q", "2m+q", "2n-q", "2n+q")
"""Eq. 6's terms with twice an operand, which come of the square of a single cosine."""


def harmonics(run: Run) -> xr.Dataset:
    """The waves at multiples of each periodic neuron's own frequency.

    Args:
        run: of a network of two layers on modular addition, with its weights.

    Returns:
        Over `matrix` (U, V, W), `multiple` (1 to 8) and `neuron` (those above IPR .5): `amplitude`
        over that at the neuron's strongest frequency k in that matrix; `shift`, with φ the phase at
        k and ψ at multiple·k, ψ - multiple·φ, from 0 to 2π. And over `matrix` and `neuron`,
        `second`: the multiple that is the second-strongest frequency of all; 0 if none of these.

    Raises:
        ConfigError: if the network is another, or the run diverged or was stored without weights.
    """
    matrices = _matrices(run)
    neurons = np.flatnonzero(run.neuron_ipr > HIGH_IPR)
    found = [_multiples(vectors[:, neurons]) for vectors in matrices.values()]
    amplitude, shift, second = (np.stack(values) for values in zip(*found, strict=True))
    dims = ("matrix", "multiple", "neuron")
    return xr.Dataset(
        {
            "amplitude": (dims, amplitude),
            "shift": (dims, shift),
            "second": (("matrix", "neuron"), second),
        },
        {"matrix": [*matrices], "multiple": MULTIPLES, "neuron": neurons},
    )


def _matrices(run: Run) -> dict[str, np.ndarray]:
    """Copies of the weights of a network that adds two residues, over residues and neurons."""
    require_finished(run, "taken apart into waves")
    network = run.network
    adds = getattr(run.experiment.task, "operation", "") == "addition"
    if not (adds and isinstance(network, TwoLayer) and len(network.operands) == 2):
        raise ConfigError(
            "`run` must be of a network of two layers on modular addition of two residues, got "
            f"{run.experiment.model.name} of {run.experiment.task.title}. Use run.neurons()."
        )
    return {name: np.array(getattr(network, name), float) for name in ("U", "V", "W")}


def _multiples(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Amplitudes, shifts and the second-strongest, of one matrix."""
    p = len(vectors)
    waves = np.fft.fft(vectors, axis=0)
    power = abs(waves[1 : p // 2 + 1]) ** 2
    ordered = 1 + np.argsort(-power, axis=0)  # frequencies, the strongest first
    frequency = MULTIPLES[:, None] * ordered[0] % p
    at = np.take_along_axis(waves, frequency, axis=0)
    shift = (np.angle(at) - MULTIPLES[:, None] * np.angle(at[0])) % (2 * np.pi)
    is_second = _folded(frequency, p) == (ordered[1] if len(ordered) > 1 else -1)
    second = np.where(is_second.any(axis=0), MULTIPLES[is_second.argmax(axis=0)], 0)
    return abs(at) / abs(at[0]), shift, second


@in_own_precision
def doubled_power(run: Run, without: int | None = None) -> float:
    """The power of `DOUBLED` terms in the network's logits over all pairs.

    Args:
        run: as of `harmonics`.
        without: a multiple of each periodic neuron's frequency whose wave is left out of its
            weights; by default none.

    Raises:
        ConfigError: as of `harmonics`, or if the modulus is even, where these terms overlap.
    """
    matrices = _matrices(run)
    if len(matrices["W"]) % 2 == 0:
        raise ConfigError(
            "`run` must be of an odd modulus, where Eq. 6's terms are apart, got "
            f"{run.experiment.task.title}. Use another modulus."
        )
    periodic = run.neuron_ipr > HIGH_IPR
    for vectors in matrices.values():
        if without is not None:
            vectors[:, periodic] -= _wave(vectors[:, periodic], without)
    network = run.network
    arrays = {name: jnp.asarray(of, getattr(network, name).dtype) for name, of in matrices.items()}
    terms = analytic_terms(logits_of_pairs(replace(network, **arrays), run.data.inputs))
    return float(sum((terms[name] ** 2).sum() for name in DOUBLED))


def _wave(vectors: np.ndarray, multiple: int) -> np.ndarray:
    """Of each vector the wave at a multiple of its strongest frequency."""
    waves = np.fft.rfft(vectors, axis=0)
    p = len(vectors)
    frequency = multiple * (1 + abs(waves[1:]).argmax(axis=0)) % p
    is_kept = np.arange(len(waves))[:, None] == _folded(frequency, p)
    return np.fft.irfft(waves * is_kept, p, axis=0)


def _folded(frequency: np.ndarray, p: int) -> np.ndarray:
    """The frequency from 0 to p/2 that a real wave of one from 0 to p has."""
    return np.minimum(frequency, p - frequency)
