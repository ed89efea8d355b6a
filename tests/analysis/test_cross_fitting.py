"""Every example is judged by a network that was not given its label."""

import numpy as np
import pytest

import plain_data
from grokscope.analysis.cross_fitting import cross_fit, estimated_seconds
from grokscope.analysis.label_audit import audit, quality
from grokscope.data.dataset import all_for_training, make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.runs.snapshot import at
from grokscope.runs.train import train

SMALL = Experiment(
    task="plain_data:features", model="image_mlp", loss="cross_entropy", steps=60, width=16
)


@pytest.mark.slow
def test_a_label_does_not_touch_the_judgement_of_its_own_fold():
    """And it does touch that of all others: their networks were given it."""
    runs = [train(SMALL.replace(wrong=wrong), progress=False) for wrong in (-1, 7)]
    before, after = (audit(run, folds=4, progress=False) for run in runs)
    np.testing.assert_array_equal(before.row, after.row)
    np.testing.assert_array_equal(before.fold, after.fold)
    (changed,) = np.flatnonzero(before.given != after.given)
    assert before.row[changed] == 7
    own_fold = (before.fold == before.fold[changed]).values
    same = (before.probability == after.probability).all("label").values
    assert same[own_fold].all()
    assert not same[~own_fold].any()


@pytest.mark.slow
def test_every_row_is_judged_once_by_evidence_that_follows_from_the_probabilities():
    found = audit(train(SMALL, progress=False), folds=7, progress=False)
    _, labels, *_ = plain_data.features()
    assert sorted(found.row.values) == list(range(60))
    np.testing.assert_array_equal(found.given, labels[found.row])
    assert sorted(np.bincount(found.fold)) == [8, 8, 8, 9, 9, 9, 9]
    assert found.attrs == {"folds": 7}
    probability, given = found.probability.values, found.given.values
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    own = probability[np.arange(60), given]
    others = np.where(np.eye(3)[given] == 1, 0, probability).max(axis=1)
    np.testing.assert_allclose(found.confidence, -own)
    np.testing.assert_allclose(found.loss, -np.log(own))
    np.testing.assert_allclose(found.margin, np.log(others / own), rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(found.suggested, probability.argmax(axis=1))


def test_the_split_seed_decides_which_are_together():
    run, other = (train(SMALL.replace(split_seed=seed), progress=False) for seed in (0, 1))
    folds = [
        dict(zip(found.dataset.rows, found.fold, strict=False))
        for found in (cross_fit(one, 2, progress=False) for one in (run, run, other))
    ]
    assert folds[0] == folds[1] != folds[2]


@pytest.mark.slow
def test_wrong_labels_of_residues_are_found_out_of_sample(coexisting):
    found = audit(coexisting, folds=5, progress=False)
    n = coexisting.data.n_train
    np.testing.assert_array_equal(found.given[:n], coexisting.data.given_labels[:n])
    m, k = np.divmod(found.row.values, 41)
    np.testing.assert_array_equal((m + k) % 41, found.true)
    assert sorted(found.row.values) == list(range(41**2))
    assert "pruned_margin" not in found
    assert quality(found.margin.values, found.is_wrong.values)["auroc"] > 0.98


@pytest.mark.parametrize("corruption", [0.0, 0.35, 1.0])
@pytest.mark.parametrize("settings", [{"modulus": 11}, {"task": "plain_data:features"}])
def test_all_for_training_keeps_the_training_set_and_corrupts_the_rest_alike(settings, corruption):
    model = "two_layer" if "modulus" in settings else "image_mlp"
    experiment = Experiment(model=model, corruption_fraction=corruption, **settings)
    small, whole = make_dataset(experiment), all_for_training(experiment)
    n, total = small.n_train, whole.n_train
    assert total == (121 if "modulus" in settings else 60)
    for name in ("inputs", "true_labels", "given_labels", "is_corrupted", "rows"):
        np.testing.assert_array_equal(getattr(whole, name)[:n], getattr(small, name)[:n])
    assert whole.is_corrupted[n:total].sum() == int(corruption * (total - n) + 1e-5)
    clean = ~whole.is_corrupted
    np.testing.assert_array_equal(whole.given_labels[clean], whole.true_labels[clean])


@pytest.mark.parametrize(
    ("settings", "folds", "words"),
    [
        ({}, 0, "`folds` must be a whole number from 2 to the 60 examples"),
        ({}, 61, "`folds` must be a whole number from 2 to the 60 examples"),
        ({"batch_size": 40, "train_fraction": 0.8}, 2, "`folds` must leave a batch of 40"),
    ],
)
def test_impossible_folds_are_refused(settings, folds, words):
    run = train(SMALL.replace(steps=0, **settings), progress=False)
    with pytest.raises(ConfigError, match=words):
        audit(run, folds)


def test_a_run_that_goes_on_from_another_is_refused():
    """Its folds would be trained from new weights, for the steps since then."""
    branch = train(SMALL.replace(steps=8, start_step=2), progress=False)
    with pytest.raises(ConfigError, match=r"`folds` must be of a run .* from step 2 of another"):
        audit(branch, 2)


def test_a_fold_that_diverges_is_refused():
    run = train(SMALL.replace(steps=3), progress=False)
    wild = run.experiment.replace(optimizer="sgd", learning_rate=1e12)
    object.__setattr__(run, "experiment", wild)
    with pytest.raises(ConfigError, match="diverged at step"):
        cross_fit(run, 2, progress=False)


def test_the_time_is_estimated_from_steps_that_are_timed():
    run = train(SMALL, progress=False)
    assert 0 < estimated_seconds(run, 5) < 60


def test_folds_end_where_the_run_does_whatever_it_measured_and_kept():
    lists = {"measure": [0, 2, 8], "keep_weights": [0, 8]}
    run = train(SMALL.replace(steps=8, **lists), progress=False)
    plain = train(SMALL.replace(steps=2, measure_every=2), progress=False)
    found, expected = audit(at(run, 2), 2), audit(plain, 2)
    assert found.equals(expected)
