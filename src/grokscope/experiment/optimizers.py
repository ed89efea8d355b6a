"""The settings of each optimiser; their updates are in `training.optimizers`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from grokscope.experiment.part import PARTS, Later, Number, Own, Part, Rule

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
Momentum = Annotated[
    Number, Field(ge=0, lt=1), Rule("must lie in [0, 1)", "Use 0 for plain descent.")
]
Eps = Annotated[float, Field(ge=1e-30, le=1), Rule("must lie in [1e-30, 1]", "Use 1e-8.")]


class _Descent(Part):
    learning_rate: LearningRate = Field(default=0.01, description="step size")
    warmup_steps: Annotated[
        int,
        Field(ge=0, le=2**31 - 1),
        Rule("must be a whole number of steps, 0 or more", "Use 10, or 0 for none."),
    ] = Field(default=0, description="steps in which the learning rate rises from 0")
    cosine_steps: Annotated[
        int | None,
        Field(ge=1, le=2**31 - 1),
        Rule("must be a whole number of steps, 1 or more", "Use as many as the experiment has."),
    ] = Field(
        default=None,
        description="step at which the learning rate has fallen to 0 along a cosine; none is a "
        "constant rate",
    )
    later: ClassVar[Mapping[str, Later]] = {"warmup_steps": Later(before=0)}


class _Moments(_Descent):
    beta1: Beta = Field(default=0.9, description="memory of the gradient's mean")
    beta2: Beta = Field(default=0.98, description="memory of the gradient's mean square")
    eps: Eps = Field(default=1e-8, description="added to the root of the mean square")


class AdamW(_Moments):
    """Adam with decoupled weight decay (Loshchilov and Hutter): w ← (1 - lr·wd)·w - lr·m̂/(√v̂+ε)."""

    name: Literal["adamw"] = "adamw"
    weight_decay: Decay = Field(
        default=0.0,
        description="each step multiplies the weights by 1 - lr·wd; of adam and sgd an L2 penalty",
    )


class Adam(_Moments):
    """Adam (Kingma and Ba); weight decay, if any, is added to the gradient (an L2 penalty)."""

    name: Literal["adam"] = "adam"
    weight_decay: Decay = Field(default=0.0, description="L2: wd·w is added to the gradient")


class SGD(_Descent):
    """Gradient descent with momentum: b ← μ·b + g + wd·w, w ← w - lr·b."""

    name: Literal["sgd"] = "sgd"
    weight_decay: Decay = Field(default=0.0, description="L2: wd·w is added to the gradient")
    momentum: Momentum = Field(default=0.0, description="share of the last update kept")


class Muon(_Descent):
    """Momentum made orthogonal, of all matrices (Jordan, 2024); AdamW of vectors. Decoupled decay.

    Steps have the size of Adam's (Liu et al., arXiv 2502.16982), so that learning rates compare.
    """

    name: Literal["muon"] = "muon"
    weight_decay: Decay = Field(
        default=0.0, description="each step multiplies the weights by 1 - lr·wd"
    )
    momentum: Momentum = Field(default=0.95, description="memory of the gradient's mean")


class Lion(_Descent):
    """The sign of a mean of gradients (Chen et al., arXiv 2302.06675); weight decay is decoupled.

    Each weight moves by the learning rate, several times as far as by AdamW.
    """

    name: Literal["lion"] = "lion"
    learning_rate: LearningRate = Field(default=0.001, description="step size")
    beta1: Beta = Field(default=0.9, description="share of the mean in what a step follows")
    beta2: Beta = Field(default=0.99, description="memory of the gradient's mean")
    weight_decay: Decay = Field(
        default=0.0, description="each step multiplies the weights by 1 - lr·wd"
    )


class Grokfast(_Moments):
    """AdamW of gradients whose slow part is amplified (Grokfast-EMA; Lee et al., 2405.20233)."""

    name: Literal["grokfast"] = "grokfast"
    weight_decay: Decay = Field(
        default=0.0, description="each step multiplies the weights by 1 - lr·wd"
    )
    slow_memory: Beta = Field(default=0.98, description="α, memory of the slow gradient")
    slow_gain: Annotated[
        Number, Field(ge=0, le=1e6), Rule("must lie in [0, 1000000]", "Use 2 for the authors'.")
    ] = Field(default=2.0, description="λ, how much of the slow gradient is added")


class OwnOptimizer(Own):
    """An Optax transformation that a function of the user's own returns."""


Optimizer = AdamW | Adam | SGD | Muon | Lion | Grokfast | OwnOptimizer
PARTS["optimizer"] = get_args(Optimizer)
