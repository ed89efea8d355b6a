"""Statements about single two-layer networks: phases, dynamics, IPR, pruning, logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import diptest
import jax.numpy as jnp
import numpy as np

from grokscope.data.dataset import make_dataset
from grokscope.experiment.experiment import Experiment
from grokscope.measures.phases import Phase
from grokscope.paper.settings import (
    DECAYS,
    DROPOUTS,
    MEASURE_EVERY,
    NOISY,
    WITH_CROSS_ENTROPY,
    WITH_RELU,
    WITH_SGD,
)
from grokscope.paper.statements import Claim, Evidence, Share, Size
from grokscope.runs.pruning import prune
from grokscope.runs.run import Run

SPARSELY = NOISY.replace(measure_every=MEASURE_EVERY)
PLAIN, DECAY_5, DECAY_15, DECAY_20 = (SPARSELY.replace(weight_decay=wd) for wd in DECAYS)
_, DROPOUT_3, DROPOUT_6, DROPOUT_9 = (SPARSELY.replace(dropout=dp) for dp in DROPOUTS)
SCARCE, AMPLE = (SPARSELY.replace(train_fraction=alpha) for alpha in (0.3, 0.8))
CLEAN = Experiment(steps=500, measure_every=5).replace(weight_decay=5)
"""Measured ten times as often: all of grokking happens within the first 50 steps."""

TEST_LEVEL = 0.05
"""The usual level of a test."""

STRIDE = 10
"""Neurons between two counts of a pruning curve."""

LOW_IPR, CHANCE = 0.1, 0.1
"""An IPR like that of untrained neurons (.04), with room; an accuracy near 1/97, with room."""

GENERALIZES = 0.9
"""Table 2's threshold of accuracy."""


def per_seed(statistic: Callable[[Mapping[str, Run]], float]) -> Callable[[Evidence], list[float]]:
    """A statistic that has a value for each seed, from the runs of the seed."""
    return lambda evidence: [statistic(runs) for runs in evidence.runs]


def mean_size(statistic: Callable[[Mapping[str, Run]], float]) -> Callable[[Evidence], Size]:
    """A statistic of either sign, judged by how far its mean over seeds is from zero."""
    return lambda evidence: Size(per_seed(statistic)(evidence))


def in_phase(phase: Phase) -> Callable[[Evidence], Share]:
    """A statistic: how many networks end in a phase."""

    def count(evidence: Evidence) -> Share:
        runs = [run for runs in evidence.runs for run in runs.values()]
        return Share(sum(run.phase() == phase for run in runs), len(runs))

    return count


def _phase(section: str, says: str, phase: Phase, experiment: Experiment, whole=False) -> Claim:
    return Claim(
        section, says, f"share of seeds in {phase.title}", 0.5, "above",
        "a setting is of a phase if most networks end in it",
        in_phase(phase), {"run": experiment}, all_steps=whole,
    )  # fmt: skip


def final(run: Run, name: str) -> float:
    """A score at the end of training."""
    return float(run.final[name])


def fall(run: Run, name: str) -> float:
    """How far a score fell from its highest."""
    return float(run.dataset[name].max()) - final(run, name)


def forgotten(run: Run) -> float:
    """How far test accuracy fell from its highest; NaN if there was nothing to forget."""
    generalized = float(run.dataset.test_accuracy.max()) >= GENERALIZES
    return fall(run, "test_accuracy") if generalized else np.nan


def low_ipr(run: Run) -> float:
    """Share of live neurons of low IPR."""
    return float((live_ipr(run) < LOW_IPR).mean())


def _after(first: str, kept: str, removed: str) -> Callable[[Mapping[str, Run]], float]:
    """A statistic: the most by which one accuracy is above another while neurons are removed."""

    def most(runs: Mapping[str, Run]) -> float:
        curve = prune(runs["run"], first=first, stride=STRIDE)
        return float((curve[kept] - curve[removed]).max())

    return most


def _memorized_more(runs: Mapping[str, Run]) -> float:
    """How far accuracy on corrupted labels rises while high-IPR neurons are removed."""
    curve = prune(runs["run"], first="highest", stride=STRIDE)
    return float(curve.corrupted_accuracy.max() - curve.corrupted_accuracy[0])


