"""A user's own code as a value: which function of which file, and a hash of the file's source.

Naming code reads its file and runs nothing. Code is run by `load` alone: only from folders that the
user named for it (`allow_code`), and only if the source has the hash that is stated.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationInfo
from pydantic_core import CoreSchema, core_schema

from grokscope.errors import ConfigError
from grokscope.experiment.cells import MODULE, file_of_cell, is_of_a_cell
from grokscope.experiment.source import (
    defines,
    imported,
    installed_packages,
    require_whole,
    settings_in,
)

MARK = "@"
"""Between the name of code, as in my_rules:squares, and the hash of its source."""

DIGITS = 16
"""Hex digits of SHA-256 behind a name: two sources share them by chance once in 2⁶⁴."""


_folders: dict[Path, None] = {}
_reads_a_document: ContextVar[bool] = ContextVar("reads a document", default=False)


def allow_code(*folders: str | Path) -> None:
    """Let own code be run from these folders, and from no other, for as long as this process lives.

    Code that a program names itself, as in `Experiment(operation="my_rules:squares")`, needs no
    call of this: its folder is allowed then. What a document names needs it.

    >>> from tempfile import mkdtemp
    >>> allow_code(mkdtemp())
    """
    for folder in folders:
        _folders[Path(folder).absolute()] = None


def allowed_folders() -> list[str]:
    """The folders that own code may be run from; processes that train are told of them."""
    return list(map(str, _folders))


@contextmanager
def reading() -> Iterator[None]:
    """While a document is read, code that it names is not allowed to run for that."""
    token = _reads_a_document.set(True)
    try:
        yield
    finally:
        _reads_a_document.reset(token)


class OwnCode(str):
    """A function or class of the user's own, as in my_rules:squares@0123456789abcdef.

    Before the mark stands where it is found, behind it a hash of the file's source, so that a
    result is never taken for one of other code.

    >>> code = OwnCode("my_rules:squares@0123456789abcdef")
    >>> code.label, code.module, code.function
    ('my_rules:squares', 'my_rules', 'squares')
    """

    __slots__ = ()

    @property
    def label(self) -> str:
        """File and name, whatever the source."""
        return self.partition(MARK)[0]

    @property
    def module(self) -> str:
        """The file, without its ending."""
        return self.partition(":")[0]

    @property
    def function(self) -> str:
        """The name of the function or class in its file."""
        return self.label.partition(":")[2]

    @property
    def source_hash(self) -> str:
        """Hex digits of the source's SHA-256."""
        return self.partition(MARK)[2]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        """How pydantic takes it: by its name, with or without the hash, or as the object itself."""

        def validated(value: object, info: ValidationInfo) -> OwnCode:
            if not names_code(value):
                raise ValueError("names no code")
            return identified(str(info.field_name), value)

        return core_schema.with_info_plain_validator_function(
            validated, serialization=core_schema.to_string_ser_schema()
        )


def names_code(value: object) -> bool:
    """Whether a value names a user's own code: as in my_rules:squares, or the object itself.

    >>> names_code("my_rules:squares"), names_code("addition"), names_code(5)
    (True, False, False)
    """
    return (isinstance(value, str) and ":" in value) or (
        callable(value) and hasattr(value, "__qualname__")
    )


def label(value: object) -> object:
    """The label of a user's own code; any other value as it is."""
    return value.label if isinstance(value, OwnCode) else value


def identified(name: str, value: Any) -> OwnCode:
    """The code that a value names, with the hash of its source.

    The file is read and not run. A name that has its hash is taken as it is, whether or not its
    file is there, so that results can be looked at where the code is not.

    Args:
        name: the setting, for messages.
        value: file and function, with or without the hash, or a function or class of a file.

    Raises:
        ConfigError: if there is no such file or function, or the file does not hold all of the
            code: what it imports must be installed packages, whose versions every run records.
    """
    of_cell = is_of_a_cell(value)
    module = MODULE if of_cell else getattr(value, "__module__", "").partition(MARK)[0]
    code = OwnCode(value if isinstance(value, str) else f"{module}:{value.__qualname__}")
    module, function = code.module, code.function
    if module == "__main__" or not module.isidentifier() or not function.isidentifier():
        raise ConfigError(
            f"`{name}` must be a function or class of a Python file, got {code.label!r}, which no "
            "other process could find. Put it into a file my_rules.py, and use my_rules:name."
        )
    if code.source_hash:
        return code
    if of_cell:
        path = file_of_cell(value)
    elif isinstance(value, str):
        path = _file(module, _known_folders())
    else:
        path = _file_of(value, name)
    source = path.read_bytes()
    require_whole(source, path)
    if not defines(source, function):
        raise ConfigError(
            f"`{code.label}` must be a function or class, got none of that name. "
            f"Define {function} in {module}.py."
        )
    if not _reads_a_document.get():  # a program or a command line names it
        allow_code(path.parent)
    return OwnCode(f"{code.label}{MARK}{_hash(source)}")


def _file_of(value: Callable[..., object], name: str) -> Path:
    """The file that a function or class was defined in."""
    try:
        path = Path(inspect.getsourcefile(value) or "")
    except TypeError:
        path = Path()
    if not path.is_file():
        raise ConfigError(
            f"`{name}` must be a function or class of a Python file, got {value!r}. Put it into a "
            "file my_rules.py, and use my_rules:name."
        )
    return path


