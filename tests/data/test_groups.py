"""Groups of tasks: found in tables, their characters, and the components of functions on them."""

import numpy as np
import pytest

from grokscope.data.dataset import complete, make_dataset
from grokscope.data.groups import (
    Group,
    _group_in,
    characters,
    components,
    conjugacy_classes,
    is_group,
    why_no_group,
)
from grokscope.data.tables import Table, composition
from grokscope.experiment.experiment import Experiment
from grokscope.measures.spectrum import ipr, ipr_over


def cyclic(n):
    return np.add.outer(np.arange(n), np.arange(n)) % n


def quaternions():
    """±1, ±i, ±j, ±k as 0 to 7, from their two-by-two matrices."""
    one, i, j = np.eye(2), np.array([[1j, 0], [0, -1j]]), np.array([[0, 1], [-1, 0]])
    elements = [sign * unit for unit in (one, i, j, i @ j) for sign in (1, -1)]

    def place(product):
        return next(i for i, element in enumerate(elements) if np.allclose(element, product))

    return np.array([[place(a @ b) for b in elements] for a in elements])


GROUPS = {
    "Z2": cyclic(2), "Z7": cyclic(7), "Z12": cyclic(12), "S3": composition(3),
    "S4": composition(4), "S5": composition(5), "Q8": quaternions(),
}  # fmt: skip

# Columns: classes of the identity, a transposition, two of them, a 3-cycle, a 4-cycle.
S4 = [[1, 1, 1, 1, 1], [1, -1, 1, 1, -1], [2, 0, 2, -1, 0], [3, 1, -1, 0, -1], [3, -1, -1, 0, 1]]
S3 = [[1, 1, 1], [1, -1, 1], [2, 0, -1]]


@pytest.mark.parametrize("name", GROUPS)
def test_characters_are_orthogonal(name):
    """⟨χ, ψ⟩ = Σ_C |C| χ(C) ψ̄(C) / |G| is 1 of a character with itself, and 0 of two."""
    table = GROUPS[name]
    found, sizes = characters(table), np.bincount(conjugacy_classes(table))
    assert len(found) == len(sizes)
    products = (found * sizes) @ found.conj().T / len(table)
    np.testing.assert_allclose(products, np.eye(len(found)), atol=1e-9)
    assert np.allclose(found[0], 1)
    assert round(sum(found[:, conjugacy_classes(table)[identity_of(table)]].real ** 2)) == len(
        table
    )


def identity_of(table):
    return next(e for e in range(len(table)) if (table[e] == np.arange(len(table))).all())


@pytest.mark.parametrize(("degree", "known"), [(3, S3), (4, S4)])
def test_character_tables_that_are_known(degree, known):
    """Classes by the lengths of their cycles, as every textbook has them."""
    from itertools import permutations

    from sympy.combinatorics import Permutation

    classes = conjugacy_classes(composition(degree))
    kinds = [
        tuple(sorted(Permutation([*form]).cycle_structure.items()))
        for form in permutations(range(degree))
    ]
    of_class = {kind: classes[kinds.index(kind)] for kind in kinds}
    assert len(of_class) == len(known)  # conjugate means of like cycles
    wanted = [
        ((1, degree),), ((1, degree - 2), (2, 1)), ((2, 2),), ((1, degree - 3), (3, 1)), ((4, 1),)
    ]  # fmt: skip
    columns = [of_class[kind] for kind in map(_without_zeros, wanted) if kind in of_class]
    found = characters(composition(degree)).real[:, columns].round(6)
    assert sorted(found.tolist()) == sorted(known)


def _without_zeros(kind):
    return tuple(pair for pair in kind if pair[1])


@pytest.mark.parametrize("name", GROUPS)
def test_components_are_those_of_the_projections(name):
    """P_χ v = d/|G| Σ_g χ(g⁻¹) g·v, written out."""
    table = GROUPS[name]
    found, classes, size = characters(table), conjugacy_classes(table), len(table)
    e = identity_of(table)
    inverse = [int(np.flatnonzero(table[g] == e)[0]) for g in range(size)]
    v = np.random.default_rng(0).normal(size=size)
    powers = []
    for character in found:
        part = np.zeros(size, complex)
        for g in range(size):
            moved = np.array([v[table[inverse[g], h]] for h in range(size)])
            part += character[classes[inverse[g]]] * moved
        part *= character[classes[e]].real / size
        powers.append((np.abs(part) ** 2).sum())
    is_real = np.abs(found.imag).max(axis=1) < 1e-6
    once = [power for power, real in zip(powers, is_real, strict=True) if real]
    paired = sorted(power for power, real in zip(powers, is_real, strict=True) if not real)[::2]
    kinds = components(table)
    np.testing.assert_allclose(sorted(kinds.power(v)), sorted([*once, *paired]), atol=1e-9)
    np.testing.assert_allclose((kinds.power(v) * kinds.pairs).sum(), v @ v)


