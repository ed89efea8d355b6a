"""The settings of each architecture; the networks themselves are in `models`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from grokscope.errors import ConfigError
from grokscope.experiment.part import PARTS, Later, Number, Own, Part, Rule

Width = Annotated[
    int,
    Field(ge=1, le=1_000_000),
    Rule("must be a whole number from 1 to 1000000", "Use 500 for the paper's."),
]
Depth = Annotated[
    int, Field(ge=1, le=100), Rule("must be a whole number from 1 to 100", "Use 1 to begin.")
]
Dropout = Annotated[Number, Field(ge=0, lt=1), Rule("must lie in [0, 1)", "Use 0 for no dropout.")]


Normalization = Literal["batch_norm", "layer_norm"]
"""Norm layers; `models.normalization` has each of them."""

TiedInit = Literal["read_out", "embedding"]
"""As which of its two roles a Transformer's tied matrix is initialised."""

DropoutSites = Literal["everywhere", "sublayers"]
"""Where dropout of a Transformer acts."""

_NORMS = f"{', '.join(get_args(Normalization))} or none"
_NORM_RULE = Rule(f"must be {_NORMS}", "Leave it out for none.")


class _BuiltIn(Part):
    init_scale: Annotated[
        Number,
        Field(gt=0, le=1e6),
        Rule("must lie in (0, 1000000]", "Use 1 for the architecture's own variances."),
    ] = Field(default=1.0, description="factor on all initial weights")
    later: ClassVar[Mapping[str, Later]] = {"init_scale": Later(before=1.0)}


class TwoLayerSettings(_BuiltIn):
    """f(m, n) = W norm(φ(U e_m + V e_n)), without biases (Eq. 1); norm is optional (Eq. 5)."""

    name: Literal["two_layer"] = "two_layer"
    width: Width = Field(default=500, description="N, hidden neurons; of a transformer d")
    activation: Annotated[
        Literal["quadratic", "relu"], Rule("must be quadratic or relu", "Use quadratic for x².")
    ] = Field(default="quadratic", description="φ: quadratic (x²) or relu")
    dropout: Dropout = Field(
        default=0.0, description="probability of dropping a neuron's pre-activation in a step"
    )
    normalization: Annotated[Normalization | None, _NORM_RULE] = Field(
        default=None, description=f"after the activation: {_NORMS}"
    )
    takes_tokens: ClassVar[bool] = True

    @property
    def widest(self) -> int:
        """The most activations that a layer has, for an example."""
        return self.width


class DeepMLPSettings(_BuiltIn):
    """Two embeddings added, ReLU layers and a linear output, without biases (App. G.3, G.4)."""

    name: Literal["deep_mlp"] = "deep_mlp"
    width: Width = Field(default=500, description="N, neurons of each hidden layer")
    depth: Annotated[
        int,
        Field(ge=2, le=100),
        Rule("must be a whole number from 2 to 100", "Use 3 for the paper's."),
    ] = Field(default=3, description="layers of weights; of a transformer blocks")
    parameterization: Annotated[
        Literal["standard", "lazy"],
        Rule("must be standard or lazy", "Use standard for variances of 2 / fan-in."),
    ] = Field(
        default="standard",
        description="variance of initial weights: standard (2 / fan-in) or lazy (2 / N^(2/3)); "
        "of a transformer see scaling",
    )
    dropout: Dropout = Field(
        default=0.0, description="probability of dropping a neuron's pre-activation in a step"
    )
    normalization: Annotated[Normalization | None, _NORM_RULE] = Field(
        default=None, description=f"after each activation: {_NORMS}"
    )
    takes_tokens: ClassVar[bool] = True

    @property
    def widest(self) -> int:
        """The most activations that a layer has, for an example."""
        return self.width


