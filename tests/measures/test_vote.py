"""What the labels alone say, against sums over every example, wave and place, written out."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from grokscope.data.dataset import complete, make_dataset
from grokscope.data.groups import group_of
from grokscope.experiment.experiment import Experiment
from grokscope.measures.examples import Examples
from grokscope.measures.vote import FORMS, vote_answers, vote_logits, vote_order, vote_scores
from networks import numbers, random_network

NOISY = Experiment(corruption_fraction=0.3, train_fraction=0.7)


def by_definition(data, order):
    """Logits by a tensor of labels, its transform in three dimensions, and the inverse."""
    n = len(order)
    place = {residue: index for index, residue in enumerate(order.tolist())}
    L = np.zeros((n, n, n))
    for (m, k), q in zip(
        data.inputs[: data.n_train].tolist(),
        data.given_labels[: data.n_train].tolist(),
        strict=True,
    ):
        if m in place and k in place and q in place:
            L[place[m], place[k], place[q]] += 1
    kept = {(a * f % n, b * f % n, f) for (a, b), f in product(FORMS, range(1, n))}
    turn = np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)
    projected = np.zeros((n, n, n), complex)
    for x, y, z in kept:
        wave = np.einsum("m,n,q->mnq", turn[x], turn[y], turn[z])
        projected += (L * wave).sum() * wave.conj() / n**3
    assert np.abs(projected.imag).max() < 1e-12
    logits = np.zeros((len(data.inputs), data.n_labels))
    for row, (m, k) in zip(logits, data.inputs.tolist(), strict=True):
        if m in place and k in place:
            row[order] = projected.real[place[m], place[k]]
    return logits


@pytest.mark.parametrize(
    ("operation", "modulus"),
    [
        ("addition", 5), ("addition", 7), ("addition", 6), ("addition", 4), ("addition", 3),
        ("addition", 2), ("addition", 9), ("multiplication", 7), ("multiplication", 5),
    ],
)  # fmt: skip
def test_logits_are_the_labels_projected_on_the_waves_of_the_forms(operation, modulus):
    experiment = NOISY.replace(operation=operation, modulus=modulus)
    data, order = make_dataset(experiment), group_of(experiment.task, None).shift_order
    np.testing.assert_allclose(vote_logits(data, order), by_definition(data, order), atol=1e-6)


def test_forms_are_the_frequencies_of_a_neuron_of_one_frequency():
    """Those of (cos m + cos n)² cos q with q once, by its transform in three dimensions."""
    p = 11
    m, n, q = np.meshgrid(*[2 * np.pi * np.arange(p) / p] * 3, indexing="ij")
    waves = np.fft.fftn((np.cos(m + 0.3) + np.cos(n + 0.5)) ** 2 * np.cos(q + 0.7))
    found = {
        tuple(int(f) - p * (f > p // 2) for f in place)
        for place in np.argwhere(np.abs(waves) > 1e-6)
    }
    assert {(a, b) for a, b, f in found if f == 1} == set(FORMS)
    assert {(-a, -b) for a, b, f in found if f == -1} == set(FORMS)
    assert {f for _, _, f in found} == {1, -1}


@pytest.mark.parametrize("operation", ["addition", "multiplication"])
def test_labels_of_the_rule_are_voted_right(operation):
    experiment = Experiment(train_fraction=0.9).replace(operation=operation, modulus=11)
    data, order = make_dataset(experiment), group_of(experiment.task, None).shift_order
    known = np.isin(data.inputs, order).all(axis=1)
    predicted = vote_logits(data, order).argmax(axis=1)
    assert known[~data.is_train].sum() > 5
    np.testing.assert_array_equal(predicted[known], data.true_labels[known])


def test_the_labels_of_test_examples_do_not_enter():
    data, order = make_dataset(NOISY.replace(modulus=7)), np.arange(7)
    rng = np.random.default_rng(0)
    changed = {
        name: np.where(data.is_train, labels, rng.integers(7, size=len(labels))).astype(np.int32)
        for name, labels in (("true_labels", data.true_labels), ("given_labels", data.given_labels))
    }
    assert not np.array_equal(changed["given_labels"], data.given_labels)
    np.testing.assert_array_equal(
        vote_logits(replace(data, **changed), order), vote_logits(data, order)
    )
    # Nor what only an evaluation may know: which labels are wrong, and the true ones of training.
    blind = replace(data, true_labels=data.given_labels, is_corrupted=~data.is_corrupted)
    np.testing.assert_array_equal(vote_logits(blind, order), vote_logits(data, order))


def test_what_has_a_zero_has_no_vote_in_multiplication():
    experiment = NOISY.replace(operation="multiplication", modulus=7)
    data, order = make_dataset(experiment), group_of(experiment.task, None).shift_order
    logits = vote_logits(data, order)
    has_zero = (data.inputs == 0).any(axis=1)
    assert not logits[has_zero].any()
    assert not logits[:, 0].any()
    assert logits[~has_zero].any(axis=1).all()
    given = data.given_labels.copy()
    given[has_zero & data.is_train] = 3
    np.testing.assert_array_equal(vote_logits(replace(data, given_labels=given), order), logits)


@pytest.mark.parametrize("operation", ["addition", "multiplication", "division"])
def test_an_example_without_a_vote_counts_as_answered_wrongly(operation):
    experiment = NOISY.replace(operation=operation, modulus=7)
    data, order = make_dataset(experiment), group_of(experiment.task, None).shift_order
    rows = zip(data.inputs, by_definition(data, order), data.true_labels, strict=True)
    is_right = np.array([
        row.argmax() == true and (operation == "addition" or 0 not in pair)
        for pair, row, true in rows
    ])  # fmt: skip
    assert numbers(vote_scores, random_network(experiment), Examples(data, experiment)) == {
        "vote_test_accuracy": pytest.approx(is_right[~data.is_train].mean()),
        "vote_corrected_accuracy": pytest.approx(is_right[data.is_corrupted].mean()),
    }


def test_scores_are_those_of_the_logits():
    experiment = NOISY.replace(modulus=7)
    data = make_dataset(experiment)
    predicted = by_definition(data, np.arange(7)).argmax(axis=1)
    is_true = predicted == data.true_labels
    found = numbers(vote_scores, random_network(experiment), Examples(data, experiment))
    assert found == {
        "vote_test_accuracy": pytest.approx(is_true[~data.is_train].mean()),
        "vote_corrected_accuracy": pytest.approx(is_true[data.is_corrupted].mean()),
    }
    others = complete(Experiment(task="plain_data:features", model="image_mlp"))
    assert (
        numbers(vote_scores, random_network(others), Examples(make_dataset(others), others)) == {}
    )


def test_rounding_is_no_vote():
    """Of few examples modulo 3 the votes of many pairs cancel, but for the last digits."""
    for seed in range(20):
        experiment = NOISY.replace(modulus=3, train_fraction=0.4, seed=seed)
        data = make_dataset(experiment)
        order = vote_order(data)
        votes = (abs(by_definition(data, order)) > 1e-9).any(axis=1)
        assert np.array_equal(vote_answers(vote_logits(data, order)) >= 0, votes)
