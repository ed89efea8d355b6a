"""The phase that a network ends in: Table 2, with its thresholds as arguments."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np


class Phase(StrEnum):
    """What a network did with the rule and with the wrong labels (Table 1), or that it diverged.

    Each has a `letter`, by which it is shown where there is room for no more, and a `meaning`.

    >>> Phase("full_inversion").title, Phase.FULL_INVERSION.meaning
    ('Full Inversion', 'generalises, and memorises no wrong label')
    """

    letter: str
    meaning: str

    COEXISTENCE = "coexistence", "C", "generalises, and memorises the wrong labels"
    PARTIAL_INVERSION = "partial_inversion", "P", "generalises, and memorises some wrong labels"
    FULL_INVERSION = "full_inversion", "F", "generalises, and memorises no wrong label"
    MEMORIZATION = "memorization", "M", "memorises all labels, and does not generalise"
    FORGETTING = "forgetting", "G", "generalised at some step, and no longer does"
    CONFUSION = "confusion", "X", "neither generalises nor memorises, and never generalised"
    DIVERGED = "diverged", "D", "its loss was no longer finite"
    SECOND_RULE = "second_rule", "S", "generalises by the second rule of its labels"

    def __new__(cls, value: str, letter: str, meaning: str) -> Phase:
        """A word with its letter and its meaning."""
        member = str.__new__(cls, value)
        member._value_, member.letter, member.meaning = value, letter, meaning
        return member

    @property
    def title(self) -> str:  # type: ignore[override]
        """The phase's name as the paper prints it."""
        return self.value.replace("_", " ").title()


GENERALIZED = (Phase.COEXISTENCE, Phase.PARTIAL_INVERSION, Phase.FULL_INVERSION)
"""The phases of networks that have learned the rule."""

INVERTED = GENERALIZED[1:]
"""Those that have not memorised all wrong labels."""

Numbers = float | int | Sequence[float | int] | np.ndarray


def classify(
    train_accuracy: Numbers,
    test_accuracy: Numbers,
    peak_test_accuracy: Numbers,
    corruption_fraction: Numbers,
    second_rule_accuracy: Numbers = np.nan,
    *,
    generalizes: float = 0.9,
    memorizes: float = 0.9,
    slack: float = 0.05,
) -> np.ndarray:
    """The `Phase` of each network that finished (Table 2); None where an accuracy is not finite.

    Below 1 - ξ + `slack` training accuracy none of the corrupted labels count as memorised. Where
    ξ is so small that this exceeds `memorizes`, high training accuracy is Coexistence, as in the
    table's order. Forgetting had generalised at some measured step, Confusion never did.

    Args:
        train_accuracy: at the end of training, against the given labels; 0 to 1.
        test_accuracy: at the end of training; 0 to 1.
        peak_test_accuracy: the highest at any measured step; 0 to 1.
        corruption_fraction: ξ; 0 to 1.
        second_rule_accuracy: of test examples, against the labels of the second rule; NaN if the
            labels have one rule alone.
        generalizes: least test accuracy of a network that has generalised.
        memorizes: least training accuracy of a network that has memorised.
        slack: room for guessing and fluctuation above 1 - ξ.

    Returns:
        Phases in the shape to which the arguments broadcast.

    >>> classify([0.98, 0.76, 0.66, 1.0], [0.98, 1, 1, 0.02], [0.98, 1, 1, 0.02], 0.35).tolist()
    [<Phase.COEXISTENCE: 'coexistence'>, <Phase.PARTIAL_INVERSION: 'partial_inversion'>,
     <Phase.FULL_INVERSION: 'full_inversion'>, <Phase.MEMORIZATION: 'memorization'>]
    """
    train, test, peak, corruption, second = np.broadcast_arrays(
        train_accuracy, test_accuracy, peak_test_accuracy, corruption_fraction, second_rule_accuracy
    )
    generalized, memorized = test >= generalizes, train >= memorizes
    # Accuracies are ratios of counts: a boundary value must not fall to a rounding error.
    above_clean = train >= 1 + slack - corruption - 1e-9
    conditions = [
        ~np.isfinite(train + test + peak + corruption),
        generalized & memorized,
        generalized & above_clean,
        generalized,
        second >= generalizes,
        memorized,
        peak >= generalizes,
    ]
    phases = [None, *GENERALIZED, Phase.SECOND_RULE, Phase.MEMORIZATION, Phase.FORGETTING]
    choices = np.array([*phases, Phase.CONFUSION], dtype=object)
    index = np.select(conditions, range(len(phases)), default=len(phases))
    return np.asarray(choices[index], dtype=object)
