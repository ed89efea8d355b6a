"""What claims measure of single networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import diptest
import jax.numpy as jnp
import numpy as np

from grokscope.experiment.experiment import Experiment
from grokscope.measures.phases import Phase
from grokscope.measures.spectrum import HIGH_IPR
from grokscope.paper.statements import Claim, Measure
from grokscope.runs.pruning import prune
from grokscope.runs.run import Run

TEST_LEVEL = 0.05
"""The usual level of a test."""

LOW_IPR, CHANCE = 0.1, 0.1
"""An IPR like that of untrained neurons (.04), with room; an accuracy near 1/97, with room."""

GENERALIZES = 0.9
"""Table 2's threshold of accuracy."""


Of = Callable[[Mapping[str, Run]], float | bool]
"""A statistic of a seed's runs, by the names of the claim's experiments."""


def of_runs(statistic: Of) -> Measure:
    """A claim's statistic that is of its runs alone."""
    return lambda seed: statistic(seed.runs)


def in_phase(phase: Phase) -> Measure:
    """A statistic: whether all networks end in a phase."""
    return lambda seed: all(run.phase() == phase for run in seed.runs.values())


def claim_of_phase(
    section: str, says: str, phase: Phase, experiment: Experiment, whole: bool = False
) -> Claim:
    """The claim that networks of an experiment end in a phase; `whole` keeps all its steps."""
    return Claim(
        section, says, f"share of seeds in {phase.title}", 0.5, "above",
        "a setting is of a phase if most networks end in it",
        in_phase(phase), {"run": experiment}, all_steps=whole,
    )  # fmt: skip


def final(run: Run, name: str) -> float:
    """A score at the end of training."""
    return float(run.final[name])


def highest(run: Run, name: str) -> float:
    """The highest value of a score during training."""
    return float(run.dataset[name].max())


def fall(run: Run, name: str) -> float:
    """How far a score fell from its highest."""
    return highest(run, name) - final(run, name)


def largest_fall(values: np.ndarray) -> float:
    """The largest fall from one value to the next, as a share of their range."""
    return float(-np.diff(values).min() / np.ptp(values))


def forgotten(run: Run) -> float:
    """How far test accuracy fell from its highest; NaN if there was nothing to forget."""
    generalized = highest(run, "test_accuracy") >= GENERALIZES
    return fall(run, "test_accuracy") if generalized else np.nan


def memory_lost(run: Run) -> float:
    """How far training accuracy fell from its highest; NaN if nothing was memorised, or the rule
    was learned.
    """
    memorized = highest(run, "train_accuracy") >= GENERALIZES > highest(run, "test_accuracy")
    return fall(run, "train_accuracy") if memorized else np.nan


def low_ipr(run: Run, layer: str | None = None) -> float:
    """Share of a layer's live neurons that have a low IPR."""
    return float((live_ipr(run, layer) < LOW_IPR).mean())


def high_ipr(run: Run) -> float:
    """Neurons of high IPR, as a share of all, dead ones included."""
    return float((run.neuron_ipr > HIGH_IPR).mean())


def from_clean(run: Run, accuracy: float) -> float:
    """How far an accuracy is from 1 - ξ, that of a network that answers all examples truly."""
    return abs(accuracy - (1 - run.experiment.corruption_fraction))


