"""Each task's table by a loop in the test, and what a user's own table may be."""

from itertools import product

import numpy as np
import pytest
from sympy.combinatorics import Permutation

from grokscope.data.dataset import complete, make_dataset
from grokscope.data.tables import composition, table_of
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.tasks import GroupTask, ModularTask, ParityTask

RULES = {
    "addition": lambda m, n, p: (m + n) % p,
    "subtraction": lambda m, n, p: (m - n) % p,
    "multiplication": lambda m, n, p: m * n % p,
    "division": lambda m, n, p: next(q for q in range(p) if q * n % p == m),
    "m2+n": lambda m, n, p: (m**2 + n) % p,
    "m2+mn+n2": lambda m, n, p: (m**2 + m * n + n**2) % p,
    "m3+mn": lambda m, n, p: (m**3 + m * n) % p,
}


@pytest.mark.parametrize("operation", RULES)
@pytest.mark.parametrize("p", [2, 7, 97])
def test_every_operation_is_what_its_name_says(operation, p):
    table = table_of(ModularTask(operation=operation, modulus=p))
    rows = [
        ([m, n], RULES[operation](m, n, p))
        for m, n in product(range(p), repeat=2)
        if operation != "division" or n
    ]
    assert table.tokens.tolist() == [tokens for tokens, _ in rows]
    assert table.labels.tolist() == [label for _, label in rows]


def test_multiplication_undoes_division():
    table = table_of(ModularTask(operation="division", modulus=23))
    m, n = table.tokens.T
    assert np.array_equal(table.labels * n % 23, m)


@pytest.mark.parametrize("operands", [1, 2, 3, 4])
@pytest.mark.parametrize("operation", ["addition", "multiplication"])
def test_operands_are_folded(operation, operands):
    table = table_of(ModularTask(operation=operation, modulus=5, operands=operands))
    assert len(table.labels) == 5**operands
    for tokens, label in zip(table.tokens.tolist(), table.labels.tolist(), strict=True):
        first, *others = tokens
        for other in others:
            first = RULES[operation](first, other, 5)
        assert first == label


def test_parity_is_of_the_relevant_bits_alone():
    table = table_of(ParityTask(bits=6, relevant_bits=2))
    assert table.tokens.tolist() == [[*bits] for bits in product(range(2), repeat=6)]
    assert table.labels.tolist() == [bits[0] ^ bits[1] for bits in product(range(2), repeat=6)]


@pytest.mark.parametrize("group", ["S3", "S4", "S5"])
def test_permutations_are_composed_as_sympy_composes_them(group):
    """All 14,400 rows of S5; sympy applies the left factor first."""
    task = GroupTask(group=group)
    size, degree = task.n_inputs, task.degree
    ranked = sorted(Permutation.unrank_lex(degree, rank).array_form for rank in range(size))
    elements = [Permutation(form) for form in ranked]
    place = {tuple(form): index for index, form in enumerate(ranked)}
    table = table_of(task)
    expected = [place[tuple((b * a).array_form)] for a in elements for b in elements]
    assert table.labels.tolist() == expected
    assert len(expected) == task.n_examples


def test_three_permutations_are_composed_in_turn():
    products = composition(3)
    table = table_of(GroupTask(group="S3", operands=3))
    for (a, b, c), label in zip(table.tokens.tolist(), table.labels.tolist(), strict=True):
        assert label == products[products[a, b], c] == products[a, products[b, c]]


def test_rows_that_are_left_out_have_no_example():
    data = make_dataset(Experiment(operation="division", modulus=7))
    assert len(data.inputs) == 42
    assert (data.inputs[:, 1] > 0).all()
    assert sorted(data.rows) == [7 * m + n for m in range(7) for n in range(1, 7)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"operation": "division", "modulus": 12}, "`modulus` must be a prime for division"),
        ({"operation": "subtraction", "operands": 3}, "`operands` must be 2 for subtraction"),
        ({"operands": 5}, "`operands` must be a whole number from 1 to 4, got 5"),
        ({"operands": 4}, "`operands` must leave at most 16,777,216 rows, got 88,529,281"),
        ({"task": "parity", "relevant_bits": 11}, "`relevant_bits` must be at most the 10 bits"),
        ({"task": "group", "group": "S6"}, "`group` must be one of S3, S4, S5, got 'S6'"),
        ({"task": "a/b.csv"}, "`file` must be the name of a .csv or .npy file, got 'a/b.csv'"),
    ],
)  # fmt: skip
def test_impossible_tables_are_refused_in_one_line(settings, words):
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")) as error:
        Experiment(**settings)
    assert "\n" not in str(error.value)


TABLES = {
    "entries": "def rule():\n    return [[0, 1, -1], [1, 2, 0]]\n",
    "rows": "import numpy as np\ndef rule():\n"
    "    return np.array([[0, 0], [0, 1], [1, 0], [1, 1], [1, 2]]), np.array([0, 1, 1, 2, 0])\n",
}


@pytest.mark.parametrize("kind", [*TABLES, "csv", "npy"])
def test_a_table_of_ones_own_is_entries_or_rows_or_a_file(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entries = np.array([[0, 1, -1], [1, 2, 0]])
    if kind in TABLES:
        (tmp_path / "my_tables.py").write_text(TABLES[kind])
        task = "my_tables:rule"
    else:
        task = f"rule.{kind}"
        np.save("rule.npy", entries)
        (tmp_path / "rule.csv").write_text("0,1,-1\n1,2,0\n", "utf-8-sig")  # as spreadsheets do
    experiment = complete(Experiment(task=task, width=8, steps=3))
    assert (experiment.n_examples, experiment.n_inputs, experiment.n_labels) == (5, 3, 3)
    assert experiment.n_operands == 2
    data = make_dataset(experiment)
    labels = dict(zip(map(tuple, data.inputs.tolist()), data.true_labels.tolist(), strict=True))
    assert labels == {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 2, (1, 2): 0}
    assert sorted(data.rows.tolist()) == [0, 1, 3, 4, 5]
    assert data.group is None


def test_a_file_that_changed_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savetxt("rule.csv", np.add.outer(range(3), range(3)) % 3, "%d", delimiter=",")
    experiment = complete(Experiment(task="rule.csv"))
    np.savetxt("rule.csv", np.eye(3), "%d", delimiter=",")
    with pytest.raises(ConfigError, match="was made with other data"):
        make_dataset(experiment)


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n", "0,1\n2\n", "0.5,1\n1,0\n", "-1,-1\n", "-2,1\n1,0\n", "3\n", "0,0\n0,0\n",
     "0,4294967297\n1,0\n", "0,99999999999\n1,0\n"],
)  # fmt: skip
def test_a_file_of_something_else_is_refused_in_one_line(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rule.csv").write_text(text)
    with pytest.raises(ConfigError, match=r"`rule.csv` must hold") as error:
        complete(Experiment(task="rule.csv"))
    assert "\n" not in str(error.value)


def test_an_empty_array_file_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rule.npy").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"`rule.npy` must hold"):
        complete(Experiment(task="rule.npy"))


def test_an_operation_that_needs_the_modulus_is_given_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_inverse.py").write_text(
        "def half(m, n, p):\n    return (m + n) * pow(2, -1, p)\n"
    )
    table = table_of(Experiment(operation="my_inverse:half", modulus=7).task)
    assert all(2 * label % 7 == (m + n) % 7 for (m, n), label in zip(*table, strict=True))
