"""The course of training: its steps, where it starts and may stop, and what is looked at."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from grokscope.experiment.own_code import OwnCode
from grokscope.experiment.part import Part, Rule
from grokscope.experiment.replace import measure_codes, settled_or_not
from grokscope.experiment.schedule import Schedule, Steps, count_of, steps_of
from grokscope.experiment.seeds import Settle
from grokscope.experiment.start import Start

BuiltInMeasure = Annotated[str, StringConstraints(pattern="^[_a-z]+$")]
"""The name of a row of `measures.table.network_measures`, which is checked before training."""


class Course(Part):
    """The course of an experiment's training, and what is looked at on the way."""

    steps: Annotated[
        int,
        Field(ge=0, le=2**31 - 1),
        Rule("must be a whole number from 0 to 2147483647", "Use 2000 for the paper's."),
    ] = Field(default=2000, description="optimisation steps")
    measure_every: Annotated[
        int,
        Field(ge=1),
        Rule("must be a whole number, 1 or more", "Use 10 to measure at every tenth step."),
    ] = Field(
        default=10, description="steps between measurements; step 0 and the last always count"
    )
    measure: Annotated[
        Steps,
        Rule("must be log:N or a list of ascending steps", "Use log:60, or 0,10,100."),
    ] = Field(
        default=None,
        description="steps at which to measure, in place of measure_every: log:60 for 60 at equal "
        "ratios, or a list",
    )
    measures: Annotated[
        tuple[OwnCode | BuiltInMeasure, ...] | None,
        BeforeValidator(measure_codes),
        Rule("must be functions as in my_measures:margin", "Leave it out for none."),
    ] = Field(
        default=None,
        description="built-in measures, as restricted_test_loss, or your own functions of a "
        "network, measured like a loss",
    )
    keep_weights: Annotated[
        Schedule,
        Rule("must be log:N, a number of steps or a list", "Use log:40, 50, or 0,10,100."),
    ] = Field(
        default=None,
        description="steps whose weights are kept: log:40, every so many, or a list",
    )
    kept_dtype: Annotated[
        Literal["float16"] | None,
        Rule("must be float16, or none for the network's own", "Leave it out."),
    ] = Field(default=None, description="of the kept weights: float16 for half the size")
    start: Annotated[Start | None, Rule("must be a table of settings", "Use start_step=500.")] = (
        Field(default=None, description="where training goes on from, if not from new weights")
    )
    settle: Annotated[
        Settle | None,
        BeforeValidator(settled_or_not),
        Rule("must be true, false or a table of settings", "Use true for the tested rule."),
    ] = Field(default=None, description="stop once the phase can no longer change: true or false")

    @property
    def first_step(self) -> int:
        """The step at which training begins: 0, or that of its `start`."""
        return 0 if self.start is None else self.start.start_step

    @property
    def schedule(self) -> list[int]:
        """The steps at which the network is measured, ascending, from the first to `steps`.

        >>> Course(steps=25).schedule
        [0, 10, 20, 25]
        """
        return [*steps_of(self.measure or self.measure_every, self.first_step, self.steps)]

    @property
    def kept_steps(self) -> list[int]:
        """The steps whose weights are kept, ascending; none by default.

        >>> Course(steps=100, keep_weights="log:4").kept_steps
        [0, 1, 10, 100]
        """
        if self.keep_weights is None:
            return []
        return [*steps_of(self.keep_weights, self.first_step, self.steps)]

    @property
    def n_measured(self) -> int:
        """How many steps the schedule has, to be known before it is listed."""
        return count_of(self.measure or self.measure_every, self.first_step, self.steps)

    @property
    def n_kept(self) -> int:
        """How many steps have their weights kept."""
        if self.keep_weights is None:
            return 0
        return count_of(self.keep_weights, self.first_step, self.steps)
