"""Files that are downloaded into the cache, with a progress bar and a checksum."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs

TIMEOUT = 30
"""Seconds without an answer after which a download fails."""


def cache_folder(name: str) -> Path:
    """The folder of the user's cache for files of a kind."""
    return Path(platformdirs.user_cache_dir("grokscope")) / name


def download(base: str, name: str, folder: Path, sha256: str | None = None) -> Path:
    """Download a file into a folder, unless it is there; whole or not at all.

    Args:
        base: the address of the file's folder.
        name: the file's name there and here.
        folder: created if it does not exist.
        sha256: the checksum that the file must have; None if the caller checks it.

    Returns:
        The file.

    Raises:
        OSError: if that fails, or the file has another checksum; with the reason in a line.
    """
    import pooch
    import requests

    from grokscope.progress import work_bar

    pooch.get_logger().setLevel("WARNING")  # the bar says it
    with work_bar(show=True) as show:
        bar: Any = _Bar(name, show)
        downloader: Any = pooch.HTTPDownloader(timeout=TIMEOUT, progressbar=bar)
        try:
            got = pooch.retrieve(
                f"{base.rstrip('/')}/{name}",
                sha256,
                fname=name,
                path=folder,
                downloader=downloader,
            )
        except requests.ConnectionError:
            raise OSError("no connection") from None
        except ValueError as error:
            if sha256 is None or "hash" not in str(error):
                raise OSError(str(error).partition("\n")[0]) from None
            raise OSError("another file is there: its checksum differs") from None
        except Exception as error:  # of many kinds: pooch's, requests' and urllib3's
            raise OSError(str(error).partition("\n")[0] or type(error).__name__) from None
    return Path(got)


class _Bar:
    """Our progress bar in the shape that pooch asks for; it counts bytes."""

    def __init__(self, name: str, show: Callable[[str, float, float], None]) -> None:
        self.name, self.show = name, show
        self.done, self.total = 0, 1  # the latter is pooch's to set

    def update(self, n: int) -> None:
        self.done += n
        self.show(f"downloading {self.name}", float(self.done), float(self.total))

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass
