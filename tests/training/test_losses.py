"""The losses against their formulas in NumPy, smoothed labels, and losses of the user's own."""

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokscope.analysis.label_audit import audit
from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.grid import Grid
from grokscope.experiment.losses import CROSS_ENTROPIES, LossName
from grokscope.plotting import wording
from grokscope.runs.pruning import prune
from grokscope.runs.store import Store
from grokscope.runs.train import train
from grokscope.sweeps.sweep import sweep
from grokscope.training.ensemble import train_steps
from grokscope.training.losses import LOSSES, SOFTMAX_LOGITS, loss_of, smoothed

SMALL = Experiment(steps=20, corruption_fraction=0.3, modulus=11, width=32, measure_every=10)
LOGITS = jnp.asarray(np.random.default_rng(0).normal(scale=3, size=(7, 5)), jnp.float32)
LABELS = jnp.asarray(np.random.default_rng(1).integers(5, size=7))


def stablemax(logits, labels):
    """Prieto et al. (2025), Definition 3 and Eq. 4, in float64."""
    x = np.asarray(logits, np.float64)
    s = np.where(x >= 0, x + 1, 1 / (1 - np.minimum(x, 0)))
    return -np.log((s / s.sum(axis=1, keepdims=True))[np.arange(len(x)), labels])


def cross_entropy(logits, labels):
    """In float64."""
    x = np.exp(np.asarray(logits, np.float64))
    return -np.log((x / x.sum(axis=1, keepdims=True))[np.arange(len(x)), labels])


def test_each_loss_is_registered():
    assert set(LOSSES) == set(get_args(LossName))
    assert set(SOFTMAX_LOGITS) == set(CROSS_ENTROPIES)


def test_stablemax_is_its_formula():
    found = loss_of("stablemax")(LOGITS, LABELS)
    np.testing.assert_allclose(found, stablemax(LOGITS, LABELS), rtol=1e-5)


def test_the_gradient_of_stablemax_is_that_of_finite_differences_and_one_at_zero():
    logits, h = LOGITS.at[0].set(0), 1e-6
    gradient = jax.grad(lambda x: loss_of("stablemax")(x, LABELS).sum())(logits)
    for index in np.ndindex(*logits.shape):
        ahead, behind = np.array(logits, np.float64), np.array(logits, np.float64)
        ahead[index] += h
        behind[index] -= h
        slope = (stablemax(ahead, LABELS) - stablemax(behind, LABELS)).sum() / (2 * h)
        assert gradient[index] == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_stablemax_still_learns_where_softmax_rounds_to_one():
    """At a lead of 200 the other probabilities of softmax are zero in float32."""
    sure = jnp.array([[200.0, 0.0, 0.0]])
    gradients = {
        name: np.asarray(jax.grad(lambda x, n=name: loss_of(n)(x, jnp.array([0])).sum())(sure))
        for name in CROSS_ENTROPIES
    }
    assert not gradients["cross_entropy"].any()
    assert gradients["stablemax"].all()


@pytest.mark.parametrize(("name", "formula"), [("cross_entropy", cross_entropy),
                                               ("stablemax", stablemax)])  # fmt: skip
@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_smoothed_losses_are_means_over_labels(name, formula, share):
    """1 - ε of the label's loss, and ε of the mean of all labels' losses."""
    of_all = [formula(LOGITS, np.full(7, label)) for label in range(5)]
    expected = (1 - share) * formula(LOGITS, LABELS) + share * np.mean(of_all, axis=0)
    np.testing.assert_allclose(smoothed(name, LOGITS, LABELS, share), expected, 1e-5)


def last(experiment):
    data = make_dataset(experiment)
    *_, (_, (state,)) = train_steps([experiment], [data])
    return np.asarray(state.model.U)


@pytest.mark.slow
def test_smoothing_acts_in_training_alone():
    plain = SMALL.replace(loss="cross_entropy")
    soft = plain.replace(label_smoothing=0.2)
    assert not np.array_equal(last(plain), last(soft))
    run = train(soft, progress=False)
    n, data = run.data.n_train, run.data
    logits = run.network(jnp.asarray(data.inputs[:n]))
    expected = cross_entropy(logits, data.given_labels[:n]).mean()
    assert run.final.train_loss.item() == pytest.approx(expected, rel=1e-5)
    assert "labels smoothed by 0.2" in wording.words_of([soft])


