"""The kinds of tasks: modular arithmetic, MNIST, and a user's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, get_args

from pydantic import Field

from grokscope.errors import ConfigError
from grokscope.experiment.own_code import DIGITS, OwnCode, call, label
from grokscope.experiment.part import COUNTED_SETTINGS, PARTS, Own, Part, Rule

if TYPE_CHECKING:
    import numpy as np


Operation = Literal["addition", "multiplication"]
"""Rules by name; `data.dataset.OPERATIONS` has what each computes."""

_OPERATIONS = ", ".join(get_args(Operation))


class ModularTask(Part):
    """The rule to learn: (m ∘ n) mod p over all p² pairs of residues (Sec. 1.1, App. P)."""

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
    has_pairs: ClassVar[bool] = True

    @property
    def title(self) -> str:
        """In words."""
        return f"modular {label(self.operation)}, p = {self.modulus}"

    @property
    def n_examples(self) -> int:
        """How many examples the train fraction is of."""
        return self.modulus**2

    @property
    def n_inputs(self) -> int:
        """Values that a residue can take; of other tasks, features of an example."""
        return self.modulus

    @property
    def n_labels(self) -> int:
        """Labels, from 0."""
        return self.modulus


class MNIST(Part):
    """Handwritten digits: 60,000 images for training, 10,000 for testing (App. H)."""

    name: Literal["mnist"] = "mnist"
    title: ClassVar[str] = "MNIST"
    has_pairs: ClassVar[bool] = False
    n_examples: ClassVar[int] = 60_000
    n_inputs: ClassVar[int] = 784
    n_labels: ClassVar[int] = 10


COUNTED = Rule("must be a whole number of what the function returns", "Leave it out to count it.")


class OwnTask(Own):
    """Arrays of features and integer labels that a function of the user's own returns.

    The function returns training features, training labels, test features and test labels; the
    train fraction is of the training examples.
    """

    n_examples: Annotated[int | None, Field(ge=2), COUNTED] = Field(
        default=None, description="training examples; counted when the data are first made"
    )
    n_inputs: Annotated[int | None, Field(ge=1), COUNTED] = Field(
        default=None, description="features of an example"
    )
    n_labels: Annotated[int | None, Field(ge=2), COUNTED] = Field(
        default=None, description="labels, from 0"
    )
    data_sha256: Annotated[
        str | None,
        Field(pattern="^[0-9a-f]{16}$"),
        Rule("must be the 16 hex digits that name the function's arrays", "Leave it out."),
    ] = Field(default=None, description="names the arrays, so that other data are another task")
    has_pairs: ClassVar[bool] = False

    @property
    def title(self) -> str:
        """In words."""
        return self.code.label

    @property
    def key(self) -> str:
        """The code and its settings as JSON: what the counts are a function of."""
        document = self.model_dump(exclude={*COUNTED_SETTINGS})
        return json.dumps(document, sort_keys=True, separators=(",", ":"))


def counted(arrays: Sequence[np.ndarray]) -> dict[str, int | str]:
    """The `COUNTED_SETTINGS` of what a user's function returns."""
    features, labels, _, others = arrays
    n_labels = int(max(labels.max(), others.max())) + 1
    found = len(features), features[0].size, n_labels, hash_of(arrays)[:DIGITS]
    return dict(zip(COUNTED_SETTINGS, found, strict=True))


def hash_of(arrays: Iterable[np.ndarray]) -> str:
    """Hex digits of the SHA-256 of arrays, their kinds and their shapes."""
    content = hashlib.sha256()
    for array in arrays:
        content.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    return content.hexdigest()


def own_arrays(task: Own) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training features and labels, and test features and labels, that a user's function returns.

    Raises:
        ConfigError: if they are not two arrays of features and two of whole numbers from 0, each
            pair equally long, and all features alike in shape and kind.
    """
    import numpy as np  # here, as looking at a configuration needs none of it

    arrays = call(task.code, **task.settings)
    try:
        found = [np.asarray(array) for array in arrays] if isinstance(arrays, tuple | list) else []
    except ValueError:  # ragged
        found = []
    kinds = [array.dtype.kind for array in found]
    if (
        len(found) != 4
        or {*kinds} - set("biuf")
        or not all(array.ndim for array in found)
        or {kinds[1], kinds[3]} - set("iu")
        or kinds[0] != kinds[2]
        or min(map(len, found)) < 1
        or found[0].shape[1:] != found[2].shape[1:]
        or any(len(found[i]) != len(found[i + 1]) or found[i + 1].ndim != 1 for i in (0, 2))
        or min(found[1].min(), found[3].min()) < 0
    ):
        shapes = [f"{array.dtype} {list(array.shape)}" for array in found]
        raise ConfigError(
            f"`{task.code.label}` must return training features, training labels, "
            "test features and test labels, arrays of numbers, labels whole numbers from 0, got "
            f"{shapes or type(arrays).__name__}. Mend the function."
        )
    return found[0], found[1], found[2], found[3]


Task = ModularTask | MNIST | OwnTask
PARTS["task"] = get_args(Task)
