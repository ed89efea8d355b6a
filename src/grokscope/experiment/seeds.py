"""Where an experiment's randomness starts from, and when its training may stop."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from grokscope.experiment.part import PARTS, Number, Part, Rule

STREAMS = ("split", "corruption", "init", "batches", "dropout")
"""The named streams of randomness; their order is part of what a seed means."""


Seed = Annotated[
    int | None,
    Field(ge=0, lt=2**32),
    Rule("must be a whole number from 0 to 4294967295", "Use 0, or leave it out."),
]


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


PARTS["seeds"], PARTS["settle"] = (Seeds,), (Settle,)
