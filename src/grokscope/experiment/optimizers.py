"""The settings of each optimiser; their updates are in `training.optimizers`."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from grokscope.experiment.part import PARTS, Number, Own, Part, Rule

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


class OwnOptimizer(Own):
    """An Optax transformation that a function of the user's own returns."""


Optimizer = AdamW | Adam | SGD | OwnOptimizer
PARTS["optimizer"] = get_args(Optimizer)
