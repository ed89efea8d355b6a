"""A user's own code as a value: which function of which file, and a hash of the file's source."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import traceback
import types
from collections.abc import Iterable
from functools import cache
from importlib import invalidate_caches
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from grokscope.errors import ConfigError

MARK = "@"
"""Between a reference, as in my_rules:squares, and the hash of its source."""

DIGITS = 16
"""Hex digits of SHA-256 in a reference: two sources share them by chance once in 2⁶⁴."""


def is_reference(value: Any) -> bool:
    """Whether a value names a user's own code: as in my_rules:squares, or the object itself.

    >>> is_reference("my_rules:squares"), is_reference("addition"), is_reference(5)
    (True, False, False)
    """
    return (isinstance(value, str) and ":" in value) or (
        callable(value) and hasattr(value, "__qualname__")
    )


def identified(name: str, value: Any) -> str:
    """A reference with the hash of the source that it means: my_rules:squares@0123456789abcdef.

    One that has its hash already is returned as it is, whether or not its file is there, so that
    results can be looked at where the code is not.

    Args:
        name: the setting, for messages.
        value: a reference, with or without its hash, or a function or class of a file.

    Raises:
        ConfigError: if there is no such file or function, or the file does not hold all of the
            code: what it imports must be installed packages, whose versions every run records.
    """
    if isinstance(value, str):
        reference = value
    else:
        reference = f"{value.__module__.partition(MARK)[0]}:{value.__qualname__}"
    module, _, function = reference.partition(MARK)[0].partition(":")
    if module == "__main__" or not module.isidentifier() or not function.isidentifier():
        raise ConfigError(
            f"`{name}` must be a function or class of a Python file, got {reference!r}, which no "
            "other process could find. Put it into a file my_rules.py, and use my_rules:name."
        )
    if MARK in reference:
        return reference
    path = _find(module)
    source = path.read_bytes()
    _require_whole(source, path)
    marked = f"{reference}{MARK}{_hash(source)}"
    load(marked)
    return marked


def load(reference: str) -> Any:
    """The function or class of a reference, made from exactly the source that it names.

    Raises:
        ConfigError: if the file is not there or was changed since, or the function is not in it.
    """
    place, _, digest = reference.partition(MARK)
    module, _, function = place.partition(":")
    found = getattr(_module(module, digest), function, None)
    if not callable(found):
        raise ConfigError(
            f"`{place}` must be a function or class, got none of that name. "
            f"Define {function} in {module}.py."
        )
    return found


def call(reference: str, *arguments: Any, **settings: Any) -> Any:
    """What the function of a reference returns.

    Raises:
        ConfigError: if it does not take these arguments.
    """
    function = load(reference)
    signature = _signature(function)
    try:
        signature.bind(*arguments, **settings)
    except TypeError:
        raise ConfigError(
            f"`{reference.partition(MARK)[0]}` must take {len(arguments)} arguments, got "
            f"{function.__name__}{signature}. Mend the function."
        ) from None
    return function(*arguments, **settings)


@cache
def _module(module: str, digest: str) -> types.ModuleType:
    path = _find(module)
    source = path.read_bytes()
    if _hash(source) != digest:
        raise ConfigError(
            f"`{module}` must be the code that the experiment was made with, got {path.name} with "
            f"hash {_hash(source)} instead of {digest}. Restore the file, or name the code "
            "without a hash for a new experiment."
        )
    loaded = types.ModuleType(f"{module}{MARK}{digest}")
    loaded.__file__ = str(path)
    sys.modules[loaded.__name__] = loaded  # where dataclasses look for their own
    try:
        exec(compile(source, str(path), "exec"), loaded.__dict__)
    except Exception as error:
        raise ConfigError(
            f"`{path.name}` must be a file that can be run, got {type(error).__name__}: {error}. "
            "Mend the file."
        ) from None
    return loaded


def _find(module: str) -> Path:
    invalidate_caches()  # it may just have been written
    spec = PathFinder.find_spec(module)
    path = Path(spec.origin) if spec and spec.origin else None
    if path is None or path.suffix != ".py" or (spec and spec.submodule_search_locations):
        raise ConfigError(
            f"`{module}` must be a file {module}.py where Python looks for modules, got none. "
            "Run from its folder, or add the folder to PYTHONPATH."
        )
    return path


def _hash(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()[:DIGITS]


def _require_whole(source: bytes, path: Path) -> None:
    """Refuse code that lives in more files than the one whose hash names it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(
            f"`{path.name}` must be Python, got what does not parse: {error}. Mend the file."
        ) from None
    for node in ast.walk(tree):
        called = getattr(node, "attr", getattr(node, "id", None))
        if called in ("import_module", "__import__"):
            raise ConfigError(
                f"`{path.name}` must import by import statements, so that what it needs can be "
                f"seen, got {called}. Write an import."
            )
    installed = {*sys.stdlib_module_names, *packages_distributions(), "grokscope"}
    for other in _imported(tree):
        if other.partition(".")[0] not in installed:
            raise ConfigError(
                f"`{path.name}` must import only installed packages, so that its hash says what it "
                f"does, got import of {other}. Move that code into {path.name}."
            )


def _imported(tree: ast.AST) -> list[str]:
    """Modules that a syntax tree imports; a dot for what is relative to a package."""
    return [
        (node.module or ".") if isinstance(node, ast.ImportFrom) and not node.level else "."
        if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]  # fmt: skip


def own_code_in(error: BaseException) -> str | None:
    """Where in the user's code an error was raised: file and line; None if it was not in there."""
    frames = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if MARK in frame.f_globals.get("__name__", "")
    ]
    if not frames:
        return None
    frame, line = frames[-1]
    return f"`{Path(frame.f_code.co_filename).name}`, line {line},"


def packages_of(references: Iterable[str]) -> dict[str, str]:
    """The installed packages that the user's code imports, and their versions.

    Args:
        references: with their hashes; their files must be there.
    """
    files = {_find(reference.partition(":")[0]) for reference in references}
    modules = {
        name.partition(".")[0] for f in files for name in _imported(ast.parse(f.read_bytes()))
    }
    homes = packages_distributions() if modules else {}  # which takes half a second
    found = sorted({package for module in modules for package in homes.get(module, ())})
    return {package: version(package) for package in found}


def settings_of(function: Any, skip: int = 0) -> dict[str, inspect.Parameter]:
    """The arguments of a user's function that are settings: all but the first `skip`."""
    return dict(list(_signature(function).parameters.items())[skip:])


def _signature(function: Any) -> inspect.Signature:
    """What a function takes: anything, if it is one of those written in C that do not say."""
    try:
        return inspect.signature(function)
    except ValueError:
        return inspect.signature(lambda *arguments, **settings: None)
