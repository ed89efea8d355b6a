"""Statements about single two-layer networks: phases, dynamics, IPR, pruning, logits."""

from __future__ import annotations

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
from grokscope.paper.statements import Claim
from grokscope.paper.statements.statistics import (
    CHANCE,
    bimodal,
    claim_of_phase,
    delay,
    excess_while_pruning,
    fall,
    final,
    forgotten,
    from_clean,
    kept_at_half,
    low_ipr,
    memorized_more,
    norm_left,
    per_seed,
    plateau,
    true_first,
    two_peaks,
)

SPARSELY = NOISY.replace(measure_every=MEASURE_EVERY)
PLAIN, DECAY_5, DECAY_15, DECAY_20 = (SPARSELY.replace(weight_decay=wd) for wd in DECAYS)
_, DROPOUT_3, DROPOUT_6, DROPOUT_9 = (SPARSELY.replace(dropout=dp) for dp in DROPOUTS)
SCARCE, AMPLE = (SPARSELY.replace(train_fraction=alpha) for alpha in (0.3, 0.8))
CLEAN = Experiment(steps=500, measure_every=5).replace(weight_decay=5)
"""Measured ten times as often: all of grokking happens within the first 50 steps."""


def _nothing_forgotten(section: str, says: str, statistic: str, experiment: Experiment) -> Claim:
    return Claim(
        section,
        says,
        statistic,
        CHANCE,
        "below",
        "no more than fluctuations",
        per_seed(lambda runs: forgotten(runs["run"])),
        {"run": experiment.replace(measure_every=MEASURE_EVERY)},
        all_steps=True,
    )


CLAIMS: dict[str, Claim] = {
    "grokking": Claim(
        "1.1, Fig. 2",
        "With clean labels and weight decay, test accuracy jumps long after training accuracy.",
        "steps to 90 % test over steps to 90 % training accuracy",
        1.5,
        "above",
        "late means clearly later, not by a measurement's spacing",
        per_seed(delay),
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
    "coexistence": claim_of_phase(
        "2.1, Fig. 1",
        "Without regularisation a network with enough data learns both the rule and the wrong labels.",
        Phase.COEXISTENCE,
        PLAIN,
    ),
    "partial-inversion": claim_of_phase(
        "2.2, Fig. 1",
        "Some weight decay makes it unlearn part of the wrong labels.",
        Phase.PARTIAL_INVERSION,
        DECAY_5,
    ),
    "full-inversion": claim_of_phase(
        "2.2, Fig. 1",
        "Strong weight decay makes it unlearn all of them.",
        Phase.FULL_INVERSION,
        DECAY_15,
    ),
    "memorization": claim_of_phase(
        "2.1, Fig. 3",
        "With little data it memorises and does not generalise.",
        Phase.MEMORIZATION,
        SCARCE,
    ),
    "forgetting": claim_of_phase(
        "2.2, Fig. 8",
        "With very strong weight decay it generalises, and then loses everything.",
        Phase.FORGETTING,
        DECAY_20,
        whole=True,
    ),
    "confusion": claim_of_phase(
        "2.2, Fig. 3(b)", "With very strong dropout it learns neither.", Phase.CONFUSION, DROPOUT_9
    ),
    "ample-data": claim_of_phase(
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
        per_seed(lambda runs: from_clean(runs["run"], final(runs["run"], "train_accuracy"))),
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
        bimodal,
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
        per_seed(excess_while_pruning("lowest", "test_accuracy", "corrupted_accuracy")),
        {"run": PLAIN},
    ),
    "prune-high": Claim(
        "2.1, Fig. 6",
        "Pruning high-IPR neurons removes generalisation and keeps memorisation.",
        "most by which accuracy on corrupted labels exceeds test accuracy",
        0.7,
        "above",
        "memorising neurons are many: a little lost",
        per_seed(excess_while_pruning("highest", "corrupted_accuracy", "test_accuracy")),
        {"run": PLAIN},
    ),
    "prune-plateau": Claim(
        "2.1, Fig. 6",
        "As memorisation is pruned away, training accuracy comes to 1 - ξ.",
        "distance from 1 - ξ where memorisation is gone",
        0.05,
        "below",
        "Table 2's slack",
        per_seed(plateau),
        {"run": PLAIN},
    ),
    "prune-partial": Claim(
        "App. J, Fig. 17",
        "In Partial Inversion too, pruning low-IPR neurons separates the two.",
        "most by which test accuracy exceeds that on corrupted labels, wd 5",
        0.8,
        "above",
        "as in Coexistence",
        per_seed(excess_while_pruning("lowest", "test_accuracy", "corrupted_accuracy")),
        {"run": DECAY_5},
    ),
    "prune-full": Claim(
        "App. J, Fig. 17",
        "In Full Inversion half of the neurons can go.",
        "test accuracy without the lower half by IPR, wd 15",
        0.9,
        "above",
        "Table 2's threshold of generalising",
        per_seed(kept_at_half),
        {"run": DECAY_15},
    ),
    "prune-partial-high": Claim(
        "App. J, Fig. 17",
        "In Partial Inversion, without high-IPR neurons it memorises more of the wrong labels.",
        "most by which accuracy on corrupted labels rises, wd 5",
        0.1,
        "above",
        "more than seeds vary",
        per_seed(memorized_more),
        {"run": DECAY_5},
    ),
    "prune-full-high": Claim(
        "App. J, Fig. 17",
        "In Full Inversion hardly, for want of neurons that memorise.",
        "most by which accuracy on corrupted labels rises, wd 15",
        0.2,
        "below",
        "a small increase towards the end",
        per_seed(memorized_more),
        {"run": DECAY_15},
    ),
    "two-peaks": Claim(
        "App. K, Fig. 23",
        "In Coexistence the logits of a corrupted example peak at its given and its true label.",
        "share of wrongly labelled examples whose two strongest labels are these",
        0.5,
        "above",
        "chance is 1 in 4656",
        per_seed(two_peaks),
        {"run": PLAIN},
    ),
    "peaks-flip": Claim(
        "App. K, Fig. 23",
        "With strong weight decay the true label's peak is the higher.",
        "share of wrongly labelled examples whose strongest label is true, wd 15",
        0.95,
        "above",
        "nearly all",
        per_seed(true_first),
        {"run": DECAY_15},
    ),
    "norms-collapse": Claim(
        "App. E, Fig. 8",
        "Forgetting comes with collapsing weights.",
        "final over highest norm of U, wd 20",
        0.5,
        "below",
        "less than half is left",
        per_seed(norm_left),
        {"run": DECAY_20},
        all_steps=True,
    ),
    "relu-keeps": _nothing_forgotten(
        "App. E",
        "With ReLU, of degree one, nothing is forgotten.",
        "highest minus final test accuracy, wd 20",
        WITH_RELU,
    ),
    "sgd-keeps": _nothing_forgotten(
        "App. E",
        "Without an adaptive optimiser nothing is forgotten.",
        "highest minus final test accuracy, SGD",
        WITH_SGD,
    ),
    "cross-entropy-keeps": _nothing_forgotten(
        "App. M",
        "With cross-entropy nothing is forgotten.",
        "highest minus final test accuracy, wd 20, α .7, ξ .2",
        WITH_CROSS_ENTROPY,
    ),
}
