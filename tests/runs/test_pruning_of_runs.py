import re

import numpy as np
import pytest

import grokscope
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures import pruning
from grokscope.runs.pruning import (
    BAND,
    EVALUATED,
    control_band,
    control_by_ipr,
    control_by_norm,
    prune,
    random_curves,
)

TINY = Experiment(corruption_fraction=0.3, steps=30, modulus=7, width=20)


@pytest.fixture(scope="module")
def run():
    return grokscope.train(TINY, progress=False)


@pytest.mark.slow
def test_the_band_of_a_run_is_by_its_own_loss_and_of_fifty_orders(run):
    entropic = grokscope.train(TINY.replace(loss="cross_entropy"), progress=False)
    for each in (run, entropic):
        loss = each.experiment.loss
        expected = pruning.random_curves(each.network, each.data, loss, BAND, seed=2)
        found = control_band(each, seed=2)
        assert found is not None
        assert found.identical(pruning.band_of(expected))


@pytest.mark.slow
def test_where_networks_are_evaluated_a_band_is_coarse_and_only_on_request():
    deep = grokscope.train(TINY.replace(model="deep_mlp"), progress=False)
    assert control_band(deep, layer="first") is None
    band = control_band(deep, 3, layer="first")
    assert band is not None
    assert band.sizes["pruned"] == EVALUATED + 1
    assert band.attrs["orders"] == 3


def test_the_control_by_norm_is_of_the_same_end_counts_and_layer(run):
    for by, first in (("ipr", "highest"), ("ipr_within_norm", "lowest")):
        curve = prune(run, by, first, stride=3)
        control = control_by_norm(run, curve)
        assert control is not None
        assert control.identical(prune(run, "norm", first, stride=3))
    assert control_by_norm(run, prune(run, "norm")) is None
    assert control_by_norm(run, prune(run, "random")) is None


def test_orders_by_what_neurons_add_have_that_by_ipr_and_memorising_goes_with_low(run):
    """The two ends of `memorizing` are those of IPR and of norm turned round."""
    for by, first, other in (
        ("memorizing", "highest", "lowest"),
        ("generalizing", "lowest", "lowest"),
        ("steadiness", "highest", "highest"),
    ):
        curve = prune(run, by, first, stride=3)
        for control, name in ((control_by_ipr, "ipr"), (control_by_norm, "norm")):
            found = control(run, curve)
            assert found is not None
            assert found.identical(prune(run, name, other, stride=3))
    for by in ("ipr", "ipr_within_norm", "norm", "random"):
        assert control_by_ipr(run, prune(run, by)) is None


@pytest.mark.slow
def test_without_ipr_other_orders_are_named_and_work():
    no_group = TINY.replace(operation="multiplication", modulus=8, steps=0)
    run = grokscope.train(no_group, progress=False)
    with pytest.raises(ConfigError, match=r"must be norm, random, .*memorizing here, got 'ipr'"):
        prune(run)
    curve = prune(run, "memorizing")
    assert curve.attrs["by"] == "memorizing"
    assert control_by_ipr(run, curve) is None


def test_a_chance_band_holds_the_curve_of_another_random_order(run):
    """In at least half of the counts: single curves leave a band of 95 % at one in twenty."""
    band = pruning.band_of(random_curves(run, 200, stride=1))
    low, _, high = (band.test_loss.isel(quantile=i) for i in range(3))
    curve = prune(run, "random", seed=99).test_loss
    assert np.mean((low <= curve) & (curve <= high)) > 0.5


@pytest.mark.parametrize(
    ("numbers", "got"), [([[0, 1], [2]], "lists of several lengths"), ([3, 3], "int64 [2]")]
)
def test_numbers_that_are_not_one_for_each_neuron_are_refused(run, numbers, got):
    with pytest.raises(ConfigError, match=re.escape(f"got {got}. Use norm.")):
        prune(run, lambda run: numbers)


def test_an_order_without_a_finite_number_is_refused(run):
    for by in (np.full(20, np.nan), lambda run: np.full(20, np.inf)):
        with pytest.raises(ConfigError, match="that are finite, got none among 20"):
            prune(run, by)
    one = np.where(np.arange(20) == 3, 0.5, np.nan)
    assert prune(run, one).sizes["pruned"] == 21
