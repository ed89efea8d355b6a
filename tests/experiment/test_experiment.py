from itertools import product
from typing import get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment, count, digest
from grokscope.experiment.grid import Grid
from grokscope.experiment.models import TwoLayerSettings
from grokscope.experiment.part import COUNTED_SETTINGS, PARTS, Own
from grokscope.experiment.settings import Settings

fractions = st.floats(0.01, 0.99)
experiments = st.builds(
    lambda alpha, xi, width, optimizer, decay, steps, seed, split, batch, loss: (
        Experiment().replace(
            train_fraction=alpha,
            corruption_fraction=xi,
            width=width,
            optimizer=optimizer,
            weight_decay=decay,
            steps=steps,
            seed=seed,
            split_seed=split,
            batch_size=batch,
            loss=loss,
        )
    ),
    fractions,
    st.floats(0, 1),
    st.integers(1, 10_000),
    st.sampled_from(["adamw", "adam", "sgd", "muon", "lion", "grokfast"]),
    st.floats(0, 30),
    st.integers(0, 10**6),
    st.integers(0, 2**32 - 1),
    st.none() | st.integers(0, 2**32 - 1),
    st.none() | st.integers(1, 94),
    st.sampled_from(["mse", "cross_entropy", "stablemax"]),
)


def test_defaults_are_the_papers():
    e = Experiment()
    assert (e.task.operation, e.task.modulus, e.model.width) == ("addition", 97, 500)
    assert (e.model.activation, e.model.dropout, e.loss) == ("quadratic", 0, "mse")
    assert e.optimizer.model_dump() == {
        "name": "adamw",
        "learning_rate": 0.01,
        "warmup_steps": 0,
        "cosine_steps": None,
        "weight_decay": 0,
        "beta1": 0.9,
        "beta2": 0.98,
        "eps": 1e-8,
    }
    assert (e.steps, e.batch_size, e.n_train) == (2000, None, 4704)


@given(experiments)
def test_toml_round_trip_keeps_value_and_digest(experiment):
    again = Experiment.from_toml(experiment.to_toml())
    assert again == experiment
    assert digest(again) == digest(experiment)


@given(st.integers(1, 99), st.integers(100, 10**6), st.integers(1, 10**6))
def test_count_is_the_floor_of_the_exact_product(numerator, denominator, total):
    exact = numerator * total // denominator
    assert count(round(numerator / denominator, 12), total) == exact


def test_nearly_equal_fractions_are_one_experiment():
    assert digest(Experiment(train_fraction=0.1 + 0.2)) == digest(Experiment(train_fraction=0.3))


def test_numpy_scalars_are_taken_for_what_they_are():
    given = Experiment().replace(width=np.int64(5), weight_decay=np.float32(5), loss=np.str_("mse"))
    assert digest(given) == digest(Experiment().replace(width=5, weight_decay=5))


def test_leaf_names_are_unique_within_any_experiment():
    built_in = [[kind for kind in PARTS[p] if not issubclass(kind, Own)] for p in PARTS]
    for kinds in product(*built_in):
        leaves = [
            leaf
            for part in (*kinds, Experiment)
            for leaf in part.model_fields
            if leaf != "name" and leaf not in PARTS
        ]
        assert len(leaves) == len(set(leaves))


def test_every_leaf_changes_the_digest():
    base = Experiment()
    other = {
        "operation": "multiplication",
        "modulus": 89,
        "train_fraction": 0.6,
        "corruption_fraction": 0.1,
        "exclude_true_label": True,
        "width": 100,
        "activation": "relu",
        "dropout": 0.1,
        "loss": "cross_entropy",
        "optimizer": "adam",
        "learning_rate": 0.1,
        "weight_decay": 1,
        "beta1": 0.8,
        "beta2": 0.9,
        "eps": 1e-6,
        "steps": 1,
        "batch_size": 8,
        "measure_every": 5,
    } | dict.fromkeys(type(base.seeds).model_fields, 1)
    digests = {digest(base.replace(**{name: value})) for name, value in other.items()}
    assert len(digests | {digest(base)}) == len(other) + 1


def test_streams_differ_and_follow_the_root_unless_overridden():
    seeds = Experiment().replace(seed=5, init_seed=9).seeds
    streams = [seeds.of(name) for name in ("split", "corruption", "init", "batches", "dropout")]
    assert len(set(streams)) == 5
    assert [seed for seed, _ in streams] == [5, 5, 9, 5, 5]


def test_replace_with_a_part_starts_from_its_defaults():
    e = Experiment().replace(weight_decay=5).replace(optimizer="adam")
    assert e.optimizer.weight_decay == 0
    assert Experiment().replace(model=TwoLayerSettings(width=3)).model.width == 3


def test_optimizer_settings_without_a_kind_are_adamws():
    experiment = Experiment.from_toml("[optimizer]\nweight_decay = 5.0")
    assert experiment == Experiment().replace(weight_decay=5)


