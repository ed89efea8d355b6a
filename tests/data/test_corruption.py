"""Kinds of noise: which labels are wrong, and what they are instead."""

import jax.numpy as jnp
import numpy as np
import pytest

from grokscope.data.corruption import second_labels
from grokscope.data.dataset import all_for_training, make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.measures.phases import GENERALIZED, Phase, classify
from grokscope.runs.train import train

BASE = Experiment(corruption_fraction=0.3, modulus=23, width=16)
KINDS = ["uniform", "uniform_wrong", "asymmetric", "by_operand", "second_rule"]


def data(kind, **settings):
    return make_dataset(BASE.replace(corruption=kind, **settings))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_corrupts_as_many_and_stays_nested(kind):
    for fraction in (0.1, 0.3, 1.0):
        less, more = (data(kind, corruption_fraction=f) for f in (fraction / 2, fraction))
        assert more.is_corrupted.sum() == int(fraction * more.n_train + 1e-5)
        assert not (less.is_corrupted & ~more.is_corrupted).any()
        same = less.is_corrupted
        assert np.array_equal(less.given_labels[same], more.given_labels[same])
        clean = ~more.is_corrupted
        assert np.array_equal(more.given_labels[clean], more.true_labels[clean])


def test_the_next_label_and_never_the_true_one():
    asymmetric, wrong = data("asymmetric"), data("uniform_wrong")
    shift = (asymmetric.given_labels - asymmetric.true_labels)[asymmetric.is_corrupted] % 23
    assert set(shift.tolist()) == {1}
    assert wrong.is_wrong[wrong.is_corrupted].all()


def test_uniform_kinds_by_name_are_the_experiments_of_before():
    assert digest(BASE.replace(corruption="uniform")) == digest(BASE)
    assert BASE.replace(corruption="uniform_wrong") == BASE.replace(exclude_true_label=True)
    assert digest(BASE.replace(second_rule="m2+n")) == digest(BASE)
    second = BASE.replace(corruption="second_rule")
    assert digest(second.replace(second_rule="m2+n")) != digest(second)


def test_another_kind_of_noise_takes_the_place_of_wrong_labels_alone():
    wrong = BASE.replace(corruption="uniform_wrong")
    assert wrong.replace(corruption="uniform") == BASE
    assert wrong.replace(corruption="asymmetric") == BASE.replace(corruption="asymmetric")


def test_by_operand_all_rows_of_a_first_token_are_corrupted_before_the_next():
    noisy = data("by_operand")
    first, train = noisy.inputs[:, 0], noisy.is_train
    shares = [noisy.is_corrupted[train & (first == m)].mean() for m in range(23)]
    assert sum(0 < share < 1 for share in shares) <= 1
    assert 3 <= sum(share == 1 for share in shares) <= 11
    others = data("by_operand", seed=1)
    assert set(first[noisy.is_corrupted]) != set(others.inputs[others.is_corrupted, 0])


def test_of_a_second_rule_corrupted_labels_are_those_of_it():
    noisy = data("second_rule", second_rule="m2+n")
    m, n = noisy.inputs[noisy.is_corrupted].T
    assert np.array_equal(noisy.given_labels[noisy.is_corrupted], (m**2 + n) % 23)
    whole = all_for_training(BASE.replace(corruption="second_rule", second_rule="m2+n"))
    assert np.array_equal(whole.given_labels[: noisy.n_train], noisy.given_labels[: noisy.n_train])


def test_by_instance_the_wrong_label_of_highest_score(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_scores.py").write_text(
        "import numpy as np\n"
        "def close(inputs, n_labels):\n"
        '    """Labels near m are taken for others."""\n'
        "    return -np.abs(inputs[:, :1] - np.arange(n_labels))\n"
        "def short(inputs, n_labels):\n"
        "    return np.zeros((len(inputs), 2))\n"
    )
    noisy = data("by_instance", label_scores="my_scores:close")
    for (m, _), given, true in zip(
        noisy.inputs[noisy.is_corrupted].tolist(),
        noisy.given_labels[noisy.is_corrupted].tolist(),
        noisy.true_labels[noisy.is_corrupted].tolist(),
        strict=True,
    ):
        assert given == min((q for q in range(23) if q != true), key=lambda q: (abs(q - m), q))
    with pytest.raises(ConfigError, match=r"must return finite scores \[529, 23\]"):
        data("by_instance", label_scores="my_scores:short")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"corruption": "worse"}, "`corruption` must be uniform, uniform_wrong, asymmetric"),
        ({"corruption": "asymmetric", "exclude_true_label": True}, "`exclude_true_label` must be"),
        ({"corruption": "by_instance"}, "`label_scores` must be given with corruption by_instance"),
        ({"corruption": "second_rule", "second_rule": "division"}, "which has none for n = 0"),
        ({"corruption": "second_rule", "operation": "subtraction"}, "another rule than the op"),
        (
            {"corruption": "second_rule", "task": "parity"},
            "must not be second_rule without residues",
        ),
        (
            {"corruption": "by_operand", "task": "mnist", "model": "image_mlp"},
            "must not be by_operand without tokens",
        ),
    ],
)
def test_impossible_noise_is_refused_in_one_line(settings, words):
    with pytest.raises(ConfigError, match=words) as error:
        Experiment(**settings)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_network_that_follows_the_second_rule_is_in_a_phase_of_its_own():
    """Most labels are those of the second rule; the control is of the first alone."""
    experiment = Experiment(
        modulus=23, width=200, train_fraction=0.8, steps=400, weight_decay=5,
        corruption="second_rule", corruption_fraction=0.9,
    )  # fmt: skip
    second = train(experiment, progress=False)
    assert second.phase() is Phase.SECOND_RULE
    tested = second.data.inputs[~second.data.is_train]
    answers = np.asarray(second.network(jnp.asarray(tested))).argmax(axis=1)
    m, n = tested.T
    assert second.dataset.second_rule_accuracy.item() == pytest.approx(
        (answers == (m - n) % 23).mean()
    )
    first = train(experiment.replace(corruption_fraction=0.1), progress=False)
    assert first.phase() in GENERALIZED
    assert first.dataset.second_rule_accuracy.item() < 0.2


def test_without_a_second_rule_phases_are_those_of_before():
    assert classify(0.9, 0.1, 0.1, 0.3).item() is Phase.MEMORIZATION
    assert classify(0.9, 0.1, 0.1, 0.3, 0.95).item() is Phase.SECOND_RULE
    assert classify(0.9, 0.95, 0.95, 0.3, 0.1).item() is Phase.COEXISTENCE


def test_labels_of_a_second_rule_are_exact_for_a_large_modulus():
    """1300³ is more than 32 bits hold."""
    task = {"corruption": "second_rule", "second_rule": "m3+mn", "modulus": 1301}
    m, n = 1300, 7
    found = second_labels(Experiment(**task), np.array([[m, n]], np.int32))
    assert found.tolist() == [(m**3 + m * n) % 1301]
