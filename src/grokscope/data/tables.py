"""Tables: the rows of tokens and labels of every task that has tokens."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from grokscope.data.own import checked
from grokscope.errors import ConfigError
from grokscope.experiment.own_code import OwnCode, call, takes
from grokscope.experiment.tasks import Counted, ModularTask, ParityTask, TokenTask

Tokens = Int[np.ndarray, "row"]


class Table(NamedTuple):
    """Rows of tokens, each with its label.

    Attributes:
        tokens: from 0.
        labels: from 0.
    """

    tokens: Int[np.ndarray, "row operand"]
    labels: Int[np.ndarray, "row"]


def _divided(p: int, m: Tokens, n: Tokens) -> Tokens:
    inverses = np.array([0, *(pow(residue, -1, p) for residue in range(1, p))])
    return m * inverses[n]


def _folded(operation: Callable[[Tokens, Tokens], Tokens]) -> Callable[..., Tokens]:
    """An operation of two residues as one of p and any number of residues, from the left."""

    def of_all(p: int, first: Tokens, *others: Tokens) -> Tokens:
        for other in others:
            first = operation(first, other) % p
        return first

    return of_all


OPERATIONS: dict[str, Callable[..., Tokens]] = {
    "addition": _folded(np.add),
    "subtraction": lambda p, m, n: m - n,
    "multiplication": _folded(np.multiply),
    "division": _divided,
    "m2+n": lambda p, m, n: m * m + n,
    "m2+mn+n2": lambda p, m, n: m * m + m * n + n * n,
    "m3+mn": lambda p, m, n: m**3 + m * n,
}
"""What each `experiment.tasks.Operation` computes of p and the operands, before the modulus."""


def table_of(task: TokenTask) -> Table:
    """All rows of a task that has tokens, the last operand fastest.

    Raises:
        ConfigError: if a function of the user's own is not allowed to run, or returns no labels.

    >>> table_of(ModularTask(operation="division", modulus=3))._asdict()
    {'tokens': array([[0, 1], [0, 2], [1, 1], [1, 2], [2, 1], [2, 2]], dtype=int32), \
'labels': array([0, 0, 1, 2, 2, 1], dtype=int32)}
    """
    if isinstance(task, Counted):
        tokens, labels = checked(task)
        return Table(tokens, labels)
    tokens = tokens_of(task)
    if isinstance(task, ModularTask):
        labels = labels_of(task, tokens)
    elif isinstance(task, ParityTask):
        labels = tokens[:, : task.relevant_bits].sum(axis=1) % 2
    else:
        labels = tokens[:, 0]
        for operand in tokens.T[1:]:
            labels = composition(task.degree)[labels, operand]
    return Table(tokens.astype(np.int32), labels.astype(np.int32))


def tokens_of(task: TokenTask) -> Int[np.ndarray, "row operand"]:
    """The tokens of every row, the last operand fastest; division leaves out n = 0.

    A table of the user's own says itself which rows it has.
    """
    assert not isinstance(task, Counted)
    shape = (task.n_inputs,) * task.n_operands
    tokens = np.indices(shape).reshape(len(shape), -1).T
    if isinstance(task, ModularTask) and task.operation == "division":
        tokens = tokens[tokens[:, 1] != 0]
    return tokens


@cache
def composition(degree: int) -> Int[np.ndarray, "element element"]:
    """The Cayley table of the permutations of 0 to degree - 1, in lexicographic order.

    Entry (a, b) is the permutation that sends i to a[b[i]].

    >>> composition(2).tolist()
    [[0, 1], [1, 0]]
    """
    elements = np.array([*permutations(range(degree))])
    digits = degree ** np.arange(degree)
    place = np.zeros(degree**degree, int)
    place[elements @ digits] = np.arange(len(elements))
    table = place[elements[:, elements] @ digits]  # [a, b]: of i, a[b[i]]
    table.setflags(write=False)  # every caller gets the same array
    return table


def labels_of(task: ModularTask, tokens: Int[np.ndarray, "row operand"]) -> Tokens:
    """The labels of rows of residues.

    Raises:
        ConfigError: if an operation of the user's own is not allowed to run, or returns no labels.
    """
    code, p = task.operation, task.modulus
    tokens = tokens.astype(np.int64)
    if not isinstance(code, OwnCode):
        return OPERATIONS[code](p, *tokens.T) % p
    values = np.asarray(_own(task, [*tokens.T]))
    if values.shape not in ((), (len(tokens),)) or values.dtype.kind not in "iu":
        raise ConfigError(
            f"`{code.label}` must return a whole number for each of {len(tokens)} rows of "
            f"residues, got {values.dtype} {list(values.shape)}. Write it with NumPy's operations."
        )
    labels = np.broadcast_to(values % p, len(tokens))
    _require_exact(task, tokens, labels)
    return labels


def _own(task: ModularTask, operands: list[np.ndarray]) -> object:
    """What a user's operation returns; it is given the modulus if it has an argument p."""
    assert isinstance(task.operation, OwnCode)
    modulus = {"p": task.modulus} if takes(task.operation, "p", len(operands)) else {}
    return call(task.operation, *operands, **modulus)


def _require_exact(
    task: ModularTask, tokens: Int[np.ndarray, "row operand"], labels: Tokens
) -> None:
    """Refuse an own operation whose numbers grow beyond 64 bits before they are taken modulo p.

    Some rows, those of the largest residues too, are taken as Python's integers, which have no
    largest; a function that cannot is not checked.
    """
    some = np.unique(np.linspace(0, len(labels) - 1, 2000).astype(int))
    try:
        values = _own(task, [*tokens[some].T.astype(object)])
        exact = np.broadcast_to(np.asarray(values, object), some.shape) % task.modulus
    except Exception:  # of any kind: it is the user's code, and of NumPy's functions many take none
        return
    if not np.array_equal(exact, labels[some]):
        assert isinstance(task.operation, OwnCode)
        raise ConfigError(
            f"`{task.operation.label}` must give the same labels with exact integers, "
            "got others: by numbers beyond 64 bits on the way, or by chance. Take remainders on "
            "the way."
        )
