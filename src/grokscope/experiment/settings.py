"""What an experiment is made and changed with, by name, for editors and type checkers.

The settings themselves, their defaults and rules stand with their parts; a test holds this list to
them. A user's own code may have further settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from typing_extensions import TypedDict

from grokscope.experiment.losses import LossName
from grokscope.experiment.models import DropoutSites, Normalization, TiedInit
from grokscope.experiment.noise import NamedNoise
from grokscope.experiment.part import Part
from grokscope.experiment.tasks import SymmetricGroup

Code = str | Callable[..., object]
"""A user's own code: as in my_rules:squares, or the function or class of a file itself."""


class Settings(TypedDict, total=False, extra_items=object):
    """Every setting by its leaf, as in weight_decay=5; parts by name, as in model="deep_mlp"."""

    task: Part | Code | Mapping[str, object]
    operation: Code
    modulus: int
    operands: int
    bits: int
    relevant_bits: int
    group: SymmetricGroup
    file: str
    train_fraction: float
    corruption_fraction: float
    exclude_true_label: bool
    corruption: NamedNoise | Code | None
    second_rule: Code
    label_scores: Code | None
    model: Part | Code | Mapping[str, object]
    width: int
    depth: int
    heads: int
    activation: Literal["quadratic", "relu"]
    dropout: float
    dropout_sites: DropoutSites
    normalization: Normalization | None
    init_scale: float
    parameterization: Literal["standard", "lazy"]
    scaling: Literal["mup", "standard"]
    tied: bool
    tied_init: TiedInit
    loss: LossName | Code
    label_smoothing: float
    precision: Literal["float32", "float64"]
    optimizer: Part | Code | Mapping[str, object]
    learning_rate: float
    warmup_steps: int
    cosine_steps: int | None
    weight_decay: float
    momentum: float
    beta1: float
    beta2: float
    eps: float
    slow_memory: float
    slow_gain: float
    steps: int
    batch_size: int | None
    measure_every: int
    measure: str | Sequence[int] | None
    measures: Code | Sequence[Code] | None
    keep_weights: str | int | Sequence[int] | None
    kept_dtype: Literal["float16"] | None
    seeds: Part | Mapping[str, object]
    seed: int
    split_seed: int | None
    corruption_seed: int | None
    init_seed: int | None
    batches_seed: int | None
    dropout_seed: int | None
    start: Part | Mapping[str, object] | None
    start_step: int
    before: str | Mapping[str, object]
    prune_by: str | None
    prune_first: Literal["highest", "lowest"]
    prune_share: float
    settle: Part | Mapping[str, object] | bool | None
    settle_after: int
    settle_caution: float
    settle_shrink: float
    settle_rise: float
