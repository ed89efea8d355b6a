"""Eq. 6's terms in logits, against the closed form and against a transform over m, n and q."""

import numpy as np
import pytest

from grokscope.measures.analytic_terms import LEADING, analytic_terms
from grokscope.models.analytic import analytic_network, logit_terms
from networks import logits_of


def table(values, inputs, p):
    found = np.empty((p, p, p))
    found[tuple(inputs.T)] = values
    return found


@pytest.mark.parametrize(("p", "width"), [(7, 6), (13, 12), (11, 4)])
def test_of_the_analytic_network_they_are_the_nine_of_eq_6(p, width):
    """Widths below p: no wave is constant, so that the terms have nothing in common."""
    inputs = np.stack(np.divmod(np.arange(p * p), p), axis=1).astype(np.int32)
    exact = logit_terms(inputs, p, width)
    logits = table(logits_of(analytic_network(p, width), inputs), inputs, p)
    found = analytic_terms(logits)
    assert found.keys() == exact.keys()
    for name, part in found.items():
        np.testing.assert_allclose(part, table(exact[name], inputs, p), atol=1e-5)
    assert LEADING in found


@pytest.mark.parametrize("p", [5, 9])
def test_of_any_logits_they_are_the_waves_of_nine_directions(p):
    logits = np.random.default_rng(p).normal(size=(p, p, p))
    directions = {
        "2m-q": (2, 0, -1), "2m+q": (2, 0, 1), "2n-q": (0, 2, -1), "2n+q": (0, 2, 1),
        "m+n-q": (1, 1, -1), "m+n+q": (1, 1, 1), "m-n-q": (1, -1, -1), "m-n+q": (1, -1, 1),
        "-q": (0, 0, -1),
    }  # fmt: skip
    waves = np.fft.fftn(logits)
    found = analytic_terms(logits)
    for name, direction in directions.items():
        only = np.zeros_like(waves)
        for k in range(1, p):
            place = tuple(k * step % p for step in direction)
            only[place] = waves[place]
        np.testing.assert_allclose(found[name], np.fft.ifftn(only).real, atol=1e-12)
    power = sum((part**2).sum() for part in found.values())
    assert (sum(found.values()) ** 2).sum() == pytest.approx(power)  # orthogonal
