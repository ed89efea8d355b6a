"""Each optimiser against its published algorithm in NumPy, and schedules against Optax's."""

import math
from typing import get_args

import jax
import numpy as np
import optax
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.optimizers import Optimizer
from grokscope.experiment.part import kind_name
from grokscope.plotting.wording import words_of
from grokscope.runs.snapshot import at
from grokscope.runs.store import Store
from grokscope.runs.train import train
from grokscope.training.ensemble import seconds_per_work, train_steps
from grokscope.training.networks import init_model
from grokscope.training.optimizers import UPDATES, learning_rate_share
from reference import dense_loss_and_gradient, weights64

SMALL = Experiment(
    steps=30, corruption_fraction=0.3, modulus=13, width=24, measure_every=10, precision="float64"
)


def trained(*experiments):
    """The networks' three matrices at the last step."""
    *_, (_, states) = train_steps(experiments, [make_dataset(e) for e in experiments])
    return [weights64(state.model) for state in states]


def by_reference(experiment, update):
    """A plain loop in float64; `update` maps (step, w, g, memory) to a change and a memory."""
    data, w = make_dataset(experiment), [*weights64(init_model(experiment))]
    memory = [(0.0, 0.0, 0.0) for _ in w]
    n = data.n_train
    for step in range(experiment.steps):
        _, g = dense_loss_and_gradient(
            *w, data.inputs[:n], data.given_labels[:n], "quadratic", "mse"
        )
        for i in range(3):
            change, memory[i] = update(step, w[i], g[i], memory[i])
            w[i] = w[i] + change
    return w


def assert_same(ours, theirs, rtol=1e-7):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * np.abs(b).max())


def adamw(step, w, g, memory, lr=0.01, decay=5.0, eps=1e-8):
    m, v = 0.9 * memory[0] + 0.1 * g, 0.98 * memory[1] + 0.02 * g**2
    m_hat, v_hat = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.98 ** (step + 1))
    return -lr * decay * w - lr * m_hat / (np.sqrt(v_hat) + eps), (m, v, memory[2])


def test_lion_is_its_algorithm_2():
    experiment = SMALL.replace(optimizer="lion", learning_rate=0.003, weight_decay=2)

    def update(step, w, g, memory):
        direction = np.sign(0.9 * memory[0] + 0.1 * g)
        return -0.003 * (direction + 2 * w), (0.99 * memory[0] + 0.01 * g, 0, 0)

    assert_same(trained(experiment)[0], by_reference(experiment, update))


def test_grokfast_is_adamw_of_amplified_gradients():
    """As `gradfilter_ema` of the authors, whose mean begins with the first gradient."""
    experiment = SMALL.replace(optimizer="grokfast", slow_gain=3, slow_memory=0.9, weight_decay=5)

    def update(step, w, g, memory):
        h = g if step == 0 else 0.9 * memory[2] + 0.1 * g
        return adamw(step, w, g + 3 * h, (*memory[:2], h))

    assert_same(trained(experiment)[0], by_reference(experiment, update))
    without = experiment.replace(slow_gain=0)
    assert_same(trained(without)[0], by_reference(without, adamw))


def orthogonalized(x):
    """Five Newton-Schulz iterations (Jordan, 2024)."""
    x = x / np.linalg.norm(x)
    x, is_tall = (x.T, True) if x.shape[0] > x.shape[1] else (x, False)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if is_tall else x


@pytest.mark.slow
def test_muon_is_orthogonal_momentum_of_adam_s_size():
    """With Nesterov's momentum, as Optax has it: both means divided by what they lack of 1."""
    experiment = SMALL.replace(optimizer="muon", weight_decay=3, steps=8)

    def update(step, w, g, memory):
        m = 0.95 * memory[0] + 0.05 * g
        now, ahead = 1 - 0.95 ** (step + 1), 1 - 0.95 ** (step + 2)
        nesterov = 0.95 * m / ahead + 0.05 * g / now
        direction = 0.2 * math.sqrt(max(w.shape)) * orthogonalized(nesterov)
        return -0.01 * (direction + 3 * w), (m, 0, 0)

    assert_same(trained(experiment)[0], by_reference(experiment, update), rtol=1e-6)


@pytest.mark.slow
def test_muon_steps_vectors_as_adam_with_nesterov_s_momentum():
    """The first step of Adam has the length of the learning rate; Nesterov's looks ahead."""
    experiment = SMALL.replace(optimizer="muon", normalization="layer_norm", steps=1)
    (_, (before,)), (_, (after,)) = train_steps([experiment], [make_dataset(experiment)])
    moved = np.abs(np.asarray(after.model.norm.gamma) - np.asarray(before.model.norm.gamma))
    np.testing.assert_allclose(moved, 0.01 * (0.9 * 0.1 / (1 - 0.9**2) + 1), rtol=1e-3)


NAMES = [kind_name(kind, "optimizer") for kind in get_args(Optimizer)]


def test_each_optimiser_is_registered():
    assert {*UPDATES} == {*NAMES} - {"own"}


@pytest.mark.slow
@pytest.mark.parametrize("name", UPDATES)
def test_ensembles_of_different_settings_train_as_each_alone(name):
    members = [
        SMALL.replace(optimizer=name, weight_decay=decay, learning_rate=rate, steps=20, seed=seed)
        for seed, (decay, rate) in enumerate([(0, 0.003), (0.01, 0.001), (0.1, 0.002)])
    ]
    for member, together in zip(members, trained(*members), strict=True):
        assert_same(trained(member)[0], together, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "values"),
    [("muon", {"momentum": 0.8}), ("lion", {"beta2": 0.9}), ("grokfast", {"slow_gain": 5.0})],
)
def test_settings_do_not_recompile(name, values):
    compiled = []

    def listen(event, seconds, fun_name="", **_):
        if event.endswith("backend_compile_duration") and "train_block" in fun_name:
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    base = SMALL.replace(optimizer=name, width=23, precision="float32")
    for changed in ({}, {"learning_rate": 0.02, "weight_decay": 5}, values):
        trained(base.replace(**changed))
    jax.monitoring.unregister_event_duration_listener(listen)
    assert len(compiled) == 1


