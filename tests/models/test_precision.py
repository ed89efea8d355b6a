"""Float64 against float32, with JAX's switch for 64 bits on and off outside."""

import json
import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.grid import Grid
from grokscope.runs.pruning import prune
from grokscope.runs.run import open_run
from grokscope.runs.snapshot import at
from grokscope.runs.store import Store
from grokscope.runs.train import train
from grokscope.sweeps.sweep import sweep
from grokscope.training.cost import COPIES, kept_bytes, require_memory
from grokscope.training.ensemble import train_steps
from grokscope.training.networks import n_weights

SMALL = Experiment(steps=10, corruption_fraction=0.3, modulus=23, width=64)
KINDS = {
    "default": {},
    "batches": {"batch_size": 32, "dropout": 0.2, "loss": "cross_entropy"},
    "batch_norm": {"batch_size": 32, "normalization": "batch_norm"},
    "deep_mlp": {"model": "deep_mlp", "normalization": "layer_norm", "optimizer": "adam"},
    "transformer": {"model": "transformer", "dropout": 0.1, "learning_rate": 0.001},
    "sgd": {"optimizer": "sgd", "momentum": 0.9, "loss": "stablemax"},
}


def leaves(network):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(network)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ten_steps_of_float64_are_those_of_float32_to_rounding(kind):
    """The same weights, batches and masks: 8e-5 of the largest weight was seen, of Adam, which
    divides by the gradient's own size; a wrong term shows at 1e-2."""
    single = SMALL.replace(**KINDS[kind])
    one, two = (train(e, progress=False) for e in (single, single.replace(precision="float64")))
    for a, b in zip(leaves(one.network), leaves(two.network), strict=True):
        assert (a.dtype, b.dtype) == (np.float32, np.float64)
        assert np.abs(a - b).max() <= 5e-4 * np.abs(b).max()
        assert not np.array_equal(a, b.astype(np.float32))
    assert one.final.train_loss.item() == pytest.approx(two.final.train_loss.item(), rel=1e-5)


def test_the_optimiser_and_the_loss_are_of_float64():
    """A learning rate that float32 would round, and a loss of more digits than it has."""
    experiment = SMALL.replace(precision="float64", optimizer="sgd", learning_rate=0.1, steps=1)
    data = make_dataset(experiment)
    (_, (before,)), (_, (after,)) = train_steps([experiment], [data])
    other = experiment.replace(learning_rate=0.2)
    (_, _), (_, (further,)) = train_steps([other], [data])
    first, second = (leaves(state.model)[0] - leaves(before.model)[0] for state in (after, further))
    np.testing.assert_allclose(2 * first, second, rtol=1e-8, atol=1e-15)
    loss = train(experiment, progress=False).final.train_loss.item()
    assert loss != float(np.float32(loss))
    adam = SMALL.replace(precision="float64", steps=1)
    *_, (_, (state,)) = train_steps([adam], [data])
    assert {leaf.dtype for leaf in jax.tree.leaves(state.optimizer.mean)} == {np.dtype("float64")}


@pytest.mark.slow
def test_a_stored_run_is_read_back_looked_at_and_gone_on_from(tmp_path):
    experiment = SMALL.replace(
        precision="float64", keep_weights="log:4", measures="memorizing_half"
    )
    run = open_run(train(experiment, tmp_path, progress=False).path)
    assert run.experiment == experiment
    assert run.network.U.dtype == run.dataset.kept_U.dtype == np.float64
    assert at(run, 2).network.U.dtype == at(run, 5).network.U.dtype == np.float64
    assert np.array_equal(at(run, 10).network.U, run.network.U)
    logits = run.network(jnp.asarray(run.data.inputs))
    assert logits.dtype == np.float64, "also in a program without 64 bits"
    curve = prune(run, by="norm", first="lowest")
    assert curve.test_loss.values[0] == pytest.approx(run.final.test_loss.item(), rel=1e-12)


def test_a_branch_and_a_checkpoint_give_the_bits_of_uninterrupted_training(tmp_path):
    experiment = SMALL.replace(precision="float64")
    whole = leaves(train(experiment, progress=False).network)
    half = train(experiment.replace(steps=5), tmp_path, progress=False, checkpoint_every=5)
    branch = train(experiment, start=at(half, 5), progress=False)
    longer = train(experiment, Store(tmp_path), progress=False, checkpoint_every=5)
    for other in (branch, longer):
        assert all(map(np.array_equal, whole, leaves(other.network)))


