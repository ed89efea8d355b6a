"""An experiment as a value: frozen, validated, complete, and named by its digest."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from grokscope.errors import ConfigError

SCHEMA = 1
"""Version of the configuration's and the run file's layout; part of every digest."""

STREAMS = ("split", "corruption", "init", "batches", "dropout")
"""The named streams of randomness; their order is part of what a seed means."""


class Rule(NamedTuple):
    """What a field must be, and what to do when it is not: the words of its error message."""

    must: str
    remedy: str


def _plain(value: float) -> float:
    # 0.1 + 0.2 and 0.3 are one experiment, not two: twelve decimals are far finer than any sweep.
    return round(value, 12) + 0.0


Number = Annotated[float, AfterValidator(_plain)]
Seed = Annotated[
    int | None,
    Field(ge=0, lt=2**32),
    Rule("must be a whole number from 0 to 4294967295", "Use 0, or leave it out."),
]


class Part(BaseModel):
    """A frozen group of settings; raises `ConfigError` instead of pydantic's report."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _plain_scalars(cls, values: Any) -> Any:
        """NumPy's scalars as Python's, since values often come out of arrays."""
        if not isinstance(values, Mapping):
            return values
        return {
            name: value.item() if getattr(value, "shape", None) == () else value
            for name, value in values.items()
        }

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _explain(type(self), error) from None


class ModularTask(Part):
    """The rule to learn: (m ∘ n) mod p over all p² pairs of residues (Sec. 1.1, App. P)."""

    name: Literal["modular"] = "modular"
    operation: Annotated[
        Literal["addition", "multiplication"],
        Rule("must be addition or multiplication", "Use addition for the paper's default."),
    ] = Field(default="addition", description="∘ in (m ∘ n) mod p: addition or multiplication")
    modulus: Annotated[
        int,
        Field(ge=2, le=4096),
        Rule("must be a whole number from 2 to 4096", "Use 97 for the paper's."),
    ] = Field(default=97, description="p; any number from 2, prime or not")


class TwoLayer(Part):
    """f(m, n) = W φ(U e_m + V e_n), without biases (Eq. 1)."""

    name: Literal["two_layer"] = "two_layer"
    width: Annotated[
        int,
        Field(ge=1, le=1_000_000),
        Rule("must be a whole number from 1 to 1000000", "Use 500 for the paper's."),
    ] = Field(default=500, description="N, hidden neurons")
    activation: Annotated[
        Literal["quadratic", "relu"], Rule("must be quadratic or relu", "Use quadratic for x².")
    ] = Field(default="quadratic", description="φ: quadratic (x²) or relu")
    dropout: Annotated[
        Number,
        Field(ge=0, lt=1),
        Rule("must lie in [0, 1)", "Use 0 for no dropout."),
    ] = Field(
        default=0.0, description="probability of dropping a neuron's pre-activation in a step"
    )


# Bounds where float32, in which the optimiser computes, would round a setting to a useless one.
LearningRate = Annotated[
    Number, Field(ge=1e-12, le=1e12), Rule("must lie in [1e-12, 1e12]", "Use 0.01 for the paper's.")
]
Decay = Annotated[
    Number, Field(ge=0, le=1e12), Rule("must lie in [0, 1e12]", "Use 0 for no weight decay.")
]
Beta = Annotated[
    Number, Field(ge=0, le=0.999999), Rule("must lie in [0, 0.999999]", "Use 0.9 or 0.98.")
]
Eps = Annotated[float, Field(ge=1e-30, le=1), Rule("must lie in [1e-30, 1]", "Use 1e-8.")]


class _Descent(Part):
    learning_rate: LearningRate = Field(default=0.01, description="step size")


class _Moments(_Descent):
    beta1: Beta = Field(default=0.9, description="memory of the gradient's mean")
    beta2: Beta = Field(default=0.98, description="memory of the gradient's mean square")
    eps: Eps = Field(default=1e-8, description="added to the root of the mean square")