@pytest.mark.parametrize("warmup", [0, 10])
def test_shares_of_the_learning_rate_are_optax_s(warmup):
    cosine = optax.warmup_cosine_decay_schedule(0, 1, warmup, 40)
    for step in range(41):
        share = float(learning_rate_share(step, warmup, 40))
        assert share == pytest.approx(float(cosine(step)), abs=1e-6)
        if step >= warmup:
            by_hand = (1 + math.cos(math.pi * (step - warmup) / (40 - warmup))) / 2
            assert share == pytest.approx(by_hand, abs=1e-6)
        elif warmup:
            assert share == pytest.approx(step / warmup)
            assert float(learning_rate_share(step, warmup, None)) == pytest.approx(step / warmup)
    assert not warmup or float(learning_rate_share(99, warmup, None)) == 1


def test_training_follows_the_schedule():
    experiment = SMALL.replace(weight_decay=5, warmup_steps=5, cosine_steps=40)

    def update(step, w, g, memory):
        share = step / 5 if step < 5 else (1 + math.cos(math.pi * (step - 5) / 35)) / 2
        return adamw(step, w, g, memory, lr=0.01 * share)

    assert_same(trained(experiment)[0], by_reference(experiment, update), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", UPDATES)
def test_every_optimiser_has_a_schedule_and_its_last_step_is_small(name):
    experiment = SMALL.replace(optimizer=name, cosine_steps=30, warmup_steps=3, steps=30)
    states = dict(train_steps([experiment], [make_dataset(experiment)], stops=[0, 1, 2, 29, 30]))
    w = {step: weights64(state.model)[0] for step, (state,) in states.items()}
    assert np.array_equal(w[0], w[1]), "the first step of a warm-up has no length"
    last, early = (np.abs(w[a] - w[b]).max() for a, b in ((30, 29), (2, 1)))
    assert 0 < last < early


@pytest.mark.slow
def test_steps_decide_nothing_so_that_training_can_stop_and_go_on(tmp_path):
    """The cosine has a length of its own: a checkpoint of fewer steps and a branch go on from."""
    whole = SMALL.replace(cosine_steps=30, warmup_steps=3)
    half = whole.replace(steps=15)
    assert whole.trajectory == half.trajectory
    expected = trained(whole)[0]
    run = train(half, tmp_path, progress=False, checkpoint_every=15)
    assert_same(weights64(train(whole, start=at(run, 15), progress=False).network), expected, 0)
    assert_same(weights64(train(whole, Store(tmp_path), progress=False,
                                checkpoint_every=15).network), expected, 0)  # fmt: skip


def test_schedules_are_in_the_digest_only_where_there_is_one():
    assert "warmup_steps" not in SMALL.canonical_json()
    assert "cosine_steps" not in SMALL.canonical_json()
    scheduled = SMALL.replace(warmup_steps=5, cosine_steps=30)
    assert len({digest(e) for e in (SMALL, scheduled, SMALL.replace(cosine_steps=30))}) == 3
    assert {"warm-up 5 steps", "cosine to 0 at step 30"} <= {*words_of([scheduled])}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cosine_steps": 20}, "`cosine_steps` must be at least the experiment's 30 steps, got 20"),
        ({"cosine_steps": 30, "warmup_steps": 30}, "`warmup_steps` must be below the 30 cosine_st"),
    ],
)
def test_schedules_that_cannot_be_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        SMALL.replace(**values)


def test_a_short_cosine_can_be_timed_and_batches_scale_it():
    assert seconds_per_work(SMALL.replace(steps=4, cosine_steps=4)) > 0
    small = SMALL.replace(batch_size=32, cosine_steps=30, warmup_steps=6).with_batch_size(8)
    assert small.steps == small.optimizer.cosine_steps == 120
    assert small.optimizer.warmup_steps == 24


@pytest.mark.parametrize(
    ("name", "theirs", "decay"),
    [("adamw", "AdamW", 5.0), ("adam", "Adam", 0.5), ("sgd", "SGD", 0.5)],
)
def test_weight_decay_is_pytorch_s(name, theirs, decay):
    """So numbers of a script need no conversion (docs/how-to/from-pytorch.md)."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(5, 4)).astype(np.float32)
    moments = {"beta1": 0.9, "beta2": 0.98, "eps": 1e-8}
    ours = moments if name != "sgd" else {"momentum": 0.9}
    same = {"betas": (0.9, 0.98), "eps": 1e-8} if name != "sgd" else {"momentum": 0.9}
    optimizer = UPDATES[name](learning_rate=0.01, weight_decay=decay, **ours)
    w, state = jax.numpy.asarray(weights), optimizer.init(jax.numpy.asarray(weights))
    other = torch.nn.Parameter(torch.tensor(weights))
    stepping = getattr(torch.optim, theirs)([other], lr=0.01, weight_decay=decay, **same)
    for gradient in rng.normal(size=(20, 5, 4)).astype(np.float32):
        updates, state = optimizer.update(jax.numpy.asarray(gradient), state, w)
        w = optax.apply_updates(w, updates)
        other.grad = torch.tensor(gradient)
        stepping.step()
    assert np.abs(np.asarray(w) - other.detach().numpy()).max() < 1e-6
