"""An experiment as a value: frozen, validated, complete, and named by its digest."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tomli_w
from pydantic import Field, model_validator
from typing_extensions import Unpack

from grokscope.errors import ConfigError, require_kind
from grokscope.experiment import checks
from grokscope.experiment.course import Course
from grokscope.experiment.losses import Loss, Smoothing
from grokscope.experiment.models import Model, TwoLayerSettings
from grokscope.experiment.noise import Noise
from grokscope.experiment.optimizers import AdamW, Optimizer
from grokscope.experiment.own_code import OwnCode, reading
from grokscope.experiment.part import (
    ABSENT,
    COUNTED_SETTINGS,
    COUNTS,
    PARTS,
    Later,
    Number,
    Part,
    Rule,
    with_earlier,
)
from grokscope.experiment.replace import named_part, replaced
from grokscope.experiment.seeds import Seeds
from grokscope.experiment.settings import Settings
from grokscope.experiment.tasks import ModularTask, TableTask, Task
from grokscope.experiment.toml import read_toml

Precision = Literal["float32", "float64"]
"""What networks can be trained in."""

SCHEMA = 1
"""Version of the configuration's and the run file's layout; part of every digest."""


def _number(part: Part, name: str) -> float:
    """A part's setting; 0 if it has none, or the user's own is no number."""
    value = getattr(part, name, 0.0)
    return value if isinstance(value, int | float) else 0.0


def count(fraction: float, total: int) -> int:
    """⌊fraction · total⌋, not one less because the fraction or the product was rounded.

    >>> int(0.29 * 100), count(0.29, 100), count(round(1 / 3, 12), 57)
    (28, 29, 19)
    """
    return math.floor(fraction * total + 1e-5)


class Experiment(Noise, Course):
    """Everything that decides a run's result; `Experiment()` is the paper's default (App. A).

    Raises:
        ConfigError: if a setting is out of range, or settings contradict each other.

    >>> experiment = Experiment(corruption_fraction=0.35, weight_decay=5, width=1000)
    >>> experiment.optimizer.weight_decay, experiment.model.width, experiment.n_train
    (5.0, 1000, 4704)
    >>> Experiment(train_fraction=1.5)
    Traceback (most recent call last):
    grokscope.errors.ConfigError: `train_fraction` must lie strictly between 0 and 1, got 1.5. \
