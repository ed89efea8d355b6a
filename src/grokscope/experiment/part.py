"""What a part of an experiment is: frozen, validated, in words when refused."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from grokscope.errors import ConfigError
from grokscope.experiment.own_code import OwnCode, identified, names_code, settings_of


class Rule(NamedTuple):
    """What a field must be, and what to do when it is not: the words of its error message."""

    must: str
    remedy: str


class Later(NamedTuple):
    """A setting that was added after runs had been stored without it.

    Attributes:
        before: the value that those runs were trained with.
        acts_with: the setting of the same part without which it changes nothing, if there is one.
    """

    before: object
    acts_with: str | None = None

    def acts(self, settings: Mapping[str, object]) -> bool:
        """Whether it changes something beside other settings of its part."""
        return self.acts_with is None or bool(settings.get(self.acts_with))


def _plain(value: float) -> float:
    # 0.1 + 0.2 and 0.3 are one experiment, not two: twelve decimals are far finer than any sweep.
    return round(value, 12) + 0.0


ABSENT = "none"
"""How an absent value is written in files, as TOML has no word for it."""


def plain(value: float) -> float:
    """A float to fourteen digits: the same for what should be the same number, however small.

    >>> plain(0.1 + 0.2), plain(1.23456e-9)
    (0.3, 1.23456e-09)
    """
    return float(f"{value:.14g}") + 0.0


Number = Annotated[float, AfterValidator(_plain)]


class Part(BaseModel):
    """A frozen group of settings; raises `ConfigError` instead of pydantic's report."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    later: ClassVar[Mapping[str, Later]] = {}
    """Settings that were added later, by name."""

    @model_validator(mode="before")
    @classmethod
    def _plain_scalars(cls, values: object) -> object:
        """NumPy's scalars as Python's, since values often come out of arrays."""
        if not isinstance(values, Mapping):
            return values
        return {
            name: value.item() if getattr(value, "shape", None) == () else value
            for name, value in values.items()
        }

    def __init__(self, /, **values: object) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _explain(type(self), error) from None

    @property
    def unrecorded(self) -> set[str]:
        """Later settings that a digest leaves out: as before they were added, or without effect."""
        return {
            name
            for name, later in self.later.items()
            if getattr(self, name) == later.before or not later.acts(vars(self))
        }


COUNTS = ("n_examples", "n_inputs", "n_labels")
"""What is counted in a user's own data."""

COUNTED_SETTINGS = (*COUNTS, "data_sha256", "n_operands")
"""What is stored of the arrays beside the function's settings: their counts and their hash; of a
table also its operands."""


class Own(Part):
    """A part made by the user's own code, whose arguments are its settings.

    Arguments that are not given take their defaults when the part is made, so that it is complete.
    """

    model_config = ConfigDict(extra="allow")
    name: Literal["own"] = "own"
    code: Annotated[
        OwnCode, Rule("must name a function or class of a file", "Use my_code:name.")
    ] = Field(description="function or class of your own, as in my_code:name")
    fixed: ClassVar[int] = 0
    """How many arguments come before the settings."""
    method: ClassVar[str | None] = None
    """What makes the part from its settings, if it is a method of a class."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: object) -> object:
        if not isinstance(values, Mapping) or not names_code(values.get("code")):
            return values
        settings = {name: values[name] for name in values if name not in cls.model_fields}
        code = identified("code", values["code"])
        if values["code"] != code:  # it came without its hash, and so without its defaults
            settings = cls._with_defaults(code, settings)
        for name, value in settings.items():
            if not isinstance(value, bool | int | float | str | None) or (
                isinstance(value, float) and not math.isfinite(value)
            ):
                raise ConfigError(
                    f"`{name}` must be a finite number, a word, true, false or none, got "
                    f"{value!r}. Change it, or what {code.label} takes."
                )
            settings[name] = None if value == ABSENT else value
        return {**values, **settings, "code": code}

    @classmethod
    def _with_defaults(cls, code: OwnCode, given: dict[str, object]) -> dict[str, object]:
        """All settings of the code, with the given ones as numbers of the defaults' kind."""
        taken = settings_of(code, cls.fixed, cls.method)
        place = code.label
        of_parts = (*Own.model_fields, *COUNTED_SETTINGS)  # which a part says of itself
        if clash := set(taken) & set(of_parts):
            raise ConfigError(
                f"`{place}` must take settings of other names than {', '.join(of_parts)}, got "
                f"{min(clash)}. Rename it."
            )
        if wrong := set(given) - set(taken):
            known = ", ".join(f"`{name}`" for name in taken) or "no settings"
            raise ConfigError(f"`{min(wrong)}` is not a setting of {place}. It takes {known}.")
        settings = {}
        for name, default in taken.items():
            value = given.get(name, default)
            if value is inspect.Parameter.empty:
                raise ConfigError(f"`{name}` must be given for {place}, got nothing. Set it.")
            if default == ABSENT:
                raise ConfigError(
                    f"`{name}` must have another default in {place} than the word none, which "
                    "stands for None. Use None, or another word."
                )
            settings[name] = alike(name, value, default)
        return settings

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments for the code."""
        return dict(self.model_extra or {})

    @model_serializer(mode="wrap")
    def _say_what_is_absent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        """A digest leaves out what is absent; the function's default would take its place."""
        said = dict.fromkeys([n for n, v in self.settings.items() if v is None], ABSENT)
        return serialize(self) | said