class AdamW(_Moments):
    """Adam with decoupled weight decay (Loshchilov and Hutter): w ← (1 - lr·wd)·w - lr·m̂/(√v̂+ε)."""

    name: Literal["adamw"] = "adamw"
    weight_decay: Decay = Field(
        default=0.0, description="adamw: each step multiplies by 1 - lr·wd; adam, sgd: L2 penalty"
    )


class Adam(_Moments):
    """Adam (Kingma and Ba); weight decay, if any, is added to the gradient (an L2 penalty)."""

    name: Literal["adam"] = "adam"
    weight_decay: Decay = Field(default=0.0, description="L2: wd·w is added to the gradient")


class SGD(_Descent):
    """Gradient descent with momentum: b ← μ·b + g + wd·w, w ← w - lr·b."""

    name: Literal["sgd"] = "sgd"
    weight_decay: Decay = Field(default=0.0, description="L2: wd·w is added to the gradient")
    momentum: Annotated[
        Number, Field(ge=0, lt=1), Rule("must lie in [0, 1)", "Use 0 for plain descent.")
    ] = Field(default=0.0, description="share of the last update kept")


class Seeds(Part):
    """One root seed; each stream of randomness follows it unless given its own."""

    seed: Annotated[
        int,
        Field(ge=0, lt=2**32),
        Rule("must be a whole number from 0 to 4294967295", "Use 0."),
    ] = Field(default=0, description="root of all randomness")
    split_seed: Seed = Field(default=None, description="which pairs are for training")
    corruption_seed: Seed = Field(default=None, description="which labels are wrong, and how")
    init_seed: Seed = Field(default=None, description="initial weights")
    batches_seed: Seed = Field(default=None, description="order of minibatches")
    dropout_seed: Seed = Field(default=None, description="which neurons are dropped when")

    def of(self, stream: str) -> tuple[int, int]:
        """What a stream's generator starts from: its seed (its own or the root's) and its index.

        >>> Seeds(seed=7, init_seed=3).of("init"), Seeds(seed=7).of("split")
        ((3, 2), (7, 0))
        """
        own = getattr(self, f"{stream}_seed")
        return self.seed if own is None else own, STREAMS.index(stream)


PARTS: dict[str, tuple[type[Part], ...]] = {
    "task": (ModularTask,),
    "model": (TwoLayer,),
    "optimizer": (AdamW, Adam, SGD),
    "seeds": (Seeds,),
}
"""The kinds of each part of an experiment."""


def _by_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _named_optimizer(value: Any) -> Any:
    """An optimiser given by its name, or as settings alone, which are then AdamW's."""
    value = _by_name(value)
    return {"name": "adamw", **value} if isinstance(value, Mapping) else value


def _defaults(field: str, value: Any) -> Any:
    """A part given whole or by its name as a document; other values as they are."""
    if isinstance(value, Part):
        return value.model_dump()
    parts = {kind().model_dump().get("name"): kind for kind in PARTS.get(field, ())}
    return parts[value]().model_dump() if isinstance(value, str) and value in parts else value


def count(fraction: float, total: int) -> int:
    """⌊fraction · total⌋, not one less because the fraction or the product was rounded.

    >>> int(0.29 * 100), count(0.29, 100), count(round(1 / 3, 12), 57)
    (28, 29, 19)
    """
    return math.floor(fraction * total + 1e-5)


