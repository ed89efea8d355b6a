"""What a network is measured on."""

from __future__ import annotations

from functools import cached_property

import jax.numpy as jnp
import numpy as np

from grokscope.data.corruption import second_labels
from grokscope.data.dataset import Dataset
from grokscope.experiment.experiment import Experiment
from grokscope.measures.logits import rule_values
from grokscope.measures.material import Material, on_host
from grokscope.measures.scores import Tiles, score_subsets
from grokscope.measures.spectrum import Waves
from grokscope.measures.symmetricity import draws_of
from grokscope.measures.vote import vote_order, vote_spectra
from grokscope.training.compile import on_accelerator
from grokscope.training.cost import tile_size, tiled


class Examples:
    """A dataset as tiles on the device; made once for a run.

    Args:
        dataset: the examples.
        experiment: of the networks that they are for.
    """

    def __init__(self, dataset: Dataset, experiment: Experiment) -> None:
        self.dataset, self.experiment = dataset, experiment
        subsets = np.stack([subset(dataset) for subset in score_subsets()], axis=1)
        arrays = dataset.inputs, dataset.given_labels, dataset.true_labels
        size = tile_size(len(dataset.inputs), experiment.model.widest)
        tiles = [tiled(array, size) for array in arrays] + [tiled(subsets, size, "constant")]
        self.tiles = Tiles(*map(jnp.asarray, tiles))
        self.waves = None if dataset.group is None else Waves.of(dataset.group)
        self.counts = subsets.sum(axis=0)

    @cached_property
    def material(self) -> Material:
        """What measures of a whole network are made from."""
        data, experiment = self.dataset, self.experiment
        voting = vote_order(data)
        is_of_pairs = experiment.task.has_tokens and data.inputs.shape[1] == 2
        has_second = experiment.corruption == "second_rule"
        return Material(
            tiles=self.tiles if on_accelerator() else on_host(self.tiles),
            is_train=data.is_train,
            is_corrupted=data.is_corrupted,
            is_wrong=data.is_wrong,
            waves=self.waves,
            order=data.shift_order,
            values=rule_values(data),
            votes=None if voting is None else vote_spectra(data, voting),
            draws=draws_of(data) if is_of_pairs else None,
            second=second_labels(experiment, data.inputs) if has_second else None,
        )
