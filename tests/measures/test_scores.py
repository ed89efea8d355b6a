import jax
import numpy as np
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.experiment.experiment import Experiment
from grokscope.measures.scores import Examples, measure
from grokscope.measures.spectrum import mean_ipr, neuron_ipr
from grokscope.measures.table import scores as table_scores
from grokscope.models.two_layer import TwoLayer
from reference import dense_scores, weights64


@pytest.mark.parametrize("activation", ["quadratic", "relu"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_scores_equal_evaluating_each_subset(activation, loss):
    experiment = Experiment(corruption_fraction=0.4).replace(
        modulus=23, width=300, activation=activation, loss=loss
    )
    data = make_dataset(experiment)
    model = TwoLayer.init(jax.random.key(3), 23, 23, width=300, activation=activation)
    scores = Examples(data, 300).scores(model, loss)
    expected = dense_scores(*weights64(model), data, activation, loss)
    assert set(scores) == set(table_scores())
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value, rel=1e-5), name


def test_empty_subsets_are_missing_and_not_zero():
    data = make_dataset(Experiment().replace(modulus=7))
    model = TwoLayer.init(jax.random.key(0), 7, 7, width=9)
    scores = Examples(data, 9).scores(model, "mse")
    assert np.isnan(scores["corrupted_accuracy"])
    assert np.isnan(scores["corrected_accuracy"])
    assert scores["uncorrupted_accuracy"] == scores["train_accuracy"]


def test_norms_and_ipr_by_definition():
    experiment = Experiment().replace(modulus=11, width=5, operation="multiplication")
    model = TwoLayer.init(jax.random.key(0), 11, 11, experiment.model.width)
    measured = measure(model, Examples(make_dataset(experiment), 5), experiment)
    powers_of_two = [1, 2, 4, 8, 5, 10, 9, 7, 3, 6]  # 2 is the smallest primitive root of 11
    for index, matrix in enumerate((model.U, model.V, model.W)):
        matrix = np.asarray(matrix, np.float64)
        assert measured.norm[index] == pytest.approx(np.sqrt((matrix**2).sum()), rel=1e-6)
        for k in range(5):
            modulus = np.abs(np.fft.rfft(matrix[powers_of_two, k]))
            expected = (np.linalg.norm(modulus, 4) / np.linalg.norm(modulus, 2)) ** 4
            assert measured.ipr[index, k] == pytest.approx(expected, rel=1e-5)


def test_dead_neurons_stay_out_of_means():
    ipr = np.array([[0.9, 0.5, np.nan], [0.9, np.nan, np.nan], [0.6, 0.1, np.nan]])
    per_neuron = neuron_ipr(ipr)
    assert per_neuron[0] == pytest.approx(0.8)
    assert np.isnan(per_neuron[1:]).all()
    assert mean_ipr(per_neuron) == pytest.approx(0.8)
    assert np.isnan(mean_ipr(np.array([np.nan])))
