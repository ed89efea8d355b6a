"""A grid of experiments as a value: a base, named axes and seeds; in Python and in TOML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import product
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import Unpack

from grokscope.errors import ConfigError
from grokscope.experiment.digests import product_digests
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.own_code import identified, names_code, reading
from grokscope.experiment.part import (
    ABSENT,
    COUNTED_SETTINGS,
    Part,
    Rule,
    plain,
    with_earlier,
)
from grokscope.experiment.settings import Settings
from grokscope.experiment.tasks import Counted
from grokscope.experiment.toml import read_toml

LARGEST = 1_000_000
"""Cells of the largest grid that is accepted: more is a slip of the keyboard."""


MAY_BE_CODE = (
    *("task", "operation", "corruption", "second_rule", "label_scores"),
    *("model", "loss", "optimizer", "measures"),
)
"""Axes on which the user's own code may be; a grid holds the hash of its source."""


Counts = tuple[int, int, int, str, int] | tuple[int, int, int, str] | tuple[int, int, int]
"""What is stored of the arrays of a user's own function, in the order of `COUNTED_SETTINGS`; of
before version 0.1 without their hash."""


def _values(name: str, values: object) -> tuple[object, ...]:
    """An axis given as values, an array, or a table with start, stop and num."""
    remedy = "Use values as in [0, 5, 15], or {start = 0.1, stop = 0.9, num = 17}."
    if isinstance(values, Mapping):
        if set(values) != {"start", "stop", "num"}:
            raise ConfigError(
                f"axis `{name}` must have start, stop and num, got {values}. {remedy}"
            )
        start, stop, num = (values[key] for key in ("start", "stop", "num"))
        ends = all(isinstance(end, int | float) and isfinite(end) for end in (start, stop))
        if not ends or not isinstance(num, int):
            raise ConfigError(
                f"axis `{name}` must hold numbers, a whole number of them, got {values}. {remedy}"
            )
        steps = max(min(num, LARGEST + 1) - 1, 1)
        values = [start + (stop - start) * place / steps for place in range(min(num, steps + 1))]
        if isinstance(start, int) and (stop - start) % steps == 0:
            values = [round(value) for value in values]
    values = getattr(values, "tolist", lambda: values)()  # of a NumPy array
    if not isinstance(values, list | tuple | range) or not values:
        raise ConfigError(f"axis `{name}` must list one value or more, got {values!r}. {remedy}")
    scalars = [getattr(value, "item", lambda value=value: value)() for value in values]
    if name.rpartition(".")[2] in MAY_BE_CODE:
        scalars = [identified(name, v) if names_code(v) else v for v in scalars]
    for value in scalars:
        if not isinstance(value, int | float | str | None):
            raise ConfigError(f"axis `{name}` must hold plain values, got {value!r}. {remedy}")
    return tuple(
        plain(value) if isinstance(value, float) else None if value == ABSENT else value
        for value in scalars
    )


def _axes(axes: object) -> object:
    if not isinstance(axes, Mapping):
        return axes
    return {str(name): _values(str(name), values) for name, values in axes.items()}


def _groups(groups: object) -> object:
    if not isinstance(groups, list | tuple):
        return groups
    return tuple(tuple(group) if isinstance(group, list) else group for group in groups)


def _counts(counts: object) -> object:
    if not isinstance(counts, Mapping):
        return counts
    return {k: tuple(v) if isinstance(v, list | tuple) else v for k, v in counts.items()}


def _seeds(seeds: object) -> object:
    if isinstance(seeds, int | float | str):
        if isinstance(seeds, bool | float | str) or seeds < 1:
            raise ConfigError(
                f"`seeds` must be a whole number from 1 or a list of seeds, got {seeds!r}. "
                "Use seeds = 3."
            )
        seeds = range(min(seeds, LARGEST + 1))
    return None if seeds is None else _values("seeds", seeds)


