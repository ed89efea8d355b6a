"""Where training goes on from, if not from new weights: an earlier step under other settings."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from grokscope.experiment.part import ABSENT, PARTS, Number, Part, Rule


def _settings(value: object) -> object:
    """Settings by name, also from a text such as weight_decay=0,batch_size=none."""
    if isinstance(value, str):
        pairs = [item.partition("=") for item in value.split(",") if item.strip()]
        if not all(equals for _, equals, _ in pairs):
            raise ValueError
        value = {name.strip(): _plain(text.strip()) for name, _, text in pairs}
    if not isinstance(value, Mapping):
        return value
    return {str(name): ABSENT if given is None else given for name, given in value.items()}


def _plain(text: str) -> object:
    """A number, or true or false, as TOML writes them; anything else as text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


class Start(Part):
    """A step of training, the settings that held until then, and what was done to the network.

    Until `start_step` the network is trained as the experiment says but for the settings in
    `before`, which so are the experiment's own until an intervention. The step is counted from
    the first of all steps.
    """

    start_step: Annotated[
        int,
        Field(ge=0, le=2**31 - 1),
        Rule("must be a whole number of steps from 0", "Use 500 to go on from step 500."),
    ] = Field(default=0, description="step from which training goes on; 0 is new weights")
    before: Annotated[
        dict[str, object],
        BeforeValidator(_settings),
        Rule("must be settings by name", "Use before = {weight_decay = 0}."),
    ] = Field(default={}, description="settings that held before start_step, as in weight_decay=0")
    prune_by: Annotated[
        str | None,
        Field(pattern="^[a-z_]+$"),
        Rule("must be an order of pruning", "Use memorizing, ipr or norm."),
    ] = Field(
        default=None,
        description="order in which neurons are pruned at start_step, as in prune --by",
    )
    prune_first: Annotated[
        Literal["highest", "lowest"],
        Rule("must be highest or lowest", "Use highest."),
    ] = Field(default="highest", description="which neurons are pruned at start_step")
    prune_share: Annotated[
        Number, Field(gt=0, le=1), Rule("must lie in (0, 1]", "Use 0.5 to prune half.")
    ] = Field(default=0.5, description="share of the neurons that is pruned")

    def __hash__(self) -> int:
        """By names alone of `before`, whose values may be whole parts."""
        return hash((self.start_step, *self.before, self.prune_by))

    @property
    def changes_nothing(self) -> bool:
        """Whether training starts with new weights, as without this part."""
        return self.start_step == 0 and self.prune_by is None

    @property
    def unrecorded(self) -> set[str]:
        """What a digest leaves out, since nothing is pruned."""
        return set() if self.prune_by else {"prune_share", "prune_first"}


PARTS["start"] = (Start,)
