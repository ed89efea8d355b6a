"""Networks measured, one or several in one compiled call."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from grokscope.data.dataset import Dataset
from grokscope.errors import ConfigError
from grokscope.experiment.own_code import OwnCode, call, split_measures
from grokscope.measures.examples import Examples
from grokscope.measures.material import Material, Numbers
from grokscope.measures.scores import (
    AnyArray,
    Tiles,
    answering,
    matrices,
    measured_layers,
    score_subsets,
    score_values,
    vectors_ipr,
)
from grokscope.measures.spectrum import Waves, neuron_ipr
from grokscope.measures.table import Source, network_measures, scores
from grokscope.models.network import Network, arrays_of, vector_matrices
from grokscope.models.precision import in_own_precision
from grokscope.training.compile import compiled, on_accelerator
from grokscope.training.members import How, filled, member, over_members, stacked


@dataclass(frozen=True)
class Measurement:
    """One network at one step.

    Attributes:
        scores: a number for each of `table.scores`, by name.
        norm: Frobenius norm of each weight matrix.
        ipr: IPR of each unit's vector in each matrix that has vectors over tokens, NaN for a
            dead one (Eq. 3); none if the task has no group.
        asked: what the experiment's `measures` return, by name.
    """

    scores: dict[str, float]
    norm: Float[np.ndarray, "matrix"]
    ipr: Float[np.ndarray, "vectors unit"]
    asked: dict[str, float]


def measure(model: Network, examples: Examples) -> Measurement:
    """Measure a network; IPR in the spectrum of the task's group, if it has one."""
    return measure_together(model, examples.tiles, {0: examples}, "alone")[0]


def scores_on(examples: Examples, network: Network) -> dict[str, float]:
    """All of `table.scores` of a network."""
    loss = examples.experiment.loss
    sums, *_ = _numbers(network, examples.tiles, examples.waves, loss, "alone")
    return _means(np.asarray(sums), examples.counts)


def measure_together(
    models: Network,
    tiles: Tiles,
    wanted: Mapping[int, Examples],
    how: How,
) -> dict[int, Measurement]:
    """Measure networks of an ensemble in one compiled call.

    Args:
        models: all its networks, stacked unless one is alone.
        tiles: of their examples, stacked in the same way.
        wanted: the examples of those to measure, by their places; all of one `ensemble_key`.
        how: how they are computed.
    """
    examples = next(iter(wanted.values()))
    found = _numbers(models, tiles, examples.waves, examples.experiment.loss, how)
    sums, norms, iprs = (
        np.asarray(array)[None] if how == "alone" else np.asarray(array) for array in found
    )
    asked = _asked(models, wanted, how)
    return {
        place: Measurement(
            scores=_means(sums[place], examples.counts),
            norm=norms[place].astype(np.float32),
            ipr=iprs[place].astype(np.float32),
            asked=asked[place],
        )
        for place, examples in wanted.items()
    }


@compiled("loss", "how")
def _numbers(
    models: Network, tiles: Tiles, waves: Waves | None, loss: str, how: How
) -> tuple[Array, Array, Array]:
    """Of each network: sums [tile, value, subset] of what scores are means of, the Frobenius norm
    of each matrix, and the IPR of each vector.
    """

    def of_one(model: Network, tiles: Tiles) -> tuple[Array, Array, Array]:
        answers = answering(model, loss)

        def sums(tile: Tiles) -> Array:
            of_tile = answers(tile.inputs, tile.given, tile.true)
            values = [value(of_tile)[:, None] for value in score_values()]
            return jnp.stack([jnp.where(tile.subsets, some, 0.0).sum(axis=0) for some in values])

        arrays = arrays_of(model)
        iprs = [
            vectors_ipr(arrays[name], waves) for name in vector_matrices(model) if waves is not None
        ]
        norms = [jnp.sqrt(jnp.square(array).sum()) for array in matrices(arrays).values()]
        return jax.lax.map(sums, tiles), _stack(norms, 1), _stack(iprs, 2)

    return over_members(of_one, how)(models, tiles)


def _stack(arrays: Sequence[AnyArray], ndim: int) -> Array:
    """The arrays as one; an empty one of none."""
    return jnp.stack([*map(jnp.asarray, arrays)]) if arrays else jnp.zeros((0,) * ndim)


