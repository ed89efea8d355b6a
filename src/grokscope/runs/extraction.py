"""A finished run's network reduced to the strongest frequencies of each unit, and its controls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Int

from grokscope.errors import ConfigError, require_whole, whole_numbers
from grokscope.measures.attribution import layer_of_terms
from grokscope.measures.examples import Examples
from grokscope.measures.extraction import Waves
from grokscope.measures.logits import scores_of
from grokscope.measures.scores import measured_layers
from grokscope.measures.table import scores
from grokscope.measures.together import scores_on
from grokscope.measures.vote import vote_answers, vote_logits, vote_order
from grokscope.models.network import Network
from grokscope.models.precision import in_own_precision
from grokscope.runs.run import Run, require_finished
from grokscope.runs.snapshot import with_network
from grokscope.runs.start import root_of, state_at
from grokscope.training.networks import init_model

COUNTS = 12
"""Points on an extraction curve, at equal ratios from 1 to all frequencies."""

FIRST_STEPS = 10
"""Steps of the youngest network that is extracted: by then most labels are memorised."""

KINDS = {
    "network": "the trained network",
    "vote": "the training labels alone, projected on waves; no network",
    "random_phases": "the trained network's frequencies at random phases",
    "shuffled": "the trained network, waves over the residues in a random order",
    "untrained": "the network before training",
    "first_steps": f"the network after {FIRST_STEPS} steps",
}
"""What is extracted: the network first, then its controls."""


def extract(run: Run, frequencies: int = 1, order: Int[np.ndarray, "residue"] | None = None) -> Run:
    """The run's network with nothing but the strongest frequencies of each unit.

    Each of a unit's vectors over the residues is replaced by its waves of the unit's strongest
    frequencies, as `measures.extraction.Waves` ranks them. All else of the network stays.

    Args:
        run: with its weights.
        frequencies: how many each unit keeps, from 1 to ⌊p/2⌋ + 1.
        order: the residues in the order in which a wave runs over them; by default in the order in
            which the operation is a shift.

    Returns:
        A run of the same experiment with the reduced network, scored on the same data at its last
        step. It can be pruned, audited and drawn, but not stored. Compare it with the controls of
        `extraction_curve`: alone it does not say what the network has learned.

    Raises:
        ConfigError: if the run diverged or was stored without weights, none of its units has a
            vector over residues, or an argument is out of range.

    >>> from grokscope import Experiment, train
    >>> run = train(Experiment(steps=20, modulus=7, width=16))
    >>> extract(run, 1)
    <Run 3687b8355914 with 1 frequency a unit: confusion, train 0.21, test 0.08, 20 steps>
    """
    network, order = _extractable(run, order)
    waves = Waves(network, order)
    require_whole("frequencies", frequencies, 1, "Use 1.", waves.n_frequencies)
    word = "frequency" if frequencies == 1 else "frequencies"
    return with_network(run, waves.strongest(frequencies), f"{frequencies} {word} a unit")


@in_own_precision
def extraction_curve(run: Run, counts: Sequence[int] | None = None, seed: int = 0) -> xr.Dataset:
    """What a network can do with so many frequencies a unit, beside what needs no training.

    Args:
        run: with its weights.
        counts: how many frequencies a unit keeps; by default 12 numbers from 1 to all.
        seed: of the random phases and of the shuffled order.

    Returns:
        Every score over `kind`, one of `KINDS`, and `frequencies`. The vote has no units, and is
        the same for all counts; an example without any vote counts as answered wrongly. Of a
        network from elsewhere nobody knows how it began: it has no controls by younger networks.

    Raises:
        ConfigError: as of `extract`.

    >>> from grokscope import Experiment, train
    >>> run = train(Experiment(steps=20, modulus=7, width=16))
    >>> dict(extraction_curve(run).sizes)
    {'kind': 6, 'frequencies': 4}
    """
    network, order = _extractable(run, None)
    require_whole("seed", seed, 0, "Use 0.")
    loss, dataset = run.experiment.loss, run.data
    examples = Examples(dataset, run.experiment)
    waves = {kind: Waves(*pair) for kind, pair in _controls(run, order, seed).items()}
    waves["network"] = Waves(network, order)
    alone = ["random_phases"] if vote_order(dataset) is None else ["vote", "random_phases"]
    kinds = [kind for kind in KINDS if kind in (*alone, *waves)]
    some = _counts(counts, waves["network"].n_frequencies)
    vote = {}
    if "vote" in kinds:
        logits = vote_logits(dataset, order)
        vote = scores_of(logits, dataset, loss, vote_answers(logits))

    def scores_at(kind: str, count: int) -> dict[str, float]:
        if kind == "vote":
            return vote
        if kind == "random_phases":
            return scores_on(examples, waves["network"].with_random_phases(count, seed))
        return scores_on(examples, waves[kind].strongest(count))

    found = [[scores_at(kind, count) for count in some] for kind in kinds]
    return xr.Dataset(
        {
            name: (
                ("kind", "frequencies"),
                [[at[name] for at in of_kind] for of_kind in found],
                row.attrs,
            )
            for name, row in scores().items()
        },
        {
            "kind": ("kind", kinds, {"description": "what is extracted"}),
            "frequencies": ("frequencies", some, {"description": "frequencies that a unit keeps"}),
        },
        {"seed": seed, "loss": loss},
    )


def beyond_vote(curve: xr.Dataset) -> xr.DataArray:
    """Test accuracy of the extracted network less that of the training labels alone.

    Args:
        curve: an `extraction_curve`.

    Returns:
        Over `frequencies`; NaN of tasks whose labels have no vote.
    """
    test = curve.test_accuracy
    vote = test.sel(kind="vote", drop=True) if "vote" in test.kind else np.nan
    return test.sel(kind="network", drop=True) - vote


def _controls(
    run: Run, order: Int[np.ndarray, "residue"], seed: int
) -> dict[str, tuple[Network, Int[np.ndarray, "residue"]]]:
    """Networks and orders that are extracted as the trained one is, by their kind."""
    shuffled = {"shuffled": (run.network, np.random.default_rng(seed).permutation(order))}
    if run.elsewhere is not None:
        return shuffled
    root = root_of(run.experiment)
    first = state_at(root, min(FIRST_STEPS, root.steps))
    return shuffled | {
        "untrained": (init_model(root), order),
        "first_steps": (first.model, order),
    }


def _counts(counts: Sequence[int] | None, n: int) -> list[int]:
    """How many of n frequencies a unit keeps, ascending, each once."""
    if counts is None:
        return np.unique(np.geomspace(1, n, COUNTS).round().astype(int)).tolist()
    return sorted({*whole_numbers("counts", counts, 1, n, "Leave it out.")})


def _extractable(
    run: Run, order: Int[np.ndarray, "residue"] | None
) -> tuple[Network, Int[np.ndarray, "residue"]]:
    """A run's network and the order of its residues.

    Raises:
        ConfigError: if there is nothing to extract, or the order is no order of residues.
    """
    require_finished(run, "extracted")
    network, task = run.network, run.experiment.task
    shift_order = run.data.shift_order if task.has_tokens else None
    if shift_order is None or not measured_layers(network):
        raise ConfigError(
            "`run` must be of a network whose units have vectors over a cyclic group, got "
            f"{run.experiment.model.name} of {task.title}. {_without_waves(network)}"
        )
    if order is None:
        return network, shift_order
    residues = whole_numbers("order", order, 0, run.experiment.n_inputs - 1, "Leave it out.")
    if twice := [residue for residue in residues if residues.count(residue) > 1]:
        raise ConfigError(
            f"`order` must hold each residue at most once, got {twice[0]} twice. Leave it out."
        )
    return network, np.array(residues)


def _without_waves(network: Network) -> str:
    """What can be asked of a network that has nothing to extract, a sentence."""
    if layer_of_terms(network):
        return "Use run.neurons() or `grokscope show`: what each unit adds to labels needs none."
    if network.layers:
        return "Prune it by norm, which needs none."
    return "Give the network `layers`."