class Experiment(Part):
    """Everything that decides a run's result; `Experiment()` is the paper's default (App. A).

    Raises:
        ConfigError: if a setting is out of range, or settings contradict each other.

    >>> experiment = Experiment(corruption_fraction=0.35).replace(weight_decay=5, width=1000)
    >>> experiment.optimizer.weight_decay, experiment.model.width, experiment.n_train
    (5.0, 1000, 4704)
    >>> Experiment(train_fraction=1.5)
    Traceback (most recent call last):
    grokscope.errors.ConfigError: `train_fraction` must lie strictly between 0 and 1, got 1.5. \
Use 0.5 to train on half of the pairs.
    """

    schema_version: ClassVar[int] = SCHEMA

    task: Annotated[ModularTask, BeforeValidator(_by_name)] = ModularTask()
    train_fraction: Annotated[
        Number,
        Field(gt=0, lt=1),
        Rule("must lie strictly between 0 and 1", "Use 0.5 to train on half of the pairs."),
    ] = Field(default=0.5, description="α, the share of all pairs used for training")
    corruption_fraction: Annotated[
        Number,
        Field(ge=0, le=1),
        Rule("must lie in [0, 1]", "Use 0.35 to corrupt 35 % of the training labels."),
    ] = Field(default=0.0, description="ξ, the share of training labels drawn anew")
    exclude_true_label: Annotated[
        bool, Rule("must be true or false", "Use false for the paper's symmetric noise.")
    ] = Field(default=False, description="draw corrupted labels among the p - 1 wrong ones only")
    model: Annotated[TwoLayer, BeforeValidator(_by_name)] = TwoLayer()
    loss: Annotated[
        Literal["mse", "cross_entropy"],
        Rule("must be mse or cross_entropy", "Use mse for the paper's default."),
    ] = Field(default="mse", description="mse (over examples and outputs) or cross_entropy")
    optimizer: Annotated[
        AdamW | Adam | SGD, Field(discriminator="name"), BeforeValidator(_named_optimizer)
    ] = AdamW()
    steps: Annotated[
        int,
        Field(ge=0, le=2**31 - 1),
        Rule("must be a whole number from 0 to 2147483647", "Use 2000 for the paper's."),
    ] = Field(default=2000, description="optimisation steps")
    batch_size: Annotated[
        int | None,
        Field(ge=1),
        Rule("must be a whole number from 1, or none", "Leave it out for full batches."),
    ] = Field(default=None, description="examples a step; none is the full batch")
    measure_every: Annotated[
        int,
        Field(ge=1),
        Rule("must be a whole number, 1 or more", "Use 10 to measure at every tenth step."),
    ] = Field(
        default=10, description="steps between measurements; step 0 and the last always count"
    )
    seeds: Seeds = Seeds()

    @model_validator(mode="after")
    def _sets_are_possible(self) -> Experiment:
        pairs = self.task.modulus**2
        if not 1 <= self.n_train < pairs:
            raise ConfigError(
                f"`train_fraction` must leave a pair for training and one for testing, got "
                f"{self.train_fraction} of {pairs} pairs. Use {max(1, pairs // 2) / pairs}."
            )
        if self.batch_size is not None and self.batch_size > self.n_train:
            raise ConfigError(
                f"`batch_size` must be at most the training set's {self.n_train} examples, got "
                f"{self.batch_size}. Leave it out for full batches."
            )
        return self

    @property
    def n_train(self) -> int:
        """⌊α p²⌋, the number of training examples."""
        return count(self.train_fraction, self.task.modulus**2)

    @property
    def schedule(self) -> list[int]:
        """The steps at which the network is measured, ascending, from 0 to `steps`.

        >>> Experiment(steps=25).schedule
        [0, 10, 20, 25]
        """
        return sorted({*range(0, self.steps, self.measure_every), self.steps})

    def replace(self, /, **values: Any) -> Experiment:
        """A copy with other values, each named by its leaf (`width`) or path (`model.width`).

        Replacing a whole part, as in `replace(optimizer="sgd")`, starts from that part's
        defaults; leaves given beside it then apply to it.

        Raises:
            ConfigError: if a name is unknown or ambiguous (the close ones are listed), or the
                values do not make a possible experiment.

        >>> Experiment().replace(optimizer="sgd", momentum=0.9).optimizer
        SGD(learning_rate=0.01, name='sgd', weight_decay=0.0, momentum=0.9)
        >>> Experiment().replace(widht=1000)
        Traceback (most recent call last):
        grokscope.errors.ConfigError: `widht` is not a setting of this experiment. \
Did you mean `width`?
        >>> Experiment().replace(name="sgd")
        Traceback (most recent call last):
        grokscope.errors.ConfigError: `name` is ambiguous. \
Use one of `task.name`, `model.name`, `optimizer.name`.
        """
        document = self.model_dump()
        top = [name for name in values if name in document]
        document |= {name: _defaults(name, values.pop(name)) for name in top}
        if not all(isinstance(document[part], Mapping) for part in PARTS):
            return Experiment(**document)  # which refuses it and says why
        for name, value in values.items():
            part, leaf = _locate(document, name)
            document[part][leaf] = value
        return Experiment(**document)

    @classmethod
    def from_toml(cls, source: str | Path) -> Experiment:
        r"""Read an experiment from a TOML file (a `Path`) or document (a `str`).

        Raises:
            ConfigError: if it is no TOML, or has an unknown key or an impossible value.
            OSError: if the file cannot be read.

        >>> Experiment.from_toml("steps = 100\n[model]\nwidth = 64\n").model.width
        64
        """
        try:
            text = source.read_text("utf-8-sig") if isinstance(source, Path) else source
            document = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # also of numbers and nesting without end
            name = f"`{source}`" if isinstance(source, Path) else "the experiment"
            raise ConfigError(
                f"{name} must be a TOML document, got one that does not parse: {error}. "
                "See `grokscope train --print-toml` for a complete one."
            ) from None
        return cls(**document)

    def to_toml(self) -> str:
        """The complete experiment as a TOML document; absent values are left out.

        >>> Experiment.from_toml(Experiment().to_toml()) == Experiment()
        True
        """
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    def canonical_json(self) -> str:
        """Sorted, compact JSON with the schema version; what the digest is taken of.

        Absent options are left out, so that an option added later, absent by default, does
        not rename the runs made before it.
        """
        document = {"schema": self.schema_version, **self.model_dump(exclude_none=True)}
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(experiment: Experiment) -> str:
    """SHA-256 of the experiment's canonical JSON: 64 hex digits that name its result for ever.

    >>> digest(Experiment())
    '12ccfe7ba9579087ec736d898d8193adb859d50979a73c191d46d105b52fbc11'
    """
    return hashlib.sha256(experiment.canonical_json().encode()).hexdigest()


