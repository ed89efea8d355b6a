import jax
import numpy as np
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.training.cost import tile_size
from grokscope.training.ensemble import ensemble_key, train_steps
from grokscope.training.loop import failed_step, prepare
from grokscope.training.networks import init_model
from reference import appendix_e_gradient, batches, dense_loss_and_gradient, weights64


def small(**values):
    defaults = {"modulus": 31, "width": 48, "corruption_fraction": 0.3, "steps": 50}
    return Experiment(measure_every=25).replace(**defaults | values)


def trained(*experiments, how=None):
    """The networks at the last step, and the steps at which they failed."""
    data = [make_dataset(experiment) for experiment in experiments]
    *_, (_, states) = train_steps(experiments, data, how=how)
    return [state.model for state in states], [failed_step(state) for state in states]


def descent(experiment, rate):
    """The gradient from one step of plain descent, tiles and padding included, and what went in.

    At a rate that makes the step far larger than the weights, or their difference loses digits.
    """
    size = tile_size(experiment.n_train, experiment.model.width)
    assert experiment.n_train > size, "the test must cover several tiles"
    assert experiment.n_train % size, "and padding"
    step = experiment.replace(optimizer="sgd", learning_rate=rate, steps=1, measure_every=1)
    data = make_dataset(step)
    (_, (before,)), (_, (after,)) = train_steps([step], [data])
    start, end = weights64(before.model), weights64(after.model)
    assert all(np.abs(b).max() > 2 * np.abs(a).max() for a, b in zip(start, end, strict=True))
    gradient = [(a - b) / rate for a, b in zip(start, end, strict=True)]
    return start, data.inputs[: data.n_train], data.given_labels[: data.n_train], gradient


def relative_error(ours, theirs):
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def test_tiled_gradient_equals_appendix_e():
    experiment = small(width=1000, train_fraction=481.5 / 961)
    weights, inputs, labels, gradient = descent(experiment, rate=1e5)
    expected = appendix_e_gradient(*weights, inputs, labels)
    for ours, theirs in zip(gradient, expected, strict=True):
        assert relative_error(ours, theirs) <= 1e-5