@pytest.mark.parametrize("n", [2, 7, 12, 97])
def test_of_a_cyclic_group_ipr_over_components_is_the_papers(n):
    vectors = np.random.default_rng(1).normal(size=(n, 9))
    by_components = Group(np.arange(n), cyclic(n))
    np.testing.assert_allclose(ipr_over(vectors, by_components), ipr(vectors), atol=1e-12)
    assert np.array_equal(ipr_over(vectors, Group(np.arange(n))), ipr(vectors))


@pytest.mark.parametrize("degree", [3, 4, 5])
def test_a_matrix_coefficient_of_one_representation_has_ipr_one(degree):
    """Of permutation matrices on the vectors whose entries sum to 0: degree - 1 dimensions."""
    from itertools import permutations

    basis = np.linalg.svd(np.eye(degree) - 1 / degree)[0][:, : degree - 1]
    matrices = [basis.T @ np.eye(degree)[[*form]].T @ basis for form in permutations(range(degree))]
    group = make_dataset(Experiment(task="group", group=f"S{degree}")).group
    for entry in [(0, 0), (1, 0)]:
        coefficient = np.array([matrix[entry] for matrix in matrices])
        assert ipr_over(coefficient, group) == pytest.approx(1)
    noise = np.random.default_rng(0).normal(size=len(matrices))
    assert ipr_over(noise, group) < 0.9
    assert np.isnan(ipr_over(np.zeros(len(matrices)), group))


def test_what_is_no_group_is_seen():
    assert all(is_group(table) for table in GROUPS.values())
    subtraction = (np.arange(5)[:, None] - np.arange(5)) % 5
    assert not is_group(subtraction)
    assert not is_group(np.multiply.outer(np.arange(5), np.arange(5)) % 5)
    # A loop: Latin, with an identity, but (1·1)·2 = 2 and 1·(1·2) = 4.
    loop = np.array(
        [[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]]
    )
    assert not is_group(loop)


@pytest.mark.parametrize(
    ("settings", "order"),
    [
        ({"modulus": 5}, [0, 1, 2, 3, 4]),
        ({"modulus": 5, "operation": "subtraction"}, [0, 1, 2, 3, 4]),
        ({"modulus": 5, "operation": "m2+n"}, [0, 1, 2, 3, 4]),
        ({"modulus": 7, "operation": "multiplication"}, [1, 3, 2, 6, 4, 5]),
        ({"modulus": 7, "operation": "division"}, [1, 3, 2, 6, 4, 5]),
        ({"modulus": 6, "operation": "multiplication"}, None),
        ({"task": "group", "group": "S3"}, None),
        ({"task": "parity"}, None),
    ],
)
def test_the_order_of_tokens_is_that_of_the_operation(settings, order):
    found = make_dataset(Experiment(**settings)).shift_order
    assert order is None if found is None else found.tolist() == order


def test_the_group_of_a_table_is_found_in_it(tmp_path, monkeypatch):
    """Z6 with its elements in another order is cyclic; the quaternions are not."""
    monkeypatch.chdir(tmp_path)
    names = np.array([3, 1, 4, 0, 5, 2])
    shuffled = np.empty((6, 6), int)
    shuffled[np.ix_(names, names)] = names[cyclic(6)]
    for name, table in (("z6", shuffled), ("q8", quaternions())):
        np.savetxt(f"{name}.csv", table, "%d", delimiter=",")
    z6, q8 = (make_dataset(complete(Experiment(task=f"{n}.csv"))).group for n in ("z6", "q8"))
    steps = np.array([shuffled[a, z6.elements[1]] for a in z6.elements])
    assert np.array_equal(steps, np.roll(z6.elements, -1))
    assert q8.shift_order is None
    assert q8.components.degrees.tolist() == [1, 1, 1, 1, 2]


def test_why_there_is_no_spectrum_is_said():
    task = Experiment(operation="multiplication", modulus=6).task
    assert why_no_group(task) == "multiplication modulo 6, which is no prime, is no group"


def test_a_table_that_has_a_row_twice_and_lacks_one_is_no_group(monkeypatch):
    """Whatever lies in the memory that its table is made in."""
    monkeypatch.setattr(np, "empty", lambda *_: cyclic(5))
    tokens = np.argwhere(np.ones((5, 5)))
    tokens[1] = tokens[0]
    assert _group_in(Table(tokens, tokens.sum(axis=1) % 5)) is None
