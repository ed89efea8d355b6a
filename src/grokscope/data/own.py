"""A user's own data: a table or features, from a function or a file; counted and hashed."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from grokscope.errors import ConfigError
from grokscope.experiment.own_code import DIGITS, call, named_file
from grokscope.experiment.part import COUNTED_SETTINGS
from grokscope.experiment.tasks import MOST_ROWS, Counted, OwnTask, TableTask

Arrays = tuple[np.ndarray, ...]
"""Tokens and labels of a table, or features and labels for training and for testing."""


def own_data(task: Counted) -> Arrays:
    """A user's own data.

    Returns:
        Of a table tokens [row, operand] and labels [row]; else training features and labels, and
        test features and labels.

    Raises:
        ConfigError: if code is not allowed to run, a file is not there, or they are neither.
    """
    if isinstance(task, TableTask):
        where = f"`{task.file}` must hold"
        return _countable(_rows_of(_read(named_file(task.file)), where), where)
    assert isinstance(task, OwnTask)
    where = f"`{task.code.label}` must return"
    return _countable(_made(task, where), where)


def _countable(arrays: Arrays, where: str) -> Arrays:
    """Refuse data of one row or one label, and numbers beyond the largest table.

    Args:
        arrays: tokens and labels, or features and labels.
        where: how the message begins.
    """
    labels = np.concatenate([array.ravel() for array in arrays[1::2]])
    of_tokens = arrays[0] if len(arrays) == 2 else labels
    largest = max(int(labels.max()), int(of_tokens.max()))
    if largest >= MOST_ROWS or len(arrays[0]) < 2 or int(labels.max()) < 1:
        raise ConfigError(
            f"{where} two rows and two labels at least, and numbers below {MOST_ROWS:,}, got "
            f"{len(arrays[0])} rows, labels up to {labels.max():,} and numbers up to {largest:,}. "
            "Mend it."
        )
    return tuple(array.astype(np.int32) for array in arrays) if len(arrays) == 2 else arrays


def _made(task: OwnTask, where: str) -> Arrays:
    """What a user's function returns, checked but for how many there are."""
    made = call(task.code, **task.settings)
    is_list = isinstance(made, tuple) or (
        isinstance(made, list) and all(isinstance(each, np.ndarray) for each in made)
    )
    if not is_list:
        return _rows_of(made, where)
    try:
        found = [np.asarray(array) for array in made]
    except ValueError:  # ragged
        found = []
    if len(found) == 2 and _is_table(*found):
        return found[0], found[1]
    if len(found) != 4 or not _are_features(found):
        shapes = [f"{array.dtype} {list(array.shape)}" for array in found]
        raise ConfigError(
            f"{where} a table of labels, or tokens and labels, or training features, training "
            "labels, test features and test labels, arrays of numbers, labels whole numbers from "
            f"0, got {shapes or type(made).__name__}. Mend the function."
        )
    _require_readable(found[::2], where)
    return tuple(found)


def _read(path: Path) -> np.ndarray:
    """The numbers of a file; nothing in it is run."""
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a file without numbers, refused later
            return np.loadtxt(path, np.int64, delimiter=",", ndmin=2, encoding="utf-8-sig")
    except (ValueError, EOFError, OSError) as error:
        reason = str(error).rstrip(".")
        raise ConfigError(
            f"`{path.name}` must hold whole numbers, in a .csv with commas between them, got "
            f"{reason}. Mend the file."
        ) from None


def _rows_of(table: object, where: str) -> Arrays:
    """The rows of a table by its entries, -1 where there is none."""
    try:
        entries = np.asarray(table)
    except ValueError:  # ragged
        entries = np.zeros(0, object)
    is_whole = entries.dtype.kind in "iu" and 1 <= entries.ndim <= 4 and entries.size > 0
    if not is_whole or not (entries >= 0).any() or entries.min() < -1:
        raise ConfigError(
            f"{where} a table of one to four operands, whole numbers from 0 or -1 where a row is "
            f"left out, got {entries.dtype} {list(entries.shape)}. Mend it."
        )
    tokens = np.argwhere(entries >= 0)
    return tokens, entries[entries >= 0]


def _is_table(tokens: np.ndarray, labels: np.ndarray) -> bool:
    """Whether two arrays are tokens [row, operand] and a label for each row."""
    return bool(
        tokens.ndim == 2
        and labels.shape == tokens.shape[:1]
        and {tokens.dtype.kind, labels.dtype.kind} <= {*"iu"}
        and tokens.size > 0
        and min(tokens.min(), labels.min()) >= 0
    )


def _are_features(found: Sequence[np.ndarray]) -> bool:
    """Whether four arrays are features and labels, for training and for testing."""
    kinds = [array.dtype.kind for array in found]
    return not (
        {*kinds} - set("biuf")
        or not all(array.ndim for array in found)
        or {kinds[1], kinds[3]} - set("iu")
        or kinds[0] != kinds[2]
        or min(map(len, found)) < 1
        or found[0].shape[1:] != found[2].shape[1:]
        or any(len(found[i]) != len(found[i + 1]) or found[i + 1].ndim != 1 for i in (0, 2))
        or min(found[1].min(), found[3].min()) < 0
    )


def _require_readable(features: Sequence[np.ndarray], where: str) -> None:
    """Refuse features that a network would not be given as they are.

    Args:
        features: for training and for testing.
        where: how the message begins.
    """
    limits = np.iinfo(np.int32)
    for array in features:
        if array.dtype.kind == "f":
            with np.errstate(over="ignore"):
                is_kept = np.isfinite(array.astype(np.float32))
        else:
            is_kept = (array >= limits.min) & (array <= limits.max)
        if not is_kept.all():
            raise ConfigError(
                f"{where} finite features, whole ones within 32 bits, got "
                f"{array[~is_kept].flat[0]} ({(~is_kept).sum():,} of {array.size:,} numbers). "
                "Mend or scale them."
            )


def counted(arrays: Arrays) -> dict[str, int | str]:
    """The `COUNTED_SETTINGS` of a user's data; of features all but the last."""
    first = arrays[0]
    n_labels = int(max(array.max() for array in arrays[1::2])) + 1
    is_table = len(arrays) == 2
    n_inputs = int(first.max()) + 1 if is_table else first[0].size
    found = len(first), n_inputs, n_labels, hash_of(arrays)[:DIGITS]
    found += (first.shape[1],) if is_table else ()
    return dict(zip(COUNTED_SETTINGS, found, strict=False))


def checked(task: Counted) -> Arrays:
    """A user's own data, which must be those that the task's counts and hash say.

    Raises:
        ConfigError: if they are others, or change whenever they are made.
    """
    arrays, stated = own_data(task), task.model_dump()
    for name, found in counted(arrays).items():
        if stated[name] in (found, None):
            continue
        if hash_of(own_data(task)) != hash_of(arrays):
            raise ConfigError(changes(task.title))
        raise ConfigError(
            f"`{name}` must be what the task's arrays have, {found}, got {stated[name]}: the "
            "experiment was made with other data. Restore what the function reads, or leave "
            f"{name} out for a new experiment."
        )
    return arrays


def changes(label: str) -> str:
    """What to say of a function that returns something else the second time."""
    return (
        f"`{label}` must return the same every time, got something else the "
        "second time. Draw from the generator that it is given, or from a fixed seed."
    )


def hash_of(arrays: Iterable[np.ndarray]) -> str:
    """Hex digits of the SHA-256 of arrays, their kinds and their shapes."""
    content = hashlib.sha256()
    for array in arrays:
        content.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    return content.hexdigest()
