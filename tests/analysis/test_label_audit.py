"""Evidence of wrong labels: against definitions, by phase, and on the command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import plain_data
from grokscope.analysis.label_audit import (
    EVIDENCE,
    audit,
    is_truth_known,
    judged_by,
    qualities,
    quality,
)
from grokscope.cli import main
from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment import own_code
from grokscope.experiment.experiment import Experiment
from grokscope.plotting.audit import plot_audit
from grokscope.runs.compact import without_weights
from grokscope.runs.store import Store
from grokscope.runs.train import train
from reference import weights64


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=30))
def test_quality_by_counting_pairs(rows):
    evidence = np.array([float(value) for value, _ in rows])
    wrong = np.array([is_wrong for _, is_wrong in rows])
    found = quality(evidence, wrong, is_margin=True)
    if wrong.all() or not wrong.any():
        assert np.isnan(list(found.values())).all()
        return
    above = evidence[wrong][:, None] - evidence[~wrong]
    assert found["auroc"] == pytest.approx(((above > 0) + 0.5 * (above == 0)).mean())
    if (evidence > 0).any():
        assert found["precision"] == pytest.approx(wrong[evidence > 0].mean())
    assert found["recall"] == pytest.approx((evidence > 0)[wrong].mean())


def test_evidence_by_its_definition(coexisting):
    """With the network in float64, and the pruned one made by removing columns of W."""
    found, data = audit(coexisting), make_dataset(coexisting.experiment)
    U, V, W = weights64(coexisting.network)
    n = data.n_train
    hidden = (U.T[data.inputs[:n, 0]] + V.T[data.inputs[:n, 1]]) ** 2
    kept = np.flatnonzero(np.nan_to_num(coexisting.neuron_ipr) > 0.25)
    assert 0 < len(kept) == found.attrs["kept"] < 200
    rows, labels = np.arange(n), data.given_labels[:n]
    for prefix, logits in (("", hidden @ W.T), ("pruned_", hidden[:, kept] @ W[:, kept].T)):
        share = np.exp(logits[rows, labels]) / np.exp(logits).sum(axis=1)
        np.testing.assert_allclose(found[f"{prefix}confidence"], -share, atol=1e-5)
        loss = ((logits - np.eye(logits.shape[1])[labels]) ** 2).mean(axis=1)
        np.testing.assert_allclose(found[f"{prefix}loss"], loss, rtol=1e-3)
        own = logits[rows, labels].copy()
        logits[rows, labels] = -np.inf
        np.testing.assert_allclose(found[f"{prefix}margin"], logits.max(axis=1) - own, atol=1e-4)
    assert np.array_equal(found.is_wrong, data.given_labels[:n] != data.true_labels[:n])


def test_the_pruned_network_finds_what_the_whole_one_has_memorised(coexisting):
    found = audit(coexisting)
    wrong = found.is_wrong.values
    aurocs = {name: quality(found[name].values, wrong)["auroc"] for name in EVIDENCE}
    assert aurocs["pruned_margin"] > 0.98
    assert aurocs["pruned_margin"] > aurocs["confidence"]
    assert quality(found.pruned_margin.values, wrong)["precision_at_wrong"] > 0.9
    assert (found.suggested == found.true).values[wrong].mean() > 0.9


def test_no_evidence_knows_the_truth_or_the_test_examples(coexisting):
    """Which are replaced by nonsense."""
    n, nonsense = coexisting.data.n_train, np.zeros_like(coexisting.data.true_labels)
    given = np.where(coexisting.data.is_train, coexisting.data.given_labels, 0)
    unknowing = replace(coexisting)
    unknowing.__dict__["data"] = replace(
        coexisting.data, true_labels=nonsense, given_labels=given, is_corrupted=nonsense > 0
    )
    found, same = audit(coexisting), audit(unknowing)
    assert len(given) > n
    for name in (*EVIDENCE, "suggested"):
        np.testing.assert_array_equal(found[name], same[name])


def test_without_periodic_neurons_the_whole_network_is_used_and_that_is_said(memorizing):
    found = audit(memorizing)
    assert np.nanmax(memorizing.neuron_ipr) < 0.25
    assert (found.attrs["periodic"], found.attrs["kept"]) == (0, 200)
    assert judged_by(found) == "nothing is pruned: no neuron has an IPR above 0.25"
    for name in ("confidence", "loss", "margin"):
        np.testing.assert_array_equal(found[name], found[f"pruned_{name}"])
    every = found.assign_attrs(periodic=200)
    assert judged_by(every) == "nothing is pruned: every neuron has an IPR above 0.25"


def test_who_only_memorised_shows_nothing_unless_the_order_of_residues_is_given(memorizing):
    """With it the training labels alone show as much, without a network."""
    found = audit(memorizing)
    for name in EVIDENCE:
        auroc = quality(found[name].values, found.is_wrong.values)["auroc"]
        if name in ("vote_margin", "extracted_margin"):
            assert auroc > 0.9
        else:
            assert abs(auroc - 0.5) < 0.15


def test_rows_lead_back_to_the_task_s_own(coexisting):
    found, data = audit(coexisting), coexisting.data
    m, n = np.divmod(found.row.values, 41)
    np.testing.assert_array_equal(np.stack([m, n], axis=1), data.inputs[: data.n_train])
    np.testing.assert_array_equal((m + n) % 41, found.true)
    assert sorted(data.rows) == list(range(41**2))


@pytest.fixture(scope="module")
def own():
    """A network trained on data of which nobody knows which labels are wrong."""
    experiment = Experiment(task="plain_data:features", model="image_mlp", steps=100)
    return train(experiment.replace(width=16, train_fraction=0.5), progress=False)


@pytest.mark.slow
def test_without_the_truth_nothing_is_called_wrong(own, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = audit(own, progress=False)
    assert not {"true", "is_wrong"} & {*found.data_vars}
    assert qualities(found) == {}
    features, labels, *_ = plain_data.features()
    np.testing.assert_array_equal(labels[found.row], found.given)
    n = own.data.n_train
    np.testing.assert_array_equal(features[found.row[:n]], own.data.inputs[:n])
    np.testing.assert_array_equal(audit(own, folds=1).row, found.row[:n])
    path = str(Store(tmp_path).save(own).path)
    monkeypatch.setattr(own_code, "_folders", {})  # or the code would be found without --code
    for arguments in (["--export", "suspects.csv"], ["--json", "--top", "2"]):
        with pytest.raises(SystemExit) as ended:
            main(["audit", path, *arguments, "--code", str(Path(plain_data.__file__).parent)])
        assert not ended.value.code
    printed = capsys.readouterr()
    assert printed.err.count("grokscope: training 5 networks takes about") == 2
    *lines, document = printed.out.splitlines()
    text = "\n".join(lines)
    assert "the truth is not known" in text
    assert "out of sample, by 5 networks" in text
    assert not any(word in text for word in ("true", "labels are wrong\n", "precision", "AUROC"))
    document = json.loads(document)
    assert (document["wrong"], document["truth_is_known"], document["evidence"]) == (
        None,
        False,
        {},
    )
    assert "true" not in document["strongest"][0]
    table = pd.read_csv("suspects.csv")
    assert list(table) == ["row", "given", "suggested", "evidence"]
    assert sorted(table.row) == list(range(60))
    assert table.evidence.is_monotonic_decreasing
    assert (labels[table.row] == table.given).all()
    assert (table.evidence > 0).sum() == document["flagged"]
    assert len(plot_audit(own, found).axes) == 1


def test_labels_corrupted_here_are_known_whatever_the_task(own):
    noisy = train(own.experiment.replace(corruption_fraction=0.2, steps=20), progress=False)
    assert is_truth_known(noisy.experiment)
    found = audit(noisy, progress=False)
    labels = plain_data.features()[1]
    np.testing.assert_array_equal(labels[found.row], found.true)
    np.testing.assert_array_equal(found.is_wrong, found.given != found.true)


def test_runs_that_cannot_be_audited_are_refused(coexisting):
    with pytest.raises(ConfigError, match="must have its weights"):
        audit(without_weights(coexisting))


@pytest.mark.slow
def test_the_command_lists_draws_and_prints_json(coexisting, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = Store(tmp_path).save(coexisting).path
    for arguments in ([], ["--json", "--top", "3", "--out", "a.svg"]):
        with pytest.raises(SystemExit) as ended:
            main(["audit", str(path), *arguments])
        assert not ended.value.code
    *table, document = capsys.readouterr().out.splitlines()
    assert any("confidence (baseline)" in line for line in table)
    document = json.loads(document)
    assert len(document["strongest"]) == 3
    assert all(one["is_wrong"] for one in document["strongest"])
    assert document["evidence"]["pruned_margin"]["auroc"] > 0.98
    with pytest.raises(SystemExit) as ended:
        main(["audit", str(path), "--top", "-1"])
    assert ended.value.code == 2