@pytest.mark.slow
def test_the_precision_may_change_at_a_step():
    """From the same weights: the rounded ones of float32 are numbers of float64 too."""
    late = SMALL.replace(precision="float64", start_step=5, before={"precision": "float32"})
    early = train(SMALL.replace(steps=5), progress=False)
    run = train(late.replace(keep_weights=[5, 10]), progress=False)
    assert run.network.U.dtype == np.float64
    assert np.array_equal(run.dataset.kept_U.values[0], early.network.U)


def test_a_sweep_over_precision():
    grid = Grid(SMALL, axes={"precision": ["float32", "float64"]})
    found = sweep(grid, "runs", workers=1, progress=False).train_loss.values.ravel()
    assert found[0] != found[1] == pytest.approx(found[0], rel=1e-5)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_precision_is_in_the_digest_only_if_it_is_not_of_before():
    assert '"precision"' not in SMALL.canonical_json()
    double = SMALL.replace(precision="float64")
    assert digest(double) != digest(SMALL) == digest(double.replace(precision="float32"))
    assert Experiment.from_json(double.canonical_json()) == double


def test_ensembles_do_not_mix():
    both = [SMALL, SMALL.replace(precision="float64")]
    with pytest.raises(ConfigError, match="precision"):
        next(train_steps(both, [make_dataset(e) for e in both]))
    doubles = [both[1], both[1].replace(weight_decay=5)]
    *_, (_, together) = train_steps(doubles, [make_dataset(e) for e in doubles])
    for state, experiment in zip(together, doubles, strict=True):
        assert state.model.U.dtype == np.float64
        alone = train(experiment, progress=False).network.U
        np.testing.assert_allclose(state.model.U, alone, rtol=1e-9, atol=1e-12)


def test_estimates_of_memory_know_the_size(monkeypatch):
    kept = SMALL.replace(keep_weights=5)
    double = kept.replace(precision="float64")
    assert kept_bytes(double) == 2 * kept_bytes(kept)
    assert kept_bytes(double.replace(kept_dtype="float16")) == kept_bytes(kept) / 2
    wide = SMALL.replace(width=10_000)
    between = 1.5 * COPIES * 4 * n_weights(wide)
    monkeypatch.setattr("grokscope.training.cost.memory_bytes", lambda: between)
    require_memory(wide)
    with pytest.raises(ConfigError, match="must let the network fit"):
        require_memory(wide.replace(precision="float64"))


def test_an_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="`precision` must be float32 or float64, got 'float16'"):
        SMALL.replace(precision="float16")


PROGRAM = """
import hashlib
import warnings
warnings.simplefilter("error", UserWarning)  # with which JAX says that it rounds
import jax, jax.numpy as jnp, numpy as np
import grokscope as gs
print(jax.config.values["jax_enable_x64"])
for precision in ("float32", "float64"):
    for settings in ({}, {"batch_size": 32, "dropout": 0.2, "loss": "cross_entropy"}):
        run = gs.train(gs.Experiment(
            steps=10, corruption_fraction=0.3, modulus=23, width=64, precision=precision,
            keep_weights="log:3", measures="restricted_test_loss,gradient_symmetricity", **settings,
        ), progress=False)
        found = [run.dataset.drop_vars("seconds", errors="ignore"), run.prune(by="ipr").curve,
                 run.extraction().curve, run.at(5).dataset, run.extract(1).dataset]
        digest = hashlib.sha256(np.asarray(run.network(jnp.asarray(run.data.inputs[:3]))).tobytes())
        for dataset in found:
            for name in sorted(map(str, dataset.data_vars)):
                digest.update(np.ascontiguousarray(dataset[name].values).tobytes())
        print(precision, run.network.U.dtype, digest.hexdigest())
"""


@pytest.mark.slow
def test_the_same_bits_whatever_jax_is_set_to(tmp_path):
    outputs = []
    for switch in ("0", "1"):
        ran = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PROGRAM)],
            cwd=tmp_path, env=os.environ | {"JAX_ENABLE_X64": switch},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not ran.returncode, ran.stderr
        outputs.append(ran.stdout.splitlines())
    assert [lines[0] for lines in outputs] == ["False", "True"]
    assert outputs[0][1:] == outputs[1][1:]
    kinds = [line.split()[:2] for line in outputs[0][1:]]
    assert kinds == [[name, name] for name in ("float32", "float32", "float64", "float64")]


@pytest.mark.slow
def test_a_run_says_how_precise_its_products_are():
    environment = json.loads(train(SMALL.replace(steps=0), progress=False).dataset.environment)
    assert environment["matrix_products"] == "highest"
