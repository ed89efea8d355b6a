import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from grokscope.analysis.statistics import growth_exponent, mean_interval, rank_correlation


def test_rank_correlation_is_spearmans_with_an_interval_like_the_closed_form():
    """Fisher's z with Bonett and Wright's error, which holds for bivariate normals: within .02."""
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 800))
    y = x + 1.2 * noise
    rho, low, high = rank_correlation(x, np.exp(y))
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic)
    error = np.sqrt((1 + rho**2 / 2) / (800 - 3))
    expected = np.tanh(np.arctanh(rho) + 1.96 * error * np.array([-1, 1]))
    assert [low, high] == pytest.approx(expected, abs=0.02)
    assert rank_correlation(x, np.exp(y)) == (rho, low, high)


def test_rank_correlation_of_two_groups_varies_as_its_interval_says():
    """As IPR and γ do. Against the spread of ρ over 400 samples, itself known to 3.5 %: 12 %."""
    rng = np.random.default_rng(2)

    def sample():
        group = rng.random(500) < 0.6
        x = np.where(group, 0.05, 0.8) + 0.05 * rng.normal(size=500)
        return x, np.where(group, 0.6, 1.0) + 0.3 * rng.normal(size=500)

    spread = np.std([stats.spearmanr(*sample()).statistic for _ in range(400)])
    widths = [np.diff(rank_correlation(*sample())[1:])[0] for _ in range(5)]
    assert np.mean(widths) == pytest.approx(2 * 1.96 * spread, rel=0.12)


def test_rank_correlation_of_constants_or_few_is_missing():
    assert np.isnan(rank_correlation(np.ones(9), np.arange(9.0))).all()
    assert np.isnan(rank_correlation(np.arange(2.0), np.arange(2.0))).all()


def test_growth_exponent_is_found_and_its_interval_is_that_of_a_regression():
    """Against the known slope's standard error for known noise: ends within a fifth of it."""
    rng = np.random.default_rng(1)
    x = np.array([500.0, 1000, 2000, 5000, 10_000])
    samples = [3 * v**0.7 * np.exp(0.1 * rng.normal(size=40)) for v in x]
    b, low, high = growth_exponent(x, samples)
    error = 0.1 / np.sqrt(40) / np.sqrt(((np.log(x) - np.log(x).mean()) ** 2).sum())
    assert abs(b - 0.7) < 4 * error
    assert [low, high] == pytest.approx([b - 1.96 * error, b + 1.96 * error], abs=0.4 * error)
    assert np.isnan(growth_exponent(x, [s[:1] for s in samples])[1:]).all()


@given(st.integers(1, 400), st.integers(2, 400), st.integers(2, 7))
def test_equal_values_have_an_interval_without_width(part, whole, n):
    """Whatever their mean is rounded to."""
    value = part / whole
    assert mean_interval(np.array([value] * n)) == (value, value, value)