def wrong_logits(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The logits of every wrongly labelled example, its given and its true label."""
    data = run.data
    wrong = np.flatnonzero(data.is_wrong)
    logits = np.asarray(run.network(jnp.asarray(data.inputs[wrong])))
    return logits, data.given_labels[wrong], data.true_labels[wrong]


def top_logits(run: Run, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The n strongest labels of every wrongly labelled example, its given and its true label."""
    logits, given, true = wrong_logits(run)
    return np.argsort(-logits, axis=1)[:, :n], given, true


def two_peaks(runs: Mapping[str, Run]) -> float:
    """Share of wrongly labelled examples whose two largest logits are the given and true label."""
    strongest, given, true = top_logits(runs["run"], 2)
    pairs = np.sort(np.stack([given, true], axis=1), axis=1)
    return float((np.sort(strongest, axis=1) == pairs).all(axis=1).mean())


def true_first(runs: Mapping[str, Run]) -> float:
    """Share of wrongly labelled examples whose largest logit is the true label."""
    strongest, _, true = top_logits(runs["run"], 1)
    return float((strongest[:, 0] == true).mean())


def given_over_true(runs: Mapping[str, Run]) -> float:
    """The mean logit of the given label minus that of the true one, of wrongly labelled examples."""
    logits, given, true = wrong_logits(runs["run"])
    rows = np.arange(len(logits))
    return float((logits[rows, given] - logits[rows, true]).mean())


def both_high(runs: Mapping[str, Run]) -> float:
    """The highest value, over steps, of the lower of training and test accuracy."""
    data = runs["run"].dataset
    return float(np.minimum(data.train_accuracy, data.test_accuracy).max())


def corrected_of_lost(runs: Mapping[str, Run]) -> float:
    """Of wrongly labelled examples that are not answered as given, the share answered truly."""
    strongest, given, true = top_logits(runs["run"], 1)
    lost = strongest[:, 0] != given
    return float((strongest[lost, 0] == true[lost]).mean()) if lost.any() else np.nan


def clean_at_best(runs: Mapping[str, Run]) -> float:
    """The distance of training accuracy from 1 - ξ at the first step of the highest test accuracy."""
    data = runs["run"].dataset
    best = int(data.test_accuracy.values.argmax())
    return from_clean(runs["run"], float(data.train_accuracy[best]))


def half_removed(runs: Mapping[str, Run]) -> float:
    """How much more of its training accuracy one network keeps without a random half of its neurons."""

    def kept(run: Run) -> float:
        accuracy = prune(run, "random", seed=run.experiment.seeds.seed).train_accuracy
        half = accuracy.sel(pruned=accuracy.pruned[-1] // 2)
        return float(half / accuracy[0])

    return kept(runs["rule"]) - kept(runs["memory"])


def largest_ipr_fall(runs: Mapping[str, Run]) -> float:
    """The largest fall of mean IPR between two measurements, as a share of its range."""
    return largest_fall(runs["run"].dataset.mean_ipr.values)


def delay(runs: Mapping[str, Run]) -> float:
    """Steps until 90 % test accuracy over steps until 90 % training accuracy; NaN if either is
    never reached.
    """
    data = runs["run"].dataset
    reached = [data[name].values >= GENERALIZES for name in ("test_accuracy", "train_accuracy")]
    if not all(map(np.any, reached)):
        return np.nan
    test, train = (int(data.step[int(np.argmax(there))]) for there in reached)
    return test / max(train, 1)


def rise_over_wait(runs: Mapping[str, Run]) -> float:
    """Steps from 10 to 90 % test accuracy over steps to 10 %; NaN if 90 % is never reached."""
    data = runs["run"].dataset
    accuracy = data.test_accuracy.values
    if accuracy.max() < GENERALIZES:
        return np.nan
    start, end = (int(data.step[int(np.argmax(accuracy >= a))]) for a in (0.1, GENERALIZES))
    return (end - start) / start if start else np.inf


def steps_of_fall(runs: Mapping[str, Run]) -> float:
    """Steps from the last training accuracy of 90 % to the first within .03 of 1 - ξ after it.

    As a share of all steps; NaN if either is never reached.
    """
    run = runs["run"]
    data = run.dataset
    accuracy = data.train_accuracy.values
    high = np.flatnonzero(accuracy >= GENERALIZES)
    clean = 1 - run.experiment.corruption_fraction
    reached = np.flatnonzero(abs(accuracy - clean) < 0.03)
    reached = reached[reached > high[-1]] if high.size else reached[:0]
    if not reached.size:
        return np.nan
    return float(data.step[reached[0]] - data.step[high[-1]]) / run.experiment.steps


def norm_left(runs: Mapping[str, Run]) -> float:
    """The final norm of U over its highest."""
    norm = runs["run"].dataset.norm.sel(matrix="U")
    return float(norm[-1] / norm.max())


def largest_norm_left(runs: Mapping[str, Run]) -> float:
    """The largest of the matrices' final norms over their highest."""
    norm = runs["run"].dataset.norm
    return float((norm.isel(step=-1) / norm.max("step")).max())


def live_ipr(run: Run, layer: str | None = None) -> np.ndarray:
    """IPR of a layer's live neurons; by default of those that `run.neuron_ipr` is of."""
    found = run.neuron_ipr if layer is None else run.layer_ipr(layer)
    return found[~np.isnan(found)].astype(float)


def bimodal(runs: Mapping[str, Run]) -> bool | float:
    """Whether Hartigan's dip test finds that the network's IPR has more than one mode; NaN if all
    neurons are dead.
    """
    live = live_ipr(runs["run"])
    return bool(diptest.diptest(live)[1] < TEST_LEVEL) if live.size else np.nan
