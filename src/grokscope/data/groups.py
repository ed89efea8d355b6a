"""The finite groups that tasks act by: of residues, of permutations, or found in a table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from jaxtyping import Complex, Float, Int

from grokscope.data.tables import Table, composition
from grokscope.experiment.own_code import OwnCode
from grokscope.experiment.tasks import Counted, GroupTask, ModularTask, TokenTask, is_prime

CayleyTable = Int[np.ndarray, "element element"]


@dataclass(frozen=True, eq=False)
class Group:
    """The tokens of a task as the elements of a group.

    Attributes:
        elements: the tokens that are elements; of a cyclic group in the order of the powers of a
            generator, in which the operation is a shift.
        table: their products, as places in `elements`; None of a cyclic group.
    """

    elements: Int[np.ndarray, "element"]
    table: CayleyTable | None = None

    @property
    def shift_order(self) -> Int[np.ndarray, "element"] | None:
        """The tokens in the order in which the operation is a shift; None if there is none."""
        return self.elements if self.table is None else None

    @cached_property
    def components(self) -> Components:
        """Its isotypic components; of a group that is not cyclic."""
        assert self.table is not None
        return components(self.table)


@dataclass(frozen=True, eq=False)
class Components:
    """The isotypic components of the real functions on a group, which generalise frequencies.

    Attributes:
        basis: an orthonormal basis of all functions, its columns sorted by component.
        starts: where each component begins among the columns.
        degrees: of the irreducible representation of each component; the trivial one is the first.
        pairs: 2 where a component is of two complex representations, conjugates of each other, as
            a frequency of a cyclic group is; else 1. Power is of one of them.
    """

    basis: Float[np.ndarray, "element column"]
    starts: Int[np.ndarray, "component"]
    degrees: Int[np.ndarray, "component"]
    pairs: Int[np.ndarray, "component"]

    def power(
        self, vectors: Float[np.ndarray, "element *unit"]
    ) -> Float[np.ndarray, "component *unit"]:
        """Squared norms of the vectors' parts in each component."""
        squares = np.tensordot(self.basis.T, vectors, axes=1) ** 2
        power = np.add.reduceat(squares, self.starts, axis=0)
        return power / self.pairs.reshape(-1, *[1] * (power.ndim - 1))


def group_of(task: TokenTask, table: Table | None) -> Group | None:
    """The group by which a task acts on its tokens; None if there is none.

    Addition, subtraction, polynomials and operations of the user's own are of residues that are
    added, unless the table is that of another group; multiplication and division are of residues
    but zero, modulo a prime.

    Args:
        task: one that has tokens.
        table: its rows; needed only of a table or an operation of the user's own.

    >>> group_of(ModularTask(operation="multiplication", modulus=7), None).elements.tolist()
    [1, 3, 2, 6, 4, 5]
    """
    if isinstance(task, GroupTask):
        return _symmetric(task.degree)
    if isinstance(task, ModularTask) and not isinstance(task.operation, OwnCode):
        return _of_residues(task.operation, task.modulus)
    if not isinstance(task, ModularTask | Counted):
        return None
    found = None if table is None else _group_in(table)
    if found is None and isinstance(task, ModularTask):
        return _of_residues("addition", task.modulus)
    return found


def why_no_group(task: TokenTask) -> str:
    """Why the tokens of a task are no group, so that there is no spectrum: a clause."""
    if isinstance(task, ModularTask):
        return f"multiplication modulo {task.modulus}, which is no prime, is no group"
    if isinstance(task, Counted):
        return "its table is not that of a group"
    return "its tokens are no group"


@cache
def _symmetric(degree: int) -> Group:
    table = composition(degree)
    return Group(_unwritable(np.arange(len(table))), table)


@cache  # asked for at every measurement
def _of_residues(operation: str, modulus: int) -> Group | None:
    if operation not in ("multiplication", "division"):
        return Group(_unwritable(np.arange(modulus)))
    return Group(residue_order(operation, modulus)) if is_prime(modulus) else None


@cache
def residue_order(operation: str, modulus: int) -> Int[np.ndarray, "residue"]:
    """The order of the residues in which an operation is a cyclic shift.

    For addition, 0 to p - 1. For multiplication modulo a prime, the p - 1 powers of the
    smallest primitive root (discrete logarithms): only in this order are the features of a
    network that has learned it periodic; zero is left out. The paper is silent here. Modulo a
    composite number multiplication has no such order, and the plain one is returned.

    >>> residue_order("multiplication", 7).tolist()
    [1, 3, 2, 6, 4, 5]
    """
    if operation not in ("multiplication", "division") or not is_prime(modulus):
        return _unwritable(np.arange(modulus))
    for root in range(1, modulus):
        powers = [1]
        while (following := powers[-1] * root % modulus) != 1:
            powers.append(following)
        if len(powers) == modulus - 1:
            return _unwritable(np.array(powers))
    raise AssertionError("every prime has a primitive root")


def _unwritable(array: np.ndarray) -> np.ndarray:
    """The array, which every caller is given."""
    array.setflags(write=False)
    return array


