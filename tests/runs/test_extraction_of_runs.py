"""Finished runs reduced to frequencies, and the controls that they are shown beside."""

import re
from dataclasses import fields

import numpy as np
import pytest
import xarray as xr

import grokscope
from grokscope.analysis.label_audit import audit
from grokscope.analysis.neurons import lottery
from grokscope.data.dataset import complete
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.extraction import Waves, extracted
from grokscope.measures.pruning import pruning_curve
from grokscope.measures.table import scores
from grokscope.measures.vote import vote_logits
from grokscope.models.network import Layer, named_arrays
from grokscope.models.two_layer import TwoLayer
from grokscope.runs.compact import without_weights
from grokscope.runs.extraction import (
    COUNTS,
    FIRST_STEPS,
    KINDS,
    _counts,
    extract,
    extraction_curve,
)
from grokscope.runs.pruning import control_band, prune, random_curves
from grokscope.runs.run import Elsewhere, Run, write_run
from grokscope.runs.store import Store
from grokscope.session.run import drawable
from grokscope.training.networks import init_model
from networks import random_network
from reference import accuracy, dense_scores, weights64

NOISY = Experiment(corruption_fraction=0.3, steps=30, modulus=11, width=20)
N = 6
"""Frequencies of eleven residues."""


@pytest.fixture(scope="module")
def run():
    return grokscope.train(NOISY, progress=False)


@pytest.fixture(scope="module")
def curve(run):
    return extraction_curve(run, seed=3)


def by_hand(network, run):
    return pytest.approx(dense_scores(*weights64(network), run.data), rel=1e-4)


def at(curve, kind, count):
    point = curve.sel(kind=kind, frequencies=count)
    return {name: float(point[name]) for name in scores()}


def test_an_extracted_run_is_scored_as_its_network(run):
    made = extract(run, 2)
    expected = extracted(run.network, np.arange(11), 2)
    for name, array in named_arrays(expected).items():
        np.testing.assert_array_equal(made.dataset[name], array)
    assert {name: float(made.final[name]) for name in scores()} == by_hand(expected, run)
    assert made.experiment == run.experiment
    assert made.dataset.step.values.tolist() == [30]
    assert made.derived == "2 frequencies a unit"
    assert repr(made).startswith(f"<Run {run.digest[:12]} with 2 frequencies a unit: ")
    assert extract(run).derived == "1 frequency a unit"
    assert run.derived is None
    np.testing.assert_allclose(extract(run, 1).neuron_ipr, 1, atol=1e-5)


def test_an_extracted_run_is_pruned_audited_and_looked_at_as_any_other(run):
    made = run.extract(1)
    assert type(made) is type(run)
    order = np.argsort(made.neuron_ipr, kind="stable")
    expected = pruning_curve(made.network, run.data, order, "mse")
    assert prune(made).equals(expected)
    found = audit(made)
    assert found.sizes["example"] == run.data.n_train
    assert not audit(run).confidence.equals(found.confidence)
    assert len(made.neurons()) == 20
    again = made.extract(N)
    np.testing.assert_allclose(again.network.U, made.network.U, atol=1e-5)
    assert again.derived == "6 frequencies a unit"


def test_an_extracted_run_keeps_the_last_step_of_one_that_settled(run):
    settled = Run(run.experiment, run.dataset.isel(step=slice(3)))
    assert extract(settled).dataset.step.values.tolist() == [20]


def test_an_extracted_run_cannot_be_stored(run, tmp_path):
    made = extract(run, 1)
    for store in (lambda: write_run(made, tmp_path / "run.nc"), lambda: Store(tmp_path).save(made)):
        with pytest.raises(
            ConfigError, match=r"got one with 1 frequency a unit\. Store the trained"
        ):
            store()
    assert not list(tmp_path.rglob("*.nc"))


def test_any_order_of_residues_is_taken(run):
    order = np.random.default_rng(0).permutation(11)[:9]
    made = extract(run, 1, order)
    np.testing.assert_array_equal(made.dataset.U, extracted(run.network, order).U)


def test_a_curve_has_every_score_of_every_kind_at_some_counts(run, curve):
    assert curve.kind.values.tolist() == list(KINDS)
    assert KINDS.keys() == {
        "network", "vote", "random_phases", "shuffled", "untrained", "first_steps",
    }  # fmt: skip
    assert curve.frequencies.values.tolist() == [1, 2, 3, 4, 5, 6]
    assert set(curve.data_vars) == set(scores())
    assert all(variable.attrs["description"] for variable in curve.variables.values())
    assert curve.attrs == {"seed": 3, "loss": "mse"}
    assert _counts(None, 49) == np.unique(np.geomspace(1, 49, COUNTS).round()).tolist()
    some = extraction_curve(run, [5, 1, 5], seed=3)
    assert some.equals(curve.sel(frequencies=[1, 5]))