class TransformerSettings(_BuiltIn):
    """Encoder-only, of the tokens m and n, say, read at the last; no biases (Sec. 2.3, App. G)."""

    name: Literal["transformer"] = "transformer"
    width: Width = Field(default=128, description="d, the embedding dimension")
    depth: Depth = Field(default=1, description="blocks of attention and MLP")
    heads: Annotated[
        int,
        Field(ge=1, le=1000),
        Rule("must be a whole number from 1 to 1000", "Use 4, and a width that it divides."),
    ] = Field(default=4, description="attention heads; they divide the width")
    tied: Annotated[bool, Rule("must be true or false", "Use false for two matrices.")] = Field(
        default=False, description="whether the output matrix is the token embedding"
    )
    tied_init: Annotated[
        TiedInit, Rule("must be read_out or embedding", "Use read_out for the published code's.")
    ] = Field(
        default="read_out",
        description="variance of a tied matrix's initial weights: read_out (1/d) or embedding (1)",
    )
    scaling: Annotated[
        Literal["mup", "standard"], Rule("must be mup or standard", "Use mup for the paper's.")
    ] = Field(
        default="mup",
        description="mup: attention over d_head, logits over d; standard: attention over √d_head",
    )
    dropout: Dropout = Field(
        default=0.0, description="probability of dropping an activation at dropout_sites in a step"
    )
    dropout_sites: Annotated[
        DropoutSites,
        Rule("must be everywhere or sublayers", "Use everywhere for the published code's."),
    ] = Field(
        default="everywhere",
        description="where dropout acts: sublayers (what attention and MLPs add) or everywhere "
        "(also embeddings and attention weights)",
    )
    normalization: Annotated[
        Literal["layer_norm"] | None,
        Rule("must be layer_norm or none", "Leave it out for the paper's."),
    ] = Field(default=None, description="before attention, MLP and output: layer_norm or none")
    takes_tokens: ClassVar[bool] = True
    later: ClassVar[Mapping[str, Later]] = {
        **_BuiltIn.later,
        "tied_init": Later(before="embedding", acts_with="tied"),
        "dropout_sites": Later(before="sublayers", acts_with="dropout"),
    }

    @model_validator(mode="after")
    def _heads_divide(self) -> TransformerSettings:
        if self.width % self.heads:
            raise ConfigError(
                f"`heads` must divide the width {self.width}, got {self.heads}. "
                f"Use {max(h for h in range(1, self.heads) if self.width % h == 0)}."
            )
        return self

    @property
    def widest(self) -> int:
        """The most activations that a layer has, for an example."""
        return 4 * self.width


class ImageMLPSettings(_BuiltIn):
    """ReLU layers and a linear output on arrays of features, without biases (App. H)."""

    name: Literal["image_mlp"] = "image_mlp"
    width: Width = Field(default=256, description="N, neurons of each hidden layer")
    depth: Annotated[
        int,
        Field(ge=1, le=100),
        Rule("must be a whole number from 1 to 100", "Use 4 for the paper's."),
    ] = Field(default=4, description="layers of weights")
    dropout: Dropout = Field(
        default=0.0, description="probability of dropping a neuron's pre-activation in a step"
    )
    normalization: Annotated[Normalization | None, _NORM_RULE] = Field(
        default=None, description=f"after each activation: {_NORMS}"
    )
    takes_tokens: ClassVar[bool] = False

    @property
    def widest(self) -> int:
        """The most activations that a layer has, for an example."""
        return self.width


class OwnModel(Own):
    """An architecture of the user's own; see `models.network.Network`."""

    fixed: ClassVar[int] = 3
    method: ClassVar[str | None] = "init"
    takes_tokens: ClassVar[bool | None] = None

    @property
    def widest(self) -> int:
        """Its `width`, if that is a number of units, or the paper's."""
        width = self.settings.get("width")
        return width if isinstance(width, int) and width >= 1 else TwoLayerSettings().width


Model = TwoLayerSettings | DeepMLPSettings | TransformerSettings | ImageMLPSettings | OwnModel
PARTS["model"] = get_args(Model)
