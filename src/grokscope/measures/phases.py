"""The phase that a network ends in: Table 2, with its thresholds as arguments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from numbers import Real

import numpy as np

from grokscope.errors import ConfigError, meant


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
    generalizes: float | int = 0.9,
    memorizes: float | int = 0.9,
    slack: float | int = 0.05,
    **unknown: object,
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
        second_rule_accuracy: of test examples by the labels' second rule; NaN if they have none.
        generalizes: least test accuracy of a network that has generalised.
        memorizes: least training accuracy of a network that has memorised.
        slack: room for guessing and fluctuation above 1 - ξ.
        **unknown: there are no other thresholds.

    Returns:
        Phases in the shape to which the arguments broadcast.

    Raises:
        ConfigError: if a threshold is unknown, or it or ξ is out of range.

    >>> classify([0.98, 0.76, 0.66, 1.0], [0.98, 1, 1, 0.02], [0.98, 1, 1, 0.02], 0.35).tolist()
    [<Phase.COEXISTENCE: 'coexistence'>, <Phase.PARTIAL_INVERSION: 'partial_inversion'>,
     <Phase.FULL_INVERSION: 'full_inversion'>, <Phase.MEMORIZATION: 'memorization'>]
    """
    _require_thresholds(unknown, generalizes=generalizes, memorizes=memorizes, slack=slack)
    _require_fractions(corruption_fraction)
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


def _require_thresholds(unknown: Iterable[str], **thresholds: float | int) -> None:
    """Refuse thresholds of other names or out of range."""
    for name in unknown:
        raise ConfigError(
            f"`thresholds` must be those of `classify`, got {name!r}. {meant(name, thresholds)}"
        )
    for name, value in thresholds.items():
        least = -1 if name == "slack" else 0
        if not isinstance(value, Real) or not least <= value <= 1:
            raise ConfigError(
                f"`{name}` must lie between {least} and 1, got {value!r}. Use 0.8 for 80 %."
            )


def _require_fractions(corruption: Numbers) -> None:
    """Refuse corruption fractions out of range; NaN is one that is not known.

    Accuracies are not checked: the settle rule extrapolates them beyond 0 and 1.
    """
    fractions = np.asarray(corruption)
    if (wrong := (fractions < 0) | (fractions > 1)).any():
        raise ConfigError(
            f"`corruption_fraction` must lie between 0 and 1, got {fractions[wrong][0]}. "
            "Use 0 where every label is right."
        )
