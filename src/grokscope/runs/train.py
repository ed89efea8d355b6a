"""Experiments from start to finish: train, measure at every scheduled step, store."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from grokscope.data.dataset import complete
from grokscope.errors import ConfigError, require_kind
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.own_code import allow_code
from grokscope.measures.checks import require_meaning, require_measurable
from grokscope.measures.scores import Tiles
from grokscope.measures.together import measure_together
from grokscope.progress import progress_bar
from grokscope.runs.files import require_writable
from grokscope.runs.member import Member
from grokscope.runs.record import measured_at_end
from grokscope.runs.run import Run
from grokscope.runs.start import started
from grokscope.runs.store import Store
from grokscope.runs.trackers import OwnLog, checked_target, tracking
from grokscope.training.compile import make_room, require_environment
from grokscope.training.cost import kept_bytes, require_memory
from grokscope.training.ensemble import Ensemble, best_how, ensemble_key
from grokscope.training.loop import State
from grokscope.training.members import How, stacked, with_member
from grokscope.training.networks import model_shapes

LARGE_BYTES = 10**9
"""Kept weights above which a user is told of their size before training."""

Log = Callable[[Experiment, int, dict[str, float]], None]


def train(
    experiment: Experiment,
    store: str | Path | Store | None = None,
    progress: bool = True,
    log: OwnLog | str | None = None,
    start: Run | None = None,
    checkpoint_every: int | None = None,
) -> Run:
    """Train a network, or return its stored run if that has its weights.

    Args:
        experiment: what to train. Code of your own may be in the current folder, or in one that
            you named (`allow_code`).
        store: a folder of runs; the run is taken from there, or trained and written there.
        progress: whether to show progress.
        log: called at every measurement with the step, and by name scores, norms of the weights,
            mean IPR, dead neurons and your own measures; not for a run that is in the store. Or a
            tracker that is told the same, as in "csv:logs": csv, tensorboard, wandb or mlflow.
        start: a run at one of its steps, `run.at(500)`, from which the experiment goes on. What
            differs between the two experiments becomes the start's `before`.
        checkpoint_every: steps from one checkpoint to the next, which need a store. Training that
            was interrupted goes on from the last, and so does longer training of the same kind.

    Returns:
        The run; its `path` is None without a store.

    Raises:
        ConfigError: if the store or the tracker cannot be written, the start is of another kind
            of network, or a measure has no meaning for the experiment.
        WorkerError: if the tracker fails while the network trains.

    >>> run = train(Experiment(steps=20, train_fraction=0.8).replace(modulus=7, width=16))
    >>> dict(run.dataset.sizes)
    {'step': 3, 'matrix': 3, 'vectors': 3, 'neuron': 16, 'residue': 7}
    """
    require_kind("experiment", experiment, Experiment, "Use Experiment(weight_decay=5).")
    if log is not None and not callable(log):
        log = checked_target(log)
    allow_code(Path.cwd())
    experiment = complete(experiment if start is None else started(experiment, start))
    store = None if store is None else Store.of(store)
    _require_checkpoints(checkpoint_every, store)
    if store is not None:
        stored = store.find(experiment)
        if stored and stored.has_weights:
            return stored
        require_writable(store.path, "store")
    require_environment()
    require_meaning([experiment])
    if (size := kept_bytes(experiment)) > LARGE_BYTES:
        words = f"{experiment.n_kept} steps take {size / 1e9:.1f} GB of memory and of disk"
        warnings.warn(f"`keep_weights` keeps much: {words}. Keep fewer.", stacklevel=2)
    with (
        progress_bar("training", experiment.steps, progress) as advance,
        tracking(log, [experiment]) as tracked,
    ):
        (((_, run),),) = train_each([experiment], advance, tracked.log, store, checkpoint_every)
        run = run if store is None else store.save(run)
        tracked.end(run)
    return run


def _require_checkpoints(every: int | None, store: Store | None) -> None:
    if every is None:
        return
    if type(every) is not int or every < 1:
        raise ConfigError(
            f"`checkpoint_every` must be a number of steps, 1 or more, got {every!r}. Use 1000."
        )
    if store is None:
        raise ConfigError("`store` must be given for checkpoints, got none. Use store='runs'.")


def train_ensemble(experiments: Sequence[Experiment], size: int | None = None) -> list[Run]:
    """Train experiments of one static shape together; see `training.ensemble.Ensemble`.

    Args:
        experiments: what to train; they may differ in numbers that leave all shapes alone.
        size: how many train at a time; when one ends, the next takes its place. By default all.

    Returns:
        The runs, in the order of the experiments.

    Raises:
        ConfigError: if the experiments do not share one static shape.
    """
    runs = dict(chain.from_iterable(train_each(experiments, size=size)))
    return [runs[place] for place in sorted(runs)]


def train_each(
    experiments: Sequence[Experiment],
    advance: Callable[[int], None] = lambda steps: None,
    log: Log = lambda experiment, step, scores: None,
    store: Store | None = None,
    checkpoint_every: int | None = None,
    size: int | None = None,
    how: How | None = None,
) -> Iterator[list[tuple[int, Run]]]:
    """Train experiments of one static shape together, and give runs as they end.

    Args:
        experiments: as of `train_ensemble`.
        advance: called with the number of steps just done, of all networks together. A run that
            ends early counts its remaining steps as done.
        log: called at every measurement of every run with its experiment, and else as in `train`.
        store: where checkpoints are.
        checkpoint_every: as of `train`.
        size: as of `train_ensemble`.
        how: how they are computed; by default as is best for their number and this device.

    Yields:
        The runs that end at one step of the ensemble, each with its place among the experiments.

    Raises:
        ConfigError: if the experiments do not share one static shape.
    """
    if not experiments:
        return
    require_environment()
    make_room(ensemble_key(experiments[0]))
    waiting = deque(enumerate(experiments))
    active = [_member(*waiting.popleft()) for _ in experiments[:size]]
    how, checkpoints = how or best_how(len(active)), store if checkpoint_every else None
    states = [_begun(member, checkpoints, checkpoint_every, advance, log) for member in active]
    datasets, steps = [member.dataset for member in active], [member.step for member in active]
    ensemble = Ensemble([m.experiment for m in active], datasets, states, steps, how)
    tiles = stacked([member.examples.tiles for member in active], how)
    while going := [place for place, member in enumerate(active) if not member.has_ended]:
        began, before = time.monotonic(), [active[place].step for place in going]
        ensemble.advance(min(active[place].stops[0] - active[place].step for place in going))
        _look(active, going, ensemble, tiles, log)
        for place, step in zip(going, before, strict=True):
            member = active[place]
            member.seconds += (time.monotonic() - began) / len(going)
            advance(member.step - step)
            if checkpoints is not None and _is_checkpoint(member, checkpoint_every):
                state = ensemble.state(place)
                checkpoints.save_checkpoint(member.experiment, member.checkpoint(state))
            if member.has_ended:
                advance(member.experiment.steps - member.step)
        ended = {place: active[place] for place in going if active[place].has_ended}
        if ended:
            yield _finished(ended, ensemble)
        for place in ended:
            if waiting:
                active[place] = new = _member(*waiting.popleft())
                state = _begun(new, checkpoints, checkpoint_every, advance, log)
                ensemble.replace(place, new.experiment, new.dataset, state, new.step)
                tiles = with_member(tiles, place, new.examples.tiles, how)


def _finished(ended: Mapping[int, Member], ensemble: Ensemble) -> list[tuple[int, Run]]:
    """The runs of members that have ended, which are measured together."""
    networks = {place: ensemble.state(place).model for place in ended}
    sound = [place for place, member in ended.items() if member.failed_at is None]
    examples = [ended[place].examples for place in sound]
    measured = measured_at_end([networks[place] for place in sound], examples)
    at_end = dict(zip(sound, measured, strict=True))
    return [
        (member.place, member.finished(networks[place], at_end.get(place, {})))
        for place, member in ended.items()
    ]


def _member(place: int, experiment: Experiment) -> Member:
    """A network to train, if it can be.

    Raises:
        ConfigError: if it cannot be measured or does not fit in memory.
    """
    experiment = complete(experiment)
    require_measurable(experiment, model_shapes(experiment))
    require_memory(experiment)
    return Member(experiment, place)


def _begun(
    member: Member,
    checkpoints: Store | None,
    every: int | None,
    advance: Callable[[int], None],
    log: Log,
) -> State | None:
    """The state that a network starts from. How far it has come already, and what was measured
    before a checkpoint, is reported.
    """
    state = member.begin(checkpoints, every)
    advance(member.step)
    for step in member.measured:
        log(member.experiment, step, member.logged(step))
    return state


def _look(
    active: Sequence[Member], going: Sequence[int], ensemble: Ensemble, tiles: Tiles, log: Log
) -> None:
    """Measure and keep what is due of the networks that are going, where they are now."""
    failed = ensemble.failed_steps()
    for place in going:
        active[place].step, active[place].failed_at = ensemble.steps[place], failed[place]
    sound = [place for place in going if failed[place] is None]
    due = {place: active[place] for place in sound if active[place].is_measured_here}
    wanted = {place: member.examples for place, member in due.items()}
    found = measure_together(ensemble.models, tiles, wanted, ensemble.how) if due else {}
    for place in sound:
        member = active[place]
        member.take(found.get(place), partial(ensemble.state, place))
        if place in found:
            log(member.experiment, member.step, member.logged(member.step))


def _is_checkpoint(member: Member, every: int | None) -> bool:
    """Whether a checkpoint of a network is due: not of one that was cut short."""
    if every is None or member.is_cut_short:
        return False
    return member.step == member.experiment.steps or member.step % every == 0
