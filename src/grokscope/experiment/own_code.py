"""A user's own code as a value: which function of which file, and a hash of the file's source.

Naming code reads its file and runs nothing. Code is run by `load` alone: only from folders that the
user named for it (`allow_code`), and only if the source has the hash that the reference states.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sys
import traceback
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from grokscope.errors import ConfigError

MARK = "@"
"""Between a reference, as in my_rules:squares, and the hash of its source."""

DIGITS = 16
"""Hex digits of SHA-256 in a reference: two sources share them by chance once in 2⁶⁴."""


_folders: dict[Path, None] = {}
_reads_a_document: ContextVar[bool] = ContextVar("reads a document", default=False)


def allow_code(*folders: str | Path) -> None:
    """Let own code be run from these folders, and from no other, for as long as this process lives.

    Code that a program names itself, as in `Experiment(operation="my_rules:squares")`, needs no
    call of this: its folder is allowed then. What a document names needs it.
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

    The file is read and not run. A reference that has its hash is returned as it is, whether or not
    its file is there, so that results can be looked at where the code is not.

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
    path = _file(module, _known_folders()) if isinstance(value, str) else _file_of(value, name)
    source = path.read_bytes()
    _require_whole(source, path)
    if not any(function in _bound_by(node) for node in ast.parse(source).body):
        raise ConfigError(
            f"`{module}:{function}` must be a function or class, got none of that name. "
            f"Define {function} in {module}.py."
        )
    if not _reads_a_document.get():  # a program or a command line names it
        allow_code(path.parent)
    return f"{reference}{MARK}{_hash(source)}"


def _file_of(value: Any, name: str) -> Path:
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


def _bound_by(statement: ast.stmt) -> set[str]:
    """The names that a statement at the top of a file defines, imports or assigns."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    names = {a.asname or a.name for n in ast.walk(statement) if isinstance(n, ast.ImportFrom)
             for a in n.names}  # fmt: skip
    return names | {
        node.id for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }  # fmt: skip


def without_hashes(document: str) -> str:
    """A text in which references name their code, whatever its source.

    >>> without_hashes('{"operation":"my_rules:squares@0123456789abcdef"}')
    '{"operation":"my_rules:squares"}'
    """
    return re.sub(rf"(:\w+){MARK}[0-9a-f]{{{DIGITS}}}", r"\1", document)


def load(reference: str) -> Any:
    """The function or class of a reference, made from exactly the source that it names.

    Raises:
        ConfigError: if the file is in no folder that is allowed, or was changed since, or the
            function is not in it.
    """
    place, _, digest = reference.partition(MARK)
    module, _, function = place.partition(":")
    found = getattr(_run(_file(module, _folders, digest), module, digest), function, None)
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
            "Use --code DIR, in Python grokscope.allow_code(DIR); the current folder counts when "
            "something is trained."
        )
    fitting = [path for path in found if not digest or _hash(path.read_bytes()) == digest]
    if not fitting:
        _require_hash(found[0].read_bytes(), found[0], digest)
    return fitting[0]


def _known_folders() -> list[Path]:
    """Where the file of code is read, to be named and hashed; it is run from `_folders` alone."""
    return [Path.cwd(), *_folders]


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
    places = (reference.partition(MARK) for reference in references)
    files = {_file(place.partition(":")[0], _folders, digest) for place, _, digest in places}
    modules = {
        name.partition(".")[0] for f in files for name in _imported(ast.parse(f.read_bytes()))
    }
    homes = packages_distributions() if modules else {}  # which takes half a second
    found = sorted({package for module in modules for package in homes.get(module, ())})
    return {package: version(package) for package in found}


def settings_of(reference: str, skip: int = 0, method: str | None = None) -> dict[str, Any]:
    """The settings that a user's function takes, and their defaults, read from its source.

    Args:
        reference: a function, or a class, which is made by its `method`.
        skip: how many arguments come before the settings.
        method: of a class, such as init.

    Returns:
        Defaults by name; `inspect.Parameter.empty` for a setting without.

    Raises:
        ConfigError: if it is not written by def or class, takes settings that it does not name, or
            has a default that is more than a value.
    """
    place, _, digest = reference.partition(MARK)
    module, _, function = place.partition(":")
    tree = ast.parse(_file(module, _known_folders(), digest).read_bytes())
    defined = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    found: ast.stmt | None = defined.get(function)
    if isinstance(found, ast.ClassDef):
        found = _method(found, method or "__init__", defined)
        skip += 1  # cls or self
    elif method:
        found = None
    if not isinstance(found, ast.FunctionDef):
        what = f"a network with a class method {method}" if method else "a function written by def"
        raise ConfigError(f"`{place}` must be {what}, got another object. Write it out.")
    arguments = found.args
    if arguments.vararg or arguments.kwarg:
        raise ConfigError(
            f"`{place}` must name its settings one by one, got * or **. Write them out."
        )
    constants = {
        target.id: node.value for node in tree.body if isinstance(node, ast.Assign)
        for target in node.targets if isinstance(target, ast.Name)
    }  # fmt: skip
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    given = zip(
        (*positional, *arguments.kwonlyargs),
        (*missing, *arguments.defaults, *arguments.kw_defaults),
        strict=True,
    )
    return {a.arg: _default(place, a.arg, value, constants) for a, value in list(given)[skip:]}


def _method(found: ast.ClassDef, name: str, defined: dict[str, Any]) -> ast.stmt | None:
    """A method of a class, or of a class of the same file that it derives from."""
    for node in found.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    bases = [defined.get(base.id) for base in found.bases if isinstance(base, ast.Name)]
    inherited = [_method(base, name, defined) for base in bases if isinstance(base, ast.ClassDef)]
    return next(iter(inherited), None)


def _default(place: str, name: str, value: ast.expr | None, constants: dict[str, Any]) -> Any:
    if value is None:
        return inspect.Parameter.empty
    try:
        return ast.literal_eval(constants.get(getattr(value, "id", ""), value))
    except ValueError:
        raise ConfigError(
            f"`{name}` must have a number, a word, true, false or none as its default in {place}, "
            f"got {ast.unparse(value)}. Write the value."
        ) from None


def _signature(function: Any) -> inspect.Signature:
    """What a function takes: anything, if it is one of those written in C that do not say."""
    try:
        return inspect.signature(function)
    except ValueError:
        return inspect.signature(lambda *arguments, **settings: None)
