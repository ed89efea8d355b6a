"""Files that are whole or not there: atomic writing, a checksum, and netCDF on top of both."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import xarray as xr

from grokscope.errors import ConfigError, StoreError
from grokscope.interrupts import held
from grokscope.runs.disk import nearest_existing

SEAL = b"grokscope sha256 "

TEMPORARY = re.compile(r"\..{1,12}-[0-9a-f]{16}")
"""What `write_atomically` calls a file until it is whole."""

LEFTOVER_SECONDS = 24 * 3600
"""Age at which a temporary file is nobody's any more."""

HDF5 = threading.Lock()
"""The HDF5 library is not thread-safe: two threads that read at once end the process."""


def require_writable(folder: Path, name: str) -> None:
    """Refuse a folder that cannot be created or written, before work is spent on its content.

    It is not created: a command that is refused for another reason leaves nothing behind.

    Args:
        folder: the folder, which need not exist.
        name: the setting that names the folder, for the message.

    Raises:
        ConfigError: if the folder cannot be created or written.
    """
    existing = nearest_existing(folder)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        reason = f"{str(existing)!r} is a file" if existing.is_file() else error.strerror
        raise ConfigError(
            f"`{name}` must be in a folder that can be written, got {str(folder)!r} ({reason}). "
            "Choose another."
        ) from None


def require_file(path: Path, name: str, endings: tuple[str, ...]) -> None:
    """Refuse a file that cannot be written or has a wrong ending, before work is spent on it.

    Args:
        path: the file; its folder need not exist, and is not created.
        name: the setting that names the file, for the message.
        endings: the endings that are allowed, such as ".png".

    Raises:
        ConfigError: if the file cannot be written or ends in something else.
    """
    if path.suffix.lower() not in endings or path.is_dir():
        raise ConfigError(
            f"`{name}` must be a file that ends in {', '.join(endings)}, got {str(path)!r}. "
            f"Use {name}{endings[0]}."
        )
    require_writable(path.parent, name)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it, flush it to disk, then rename it.

    Its folder is created if it does not exist.

    Raises:
        OSError: if the file cannot be written; the temporary file is removed.
    """
    temporary = path.with_name(f".{path.stem[:12]}-{secrets.token_hex(8)}")
    with held():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove, among some files, the temporary ones of processes that were killed a day ago."""
    oldest = time.time() - LEFTOVER_SECONDS
    for path in paths:
        with suppress(OSError):
            if TEMPORARY.fullmatch(path.name) and path.stat().st_mtime < oldest:
                path.unlink()


def seal(content: bytes) -> bytes:
    """The checksum that follows a file's content; readers of netCDF ignore it.

    It is checked before the content is parsed: a flipped bit in a weight would go unnoticed, and
    one in the structure can send an HDF5 reader into an endless loop.

    >>> seal(b"content")[:24]
    b'grokscope sha256 ed7002b'
    """
    return SEAL + hashlib.sha256(content).hexdigest().encode()


def write_sealed(path: Path, content: bytes) -> None:
    """Write content and its seal, whole or not at all.

    Raises:
        OSError: if the file cannot be written; no part of it is left behind.
    """
    write_atomically(path, content + seal(content))


def read_sealed(path: Path) -> bytes:
    """Read what `write_sealed` wrote, after its seal is checked.

    Raises:
        StoreError: if the file is truncated, altered or was not written by grokscope.
        OSError: if the file cannot be read.
    """
    sealed, length = path.read_bytes(), len(seal(b""))
    content, ending = sealed[:-length], sealed[-length:]
    if not ending.startswith(SEAL):
        raise StoreError(
            f"`{path}` must be a file of grokscope, got another file, or a part of one. "
            "Use another, or make it again."
        )
    if ending != seal(content):
        raise StoreError(f"`{path}` must match its checksum, got altered content. Make it again.")
    return content


def seal_of(path: Path) -> str:
    """The checksum of a sealed file, once it is checked; empty if the file is none, or damaged.

    Files of equal checksums have the same content, wherever they lie.
    """
    try:
        return hashlib.sha256(read_sealed(path)).hexdigest()
    except (OSError, StoreError):
        return ""


def write_dataset(
    path: Path, dataset: xr.Dataset, encoding: Mapping[Hashable, dict[str, Any]] | None = None
) -> None:
    """Write a dataset as sealed netCDF-4, whole or not at all.

    Args:
        path: the file.
        dataset: its content.
        encoding: how to store each variable, as in `xarray.Dataset.to_netcdf`.

    Raises:
        OSError: if the file cannot be written; no part of it is left behind.
    """
    with held(), HDF5:
        content = bytes(dataset.to_netcdf(engine="netcdf4", encoding=encoding))
    write_sealed(path, content)


def read_dataset(path: Path) -> xr.Dataset:
    """Read what `write_dataset` wrote into memory, after its seal is checked.

    Raises:
        StoreError: if the file is truncated, altered or was not written by grokscope.
        OSError: if the file cannot be read.
    """
    content = read_sealed(path)
    try:
        with held(), HDF5, xr.open_dataset(content, engine="netcdf4") as file:
            dataset = file.load()
    except Exception as error:  # the netCDF stack raises many kinds for unexpected content
        reason = str(error).partition("\n")[0]
        raise StoreError(
            f"`{path}` must be a netCDF file, got one that cannot be read ({reason}). "
            "Use another, or make it again."
        ) from None
    # netCDF returns attributes as NumPy scalars.
    dataset.attrs = {k: getattr(v, "item", lambda v=v: v)() for k, v in dataset.attrs.items()}
    return dataset
