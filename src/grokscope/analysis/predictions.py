"""Predictions that were made elsewhere: scores of every class for every example, beside labels."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped

from grokscope.errors import ConfigError

TABLES = (".csv", ".parquet")
"""Endings of files that predictions are read from."""

OFF_ONE = 0.01
"""How far probabilities may sum from 1: they may have been rounded to a few digits."""

SHOWN = 10
"""Classes that an error lists."""


class Predictions(NamedTuple):
    """Given labels, and what a classifier says of them.

    Attributes:
        logits: of each class; logarithms of probabilities are logits too.
        given: the column of each given label.
        true: the column of each true label; None if these are not known.
        classes: the name of each column.
    """

    logits: Float[np.ndarray, "example label"]
    given: Int[np.ndarray, "example"]
    true: Int[np.ndarray, "example"] | None
    classes: Shaped[np.ndarray, "label"]


def predictions_of(
    labels: object,
    logits: object = None,
    probabilities: object = None,
    classes: Sequence[object] | None = None,
    true: object = None,
) -> Predictions:
    """Check predictions and labels, and bring them into one form.

    Args:
        labels: the given label of each example, a class's name or the number of its column.
        logits: of each example and class; either these or probabilities.
        probabilities: the same, at least 0, of sum 1 for each example.
        classes: the names of the columns; by default a data frame's own, or else 0, 1, ….
        true: the true labels, if they are known.

    Raises:
        ConfigError: naming the argument, and the first row that is wrong; rows count from 0.
    """
    if (logits is None) == (probabilities is None):
        which = "neither" if logits is None else "both"
        raise ConfigError(f"`logits` or `probabilities` must be given, got {which}. Use one.")
    name, values = ("logits", logits) if probabilities is None else ("probabilities", probabilities)
    table = _table(name, values)
    numbers = _numbers(name, table)
    if name == "probabilities":
        if (at := _first_no_probabilities(numbers)) is not None:
            raise ConfigError(
                "`probabilities` must be at least 0 and sum to 1 for each example, got a least "
                f"of {numbers[at].min():.3g} and a sum of {numbers[at].sum():.3g} in row {at}. "
                "Use logits, if they are logits."
            )
        numbers = np.log(np.maximum(numbers, np.finfo(float).tiny))
    names = _names(table, classes)
    given = _columns_of("labels", labels, names, len(table))
    return Predictions(
        numbers,
        given,
        None if true is None else _columns_of("true", true, names, len(table)),
        _as_they_are(names),
    )


def read_predictions(
    path: Path, labels: str | None, true: str | None, kind: str | None, ignore: Sequence[str]
) -> tuple[pd.Series, dict[str, Any]]:
    """Read labels and a column for each class from a CSV or Parquet file.

    Args:
        path: the file; its columns are the classes, but for those named here.
        labels: the column of given labels; None is refused with the columns that there are.
        true: the column of true labels, if there is one.
        kind: "logits" or "probabilities"; None to tell by the numbers.
        ignore: other columns that are no class.

    Returns:
        The labels, and the other arguments of `predictions_of` by name. Columns of a file have
        words for names, and so have its labels, whatever they look like.

    Raises:
        ConfigError: if the file cannot be read or has no such column, or nobody can tell whether
            its numbers are logits or probabilities.
    """
    table = _read(path)
    truth = {} if true is None else {"true": true}
    named = [("labels", labels), *truth.items(), *(("ignore", name) for name in ignore)]
    for option, name in named:
        if name not in table:
            got = "none" if name is None else repr(name)
            raise ConfigError(
                f"`{option}` must name a column of {path}, got {got}. "
                f"Use one of {some(table.columns)}."
            )
    scores = table.drop(columns=[name for _, name in named])
    if unnamed := [name for name in scores if name.startswith("Unnamed: ")]:
        raise ConfigError(
            f"`{path}` must name every class, got a column without a name. Leave it out with "
            f"--ignore '{unnamed[0]}'."
        )
    if kind is None:
        kind = _kind(_numbers("predictions", _table("predictions", scores)))

    words = {
        option: pd.Series(table[name]).map(str, na_action="ignore")
        for option, name in {"labels": labels, **truth}.items()
    }
    return words.pop("labels"), {kind: scores} | words


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() == ".csv":
            names = pd.read_csv(path, dtype=str, header=None, nrows=1).iloc[0].dropna()
            if names.duplicated().any():
                raise ValueError(f"two columns named {names[names.duplicated()].iloc[0]}")
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
            if table.shape[1] == 1:
                raise ValueError(f"one column, {table.columns[0]!r}; commas must separate columns")
            return table
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise
    except (ValueError, OSError) as error:  # as pandas and Arrow have it: empty, no table, no text
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ConfigError(
            f"`{path}` must be a table in CSV or Parquet, got: {reason}. Write it again."
        ) from None


def _kind(numbers: Float[np.ndarray, "example label"]) -> str:
    """Whether numbers are logits or probabilities, if that can be told."""
    if _first_no_probabilities(numbers) is None:
        return "probabilities"
    if (numbers < 0).any():
        return "logits"
    raise ConfigError(
        "`logits` or `probabilities` must be said of numbers that are at least 0 and do not sum "
        "to 1 in each row, got neither. Use --logits, and --ignore COLUMN for what is no class."
    )


def _table(name: str, values: object) -> pd.DataFrame:
    """Values as a table of at least one row and two columns."""
    try:
        table = values if isinstance(values, pd.DataFrame) else pd.DataFrame(np.asarray(values))
    except Exception as error:  # of any kind: the array may be of any library
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"`{name}` must be an array [example, class], got {type(values).__name__}: {reason}. "
            "Make it a NumPy array."
        ) from None
    if len(table) < 1 or table.shape[1] < 2:
        remedy = "Of two classes, give both." if len(table) else "Add the examples."
        raise ConfigError(
            f"`{name}` must have a row for each example and a column for each of two classes or "
            f"more, got {list(table.shape)}. {remedy}"
        )
    return table


def _numbers(name: str, table: pd.DataFrame) -> Float[np.ndarray, "example label"]:
    """A table's numbers; refuses what is none."""
    coerced = table.apply(pd.to_numeric, errors="coerce")
    numbers = np.ascontiguousarray(coerced, float)
    if (wrong := np.argwhere(~np.isfinite(numbers))).size:
        row, column = wrong[0]
        value, title = table.to_numpy(object)[row, column], table.columns[column]
        raise ConfigError(
            f"`{name}` must hold finite numbers, got {value!r} in row {row}, column {title}. "
            f"Drop the row, or the column if it is no class: of a file with --ignore '{title}'."
        )
    return numbers