def _kept_at_half(runs: Mapping[str, Run]) -> float:
    curve = prune(runs["run"], first="lowest", stride=STRIDE)
    return float(curve.test_accuracy.sel(pruned=len(runs["run"].neuron_ipr) // 2))


def _from_clean(run: Run, accuracy: float) -> float:
    """How far an accuracy is from 1 - ξ, that of a network that answers all examples truly."""
    return abs(accuracy - (1 - run.experiment.corruption_fraction))


def _plateau(runs: Mapping[str, Run]) -> float:
    """Distance of training accuracy from 1 - ξ where pruning has removed memorisation best."""
    curve = prune(runs["run"], first="lowest", stride=STRIDE)
    best = int(np.argmax(curve.test_accuracy.values - curve.corrupted_accuracy.values))
    return _from_clean(runs["run"], float(curve.train_accuracy[best]))


def top_logits(run: Run, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The n strongest labels of every wrongly labelled example, its given and its true label."""
    data = make_dataset(run.experiment)
    wrong = np.flatnonzero(data.given_labels != data.true_labels)
    logits = np.asarray(run.network(jnp.asarray(data.inputs[wrong])))
    strongest = np.argsort(-logits, axis=1)[:, :n]
    return strongest, data.given_labels[wrong], data.true_labels[wrong]


def _two_peaks(runs: Mapping[str, Run]) -> float:
    strongest, given, true = top_logits(runs["run"], 2)
    pairs = np.sort(np.stack([given, true], axis=1), axis=1)
    return float((np.sort(strongest, axis=1) == pairs).all(axis=1).mean())


def _true_first(runs: Mapping[str, Run]) -> float:
    strongest, _, true = top_logits(runs["run"], 1)
    return float((strongest[:, 0] == true).mean())


def _delay(runs: Mapping[str, Run]) -> float:
    """Steps until 90 % test accuracy over steps until 90 % training accuracy; NaN if either is
    never reached.
    """
    data = runs["run"].dataset
    reached = [data[name].values >= GENERALIZES for name in ("test_accuracy", "train_accuracy")]
    if not all(map(np.any, reached)):
        return np.nan
    test, train = (int(data.step[int(np.argmax(there))]) for there in reached)
    return test / max(train, 1)


def _norm_left(runs: Mapping[str, Run]) -> float:
    norm = runs["run"].dataset.norm.sel(matrix="U")
    return float(norm[-1] / norm.max())


def live_ipr(run: Run) -> np.ndarray:
    """IPR of the live neurons."""
    return run.neuron_ipr[~np.isnan(run.neuron_ipr)].astype(float)


def _bimodal(evidence: Evidence) -> Share:
    """Networks whose IPR Hartigan's dip test finds to have more than one mode."""
    p = [diptest.diptest(live_ipr(runs["run"]))[1] for runs in evidence.runs]
    return Share(int(np.sum(np.array(p) < TEST_LEVEL)), len(p))


CLAIMS: dict[str, Claim] = {
    "grokking": Claim(
        "1.1, Fig. 2",
        "With clean labels and weight decay, test accuracy jumps long after training accuracy.",
        "steps to 90 % test over steps to 90 % training accuracy",
        1.5,
        "above",
        "late means clearly later, not by a measurement's spacing",
        per_seed(_delay),
        {"run": CLEAN},
    ),
    "grokking-ipr": Claim(
        "1.1, Fig. 2",
        "As it generalises, the network's mean IPR rises.",
        "mean IPR at the end over that at the start",
        3,
        "above",
        "far beyond fluctuations",
        per_seed(
            lambda runs: float(runs["run"].dataset.mean_ipr[-1] / runs["run"].dataset.mean_ipr[0])
        ),
        {"run": CLEAN},
    ),
    "coexistence": _phase(
        "2.1, Fig. 1",
        "Without regularisation a network with enough data learns both the rule and the wrong labels.",
        Phase.COEXISTENCE,
        PLAIN,
    ),
    "partial-inversion": _phase(
        "2.2, Fig. 1",
        "Some weight decay makes it unlearn part of the wrong labels.",
        Phase.PARTIAL_INVERSION,
        DECAY_5,
    ),
    "full-inversion": _phase(
        "2.2, Fig. 1",
        "Strong weight decay makes it unlearn all of them.",
        Phase.FULL_INVERSION,
        DECAY_15,
    ),
    "memorization": _phase(
        "2.1, Fig. 3",
        "With little data it memorises and does not generalise.",
        Phase.MEMORIZATION,
        SCARCE,
    ),
    "forgetting": _phase(
        "2.2, Fig. 8",
        "With very strong weight decay it generalises, and then loses everything.",
        Phase.FORGETTING,
        DECAY_20,
        whole=True,
    ),
    "confusion": _phase(
        "2.2, Fig. 3(b)", "With very strong dropout it learns neither.", Phase.CONFUSION, DROPOUT_9
    ),
    "ample-data": _phase(
        "2.1, Fig. 3",
        "With ample data it inverts in part without regularisation.",
        Phase.PARTIAL_INVERSION,
        AMPLE,
    ),
    "dropout-inverts": Claim(
        "2.2, Fig. 3(b)",
        "Dropout, like weight decay, makes the network unlearn wrong labels.",
        "fall of accuracy on corrupted labels from dp 0 to .3",
        0.1,
        "above",
        "more than seeds vary",
        per_seed(
            lambda runs: (
                final(runs["plain"], "corrupted_accuracy")
                - final(runs["dropout"], "corrupted_accuracy")
            )
        ),
        {"plain": PLAIN, "dropout": DROPOUT_3},
    ),
    "two-stages": Claim(
        "2.2, Fig. 1",
        "Under weight decay training accuracy first rises high, then falls.",
        "highest minus final training accuracy, wd 15",
        0.2,
        "above",
        "well over half of ξ",
        per_seed(lambda runs: fall(runs["run"], "train_accuracy")),
        {"run": DECAY_15},
    ),
    "falls-to-clean": Claim(
        "2.2, Fig. 1",
        "In Full Inversion it falls to the share of right labels, 1 - ξ.",
        "distance of final training accuracy from 1 - ξ",
        0.03,
        "below",
        "some 'corrupted' labels are right by chance (.004)",
        per_seed(lambda runs: _from_clean(runs["run"], final(runs["run"], "train_accuracy"))),
        {"run": DECAY_15},
    ),
    "corrects": Claim(
        "2.2, Fig. 23",
        "Then the network gives corrupted examples their true labels.",
        "share of corrupted training examples answered truly, wd 15",
        0.95,
        "above",
        "nearly all",
        per_seed(lambda runs: final(runs["run"], "corrected_accuracy")),
        {"run": DECAY_15},
    ),
    "bimodal": Claim(
        "2.1, Fig. 4",
        "In Coexistence the neurons' IPR has two modes.",
        "share of seeds whose dip test rejects one mode (p < .05)",
        0.5,
        "above",
        "as for phases: most networks",
        _bimodal,
        {"run": PLAIN},
    ),
    "ipr-decay": Claim(
        "2.2, Fig. 4",
        "Weight decay removes low-IPR neurons.",
        "fall of the share of live neurons below IPR .1, wd 0 to 15",
        0.2,
        "above",
        "a fifth of all neurons is plain to see",
        per_seed(lambda runs: low_ipr(runs["plain"]) - low_ipr(runs["decay"])),
        {"plain": PLAIN, "decay": DECAY_15},
    ),
    "ipr-dropout": Claim(
        "2.2, Fig. 4",
        "So does dropout.",
        "fall of the share of live neurons below IPR .1, dp 0 to .6",
        0.2,
        "above",
        "as for weight decay",
        per_seed(lambda runs: low_ipr(runs["plain"]) - low_ipr(runs["dropout"])),
        {"plain": PLAIN, "dropout": DROPOUT_6},
    ),
    "prune-low": Claim(
        "2.1, Fig. 6",
        "Pruning low-IPR neurons removes memorisation and keeps generalisation.",
        "most by which test accuracy exceeds that on corrupted labels",
        0.8,
        "above",
        "both nearly whole",
        per_seed(_after("lowest", "test_accuracy", "corrupted_accuracy")),
        {"run": PLAIN},
    ),
    "prune-high": Claim(
        "2.1, Fig. 6",
        "Pruning high-IPR neurons removes generalisation and keeps memorisation.",
        "most by which accuracy on corrupted labels exceeds test accuracy",
        0.7,
        "above",
        "memorising neurons are many: a little lost",
        per_seed(_after("highest", "corrupted_accuracy", "test_accuracy")),
        {"run": PLAIN},
    ),
    "prune-plateau": Claim(
        "2.1, Fig. 6",
        "As memorisation is pruned away, training accuracy comes to 1 - ξ.",
        "distance from 1 - ξ where memorisation is gone",
        0.05,
        "below",
        "Table 2's slack",
        per_seed(_plateau),
        {"run": PLAIN},
    ),
    "prune-partial": Claim(
        "App. J, Fig. 17",
        "In Partial Inversion too, pruning low-IPR neurons separates the two.",
        "most by which test accuracy exceeds that on corrupted labels, wd 5",
        0.8,
        "above",
        "as in Coexistence",
        per_seed(_after("lowest", "test_accuracy", "corrupted_accuracy")),
        {"run": DECAY_5},
    ),
    "prune-full": Claim(
        "App. J, Fig. 17",
        "In Full Inversion half of the neurons can go.",
        "test accuracy without the lower half by IPR, wd 15",
        0.9,
        "above",
        "Table 2's threshold of generalising",
        per_seed(_kept_at_half),
        {"run": DECAY_15},
    ),
    "prune-partial-high": Claim(
        "App. J, Fig. 17",
        "In Partial Inversion, without high-IPR neurons it memorises more of the wrong labels.",
        "most by which accuracy on corrupted labels rises, wd 5",
        0.1,
        "above",
        "more than seeds vary",
        per_seed(_memorized_more),
        {"run": DECAY_5},
    ),
    "prune-full-high": Claim(
        "App. J, Fig. 17",
        "In Full Inversion hardly, for want of neurons that memorise.",
        "most by which accuracy on corrupted labels rises, wd 15",
        0.2,
        "below",
        "a small increase towards the end",
        per_seed(_memorized_more),
        {"run": DECAY_15},
    ),
    "two-peaks": Claim(
        "App. K, Fig. 23",
        "In Coexistence the logits of a corrupted example peak at its given and its true label.",
        "share of wrongly labelled examples whose two strongest labels are these",
        0.5,
        "above",
        "chance is 1 in 4656",
        per_seed(_two_peaks),
        {"run": PLAIN},
    ),
    "peaks-flip": Claim(
        "App. K, Fig. 23",
        "With strong weight decay the true label's peak is the higher.",
        "share of wrongly labelled examples whose strongest label is true, wd 15",
        0.95,
        "above",
        "nearly all",
        per_seed(_true_first),
        {"run": DECAY_15},
    ),
    "norms-collapse": Claim(
        "App. E, Fig. 8",
        "Forgetting comes with collapsing weights.",
        "final over highest norm of U, wd 20",
        0.5,
        "below",
        "less than half is left",
        per_seed(_norm_left),
        {"run": DECAY_20},
        all_steps=True,
    ),
    "relu-keeps": Claim(
        "App. E",
        "With ReLU, of degree one, nothing is forgotten.",
        "highest minus final test accuracy, wd 20",
        CHANCE,
        "below",
        "no more than fluctuations",
        per_seed(lambda runs: forgotten(runs["run"])),
        {"run": WITH_RELU.replace(measure_every=MEASURE_EVERY)},
        all_steps=True,
    ),
    "sgd-keeps": Claim(
        "App. E",
        "Without an adaptive optimiser nothing is forgotten.",
        "highest minus final test accuracy, SGD",
        CHANCE,
        "below",
        "no more than fluctuations",
        per_seed(lambda runs: forgotten(runs["run"])),
        {"run": WITH_SGD.replace(measure_every=MEASURE_EVERY)},
        all_steps=True,
    ),
    "cross-entropy-keeps": Claim(
        "App. M",
        "With cross-entropy nothing is forgotten.",
        "highest minus final test accuracy, wd 20, α .7, ξ .2",
        CHANCE,
        "below",
        "no more than fluctuations",
        per_seed(lambda runs: forgotten(runs["run"])),
        {"run": WITH_CROSS_ENTROPY.replace(measure_every=MEASURE_EVERY)},
        all_steps=True,
    ),
}
