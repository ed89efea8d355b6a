"""What each unit adds: it sums to the margin, by the network's own logits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.data.dataset import complete, make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.attribution import (
    attribution,
    attribution_map,
    attribution_summaries,
    half_of,
)
from grokscope.measures.examples import Examples
from grokscope.measures.pruning import pruning_curve
from grokscope.models.network import Network
from grokscope.models.two_layer import TwoLayer
from grokscope.runs.pruning import prune
from grokscope.runs.run import Run
from grokscope.runs.train import train
from networks import logits_of, numbers, random_network
from reference import weights64

NOISY = Experiment(corruption_fraction=0.4).replace(modulus=7, width=12)
IMAGES = Experiment(
    task="plain_data:pixels", model="image_mlp", width=8, depth=3, corruption_fraction=0.4
)

NETWORKS = {
    "two layers": (NOISY, "hidden"),
    "batch norm": (NOISY.replace(normalization="batch_norm"), "hidden"),
    "layer norm": (NOISY.replace(normalization="layer_norm", activation="relu"), "hidden"),
    "deep": (NOISY.replace(model="deep_mlp", normalization="batch_norm"), "last"),
    "transformer": (NOISY.replace(model="transformer", width=8, heads=2), "output"),
    "tied": (NOISY.replace(model="transformer", width=8, heads=2, tied=True), None),
    "images": (IMAGES, "layer_2"),
}


def made(name):
    """A network of random weights, its data, and the layer that adds to the logits."""
    experiment, layer = NETWORKS[name]
    experiment = complete(experiment)
    network = random_network(experiment)
    return experiment, network, make_dataset(experiment), layer


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "tied"])
def test_over_all_units_it_sums_to_the_mean_margin(name):
    _, network, data, layer = made(name)
    logits = logits_of(network, data.inputs).astype(float)
    assert np.isfinite(logits).all()
    rows = np.arange(len(logits))
    given_, true = logits[rows, data.given_labels], logits[rows, data.true_labels]
    wrong = data.given_labels != data.true_labels
    assert wrong.any()
    others = (logits.sum(axis=1) - true) / (data.n_labels - 1)
    found = attribution(network, data, layer)
    scale = np.abs(logits).max()
    memorizing, generalizing = (
        part.sum(dtype=float) for part in (found.memorizing, found.generalizing)
    )
    assert memorizing == pytest.approx((given_ - true)[wrong].mean(), abs=1e-5 * scale)
    test = ~data.is_train
    assert generalizing == pytest.approx((true - others)[test].mean(), abs=1e-5 * scale)

    some = np.flatnonzero(data.is_train)[::3]
    table = attribution_map(network, data, layer, some)
    assert table.shape == (len(some), len(found.memorizing))
    np.testing.assert_allclose(table.sum(axis=1), (given_ - true)[some], atol=1e-5 * scale)
    assert not table[~wrong[some]].any()
    everything = attribution_map(network, data, layer, np.flatnonzero(wrong))
    np.testing.assert_allclose(everything.mean(axis=0), found.memorizing, atol=1e-5 * scale)


@pytest.mark.parametrize("name", ["two layers", "layer norm", "images"])
def test_a_unit_s_share_is_what_the_margin_loses_without_it(name):
    """Where what other units send does not depend on it: behind norm layers too, W alone is cut."""
    _, network, data, layer = made(name)
    wrong = np.flatnonzero(data.given_labels != data.true_labels)
    rows = np.arange(len(wrong))

    def margin(network):
        logits = logits_of(network, data.inputs[wrong]).astype(float)
        both = logits[rows, data.given_labels[wrong]], logits[rows, data.true_labels[wrong]]
        return (both[0] - both[1]).mean()

    found = attribution(network, data, layer).memorizing
    for unit in (0, 5):
        without = network.layers[layer].pruned(network, np.arange(len(found)) != unit)
        assert found[unit] == pytest.approx(margin(network) - margin(without), abs=1e-4)


def test_what_is_not_there_is_missing():
    _, network, data, layer = made("two layers")
    clean = replace(data, given_labels=data.true_labels)
    found = attribution(network, clean, layer)
    assert np.isnan(found.memorizing).all()
    assert np.isfinite(found.generalizing).all()
    found = attribution(network, replace(data, n_train=len(data.inputs)), layer)
    assert np.isnan(found.generalizing).all()


def test_a_layer_that_does_not_add_to_the_logits_is_refused_in_one_line():
    _, network, data, _ = made("deep")
    for call in (
        lambda: attribution(network, data, "first"),
        lambda: attribution_map(network, data, "first", np.arange(3)),
    ):
        with pytest.raises(ConfigError, match=r"`layer` must be .* got 'first'\. Use last\.$"):
            call()
    _, network, data, _ = made("tied")
    with pytest.raises(ConfigError, match=r"got 'embedding'.* this one has none"):
        attribution(network, data, "embedding")


@pytest.mark.parametrize("wrong", [-1, 10**6])
def test_an_index_of_no_example_is_refused(wrong):
    _, network, data, layer = made("two layers")
    with pytest.raises(ConfigError, match=f"`examples` must hold .*, got {wrong}. Use 0.$"):
        attribution_map(network, data, layer, np.array([0, wrong]))


@given(st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=12))  # summed exactly
def test_half_is_of_the_fewest_units_that_add_half(added):
    """By trying every number of units, the largest first."""
    added = np.array(added)
    positive = sorted((value for value in added.tolist() if value > 0), reverse=True)
    total = sum(positive)
    if not total:
        assert np.isnan(half_of(added))
        return
    fewest = next(k for k in range(1, 13) if sum(positive[:k]) >= total / 2)
    assert half_of(added) * len(added) == pytest.approx(fewest)


def test_summaries_are_of_the_last_layer_and_correlate_with_ipr_by_ranks():
    experiment, network, data, layer = made("two layers")
    dead = network.W.at[:, 3].set(0)  # a dead unit has no IPR, and no place in the correlation
    network = TwoLayer(network.U, network.V, dead, "quadratic")
    memorizing = attribution(network, data, layer).memorizing
    ipr = np.zeros(12)
    U, V, W = weights64(network)
    for vectors in (U, V, W.T):
        power = np.abs(np.fft.rfft(vectors, axis=1)) ** 2
        with np.errstate(invalid="ignore"):
            ipr += (power**2).sum(axis=1) / power.sum(axis=1) ** 2 / 3
    live = np.arange(12) != 3
    ranks = [np.argsort(np.argsort(values[live])) for values in (ipr, memorizing)]
    found = numbers(attribution_summaries, network, Examples(data, experiment))
    assert found["memorizing_half"] == half_of(memorizing)
    assert found["memorizing_by_ipr"] == pytest.approx(np.corrcoef(ranks)[0, 1])


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("deep", {"memorizing_half", "memorizing_by_ipr"}),
        ("images", {"memorizing_half"}),
        ("tied", set()),
    ],
)
def test_which_summaries_a_network_has(name, names):
    experiment, network, data, _ = made(name)
    examples = Examples(data, experiment)
    found = numbers(attribution_summaries, network, examples)
    assert {name for name in found if name.startswith("memorizing")} == names
    assert bool(found) == bool(names)
    assert numbers(attribution_summaries, Network(), examples) == {}


@pytest.fixture(scope="module")
def run():
    return train(NOISY.replace(steps=20), progress=False)


@pytest.mark.parametrize("by", ["memorizing", "generalizing", "steadiness"])
def test_pruning_by_attribution_removes_what_it_says(run: Run, by):
    """Against an order made of single neurons' terms in float64."""
    U, V, W = weights64(run.network)
    data = run.data
    m, n = data.inputs.T
    terms = ((U[:, m] + V[:, n]) ** 2).T[:, :, None] * W.T  # [example, neuron, label]
    rows = np.arange(len(m))
    given_, true = (terms[rows, :, labels] for labels in (data.given_labels, data.true_labels))
    over_others = given_ - (terms.sum(axis=2) - given_) / 6
    on_training = over_others[data.is_train]
    added = {
        "memorizing": (given_ - true)[data.given_labels != data.true_labels].mean(axis=0),
        "generalizing": over_others[~data.is_train].mean(axis=0),
        "steadiness": on_training.mean(axis=0) / on_training.std(axis=0),
    }[by]
    order = np.argsort(-added)
    found = prune(run, by, "highest")
    assert found.equals(pruning_curve(run.network, data, order, "mse"))
    assert found.attrs["by"] == by
    assert prune(run, by).equals(pruning_curve(run.network, data, order[::-1], "mse"))


def test_pruning_by_memorizing_is_refused_where_no_label_is_wrong():
    clean = train(NOISY.replace(corruption_fraction=0, steps=20), progress=False)
    with pytest.raises(ConfigError, match="`by` must not be memorizing where no given label is w"):
        prune(clean, "memorizing")
    assert prune(clean, "generalizing").sizes["pruned"] == 13