def alike(name: str, value: object, like: object) -> object:
    """A setting of the user's code as a plain value of the kind of its default or present one.

    Raises:
        ConfigError: if it is a word where a number was, or anything else where true or false was.

    >>> alike("scale", 2, 0.5), alike("n", 3.0, 1), alike("n", 0.5, 1), alike("flag", 1, True)
    (2.0, 3, 0.5, True)
    """
    if getattr(value, "shape", None) == ():
        value = value.item()  # type: ignore[attr-defined]
    if value is None or value == ABSENT:
        return None
    if isinstance(like, bool):
        if value not in (0, 1):
            use = str(like).lower()
            raise ConfigError(f"`{name}` must be true or false, got {value!r}. Use {use}.")
        return bool(value)
    if isinstance(value, str) and isinstance(like, int | float):
        raise ConfigError(f"`{name}` must be a number, got {value!r}. Use {like:g}.")
    if type(value) is int and isinstance(like, float):
        return float(value)
    if isinstance(value, float):
        return int(value) if type(like) is int and value.is_integer() else plain(value)
    return value


PARTS: dict[str, tuple[type[Part], ...]] = {
    "task": (),
    "model": (),
    "optimizer": (),
    "seeds": (),
    "start": (),
    "settle": (),
}
"""The kinds of each part of an experiment; all but `start` and `settle` are always there.

Each file of settings adds its own.
"""


def kind_name(kind: type[Part], part: str) -> str:
    """How a kind of a part is named: two_layer, say; a part of one kind has its own name."""
    field = kind.model_fields.get("name")
    return field.default if field else part


def with_earlier(document: Mapping[str, Any], of_grid: bool = False) -> dict[str, Any]:
    """A recorded experiment's document, with what it meant by settings that were added later.

    Args:
        document: of an experiment, or of a grid's base.
        of_grid: whether axes may vary the settings with which later ones act. Of an experiment,
            one that changes nothing is left to its default.
    """
    completed = dict(document)
    for part, kinds in PARTS.items():
        given = document.get(part)
        if not isinstance(given, Mapping):
            continue
        for kind in kinds:
            if given.get("name", part) == kind_name(kind, part):
                earlier = {
                    name: later.before
                    for name, later in kind.later.items()
                    if of_grid or later.acts(given)
                }
                completed[part] = {**earlier, **given}
    return completed


MEANT = {
    "lr": "learning_rate",
    "wd": "weight_decay",
    "dp": "dropout",
    "bs": "batch_size",
    "p": "modulus",
    "N": "width",
    "alpha": "train_fraction",
    "xi": "corruption_fraction",
    "epochs": "steps",
}
"""What settings are called elsewhere, and here."""


def unknown(name: str, known: set[str]) -> str:
    """What to say of a setting that is not there: where it belongs, or what is meant."""
    for part, kinds in PARTS.items():
        owners = [kind_name(kind, part) for kind in kinds if name in kind.model_fields]
        if owners and part == "settle":
            return f"`{name}` is a setting of settle, which is off. Set settle to true beside it."
        if owners and part != "seeds":
            return f"`{name}` is a setting of another {part}. Choose {part} {' or '.join(owners)}."
    if MEANT.get(name) in known:
        close = [MEANT[name]]
    else:
        close = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    listed = ", ".join(f"`{candidate}`" for candidate in close)
    remedy = f"Did you mean {listed}?" if close else "`grokscope train --help` lists the settings."
    return f"`{name}` is not a setting of this experiment. {remedy}"


def _explain(part: type[Part], error: ValidationError) -> ConfigError:
    """The first of pydantic's findings in one line, in the words of the field's `Rule`."""
    errors = error.errors()
    for found in errors:
        cause = found.get("ctx", {}).get("error")
        if isinstance(cause, ConfigError):
            return cause
    first = errors[0]
    # Kinds of a value that may be of several come behind the field's name, as in literal[…].
    names = [str(place) for place in first["loc"] if str(place).isidentifier()]
    name = names[-1] if names else part.__name__
    if first["type"] == "extra_forbidden":
        return ConfigError(unknown(name, set(part.model_fields)))
    field = part.model_fields.get(name)
    rules = [item for item in field.metadata if isinstance(item, Rule)] if field else []
    must, remedy = rules[0] if rules else Rule("must be a table of settings", "Leave it out.")
    if tags := first.get("ctx", {}).get("expected_tags"):
        kinds = tags.replace("'own'", "your own as my_code:name").replace("'", "")
        must, remedy = f"must be one of {kinds}", f"Use {kinds.partition(',')[0]}."
    got = "nothing" if first["type"] == "missing" else first["input"]
    if tags and isinstance(got, Mapping):
        got = got.get("name")
    return ConfigError(f"`{name}` {must}, got {got!r}. {remedy}")
