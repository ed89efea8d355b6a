import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.pruning import (
    band_of,
    fewest_neurons,
    neurons_required,
    pruning_curve,
    pruning_order,
    random_curves,
    ranks_within,
)
from grokscope.measures.table import scores
from grokscope.models.analytic import analytic_network
from grokscope.runs.pruning import prune, pruning_curves
from grokscope.runs.pruning import random_curves as curves_at_random
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


@pytest.mark.slow
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


@pytest.mark.slow
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
        (
            "size",
            "must be ipr, ipr_within_norm, memorizing, generalizing, steadiness, norm, .*'size'",
        ),
        (np.arange(19), r"got int64 \[19\]"),
        (lambda run: None, "got object"),
    ):
        with pytest.raises(ConfigError, match=message):
            prune(run, wrong)
    with pytest.raises(ConfigError, match="`stride` must be a whole number from 1"):
        prune(run, stride=0)
    with pytest.raises(ConfigError, match="`stride` must be a whole number from 1"):
        curves_at_random(run, stride=0)
    with pytest.raises(ConfigError, match="`stride` must be a whole number from 1"):
        pruning_curve(run.network, run.data, pruning_order(run.neuron_ipr), "mse", stride=0)


@pytest.mark.parametrize("first", ["lowest", "highest"])
def test_within_norm_strata_are_emptied_at_one_rate_by_ipr(first):
    """Against an order made in rounds: each round takes one neuron of every stratum."""
    rng = np.random.default_rng(0)
    norm = rng.lognormal(size=60)
    ipr = rng.random(60)
    ipr[rng.integers(60, size=3)] = np.nan
    strata = [sorted(range(60), key=lambda k: norm[k])[i : i + 6] for i in range(0, 60, 6)]
    filled = np.where(np.isnan(ipr), -1, ipr)
    rounds = zip(*(sorted(stratum, key=lambda k: filled[k]) for stratum in strata), strict=True)
    expected = [set(removed) for removed in rounds]
    order = pruning_order(ranks_within(ipr, norm), first)
    found = [set(map(int, removed)) for removed in order.reshape(6, 10)]
    assert found == (expected if first == "lowest" else expected[::-1])
    widths = [max(norm[stratum]) - min(norm[stratum]) for stratum in strata]
    for removed in (order[:count] for count in range(10, 61, 10)):
        assert abs(norm[removed].mean() - norm.mean()) <= np.mean(widths)
        assert [len({*stratum} & {*removed.tolist()}) for stratum in strata] == [
            len(removed) // 10
        ] * 10


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_strata_of_any_size_lose_the_same_share_but_for_a_neuron(width, strata, seed):
    rng = np.random.default_rng(seed)
    like = rng.random(width)
    order = pruning_order(ranks_within(rng.random(width), like, strata))
    assert sorted(order.tolist()) == list(range(width))
    cut = [part for part in np.array_split(np.argsort(like), strata) if part.size]
    for count in range(width + 1):
        shares = [np.isin(part, order[:count]).mean() for part in cut]
        assert np.ptp(shares) <= 1 / min(map(len, cut)) + 1e-12


@pytest.mark.slow
def test_the_band_is_of_the_curves_of_single_orders():
    """Count by count, against sorted curves; the same seed draws the same orders."""
    experiment = Experiment(corruption_fraction=0.3, steps=60, measure_every=60).replace(
        modulus=13, width=30
    )
    run = train(experiment, progress=False)
    data, model = run.data, run.network
    together = random_curves(model, data, "mse", 41, seed=3, stride=4)
    rng = np.random.default_rng(3)
    orders = rng.permuted(np.tile(np.arange(30), (41, 1)), axis=1)
    curves = [pruning_curve(model, data, order[::-1], "mse", stride=4) for order in orders]
    band = band_of(together)
    for name in scores():
        alone = [curve[name].values for curve in curves]
        np.testing.assert_allclose(together[name], alone, rtol=1e-5, err_msg=name)
        ranked = np.sort(alone, axis=0)[[1, 20, 39]]
        np.testing.assert_allclose(band[name].T, ranked, rtol=1e-5, err_msg=name)
    assert band.pruned.equals(curves[0].pruned)
    assert band.attrs == {"orders": 41, "seed": 3}
    assert random_curves(model, data, "mse", 41, seed=3, stride=4).identical(together)
    assert not random_curves(model, data, "mse", 41, seed=4, stride=4).equals(together)
    with pytest.raises(ConfigError, match="`n_orders` must be a whole number from 1, got 0"):
        random_curves(model, data, "mse", 0)


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