def test_leaf_names_are_the_same_everywhere():
    """One vocabulary: the constructor, TOML, `replace` and a grid's base take the same names."""
    leaves = {"modulus": 7, "weight_decay": 5, "heads": 2, "width": 8, "seed": 3, "steps": 9}
    expected = Experiment().replace(model="transformer", **leaves)
    document = 'model = "transformer"\n' + "".join(f"{n} = {v}\n" for n, v in leaves.items())
    grid = Grid(axes={"dropout": [0]}, model="transformer", **leaves)
    for same in (
        Experiment(model="transformer", **leaves),
        Experiment(model={"name": "transformer"}, **leaves),
        Experiment.from_toml(document),
        grid.base,
        grid.cell((0, 0)),
    ):
        assert digest(same) == digest(expected)
    assert Experiment(batch_size=5000, modulus=127).n_train > 5000  # not made in two steps


def test_the_settings_that_editors_complete_are_those_that_there_are():
    leaves = {leaf for kinds in PARTS.values() for kind in kinds for leaf in kind.model_fields}
    known = (leaves | set(Experiment.model_fields)) - {"name", "code", *COUNTED_SETTINGS}
    assert set(get_type_hints(Settings)) == known


def test_what_is_constructed_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lazy.py").write_text("raise RuntimeError('run')\ndef data(n=3): pass\n")
    experiment = Experiment(task="lazy:data", model="image_mlp", corruption="lazy:data", n=5)
    assert experiment.task.settings == {"n": 5}
    assert not experiment.replace(n=4).is_counted
    with pytest.raises(ConfigError, match="must be a file that can be run"):
        make_dataset(experiment)


def test_values_may_only_fit_together():
    assert Experiment().replace(modulus=5, train_fraction=0.9, batch_size=22).n_train == 22
    assert Experiment().replace(train_fraction=0.0001, modulus=101).n_train == 1


BAD = {
    "train_fraction": [0, 1, 1.5, -0.1, float("nan"), "half", None, 1e-9],
    "corruption_fraction": [-0.1, 1.1, "some"],
    "modulus": [1, 0, -3, 2.5, "many", 10**9, True],
    "width": [0, -1, 1.5, 10**12],
    "dropout": [1, -0.5, float("inf")],
    "activation": ["tanh", 3],
    "operation": ["modulo", None],
    "loss": ["hinge"],
    "steps": [-1, 1.5, "2000"],
    "batch_size": [0, 4705, "full"],
    "measure_every": [0, -1],
    "seed": [-1, 2**32, 1.5],
    "learning_rate": [0, -1],
    "weight_decay": [-1],
    "beta1": [1, -0.1, 0.999999999],
    "eps": [0, 1e-46, 2],
    "optimizer": ["sdg", "Adam", 3],
    "model": ["three_layer", []],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_bad_values_get_one_line_that_names_the_field(name, value):
    with pytest.raises(ConfigError) as error:
        Experiment().replace(**{name: value})
    line = str(error.value)
    assert "\n" not in line
    assert line.startswith(f"`{name}`")
    assert "got" in line or "Did you mean" in line


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"widht": 1}, "Did you mean `width`"),
        ({"optimizer": {"name": "adamw", "lr": 1}}, "`lr` is not a setting of this experiment"),
        ({"name": "sgd"}, "ambiguous. Use one of `task.name`, `model.name`, `optimizer.name`"),
        (
            {"optimizer": "Adam", "learning_rate": 1},
            "be one of adamw, adam, sgd, muon, lion, grokfast, your own as my_code:name, got",
        ),
        ({"self": 1}, "`self` is not a setting"),
        ({"seeds": {"width": 3}}, "another model. Choose model two_layer"),
        ({"momentum": 0.9}, "another optimizer. Choose optimizer sgd"),
        ({"seed_split": 0}, "`split_seed`"),
    ],
)
def test_unknown_and_ambiguous_names_list_the_close_ones(values, words):
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        Experiment().replace(**values)


@pytest.mark.parametrize(
    "text",
    [
        "a = [",
        "self = 1",
        "steps = " + "1" * 5000,
        "[model]\nwidth = 'x'",
        "widht = 1",
        "model = 3",
        "\x00",
    ],
)
def test_bad_toml_is_refused_in_one_line(text):
    with pytest.raises(ConfigError) as error:
        Experiment.from_toml(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("size", "rate", "steps"),
    [(8, 0.01 * (8 / 256) ** 0.5, 64_000), (64, 0.005, 8000), (256, 0.01, 2000)],
)
def test_another_batch_size_sees_as_many_examples(size, rate, steps):
    scaled = Experiment(batch_size=256).with_batch_size(size)
    assert scaled.batch_size == size
    assert scaled.optimizer.learning_rate == pytest.approx(rate, abs=1e-12)
    assert scaled.steps == steps
    assert len(scaled.schedule) == 201
    assert scaled.with_batch_size(256) == Experiment(batch_size=256)


def test_a_rule_for_batch_sizes_needs_one_to_start_from():
    with pytest.raises(ConfigError, match="`batch_size` must be set for a rule to start from"):
        Experiment().with_batch_size(8)
    with pytest.raises(ConfigError, match="`batch_size` must be a whole number from 1"):
        Experiment(batch_size=256).with_batch_size(0)