def _first_no_probabilities(numbers: Float[np.ndarray, "example label"]) -> int | None:
    """The first row that holds no probabilities."""
    wrong = (numbers < 0).any(axis=1) | (np.abs(numbers.sum(axis=1) - 1) > OFF_ONE)
    return int(wrong.argmax()) if wrong.any() else None


def _names(table: pd.DataFrame, classes: Sequence[object] | None) -> list:
    """The name of each column."""
    names = list(table.columns if classes is None else classes)
    if len(names) != table.shape[1] or len({*names}) != len(names):
        raise ConfigError(
            f"`classes` must name each of the {table.shape[1]} columns once, got {some(names)}. "
            "Give the names in the order of the columns."
        )
    return names


def _as_they_are(names: list) -> Shaped[np.ndarray, "label"]:
    """Names as an array, in which NumPy alone would make words of numbers that stand beside words.

    >>> _as_they_are([0, "b"]).tolist()
    [0, 'b']
    """
    return pd.Series(names, dtype=object).infer_objects().to_numpy()


def _columns_of(name: str, labels: object, names: list, n: int) -> Int[np.ndarray, "example"]:
    """The column of each label.

    Raises:
        ConfigError: if labels are missing, or are no classes.
    """
    values = np.asarray(labels, dtype=object)
    if values.shape != (n,):
        raise ConfigError(
            f"`{name}` must hold one label for each of the {n} examples, got "
            f"{list(values.shape)}. Give a list as long as the predictions."
        )
    missing = pd.isna(values) | np.array([isinstance(v, str) and not v.strip() for v in values])
    if missing.any():
        raise ConfigError(
            f"`{name}` must not be missing, got {missing.sum()} missing of {n}, the first in row "
            f"{missing.argmax()}. Drop these rows, or make them a class with a column of its own."
        )
    column_of = {column: place for place, column in enumerate(names)}
    columns = np.array([column_of.get(v, -1) if isinstance(v, Hashable) else -1 for v in values])
    if (columns < 0).any():
        at = int((columns < 0).argmax())
        raise ConfigError(
            f"`{name}` must be among the classes {some(map(repr, names))}, got {values[at]!r} in "
            f"row {at}. Name the columns as the labels name the classes; in Python, classes=[…] "
            "does."
        )
    return columns


def some(names: Iterable[object]) -> str:
    """The first names of a list, for a reader."""
    words = [*map(str, names)]
    return ", ".join([*words[:SHOWN], *(["…"] if len(words) > SHOWN else [])])
