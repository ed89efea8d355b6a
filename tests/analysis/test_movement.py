"""Neurons over time against a recount from each kept step."""

import numpy as np
import pytest

from grokscope import ConfigError, Experiment, train
from grokscope.analysis.movement import GROUPS
from grokscope.analysis.trajectory import trajectory

SETTINGS = {"modulus": 13, "width": 48, "corruption_fraction": 0.2, "steps": 400}


@pytest.fixture(scope="module")
def run():
    experiment = Experiment(
        **SETTINGS, train_fraction=0.8, keep_weights="log:8", measure="log:8", weight_decay=1
    )
    return train(experiment, progress=False)


def groups_at(run, step):
    """What each neuron is, from the table of the run at that step."""
    found = []
    for neuron in run.at(step).neurons().itertuples():
        if np.isnan(neuron.ipr):
            found.append("dead")
        elif neuron.ipr >= 0.25:
            found.append("periodic")
        else:
            found.append("memorizing" if neuron.memorizing > 0 else "idle")
    return found


def test_groups_flows_and_crossings_agree_with_a_recount(run):
    movement, steps = run.movement(), run.experiment.kept_steps
    expected = {step: groups_at(run, step) for step in steps}
    assert movement.neurons.step.values.tolist() == steps
    for step in steps:
        found = [GROUPS[place] for place in movement.neurons.group.sel(step=step).values]
        assert found == expected[step]
    first, last = expected[steps[0]], expected[steps[-1]]
    assert "periodic" in last, "the test needs neurons that turn"
    flow = movement.flows(steps[0], steps[-1])
    for before in GROUPS:
        for after in GROUPS:
            pairs = list(zip(first, last, strict=True))
            assert flow.loc[before, after] == pairs.count((before, after))
    with pytest.raises(ConfigError, match=r"`steps` must be two of the kept ones, 0, .* got 5000"):
        movement.flows(0, 5000)
    for neuron, row in movement.table.iterrows():
        of_neuron = [expected[step][neuron] for step in steps]
        later = [step for place, step in enumerate(steps)
                 if set(of_neuron[place:]) == {"periodic"}]  # fmt: skip
        assert row.periodic_at == later[0] if later else np.isnan(row.periodic_at)
        assert (row["first"], row["last"]) == (of_neuron[0], of_neuron[-1])


def test_dead_neurons_are_neither_memorising_nor_typical():
    """What they still add to the logits is rounding of either sign."""
    experiment = Experiment(**SETTINGS | {"steps": 200}, keep_weights=[0, 200])
    run = train(experiment.replace(weight_decay=60), progress=False)
    assert run.neurons().group.unique().tolist() == ["dead"]
    assert run.movement().table["last"].unique().tolist() == ["dead"]
    assert trajectory(run).typical() == {}


def test_the_picture_counts_every_neuron(run):
    left, right = run.movement().plot().axes
    assert left.get_ylim() == right.get_ylim() == (0, 48)
    assert "neurons become periodic" in right.get_title()
    bars = [patch.get_height() for patch in right.patches]
    assert sum(bars) == 48 * len(right.get_xticks())


def test_the_picture_of_a_branch_names_what_occurs_and_steps_that_can_be_told_apart(run):
    experiment = run.experiment.replace(start_step=26, before={"weight_decay": 2})
    movement = train(experiment, progress=False).movement()
    figure = movement.plot()
    there = [GROUPS[place] for place in np.unique(movement.neurons.group)]
    assert len(there) < len(GROUPS), "the test needs a group that does not occur"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == there
    axes = figure.axes[0]
    assert [
        label.get_text() for label in axes.get_xticklabels(minor=True) if label.get_text()
    ] == []
    low, high = axes.get_xlim()
    shown = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert shown == [50, 100, 200]


@pytest.mark.slow
def test_networks_without_groups_are_refused():
    deep = Experiment(modulus=7, width=8, steps=2, keep_weights=[0], model="deep_mlp")
    with pytest.raises(ConfigError, match="waves over a cyclic group and add to"):
        train(deep.replace(depth=3), progress=False).movement("first")
    with pytest.raises(ConfigError, match="must have kept its weights"):
        train(Experiment(modulus=7, width=8, steps=2), progress=False).movement()
