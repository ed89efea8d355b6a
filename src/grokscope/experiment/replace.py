"""Settings given by name, in the ways that people give them, as the document of an experiment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import BeforeValidator

from grokscope.errors import ConfigError
from grokscope.experiment.own_code import identified, names_code
from grokscope.experiment.part import COUNTED_SETTINGS, PARTS, Part, alike, kind_name, unknown
from grokscope.experiment.seeds import Settle
from grokscope.experiment.start import Start


def named_part(default: str) -> BeforeValidator:
    """A part given by its name, as the user's code, or as settings of the default kind."""

    def named(value: object) -> object:
        if names_code(value) and not isinstance(value, Part):
            return {"name": "own", "code": value}
        if default == "modular" and _names_file(value):
            return {"name": "table", "file": value}
        value = {"name": value} if isinstance(value, str) else value
        return {"name": default, **value} if isinstance(value, Mapping) else value

    return BeforeValidator(named)


def _names_file(value: object) -> bool:
    """Whether a task is given as the name of a table's file."""
    return isinstance(value, str) and value.endswith((".csv", ".npy"))


def measure_codes(value: object) -> object:
    """One function or several, as a list or with commas, each with its source's hash; or none."""
    if isinstance(value, str):
        value = value.split(",")
    if value is None or callable(value):
        value = [] if value is None else [value]
    if not isinstance(value, list | tuple):
        return value
    known = (identified("measures", item) if names_code(item) else item for item in value)
    return tuple(known) or None


def settled_or_not(value: object) -> object:
    """An optional part given as true or false: with its defaults, or absent."""
    return (Settle().model_dump() if value else None) if isinstance(value, bool) else value


def _defaults(field: str, value: object) -> object:
    """A part as a document with all its settings, however given; other values as they are."""
    if isinstance(value, Part):
        return value.model_dump()
    kinds = {kind_name(kind, field): kind for kind in PARTS.get(field, ())}
    if "own" in kinds and names_code(value):
        return kinds["own"](code=value).model_dump()
    if "table" in kinds and _names_file(value):
        return kinds["table"](file=value).model_dump()
    if isinstance(value, Mapping) and kinds:
        kind = value.get("name", next(iter(kinds)))
        known = isinstance(kind, str) and kind in kinds and kind not in ("own", "table")
        return {**kinds[kind]().model_dump(), **value} if known else dict(value)
    return kinds[value]().model_dump() if isinstance(value, str) and value in kinds else value


def replaced(document: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """An experiment's document with other values, each named by its leaf or its path.

    Raises:
        ConfigError: if a name is unknown or ambiguous.
    """
    top = set(document)
    document = document | {n: _defaults(n, v) for n, v in values.items() if n in document}
    document["settle"] = settled_or_not(document["settle"])
    if values.get("corruption") is not None and "exclude_true_label" not in values:
        document["exclude_true_label"] = False  # another kind of noise takes its place
    if document["start"] is None and any(_is_of_start(name) for name in values):
        document["start"] = Start().model_dump()
    if not all(isinstance(document[part], Mapping | None) for part in PARTS):
        return document  # which will be refused
    changed = set()
    for name, value in values.items():
        if name in top:
            continue
        part, leaf = locate(document, name)
        present = document[part].get(leaf)
        if document[part].get("name") == "own":
            value = alike(leaf, value, present)
        elif type(value) is int and isinstance(present, float):
            value = float(value) if abs(value) < 1e300 else math.inf  # which will be refused
        document[part] = {**document[part], leaf: value}
        changed.add((part, leaf))
    if any(part == "task" and leaf not in COUNTED_SETTINGS for part, leaf in changed):
        for name in COUNTED_SETTINGS:
            document["task"].pop(name, None)  # of data that these settings no longer make
    return document


def _is_of_start(name: str) -> bool:
    part, _, leaf = name.rpartition(".")
    return part in ("", "start") and leaf in Start.model_fields


def locate(document: Mapping[str, Mapping[str, object]], name: str) -> tuple[str, str]:
    """The part and the leaf that a name means; top-level fields are not looked for."""
    paths = [
        f"{part}.{leaf}" for part in PARTS if isinstance(document[part], Mapping)
        for leaf in document[part]
    ]  # fmt: skip
    name = "seeds.seed" if name == "seed" else name  # the user's code may have a seed of its own
    found = [path for path in paths if name in (path, path.partition(".")[2])]
    if len(found) == 1:
        part, _, leaf = found[0].partition(".")
        return part, leaf
    if found:
        raise ConfigError(
            f"`{name}` is ambiguous. Use one of {', '.join(f'`{path}`' for path in found)}."
        )
    raise ConfigError(unknown(name, {*document, *(path.partition(".")[2] for path in paths)}))
