"""Networks in PyTorch, which is imported here alone: the user's, and the built-in ones."""

# pyright: reportMissingImports=false
# PyTorch is optional: types are checked where it is installed.

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import equinox as eqx
import jax
import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import batch_norm, layer_norm

from grokscope.errors import ConfigError
from grokscope.models.deep_mlp import DeepMLP
from grokscope.models.image_mlp import ImageMLP
from grokscope.models.network import Network
from grokscope.models.normalization import EPS, MOMENTUM, Statistics
from grokscope.models.outside import Forward
from grokscope.models.tokens import tables_of
from grokscope.models.transformer import Transformer
from grokscope.models.two_layer import TwoLayer


def arrays_of_module(module: Any) -> dict[str, np.ndarray]:
    """The floating-point parameters and buffers of a module or of its state dict, by name.

    Raises:
        ConfigError: if it is neither, or one is of another kind of floats than float32.
    """
    state = module.state_dict() if isinstance(module, nn.Module) else module
    if not isinstance(state, Mapping) or not all(map(torch.is_tensor, state.values())):
        raise ConfigError(
            f"`module` must be a torch.nn.Module or its state dict, got {type(module).__name__}. "
            "Use from_arrays for arrays."
        )
    found = {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
    for name, tensor in found.items():
        if tensor.dtype != torch.float32:
            raise ConfigError(
                f"`module` must hold float32, got {str(tensor.dtype).removeprefix('torch.')} for "
                f"{name}. Use module.float()."
            )
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in found.items()}


def forward_of(module: Any) -> Forward:
    """What calls a copy of a module, in evaluation, with other arrays in place of its own.

    Raises:
        ConfigError: if it is no module.
    """
    if not isinstance(module, nn.Module):
        raise ConfigError(
            f"`module` must be a torch.nn.Module where `layers` are given, got "
            f"{type(module).__name__}, which gives no logits. Use the module itself."
        )
    called = deepcopy(module).cpu().eval()

    def forward(arrays: Mapping[str, np.ndarray], inputs: np.ndarray) -> np.ndarray:
        tensors = {name: torch.tensor(array) for name, array in arrays.items()}
        examples = torch.tensor(inputs)
        examples = examples if examples.is_floating_point() else examples.long()
        with torch.no_grad():
            return np.asarray(functional_call(called, tensors, (examples,), tie_weights=False))

    return forward


def to_torch(network: Network) -> nn.Module:
    """A built-in network as a module whose parameters have our names, with dots for underscores.

    Raises:
        ConfigError: if it is no built-in one.
    """
    if type(network) not in FORWARD:
        raise ConfigError(
            f"`run` must be of a built-in network, got {type(network).__name__}. Use "
            "run.network for its arrays."
        )
    return InTorch(network).eval()


class Weights(nn.Module):
    """The arrays and settings of a network or of a part of one, under the names of its fields."""

    def __init__(self, part: eqx.Module) -> None:
        super().__init__()
        for name, value in vars(part).items():
            if isinstance(part, Statistics):
                self.register_buffer(name, torch.tensor(np.asarray(value)))
            else:
                setattr(self, name, _in_torch(value))


def _in_torch(value: Any) -> Any:
    """An array as a parameter, parts as modules; what is neither stays as it is."""
    if isinstance(value, jax.Array):
        return nn.Parameter(torch.tensor(np.asarray(value)))
    if isinstance(value, eqx.Module):
        return Weights(value)
    if isinstance(value, tuple) and any(isinstance(one, jax.Array) for one in value):
        return nn.ParameterList(map(_in_torch, value))
    if isinstance(value, tuple) and any(isinstance(one, eqx.Module) for one in value):
        return nn.ModuleList(map(_in_torch, value))
    return value


class InTorch(Weights):
    """A built-in network: in evaluation its logits are those of the network that it was made of.

    It can be trained on; dropout is a setting of training, and not of the network.
    """

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.architecture = type(network)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits of tokens [example, operand], or of features."""
        return FORWARD[self.architecture](self, inputs)


def _normalized(norm: Any, h: torch.Tensor) -> torch.Tensor:
    """Behind a norm layer, if there is one."""
    if norm is None:
        return h
    if not hasattr(norm, "running"):
        return layer_norm(h, h.shape[-1:], norm.gamma, norm.beta, EPS)
    mean, variance = norm.running.mean, norm.running.variance
    return batch_norm(h, mean, variance, norm.gamma, norm.beta, norm.training, MOMENTUM, EPS)


def _dense(net: Any, h: torch.Tensor, hidden: Any) -> torch.Tensor:
    """Logits from the first layer's activations, by ReLU layers."""
    h = _normalized(net.norms[0], h)
    for matrix, norm in zip(hidden, list(net.norms)[1:], strict=True):
        h = _normalized(norm, (h @ matrix.T).relu())
    return h @ net.W.T


def _summed(net: Any, inputs: torch.Tensor) -> torch.Tensor:
    """The sum of the rows of every operand."""
    return torch.stack([U[m] for U, m in zip(tables_of(net), inputs.T, strict=True)]).sum(dim=0)


def _two_layer(net: Any, inputs: torch.Tensor) -> torch.Tensor:
    h = _summed(net, inputs)
    h = h.square() if net.activation == "quadratic" else h.relu()
    return _normalized(net.norm, h) @ net.W.T


def _deep_mlp(net: Any, inputs: torch.Tensor) -> torch.Tensor:
    return _dense(net, _summed(net, inputs).relu(), net.hidden)


def _image_mlp(net: Any, inputs: torch.Tensor) -> torch.Tensor:
    x = inputs.flatten(start_dim=1).float()
    x = x / 255 if inputs.dtype == torch.uint8 else x
    first, *hidden = net.hidden or [None]
    return x @ net.W.T if first is None else _dense(net, (x @ first.T).relu(), hidden)


def _transformer(net: Any, inputs: torch.Tensor) -> torch.Tensor:
    x = net.E[inputs] + net.P  # [example, position, d]
    n_units = x.shape[-1]
    per_head = n_units // net.heads
    scale = 1 / per_head if net.scaling == "mup" else per_head**-0.5
    for block in net.blocks:
        h = _normalized(block.attention_norm, x)
        matrices = block.query, block.key, block.value
        split = [(h @ matrix.T).unflatten(-1, (net.heads, per_head)) for matrix in matrices]
        query, key, value = (part.transpose(1, 2) for part in split)  # [example, head, position, …]
        weights = (query @ key.transpose(2, 3) * scale).softmax(dim=-1)
        x = x + (weights @ value).transpose(1, 2).flatten(start_dim=2) @ block.output.T
        h = _normalized(block.mlp_norm, x)
        x = x + (h @ block.expand.T).relu() @ block.contract.T
    features = _normalized(net.norm, x[:, -1])
    features = features / n_units if net.scaling == "mup" else features
    return features @ (net.E if net.W is None else net.W).T


FORWARD: dict[type[Network], Callable[[Any, torch.Tensor], torch.Tensor]] = {
    TwoLayer: _two_layer,
    DeepMLP: _deep_mlp,
    ImageMLP: _image_mlp,
    Transformer: _transformer,
}
"""How each built-in network gives logits."""
