"""Boundaries between regions, followed instead of filled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grokscope.sweeps.refine import COARSE, UNKNOWN, enclosed, follow_boundaries

shapes = st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20))
kinds = st.sampled_from([np.dtype(np.int8), np.dtype(int)])  # a diagram's phases, a sweep's codes
any_diagram = shapes.flatmap(lambda shape: hnp.arrays(kinds, shape, elements=st.integers(0, 3)))


def refined(truth):
    codes = np.full_like(truth, UNKNOWN)
    rounds = 0
    for wanted in follow_boundaries(codes):
        assert wanted.any()
        assert (codes[wanted] == UNKNOWN).all(), "nothing is asked for twice"
        codes[wanted] = truth[wanted]
        rounds += 1
    return codes, rounds


def bands(rows, columns, jitter=0.0, seed=0):
    """Panels of four curved bands, with boundaries that jitter from row to row."""
    rng = np.random.default_rng(seed)
    y, x = np.linspace(0, 1, rows)[:, None], np.linspace(0, 1, columns)[None]
    panels = []
    for slope in (0.2, 0.5, 0.8):
        edges = [0.15 + slope * y**2, 0.4 + slope * y * 0.5, 0.75 + 0.2 * y]
        panels.append(sum(x > edge + jitter * rng.normal(size=y.shape) for edge in edges))
    return np.array(panels)


@settings(deadline=None)
@given(any_diagram)
def test_the_end_is_trained_or_enclosed_for_any_diagram(truth):
    codes, rounds = refined(truth)
    assert np.array_equal(codes, refined(truth.astype(int))[0])
    filled = enclosed(codes)
    assert (filled != UNKNOWN).all()
    assert np.array_equal(filled[codes != UNKNOWN], truth[codes != UNKNOWN])
    assert rounds < 50
    # A cell that was not trained lies among neighbours of its own phase.
    inferred = codes == UNKNOWN
    for axis in (1, 2):
        differ = np.diff(filled, axis=axis) != 0
        for side in (slice(None, -1), slice(1, None)):
            index = [slice(None)] * 3
            index[axis] = side
            assert not (differ & inferred[tuple(index)]).any()


@settings(deadline=None)
@given(any_diagram)
def test_each_panel_ends_whole_if_cells_are_trained_in_all_that_any_of_them_asks_for(truth):
    """As the seeds of a sweep, which are panels here."""
    codes = np.full_like(truth, UNKNOWN)
    for wanted in follow_boundaries(codes):
        anywhere = wanted.any(axis=0)
        assert (codes[:, anywhere] == UNKNOWN).any()
        codes[:, anywhere] = truth[:, anywhere]
    assert (enclosed(codes) != UNKNOWN).all()
    assert list(follow_boundaries(codes.copy())) == []


@settings(deadline=None)
@given(any_diagram, st.randoms(use_true_random=False))
def test_going_on_after_an_interruption_trains_the_same_cells(truth, rng):
    whole, rounds = refined(truth)
    assert list(follow_boundaries(whole.copy())) == []
    codes = np.full_like(truth, UNKNOWN)
    stop = rng.randrange(rounds)
    for number, wanted in enumerate(follow_boundaries(codes)):
        if number == stop:
            part = [cell for cell in np.argwhere(wanted).tolist() if rng.random() < 0.5]
            for cell in part:
                codes[tuple(cell)] = truth[tuple(cell)]
            break
        codes[wanted] = truth[wanted]
    for wanted in follow_boundaries(codes):
        codes[wanted] = truth[wanted]
    assert np.array_equal(codes, whole)


@pytest.mark.parametrize(("shape", "share"), [((17, 19), 0.5), ((65, 73), 0.25), ((33, 20), 0.5)])
@pytest.mark.parametrize("jitter", [0, 0.01])
def test_bands_are_found_whole_from_a_part_of_the_cells(shape, share, jitter):
    truth = bands(*shape, jitter)
    codes, _ = refined(truth)
    assert np.array_equal(enclosed(codes), truth)
    assert (codes != UNKNOWN).mean() < share


def test_a_uniform_panel_needs_the_coarse_lattice_alone():
    codes, rounds = refined(np.zeros((1, 17, 19), int))
    assert rounds == 1
    assert (codes != UNKNOWN).sum() == 5 * 6


def test_a_lone_odd_cell_on_the_lattice_costs_its_neighbours():
    truth = np.zeros((1, 17, 17), int)
    truth[0, 8, 8] = 1
    codes, _ = refined(truth)
    assert np.array_equal(enclosed(codes), truth)
    assert (codes != UNKNOWN).sum() <= 25 + 8 + 8 + 8


def test_what_is_known_is_not_asked_for_and_what_cannot_be_known_is_asked_for_once():
    truth = bands(17, 19)
    known = truth.copy()
    assert list(follow_boundaries(known)) == []
    codes = np.full_like(truth, UNKNOWN)
    asked = np.zeros(truth.shape, int)
    for wanted in follow_boundaries(codes):
        asked += wanted
        can = wanted & (np.arange(truth.size).reshape(truth.shape) % 7 > 0)
        codes[can] = truth[can]
    assert asked.max() == 1


def test_an_unfinished_panel_is_not_filled():
    codes = np.zeros((2, 9, 9), int)
    codes[:, 1:4, 1:4] = UNKNOWN
    codes[1, 0, 0] = UNKNOWN  # of the coarse lattice
    filled = enclosed(codes)
    assert COARSE == 4
    assert (filled[0] == 0).all()
    assert np.array_equal(filled[1], codes[1])
