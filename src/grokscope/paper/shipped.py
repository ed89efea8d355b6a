"""The paper's sweeps as they are shipped: in a folder, or downloaded where there is no clone."""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path

from grokscope.data.download import cache_folder, download
from grokscope.errors import StoreError

RESULTS = Path("results")
"""Where a clone has the sweeps, relative to its root."""

SOURCE = "GROKSCOPE_RESULTS_URL"
"""Names the environment variable with the address of a folder that has the sweeps' files."""


@cache
def checksums() -> dict[str, str]:
    """SHA-256 of every sweep's file that is shipped, by the file's name."""
    lines = files("grokscope.paper").joinpath("shipped.sha256").read_text().splitlines()
    return {name: checksum for checksum, name in (line.split() for line in lines)}


def is_shipped(name: str, results: str | Path = RESULTS) -> bool:
    """Whether `shipped` has a sweep's file, or knows where to download it."""
    return (Path(results) / f"{name}.nc").exists() or bool(_source(name, results))


def shipped(name: str, results: str | Path = RESULTS) -> Path | None:
    """The file of a sweep of the paper; None if there is none.

    If no other folder is named and there is no folder `RESULTS`, as outside a clone, the file is
    taken from the cache, into which it is downloaded from the address in `GROKSCOPE_RESULTS_URL`.

    Args:
        name: the sweep's.
        results: a folder of exported sweeps.

    Raises:
        StoreError: if the download fails, or gives another file than the one shipped.
    """
    file = f"{name}.nc"
    if (path := Path(results) / file).exists():
        return path
    source = _source(name, results)
    if not source:
        return None
    try:
        return download(source, file, cache_folder("results"), checksums()[file])
    except OSError as error:
        raise StoreError(
            f"`{file}` must be downloaded from {source}, but that failed ({error}). "
            f"Set {SOURCE} to an address that has it, or name a folder that does."
        ) from None


def _source(name: str, results: str | Path) -> str:
    """The address to download a sweep from; empty if it is not to be downloaded."""
    is_elsewhere = Path(results) != RESULTS or RESULTS.is_dir()
    return "" if is_elsewhere or f"{name}.nc" not in checksums() else os.environ.get(SOURCE, "")


def located(source: Path) -> Path:
    """A folder or file as it is named, or the file of the shipped sweep of that name.

    Raises:
        StoreError: if it is the name of a shipped sweep that is not at hand.

    >>> located(Path("runs/map.nc"))
    PosixPath('runs/map.nc')
    """
    if source.exists() or f"{source}.nc" not in checksums():
        return source
    if (found := shipped(str(source))) is not None:
        return found
    raise StoreError(
        f"`{source}` is shipped in the folder {RESULTS} of grokscope's source, and there is no "
        f"such folder here. Go to where it is, set {SOURCE} to an address that has its files, or "
        f"train it: grokscope sweep {source}."
    )


def require_shipped(name: str, results: str | Path) -> Path:
    """The file of a sweep of the paper, as `shipped`.

    Raises:
        StoreError: if there is none; the message says where to get it.
    """
    if (path := shipped(name, results)) is not None:
        return path
    raise StoreError(
        f"`from` must be a folder with {name}.nc, got {str(results)!r}. The folder {RESULTS} of "
        f"grokscope's source has it: name that folder, set {SOURCE} to an address that has its "
        "files, or leave `from` out to train it."
    )