def load(code: OwnCode) -> Any:
    """The function or class, made from exactly the source that is named.

    Raises:
        ConfigError: if the file is in no folder that is allowed, or was changed since, or the
            function is not in it.
    """
    path = _file(code.module, _folders, code.source_hash)
    found = getattr(_run(path, code.module, code.source_hash), code.function, None)
    if not callable(found):
        raise ConfigError(
            f"`{code.label}` must be a function or class, got none of that name. "
            f"Define {code.function} in {code.module}.py."
        )
    return found


def call(code: OwnCode, *arguments: object, **settings: object) -> Any:
    """What the function returns.

    Raises:
        ConfigError: if it does not take these arguments.
    """
    function = load(code)
    signature = _signature(function)
    try:
        signature.bind(*arguments, **settings)
    except TypeError:
        raise ConfigError(
            f"`{code.label}` must take {len(arguments)} arguments, got "
            f"{function.__name__}{signature}. Mend the function."
        ) from None
    return function(*arguments, **settings)


def takes(code: OwnCode, name: str, after: int = 0) -> bool:
    """Whether the function has an argument of a name, behind its first ones."""
    return name in [*_signature(load(code)).parameters][after:]


@cache
def _run(path: Path, module: str, digest: str) -> types.ModuleType:
    """The module that a file's source makes; whatever has this hash does the same."""
    loaded = types.ModuleType(f"{module}{MARK}{digest}")
    loaded.__file__ = str(path)
    sys.modules[loaded.__name__] = loaded  # where dataclasses look for their own
    source = path.read_bytes()
    try:
        _require_hash(source, path, digest)
        exec(compile(source, str(path), "exec"), loaded.__dict__)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"`{path.name}` must be a file that can be run, got {type(error).__name__}: {error}. "
            "Mend the file."
        ) from None
    return loaded


def _require_hash(source: bytes, path: Path, digest: str) -> None:
    if _hash(source) != digest:
        raise ConfigError(
            f"`{path.stem}` must be the code that the experiment was made with, got {path.name} "
            f"with hash {_hash(source)} instead of {digest}. Restore the file, or name the code "
            "without a hash for a new experiment."
        )


def _file(module: str, folders: Iterable[Path], digest: str = "") -> Path:
    """The file of a module in some folders: that of a hash, if it has one, or else the first.

    Raises:
        ConfigError: if there is none.
    """
    found = [path for folder in folders if (path := folder / f"{module}.py").is_file()]
    if not found:
        raise ConfigError(
            f"`{module}` must be a file {module}.py in a folder that you name for code, got none. "
            "Use --code DIR, in Python grokscope.allow_code(DIR). For a run that is stored the "
            "current folder does not count."
        )
    fitting = [path for path in found if not digest or _hash(path.read_bytes()) == digest]
    if not fitting:
        _require_hash(found[0].read_bytes(), found[0], digest)
    return fitting[0]


def named_file(name: str) -> Path:
    """A file of numbers in the current folder, or in one that the user named for code.

    Raises:
        ConfigError: if it is in none.
    """
    found = [path for folder in _known_folders() if (path := folder / name).is_file()]
    if not found:
        raise ConfigError(
            f"`file` must be in the current folder or in one that you name for code, got {name!r}, "
            "which is in none. Use --code DIR, in Python grokscope.allow_code(DIR)."
        )
    return found[0]


def _known_folders() -> list[Path]:
    """Where the file of code is read, to be named and hashed; it is run from `_folders` alone."""
    return [Path.cwd(), *_folders]


def _hash(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()[:DIGITS]


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


def split_measures(
    measures: Sequence[str | OwnCode] | None,
) -> tuple[list[str], list[OwnCode]]:
    """The names of built-in measures, and the code of the user's own, of an experiment's."""
    asked = measures or ()
    own = [code for code in asked if isinstance(code, OwnCode)]
    return [name for name in asked if not isinstance(name, OwnCode)], own


def packages_of(codes: Iterable[OwnCode]) -> dict[str, str]:
    """The installed packages that the user's code imports, and their versions.

    Raises:
        ConfigError: if a file is in no folder that is allowed.
    """
    files = {_file(code.module, _folders, code.source_hash) for code in codes}
    modules = {
        name.partition(".")[0] for f in files for name in imported(ast.parse(f.read_bytes()))
    }
    homes = installed_packages() if modules else {}
    found = sorted({package for module in modules for package in homes.get(module, ())})
    return {package: version(package) for package in found}


def settings_of(code: OwnCode, skip: int = 0, method: str | None = None) -> dict[str, object]:
    """The settings that the code takes, and their defaults; see `source.settings_in`."""
    path = _file(code.module, _known_folders(), code.source_hash)
    return settings_in(path.read_bytes(), code.function, code.label, skip, method)


def _signature(function: Callable[..., object]) -> inspect.Signature:
    """What a function takes: anything, if it is one of those written in C that do not say."""
    try:
        return inspect.signature(function)
    except ValueError:
        return inspect.signature(lambda *arguments, **settings: None)
