"""Statements about single two-layer networks: phases, dynamics, IPR, logits."""

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
    both_high,
    claim_of_phase,
    clean_at_best,
    corrected_of_lost,
    delay,
    fall,
    final,
    forgotten,
    from_clean,
    half_removed,
    largest_norm_left,
    memory_lost,
    norm_left,
    of_runs,
    rise_over_wait,
    steps_of_fall,
)

SPARSELY = NOISY.replace(measure_every=MEASURE_EVERY)
PLAIN, DECAY_5, DECAY_15, DECAY_20 = (SPARSELY.replace(weight_decay=wd) for wd in DECAYS)
_, DROPOUT_3, DROPOUT_6, DROPOUT_9 = (SPARSELY.replace(dropout=dp) for dp in DROPOUTS)
SCARCE, AMPLE = (SPARSELY.replace(train_fraction=alpha) for alpha in (0.3, 0.8))
CLEAN = Experiment(steps=500, measure_every=5).replace(weight_decay=5)
"""Measured ten times as often: all of grokking happens within the first 50 steps."""


OFTEN = NOISY.replace(weight_decay=DECAYS[2], measure_every=5)
"""Measured every five steps: training accuracy is high for a few dozen steps only."""

MATCHED = SPARSELY.replace(weight_decay=1.6)
"""AdamW whose weights shrink by .016 a step, as those of `WITH_SGD` do: lr·wd against lr·wd/(1-μ)."""


def _nothing_forgotten(
    section: str, says: str, statistic: str, experiment: Experiment, chosen: str = ""
) -> Claim:
    return Claim(
        section,
        says,
        statistic,
        CHANCE,
        "below",
        "no more than fluctuations",
        of_runs(lambda runs: forgotten(runs["run"])),
        {"run": experiment.replace(measure_every=MEASURE_EVERY)},
        all_steps=True,
        chosen=chosen,
    )


