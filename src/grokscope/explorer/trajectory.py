"""The data of the page of one network over time, as plain numbers and quantised weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from grokscope.analysis.trajectory import CURVES, Trajectory, trajectory
from grokscope.errors import ConfigError
from grokscope.explorer.page import trajectory_page
from grokscope.explorer.payload import example_name, rounded
from grokscope.plotting.palette import LINES, SEQUENTIAL
from grokscope.plotting.wording import phase_title, words_of
from grokscope.runs.run import Run
from grokscope.runs.summaries import IPR_BINS

LEVELS = 127
"""The largest number that a quantised weight may have: one signed byte."""

MOST_OTHERS = 5
"""How many further runs the page compares: it has a colour for each."""


def whole_page(run: Run, others: Sequence[Run] = ()) -> str:
    """The page of a run with everything that it shows in it.

    Args:
        run: with weights kept over time.
        others: further runs, whose accuracies are drawn beside its own.

    Raises:
        ConfigError: if the run diverged or has not kept its weights over time, or there are too
            many others.
    """
    if len(others) > MOST_OTHERS:
        raise ConfigError(
            f"`source` must be at most {MOST_OTHERS + 1} runs, got {len(others) + 1}. Use fewer."
        )
    followed = trajectory(run)
    return trajectory_page(shown(followed, others), quantized(followed.vectors))


def shown(followed: Trajectory, others: Sequence[Run] = ()) -> dict[str, object]:
    """A network over time as the page has it.

    Args:
        followed: the network at its kept steps.
        others: further runs.

    Returns:
        A document for JSON. `steps` are the kept steps, and `neurons` holds a list over neurons
        for each of them; `vectors` says what `quantized` holds. None stands for NaN.
    """
    run = followed.run
    runs = [run, *others]
    names = [name for name in CURVES if np.isfinite(run.dataset[name].values).any()]
    return {
        "digest": run.digest,
        "title": ", ".join(words_of([run.experiment])),
        "phase": phase_title(run),
        "steps": followed.steps.tolist(),
        "lines": [_line(name) for name in names],
        "runs": [
            {
                "name": name,
                "steps": one.dataset.step.values.tolist(),
                "curves": [rounded(one.dataset[curve].values) for curve in names],
            }
            for name, one in zip(run_names(runs), runs, strict=True)
        ],
        "clean": 1 - run.experiment.corruption_fraction,
        "scale": SEQUENTIAL,
        "bins": IPR_BINS,
        "layer": followed.layer,
        "neurons": {
            name: [rounded(at_step) for at_step in values]
            for name, values in followed.neurons.items()
        },
        "vectors": _vector_words(followed),
        "typical": followed.typical(),
        "examples": _examples(followed),
        "lacking": list(followed.lacking),
    }


def quantized(vectors: Mapping[str, Float[np.ndarray, "step residue neuron"]]) -> bytes:
    """Vectors as whole numbers from -127 to 127, with one scale for each matrix, neuron and step.

    A weight is its number times its scale, and off by half a scale at most.

    Returns:
        All scales as little-endian float32, then all numbers as int8, both with the matrix
        slowest, then the neuron, then the step, and last the residue.
    """
    if not vectors:
        return b""
    values = np.stack([one.transpose(2, 0, 1) for one in vectors.values()])
    scales = (np.abs(values).max(axis=-1) / LEVELS).astype("<f4")
    numbers = np.rint(values / np.where(scales > 0, scales, 1)[..., None]).astype(np.int8)
    return scales.tobytes() + numbers.tobytes()


def run_names(runs: Sequence[Run]) -> list[str]:
    """What each run differs in: its settings, and where it starts from.

    Runs that differ in nothing of this are named by their digests.
    """
    experiments = [run.experiment for run in runs]
    shared = words_of(experiments)
    names = [
        ", ".join(word for word in words_of([experiment]) if word not in shared)
        for experiment in experiments
    ]
    return [
        name if name and names.count(name) == 1 else f"run {run.digest[:8]}"
        for name, run in zip(names, runs, strict=True)
    ]


def _line(name: str) -> dict[str, object]:
    """How a score's line is drawn: its dashes are lengths of strokes and gaps."""
    line = LINES[name]
    dashes = {"-": [], "--": [6, 3], ":": [2, 3], "-.": [7, 3, 2, 3]}
    style = line["ls"]
    dash = dashes[style] if isinstance(style, str) else [5, 2]
    return {"name": name, "label": line["label"], "color": line["color"], "dash": dash}


def _vector_words(followed: Trajectory) -> dict[str, object] | None:
    """Which vectors there are, and the residues that they run over."""
    order = followed.run.data.shift_order
    if not followed.vectors or order is None:
        return None
    return {"names": [*followed.vectors], "residues": order.tolist()}


def _examples(followed: Trajectory) -> list[dict[str, object]]:
    """The examples whose logits are shown, with the logits at each kept step."""
    data = followed.run.data
    return [
        {
            "name": example_name(followed.run, index),
            "given": int(data.given_labels[index]),
            "true": int(data.true_labels[index]),
            "logits": [rounded(at_step) for at_step in followed.logits[:, place]],
        }
        for place, index in enumerate(followed.examples.tolist())
    ]
