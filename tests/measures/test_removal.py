"""Effects of removing each unit alone, against networks that lack its column of W."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.removal import removal_effects
from grokscope.models.network import named_arrays
from grokscope.runs.train import train


def accuracies(network, data):
    right = np.asarray(network(jnp.asarray(data.inputs))).argmax(axis=1) == data.given_labels
    return right[~data.is_train].mean(), right[data.is_corrupted].mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "layer"),
    [
        ({"width": 12}, "hidden"),
        ({"model": "deep_mlp", "width": 12}, "first"),
        ({"model": "deep_mlp", "width": 12}, "last"),
    ],
)
def test_each_unit_s_effect_is_that_of_a_network_without_it(settings, layer):
    experiment = Experiment(steps=60, corruption_fraction=0.4).replace(modulus=13, **settings)
    run = train(experiment, progress=False)
    network, data = run.network, run.data
    layer = layer if layer in network.layers else list(network.layers)[-1]
    effects = removal_effects(network, data, layer)
    whole = accuracies(network, data)
    matrix = network.layers[layer].outgoing
    for unit in range(12):
        W = np.asarray(run.dataset[matrix].values).copy()
        W[:, unit] = 0
        kept = np.arange(12) != unit
        pruned = network.layers[layer].pruned(network, kept)
        assert np.array_equal(named_arrays(pruned)[matrix], W)
        for found, after, before in zip(
            effects.values(), accuracies(pruned, data), whole, strict=True
        ):
            assert found[unit] == pytest.approx(after - before, abs=2.5 / len(data.inputs))


def test_an_unknown_layer_is_refused_in_one_line():
    run = train(Experiment(steps=0).replace(modulus=7, width=4), progress=False)
    with pytest.raises(ConfigError, match=r"`layer` must be one of the network's \(hidden\)"):
        removal_effects(run.network, run.data, "first")


def test_no_corrupted_labels_have_no_accuracy():
    run = train(Experiment(steps=2).replace(modulus=7, width=4), progress=False)
    effects = removal_effects(run.network, run.data, "hidden")
    assert np.isnan(effects["corrupted_accuracy"]).all()
    assert np.isfinite(effects["test_accuracy"]).all()
    dead = dataclasses.replace(run.network, W=run.network.W.at[:, 1].set(0))
    assert removal_effects(dead, run.data, "hidden")["test_accuracy"][1] == 0