CLAIMS: dict[str, Claim] = {
    "grokking": Claim(
        "1.1, Fig. 2",
        "With clean labels and weight decay, test accuracy jumps long after training accuracy.",
        "steps to 90 % test over steps to 90 % training accuracy",
        1.5,
        "above",
        "late means clearly later, not by a measurement's spacing",
        of_runs(delay),
        {"run": CLEAN},
    ),
    "grokking-sudden": Claim(
        "1.1, Fig. 2",
        "The jump is sudden.",
        "steps from 10 to 90 % test accuracy over steps to 10 %",
        1,
        "below",
        "shorter than the wait for it",
        of_runs(rise_over_wait),
        {"run": CLEAN},
    ),
    "grokking-ipr": Claim(
        "1.1, Fig. 2",
        "As it generalises, the network's mean IPR rises.",
        "mean IPR at the end over that at the start",
        3,
        "above",
        "far beyond fluctuations",
        of_runs(
            lambda runs: float(runs["run"].dataset.mean_ipr[-1] / runs["run"].dataset.mean_ipr[0])
        ),
        {"run": CLEAN},
    ),
    "coexistence": claim_of_phase(
        "2, Fig. 1(a)",
        "Without regularisation a network with enough data learns both the rule and the wrong labels.",
        Phase.COEXISTENCE,
        PLAIN,
    ),
    "partial-inversion": claim_of_phase(
        "2, Fig. 1(b)",
        "Some weight decay makes it unlearn part of the wrong labels.",
        Phase.PARTIAL_INVERSION,
        DECAY_5,
    ),
    "full-inversion": claim_of_phase(
        "2, Fig. 1(c)",
        "Strong weight decay makes it unlearn all of them.",
        Phase.FULL_INVERSION,
        DECAY_15,
    ),
    "memorization": claim_of_phase(
        "2, Fig. 3",
        "With little data it memorises and does not generalise.",
        Phase.MEMORIZATION,
        SCARCE,
    ),
    "forgetting": claim_of_phase(
        "2 and App. E, Fig. 8(a)",
        "With very strong weight decay it generalises, and then loses everything.",
        Phase.FORGETTING,
        DECAY_20,
        whole=True,
    ),
    "confusion": claim_of_phase(
        "2, Fig. 3(b)", "With very strong dropout it learns neither.", Phase.CONFUSION, DROPOUT_9
    ),
    "ample-data": claim_of_phase(
        "2, Fig. 3",
        "With ample data it inverts in part without regularisation.",
        Phase.PARTIAL_INVERSION,
        AMPLE,
    ),
    "dropout-inverts": Claim(
        "2, Fig. 3(b)",
        "Dropout, like weight decay, makes the network unlearn wrong labels.",
        "fall of accuracy on corrupted labels from dp 0 to .3",
        0.1,
        "above",
        "more than seeds vary",
        of_runs(
            lambda runs: (
                final(runs["plain"], "corrupted_accuracy")
                - final(runs["dropout"], "corrupted_accuracy")
            )
        ),
        {"plain": PLAIN, "dropout": DROPOUT_3},
    ),
    "two-stages": Claim(
        "Abstract, Fig. 1(c)",
        "Under weight decay training accuracy first rises high, then falls.",
        "highest minus final training accuracy, wd 15",
        0.2,
        "above",
        "well over half of ξ",
        of_runs(lambda runs: fall(runs["run"], "train_accuracy")),
        {"run": DECAY_15},
    ),
    "falls-to-clean": Claim(
        "2, Fig. 1(c)",
        "In Full Inversion it falls to the share of right labels, 1 - ξ.",
        "distance of final training accuracy from 1 - ξ",
        0.03,
        "below",
        "some 'corrupted' labels are right by chance (.004)",
        of_runs(lambda runs: from_clean(runs["run"], final(runs["run"], "train_accuracy"))),
        {"run": DECAY_15},
    ),
    "corrects": Claim(
        "1, 2.1 and 3.1, Fig. 1(c)",
        "Then the network gives corrupted examples their true labels.",
        "share of corrupted training examples answered truly, wd 15",
        0.95,
        "above",
        "nearly all",
        of_runs(lambda runs: final(runs["run"], "corrected_accuracy")),
        {"run": DECAY_15},
    ),
    "norms-collapse": Claim(
        "App. E, Fig. 8(b)",
        "Forgetting comes with collapsing weights.",
        "final over highest norm of U, wd 20",
        0.5,
        "below",
        "less than half is left",
        of_runs(norm_left),
        {"run": DECAY_20},
        all_steps=True,
    ),
    "relu-keeps": _nothing_forgotten(
        "App. E",
        "With ReLU, of degree one, nothing is forgotten.",
        "highest minus final test accuracy, wd 20",
        WITH_RELU,
    ),
    "sgd-keeps": Claim(
        "App. E",
        "Only with an adaptive optimiser is anything forgotten.",
        "test accuracy lost by AdamW minus that lost by SGD, at the same decay a step",
        CHANCE,
        "above",
        "no more than fluctuations",
        of_runs(lambda runs: forgotten(runs["adamw"]) - forgotten(runs["sgd"])),
        {"sgd": WITH_SGD.replace(measure_every=MEASURE_EVERY), "adamw": MATCHED},
        all_steps=True,
        chosen="SGD's rate, momentum and decay",
    ),
    "only-grokked-forgets": Claim(
        "App. E",
        "A network that only memorises is immune to forgetting.",
        "highest minus final training accuracy, α .3, wd 20",
        CHANCE,
        "below",
        "no more than fluctuations",
        of_runs(lambda runs: memory_lost(runs["run"])),
        {"run": SCARCE.replace(weight_decay=DECAYS[3])},
        all_steps=True,
    ),
    "cross-entropy-keeps": _nothing_forgotten(
        "App. M, Fig. 26",
        "With cross-entropy nothing is forgotten.",
        "highest minus final test accuracy, wd 20, α .7, ξ .2",
        WITH_CROSS_ENTROPY,
        chosen="weight decay, α and ξ",
    ),
    "first-groks": Claim(
        "Abstract, Fig. 1(c)",
        "Before it unlearns wrong labels, training and test accuracy are both high.",
        "highest of the lower of training and test accuracy, wd 15",
        0.9,
        "above",
        "Table 2's threshold",
        of_runs(both_high),
        {"run": OFTEN},
    ),
    "unlearns-suddenly": Claim(
        "Abstract, Fig. 1(c)",
        "Then training accuracy falls suddenly to the share of right labels.",
        "steps from its last 90 % to within .03 of 1 - ξ, as a share of all steps, wd 15",
        0.1,
        "below",
        "a tenth of training",
        of_runs(steps_of_fall),
        {"run": OFTEN},
    ),
    "partial-corrects": Claim(
        "2, Fig. 1(b)",
        "In Partial Inversion too, what it does not answer as given it answers truly.",
        "share answered truly of wrongly labelled examples that are not answered as given, wd 5",
        0.95,
        "above",
        "as in Full Inversion",
        of_runs(corrected_of_lost),
        {"run": DECAY_5},
    ),
    "memorization-at-chance": Claim(
        "2, Fig. 3",
        "A network that memorises is near 100 % on training and at chance on test data.",
        "larger of test accuracy and 1 minus training accuracy, α .3",
        0.05,
        "below",
        "chance is 1 in 97",
        of_runs(
            lambda runs: max(
                final(runs["run"], "test_accuracy"), 1 - final(runs["run"], "train_accuracy")
            )
        ),
        {"run": SCARCE},
    ),
    "forgetting-inverts-first": Claim(
        "App. E, Fig. 8(a)",
        "Before it forgets, training accuracy is at the share of right labels.",
        "its distance from 1 - ξ where test accuracy is highest, wd 20",
        0.05,
        "below",
        "Table 2's slack",
        of_runs(clean_at_best),
        {"run": DECAY_20},
        all_steps=True,
    ),
    "forgets-to-chance": Claim(
        "App. E, Fig. 8(a)",
        "In the end both accuracies are at chance.",
        "larger of final training and test accuracy, wd 20",
        CHANCE,
        "below",
        "chance is 1 in 97",
        of_runs(
            lambda runs: max(
                final(runs["run"], name) for name in ("train_accuracy", "test_accuracy")
            )
        ),
        {"run": DECAY_20},
        all_steps=True,
    ),
    "norms-vanish": Claim(
        "2 and App. E, Fig. 8(b)",
        "The norms of all weights become arbitrarily small.",
        "largest of the three norms' final over highest values, wd 20",
        0.05,
        "below",
        "a twentieth",
        of_runs(largest_norm_left),
        {"run": DECAY_20},
        all_steps=True,
    ),
    "robust-to-removal": Claim(
        "3.2",
        "Networks that generalise bear the loss of neurons better than those that memorise.",
        "training accuracy without a random half of the neurons over that with all, wd 15 minus α .3",
        0.2,
        "above",
        "plain to see",
        of_runs(half_removed),
        {"rule": DECAY_15, "memory": SCARCE},
    ),
}
