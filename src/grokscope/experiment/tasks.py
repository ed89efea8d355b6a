"""The kinds of tasks: tables of tokens (modular arithmetic, parity, groups), MNIST, and a user's
own tables and features.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from grokscope.errors import ConfigError
from grokscope.experiment.own_code import OwnCode, label
from grokscope.experiment.part import COUNTED_SETTINGS, PARTS, Later, Own, Part, Rule

Operation = Literal[
    "addition", "subtraction", "multiplication", "division", "m2+n", "m2+mn+n2", "m3+mn"
]
"""Rules by name; `data.tables.OPERATIONS` has what each computes."""

FOLDED = ("addition", "multiplication")
"""Operations of any number of operands."""

SymmetricGroup = Literal["S3", "S4", "S5"]

MOST_ROWS = 4096**2
"""Rows that a table may have: those of the largest modulus with two operands."""

_OPERATIONS = ", ".join(get_args(Operation))
_GROUPS = ", ".join(get_args(SymmetricGroup))

Operands = Annotated[
    int, Field(ge=1, le=4), Rule("must be a whole number from 1 to 4", "Use 2 for pairs.")
]
_OPERANDS = Field(default=2, description="how many tokens an example has")


def is_prime(number: int) -> bool:
    """Whether a number from 2 has no divisor but 1 and itself.

    >>> is_prime(97), is_prime(91)
    (True, False)
    """
    return all(number % divisor for divisor in range(2, int(number**0.5) + 1))


class ModularTask(Part):
    """The rule to learn: (m ∘ n) mod p over all p² pairs of residues (Sec. 1.1, App. P).

    Of other numbers of operands the table has p or p³ rows, say. Division leaves out n = 0.
    """

    name: Literal["modular"] = "modular"
    operation: Annotated[
        Operation | OwnCode,
        Rule(
            f"must be {_OPERATIONS} or a function as in my_rules:squares",
            "Use addition for the paper's default.",
        ),
    ] = Field(
        default="addition",
        description=f"∘ in (m ∘ n) mod p: {_OPERATIONS} or your own function",
    )
    modulus: Annotated[
        int,
        Field(ge=2, le=4096),
        Rule("must be a whole number from 2 to 4096", "Use 97 for the paper's."),
    ] = Field(default=97, description="p; any number from 2, prime or not")
    operands: Operands = _OPERANDS
    has_tokens: ClassVar[bool] = True
    later: ClassVar[Mapping[str, Later]] = {"operands": Later(before=2)}

    @model_validator(mode="after")
    def _is_possible(self) -> ModularTask:
        named = not isinstance(self.operation, OwnCode)
        if self.operands != 2 and named and self.operation not in FOLDED:
            raise ConfigError(
                f"`operands` must be 2 for {self.operation}, got {self.operands}. Use "
                f"{' or '.join(FOLDED)}, or a function of your own."
            )
        if self.operation == "division" and not is_prime(self.modulus):
            raise ConfigError(
                f"`modulus` must be a prime for division, got {self.modulus}. Use 97 for the "
                "paper's."
            )
        if self.n_examples > MOST_ROWS:
            raise ConfigError(
                f"`operands` must leave at most {MOST_ROWS:,} rows, got {self.n_examples:,} of "
                f"modulus {self.modulus}. Use a smaller modulus, or fewer operands."
            )
        return self

    @property
    def title(self) -> str:
        """In words."""
        words = f"modular {label(self.operation)}, p = {self.modulus}"
        return words if self.operands == 2 else f"{words}, {self.operands} operands"

    @property
    def n_examples(self) -> int:
        """How many examples the train fraction is of."""
        left_out = self.modulus if self.operation == "division" else 0
        return self.modulus**self.operands - left_out

    @property
    def n_inputs(self) -> int:
        """Values that a token can take; of other tasks, features of an example."""
        return self.modulus

    @property
    def n_labels(self) -> int:
        """Labels, from 0."""
        return self.modulus

    @property
    def n_operands(self) -> int:
        """Tokens of an example."""
        return self.operands


class ParityTask(Part):
    """Sparse parity: whether an odd number of the first k of n bits is set; all 2ⁿ rows."""

    name: Literal["parity"] = "parity"
    bits: Annotated[
        int,
        Field(ge=2, le=24),
        Rule("must be a whole number from 2 to 24", "Use 10 for 1,024 rows."),
    ] = Field(default=10, description="n, the bits of an example")
    relevant_bits: Annotated[
        int, Field(ge=1), Rule("must be a whole number, 1 or more", "Use 3.")
    ] = Field(default=3, description="k, the bits whose parity is the label")
    has_tokens: ClassVar[bool] = True
    n_inputs: ClassVar[int] = 2
    n_labels: ClassVar[int] = 2

    @model_validator(mode="after")
    def _is_possible(self) -> ParityTask:
        if self.relevant_bits > self.bits:
            raise ConfigError(
                f"`relevant_bits` must be at most the {self.bits} bits, got "
                f"{self.relevant_bits}. Use 3."
            )
        return self

    @property
    def title(self) -> str:
        """In words."""
        return f"parity of {self.relevant_bits} of {self.bits} bits"

    @property
    def n_examples(self) -> int:
        """How many examples the train fraction is of."""
        return 2**self.bits

    @property
    def n_operands(self) -> int:
        """Tokens of an example."""
        return self.bits


class GroupTask(Part):
    """Composition of permutations: the label is the first after the second, after the third."""

    name: Literal["group"] = "group"
    group: Annotated[
        SymmetricGroup,
        Rule(f"must be one of {_GROUPS}", "Use S5; for another, a table of your own as the task."),
    ] = Field(default="S5", description=f"whose elements are composed: {_GROUPS}")
    operands: Operands = _OPERANDS
    has_tokens: ClassVar[bool] = True

    @model_validator(mode="after")
    def _is_possible(self) -> GroupTask:
        if self.n_examples > MOST_ROWS:
            raise ConfigError(
                f"`operands` must leave at most {MOST_ROWS:,} rows, got {self.n_examples:,} of "
                f"{self.group}. Use fewer."
            )
        return self

    @property
    def title(self) -> str:
        """In words."""
        words = f"composition in {self.group}"
        return words if self.operands == 2 else f"{words}, {self.operands} operands"

    @property
    def degree(self) -> int:
        """What is permuted: 5 things of S5."""
        return int(self.group[1:])

    @property
    def n_examples(self) -> int:
        """How many examples the train fraction is of."""
        return self.n_inputs**self.operands

    @property
    def n_inputs(self) -> int:
        """Elements of the group."""
        return {3: 6, 4: 24, 5: 120}[self.degree]

    @property
    def n_labels(self) -> int:
        """Elements of the group."""
        return self.n_inputs

    @property
    def n_operands(self) -> int:
        """Tokens of an example."""
        return self.operands


class MNIST(Part):
    """Handwritten digits: 60,000 images for training, 10,000 for testing (App. H)."""

    name: Literal["mnist"] = "mnist"
    title: ClassVar[str] = "MNIST"
    has_tokens: ClassVar[bool] = False
    n_examples: ClassVar[int] = 60_000
    n_inputs: ClassVar[int] = 784
    n_labels: ClassVar[int] = 10
    n_operands: ClassVar[None] = None


COUNTED = Rule("must be a whole number of what the task has", "Leave it out to count it.")


class Counted(Part):
    """A task whose data are a user's own: they are counted when they are first made."""

    n_examples: Annotated[int | None, Field(ge=2), COUNTED] = Field(
        default=None, description="training examples; counted when the data are first made"
    )
    n_inputs: Annotated[int | None, Field(ge=1), COUNTED] = Field(
        default=None, description="features of an example; of a table, values of a token"
    )
    n_labels: Annotated[int | None, Field(ge=2), COUNTED] = Field(
        default=None, description="labels, from 0"
    )
    data_sha256: Annotated[
        str | None,
        Field(pattern="^[0-9a-f]{16}$"),
        Rule("must be the 16 hex digits that name the task's arrays", "Leave it out."),
    ] = Field(default=None, description="names the arrays, so that other data are another task")
    n_operands: Annotated[int | None, Field(ge=1), COUNTED] = Field(
        default=None, description="tokens of an example, if the data are a table"
    )

    @property
    def title(self) -> str:
        """In words."""
        raise NotImplementedError

    @property
    def has_tokens(self) -> bool:
        """Whether the data are a table; of data that are not counted, unknown."""
        return self.n_operands is not None

    @property
    def key(self) -> str:
        """What the counts are a function of, as JSON: the code and its settings, or the file."""
        document = self.model_dump(exclude={*COUNTED_SETTINGS})
        return json.dumps(document, sort_keys=True, separators=(",", ":"))


class OwnTask(Counted, Own):
    """A table, or features and integer labels, that a function of the user's own returns.

    A table is an array of whole numbers whose entry [m, n, …] is the label of the tokens m, n, …,
    or -1 where a row is left out; or two arrays, tokens [row, operand] and a label for each row.
    Features are four arrays: training features, training labels, test features and test labels;
    the train fraction is of the training examples.
    """

    @property
    def title(self) -> str:
        """In words."""
        return self.code.label


class TableTask(Counted):
    """A table from a file of numbers: entry [m, n] is the label of m and n, -1 of none."""

    name: Literal["table"] = "table"
    file: Annotated[
        str,
        Field(pattern=r"^[\w.-]+\.(csv|npy)$"),
        Rule(
            "must be the name of a .csv or .npy file", "Use cayley.csv; name its folder by --code."
        ),
    ] = Field(description="a .csv or .npy file of a table, in a folder that you name for code")

    @property
    def title(self) -> str:
        """In words."""
        return f"table {self.file}"


TokenTask = ModularTask | ParityTask | GroupTask | OwnTask | TableTask
"""Those whose data can be a table of tokens."""

Task = ModularTask | ParityTask | GroupTask | MNIST | OwnTask | TableTask
PARTS["task"] = get_args(Task)
