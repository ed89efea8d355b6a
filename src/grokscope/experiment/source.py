"""What a Python file says, read from its source: nothing of it is run."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from grokscope.errors import ConfigError


def defines(source: bytes, name: str) -> bool:
    """Whether a name is defined, imported or assigned at the top of a file."""
    return any(name in _bound_by(statement) for statement in ast.parse(source).body)


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


def require_whole(source: bytes, path: Path) -> None:
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
    for name in imported(tree):
        module = name.partition(".")[0]
        if module not in {*sys.stdlib_module_names, "grokscope"} and not _is_installed(module):
            raise ConfigError(
                f"`{path.name}` must import only installed packages, so that its hash says what it "
                f"does, got import of {name}. Move that code into {path.name}."
            )


def _is_installed(module: str) -> bool:
    if module not in installed_packages():
        installed_packages.cache_clear()  # it may have been installed since
    return module in installed_packages()


@cache
def installed_packages() -> Mapping[str, list[str]]:
    """The distributions that bring each top-level module; finding them takes half a second."""
    return packages_distributions()


def imported(tree: ast.AST) -> list[str]:
    """Modules that a syntax tree imports; a dot for what is relative to a package."""
    return [
        (node.module or ".") if isinstance(node, ast.ImportFrom) and not node.level else "."
        if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]  # fmt: skip


def settings_in(
    source: bytes, name: str, place: str, skip: int = 0, method: str | None = None
) -> dict[str, object]:
    """The settings that a function takes, and their defaults.

    Args:
        source: the file's.
        name: of the function, or of a class, which is made by its `method`.
        place: what to call it in messages.
        skip: how many arguments come before the settings.
        method: of a class, such as init.

    Returns:
        Defaults by name; `inspect.Parameter.empty` for a setting without.

    Raises:
        ConfigError: if it is not written by def or class, takes settings that it does not name, or
            has a default that is more than a value.
    """
    tree = ast.parse(source)
    defined = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    found: ast.stmt | None = defined.get(name)
    if isinstance(found, ast.ClassDef):
        found = _method(found, method or "__init__", defined)
        skip += 1  # cls or self
    elif method:
        found = None
    if not isinstance(found, ast.FunctionDef):
        what = f"a network with a class method {method}" if method else "a function written by def"
        raise ConfigError(f"`{place}` must be {what}, got another object. Write it out.")
    return dict(_defaults(found.args, place, _constants(tree))[skip:])


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """What is assigned to single names at the top of a file."""
    return {
        target.id: node.value for node in tree.body if isinstance(node, ast.Assign)
        for target in node.targets if isinstance(target, ast.Name)
    }  # fmt: skip


def _defaults(
    arguments: ast.arguments, place: str, constants: dict[str, ast.expr]
) -> list[tuple[str, object]]:
    """Names and defaults of a function's arguments, in order."""
    if arguments.vararg or arguments.kwarg:
        raise ConfigError(
            f"`{place}` must name its settings one by one, got * or **. Write them out."
        )
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    given = zip(
        (*positional, *arguments.kwonlyargs),
        (*missing, *arguments.defaults, *arguments.kw_defaults),
        strict=True,
    )
    return [(a.arg, _default(place, a.arg, value, constants)) for a, value in given]


def _method(found: ast.ClassDef, name: str, defined: Mapping[str, ast.stmt]) -> ast.stmt | None:
    """A method of a class, or of a class of the same file that it derives from."""
    for node in found.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    bases = [defined.get(base.id) for base in found.bases if isinstance(base, ast.Name)]
    inherited = [_method(base, name, defined) for base in bases if isinstance(base, ast.ClassDef)]
    return next(iter(inherited), None)


def _default(
    place: str, name: str, value: ast.expr | None, constants: dict[str, ast.expr]
) -> object:
    if value is None:
        return inspect.Parameter.empty
    try:
        return ast.literal_eval(constants.get(getattr(value, "id", ""), value))
    except ValueError:
        raise ConfigError(
            f"`{name}` must have a number, a word, true, false or none as its default in {place}, "
            f"got {ast.unparse(value)}. Write the value."
        ) from None
