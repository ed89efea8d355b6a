"""MNIST from its four IDX files: in a folder, in the cache, or downloaded into it."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from grokscope.data.download import cache_folder, download
from grokscope.errors import ConfigError

FOLDER = "GROKSCOPE_MNIST"
"""Names the environment variable with a folder of the files; workers inherit it."""

SOURCE = "GROKSCOPE_MNIST_URL"
"""Names the environment variable with another place to download the files from."""

URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"

FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of each file when uncompressed."""

Images = UInt8[np.ndarray, "_ 784"]
Labels = Int[np.ndarray, "_"]


def read_mnist(folder: str | Path | None = None) -> tuple[Images, Labels, Images, Labels]:
    """Training images and labels, and test images and labels; pixels are 0 to 255.

    Args:
        folder: with the four IDX files, compressed by gzip or not. By default that of the
            environment variable `GROKSCOPE_MNIST`, or else the cache, into which files that are
            missing are downloaded.

    Raises:
        ConfigError: if a file is missing, is not MNIST's, or cannot be downloaded.
    """
    given = folder or os.environ.get(FOLDER)
    return _read(Path(given) if given else None)


@cache
def _read(folder: Path | None) -> Any:
    arrays = []
    for name in FILES:
        array = parse_idx(_content(name, folder))
        array = array.reshape(len(array), -1) if array.ndim > 1 else array.astype(np.int32)
        array.setflags(write=False)  # as every caller gets the same array
        arrays.append(array)
    return tuple(arrays)


def parse_idx(content: bytes) -> np.ndarray:
    """The array of an IDX file of bytes (the format's magic number names type and rank).

    Raises:
        ValueError: if it is none.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])).tolist()
    [7, 8, 9]
    """
    if content[:3] != bytes([0, 0, 8]):
        raise ValueError("not an IDX file of unsigned bytes")
    rank = content[3]
    shape = np.frombuffer(content, ">u4", rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _content(name: str, folder: Path | None) -> bytes:
    """A file's content, uncompressed, once its checksum is found right."""
    place = folder or cache_folder("mnist")
    for path in (place / name, place / f"{name}.gz"):
        if path.is_file():
            content = _uncompressed(path)
            if hashlib.sha256(content).hexdigest() != FILES[name]:
                raise ConfigError(
                    f"`{path}` must be MNIST's, got a file with another checksum. Remove it."
                )
            return content
    if folder is not None:
        raise ConfigError(
            f"`{folder}` must hold MNIST's {name} or {name}.gz, got neither. Put it there, or "
            f"unset {FOLDER} to have it downloaded."
        )
    _download(name, place)
    try:
        return _content(name, place)
    except ConfigError:
        (place / f"{name}.gz").unlink()
        raise


def _uncompressed(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return b""  # whose checksum is wrong


def _download(name: str, place: Path) -> None:
    try:  # without a checksum, which is of the uncompressed file: mirrors compress differently
        download(os.environ.get(SOURCE) or URL, f"{name}.gz", place)
    except OSError as error:
        raise ConfigError(
            f"`{name}` must be downloaded for the task mnist, but that failed ({error}). "
            f"Set {FOLDER} to a folder that has MNIST's four files."
        ) from None
