"""A finished run, and the file that holds one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from grokscope.data.dataset import Dataset, make_dataset, with_labels
from grokscope.data.groups import why_no_group
from grokscope.errors import ConfigError, StoreError, require_kind
from grokscope.experiment.experiment import SCHEMA, Experiment, digest
from grokscope.experiment.tasks import MNIST
from grokscope.measures.phases import Phase, classify
from grokscope.measures.spectrum import neuron_ipr
from grokscope.models.network import Network, with_arrays
from grokscope.models.outside import Outside
from grokscope.runs.files import read_dataset, write_dataset
from grokscope.runs.record import with_bits, with_floats
from grokscope.training.networks import model_shapes


class Elsewhere(NamedTuple):
    """What a run of a network that was not trained here has, and no experiment can make.

    Attributes:
        network: the network.
        data: what it was trained and tested on.
    """

    network: Network
    data: Dataset

    @property
    def unknown(self) -> tuple[str, ...]:
        """Settings and parts of the run's experiment that say nothing of the network."""
        of_training = "optimizer", "steps", "batch_size", "seeds", "dropout"
        return (*of_training, "model") if isinstance(self.network, Outside) else of_training


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A finished run.

    Attributes:
        experiment: the complete configuration.
        dataset: every measurement over `step`, and the final weights; each variable has a
            description and units among its attributes.
        path: the file, or None if the run was not stored.
        elsewhere: network and data, if the network was trained elsewhere; see
            `runs.elsewhere.run_of`.

    >>> import jax.numpy as jnp
    >>> from grokscope import train
    >>> run = train(Experiment(steps=0).replace(modulus=7, width=4))
    >>> run
    <Run 85d54113d701: confusion, train 0.12, test 0.20, 0 steps>
    >>> run.network(jnp.array([[1, 2]])).shape, run.data.n_train
    ((1, 7), 24)
    """

    experiment: Experiment
    dataset: xr.Dataset
    path: Path | None = None
    elsewhere: Elsewhere | None = None

    def __repr__(self) -> str:
        if self.failed_at is not None:
            return f"<Run {self.name}: diverged at step {self.failed_at}>"
        train, test = (self.final[f"{part}_accuracy"].item() for part in ("train", "test"))
        phase = " or ".join(str(phase).replace("_", " ") for phase in self.phases)
        steps = f", {self.final.step.item()} steps" if self.elsewhere is None else ""
        return f"<Run {self.name}: {phase}, train {train:.2f}, test {test:.2f}{steps}>"

    @property
    def digest(self) -> str:
        """The name of the experiment's result.

        Raises:
            ConfigError: if the network was trained elsewhere.
        """
        require_trained_here(self, "named by its experiment or stored")
        return digest(self.experiment)

    @property
    def name(self) -> str:
        """What it is called where it is shown."""
        name = self.digest[:12] if self.elsewhere is None else "from elsewhere"
        return f"{name} with {self.derived}" if self.derived else name

    @property
    def failed_at(self) -> int | None:
        """The first step whose loss was not finite, or None."""
        return self.dataset.attrs.get("failed_at")

    @property
    def settled_at(self) -> int | None:
        """The step at which the run stopped early because its phase had settled, or None."""
        return self.dataset.attrs.get("settled_at")

    @property
    def derived(self) -> str | None:
        """How the network was made from the trained one, in words; None of the trained one."""
        return self.dataset.attrs.get("derived")

    @property
    def has_weights(self) -> bool:
        """Whether the final weights are there; a sweep stores runs without them."""
        from grokscope.runs import compact  # which makes runs itself

        return compact.kind_of(self.dataset) == compact.WHOLE

    @property
    def neurons_required(self) -> int | None:
        """The fewest neurons that generalise; None if none do, or the run has its weights."""
        from grokscope.runs import compact

        return compact.neurons_required(self.dataset)

    @property
    def final(self) -> xr.Dataset:
        """The last measurement."""
        return self.dataset.isel(step=-1)

    @cached_property
    def network(self) -> Network:
        """The trained network.

        Raises:
            ConfigError: if the run was stored without its weights.
        """
        if self.elsewhere is not None:
            return self.elsewhere.network
        if not self.has_weights:
            raise ConfigError(
                f"`run` must have its weights, got {self.digest[:12]}, which a sweep stored "
                "without. Train it again with `train`."
            )
        arrays = {name: array.values for name, array in self.dataset.data_vars.items()}
        return with_arrays(model_shapes(self.experiment), arrays)

    @cached_property
    def data(self) -> Dataset:
        """The examples that the network was trained and tested on.

        Of tokens whose labels code of the user's own made, they are read from the run.

        Raises:
            ConfigError: if the user's code is needed and is not allowed to run, or makes other
                data than the run was trained on.
        """
        if self.elsewhere is not None:
            return self.elsewhere.data
        stored = self.dataset
        if "true_labels" in stored and self.experiment.task.has_tokens:
            true, given = stored.true_labels.values, stored.given_labels.values
            is_corrupted = stored.is_corrupted.values == 1
            inputs = stored.inputs.values if "inputs" in stored else None
            return with_labels(self.experiment, true, given, is_corrupted, inputs)
        data = make_dataset(self.experiment)
        if data.sha256 != stored.attrs.get("data_sha256", data.sha256):
            raise ConfigError(
                f"`task` must make the data that run {self.digest[:12]} was trained on, got other "
                "arrays. Restore what the function reads, or train again."
            )
        return data

    @property
    def neuron_ipr(self) -> Float[np.ndarray, "neuron"]:
        """IPR_k of each neuron at the end of training; NaN for a dead neuron (Eq. 4).

        It is that of the layer next to the input; in a Transformer the neurons are coordinates of
        its embedding. Empty if no unit has a weight vector over tokens, or these are no group.
        """
        return self.layer_ipr()

    def layer_ipr(self, layer: str | None = None) -> Float[np.ndarray, "neuron"]:
        """IPR_k of each neuron of a layer at the end of training; NaN for a dead neuron (Eq. 4).

        Args:
            layer: a layer that has an IPR, such as first or last of an MLP; by default the one
                next to the input.

        Raises:
            ConfigError: if the network has no such layer.
        """
        found = self.layer_iprs
        if layer is None:
            return next(iter(found.values()), np.zeros(0))
        if not isinstance(layer, str) or layer not in found:
            raise ConfigError(
                f"`layer` must be one that has an IPR, got {layer!r}. "
                + (f"Use one of {', '.join(found)}." if found else f"None has: {self.why_no_ipr}.")
            )
        return found[layer]

    @property
    def why_no_ipr(self) -> str | None:
        """Why no neuron has an IPR, as a clause; None if some has."""
        task = self.experiment.task
        if self.layer_iprs:
            return None
        if isinstance(task, MNIST) or not task.has_tokens:
            return "its inputs are no tokens"
        return why_no_group(task) if self.data.group is None else "no unit has a vector over tokens"

    @property
    def layer_iprs(self) -> dict[str, Float[np.ndarray, "neuron"]]:
        """The IPR of every layer that has one, by name; the layer next to the input is first."""
        from grokscope.runs import compact

        if not self.has_weights:
            return compact.layer_iprs(self.dataset)
        if "ipr" not in self.dataset:
            return {}
        of_three = ["hidden"] * 3  # in old files, of two-layer networks
        layers = np.asarray(self.dataset.coords.get("layer", of_three))
        last = self.final.ipr.values
        return {str(name): neuron_ipr(last[layers == name]) for name in dict.fromkeys(layers)}

    @property
    def embedding(self) -> tuple[str, Float[np.ndarray, "token neuron"]]:
        """The first matrix that has an IPR: its name, and itself.

        Only of a run with weights, whose neurons have an IPR.
        """
        of_old_files = ["U"]  # of two-layer networks
        matrix = str(np.asarray(self.dataset.coords.get("vectors", of_old_files))[0])
        return matrix, self.dataset[matrix].values.astype(float)

    @property
    def _second_rule_accuracy(self) -> float:
        """At the end; NaN without a second rule."""
        found = self.dataset.get("second_rule_accuracy")
        return float("nan") if found is None else float(found.values.ravel()[-1])

    def phase(self, **thresholds: float) -> Phase:
        """The phase by Table 2, or that the run diverged.

        Of a network from elsewhere nobody knows whether it had generalised before: Confusion may
        then be Forgetting, as `phases` says.

        Args:
            thresholds: `generalizes`, `memorizes` and `slack`, as in `classify`.
        """
        if self.failed_at is not None:
            return Phase.DIVERGED
        return classify(
            self.final.train_accuracy.item(),
            self.final.test_accuracy.item(),
            self.dataset.test_accuracy.max().item(),
            self.experiment.corruption_fraction,
            self._second_rule_accuracy,
            **thresholds,
        ).item()

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All that its phase may be: one, but for Confusion of a network from elsewhere."""
        phase = self.phase()
        if self.elsewhere is not None and phase == Phase.CONFUSION:
            return phase, Phase.FORGETTING
        return (phase,)


