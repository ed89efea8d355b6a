"""The parts of an experiment: task, model, optimiser, seeds, settle rule; frozen, validated."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from grokscope.errors import ConfigError

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
    """f(m, n) = W norm(φ(U e_m + V e_n)), without biases (Eq. 1); norm is optional (Eq. 5)."""

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
    normalization: Annotated[
        Literal["batch_norm", "layer_norm"] | None,
        Rule("must be batch_norm, layer_norm or none", "Leave it out for none."),
    ] = Field(default=None, description="after the activation: batch_norm, layer_norm or none")


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


class Settle(Part):
    """When a run may stop early, its phase being settled; see `settle.has_settled`."""

    settle_after: Annotated[
        int,
        Field(ge=1),
        Rule("must be a whole number of steps, 1 or more", "Use 200 for the tested rule."),
    ] = Field(default=200, description="no run stops before this step")
    settle_caution: Annotated[
        Number,
        Field(ge=0, le=1e6),
        Rule("must lie in [0, 1000000]", "Use 1 for the tested rule."),
    ] = Field(default=1.0, description="how much faster than lately things might go on changing")
    settle_shrink: Annotated[
        Number,
        Field(gt=1, le=1e6),
        Rule("must lie in (1, 1000000]", "Use 2 for the tested rule."),
    ] = Field(default=2.0, description="the factor by which weights that forget would shrink")
    settle_rise: Annotated[
        Number,
        Field(gt=1, le=1e6),
        Rule("must lie in (1, 1000000]", "Use 1.5 for the tested rule."),
    ] = Field(default=1.5, description="the factor by which mean IPR rises before generalising")


PARTS: dict[str, tuple[type[Part], ...]] = {
    "task": (ModularTask,),
    "model": (TwoLayer,),
    "optimizer": (AdamW, Adam, SGD),
    "seeds": (Seeds,),
    "settle": (Settle,),
}
"""The kinds of each part of an experiment; all but `settle` are always there."""


def unknown(name: str, known: set[str], top: bool = False) -> str:
    """What to say of a setting that is not there: where it belongs, or what is meant."""
    for part, kinds in PARTS.items():
        owners = [
            kind().model_dump().get("name", part) for kind in kinds if name in kind.model_fields
        ]
        if owners and top:
            return f"`{name}` is a setting of {part}, got it outside. Put it into {part}."
        if owners and part == "settle":
            return f"`{name}` is a setting of settle, which is off. Set settle to true beside it."
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
    if first["type"] == "extra_forbidden" and "base" in part.model_fields:
        known = ", ".join(part.model_fields)
        return ConfigError(f"`{name}` is none of {known}. Put settings of all cells into base.")
    if first["type"] == "extra_forbidden":
        return ConfigError(unknown(name, set(part.model_fields), top=part.__name__ == "Experiment"))
    field = part.model_fields.get(name)
    rules = [item for item in field.metadata if isinstance(item, Rule)] if field else []
    must, remedy = rules[0] if rules else Rule("must be a table of settings", "Leave it out.")
    if tags := first.get("ctx", {}).get("expected_tags"):
        kinds = tags.replace("'", "")
        must, remedy = f"must be one of {kinds}", f"Use {kinds.partition(',')[0]}."
    got = "nothing" if first["type"] == "missing" else first["input"]
    if tags and isinstance(got, Mapping):
        got = got.get("name")
    return ConfigError(f"`{name}` {must}, got {got!r}. {remedy}")