def test_smoothing_is_in_the_digest_only_where_it_acts():
    plain = SMALL.replace(loss="cross_entropy")
    assert '"label_smoothing"' not in plain.canonical_json()
    soft = plain.replace(label_smoothing=0.1)
    assert digest(soft) != digest(plain) == digest(soft.replace(label_smoothing=0))
    assert Experiment.from_json(soft.canonical_json()) == soft


@pytest.mark.parametrize("values", [{}, {"loss": "mse"}])
def test_smoothing_is_refused_where_it_does_not_act(values):
    with pytest.raises(ConfigError, match="`label_smoothing` must be 0 with loss mse"):
        SMALL.replace(label_smoothing=0.1, **values)


CODE = """
import jax.numpy as jnp
import numpy as np

def hinge(logits, labels):
    own = jnp.take_along_axis(logits, labels[:, None], axis=1)
    return jnp.maximum(0, logits - own + 1).sum(axis=1)

def distance(logits, labels):
    return jnp.square(logits - jnp.eye(logits.shape[1])[labels]).mean(axis=1)

def mean(logits, labels):
    return distance(logits, labels).mean()

def whole(logits, labels):
    return labels

def word(logits, labels):
    return "none"

def single(logits):
    return logits
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    name = f"losses_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return name


@pytest.mark.parametrize("values", [{}, {"batch_size": 16}])
def test_an_own_loss_trains_as_the_built_in_one_of_the_same_formula(module, values):
    own = SMALL.replace(loss=f"{module}:distance", **values)
    np.testing.assert_allclose(last(own), last(SMALL.replace(**values)), rtol=1e-3, atol=1e-4)


def test_everything_that_asks_for_the_loss_takes_one_of_the_user_s_own(module):
    experiment = SMALL.replace(
        loss=f"{module}:hinge", measures="restricted_test_loss", keep_weights="log:3"
    )
    run = train(experiment, "runs", progress=False)
    dataset, logits = run.data, np.asarray(run.network(jnp.asarray(run.data.inputs)))
    given = dataset.given_labels
    own = np.take_along_axis(logits, given[:, None], axis=1)
    expected = np.maximum(0, logits - own + 1).sum(axis=1)
    assert run.final.train_loss.item() == pytest.approx(expected[: dataset.n_train].mean(), 1e-4)
    found = audit(run)
    np.testing.assert_allclose(found.loss, expected[: dataset.n_train], rtol=1e-4)
    assert f"{module}:hinge" in wording.words_of([experiment])
    assert Store("runs").find(experiment).experiment == experiment


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["own", "stablemax"])
def test_pruning_knows_every_loss(module, loss):
    run = train(SMALL.replace(loss=f"{module}:hinge" if loss == "own" else loss), progress=False)
    curve = prune(run, by="ipr", first="lowest")
    assert curve.test_loss.values[0] == pytest.approx(run.final.test_loss.item(), 1e-4)


@pytest.mark.slow
def test_a_sweep_has_losses_on_an_axis(module):
    grid = Grid(SMALL, axes={"loss": ["mse", "stablemax", f"{module}:hinge"]})
    assert grid.values["loss"][2].source_hash, "another source is another sweep"
    found = sweep(grid, "runs", workers=1, progress=False)
    assert np.isfinite(found.train_loss).all()


@pytest.mark.parametrize(
    ("function", "got"),
    [
        ("mean", r"got float32 \[\]"),
        ("whole", r"got int32 \[\d+\]"),
        ("word", r"got str \[\]"),
        ("single", "must take 2 arguments"),
    ],
)
def test_an_own_loss_that_is_none_is_refused_in_a_line(module, function, got):
    with pytest.raises(ConfigError, match=got):
        train(SMALL.replace(loss=f"{module}:{function}"), progress=False)


def test_a_loss_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="`loss` must be mse, cross_entropy or stablemax, or a"):
        SMALL.replace(loss="hinge")
