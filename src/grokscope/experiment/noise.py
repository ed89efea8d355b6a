"""How many training labels are wrong, which ones, and what they are instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from grokscope.experiment.own_code import OwnCode
from grokscope.experiment.part import Number, Part, Rule
from grokscope.experiment.tasks import Operation

NamedNoise = Literal["asymmetric", "by_operand", "by_instance", "second_rule"]
"""Noise by name, beside uniform and uniform_wrong; `data.corruption` has what each does."""

_NOISES = ", ".join(("uniform", "uniform_wrong", *get_args(NamedNoise)))
_OPERATIONS = ", ".join(get_args(Operation))


class Noise(Part):
    """The wrong labels of an experiment."""

    corruption_fraction: Annotated[
        Number,
        Field(ge=0, le=1),
        Rule("must lie in [0, 1]", "Use 0.35 to corrupt 35 % of the training labels."),
    ] = Field(default=0.0, description="ξ, the share of training labels drawn anew")
    exclude_true_label: Annotated[
        bool, Rule("must be true or false", "Use false for the paper's symmetric noise.")
    ] = Field(default=False, description="draw corrupted labels among the p - 1 wrong ones only")
    corruption: Annotated[
        NamedNoise | OwnCode | None,
        Rule(f"must be {_NOISES} or a function as in my_noise:shifted", "Leave it out."),
    ] = Field(
        default=None,
        description="how labels are corrupted: uniform (the default), uniform_wrong (as "
        "exclude_true_label), asymmetric (the next label), by_operand (all rows of some first "
        "tokens), by_instance (by label_scores), second_rule, or your own function",
    )
    second_rule: Annotated[
        Operation | OwnCode,
        Rule(f"must be {_OPERATIONS} or a function as in my_rules:squares", "Use subtraction."),
    ] = Field(
        default="subtraction",
        description="of corruption second_rule: the operation whose labels corrupted examples have",
    )
    label_scores: Annotated[
        OwnCode | None, Rule("must be a function as in my_noise:likeness", "Leave it out.")
    ] = Field(
        default=None,
        description="of corruption by_instance: your own function that scores every label of every "
        "example; a corrupted label is the wrong one of highest score",
    )

    @property
    def unrecorded(self) -> set[str]:
        """As of every part; and the second rule, unless labels are corrupted by it."""
        without = set() if self.corruption == "second_rule" else {"second_rule"}
        return super().unrecorded | without

    @model_validator(mode="before")
    @classmethod
    def _uniform_by_name(cls, values: object) -> object:
        """The uniform kinds by name are what they were before they had one."""
        if isinstance(values, Mapping):
            if values.get("corruption") == "uniform":
                return {**values, "corruption": None}
            if values.get("corruption") == "uniform_wrong":
                return {**values, "corruption": None, "exclude_true_label": True}
        return values