def _means(
    sums: Float[np.ndarray, "tile value subset"], counts: Int[np.ndarray, "subset"]
) -> dict[str, float]:
    """All of `table.scores`; NaN for a mean over no examples."""
    with np.errstate(invalid="ignore"):
        means = sums.sum(axis=0, dtype=np.float64) / counts
    values, subsets = score_values(), score_subsets()
    return {
        name: float(means[values.index(row.value), subsets.index(row.subset)])
        for name, row in scores().items()
    }


@in_own_precision
def _asked(
    models: Network, wanted: Mapping[int, Examples], how: How
) -> dict[int, dict[str, float]]:
    """What the experiments' `measures` return: built-in ones by name, and the user's own."""
    asked = next(iter(wanted.values())).experiment.measures
    if not asked:
        return {place: {} for place in wanted}
    names, codes = split_measures(asked)
    networks = [member(models, place, how) for place in wanted]
    return {
        place: found | {c.function: own_measure(c, network, examples.dataset) for c in codes}
        for (place, examples), network, found in zip(
            wanted.items(), networks, of_networks(networks, [*wanted.values()], names), strict=True
        )
    }


def embedding_ipr(
    model: Network, measured: Sequence[Measurement]
) -> Float[np.ndarray, "step neuron"]:
    """IPR_k at every measurement, of the layer next to the input; no neurons if none has any."""
    layers = measured_layers(model)
    if not layers or not measured[0].ipr.size:
        return np.zeros((len(measured), 0))
    rows = len(next(iter(layers.values())).vectors)
    return neuron_ipr(np.stack([m.ipr[:rows] for m in measured]))


@in_own_precision
def own_measure(code: OwnCode, model: Network, dataset: Dataset) -> float:
    """What a user's measure returns.

    Raises:
        ConfigError: if it may not be run, takes other arguments, or returns no number.
    """
    value = np.asarray(call(code, model, dataset))
    if value.size != 1 or value.dtype.kind not in "biuf":
        raise ConfigError(
            f"`{code.label}` must return a number, got {value.dtype} "
            f"{list(value.shape)}. Mend the function."
        )
    return float(value.item())


def with_meaning(network: Network, examples: Examples, names: Collection[str]) -> list[str]:
    """Those of some `network_measures` that have a meaning for a network; none is computed.

    Args:
        network: the network, or one with shapes in place of arrays.
        examples: what it is trained and tested on.
        names: which.
    """
    of = partial(_of, examples.experiment.loss, _sources(names))
    found = jax.eval_shape(of, network, examples.material)
    return [name for name in names if name in found]


def of_networks(
    networks: Sequence[Network],
    examples: Sequence[Examples],
    names: Collection[str],
    how: How | None = None,
) -> list[dict[str, float]]:
    """Some of `network_measures` of each network, by name; on an accelerator in one compiled call.

    Args:
        networks: all of one shape.
        examples: what each was trained and tested on; all of one `ensemble_key`.
        names: which measures.
        how: how they are computed; by default as is best on this machine's device.

    Returns:
        Of each network the measures that have a meaning for it.
    """
    sources = _sources(names)
    loss, materials = examples[0].experiment.loss, [some.material for some in examples]
    if how is None and not on_accelerator():
        with np.errstate(invalid="ignore", divide="ignore"):
            each = [*map(partial(_of, loss, sources), networks, materials)]
    else:
        how = how or "at once"
        pairs = filled([*zip(networks, materials, strict=True)])
        found = _of_stacked(*stacked(pairs, how), loss, sources, how)
        each = [{name: found[name][place] for name in found} for place in range(len(networks))]
    return [{name: float(one[name]) for name in names if name in one} for one in each]


def _sources(names: Collection[str]) -> tuple[Source, ...]:
    """The sources of some `network_measures`, each once."""
    rows = network_measures()
    return tuple(dict.fromkeys(rows[name].source for name in names))


@compiled("loss", "sources", "how")
def _of_stacked(
    models: Network, materials: Material, loss: str, sources: tuple[Source, ...], how: How
) -> dict[str, Num[Array, "member"]]:
    """What the sources say of each network of an ensemble, by name."""
    return over_members(partial(_of, loss, sources), how)(models, materials)


@in_own_precision
def _of(loss: str, sources: tuple[Source, ...], network: Network, material: Material) -> Numbers:
    """What the sources say of a network, by name."""
    return {
        name: number
        for source in sources
        for name, number in source(network, material, loss).items()
    }