def _locate(document: Mapping[str, Any], name: str) -> tuple[str, str]:
    """The part and the leaf that a name means; top-level fields are not looked for."""
    paths = [
        f"{part}.{leaf}" for part in PARTS if isinstance(document[part], Mapping)
        for leaf in document[part]
    ]  # fmt: skip
    found = [path for path in paths if name in (path, path.partition(".")[2])]
    if len(found) == 1:
        part, _, leaf = found[0].partition(".")
        return part, leaf
    if found:
        raise ConfigError(
            f"`{name}` is ambiguous. Use one of {', '.join(f'`{path}`' for path in found)}."
        )
    raise ConfigError(_unknown(name, {*document, *(path.partition(".")[2] for path in paths)}))


def _unknown(name: str, known: set[str], top: bool = False) -> str:
    for part, kinds in PARTS.items():
        owners = [
            kind().model_dump().get("name", part) for kind in kinds if name in kind.model_fields
        ]
        if owners and top:
            return f"`{name}` is a setting of {part}, got it outside. Put it into {part}."
        if owners and part != "seeds":
            return f"`{name}` is a setting of another {part}. Choose {part} {' or '.join(owners)}."
    close = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5) or sorted(known)
    listed = ", ".join(f"`{candidate}`" for candidate in close)
    return f"`{name}` is not a setting of this experiment. Did you mean {listed}?"


def _explain(part: type[Part], error: ValidationError) -> ConfigError:
    """The first of pydantic's findings in one line, in the words of the field's `Rule`."""
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ConfigError):
        return cause
    name = str(first["loc"][-1]) if first["loc"] else part.__name__
    if first["type"] == "extra_forbidden":
        return ConfigError(_unknown(name, set(part.model_fields), top=part is Experiment))
    field = part.model_fields.get(name)
    rules = [item for item in field.metadata if isinstance(item, Rule)] if field else []
    must, remedy = rules[0] if rules else Rule("must be a table of settings", "Leave it out.")
    if tags := first.get("ctx", {}).get("expected_tags"):
        kinds = tags.replace("'", "")
        must, remedy = f"must be one of {kinds}", f"Use {kinds.partition(',')[0]}."
    got = first["input"]
    if tags and isinstance(got, Mapping):
        got = got.get("name")
    return ConfigError(f"`{name}` {must}, got {got!r}. {remedy}")
