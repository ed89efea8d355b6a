"""Deep MLPs, Transformers and MLPs of images against plain NumPy networks in float64."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import plain
from grokscope.data.dataset import complete, make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.pruning import pruning_curve
from grokscope.models.dense import mask
from grokscope.models.dropout import dropout_mask
from grokscope.models.image_mlp import ImageMLP
from grokscope.models.network import named_arrays
from grokscope.models.normalization import split_trained
from grokscope.models.transformer import Transformer
from grokscope.models.two_layer import TwoLayer
from grokscope.runs.compact import without_weights
from grokscope.runs.pruning import pruning_curves
from grokscope.runs.train import train, train_ensemble
from grokscope.training.ensemble import train_steps
from grokscope.training.networks import init_model

BASE = Experiment(corruption_fraction=0.3, loss="mse").replace(modulus=11)
DEEP = BASE.replace(model="deep_mlp", width=20)
TRANSFORMER = BASE.replace(model="transformer", width=16)
NETWORKS = {
    "deep": DEEP,
    "deeper, lazy, CE": DEEP.replace(depth=4, parameterization="lazy", loss="cross_entropy"),
    "BatchNorm": DEEP.replace(normalization="batch_norm"),
    "LayerNorm": DEEP.replace(depth=2, normalization="layer_norm"),
    "Transformer": TRANSFORMER,
    "standard, one head": TRANSFORMER.replace(scaling="standard", heads=1, loss="cross_entropy"),
    "tied": TRANSFORMER.replace(tied=True, depth=2),
    "three blocks, LayerNorm": TRANSFORMER.replace(depth=3, normalization="layer_norm"),
    "tied, LayerNorm": TRANSFORMER.replace(tied=True, normalization="layer_norm"),
    "as before": TRANSFORMER.replace(
        tied=True, depth=2, tied_init="embedding", dropout_sites="sublayers"
    ),
}
NETWORKS |= {
    "three tokens": BASE.replace(modulus=5, operands=3, width=20),
    "three tokens, deep": DEEP.replace(modulus=5, operands=3),
    "four tokens, deep, BatchNorm": DEEP.replace(
        modulus=3, operands=4, normalization="batch_norm", depth=2
    ),
    "one token": BASE.replace(modulus=31, operands=1, activation="relu", width=20),
    "one token, Transformer": TRANSFORMER.replace(modulus=31, operands=1),
    "three tokens, Transformer": TRANSFORMER.replace(modulus=5, operands=3, depth=2),
    "parity": BASE.replace(task="parity", bits=6, relevant_bits=2, width=20),
    "parity, Transformer": TRANSFORMER.replace(task="parity", bits=5, normalization="layer_norm"),
    "permutations": BASE.replace(task="group", group="S3", operands=3, width=20),
    "permutations, tied": TRANSFORMER.replace(task="group", group="S3", tied=True),
    "division": DEEP.replace(operation="division"),
}
IMAGES = Experiment(task="plain_data:features", model="image_mlp", corruption_fraction=0.3)
IMAGES = complete(IMAGES.replace(width=20, depth=3))
NETWORKS |= {
    "features": IMAGES.replace(loss="cross_entropy"),
    "pixels, BatchNorm": complete(
        IMAGES.replace(task="plain_data:pixels", normalization="batch_norm")
    ),
    "features, LayerNorm": IMAGES.replace(normalization="layer_norm"),
}
LOSSES = {"mse": plain.mse, "cross_entropy": plain.cross_entropy}


def logits64(model, inputs, over=0, **options):
    if isinstance(model, Transformer):
        return plain.transformer(model, inputs, **options)
    if isinstance(model, ImageMLP):
        return plain.image_mlp(model, inputs, over, **options)
    if isinstance(model, TwoLayer):
        return plain.two_layer(model, inputs, over)
    return plain.deep_mlp(model, inputs, over, **options)


@pytest.mark.parametrize("name", NETWORKS)
def test_forward_equals_the_plain_network(name):
    model = init_model(NETWORKS[name])
    inputs = make_dataset(NETWORKS[name]).inputs
    over = -1 if NETWORKS[name].normalization == "layer_norm" else 0
    ours, _ = model.in_training(jnp.asarray(inputs))
    np.testing.assert_allclose(ours, logits64(model, inputs, over), atol=1e-5, rtol=1e-5)
    if NETWORKS[name].normalization != "batch_norm":
        np.testing.assert_allclose(model(jnp.asarray(inputs)), ours, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [None, pytest.param(32, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_goes_down_the_gradient_of_the_plain_network(name, batch_size):
    """One step of plain descent, tiles and shared part and all, against central differences."""
    experiment = NETWORKS[name].replace(
        optimizer="sgd", learning_rate=1.0, steps=1, measure_every=1, train_fraction=0.7
    )
    data = make_dataset(experiment)
    rows = slice(data.n_train)
    if batch_size:  # a batch of all examples but the last, which is dropped
        experiment = experiment.replace(batch_size=data.n_train)
    (_, (before,)), (_, (after,)) = train_steps([experiment], [data])
    before, after = split_trained(before.model)[0], split_trained(after.model)[0]
    gradient = jax.tree.map(lambda a, b: plain.f64(a) - plain.f64(b), before, after)
    over = -1 if experiment.normalization == "layer_norm" else 0
    loss = LOSSES[experiment.loss]
    rng = np.random.default_rng(0)
    for _ in range(3):
        direction = jax.tree.map(lambda g: rng.normal(size=g.shape), gradient)
        size = 1e-6

        def at(step, direction=direction):
            moved = jax.tree.map(lambda w, v: plain.f64(w) + step * v, before, direction)
            logits = logits64(moved, data.inputs[rows], over)
            return loss(logits, data.given_labels[rows])

        slope = (at(size) - at(-size)) / (2 * size)
        along = sum(jax.tree.leaves(jax.tree.map(lambda g, v: (g * v).sum(), gradient, direction)))
        scale = np.sqrt(sum((g**2).sum() for g in jax.tree.leaves(gradient)))
        assert abs(slope - along) < 2e-4 * scale, (slope, along)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["BatchNorm", "pixels, BatchNorm"])
def test_running_statistics_are_each_layer_s_own(name):
    """After one step of a whole batch a tenth of its means and variances; evaluation uses them."""
    experiment = NETWORKS[name].replace(steps=1, measure_every=1)
    data = make_dataset(experiment)
    (_, (before,)), (_, (after,)) = train_steps([experiment], [data])
    inputs = data.inputs[: data.n_train]
    before, after = before.model, after.model
    h, matrices = plain.first_layer(before, inputs), before.hidden[-len(before.norms) + 1 :]
    for place, norm in enumerate(after.norms):
        if place:
            h = h @ plain.f64(matrices[place - 1]).T
        h = np.maximum(h, 0)
        np.testing.assert_allclose(norm.running.mean, 0.1 * h.mean(0), rtol=1e-4, atol=1e-6)
        expected = 0.9 + 0.1 * h.var(0, ddof=1)
        np.testing.assert_allclose(norm.running.variance, expected, rtol=1e-4)
        h = plain.normalized(h, before.norms[place], 0)
    everything = logits64(after, data.inputs, over="running")
    np.testing.assert_allclose(after(jnp.asarray(data.inputs)), everything, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["deeper, lazy, CE", "features", "Transformer", "tied", "three blocks, LayerNorm", "as before"],
)
def test_dropout_drops_what_is_stated_with_the_stated_probability(name):
    model = init_model(NETWORKS[name])
    inputs = make_dataset(NETWORKS[name]).inputs
    key, p = jax.random.key(5), 0.4
    sites = set()

    def masks(place, shape):
        sites.add(place)
        if isinstance(model, Transformer):
            depth = len(model.blocks)
            is_last = place in (2 * depth - 2, 2 * depth - 1, 3 * depth)
            flat = (len(inputs), shape[-1]) if is_last else (2 * len(inputs), shape[-1])
            drawn = dropout_mask(jax.random.fold_in(key, place), flat, jnp.float32(p))
            kept = np.ones((2, len(inputs), shape[-1]))
            kept[2 - len(drawn) // len(inputs) :] = np.reshape(drawn, (-1, *kept.shape[1:]))
            assert abs(np.mean(drawn) - 0.6) < 5 * (0.24 / drawn.size) ** 0.5
            return np.moveaxis(kept, 0, 1)
        return np.asarray(mask(key, place, shape, p))

    ours, _ = model.in_training(jnp.asarray(inputs), key, p)
    np.testing.assert_allclose(ours, logits64(model, inputs, masks=masks, p=p), atol=2e-5)
    assert np.array_equal(model(jnp.asarray(inputs)), model.in_training(jnp.asarray(inputs))[0])
    if isinstance(model, Transformer):  # two a block; everywhere, a block's attention and the sum
        depth = len(model.blocks)
        assert len(sites) == 2 * depth + (0 if name == "as before" else depth + 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tied", "three blocks, LayerNorm", "as before"])
def test_gradients_under_dropout_are_those_of_a_network_that_shares_nothing(name):
    """What is shared has its gradient taken apart; in one piece it is the same."""
    model = init_model(NETWORKS[name])
    inputs = jnp.asarray(make_dataset(NETWORKS[name]).inputs[:40])

    def loss(weights, shared=None):
        logits, _ = weights.in_training(inputs, jax.random.key(5), 0.4, shared)
        return (logits**2).sum()

    whole = eqx.filter_grad(loss)(model)
    shared, through_shared = jax.vjp(lambda weights: weights.shared(), model)
    direct, of_shared = jax.grad(loss, argnums=(0, 1))(model, shared)
    apart = jax.tree.map(jnp.add, direct, *through_shared(of_shared))
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(apart), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4 * float(jnp.abs(one).max()))


def test_a_tied_network_has_one_matrix():
    arrays = named_arrays(init_model(NETWORKS["tied"]))
    assert "W" not in arrays
    assert arrays["E"].shape == (11, 16)


@pytest.mark.slow
def test_initial_variances():
    """Relative error of a variance from 10,000 normals is 1.4 %: 8 % is beyond five sigma."""
    deep = named_arrays(init_model(DEEP.replace(modulus=50, width=200)))
    lazy = named_arrays(init_model(DEEP.replace(modulus=50, width=200, parameterization="lazy")))
    net = named_arrays(init_model(TRANSFORMER.replace(modulus=97, width=128)))
    expected = {"U": 2 / 100, "V": 2 / 100, "hidden_0": 2 / 200, "W": 2 / 200}
    for name, variance in expected.items():
        assert deep[name].var() == pytest.approx(variance, rel=0.08)
        assert lazy[name].var() == pytest.approx(2 / 200 ** (2 / 3), rel=0.08)
    assert net["E"].var() == pytest.approx(1, rel=0.08)
    tied = TRANSFORMER.replace(modulus=97, width=128, tied=True)
    for init, variance in (("read_out", 1 / 128), ("embedding", 1)):
        arrays = named_arrays(init_model(tied.replace(tied_init=init)))
        assert arrays["E"].var() == pytest.approx(variance, rel=0.08)
        assert arrays["P"].var() == pytest.approx(1, rel=0.5)
    for name, array in named_arrays(init_model(tied.replace(tied=False))).items():
        assert np.array_equal(array, net[name])
    for name in ("blocks_0_query", "blocks_0_expand", "W"):
        assert net[name].var() == pytest.approx(1 / 128, rel=0.08)
    assert net["blocks_0_contract"].var() == pytest.approx(1 / 512, rel=0.08)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["BatchNorm", "three blocks, LayerNorm"])
def test_an_ensemble_equals_a_loop(name):
    cells = [
        NETWORKS[name].replace(steps=10, dropout=0.1, weight_decay=decay, seed=seed)
        for decay, seed in ((0, 0), (1, 1))
    ]
    together = train_ensemble(cells)
    for cell, run in zip(cells, together, strict=True):
        alone = named_arrays(train(cell, progress=False).network)
        for array, other in zip(alone.values(), named_arrays(run.network).values(), strict=True):
            np.testing.assert_allclose(array, other, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["BatchNorm", "deeper, lazy, CE", "tied", "Transformer", "features"]
)
def test_pruning_any_layer_zeroes_what_its_units_send_on(name):
    run = train(NETWORKS[name].replace(steps=5), progress=False)
    model, data = run.network, run.data
    for layer, parts in model.layers.items():
        n_units = named_arrays(model)[parts.outgoing].shape[1]
        order = np.random.default_rng(1).permutation(n_units)
        curve = pruning_curve(model, data, order, run.experiment.loss, stride=6, layer=layer)
        for pruned in (0, n_units // 6 * 6 % n_units, n_units):
            count = int(curve.pruned[np.abs(curve.pruned.values - pruned).argmin()])
            without = eqx.tree_at(
                lambda m, parts=parts: getattr_path(m, parts.outgoing),
                model,
                replace_fn=lambda w, gone=order[:count]: w.at[:, gone].set(0),
            )
            logits = np.asarray(without(jnp.asarray(data.inputs)))
            test = data.given_labels[data.n_train :]
            hits = logits[data.n_train :].argmax(1) == test
            at = curve.sel(pruned=count)
            assert float(at.test_accuracy) == pytest.approx(hits.mean(), abs=1e-6)
            loss = LOSSES[run.experiment.loss](plain.f64(logits[data.n_train :]), test)
            assert float(at.test_loss) == pytest.approx(loss, rel=1e-4)
    with pytest.raises(ConfigError, match="`layer` must be one of"):
        pruning_curve(model, data, order, run.experiment.loss, layer="nothing")


def getattr_path(model, name):
    """U, or hidden_0, or blocks_0_contract."""
    for part in name.split("_"):
        model = model[int(part)] if part.isdecimal() else getattr(model, part)
    return model


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [n for n, e in NETWORKS.items() if e.task.has_tokens and e.task.name != "parity"]
)
def test_a_lean_run_keeps_the_ipr_of_every_layer(name):
    run = train(NETWORKS[name].replace(steps=5), progress=False)
    lean = without_weights(run)
    assert run.has_weights
    assert not lean.has_weights
    for layer in dict.fromkeys(run.dataset.layer.values.tolist()):
        np.testing.assert_allclose(lean.layer_ipr(layer), run.layer_ipr(layer), rtol=1e-3)
    assert np.array_equal(run.neuron_ipr, run.layer_ipr(run.dataset.layer.values[0]))
    last = run.dataset.layer.values[-1]
    curves = pruning_curves(run, layer=last, stride=-(-len(run.neuron_ipr) // 50))
    np.testing.assert_allclose(lean.dataset.pruned_test_loss, curves.test_loss, rtol=1e-5)
    with pytest.raises(ConfigError, match="`layer` must be one that has an IPR"):
        run.layer_ipr("nothing")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "transformer", "heads": 3}, "`heads` must divide the width 128, got 3. Use 2"),
        ({"model": "image_mlp"}, "`model` must take what task modular gives"),
        ({"model": "deep_mlp", "depth": 1}, "`depth` must be a whole number from 2"),
        ({"task": "mnist"}, "`model` must take what task mnist gives, got two_layer"),
        ({"model": "transformer", "activation": "relu"}, "a setting of another model"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(values, message):
    with pytest.raises(ConfigError, match=message):
        Experiment().replace(**values)


@pytest.mark.slow
def test_a_transformer_groks():
    """Clean labels, the paper's network: perfect test accuracy, and four times the IPR of the
    random vectors that its embedding was.
    """
    experiment = Experiment(train_fraction=0.8, steps=1500, measure_every=100).replace(
        model="transformer", learning_rate=0.001, weight_decay=5
    )
    run = train(experiment, progress=False)
    assert run.dataset.test_accuracy.max() == 1
    assert run.final.mean_ipr > 4 * run.dataset.mean_ipr[0]
