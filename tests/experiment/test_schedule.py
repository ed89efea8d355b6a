"""Schedules: which steps are measured and kept, and what names an experiment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope import ConfigError, Experiment, digest
from grokscope.experiment.schedule import count_of, steps_of

BOUNDS = st.tuples(st.integers(0, 3000), st.integers(1, 3000)).map(lambda b: (b[0], b[0] + b[1]))


@given(BOUNDS, st.integers(2, 80))
def test_logarithmic_steps_have_equal_ratios(bounds, n):
    first, last = bounds
    steps = steps_of(f"log:{n}", first, last)
    assert steps[0] == first
    assert steps[-1] == last
    assert len(steps) == min(n, last - first + 1)
    gaps = np.array(steps[1:]) - first
    assert (np.diff(gaps) > 0).all()
    # Rounding moves a step by a half, so ratios are equal only among large steps.
    large = gaps[(gaps > 20 * n) & (gaps < last - first)]
    if len(large) > 2:
        ratios = np.log(large[1:] / large[:-1])
        assert np.ptp(ratios) < 2 / large.min() + 1e-12


@given(BOUNDS, st.integers(1, 500))
def test_even_steps_are_multiples_and_both_ends(bounds, every):
    first, last = bounds
    steps = steps_of(every, first, last)
    multiples = [step for step in range(first, last) if step % every == 0]
    assert list(steps) == sorted({first, *multiples, last})
    assert count_of(every, first, last) == len(steps)


def test_schedules_of_before_keep_their_names():
    assert digest(Experiment(measure=None, keep_weights=None, start=None)) == digest(Experiment())
    assert digest(Experiment(start_step=0)) == digest(Experiment())
    others = [
        Experiment(measure="log:60"), Experiment(keep_weights="log:40"), Experiment(start_step=9),
        Experiment(keep_weights="log:40", kept_dtype="float16"),
    ]  # fmt: skip
    assert len({digest(one) for one in [Experiment(), *others]}) == 5
    for one in others:
        assert Experiment.from_toml(one.to_toml()) == one
        assert Experiment.from_json(one.canonical_json()) == one


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"measure": "log:1"}, "`measure` must be log:N or a list"),
        ({"measure": 5}, "`measure` must be log:N or a list"),
        ({"measure": [3, 2]}, "`measure` must be log:N or a list"),
        ({"measure": [5000]}, "`measure` must list steps from 0 to 2000, got 5000"),
        ({"keep_weights": 0}, "`keep_weights` must be log:N, a number of steps"),
        ({"keep_weights": True}, "`keep_weights` must be log:N, a number of steps"),
        ({"kept_dtype": "float64"}, "`kept_dtype` must be float16"),
        ({"start_step": 2000}, "`start_step` must be below the experiment's 2000 steps"),
        ({"start_step": -1}, "`start_step` must be a whole number"),
        ({"start_step": 9, "before": {"train_fraction": 0.2}}, "`before` must leave the numbers"),
        ({"start_step": 9, "before": {"steps": 3}}, "`before` must hold settings that act"),
        ({"start_step": 9, "before": {"modulus": 5}}, "`before` must leave the numbers"),
        ({"start_step": 9, "before": {"bar": 5}}, "`bar` is not a setting"),
        ({"before": "weight_decay"}, "`before` must be settings by name"),
        ({"start_step": 9, "prune_share": 0}, "`prune_share` must lie in"),
    ],
)
def test_impossible_schedules_and_starts_are_refused_in_a_line(settings, words):
    with pytest.raises(ConfigError) as error:
        Experiment(**settings)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_of_before_have_one_name_each():
    """However they are named, the experiment is one; and whole parts hold their leaves."""
    named = [
        {"weight_decay": 0, "batch_size": 64}, {"optimizer.weight_decay": 0.0, "batch_size": 64},
        "weight_decay=0,batch_size=64",
    ]  # fmt: skip
    found = {digest(Experiment(weight_decay=5, start_step=9, before=before)) for before in named}
    assert len(found) == 1
    same = [Experiment(weight_decay=5, start_step=9, before=before) for before in named]
    assert len({*same}) == 1  # equal ones are one key, as where runs are tracked
    late = Experiment(start_step=9, batch_size=64, before={"batch_size": None, "optimizer": "sgd"})
    assert late.earlier.batch_size is None
    assert late.earlier.optimizer.name == "sgd"
    assert late.earlier.first_step == 0


@given(st.integers(1, 99), st.integers(1, 99))
def test_a_start_of_a_start_goes_back_to_the_first(inner, outer):
    first, second = sorted((inner, inner + outer))
    start = {"start_step": first, "before": {"weight_decay": 1}}
    late = Experiment(weight_decay=3, start_step=second, before={"weight_decay": 2, "start": start})
    assert [late.weight_decay, late.earlier.weight_decay, late.earlier.earlier.weight_decay] == [
        3, 2, 1,
    ]  # fmt: skip
    assert late.earlier.earlier.steps == first