def _group_in(table: Table) -> Group | None:
    """The group whose Cayley table some rows are; None if they are that of none."""
    n = int(table.tokens.max()) + 1
    if table.tokens.shape[1] != 2 or len(table.labels) != n * n or table.labels.max() >= n:
        return None
    products = np.full((n, n), -1)
    products[tuple(table.tokens.T)] = table.labels
    if not is_group(products):
        return None
    identity = _identity(products)
    for generator in range(n):
        powers = [identity]
        while (following := int(products[powers[-1], generator])) != identity:
            powers.append(following)
        if len(powers) == n:
            return Group(np.array(powers))
    return Group(np.arange(n), products)


def _identity(table: CayleyTable) -> int:
    """The element e for which e·a = a; of a group."""
    return int((table == np.arange(len(table))).all(axis=1).argmax())


def _inverses(table: CayleyTable) -> Int[np.ndarray, "element"]:
    """The inverse of each element; of a group."""
    return (table == _identity(table)).argmax(axis=1)


def is_group(table: CayleyTable) -> bool:
    """Whether a table is that of a group: every row and column all elements once, an identity, and
    (a·b)·c = a·(b·c), which is tried for all a and b, and c from a set that generates the rest.
    """
    each = np.arange(len(table))
    is_latin = (np.sort(table, 0) == each[:, None]).all() and (np.sort(table, 1) == each).all()
    e = _identity(table)
    if not is_latin or not (table[e] == each).all() or not (table[:, e] == each).all():
        return False
    reached = np.zeros(len(table), bool)
    reached[e] = True
    generators: list[int] = []
    while not reached.all():
        generators.append(int((~reached).argmax()))
        c = generators[-1]
        if not np.array_equal(table[table, c], table[:, table[:, c]]):
            return False
        while not reached[(products := table[reached][:, generators])].all():
            reached[products] = True
    return True


def conjugacy_classes(table: CayleyTable) -> Int[np.ndarray, "element"]:
    """The number of each element's class, counted from 0 in the order of their first elements."""
    inverse = _inverses(table)
    conjugates = table[table, inverse[:, None]]  # [h, g]: h·g·h⁻¹
    return np.unique(conjugates.min(axis=0), return_inverse=True)[1].reshape(-1)


def characters(table: CayleyTable) -> Complex[Any, "irrep class"]:
    """The character table of a group, a column for each of its `conjugacy_classes`.

    Class sums commute, and each irreducible representation takes them to multiples of the
    identity: ω(C) = |C| χ(C) / χ(1). These are the common eigenvectors of the matrices of their
    products (Burnside), which are found as those of one random combination.

    Args:
        table: of a group.

    Returns:
        Rows sorted by degree, the trivial one first.

    >>> characters(composition(3)).real.round(6).tolist()
    [[1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [2.0, 0.0, -1.0]]
    """
    classes = conjugacy_classes(table)
    sizes = np.bincount(classes)
    n_classes, identity = len(sizes), _identity(table)
    inverse = _inverses(table)
    first = np.unique(classes, return_index=True)[1]
    # [i, j, k]: how many pairs of an element of class i and one of j have a product, given in k.
    products = np.zeros((n_classes,) * 3)
    seconds = classes[table[inverse[:, None], first]]  # [x, k]: class of x⁻¹·z
    np.add.at(products, (classes[:, None], seconds, np.arange(n_classes)), 1)
    mixed = np.tensordot(np.random.default_rng(0).normal(size=n_classes), products, axes=1)
    omega = np.linalg.eig(mixed)[1]
    omega = (omega / omega[classes[identity]]).T
    degrees = np.sqrt(len(table) / (np.abs(omega) ** 2 / sizes).sum(axis=1)).round()
    found = (omega * degrees[:, None] / sizes).astype(complex)
    trivial = np.abs(found - 1).max(axis=1) > 1e-6
    return found[np.lexsort((*found.real.round(6).T[::-1], trivial, degrees))]


def components(table: CayleyTable) -> Components:
    """The isotypic components of the real functions on a group.

    Args:
        table: of a group.
    """
    classes, found = conjugacy_classes(table), characters(table)
    inverse = _inverses(table)
    quotient = classes[table[:, inverse]]  # [g, h]: class of g·h⁻¹
    # Of two conjugate characters the one whose first imaginary part is positive stands for both.
    lean = np.where(np.abs(found.imag) > 1e-6, found.imag, 0)
    signs = np.sign(np.take_along_axis(lean, (lean != 0).argmax(axis=1)[:, None], axis=1))[:, 0]
    chosen = found[signs >= 0]
    pairs = np.where(signs[signs >= 0] > 0, 2, 1)
    degrees = chosen[:, classes[_identity(table)]].real.round().astype(int)
    # Eigenvalue i of the sum Σ i·Pᵢ of projections belongs to component i.
    weights = np.arange(len(chosen)) * degrees * pairs / len(table)
    total = np.einsum("i,ic->c", weights, chosen.real)[quotient]
    values, basis = np.linalg.eigh((total + total.T) / 2)
    starts = np.searchsorted(values.round(), np.arange(len(chosen)))
    return Components(basis, starts, degrees, pairs)