Use 0.5 to train on half of the examples.
    """

    schema_version: ClassVar[int] = SCHEMA
    later: ClassVar[Mapping[str, Later]] = {
        "label_smoothing": Later(before=0.0),
        "precision": Later(before="float32"),
    }

    task: Annotated[Task, Field(discriminator="name"), named_part("modular")] = ModularTask()
    train_fraction: Annotated[
        Number,
        Field(gt=0, lt=1),
        Rule("must lie strictly between 0 and 1", "Use 0.5 to train on half of the examples."),
    ] = Field(default=0.5, description="α, the share of all examples used for training")
    model: Annotated[
        Model,
        Field(discriminator="name"),
        named_part("two_layer"),
    ] = TwoLayerSettings()
    loss: Loss = Field(
        default="mse",
        description="mse (over examples and outputs), cross_entropy or stablemax, or your own "
        "function",
    )
    label_smoothing: Smoothing = Field(
        default=0.0,
        description="share of a label's probability that all labels have, in training alone; "
        "of cross_entropy and stablemax",
    )
    optimizer: Annotated[Optimizer, Field(discriminator="name"), named_part("adamw")] = AdamW()
    batch_size: Annotated[
        int | None,
        Field(ge=1),
        Rule("must be a whole number from 1, or none", "Leave it out for full batches."),
    ] = Field(default=None, description="examples a step; none is the full batch")
    precision: Annotated[
        Precision, Rule("must be float32 or float64", "Use float32 for the paper's.")
    ] = Field(default="float32", description="of weights, optimiser and losses: float32 or float64")
    seeds: Seeds = Seeds()

    def __init__(self, /, **settings: Unpack[Settings]) -> None:
        """Settings by name, as in `replace`: whole parts, or leaves of the default ones."""
        fields = type(self).model_fields
        values: dict[str, Any] = dict(settings)
        if any(name not in fields for name in values):
            values = replaced(Experiment().model_dump(), values)
        super().__init__(**values)

    @model_validator(mode="after")
    def _is_possible(self) -> Experiment:
        if self.start is not None and self.start.changes_nothing:
            object.__setattr__(self, "start", None)
        if self.start is not None:
            checks.require_start(self, self.start)
            before = checks.by_path(self.earlier, self.start.before)
            object.__setattr__(self.start, "before", before)
        checks.require_listed_steps(self)
        checks.require_smoothable(self)
        checks.require_schedule(self)
        if self.is_counted:
            checks.require_inputs(self)
            checks.require_sets(self)
        return self

    @property
    def is_counted(self) -> bool:
        """Whether it says how many examples, inputs and labels its data have.

        Data of a user's own are counted when they are first made; see `data.complete`.
        """
        return all(getattr(self.task, name) is not None for name in COUNTS)

    @property
    def is_complete(self) -> bool:
        """Whether it says which arrays its data are: counts, and of a user's own their hash.

        Experiments of before version 0.1 have counts alone.
        """
        return self.is_counted and getattr(self.task, "data_sha256", "") is not None

    @property
    def n_train(self) -> int:
        """⌊α p²⌋, the number of training examples; of images, ⌊α · 60,000⌋.

        Raises:
            ConfigError: if the data are a user's own and are not counted.
        """
        return count(self.train_fraction, self.n_examples)

    @property
    def n_examples(self) -> int:
        """How many examples the train fraction is of; raises as `n_train` does."""
        return self._counted("n_examples")

    @property
    def n_inputs(self) -> int:
        """Values that a residue can take, or features of an example; raises as `n_train` does."""
        return self._counted("n_inputs")

    @property
    def n_labels(self) -> int:
        """Labels, from 0; raises as `n_train` does."""
        return self._counted("n_labels")

    def _counted(self, name: str) -> int:
        if (value := getattr(self.task, name)) is None:
            raise ConfigError(
                "`task` must say how many examples its data have, got none counted. Train it, "
                "call grokscope.complete(experiment), or state n_examples, n_inputs and n_labels."
            )
        return value

    def with_counts(self, counts: Sequence[int | str]) -> Experiment:
        """A copy that says of its data what `COUNTED_SETTINGS` lists, in this order."""
        document = self.model_dump()
        document["task"] |= dict(zip(COUNTED_SETTINGS, counts, strict=False))  # old: no hash
        return Experiment(**document)

    @property
    def n_operands(self) -> int | None:
        """Tokens of an example; None of features."""
        return self.task.n_operands

    @property
    def learning_rate(self) -> float:
        """The optimiser's.

        Raises:
            ConfigError: if an optimiser of the user's own has no such setting.
        """
        rate = getattr(self.optimizer, "learning_rate", None)
        if rate is None:
            raise ConfigError(
                "`learning_rate` must be a setting of the optimizer, got one without. "
                "Give your function that argument."
            )
        return rate

    @property
    def weight_decay(self) -> float:
        """The optimiser's, 0 if it has none."""
        return _number(self.optimizer, "weight_decay")

    @property
    def dropout(self) -> float:
        """The model's, 0 if it has none."""
        return _number(self.model, "dropout")

    @property
    def normalization(self) -> str | None:
        """The model's: batch_norm, layer_norm or None."""
        return getattr(self.model, "normalization", None)

    @property
    def own_code(self) -> list[OwnCode]:
        """All code of the user's own that it names."""
        parts = (self.task, self.model, self.optimizer)
        found = [getattr(part, "code", getattr(part, "operation", None)) for part in parts]
        found += [*self._noise_codes, self.loss, *(self.measures or ())]
        return [code for code in found if isinstance(code, OwnCode)]

    @property
    def _noise_codes(self) -> tuple[object, ...]:
        """What may be code of the user's own, and is run for the wrong labels."""
        second = self.second_rule if self.corruption == "second_rule" else None
        return self.corruption, second, self.label_scores

    @property
    def has_own_data(self) -> bool:
        """Whether code or a file of the user's own makes its examples or their labels."""
        made_by = getattr(self.task, "code", getattr(self.task, "operation", None))
        from_file = isinstance(self.task, TableTask)
        codes = (made_by, *self._noise_codes)
        return from_file or any(isinstance(code, OwnCode) for code in codes)

    @property
    def earlier(self) -> Experiment:
        """What is trained up to the start: this experiment with what `start.before` says.

        It ends at `start_step`, and measures nothing on the way.

        Raises:
            ConfigError: if there is no start.

        >>> late = Experiment(weight_decay=5, start_step=300, before={"weight_decay": 0})
        >>> late.earlier.weight_decay, late.earlier.steps
        (0.0, 300)
        """
        if self.start is None:
            raise ConfigError("`start` must be given, got none. Use start_step=500.")
        document = self.model_dump() | dict.fromkeys([*checks.ONLY_LOOKED_AT, "start"])
        before = {name: None if v == ABSENT else v for name, v in self.start.before.items()}
        step = self.start.start_step
        document |= {"steps": step, "measure_every": max(step, 1)}
        return Experiment(**replaced(document, before))

    @property
    def trajectory(self) -> str:
        """A digest of all that decides which way the weights take, whatever is looked at.

        Experiments that differ in their number of steps alone, or in what they measure and keep,
        share it.

        >>> Experiment(steps=100).trajectory == Experiment(measure="log:20").trajectory
        True
        """
        document = json.loads(self.canonical_json())
        for name in checks.NOT_OF_THE_WEIGHTS:
            document.pop(name, None)
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()

    def replace(self, /, **values: Unpack[Settings]) -> Experiment:
        """A copy with other values, each named by its leaf (`width`) or path (`model.width`).

        Replacing a whole part, as in `replace(optimizer="sgd")`, starts from that part's
        defaults; leaves given beside it then apply to it.

        Raises:
            ConfigError: if a name is unknown or ambiguous (the close ones are listed), or the
                values do not make a possible experiment.

        >>> Experiment().replace(optimizer="sgd", momentum=0.9).optimizer.momentum
        0.9
        >>> Experiment().replace(widht=1000)
        Traceback (most recent call last):
        grokscope.errors.ConfigError: `widht` is not a setting of this experiment. \
Did you mean `width`?
        >>> Experiment().replace(name="sgd")
        Traceback (most recent call last):
        grokscope.errors.ConfigError: `name` is ambiguous. \
Use one of `task.name`, `model.name`, `optimizer.name`.
        """
        return Experiment(**replaced(self.model_dump(), dict(values)))

    def with_batch_size(self, batch_size: int) -> Experiment:
        """A copy that sees as many examples in batches of another size (App. A).

        The learning rate is in proportion to the root of the batch size. `steps`, `measure_every`,
        and the optimiser's `warmup_steps` and `cosine_steps` are to its inverse; other steps, such
        as those of `keep_weights` and `settle_after`, stay.

        Raises:
            ConfigError: if this experiment is of full batches, or the batch size impossible.

        >>> small = Experiment(batch_size=256).with_batch_size(64)
        >>> small.optimizer.learning_rate, small.steps, small.measure_every
        (0.005, 8000, 40)
        """
        if self.batch_size is None:
            raise ConfigError(
                "`batch_size` must be set for a rule to start from, got full batches. Use "
                "Experiment(batch_size=256) for the paper's."
            )
        scaled = self.replace(batch_size=batch_size)
        ratio = self.batch_size / batch_size
        counts: dict[str, Any] = {"steps": self.steps, "measure_every": self.measure_every}
        for name in ("warmup_steps", "cosine_steps"):
            if value := getattr(self.optimizer, name, None):
                counts[name] = value
        counts = {name: round(value * ratio) or min(value, 1) for name, value in counts.items()}
        return scaled.replace(learning_rate=self.learning_rate / math.sqrt(ratio), **counts)

    @classmethod
    def from_toml(cls, source: str | Path) -> Experiment:
        r"""Read an experiment from a TOML file (a `Path`) or document (a `str`).

        Raises:
            ConfigError: if it is no TOML, or has an unknown key or an impossible value.
            OSError: if the file cannot be read.

        >>> Experiment.from_toml("steps = 100\n[model]\nwidth = 64\n").model.width
        64
        """
        with reading():
            return cls(**read_toml(source, "the experiment"))

    @classmethod
    def from_json(cls, text: str) -> Experiment:
        """Read an experiment from its `canonical_json`, which may be older than some settings.

        Raises:
            ConfigError: if it is no possible experiment.
            ValueError: if it is no JSON object with a schema.
        """
        document = json.loads(text)
        if not isinstance(document, dict) or document.pop("schema", None) is None:
            raise ValueError("no experiment")
        with reading():
            return cls(**with_earlier(document))

    def to_toml(self) -> str:
        """The complete experiment as a TOML document; absent values are left out.

        >>> Experiment.from_toml(Experiment().to_toml()) == Experiment()
        True
        """
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    def canonical_json(self) -> str:
        """Sorted, compact JSON with the schema version; what the digest is taken of.

        Absent options are left out, so that an option added later, absent by default, does
        not rename the runs made before it. Of `Part.later` settings the value of before is.

        Raises:
            ConfigError: if the data are a user's own and are not counted.
        """
        self._counted("n_examples")
        left_out: dict[str, Any] = dict.fromkeys(self.unrecorded, True)
        left_out |= {part: getattr(getattr(self, part), "unrecorded", set()) for part in PARTS}
        document = self.model_dump(exclude_none=True, exclude=left_out)
        document["schema"] = self.schema_version
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(experiment: Experiment) -> str:
    """SHA-256 of the experiment's canonical JSON: 64 hex digits that name its result for ever.

    >>> digest(Experiment())
    '12ccfe7ba9579087ec736d898d8193adb859d50979a73c191d46d105b52fbc11'
    """
    require_kind("experiment", experiment, Experiment, "A run has its digest as run.digest.")
    return hashlib.sha256(experiment.canonical_json().encode()).hexdigest()
