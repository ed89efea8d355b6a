import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grokscope.measures.spectrum import ipr, power_spectrum, residue_order

vectors = arrays(np.float64, 31, elements=st.floats(-10, 10)).filter(
    lambda v: np.linalg.norm(v) > 0.1
)


@pytest.mark.parametrize("p", [5, 97, 101])
def test_ipr_of_known_vectors(p):
    residues = np.arange(p)
    for frequency in range(1, p // 2 + 1):
        cosine = np.cos(2 * np.pi * frequency * residues / p + 0.7)
        assert ipr(cosine) == pytest.approx(1)
    assert ipr(np.full(p, 3.0)) == pytest.approx(1)
    assert ipr(np.eye(p)[2]) == pytest.approx(2 / (p + 1))


def test_ipr_of_two_equal_cosines_is_a_half():
    n = np.arange(97)
    both = np.cos(2 * np.pi * 5 * n / 97) + np.sin(2 * np.pi * 11 * n / 97)
    assert ipr(both) == pytest.approx(0.5)


@given(vectors, st.floats(0.01, 1e6), st.integers(0, 30))
def test_ipr_is_unchanged_by_scale_and_cyclic_shift(vector, scale, shift):
    expected = ipr(vector)
    assert 1 / 16 - 1e-9 <= expected <= 1 + 1e-9
    assert ipr(scale * vector) == pytest.approx(expected, rel=1e-6)
    assert ipr(np.roll(vector, shift)) == pytest.approx(expected, rel=1e-6)


def test_power_spectrum_equals_the_definition():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(13, 4))
    k, n = np.arange(7)[:, None], np.arange(13)
    expected = np.abs(np.exp(-2j * np.pi * k * n / 13) @ x) ** 2
    np.testing.assert_allclose(power_spectrum(x), expected, atol=1e-12)


def test_dead_vectors_have_no_ipr_and_tiny_live_ones_do():
    cosine = np.cos(2 * np.pi * np.arange(97) / 97)
    result = ipr(np.stack([cosine, 1e-3 * cosine, 1e-6 * cosine, 0 * cosine], axis=1))
    assert result[:2] == pytest.approx([1, 1])
    assert np.isnan(result[2:]).all()


@pytest.mark.parametrize("p", [2, 3, 5, 23, 97])
def test_multiplication_is_a_shift_in_the_order_of_discrete_logarithms(p):
    order = residue_order("multiplication", p)
    assert sorted(order) == list(range(1, p))
    position = {residue: index for index, residue in enumerate(order.tolist())}
    for a in order.tolist():
        shifts = {(position[a * b % p] - position[b]) % (p - 1) for b in order.tolist()}
        assert len(shifts) == 1


@pytest.mark.parametrize(("operation", "modulus"), [("addition", 12), ("multiplication", 12)])
def test_plain_order_where_there_is_no_other(operation, modulus):
    assert residue_order(operation, modulus).tolist() == list(range(12))