class Grid(Part):
    """A base experiment, varied along named axes, every combination with every seed.

    Raises:
        ConfigError: if an axis is unknown, empty or repeats a value, or a cell is impossible;
            the message names axis and value.

    >>> grid = Grid(axes={"weight_decay": [0, 5], "train_fraction": [0.3, 0.5, 0.7]}, seeds=2)
    >>> grid.sizes
    {'weight_decay': 2, 'train_fraction': 3, 'seed': 2}
    >>> grid.cell((1, 0, 0)).optimizer.weight_decay
    5.0
    >>> Grid(axes={"train_fraction": [0.5, 1.5]})
    Traceback (most recent call last):
    grokscope.errors.ConfigError: train_fraction = 1.5, seed = 0: `train_fraction` must lie \
strictly between 0 and 1, got 1.5. Use 0.5 to train on half of the examples.
    """

    base: Experiment = Field(default=Experiment(), description="what all cells share")
    axes: Annotated[
        dict[str, tuple[object, ...]],
        BeforeValidator(_axes),
        Rule("must be a table of settings and their values", "Use weight_decay = [0, 5, 15]."),
    ] = Field(description="values of each varied setting, by its name in `Experiment.replace`")
    zipped: Annotated[
        tuple[tuple[str, ...], ...],
        BeforeValidator(_groups),
        Rule("must be groups of axes", 'Use [["batch_size", "steps"]].'),
    ] = Field(default=(), description="groups of axes that advance together instead of crossing")
    seeds: Annotated[
        tuple[int, ...] | None,
        BeforeValidator(_seeds),
        Rule("must be a number of seeds or a list of them", "Use 3 for seeds 0, 1 and 2."),
    ] = Field(default=None, description="root seeds, or how many from 0 on; by default the base's")
    counts: Annotated[
        dict[str, Counts],
        BeforeValidator(_counts),
        Rule("must be a table of three numbers and a hash for each task", "Leave it out."),
    ] = Field(
        default={},
        description="examples, inputs, labels and hash of data of your own, once they were made",
    )

    def __init__(
        self,
        /,
        base: Experiment | Mapping[str, Any] | None = None,
        axes: object = None,
        **values: Any,
    ) -> None:
        """A grid of a base and axes; settings beside them, as in weight_decay=5, are the base's."""
        own = {name: values.pop(name) for name in type(self).model_fields if name in values}
        if isinstance(base, Mapping | None):
            base = Experiment(**dict[str, Any](base or {}))
        if values and isinstance(base, Experiment):
            base = base.replace(**values)
        own |= {} if axes is None else {"axes": axes}
        super().__init__(base=base, **own)

    @model_validator(mode="after")
    def _cells_are_possible(self) -> Grid:
        leaves = [name.rpartition(".")[2] for name in self.axes]
        if "seed" in leaves:
            raise ConfigError("axis `seed` must be given as seeds. Use seeds = 3 beside the axes.")
        for name in leaves:
            if leaves.count(name) > 1:
                raise ConfigError(
                    f"axis `{name}` must be given once, got it under two names. Use one of them."
                )
        for group in self.zipped:
            for name in group:
                if name not in self.axes or sum(name in other for other in self.zipped) > 1:
                    raise ConfigError(
                        f"`zipped` must name axes, each once, got {name!r}. Use {list(self.axes)}."
                    )
            lengths = {name: len(self.axes[name]) for name in group}
            if len(set(lengths.values())) > 1:
                raise ConfigError(
                    f"`zipped` axes must have equally many values, got {lengths}. "
                    "Give each the same number."
                )
        for name in self.dimensions:  # axes that advance with another may repeat
            if len(set(self.values[name])) < len(self.values[name]):
                raise ConfigError(
                    f"axis `{name}` must not repeat a value, got {list(self.values[name])}. "
                    "Use each once."
                )
        if self.size > LARGEST:
            raise ConfigError(
                f"`axes` must make at most {LARGEST:,} cells, got {self.size:,}. "
                "Use fewer values, or several grids."
            )
        names = product_digests(self.base, self._dimension_settings)
        if names is None:
            names = [digest(cell) if cell.is_counted else None for _, cell in self.cells()]
        if None not in names:  # what `digests` would make all cells again for
            object.__setattr__(self, "digests", tuple(names))
        return self

    @property
    def _dimension_settings(self) -> list[list[dict[str, Any]]]:
        """What is special to each place along each dimension."""
        values = self.values
        return [
            [
                {name: values[name][place] for name in names}
                for place in range(len(values[names[0]]))
            ]
            for names in self.dimensions.values()
        ]

    @property
    def dimensions(self) -> dict[str, tuple[str, ...]]:
        """The axes that advance along each dimension; its name is the first of them."""
        groups = {group[0]: group for group in self.zipped if group}
        rest = {name for group in self.zipped for name in group}
        ordered = [name for name in self.axes if name in groups or name not in rest]
        return {name: groups.get(name, (name,)) for name in ordered} | {"seed": ("seed",)}

    @property
    def root_seeds(self) -> tuple[int, ...]:
        """The values of the dimension `seed`."""
        return (self.base.seeds.seed,) if self.seeds is None else self.seeds

    @property
    def values(self) -> dict[str, tuple[object, ...]]:
        """The values of every axis, and of `seed`."""
        return {**self.axes, "seed": self.root_seeds}

    @property
    def sizes(self) -> dict[str, int]:
        """The length of each dimension; `seed` is the last."""
        return {name: len(self.values[name]) for name in self.dimensions}

    @property
    def size(self) -> int:
        """Cells, each seed counted."""
        size = 1
        for length in self.sizes.values():
            size *= length
        return size

    def settings(self, index: tuple[int, ...]) -> dict[str, Any]:
        """What is special to the cell at a position along every dimension."""
        values = self.values
        return {
            name: values[name][place]
            for place, names in zip(index, self.dimensions.values(), strict=True)
            for name in names
        }

    def cell(self, index: tuple[int, ...]) -> Experiment:
        """The experiment at a position along every dimension."""
        return self._counted(self.base.replace(**self.settings(index)))

    def _counted(self, cell: Experiment) -> Experiment:
        if cell.is_complete or not isinstance(cell.task, Counted):
            return cell
        counts = self.counts.get(cell.task.key)
        return cell if counts is None else cell.with_counts(counts)

    def cells(self) -> Iterator[tuple[tuple[int, ...], Experiment]]:
        """All positions and experiments, the last dimension fastest."""
        for index in product(*map(range, self.sizes.values())):
            settings = self.settings(index)
            try:
                yield index, self._counted(self.base.replace(**settings))
            except ConfigError as error:
                named = ", ".join(f"{name} = {value}" for name, value in settings.items())
                raise ConfigError(f"{named}: {error}") from None

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """What a store calls the run of each cell, in the order of `cells`."""
        return tuple(digest(experiment) for _, experiment in self.cells())

    def replace(self, /, **parts: object) -> Grid:
        """A copy with another base, or other axes, groups or seeds.

        >>> Grid(axes={"width": [8, 16]}).replace(seeds=3).size
        6
        """
        fields: dict[str, Any] = {name: getattr(self, name) for name in Grid.model_fields}
        fields |= parts
        return Grid(**fields)

    @property
    def task_counts(self) -> dict[str, Counts]:
        """What the grid says of data of a user's own, by the task's key."""
        task = self.base.task
        if not isinstance(task, Counted) or not self.base.is_complete:
            return self.counts
        stated = task.model_dump(include={*COUNTED_SETTINGS}, exclude_none=True)
        return self.counts | {task.key: tuple(stated[n] for n in COUNTED_SETTINGS if n in stated)}

    def with_base(self, /, **values: Unpack[Settings]) -> Grid:
        """A copy whose base has other values, as in `Experiment.replace`."""
        return self.replace(base=self.base.replace(**values))

    def every(self, step: int) -> Grid:
        """Every `step`-th value, and the last, along the last two dimensions but the seed's.

        A first look at a diagram, whose runs the whole one takes over.

        Raises:
            ConfigError: if the step is less than 1.

        >>> grid = Grid(axes={"width": [8, 16], "train_fraction": [0.2, 0.4, 0.6, 0.8]})
        >>> grid.every(2).axes
        {'width': (8, 16), 'train_fraction': (0.2, 0.6, 0.8)}
        """
        if step < 1:
            raise ConfigError(f"`step` must be a whole number from 1, got {step}. Use 2.")
        axes = dict(self.axes)
        for names in list(self.dimensions.values())[:-1][-2:]:
            for name in names:
                *before, last = axes[name]
                axes[name] = (*before[::step], last)
        return self.replace(axes=axes)

    @classmethod
    def from_toml(cls, source: str | Path) -> Grid:
        r"""Read a grid from a TOML file (a `Path`) or document (a `str`).

        Raises:
            ConfigError: if it is no TOML, or not a possible grid.
            OSError: if the file cannot be read.

        >>> Grid.from_toml("seeds = 3\n[base]\nsteps = 100\n[axes]\nwidth = [64, 128]\n").size
        6
        """
        with reading():
            return cls(**read_toml(source, "the grid"))

    @classmethod
    def from_record(cls, text: str) -> Grid:
        """Read a grid from what a store or an export recorded with `to_toml`.

        Unlike a user's own document, a recorded one means by a setting that it lacks what was
        trained before that setting was added.

        Raises:
            ConfigError: if it is no TOML, or not a possible grid.
        """
        with reading():
            document = read_toml(text, "the grid")
            if isinstance(document.get("base"), Mapping):
                document["base"] = with_earlier(document["base"], of_grid=True)
            return cls(**document)

    def to_toml(self) -> str:
        """The complete grid as a TOML document.

        >>> grid = Grid(axes={"width": [64, 128]}, seeds=2)
        >>> Grid.from_toml(grid.to_toml()) == grid
        True
        """
        document = self.model_dump(exclude_none=True)
        for name, values in document["axes"].items():
            document["axes"][name] = [ABSENT if value is None else value for value in values]
        if not document["counts"]:
            del document["counts"]
        return tomli_w.dumps(document)
