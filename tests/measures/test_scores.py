import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.experiment.experiment import Experiment
from grokscope.measures.examples import Examples
from grokscope.measures.logits import scores_of
from grokscope.measures.spectrum import ipr_over, mean_ipr, neuron_ipr
from grokscope.measures.table import scores as table_scores
from grokscope.measures.together import measure, measure_together, scores_on
from grokscope.models.network import named_arrays, vector_matrices, with_arrays
from grokscope.models.two_layer import TwoLayer
from grokscope.training.members import stacked
from grokscope.training.networks import init_model
from reference import dense_scores, weights64


@pytest.mark.parametrize("activation", ["quadratic", "relu"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_scores_equal_evaluating_each_subset(activation, loss):
    experiment = Experiment(corruption_fraction=0.4).replace(
        modulus=23, width=300, activation=activation, loss=loss
    )
    data = make_dataset(experiment)
    model = TwoLayer.init(jax.random.key(3), 23, 23, width=300, activation=activation)
    scores = scores_on(Examples(data, experiment), model)
    expected = dense_scores(*weights64(model), data, activation, loss)
    assert set(scores) == set(table_scores())
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value, rel=1e-5), name


def test_empty_subsets_are_missing_and_not_zero():
    experiment = Experiment(modulus=7, width=9)
    model = TwoLayer.init(jax.random.key(0), 7, 7, width=9)
    scores = scores_on(Examples(make_dataset(experiment), experiment), model)
    assert np.isnan(scores["corrupted_accuracy"])
    assert np.isnan(scores["corrected_accuracy"])
    assert scores["uncorrupted_accuracy"] == scores["train_accuracy"]


def test_norms_and_ipr_by_definition():
    experiment = Experiment().replace(modulus=11, width=5, operation="multiplication")
    model = TwoLayer.init(jax.random.key(0), 11, 11, experiment.model.width)
    measured = measure(model, Examples(make_dataset(experiment), experiment))
    powers_of_two = [1, 2, 4, 8, 5, 10, 9, 7, 3, 6]  # 2 is the smallest primitive root of 11
    for index, matrix in enumerate((model.U, model.V, model.W)):
        matrix = np.asarray(matrix, np.float64)
        assert measured.norm[index] == pytest.approx(np.sqrt((matrix**2).sum()), rel=1e-6)
        for k in range(5):
            modulus = np.abs(np.fft.rfft(matrix[powers_of_two, k]))
            expected = (np.linalg.norm(modulus, 4) / np.linalg.norm(modulus, 2)) ** 4
            assert measured.ipr[index, k] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("how", ["at once", "in turn"])
@pytest.mark.parametrize(
    "values", [{}, {"operation": "division"}, {"task": "group", "group": "S4"},
               {"task": "parity", "bits": 6, "relevant_bits": 2}],
)  # fmt: skip
def test_networks_measured_together_are_as_each_on_the_host(how, values):
    """Scores by each example's answers, norms and the Fourier transform by NumPy."""
    base = Experiment(corruption_fraction=0.3).replace(width=20)
    base = base.replace(**values) if "task" in values else base.replace(modulus=23, **values)
    cells = [base.replace(seed=seed, loss="cross_entropy") for seed in range(3)]
    models = [init_model(cell) for cell in cells]
    models[0] = with_arrays(models[0], {"U": np.asarray(models[0].U) * (np.arange(20) > 3)})
    examples = [Examples(make_dataset(cell), cell) for cell in cells]
    wanted = {place: examples[place] for place in (0, 2)}
    tiles = stacked([some.tiles for some in examples], how)
    found = measure_together(stacked(models, how), tiles, wanted, how)
    assert [*found] == [0, 2]
    for place, measured in found.items():
        some, arrays = examples[place], named_arrays(models[place])
        logits = np.asarray(models[place](jnp.asarray(some.dataset.inputs)))
        expected = scores_of(logits, some.dataset, "cross_entropy")
        assert measured.scores == pytest.approx(expected, rel=1e-6, nan_ok=True)
        norms = [np.linalg.norm(array) for array in arrays.values()]
        np.testing.assert_allclose(measured.norm, norms, rtol=1e-5)
        group = some.dataset.group
        if group is None:
            assert measured.ipr.size == 0
            continue
        for row, name in zip(measured.ipr, vector_matrices(models[place]), strict=True):
            np.testing.assert_allclose(row, ipr_over(arrays[name], group), rtol=2e-5)


def test_dead_neurons_stay_out_of_means():
    ipr = np.array([[0.9, 0.5, np.nan], [0.9, np.nan, np.nan], [0.6, 0.1, np.nan]])
    per_neuron = neuron_ipr(ipr)
    assert per_neuron[0] == pytest.approx(0.8)
    assert np.isnan(per_neuron[1:]).all()
    assert mean_ipr(per_neuron) == pytest.approx(0.8)
    assert np.isnan(mean_ipr(np.array([np.nan])))
