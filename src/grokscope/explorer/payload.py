"""The data of the page: a sweep's cells, and the run behind each of them, as plain numbers."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy import stats

from grokscope.analysis.neurons import label_map, spaced
from grokscope.errors import ConfigError
from grokscope.experiment.fields import meaning
from grokscope.experiment.own_code import OwnCode
from grokscope.experiment.part import ABSENT
from grokscope.explorer.source import sweep_id
from grokscope.measures.attribution import attribution, features_fit, layer_of_terms
from grokscope.measures.differences import DIFFERENCES
from grokscope.measures.spectrum import power_share
from grokscope.measures.table import MEASURES, Measure, is_reserved
from grokscope.plotting.palette import DIVERGING, PALE, PHASE_COLORS, SEQUENTIAL
from grokscope.plotting.wording import MAP_WORDS, axis_label, words_of
from grokscope.runs.compact import pruning_curves, without_weights
from grokscope.runs.run import Run
from grokscope.runs.summaries import IPR_BINS
from grokscope.sweeps.diagram import FAILED, MISSING, PHASES, corruption_of, grid_of, has_plane

CURVES = ("train_accuracy", "test_accuracy", "corrupted_accuracy")

PRUNED = CURVES[1:]

DECISIVE = ("train_accuracy", "test_accuracy", "peak_test_accuracy", "second_rule_accuracy")
"""Numbers that the page compares with thresholds, and that are therefore not rounded."""

UNITS = 500
"""How many neurons the map of what they add to wrong labels shows, evenly spaced."""

DIGITS = 9999
"""The map's largest number, as a whole number of steps: these are short, and four digits."""

NEURONS = 4
"""How many neurons' weights are shown, evenly spaced by IPR, where the weights are stored."""


def overview(data: xr.Dataset) -> dict[str, object]:
    """A sweep as the page has it.

    Args:
        data: the sweep's dataset.

    Returns:
        A document for JSON: dimensions, and under `cells` a number for each cell by the names in
        `MEASURES` and `DIFFERENCES` and of the user's own measures, the last dimension fastest;
        None where it is missing. `measures` describes those that have a number anywhere, which
        cells can be coloured by. `plane` says whether gaps
        may be filled from the cells around them, `failed` lists cells that never are filled.
        `student` holds, for each number of seeds, how many standard deviations from their mean its
        95 % interval reaches. `map` is what the axes and colours of the map of labels are called.
    """
    names = [str(dim) for dim in data.status.dims]
    dimensions = [
        {
            "name": name,
            "label": axis_label(name),
            "meaning": meaning(name),
            "values": [_word(value) for value in data[name].values.tolist()],
        }
        for name in names
    ]
    shape = data.status.shape
    xi = corruption_of(data).broadcast_like(data.status).transpose(*names)
    counts = np.arange(2, shape[-1] + 1)
    measured = _measured(data)
    cells = {
        name: (_finite if name in DECISIVE else rounded)(values)
        for name, (_, values) in measured.items()
    }
    return {
        "sweep": sweep_id(data),
        "title": ", ".join(_shared(data)),
        "dimensions": dimensions,
        "shape": list(shape),
        "plane": has_plane([data[name].values for name in names[:-1]]),
        "corruption": xi.values.ravel().tolist(),
        "cells": cells,
        "measures": [
            _described(row)
            for name, (row, _) in measured.items()
            if any(value is not None for value in cells[name])
        ],
        "missing": int((data.status.values == MISSING).sum()),
        "failed": np.flatnonzero(data.status.values == FAILED).tolist(),
        "phases": [
            {"name": phase.title, "color": PHASE_COLORS[phase], "meaning": phase.meaning}
            for phase in PHASES
        ],
        "pale": PALE,
        "scales": {"sequential": SEQUENTIAL, "diverging": DIVERGING},
        "map": MAP_WORDS,
        "student": [0, 0, *(stats.t.ppf(0.975, counts - 1) / np.sqrt(counts)).tolist()],
    }


def _measured(data: xr.Dataset) -> dict[str, tuple[Measure, ArrayLike]]:
    """What there is of every cell, and its values: measures, differences, measures of one's own."""
    found: dict[str, tuple[Measure, ArrayLike]] = {
        name: (row, data[name].values) for name, row in MEASURES.items() if name in data
    }
    for name, row in DIFFERENCES.items():
        if (values := row.of(data)) is not None:
            found[name] = row, values
    for name, variable in data.data_vars.items():
        if variable.dims == data.status.dims and not is_reserved(str(name)):
            own = Measure(str(name), variable.attrs.get("description", ""), "own")
            found[own.name] = own, variable.values
    return found


def _described(row: Measure) -> dict[str, str]:
    unit = "" if row.units == "1" else row.units
    meaning = {"name": row.name, "label": row.label, "meaning": row.description}
    return meaning | {"kind": row.kind, "unit": unit}


def _shared(data: xr.Dataset) -> list[str]:
    grid = grid_of(data)
    varied = {name for name, values in grid.values.items() if len(values) > 1}
    return words_of([grid.cell((0,) * len(grid.sizes))], without=varied)


