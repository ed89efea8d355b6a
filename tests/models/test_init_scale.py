"""The factor on initial weights of every built-in network."""

import numpy as np
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.experiment.experiment import Experiment, digest
from grokscope.models.network import named_arrays
from grokscope.plotting.wording import words_of
from grokscope.training.ensemble import train_steps
from grokscope.training.networks import NETWORKS, init_model


def of(name, **values):
    """A small network with norm layers."""
    task = {"task": "mnist"} if name == "image_mlp" else {"modulus": 11}
    return Experiment(model=name, width=16, normalization="layer_norm", **task).replace(**values)


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_multiplied_and_norm_layers_are_not(name):
    plain, large = (named_arrays(init_model(of(name, init_scale=s))) for s in (1, 8))
    assert plain.keys() == large.keys()
    for array in plain:
        is_norm = "norm" in array
        assert is_norm == (plain[array].ndim == 1)
        assert np.array_equal(large[array], plain[array] * (1 if is_norm else 8)), array


@pytest.mark.parametrize("name", NETWORKS)
def test_the_default_is_not_in_the_digest(name):
    assert "init_scale" not in of(name).canonical_json()
    assert digest(of(name, init_scale=2)) != digest(of(name))
    assert "initial weights × 2" in words_of([of(name, init_scale=2)])


def test_a_scale_is_no_other_shape():
    members = [Experiment(modulus=11, width=16, steps=5, init_scale=scale) for scale in (1, 3)]
    *_, (_, states) = train_steps(members, [make_dataset(e) for e in members])
    assert not np.array_equal(states[0].model.U, states[1].model.U)
