"""What the training labels alone say of the test examples, without any network."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Float, Int, Shaped

from grokscope.data.dataset import Dataset
from grokscope.measures.material import Material, Numbers, answers_of, means
from grokscope.measures.scores import AnyArray, namespace
from grokscope.measures.spectrum import places_in
from grokscope.models.network import Network

ROUNDING = 1e-6
"""Of the largest vote: what is below is none."""

FORMS = ((-1, -1), (-1, 1), (1, -1), (1, 1), (-2, 0), (2, 0), (0, -2), (0, 2), (0, 0))
"""Factors a, b of the waves in q + a m + b n that (cos(m) + cos(n))² cos(q) is made of."""


def vote_logits(
    dataset: Dataset, order: Int[np.ndarray, "residue"]
) -> Float[np.ndarray, "example label"]:
    """The given training labels, projected on what neurons of one frequency can express.

    The labels are a function of a pair and a label, L(m, n, q): 1 where a training example (m, n)
    was given the label q, and 0 elsewhere. A quadratic neuron whose three vectors are waves of one
    frequency f, a constant left out, can express waves of the frequencies (a f, b f, f) for the
    `FORMS` a, b. The projection of L on all of these, for every f from 1, is returned. No weights
    enter, but the order of the residues does, which leaves few rules to choose from.

    Args:
        dataset: of pairs of residues.
        order: the residues in the order in which the operation is a shift. Examples and labels of
            a residue that is left out have no vote: their logits are 0.
    """
    spectra = vote_spectra(dataset, order)
    return np.asarray(_logits(spectra, dataset.inputs, order, dataset.n_labels))


def vote_spectra(
    dataset: Dataset, order: Int[np.ndarray, "residue"]
) -> Float[np.ndarray, "form residue"]:
    """For each of the `FORMS`, the vote as a function of (q + a m + b n) mod p.

    It is how many training examples have each value of that, less the mean. So it takes one pass
    over the examples.
    """
    n = len(order)
    places = places_in(order, dataset.n_labels)
    pairs, given = places[dataset.inputs], places[dataset.given_labels]
    votes = (pairs >= 0).all(axis=1) & (given >= 0) & dataset.is_train
    (m, n_), q = pairs[votes].T, given[votes]

    frequency = np.arange(n // 2 + 1)
    spectra = np.zeros((len(FORMS), n))
    seen: dict[tuple[int, int, int], int] = {}
    for index, (a, b) in enumerate(FORMS):
        wave = np.fft.rfft(np.bincount((q + a * m + b * n_) % n, minlength=n))
        wave[0] = 0
        for f in frequency[1:]:  # modulo a small or a composite n two forms can be the same wave
            if seen.setdefault((a * f % n, b * f % n, f), index) != index:
                wave[f] = 0
        spectra[index] = np.fft.irfft(wave, n) / n**2
    return spectra.astype(np.float32)


def _logits(
    spectra: Shaped[AnyArray, "form residue"],
    inputs: Shaped[AnyArray, "example 2"],
    order: Shaped[AnyArray, "residue"],
    n_labels: int,
) -> Float[AnyArray, "example label"]:
    """The vote of each example, from its spectra."""
    n, xp = len(order), namespace(spectra)
    labels = np.arange(n)
    place = places_in(order, n_labels)
    m, n_ = place[inputs].T
    found = xp.zeros((len(inputs), n), np.float32)
    for (a, b), values in zip(FORMS, spectra, strict=True):
        table = values[(labels + labels[:, None]) % n]  # [a m + b n, q]
        found += table[(a * m + b * n_) % n]
    votes = (place[inputs] >= 0).all(axis=1, keepdims=True) & (place >= 0)
    votes = votes & (abs(found[:, place]) > ROUNDING * abs(spectra).max())
    return xp.where(votes, found[:, place], 0)


def vote_answers(logits: Float[AnyArray, "example label"]) -> Int[AnyArray, "example"]:
    """The label with the largest vote; -1, which is no label, of an example without any vote.

    >>> vote_answers(np.array([[0.0, 2.0], [0.0, 0.0]])).tolist()
    [1, -1]
    """
    return namespace(logits).where((logits != 0).any(axis=1), answers_of(logits), -1)


def vote_order(dataset: Dataset) -> Int[np.ndarray, "residue"] | None:
    """The order in which data have a vote; None if they are no pairs of a cyclic group."""
    order = dataset.shift_order
    if order is None or dataset.inputs.shape[1] != 2 or len(order) > dataset.n_labels:
        return None
    return order


def vote_scores(network: Network, material: Material, loss: str) -> Numbers:
    """Accuracies of the vote, by the measures' names; none without pairs of a cyclic group."""
    if material.votes is None or material.order is None:
        return {}
    n_labels = jax.eval_shape(network, material.inputs[:1]).shape[1]
    answers = vote_answers(_logits(material.votes, material.inputs, material.order, n_labels))
    return means(
        {
            "vote_test_accuracy": (answers == material.given, material.is_test),
            "vote_corrected_accuracy": (answers == material.true, material.is_corrupted),
        }
    )
