import numpy as np
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.pruning import (
    fewest_neurons,
    neurons_required,
    pruning_curve,
    pruning_order,
)
from grokscope.measures.table import scores
from grokscope.models.analytic import analytic_network
from grokscope.runs.pruning import prune, pruning_curves
from grokscope.runs.train import train
from reference import dense_scores, weights64


def assert_curve_equals_masked_networks(curve, model, data, order, counts, activation, loss):
    """Accuracies exactly, losses to float32's precision, against float64 re-evaluation."""
    U, V, W = weights64(model)
    for count in counts:
        keep = np.isin(np.arange(W.shape[1]), order[count:])
        for name, value in dense_scores(U, V, W * keep, data, activation, loss).items():
            got = float(curve[name][count])
            if name.endswith("accuracy"):
                assert got == pytest.approx(value, abs=1e-15), (name, count)
            else:
                assert got == pytest.approx(value, rel=1e-5), (name, count)


@pytest.mark.parametrize("activation", ["quadratic", "relu"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_curve_equals_masked_networks(activation, loss):
    experiment = Experiment(corruption_fraction=0.3, steps=60, measure_every=60).replace(
        modulus=31, width=90, activation=activation, loss=loss
    )
    run = train(experiment, progress=False)
    data, model = run.data, run.network
    order = pruning_order(run.neuron_ipr, "lowest")
    curve = pruning_curve(model, data, order, loss)
    assert curve.sizes["pruned"] == 91
    counts = np.random.default_rng(0).choice(91, 18, replace=False)
    assert_curve_equals_masked_networks(
        curve, model, data, order, {0, 90, *counts.tolist()}, activation, loss
    )


def test_curve_equals_masked_networks_at_the_papers_size():
    run = train(Experiment(corruption_fraction=0.35, steps=200, measure_every=200), progress=False)
    data, model = run.data, run.network
    for first in ("lowest", "highest"):
        order = pruning_order(run.neuron_ipr, first)
        curve = pruning_curve(model, data, order, "mse")
        counts = np.random.default_rng(1).choice(501, 10, replace=False).tolist()
        assert_curve_equals_masked_networks(curve, model, data, order, counts, "quadratic", "mse")


def test_orders():
    ipr = np.array([0.5, np.nan, 0.1, 0.9])
    assert pruning_order(ipr, "lowest").tolist() == [1, 2, 0, 3]
    assert pruning_order(ipr, "highest").tolist() == [3, 0, 2, 1]
    with pytest.raises(ConfigError, match="`first` must be lowest or highest, got 'middle'"):
        pruning_order(ipr, "middle")


def test_a_run_is_pruned_in_any_order():
    """By each name, an array and a function, against `pruning_curve` in an order made by hand."""
    experiment = Experiment(corruption_fraction=0.3, steps=30).replace(
        modulus=11, width=20, loss="cross_entropy"
    )
    run = train(experiment, progress=False)
    data, model = make_dataset(experiment), run.network
    norms = np.linalg.norm(np.asarray(model.W), axis=0)
    own = np.arange(20) % 7
    orders = {
        "ipr": np.argsort(run.neuron_ipr, kind="stable"),
        "norm": np.argsort(norms, kind="stable"),
        "random": np.random.default_rng(5).permutation(20),
    }
    for by, order in orders.items():
        expected = pruning_curve(model, data, order, "cross_entropy")
        curve = prune(run, by, seed=5)
        assert curve.identical(
            expected.assign_attrs(by=by, first="lowest", layer="hidden", loss="cross_entropy")
        )
        backwards = pruning_curve(model, data, order[::-1], "cross_entropy")
        assert prune(run, by, "highest", seed=5).equals(backwards)
    expected = pruning_curve(model, data, np.argsort(own, kind="stable"), "cross_entropy")
    assert prune(run, own).equals(expected)
    assert prune(run, own).attrs["by"] == "array"

    def sevens(run):
        return np.arange(run.dataset.sizes["neuron"]) % 7

    assert prune(run, sevens).equals(expected)
    assert prune(run, sevens).attrs["by"] == "sevens"
    both = pruning_curves(run, by="norm", stride=3)
    assert both.sel(first="highest", drop=True).equals(prune(run, "norm", "highest", stride=3))
    for wrong, message in (
        ("size", "`by` must be ipr, norm, random, 20 numbers, or a function.*got 'size'"),
        (np.arange(19), r"got int64 \[19\]"),
        (lambda run: None, "got object"),
    ):
        with pytest.raises(ConfigError, match=message):
            prune(run, wrong)
    with pytest.raises(ConfigError, match="`stride` must be at least 1"):
        prune(run, stride=0)


def test_any_order_is_taken_and_no_other():
    model = analytic_network(7, 12)
    data = make_dataset(Experiment().replace(modulus=7))
    curve = pruning_curve(model, data, np.arange(12)[::-1], "mse")
    assert set(curve.data_vars) == set(scores())
    for wrong in (np.arange(11), np.zeros(12, int), np.arange(1, 13)):
        with pytest.raises(ConfigError, match="`order` must name each of the 12 neurons once"):
            pruning_curve(model, data, wrong, "mse")


def test_neurons_required_is_the_smallest_rest_that_generalises():
    data = make_dataset(Experiment())
    curve = pruning_curve(analytic_network(97, 970), data, np.arange(970), "mse")
    required = neurons_required(curve)
    assert required is not None
    assert required < 970
    assert float(curve.test_accuracy[970 - required]) >= 0.9
    assert (curve.test_accuracy[970 - required + 1 :] < 0.9).all()
    assert neurons_required(curve, generalizes=1.01) is None


@pytest.fixture(scope="module")
def generalising():
    """A small network that generalises."""
    experiment = Experiment(corruption_fraction=0.2, train_fraction=0.8, steps=300)
    experiment = experiment.replace(modulus=31, width=90, weight_decay=3, measure_every=300)
    return train(experiment, progress=False)


@pytest.mark.parametrize("first", ["lowest", "highest", "random"])
def test_fewest_neurons_of_a_coarse_curve_are_those_of_the_whole(first, generalising):
    data, model = generalising.data, generalising.network
    order = np.random.default_rng(0).permutation(len(generalising.neuron_ipr))
    if first != "random":
        order = pruning_order(generalising.neuron_ipr, first)
    whole = pruning_curve(model, data, order, "mse")
    assert whole.test_accuracy[0] >= 0.9
    for stride in (7, 13, 90):
        coarse = pruning_curve(model, data, order, "mse", stride=stride)
        assert fewest_neurons(model, data, order, coarse) == neurons_required(whole)
        assert fewest_neurons(model, data, order, coarse, generalizes=1.01) is None