def require_finished(run: Run, purpose: str) -> None:
    """Refuse what is no run, and a run that diverged, before its network is looked at.

    Args:
        run: what was given.
        purpose: what is to be done with it, as in "pruned".

    Raises:
        ConfigError: if it is either.
    """
    require_kind("run", run, Run, "Train the experiment, or open its run.")
    if run.failed_at is not None:
        raise ConfigError(
            f"`run` must have finished to be {purpose}, got one that diverged at step "
            f"{run.failed_at}. Use a smaller learning rate."
        )


def require_trained_here(run: Run, purpose: str) -> None:
    """Refuse a network from elsewhere for what needs its training.

    Args:
        run: any.
        purpose: what is to be done with it, as in "pruned".

    Raises:
        ConfigError: if its network was trained elsewhere.
    """
    if run.elsewhere is not None:
        raise ConfigError(
            f"`run` must have been trained here to be {purpose}, got a network from elsewhere, of "
            "whose training nothing is known. Use train(experiment)."
        )


def write_run(run: Run, path: Path) -> None:
    """Write a run to a file, whole or not at all.

    Raises:
        ConfigError: if its network is not the one that its experiment trains.
        OSError: if the file cannot be written; no part of it is left behind.
    """
    if run.derived:
        raise ConfigError(
            f"`run` must hold the network that its experiment trains, got one with {run.derived}. "
            "Store the trained run, and make this one from it again."
        )
    identity = {
        "experiment": run.experiment.canonical_json(),
        "digest": run.digest,
        "schema_version": SCHEMA,
    }
    write_dataset(path, with_bits(run.dataset.assign_attrs(identity)))


def open_run(path: str | Path) -> Run:
    """Read a run file into memory and check that it is whole.

    Raises:
        StoreError: if the file is missing, truncated, altered, of another schema version, or was
            not written by grokscope.
    """
    require_kind("path", path, (str, Path), "Use the file of a run, as in run.path.")
    path = Path(path)
    if not path.is_file():
        raise StoreError(f"`{path}` must be a run file, got none. Train it with `grokscope train`.")
    dataset = read_dataset(path)
    schema = dataset.attrs.pop("schema_version", None)
    if schema is None and "grid" in dataset.attrs:
        raise StoreError(
            f"`{path}` must be a run file, got a sweep's export. Use `grokscope phases {path}`."
        )
    if schema != SCHEMA:
        raise StoreError(
            f"`{path}` must be of schema version {SCHEMA}, got {schema}. "
            "Open it with the version of grokscope that wrote it, or train again."
        )
    try:
        experiment = Experiment.from_json(dataset.attrs.pop("experiment"))
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"`{path}` must hold a possible experiment, but {error}") from None
    if digest(experiment) != dataset.attrs.pop("digest", None):
        raise StoreError(f"`{path}` must hold the run that its digest names, got another.")
    return Run(experiment, with_floats(dataset), path)