def has_kept_weights(run: Run) -> bool:
    """Whether its network can be looked at over time."""
    return run.failed_at is None and "kept_step" in run.dataset and why_closed(run) is None


def why_closed(run: Run) -> str | None:
    """Why nothing can be asked of a run's network here, as a clause; None if something can."""
    if not run.has_weights:
        return "its weights are not stored (train the sweep with --final-weights)"
    try:
        _ = run.network, run.data  # code of the user's own, or MNIST, may not be at hand
    except (ConfigError, OSError) as error:
        return f"its network or data cannot be made here: {str(error).rstrip('.')}"
    return None


def details(run: Run) -> dict[str, object]:
    """The run behind a cell: curves, norms, IPR, pruning curves, neurons, what units add."""
    data = run.dataset
    found: dict[str, object] = {
        "digest": run.digest,
        "settled_at": run.settled_at,
        "steps": data.step.values.tolist(),
        "curves": {name: rounded(data[name].values) for name in CURVES},
        "norms": {
            str(name): rounded(data.norm.sel(matrix=name).values) for name in data.matrix.values
        },
        "ipr": {
            layer: np.histogram(ipr[~np.isnan(ipr)], IPR_BINS, (0, 1))[0].tolist()
            for layer, ipr in run.layer_iprs.items()
        },
    }
    curves = _pruning_curves(run)
    if curves.data_vars:
        found["pruning"] = {
            str(first): {
                "share": rounded(curves.pruned.values / curves.pruned.values.max()),
                **{name: rounded(curves[name].sel(first=first).values) for name in PRUNED},
            }
            for first in curves["first"].values
        }
    found["has_kept_weights"] = has_kept_weights(run)
    if run.has_weights and run.neuron_ipr.size and run.data.shift_order is not None:
        found["neurons"] = _neurons(run)
    found["attribution"] = _attribution(run)
    return found


def _pruning_curves(run: Run) -> xr.Dataset:
    """Pruning curves, made of the weights where these are stored; none where that is refused."""
    try:
        return pruning_curves(without_weights(run).dataset)
    except (ConfigError, OSError):  # of code that is not at hand, or of wrong `features`
        return xr.Dataset()


def _neurons(run: Run) -> list[dict[str, object]]:
    """Weights and spectra of some neurons' vectors in the first embedding."""
    matrix, vectors = run.embedding
    vectors = vectors[run.data.shift_order]
    by_ipr = np.argsort(run.neuron_ipr, kind="stable")[: np.isfinite(run.neuron_ipr).sum()]
    return [
        {
            "name": f"{matrix}, neuron {neuron}, IPR {run.neuron_ipr[neuron]:.2f}",
            "vector": rounded(vectors[:, neuron]),
            "spectrum": rounded(power_share(vectors[:, neuron])),
        }
        for neuron in spaced(by_ipr, NEURONS).tolist()
    ]


def _attribution(run: Run) -> dict[str, object]:
    """What neurons add to wrong labels and to the rule; or `lacking`, why that is not known."""
    if why := why_closed(run):
        return {"lacking": why}
    if run.failed_at is not None:
        return {"lacking": "its training diverged"}
    network, data = run.network, run.data
    layer = layer_of_terms(network)
    if layer is None or not features_fit(network, data, layer):
        return {"lacking": "its units do not add to the logits"}
    if not data.is_wrong.any():
        return {"lacking": "none of its training labels is wrong"}
    memorizing, generalizing, _ = attribution(network, data, layer)
    found = label_map(run, layer, memorizing)
    places = spaced(np.arange(len(memorizing)), UNITS)
    units, added = found.neurons[places], found.added[:, places]
    step = float(np.abs(added).max()) / DIGITS or 1.0
    ipr = run.layer_iprs.get(layer)
    return {
        "examples": [
            f"{example_name(run, i)} given {data.given_labels[i]}, true {data.true_labels[i]}"
            for i in found.examples.tolist()
        ],
        "ranks": (places + 1).tolist(),
        "units": units.tolist(),
        "step": step,
        "added": np.rint(added / step).astype(int).tolist(),
        "memorizing": rounded(memorizing[units]),
        "generalizing": rounded(generalizing[units]),
        "ipr": None if ipr is None else rounded(ipr[units]),
    }


def example_name(run: Run, index: int) -> str:
    """An example's tokens, or its number."""
    if run.experiment.task.has_tokens:
        return f"({', '.join(map(str, run.data.inputs[index]))})"
    return f"no. {index}"


def _word(value: object) -> object:
    """A coordinate as the page shows it."""
    if isinstance(value, float):
        return round(value, 12) if math.isfinite(value) else ABSENT
    return OwnCode(value).label if isinstance(value, str) else value


def rounded(values: ArrayLike) -> list[float | None]:
    """Numbers with four digits; None for NaN, which JSON does not have."""
    return [None if value is None else float(f"{value:.4g}") for value in _finite(values)]


def _finite(values: ArrayLike) -> list[float | None]:
    """Numbers as they are; None for NaN, which JSON does not have."""
    flat = np.asarray(values, float).ravel().tolist()
    return [value if math.isfinite(value) else None for value in flat]
