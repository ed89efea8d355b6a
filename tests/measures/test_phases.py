import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.errors import ConfigError
from grokscope.measures.phases import Phase, classify

fractions = st.floats(0, 1)


def table_2(train, test, peak, xi):
    """The table as the paper writes it, in percent, one network at a time."""
    if test >= 0.9:
        if train >= 0.9:
            return "coexistence"
        return "partial_inversion" if train >= 1.05 - xi - 1e-9 else "full_inversion"
    if train >= 0.9:
        return "memorization"
    return "forgetting" if peak >= 0.9 else "confusion"


@given(st.lists(st.tuples(fractions, fractions, fractions, fractions), min_size=1))
def test_arrays_follow_the_table(rows):
    train, test, rest, xi = np.array(rows).T
    peak = np.maximum(test, rest)
    expected = [table_2(*row) for row in zip(train, test, peak, xi, strict=True)]
    assert classify(train, test, peak, xi).tolist() == expected


@pytest.mark.parametrize(
    ("row", "phase"),
    [
        ((0.90, 0.90, 0.90, 0.35), "coexistence"),
        ((0.70, 1.00, 1.00, 0.35), "partial_inversion"),
        ((0.699, 1.0, 1.0, 0.35), "full_inversion"),
        ((0.90, 0.899, 0.95, 0.35), "memorization"),
        ((0.20, 0.10, 0.90, 0.35), "forgetting"),
        ((0.20, 0.10, 0.899, 0.35), "confusion"),
        ((0.92, 1.0, 1.0, 0.05), "coexistence"),
    ],
)
def test_boundaries(row, phase):
    assert classify(*row).item() is Phase(phase)


def test_thresholds_are_arguments_and_shapes_broadcast():
    phases = classify(np.array([[0.85], [0.7]]), 0.85, 0.85, np.array([0.1, 0.5]), generalizes=0.8)
    assert phases.shape == (2, 2)
    assert phases[0].tolist() == ["full_inversion", "partial_inversion"]
    assert classify(0.85, 1.0, 1.0, 0.1, memorizes=0.8).item() == "coexistence"
    assert classify(0.85, 1.0, 1.0, 0.1, slack=-0.1).item() == "partial_inversion"


def test_what_was_not_measured_has_no_phase():
    assert classify([np.nan, 1.0], [1.0, 1.0], 1.0, 0.3).tolist() == [None, "coexistence"]


@pytest.mark.parametrize(
    ("corruption", "thresholds", "message"),
    [
        (-1, {}, "`corruption_fraction` must lie between 0 and 1, got -1. Use 0"),
        ([0.3, 1.5], {}, "`corruption_fraction` must lie between 0 and 1, got 1.5"),
        (0.3, {"generalizes": 80}, "`generalizes` must lie between 0 and 1, got 80. Use 0.8"),
        (0.3, {"memorizes": np.nan}, "`memorizes` must lie between 0 and 1, got nan"),
        (0.3, {"slack": 5}, "`slack` must lie between -1 and 1, got 5"),
        (0.3, {"generalises": 0.8}, "'generalises'. Did you mean generalizes?"),
        (0.3, {"step": 100}, "'step'. Use one of generalizes, memorizes, slack."),
    ],
)
def test_impossible_and_unknown_thresholds_are_refused(corruption, thresholds, message):
    with pytest.raises(ConfigError) as refused:
        classify([0.9, np.nan], 0.9, 0.9, corruption, **thresholds)
    assert message in str(refused.value)


def test_a_corruption_fraction_that_is_not_known_is_no_error():
    assert classify(0.9, 0.9, 0.9, [0.3, np.nan]).tolist() == ["coexistence", None]