def test_the_network_with_all_frequencies_has_the_scores_of_the_run(run, curve):
    own = {name: float(run.final[name]) for name in scores()}
    assert at(curve, "network", N) == pytest.approx(own, rel=1e-5)
    assert at(curve, "network", 2) == by_hand(extracted(run.network, np.arange(11), 2), run)


def test_the_vote_is_that_of_the_labels_whatever_the_network(run, curve):
    logits = vote_logits(run.data, np.arange(11))
    test = ~run.data.is_train
    expected = accuracy(logits[test], run.data.given_labels[test])
    np.testing.assert_allclose(curve.test_accuracy.sel(kind="vote"), expected)
    for name in scores():
        assert np.ptp(curve[name].sel(kind="vote").values) == 0
    later = grokscope.train(NOISY.replace(weight_decay=9, steps=10), progress=False)
    other = extraction_curve(later, [1])
    assert other.sel(kind="vote", frequencies=1).equals(curve.sel(kind="vote", frequencies=1))
    assert not other.sel(kind="network").equals(curve.sel(kind="network", frequencies=[1]))


def test_in_multiplication_pairs_with_a_zero_have_no_vote():
    times = NOISY.replace(operation="multiplication", steps=2)
    run = grokscope.train(times, progress=False)
    logits = vote_logits(run.data, run.data.shift_order)
    is_right = (logits.argmax(axis=1) == run.data.given_labels) & (run.data.inputs > 0).all(axis=1)
    found = extraction_curve(run, [1]).sel(kind="vote", frequencies=1)
    assert float(found.test_accuracy) == pytest.approx(is_right[~run.data.is_train].mean())
    assert float(found.train_accuracy) == pytest.approx(is_right[run.data.is_train].mean())


def test_other_controls_are_what_they_are_called(run, curve):
    order = np.arange(11)
    young = grokscope.train(NOISY.replace(steps=FIRST_STEPS), progress=False)
    assert FIRST_STEPS == 10
    shuffled = np.random.default_rng(3).permutation(order)
    made = {
        "first_steps": extracted(young.network, order, 2),
        "untrained": extracted(init_model(NOISY), order, 2),
        "shuffled": extracted(run.network, shuffled, 2),
        "random_phases": Waves(run.network, order).with_random_phases(2, seed=3),
    }
    for kind, network in made.items():
        assert at(curve, kind, 2) == by_hand(network, run), kind
    whole = {name: float(young.final[name]) for name in scores()}
    assert at(curve, "first_steps", N) == pytest.approx(whole, rel=1e-4)
    own = {name: float(run.final[name]) for name in scores()}
    assert at(curve, "shuffled", N) == pytest.approx(own, rel=1e-4)


def test_of_a_run_of_fewer_steps_the_first_steps_are_all_of_its_steps():
    run = grokscope.train(NOISY.replace(steps=4), progress=False)
    curve = extraction_curve(run, [1])
    first, own = (curve.sel(kind=kind, drop=True) for kind in ("first_steps", "network"))
    assert first.equals(own)


@pytest.mark.parametrize("frequencies", [0, -1, N + 1])
def test_so_many_frequencies_are_refused_in_one_line(run, frequencies):
    words = f"`frequencies` must be a whole number from 1 to 6, got {frequencies}. Use 1."
    with pytest.raises(ConfigError, match=words):
        extract(run, frequencies)


@pytest.mark.parametrize("counts", [[0], [1, 7], [], [-1, 2]])
def test_bad_counts_are_refused_in_one_line(run, counts):
    words = r"`counts` must .* whole numbers from 1 to 6, got .* Leave it"
    with pytest.raises(ConfigError, match=words):
        extraction_curve(run, counts)


