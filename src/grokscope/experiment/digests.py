"""The digests of a grid's cells, without making each cell from the beginning.

Most axes change one field of an experiment each, such as its optimiser. Such a field is made,
checked and written as JSON once for each of its values. What is asked of several fields together is
asked of every cell.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.replace import locate
from grokscope.experiment.tasks import Counted

Dimensions = Sequence[Sequence[Mapping[str, Any]]]
"""For each dimension, the settings at each of its places, as `Experiment.replace` takes them."""


class _Group(NamedTuple):
    """Dimensions that change the same fields.

    Attributes:
        fields: of the experiment.
        axes: the dimensions, by number.
    """

    fields: set[str]
    axes: list[int]


class _Piece(NamedTuple):
    """What a group makes of its fields at some place.

    Attributes:
        values: the fields.
        texts: the fields in the canonical JSON, each with its name; empty where it is left out.
    """

    values: dict[str, Any]
    texts: dict[str, str]


class _EntangledError(Exception):
    """Settings act on more than the field that they belong to."""


def product_digests(base: Experiment, dimensions: Dimensions) -> tuple[str, ...] | None:
    """The digests of all combinations of settings, the last dimension fastest.

    Returns:
        None if each experiment has to be made by itself: if one is impossible, if settings act on
        more than the field that they belong to, or if that is not quicker.
    """
    try:
        first = _cell(base, dimensions, [0] * len(dimensions))
        groups = _groups(first, dimensions)
        counts = [prod(len(dimensions[axis]) for axis in group.axes) for group in groups]
        if 4 * sum(counts) > prod(map(len, dimensions)):
            return None
        pieces = [_pieces(base, first, group, dimensions) for group in groups]
        found = tuple(_digests(first, groups, pieces, dimensions))
    except (ConfigError, _EntangledError):
        return None
    last = _cell(base, dimensions, [-1] * len(dimensions))
    return found if (found[0], found[-1]) == (digest(first), digest(last)) else None


def _cell(base: Experiment, dimensions: Dimensions, places: Sequence[int]) -> Experiment:
    settings: dict[str, Any] = {}
    for values, place in zip(dimensions, places, strict=True):
        settings |= values[place]
    return base.replace(**settings)


def _groups(first: Experiment, dimensions: Dimensions) -> list[_Group]:
    """The dimensions, those that share a field together."""
    groups: list[_Group] = []
    document = first.model_dump()
    for axis, places in enumerate(dimensions):
        fields = {name if name in document else locate(document, name)[0] for name in places[0]}
        shared = [group for group in groups if group.fields & fields]
        groups = [group for group in groups if not group.fields & fields]
        axes = sorted([axis, *(other for group in shared for other in group.axes)])
        groups.append(_Group(fields.union(*(group.fields for group in shared)), axes))
    return groups


def _pieces(
    base: Experiment, first: Experiment, group: _Group, dimensions: Dimensions
) -> dict[tuple, _Piece]:
    """What a group makes of its fields, by the places along its dimensions.

    Raises:
        _EntangledError: if it changes other fields too, or may do so in another cell.
    """
    texts, others = _texts(first), Experiment.model_fields.keys() - group.fields
    pieces = {}
    for places in product(*(range(len(dimensions[axis])) for axis in group.axes)):
        at = [0] * len(dimensions)  # a cell of the grid, made of the base as every cell is
        for axis, place in zip(group.axes, places, strict=True):
            at[axis] = place
        cell = _cell(base, dimensions, at)
        written = _texts(cell)
        changed = {name for name in texts | written if texts.get(name) != written.get(name)}
        same = all(getattr(cell, name) == getattr(first, name) for name in others)
        if isinstance(cell.task, Counted) or cell.start or changed - group.fields or not same:
            raise _EntangledError
        values = {name: getattr(cell, name) for name in group.fields}
        pieces[places] = _Piece(values, {name: written.get(name, "") for name in group.fields})
    return pieces


def _texts(experiment: Experiment) -> dict[str, str]:
    """The parts of the canonical JSON by their names."""
    document = json.loads(experiment.canonical_json())
    return {name: _written({name: value})[1:-1] for name, value in document.items()}


def _written(document: object) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _digests(
    first: Experiment,
    groups: Sequence[_Group],
    pieces: Sequence[dict[tuple, _Piece]],
    dimensions: Dimensions,
) -> Iterator[str]:
    """The digest of each cell, once all that is asked of whole experiments is asked of it.

    Raises:
        ConfigError: if a cell is impossible.
    """
    validators = Experiment.__pydantic_decorators__.model_validators.values()
    checks = [validator.func for validator in validators if validator.info.mode == "after"]
    shared, cell = _texts(first), first.model_copy()
    names = sorted(shared.keys() | Experiment.model_fields.keys())
    for places in product(*(range(len(values)) for values in dimensions)):
        values, texts = {}, shared
        for group, known in zip(groups, pieces, strict=True):
            piece = known[tuple(places[axis] for axis in group.axes)]
            values |= piece.values
            texts = texts | piece.texts
        vars(cell).update(values)  # one experiment takes the place of all, which copies would not
        for check in checks:
            check(cell)
        written = ",".join([text for name in names if (text := texts.get(name))])
        yield hashlib.sha256(f"{{{written}}}".encode()).hexdigest()