@pytest.mark.parametrize("activation", ["quadratic", "relu"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_tiled_gradient_equals_dense_backpropagation(activation, loss):
    experiment = small(width=1000, train_fraction=0.52, activation=activation, loss=loss)
    weights, inputs, labels, gradient = descent(experiment, rate=1e5)
    _, expected = dense_loss_and_gradient(*weights, inputs, labels, activation, loss)
    for ours, theirs in zip(gradient, expected, strict=True):
        assert relative_error(ours, theirs) <= 1e-5


def reference_training(experiment, update):
    """Train in float64 with a plain loop; `update` maps (step, w, g, memory) to new weights."""
    data = make_dataset(experiment)
    model = init_model(experiment)
    w = list(weights64(model))
    memory = [(np.zeros_like(x), np.zeros_like(x)) for x in w]
    n = data.n_train
    for step in range(1, experiment.steps + 1):
        _, g = dense_loss_and_gradient(
            *w, data.inputs[:n], data.given_labels[:n], "quadratic", "mse"
        )
        for i in range(3):
            w[i], memory[i] = update(step, w[i], g[i], memory[i])
    return w


@pytest.mark.parametrize("weight_decay", [0, 15])
@pytest.mark.parametrize("name", ["adamw", "adam"])
def test_fifty_adam_steps_equal_the_published_algorithm(name, weight_decay):
    """Loshchilov and Hutter, Algorithm 2, in float64. Float32 rounds each weight to 6e-8 a step;
    Adam divides by the gradient's own size, which magnifies that where gradients are small:
    4e-5 of the largest weight was seen over 50 steps, a wrong term shows at 1e-2 or more."""
    experiment = small(optimizer=name, weight_decay=weight_decay if name == "adamw" else 0.001)
    lr, b1, b2, eps = 0.01, 0.9, 0.98, 1e-8
    decay = experiment.optimizer.weight_decay

    def update(step, w, g, memory):
        g = g + decay * w if name == "adam" else g
        m = b1 * memory[0] + (1 - b1) * g
        v = b2 * memory[1] + (1 - b2) * g**2
        m_hat, v_hat = m / (1 - b1**step), v / (1 - b2**step)
        new = w - lr * m_hat / (np.sqrt(v_hat) + eps)
        return (new - lr * decay * w if name == "adamw" else new), (m, v)

    (model,), _ = trained(experiment)
    for ours, theirs in zip(weights64(model), reference_training(experiment, update), strict=True):
        assert relative_error(ours, theirs) < 2e-4


def test_sgd_with_momentum_and_decay_equals_its_definition():
    experiment = small(optimizer="sgd", learning_rate=20, momentum=0.9, weight_decay=1e-4)

    def update(step, w, g, memory):
        b = 0.9 * memory[0] + g + 1e-4 * w
        return w - 20 * b, (b, None)

    (model,), _ = trained(experiment)
    for ours, theirs in zip(weights64(model), reference_training(experiment, update), strict=True):
        assert relative_error(ours, theirs) < 1e-4


@pytest.fixture
def compilations():
    """How often the training loop is compiled, or fetched from the cache on disk, during a call."""
    compiled = []

    def listen(event, seconds, fun_name="", **_):
        if event.endswith("backend_compile_duration") and "train_block" in fun_name:
            compiled.append(event)

    def count(run):
        compiled.clear()
        run()
        return len(compiled)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield count
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.slow
def test_dynamic_settings_do_not_recompile(compilations):
    base = small(width=47, steps=60, measure_every=13, dropout=0.1)

    def sweep():
        for values in (
            {},
            {"weight_decay": 5, "learning_rate": 0.02, "beta1": 0.8, "eps": 1e-6},
            {"dropout": 0.7, "seed": 3},
            {"corruption_fraction": 0.9, "corruption_seed": 2, "steps": 40},
        ):
            trained(base.replace(**values))

    assert compilations(sweep) == 1
    assert compilations(lambda: trained(base.replace(width=46))) == 1


@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize(("how", "most"), [("at once", 5e-5), ("in turn", 0)])
def test_ensemble_equals_loop(batch_size, how, most):
    """`vmap` sums in another order: 9e-6 of the largest weight was seen after 50 steps."""
    members = [
        small(batch_size=batch_size, seed=seed, weight_decay=decay, dropout=0.1 * (seed + 1))
        for seed, decay in ((0, 0), (1, 5), (2, 15))
    ]
    together, _ = trained(*members, how=how)
    for member, model in zip(members, together, strict=True):
        (alone,), _ = trained(member)
        for a, b in zip(weights64(model), weights64(alone), strict=True):
            assert relative_error(a, b) <= most


def test_ensemble_of_different_shapes_is_refused():
    with pytest.raises(ConfigError, match="ensemble must share"):
        trained(small(), small(width=49))


@pytest.mark.parametrize("values", [{}, {"batch_size": 16}, {"dropout": 0.5}])
def test_same_experiment_gives_the_same_bits_however_it_is_measured(values):
    first, second = (
        trained(small(**values).replace(measure_every=every))[0][0] for every in (50, 7)
    )
    for a, b in zip(weights64(first), weights64(second), strict=True):
        assert np.array_equal(a, b)


def test_each_seed_changes_its_stream_only():
    base = small(batch_size=16, dropout=0.2, steps=0)
    initial = weights64(init_model(base))
    assert not np.array_equal(initial[0], weights64(init_model(base.replace(init_seed=1)))[0])
    assert np.array_equal(initial[0], weights64(init_model(base.replace(split_seed=1)))[0])
    results = {
        name: np.asarray(
            trained(base.replace(steps=20, **{name: int(name != "seed")}))[0][0].U
        ).tobytes()
        for name in (
            "seed",
            "split_seed",
            "init_seed",
            "batches_seed",
            "dropout_seed",
            "corruption_seed",
        )
    }
    assert len(set(results.values())) == len(results)


def test_every_epoch_is_a_fresh_permutation_without_the_incomplete_batch():
    seen = batches(50, 16, steps=2 * 3)
    assert [len(rows) for rows in seen] == [16] * 6
    for epoch in (seen[:3], seen[3:]):
        assert len(set(np.concatenate(epoch))) == 48
    assert not set(map(tuple, seen[:3])) & set(map(tuple, seen[3:]))
    assert not np.array_equal(seen[0], batches(50, 16, steps=1, seed=1)[0])


def test_minibatch_step_equals_its_definition():
    experiment = small(batch_size=16, steps=2, optimizer="sgd", learning_rate=50)
    data, model = make_dataset(experiment), init_model(experiment)
    w = list(weights64(model))
    for rows in batches(data.n_train, 16, steps=2):
        _, g = dense_loss_and_gradient(
            *w, data.inputs[rows], data.given_labels[rows], "quadratic", "mse"
        )
        w = [x - 50 * dx for x, dx in zip(w, g, strict=True)]
    (model,), _ = trained(experiment)
    for ours, theirs in zip(weights64(model), w, strict=True):
        assert relative_error(ours, theirs) < 1e-5


def test_divergence_is_recorded_with_its_step():
    _, (failed_at,) = trained(small(optimizer="sgd", learning_rate=1e6))
    assert failed_at is not None
    assert 1 <= failed_at <= 50
    _, (exact,) = trained(small(optimizer="sgd", learning_rate=1e6, measure_every=1))
    assert exact == failed_at


def test_steps_zero_leaves_the_initial_network():
    experiment = small(steps=0)
    (model,), _ = trained(experiment)
    assert np.array_equal(model.U, init_model(experiment).U)


def test_padding_is_of_examples_and_weighs_nothing():
    """A network of the user's own may have no finite gradient at zeros: 0 · NaN is NaN."""
    experiment = Experiment(train_fraction=0.51)
    data = make_dataset(experiment)
    _, dynamic = prepare(experiment, data)
    n_train, inputs = data.n_train, np.asarray(dynamic.inputs).reshape(-1, 2)
    assert len(inputs) > n_train
    assert (inputs[n_train:] == data.inputs[n_train - 1]).all()
    weights = np.asarray(dynamic.weights).ravel()
    assert weights[:n_train].all()
    assert not weights[n_train:].any()


def test_experiments_of_other_measures_or_without_second_labels_are_no_ensemble():
    base = Experiment(modulus=7, width=8)
    others = [
        base.replace(measures=["key_frequencies"]),
        base.replace(corruption="second_rule", second_rule="m2+n", corruption_fraction=0.1),
    ]
    assert len({ensemble_key(experiment) for experiment in (base, *others)}) == 3
