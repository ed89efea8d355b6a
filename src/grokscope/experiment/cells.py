"""Functions of a notebook's cells or of the script that runs, as a file of their own.

No other process could find them where they are. So their source, with what it needs of the cells
around, is written to a file, by which they are found and hashed like any other code.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import linecache
import os
import symtable
import sys
import textwrap
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs

from grokscope.errors import ConfigError

MODULE = "notebook"
"""The name of the file of every such function; each source has a folder of its own."""

PLAIN = (bool, int, float, str, bytes, tuple, type(None))
"""Values that a function may take from its cells, if their `repr` says them."""


def is_of_a_cell(value: object) -> bool:
    """Whether a function or class is defined in a notebook or in the script that runs."""
    return not isinstance(value, str) and getattr(value, "__module__", "") == "__main__"


def file_of_cell(value: Any) -> Path:
    """The file with the source of a function or class, and of what it needs; written if need be.

    Raises:
        ConfigError: if its source is not known, or it needs a value that source cannot say.
    """
    parts: dict[str, str] = {}
    _collect(value.__name__, value, parts)
    source = "\n\n".join(parts.values()) + "\n"
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    path = Path(platformdirs.user_cache_dir("grokscope")) / "cells" / digest / f"{MODULE}.py"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(source, "utf-8")
        part.replace(path)  # whole or not at all
    return path


def _collect(name: str, value: Any, parts: dict[str, str]) -> None:
    """Add what defines a name, behind what that needs.

    Args:
        name: in the cells.
        value: what it stands for.
        parts: source by name, in the order in which it has to be run.
    """
    import numpy as np  # which the help of a command need not load

    if name in parts:
        return
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, types.ModuleType):
        parts[name] = f"import {value.__name__} as {name}"
    elif isinstance(value, type | types.FunctionType) and value.__module__ == "__main__":
        source = _source(value)
        parts[name] = ""  # it may call itself
        known = vars(sys.modules["__main__"])
        used = _globals_in(symtable.symtable(source, "<cell>", "exec"))
        for needed in sorted(used - {name}):
            if needed in known and not hasattr(builtins, needed):
                _collect(needed, known[needed], parts)
        del parts[name]
        parts[name] = source
    elif isinstance(value, PLAIN) and _is_said_by_its_repr(value):
        parts[name] = f"{name} = {value!r}"
    elif found := _import_of(value):
        parts[name] = f"{found} as {name}"
    else:
        raise ConfigError(
            f"`{name}` must be a finite number, a word, a module or a function for code of a "
            f"notebook to use it, got {type(value).__name__}. Make it inside the function."
        )


def _is_said_by_its_repr(value: Any) -> bool:
    """Whether Python reads a value's `repr` as the value: not that of inf, or of an array."""
    try:
        return ast.literal_eval(repr(value)) == value
    except (SyntaxError, ValueError):
        return False


def _import_of(value: object) -> str | None:
    """How a value is imported that a module has under the value's own name; None of others."""
    module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if module in (None, "__main__") or not isinstance(name, str):
        return None
    is_there = getattr(sys.modules.get(module), name, None) is value
    return f"from {module} import {name}" if is_there else None


def _globals_in(table: symtable.SymbolTable) -> set[str]:
    """The names that code takes from around it: not its arguments, and not what it assigns."""
    symbols = table.get_symbols()
    found = {one.get_name() for one in symbols if one.is_referenced() and one.is_global()}
    return found.union(*map(_globals_in, table.get_children()))


def _source(value: type | types.FunctionType) -> str:
    """The source of a function or class; of a class Python knows no file, but of its methods."""
    functions = [value] if isinstance(value, types.FunctionType) else _methods(value)
    for function in functions:
        lines = "".join(linecache.getlines(function.__code__.co_filename))
        with suppress(SyntaxError):  # of a cell with a command to the shell
            nodes = [*ast.walk(ast.parse(lines))]
            for node in nodes[::-1]:  # the last of that name counts
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == value.__name__:
                    first = min(part.lineno for part in (node, *node.decorator_list))
                    own = lines.splitlines(keepends=True)[first - 1 : node.end_lineno]
                    return textwrap.dedent("".join(own))
    raise ConfigError(
        f"`{value.__name__}` must be written by def or class in a cell or a file, got one whose "
        "source is not known. Put it into a file my_rules.py, and use my_rules:name."
    )


def _methods(value: type) -> list[types.FunctionType]:
    """The functions of a class, class methods too."""
    members = (getattr(member, "__func__", member) for member in vars(value).values())
    return [member for member in members if isinstance(member, types.FunctionType)]
