"""Training that goes on from a step: the bits of training that was never interrupted."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from grokscope import ConfigError, Experiment, Grid, Store, StoreError, train
from grokscope.data.dataset import make_dataset
from grokscope.models.network import named_arrays
from grokscope.runs.compact import without_weights
from grokscope.runs.files import read_dataset, write_dataset
from grokscope.runs.record import kept_arrays
from grokscope.session.run import drawable
from grokscope.sweeps.sweep import sweep

SMALL = {"modulus": 11, "width": 16, "corruption_fraction": 0.3, "steps": 60}

KINDS = {
    "adamw": {},
    "adam": {"optimizer": "adam", "weight_decay": 0.1},
    "sgd": {"optimizer": "sgd", "momentum": 0.9},
    "minibatch": {"batch_size": 16},
    "dropout": {"dropout": 0.3},
    "minibatch, dropout": {"batch_size": 16, "dropout": 0.2},
    "BatchNorm": {"normalization": "batch_norm"},
    "BatchNorm, minibatch": {"normalization": "batch_norm", "batch_size": 16},
    "Transformer": {"model": "transformer", "batch_size": 16, "dropout": 0.1},
}


def small(**settings):
    return Experiment(**{**SMALL, **settings})


def trained(experiment, **options):
    return train(experiment, progress=False, **options)


def same(one, other):
    one, other = named_arrays(one.network), named_arrays(other.network)
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[pytest.mark.slow] * (kind == "Transformer")) for kind in KINDS],
)
def test_a_branch_without_a_change_gives_the_same_bits(kind):
    experiment = small(**KINDS[kind])
    whole = trained(experiment)
    assert same(trained(experiment, start=whole.at(23)), whole)


@pytest.mark.parametrize("kind", ["adamw", "BatchNorm, minibatch"])
def test_a_chain_of_five_branches_is_one_run(kind):
    experiment = small(**KINDS[kind])
    whole = last = trained(experiment)
    for step in (7, 16, 30, 44, 59):
        last = trained(experiment, start=last.at(step))
    assert same(last, whole)
    assert len({last.digest, whole.digest}) == 2


def test_a_change_acts_from_its_step_on():
    run = trained(small(measure=range(61)))
    branch = trained(small(measure=range(30, 61), weight_decay=20), start=run.at(30))
    assert branch.experiment.start.before == {"optimizer.weight_decay": 0.0}
    ours, theirs = branch.dataset.norm, run.dataset.norm.sel(step=branch.dataset.step)
    np.testing.assert_array_equal(ours[0], theirs[0])
    assert (ours[1:] < theirs[1:]).all()


def test_repaired_labels_are_those_that_were_wrong():
    run = trained(small())
    branch = trained(small(corruption_fraction=0), start=run.at(30))
    before, after = run.data, branch.data
    changed = before.given_labels != after.given_labels
    np.testing.assert_array_equal(changed, before.is_wrong)
    np.testing.assert_array_equal(after.given_labels, before.true_labels)
    np.testing.assert_array_equal(after.inputs, before.inputs)


def test_pruned_neurons_send_nothing_on_and_grow_from_new_gradients():
    settings = {"prune_by": "norm", "prune_share": 0.25, "start_step": 30}
    before = trained(small(steps=30)).network
    start = trained(small(**settings, measure=[30, 31], steps=31)).at(30).network
    norm = np.linalg.norm(before.W, axis=0)
    largest = np.argsort(-norm, kind="stable")[:4]
    expected = np.array(before.W)
    expected[:, largest] = 0
    np.testing.assert_array_equal(start.W, expected)
    np.testing.assert_array_equal(start.U, before.U)
    after = trained(small(**settings, steps=31)).network
    moved = np.abs(np.asarray(after.W))[:, largest]
    # A first step of Adam without momentum moves each weight by at most the learning rate,
    # over what its second moment remembers.
    assert 0 < moved.max() <= 0.011


def test_another_optimizer_starts_anew():
    run = trained(small())
    ours, without = (
        trained(
            small(optimizer="sgd", momentum=m, steps=31, learning_rate=0.01), start=run.at(30)
        ).network.U
        for m in (0.9, 0.0)
    )
    np.testing.assert_array_equal(ours, without)  # whose first step is that of no momentum
    assert not np.array_equal(ours, run.at(30).network.U)


def test_kept_weights_are_those_of_their_steps(tmp_path):
    run = trained(small(keep_weights="log:5"), store=tmp_path)
    plain = trained(small(), store=tmp_path)
    kept = kept_arrays(Store(tmp_path).find(run.experiment).dataset)
    assert list(kept) == run.experiment.kept_steps
    for step, arrays in kept.items():
        for name, array in named_arrays(plain.at(step).network).items():
            np.testing.assert_array_equal(arrays[name], array)
    half = trained(small(keep_weights="log:5", kept_dtype="float16"), store=tmp_path)
    again = Store(tmp_path).find(half.experiment).dataset
    assert again.kept_U.dtype == np.float16
    np.testing.assert_array_equal(again.kept_U, run.dataset.kept_U.values.astype(np.float16))


@pytest.mark.slow
def test_float16_halves_what_kept_weights_add(tmp_path):
    wide = {"modulus": 31, "width": 64, "keep_weights": 4}
    runs = [trained(small(**wide, kept_dtype=dtype), store=tmp_path) for dtype in (None, "float16")]
    plain = trained(small(**wide).replace(keep_weights=None), store=tmp_path)
    added = [run.path.stat().st_size - plain.path.stat().st_size for run in runs]
    assert 0.45 < added[1] / added[0] < 0.55


@pytest.mark.slow
def test_what_is_asked_of_every_kept_step():
    run = trained(small(keep_weights=[0, 20], measure=range(0, 61, 20)))
    found = run.over_steps("restricted_test_loss")
    again = trained(small(measures=["restricted_test_loss"], measure=range(0, 61, 20)))
    expected = again.dataset.restricted_test_loss.sel(step=[0, 20, 60])
    np.testing.assert_allclose(found.restricted_test_loss, expected)
    scores = run.over_steps(["test_accuracy", "restricted_test_loss", "train_loss"])
    assert list(scores) == ["test_accuracy", "restricted_test_loss", "train_loss"]
    for name in ("test_accuracy", "train_loss"):
        np.testing.assert_array_equal(scores[name], run.dataset[name].sel(step=[0, 20, 60]))
    curves = run.over_steps(lambda run: run.prune(by="norm").curve)
    np.testing.assert_array_equal(
        curves.test_accuracy.sel(pruned=0), run.dataset.test_accuracy.sel(step=[0, 20, 60])
    )
    required = run.over_steps(lambda run: run.prune(by="norm").neurons_required).value
    assert required.dtype == float
    assert required.isnull().any()
    assert run.over_steps(lambda _: {"none": None, "one": 1}).none.isnull().all()
    units = run.over_steps(["mean_ipr", "dead_neurons"])
    np.testing.assert_array_equal(units.mean_ipr, run.dataset.mean_ipr.sel(step=[0, 20, 60]))
    for wrong, words in ((lambda run: run.neuron_ipr, "an array"),
                         (lambda run: run.dataset.test_loss, "numbers over steps")):  # fmt: skip
        with pytest.raises(ConfigError, match=f"`of` must return .* got {words}"):
            run.over_steps(wrong)
    table = run.over_steps(lambda run: run.neurons()[["ipr", "frequency"]])
    assert dict(table.sizes) == {"step": 3, "neuron": 16}
    remedies = {
        "unknown": "Use one of train_loss, .* key_frequencies, ",
        "second_rule_accuracy": "Did you mean corrupted_accuracy ",
        "restrictd_test_loss": "Did you mean restricted_test_loss ",
    }
    for name, remedy in remedies.items():
        with pytest.raises(ConfigError, match=rf"that the run has, got '{name}'\. {remedy}"):
            run.over_steps(["test_loss", name])
    with pytest.raises(ConfigError, match="must have kept its weights over time"):
        again.over_steps(["restricted_test_loss"])


def test_a_run_s_own_measures_are_asked_of_every_kept_step(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = "def separation(network, data):\n    return abs(network.U).max() - data.n_train\n"
    (tmp_path / "own_measures.py").write_text(source)
    settings = {"measures": ["own_measures:separation"], "keep_weights": [0, 20]}
    run = trained(small(**settings, measure=range(0, 61, 20)))
    found = run.over_steps(["separation", "extracted_test_accuracy"])
    assert list(found) == ["separation", "extracted_test_accuracy"]
    expected = run.dataset.separation.sel(step=[0, 20, 60])
    np.testing.assert_array_equal(found.separation, expected)


def test_a_run_at_a_step_has_its_past_and_is_not_stored(tmp_path):
    run = trained(small(measure=[0, 10, 30, 60]))
    at = run.at(20)
    assert at.dataset.step.values.tolist() == [0, 10, 20]
    np.testing.assert_array_equal(at.dataset.test_loss[:2], run.dataset.test_loss[:2])
    with pytest.raises(ConfigError, match="its weights of step 20"):
        Store(tmp_path).save(at)
    for step in (-1, 61):
        with pytest.raises(ConfigError, match="`step` must be a whole number from 0 to 60"):
            run.at(step)


def test_a_run_without_weights_is_looked_at_at_its_last_step_alone():
    run = trained(small(keep_weights="log:5"))
    compact = drawable(without_weights(run))
    words = rf"its weights .*, got {run.name}, .* sweep with keep_weights log:40, which stores"
    with pytest.raises(ConfigError, match=words) as error:
        compact.at(20)
    assert "\n" not in str(error.value)
    assert compact.at(60).dataset.equals(compact.dataset)


def interrupted(experiment, store, at, every):
    """Train until an interrupt at a step."""

    def log(step, scores):
        if step >= at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(experiment, store=store, log=log, checkpoint_every=every)


@pytest.mark.parametrize("settings", [{}, {"batch_size": 16, "dropout": 0.2}])
def test_interrupted_training_goes_on_from_its_checkpoint(tmp_path, settings):
    experiment = small(**settings, keep_weights="log:5", measure_every=5)
    whole = trained(experiment)
    interrupted(experiment, tmp_path, at=45, every=20)
    told = []
    run = trained(
        experiment, store=tmp_path, checkpoint_every=20, log=lambda step, _: told.append(step)
    )
    assert told == experiment.schedule  # what was measured before is told again
    assert same(run, whole)
    for name in whole.dataset.data_vars:
        assert run.dataset[name].equals(whole.dataset[name]), name


def test_longer_training_trains_what_is_missing(tmp_path, monkeypatch):
    trained(small(), store=tmp_path, checkpoint_every=1000)
    whole = trained(small(steps=100))
    steps = []
    from grokscope.runs import train as module

    original = module.Ensemble
    monkeypatch.setattr(module, "Ensemble", lambda e, d, s, begun, how: (
        steps.extend(begun), original(e, d, s, begun, how))[1])  # fmt: skip
    assert same(trained(small(steps=100), store=tmp_path, checkpoint_every=1000), whole)
    trained(small(steps=110, measure_every=7), store=tmp_path, checkpoint_every=1000)
    assert steps == [60, 0]  # what other steps measure is not known


def test_a_checkpoint_that_measured_more_serves_who_asks_for_less(tmp_path):
    trained(small(measures="restricted_test_loss"), store=tmp_path, checkpoint_every=20)
    longer, whole = (trained(small(steps=80), **where) for where in (
        {"store": tmp_path, "checkpoint_every": 20}, {}))  # fmt: skip
    assert same(longer, whole)
    assert longer.dataset.restricted_test_loss.equals(whole.dataset.restricted_test_loss)


def test_shorter_training_leaves_the_checkpoint_of_longer_training(tmp_path):
    interrupted(small(measure_every=5), tmp_path, at=45, every=20)
    shorter = Grid(small(measure_every=5), axes={"steps": [30]})
    sweep(shorter, tmp_path, workers=1, progress=False,
          checkpoint_every=10)  # fmt: skip
    trained(small(measure_every=5, steps=20), store=tmp_path, checkpoint_every=10)
    kept = Store(tmp_path).checkpoint(small(measure_every=5), make_dataset(small()))
    assert kept.step == 40


def test_a_checkpoint_of_another_version_is_told_and_not_used(tmp_path):
    interrupted(small(measure_every=5), tmp_path, at=45, every=20)
    (path,) = (tmp_path / ".checkpoints").iterdir()
    write_dataset(path, read_dataset(path).drop_vars("uncorrupted_accuracy"))
    with pytest.warns(UserWarning, match="must be of this version of grokscope"):
        run = trained(small(measure_every=5), store=tmp_path, checkpoint_every=20)
    assert same(run, trained(small(measure_every=5)))


def test_a_damaged_checkpoint_is_told_and_not_used(tmp_path):
    interrupted(small(measure_every=5), tmp_path, at=45, every=20)
    (path,) = (tmp_path / ".checkpoints").iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="must be a file of grokscope"):
        run = trained(small(measure_every=5), store=tmp_path, checkpoint_every=20)
    assert same(run, trained(small(measure_every=5)))


@pytest.mark.slow
def test_a_kill_loses_at_most_what_came_after_the_last_checkpoint(tmp_path):
    script = (
        "import sys, os, signal, grokscope as gs\n"
        "def log(step, scores):\n"
        "    if step >= 45: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"gs.train(gs.Experiment(**{SMALL!r}, measure_every=5), store={str(tmp_path)!r},\n"
        "         progress=False, log=log, checkpoint_every=20)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    experiment = small(measure_every=5)
    found = Store(tmp_path).checkpoint(experiment, trained(experiment).data)
    assert found.step == 40
    assert same(trained(experiment, store=tmp_path, checkpoint_every=20), trained(experiment))


def test_a_network_that_was_changed_after_training_is_gone_on_from_by_nobody():
    run = trained(small())
    for changed in (run.extract(1), run.at(20).extract(1)):
        with pytest.raises(ConfigError, match="`run` must hold a network as it was trained"):
            trained(small(steps=80), start=changed)
        with pytest.raises(ConfigError, match="`run` must hold a network as it was trained"):
            changed.at(10)
    assert same(trained(small(), start=run.at(40).at(20)), run)


def test_neurons_are_pruned_where_a_run_goes_on():
    pruning = small(prune_by="norm", prune_share=0.5)
    begun = trained(pruning, start=trained(small()).at(20))
    written = trained(pruning.replace(start_step=20))
    assert begun.experiment == written.experiment
    assert same(begun, written)


def test_starts_and_checkpoints_that_cannot_be_are_refused(tmp_path):
    run = trained(small())
    with pytest.raises(ConfigError, match="`store` must be given"):
        trained(small(), checkpoint_every=10)
    for every in (0, True):
        with pytest.raises(ConfigError, match="`checkpoint_every` must be a number of steps"):
            trained(small(), store=tmp_path, checkpoint_every=every)
    with pytest.raises(ConfigError, match="`before` must leave the network's shapes"):
        trained(small(width=8), start=run.at(10))
    with pytest.raises(ConfigError, match="`start` must be left out"):
        trained(small(start_step=9), start=run.at(10))
    with pytest.raises(ConfigError, match="`prune_by` must be one of"):
        trained(small(start_step=9, prune_by="size"))
    hot = small(optimizer="sgd", learning_rate=1e12, steps=60, start_step=50)
    with pytest.raises(ConfigError, match="must be before the network diverged"):
        trained(hot)
    with pytest.raises(StoreError):
        Store(tmp_path).open("no such run")
