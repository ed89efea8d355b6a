"""Networks that were trained elsewhere: there and back, and against runs of the same weights."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

import grokscope as gs
from grokscope.data.dataset import complete
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.attribution import attribution
from grokscope.measures.phases import Phase
from grokscope.measures.pruning import pruning_curve
from grokscope.measures.removal import removal_effects
from grokscope.models.network import named_arrays
from grokscope.plotting.wording import phase_title, small_print
from grokscope.training.networks import NETWORKS
from networks import logits_of, random_network

torch = pytest.importorskip("torch")  # `make torch` brings it
in_torch = pytest.importorskip("grokscope.runs.in_torch")
torch.set_num_threads(1)  # as the tests' JAX: cores are shared

SMALL = Experiment(corruption_fraction=0.3).replace(modulus=7, width=12)
DEEP = SMALL.replace(model="deep_mlp", width=12)
FORMER = SMALL.replace(model="transformer", width=8)
IMAGES = complete(Experiment(task="plain_data:features", model="image_mlp").replace(width=12))
BUILT_IN = {
    "quadratic": SMALL,
    "relu": SMALL.replace(activation="relu"),
    "BatchNorm": SMALL.replace(normalization="batch_norm"),
    "LayerNorm": SMALL.replace(normalization="layer_norm"),
    "deep": DEEP,
    "deep, one layer": DEEP.replace(depth=2),
    "deep, BatchNorm": DEEP.replace(depth=4, normalization="batch_norm"),
    "deep, LayerNorm": DEEP.replace(normalization="layer_norm"),
    "Transformer": FORMER,
    "Transformer, standard": FORMER.replace(depth=2, scaling="standard", heads=2),
    "Transformer, tied, LayerNorm": FORMER.replace(tied=True, normalization="layer_norm"),
    "three operands": SMALL.replace(operands=3, modulus=3),
    "one operand": SMALL.replace(operands=1, train_fraction=0.5),
    "deep, parity": DEEP.replace(task="parity", bits=6),
    "Transformer, group": FORMER.replace(task="group", group="S3", operands=3),
    "features": IMAGES,
    "features, one layer": IMAGES.replace(depth=1),
    "features, BatchNorm": IMAGES.replace(normalization="batch_norm"),
    "pixels": complete(IMAGES.replace(task="plain_data:pixels")),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_there_and_back_with_the_same_logits(name):
    experiment = BUILT_IN[name]
    weights = named_arrays(random_network(experiment))
    run = gs.from_arrays(weights, experiment)
    module, inputs = run.to_torch(), run.data.inputs
    with torch.no_grad():
        logits = module(torch.tensor(inputs))
    np.testing.assert_allclose(logits, logits_of(run.network, inputs), atol=1e-5, rtol=1e-5)
    for source in (module, module.state_dict()):
        back = gs.from_torch(source, experiment)
        found = named_arrays(back.network)
        assert found.keys() == weights.keys()
        for array in weights:
            np.testing.assert_array_equal(found[array], weights[array])


def test_every_built_in_network_goes_there():
    assert set(in_torch.FORWARD) == set(NETWORKS.values())
    assert {experiment.model.name for experiment in BUILT_IN.values()} == set(NETWORKS)


@pytest.fixture(scope="module")
def same(coexisting):
    """The run of the same network, brought from elsewhere."""
    return gs.from_arrays(named_arrays(coexisting.network), coexisting.experiment)


def test_it_is_what_the_run_is(coexisting, same):
    assert "from elsewhere: coexistence" in repr(same)
    final = coexisting.dataset.isel(step=-1)
    for name, values in same.dataset.isel(step=-1).data_vars.items():
        np.testing.assert_array_equal(values, final[name])
    assert set(final.data_vars) == set(same.dataset.data_vars)
    assert same.prune().curve.identical(coexisting.prune().curve)
    assert same.prune(by="memorizing").curve.identical(coexisting.prune(by="memorizing").curve)
    assert same.neurons().equals(coexisting.neurons())
    assert same.audit().identical(coexisting.audit())
    ours, theirs = coexisting.extraction([1, 3]).curve, same.extraction([1, 3]).curve
    assert set(ours.kind.values) - set(theirs.kind.values) == {"untrained", "first_steps"}
    assert theirs.equals(ours.sel(kind=theirs.kind))
    one, other = same.extract(1).final, coexisting.extract(1).final
    assert one.test_accuracy.item() == other.test_accuracy.item()


class Mine(torch.nn.Module):
    """A two-layer network under names of its own, with something that evaluation must not do."""

    def __init__(self, modulus, width, bias=False):
        super().__init__()
        self.left = torch.nn.Embedding(modulus, width)
        self.right = torch.nn.Embedding(modulus, width)
        self.out = torch.nn.Linear(width, modulus, bias)
        self.drop = torch.nn.Dropout(0.5)
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, pairs):
        return self.out(self.drop((self.left(pairs[:, 0]) + self.right(pairs[:, 1])) ** 2))


NAMES = {"left.weight": "U", "right.weight": "V", "out.weight": "W"}
LAYERS = {"hidden": gs.Layer(vectors=tuple(NAMES), outgoing="out.weight")}


def mine(network, bias=False):
    arrays = named_arrays(network)
    module = Mine(*arrays["U"].shape, bias)
    state = {theirs: torch.tensor(arrays[ours]) for theirs, ours in NAMES.items()}
    module.load_state_dict(state, strict=False)
    return module


@pytest.mark.slow
def test_a_module_of_one_s_own_is_pruned_by_calling_it(coexisting, same):
    module = mine(coexisting.network)
    run = gs.from_torch(module, coexisting.experiment, layers=LAYERS)
    assert module.training  # a copy was called
    module.left.weight.data[:] = 0  # as training on would change it
    np.testing.assert_allclose(run.neuron_ipr, coexisting.neuron_ipr, rtol=1e-6)
    for name in ("test_loss", "train_loss", "extracted_test_accuracy", "restricted_test_loss"):
        np.testing.assert_allclose(run.final[name], coexisting.final[name], rtol=1e-5)
    curve = run.prune(stride=20).curve
    expected = same.prune(stride=20).curve
    for name in expected.data_vars:
        np.testing.assert_allclose(curve[name], expected[name], rtol=1e-5, atol=1e-6)
    one, other = run.extract(1).final, coexisting.extract(1).final
    np.testing.assert_allclose(one.test_loss, other.test_loss, rtol=1e-5)
    np.testing.assert_allclose(run.audit().margin, coexisting.audit().margin, atol=1e-5)
    words = "modular addition, p = 41 · α = 0.8 · ξ = 0.3 · MSE · trained elsewhere"
    assert small_print([run]) == words
    assert run.plot() is not None


@pytest.mark.slow
@pytest.mark.parametrize("bias", [False, True])
def test_units_of_a_module_that_add_to_its_logits_are_attributed(bias, coexisting):
    """A bias is the same for every unit; what pruning adds up is what calling the module gives."""
    module = mine(coexisting.network, bias)
    if bias:
        torch.nn.init.uniform_(module.out.bias, -0.3, 0.3)
    run = gs.from_torch(module, coexisting.experiment, layers=LAYERS)
    found, expected = (
        attribution(one.network, coexisting.data, "hidden") for one in (run, coexisting)
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    assert run.network.readout == "out.weight"
    called = replace(run.network, read_by="")
    order = np.argsort(run.neuron_ipr)
    added, evaluated = (
        pruning_curve(network, run.data, order, "mse", 50, "hidden")
        for network in (run.network, called)
    )
    for name in evaluated.data_vars:
        np.testing.assert_allclose(added[name], evaluated[name], rtol=1e-4, atol=1e-6)
    effects, others = (
        removal_effects(network, run.data, "hidden")["test_accuracy"]
        for network in (run.network, called)
    )
    np.testing.assert_allclose(effects, others, atol=1e-6)


def squares(arrays, pairs):
    h = (arrays["u"][pairs[:, 0]] + arrays["v"][pairs[:, 1]]) ** 2
    return h @ arrays["w"].T


@pytest.mark.slow
def test_any_function_gives_logits(coexisting, same):
    arrays = named_arrays(coexisting.network)
    weights = {name.lower(): array.astype(np.float64).tolist() for name, array in arrays.items()}
    layer = gs.Layer(("u", "v", "w"), "w")
    run = gs.from_arrays(weights, same.experiment, forward=squares, layers={"only": layer})
    np.testing.assert_allclose(run.final.test_loss, same.final.test_loss, rtol=1e-5)
    assert run.prune(by="norm", stride=50).curve.attrs["layer"] == "only"
    bare = gs.from_arrays(weights, same.experiment, forward=squares)
    assert bare.neuron_ipr.size == 0
    with pytest.raises(ConfigError, match=r"got a network without any.* from_arrays\(…, layers"):
        bare.prune()


@pytest.mark.parametrize("as_table", [True, False])
def test_labels_and_split_of_one_s_own(coexisting, as_table):
    """Those of the run, as its user would hold them: what is scored is the same."""
    data = coexisting.data
    given, is_train = np.zeros(41**2, int), np.zeros(41**2, bool)
    given[data.rows] = np.where(data.is_train, data.given_labels, -1)
    is_train[data.rows] = data.is_train
    if as_table:
        given, is_train = given.reshape(41, 41), is_train.reshape(41, 41)
    weights = named_arrays(coexisting.network)
    plain = Experiment(modulus=41, width=200)  # of another split, and without corruption
    run = gs.from_arrays(weights, plain, given_labels=given, is_train=is_train)
    for name in ("train_accuracy", "test_accuracy", "train_loss", "test_loss"):
        assert run.final[name].item() == pytest.approx(coexisting.final[name].item(), rel=1e-5)
    assert run.data.n_train == run.experiment.n_train == data.n_train
    assert run.data.is_wrong.sum() == data.is_wrong.sum() == run.data.is_corrupted.sum()
    assert run.experiment.corruption_fraction == pytest.approx(data.is_wrong.sum() / data.n_train)
    one, other = run.audit(), coexisting.audit()
    by_row = np.argsort(one.row.values), np.argsort(other.row.values)
    for name in ("row", "given", "true", "margin", "pruned_margin"):
        values = [
            found[name].values[rows] for found, rows in zip((one, other), by_row, strict=True)
        ]
        np.testing.assert_allclose(*values, atol=1e-5)
    scores = "plain_data:label_scores"
    noise = {"corruption_fraction": 0.3, "corruption": "by_instance", "label_scores": scores}
    batches = {"train_fraction": 0.9, "batch_size": 1400}  # of more examples than are trained on
    again = gs.from_arrays(
        weights, plain.replace(**noise, **batches), given_labels=given, is_train=is_train
    )  # fmt: skip
    assert again.final.equals(run.final)
    clean = gs.from_arrays(weights, plain, is_train=is_train)
    assert not clean.data.is_wrong.any()
    assert clean.data.n_train == data.n_train


def test_labels_and_split_of_three_operands():
    experiment = SMALL.replace(operands=3, modulus=3)
    is_train, given = np.zeros((3, 3, 3), bool), np.zeros((3, 3, 3), int)
    is_train[:, :, 0] = True
    weights = named_arrays(random_network(experiment))
    data = gs.from_arrays(weights, experiment, given_labels=given, is_train=is_train).data
    assert data.n_train == 9
    assert not data.inputs[:9, 2].any()
    assert data.inputs[9:, 2].all()
    np.testing.assert_array_equal(data.true_labels, data.inputs.sum(axis=1) % 3)
    np.testing.assert_array_equal(data.given_labels[9:], data.true_labels[9:])
    assert not data.given_labels[:9].any()


def test_confusion_may_be_forgetting():
    run = gs.from_arrays(named_arrays(random_network(SMALL)), SMALL)
    assert run.phase() == Phase.CONFUSION
    assert run.phases == (Phase.CONFUSION, Phase.FORGETTING)
    assert phase_title(run) == "Confusion or Forgetting"
    assert "confusion or forgetting" in repr(run)


@pytest.mark.parametrize(
    "call",
    [
        lambda run: run.at(0),
        lambda run: run.over_steps(["key_frequencies"]),
        lambda run: run.movement(),
        lambda run: run.movie("a.gif"),
        lambda run: run.audit(folds=3),
        lambda run: run.digest,
        lambda run: gs.train(run.experiment, start=run),
    ],
)
def test_what_needs_training_says_so(same, call, tmp_path):
    for run in (same, same.extract(1)):
        with pytest.raises(ConfigError, match="`run` must have been trained here to be"):
            call(run)
    with pytest.raises(ConfigError, match="must have been trained here"):
        gs.Store(tmp_path / "runs").save(same)


def test_pictures_leave_out_what_is_not_known(same):
    assert len(same.plot_neurons().axes) == 4 + 3  # no lottery; three keys of colours
    assert len(same.extraction([1, 2]).plot().axes) == 4
    assert same.prune().plot() is not None
    assert "trained elsewhere" in small_print([same])
    assert "steps" not in small_print([same])
    assert "<img" in same._repr_html_()


def weights(**changes):
    arrays = {name: np.ones((7, 12), np.float32) for name in "UVW"} | changes
    return {name: array for name, array in arrays.items() if array is not None}


PAIRS = np.zeros((7, 7), int)


@pytest.mark.parametrize(
    ("arrays", "arguments", "words"),
    [
        (weights(U=np.ones((12, 7))), {}, "`U` must be of shape [7, 12] in a two_layer"),
        (weights(V=None), {}, "got none named V"),
        (weights(bias=np.ones(7)), {}, "got bias. Leave it out"),
        (weights(W=np.full((7, 12), np.nan)), {}, "`W` must hold finite numbers"),
        (weights(W=np.full((7, 12), 1e300)), {}, "`W` must hold finite numbers"),
        (weights(W="abc"), {}, "`W` must hold finite numbers, got an array of <U3"),
        (weights(W=[[1], [1, 2]]), {}, "`W` must be an array"),
        (weights(), {"layers": {}}, "`layers` must be given with `forward`"),
        (weights(), {"forward": squares}, "`forward` must take inputs int32 [2, 2], got KeyError"),
        (weights(), {"forward": lambda w, x: np.ones((2, 3))}, "logits [2, 7] of two examples"),
        (weights(), {"forward": lambda w, x: np.full((2, 7), np.nan)}, "must give finite logits"),
        (
            weights(),
            {"given_labels": PAIRS[:3]},
            "must hold a whole number for each row",
        ),
        (weights(), {"given_labels": PAIRS + 7}, "`given_labels` must lie from 0 to 6"),
        (weights(), {"given_labels": PAIRS + 0.5}, "`given_labels` must hold a whole number"),
        (weights(), {"is_train": PAIRS}, "`is_train` must hold True or False for each row"),
        (weights(), {"is_train": PAIRS == 0}, "`is_train` must leave examples"),
        (weights(), {"is_train": PAIRS > 0}, "`is_train` must leave examples"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(arrays, arguments, words):
    with pytest.raises(ConfigError) as refused:
        gs.from_arrays(arrays, SMALL, **arguments)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_labels_of_other_tasks_are_the_task_s():
    with pytest.raises(ConfigError, match="`is_train` must be left out"):
        gs.from_arrays(named_arrays(random_network(IMAGES)), IMAGES, is_train=PAIRS > 1)


@pytest.mark.parametrize(
    ("change", "layers", "words"),
    [
        (lambda m: m.double(), None, "`module` must hold float32, got float64 for left.weight"),
        (lambda m: m.bfloat16(), LAYERS, "got bfloat16 for left.weight"),
        (lambda m: 5, None, "`module` must be a torch.nn.Module or its state dict, got int"),
        (lambda m: m.state_dict(), LAYERS, "where `layers` are given, got OrderedDict"),
        (lambda m: m, None, "got none named U"),
        (lambda m: m, {"a": gs.Layer(("wrong",), "out.weight")}, "name arrays of the network, got "
         "'wrong'. Use one of left.weight, out.weight, right.weight"),
        (lambda m: m, {"a": gs.Layer((), "wrong")}, "got 'wrong'"),
        (lambda m: torch.nn.Sequential(m.out), {}, "`forward` must take inputs int32 [2, 2]"),
        (lambda m: torch.nn.Sequential(m.left), {}, "logits [2, 7] of two examples, got float32 "
         "[2, 2, 12]"),
    ],
)  # fmt: skip
def test_modules_that_do_not_fit_are_refused_in_a_line(change, layers, words):
    module = change(mine(random_network(SMALL)))
    with pytest.raises(ConfigError) as refused:
        gs.from_torch(module, SMALL, layers=layers)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_torch_one_line_says_what_to_install(same, monkeypatch):
    monkeypatch.setattr("grokscope.session.run.find_spec", lambda name: None)
    for call in (same.to_torch, lambda: gs.from_torch({}, SMALL)):
        with pytest.raises(ConfigError, match=r"pip install 'grokscope\[torch\]'"):
            call()


def test_a_network_outside_goes_to_no_module(coexisting):
    run = gs.from_torch(mine(coexisting.network), coexisting.experiment, layers=LAYERS)
    with pytest.raises(ConfigError, match="`run` must be of a built-in network, got Outside"):
        run.to_torch()


def test_what_torch_was_given_can_be_trained_on():
    """In training BatchNorm takes the batch's statistics and absorbs them, as ours does."""
    run = gs.from_arrays(named_arrays(random_network(BUILT_IN["BatchNorm"])), BUILT_IN["BatchNorm"])
    module, inputs = run.to_torch().train(), run.data.inputs
    logits = module(torch.tensor(inputs))
    ours, seen = run.network.in_training(jnp.asarray(inputs))
    np.testing.assert_allclose(logits.detach(), ours, atol=1e-5)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    expected = 0.9 * run.network.norm.running.mean + 0.1 * seen[0].mean
    np.testing.assert_allclose(module.norm.running.mean, expected, atol=1e-6)


class Tied(torch.nn.Module):
    """One matrix for embedding and read-out."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(7, 12)
        self.out = torch.nn.Linear(12, 7, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, pairs):
        return self.out(self.embed(pairs).sum(dim=1).square())


def test_of_tied_weights_only_what_carries_units_onwards_is_zeroed():
    module = Tied()
    run = gs.from_torch(module, SMALL, layers={"h": gs.Layer(("embed.weight",), "out.weight")})
    kept = np.arange(12) < 5
    pruned = run.network.layers["h"].pruned(run.network, kept)
    hidden = module.embed(torch.tensor(run.data.inputs)).sum(dim=1).square()
    expected = (hidden * torch.tensor(kept)) @ module.out.weight.T
    np.testing.assert_allclose(logits_of(pruned, run.data.inputs), expected.detach(), atol=1e-4)