def test_a_negative_seed_is_refused_in_one_line(run):
    words = r"`seed` must be a whole number from 0, got -1\. Use 0"
    for call in (
        lambda: extraction_curve(run, seed=-1),
        lambda: run.extraction([1], seed=-1),
        lambda: run.prune(by="random", seed=-1),
        lambda: run.prune(seed=-1),  # of its band
        lambda: random_curves(run, seed=-1),
        lambda: control_band(run, seed=-1),
    ):
        with pytest.raises(ConfigError, match=words):
            call()


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([0, 1, 1], r"each residue at most once, got 1 twice\. Leave it out"),
        ([11, 0], "whole numbers from 0 to 10, got .*11"),
        ([-1, 2], "whole numbers from 0 to 10, got .*-1"),
    ],
)
def test_what_is_no_order_of_residues_is_refused_in_one_line(run, order, words):
    with pytest.raises(ConfigError, match=f"`order` must hold {words}"):
        extract(run, 1, np.array(order))


def test_runs_that_cannot_be_extracted_are_refused_in_one_line(run):
    images = complete(Experiment(task="plain_data:features", model="image_mlp", width=8))
    arrays = named_arrays(random_network(images))
    variables = {
        name: ([f"{name}_{axis}" for axis in range(array.ndim)], array)
        for name, array in arrays.items()
    }
    for other, words in (
        (without_weights(run), "must have its weights"),
        (
            Run(run.experiment, run.dataset.assign_attrs(failed_at=9)),
            "must have finished to be ext",
        ),
        (
            Run(images, xr.Dataset(variables)),
            "units have vectors over a cyclic group, got image_mlp",
        ),
    ):
        for call in (extract, extraction_curve):
            with pytest.raises(ConfigError, match=words) as error:
                call(other)
            assert "\n" not in str(error.value)


def without_waves(run, layers):
    """The run with a network of the same arrays whose units have no vectors."""

    class Waveless(TwoLayer):
        layers = property(lambda self: layers)

    network = Waveless(**{f.name: getattr(run.network, f.name) for f in fields(TwoLayer)})
    return drawable(
        Run(run.experiment, run.dataset.drop_vars("ipr"), elsewhere=Elsewhere(network, run.data))
    )


@pytest.mark.parametrize(
    ("layers", "advice", "orders"),
    [
        ({"only": Layer((), "W")}, "Use run.neurons() or `grokscope show`", "norm, .*, memorizing"),
        ({"only": Layer((), "U")}, "Prune it by norm, which needs none.", "norm, random"),
        ({}, "Give the network `layers`.", None),
    ],
)
def test_a_network_without_waves_is_told_what_it_can_do(run, layers, advice, orders):
    other = without_waves(run, layers)
    for call in (other.extract, other.extraction):
        with pytest.raises(ConfigError, match=re.escape(advice)):
            call()
    if orders is None:
        return
    assert len(other.prune(by="norm", stride=10).curve.pruned) == 3
    words = f"must be {orders}.* here, got 'ipr': no IPR, as .*Use norm"
    with pytest.raises(ConfigError, match=words):
        other.prune()
    with pytest.raises(ConfigError, match=r"got 'size'\. Use norm"):
        other.prune(by="size")
    if "Use run.neurons" in advice:
        assert {"memorizing", "steadiness"} <= {*other.neurons()}
        assert other.prune(by="steadiness").curve.attrs["by"] == "steadiness"


def test_what_a_notebook_says_of_it(run):
    found = run.extraction([1, 3], seed=3)
    test = found.curve.test_accuracy.sel(frequencies=1)
    beyond = float(test.sel(kind="network")) - float(test.sel(kind="vote"))
    assert found.beyond_vote == pytest.approx(beyond)
    words = f"with 1 frequency a unit: network {float(test.sel(kind='network')):.2f}, vote "
    assert words in repr(found)
    assert "first steps" in repr(found)


@pytest.mark.slow
def test_of_three_operands_there_is_no_vote():
    three = grokscope.train(Experiment(operands=3, modulus=3, width=8, steps=5), progress=False)
    curve = extraction_curve(three)
    assert "vote" not in curve.kind
    assert {"network", "random_phases", "shuffled"} <= set(curve.kind.values)


def test_the_controls_of_a_branch_are_of_where_training_began():
    """Whatever its own seed, which its initial weights do not come from."""
    whole = grokscope.train(NOISY.replace(steps=30), progress=False)
    settings = whole.experiment.replace(init_seed=1)
    branch = grokscope.train(settings, start=whole.at(20), progress=False)
    curves = [extraction_curve(run, [1]) for run in (whole, branch)]
    for kind in ("untrained", "first_steps"):
        assert curves[0].sel(kind=kind).equals(curves[1].sel(kind=kind)), kind
    drawn, expected = lottery(branch), lottery(whole)
    assert np.array_equal(drawn.rank, expected.rank)
