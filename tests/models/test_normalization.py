"""BatchNorm and LayerNorm against NumPy in float64 and, where it is installed, PyTorch."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.pruning import pruning_curve
from grokscope.measures.scores import score_means, score_values
from grokscope.measures.table import Answers
from grokscope.models.normalization import BatchNorm, LayerNorm, with_seen
from grokscope.runs.compact import without_weights
from grokscope.runs.pruning import prune
from grokscope.runs.train import train
from grokscope.training.ensemble import train_steps
from grokscope.training.networks import init_model
from reference import batches, normalized_gradient

AXIS = {"batch_norm": 0, "layer_norm": 1}


def small(**values):
    defaults = {"modulus": 31, "width": 48, "corruption_fraction": 0.3, "steps": 20}
    return Experiment(measure_every=20).replace(**defaults | values)


def reference_training(experiment):
    """20 steps of descent in float64: the five arrays, and the running mean and variance."""
    data, model = make_dataset(experiment), init_model(experiment)
    arrays = [model.U, model.V, model.W, model.norm.gamma, model.norm.beta]
    w = [np.asarray(array, np.float64) for array in arrays]
    width, size = experiment.model.width, experiment.batch_size or data.n_train
    running = np.zeros(width), np.ones(width)
    everything = [np.arange(data.n_train)] * experiment.steps
    for rows in (
        everything if size == data.n_train else batches(data.n_train, size, len(everything))
    ):
        examples = data.inputs[rows], data.given_labels[rows]
        g, seen = normalized_gradient(*w, *examples, AXIS[experiment.model.normalization])
        w = [x - experiment.optimizer.learning_rate * dx for x, dx in zip(w, g, strict=True)]
        if experiment.model.normalization == "batch_norm":
            unbiased = seen[0], seen[1] * size / (size - 1)
            running = [0.9 * old + 0.1 * new for old, new in zip(running, unbiased, strict=True)]
    return w, running


@pytest.mark.parametrize("normalization", AXIS)
@pytest.mark.parametrize("batch_size", [None, 16])
def test_twenty_steps_equal_the_published_passes(normalization, batch_size):
    experiment = small(
        normalization=normalization, batch_size=batch_size, optimizer="sgd", learning_rate=0.5
    )
    data = make_dataset(experiment)
    *_, (_, (state,)) = train_steps([experiment], [data])
    model = state.model
    expected, running = reference_training(experiment)
    ours = [model.U, model.V, model.W, model.norm.gamma, model.norm.beta]
    for a, b in zip(ours, expected, strict=True):
        assert np.abs(np.asarray(a) - b).max() <= 1e-4 * np.abs(b).max()
    if normalization == "batch_norm":
        seen = model.norm.running
        for a, b in zip((seen.mean, seen.variance), running, strict=True):
            assert np.abs(np.asarray(a) - b).max() <= 1e-4 * np.abs(b).max()


@pytest.mark.parametrize("normalization", AXIS)
def test_layers_equal_pytorch_over_twenty_batches(normalization):
    torch = pytest.importorskip("torch")
    kinds = {"batch_norm": torch.nn.BatchNorm1d, "layer_norm": torch.nn.LayerNorm}
    theirs = kinds[normalization](12)
    ours = {"batch_norm": BatchNorm, "layer_norm": LayerNorm}[normalization].init(12)
    rng = np.random.default_rng(0)
    gamma, beta = rng.normal(size=(2, 12)).astype(np.float32)
    theirs.load_state_dict(
        theirs.state_dict() | {"weight": torch.tensor(gamma), "bias": torch.tensor(beta)}
    )
    ours = eqx.tree_at(lambda layer: (layer.gamma, layer.beta), ours, (gamma, beta))
    is_batch_norm = normalization == "batch_norm"

    def forward(layer, h):
        return layer.in_training(h) if is_batch_norm else (layer(h), None)

    for _ in range(20):
        h = (3 + 2 * rng.normal(size=(7, 12))).astype(np.float32)
        back = rng.normal(size=(7, 12)).astype(np.float32)
        given = torch.tensor(h, requires_grad=True)
        theirs.zero_grad()
        out = theirs(given)
        out.backward(torch.tensor(back))
        (mine, seen), pull = jax.vjp(forward, ours, jnp.asarray(h))
        zero = jax.tree.map(jnp.zeros_like, seen)
        d_layer, d_h = pull((jnp.asarray(back), zero))
        np.testing.assert_allclose(mine, out.detach().numpy(), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(d_h, given.grad.numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(d_layer.gamma, theirs.weight.grad, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(d_layer.beta, theirs.bias.grad, rtol=1e-4, atol=1e-5)
        ours = with_seen(ours, [seen] if is_batch_norm else [])
    if is_batch_norm:
        np.testing.assert_allclose(ours.running.mean, theirs.running_mean, rtol=1e-5)
        np.testing.assert_allclose(ours.running.variance, theirs.running_var, rtol=1e-5)
    theirs.eval()
    np.testing.assert_allclose(
        ours(jnp.asarray(h)), theirs(torch.tensor(h)).detach().numpy(), rtol=1e-5, atol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("normalization", AXIS)
def test_a_stored_network_is_the_trained_one(normalization, tmp_path):
    experiment = small(normalization=normalization, batch_size=32, weight_decay=2)
    data = make_dataset(experiment)
    *_, (_, (state,)) = train_steps([experiment], [data])
    model = state.model
    train(experiment, tmp_path, progress=False)
    again = train(experiment, tmp_path, progress=False).network
    assert all(map(np.array_equal, jax.tree.leaves(model), jax.tree.leaves(again)))
    inputs = jnp.asarray(data.inputs)
    assert np.array_equal(model(inputs), again(inputs))


@pytest.mark.slow
@pytest.mark.parametrize("normalization", AXIS)
def test_pruning_removes_a_neurons_term_and_nothing_else(normalization):
    run = train(small(normalization=normalization, batch_size=32, steps=200), progress=False)
    data, network = run.data, run.network
    order = np.random.default_rng(0).permutation(48)
    curve = pruning_curve(network, data, order, "mse")
    model = jax.tree.map(lambda array: np.asarray(array, np.float64), network)
    h = (model.U[data.inputs[:, 0]] + model.V[data.inputs[:, 1]]) ** 2
    if normalization == "batch_norm":
        mean, variance = model.norm.running.mean, model.norm.running.variance
    else:
        mean, variance = h.mean(1, keepdims=True), h.var(1, keepdims=True)
    features = (h - mean) / np.sqrt(variance + 1e-5) * model.norm.gamma + model.norm.beta
    for count in (0, 1, 17, 47, 48):
        kept = order[count:]
        logits = features[:, kept] @ model.W[:, kept].T
        losses = ((logits - np.eye(31)[data.given_labels]) ** 2).mean(1)
        answers = Answers(logits, logits.argmax(1), losses, data.given_labels, data.true_labels)
        expected = score_means({value: value(answers) for value in score_values()}, data)
        for name, value in expected.items():
            assert float(curve[name][count]) == pytest.approx(value, rel=1e-4), (name, count)


def test_a_sweep_keeps_what_batch_norm_gives_each_neuron():
    run = train(small(normalization="batch_norm", batch_size=32), progress=False)
    lean = without_weights(run)
    assert not lean.has_weights
    assert np.allclose(lean.dataset.norm_gamma, run.dataset.norm_gamma, rtol=1e-3)
    norms = np.linalg.norm(run.dataset.W, axis=0)
    assert np.allclose(lean.dataset.output_norm, norms, rtol=1e-3)
    assert prune(run).sizes["pruned"] == 49


def test_batch_norm_of_single_examples_is_refused():
    with pytest.raises(ConfigError, match="`batch_size` must be at least 2 with batch_norm, got 1"):
        small(normalization="batch_norm", batch_size=1)


def test_an_experiment_without_norm_layer_keeps_its_name():
    assert "normalization" not in Experiment().canonical_json()
