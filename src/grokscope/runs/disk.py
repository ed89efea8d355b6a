"""What a folder's file system can do: its kind, and whether locks exclude other processes there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from filelock import FileLock, Timeout

MOUNTS = Path("/proc/self/mountinfo")
"""Where Linux lists what is mounted where, the last on top."""

NETWORK = re.compile(
    r"nfs4?|cifs|smb\w*|lustre|gpfs|beegfs|ceph|afs|9p|pvfs2|panfs|wekafs|glusterfs|fuse\.\w+"
)
"""Kinds of file systems that several machines may see."""

LOCAL_LOCKS = {"nolock", "local_lock=flock", "local_lock=all", "localflock"}
"""Options of NFS and Lustre with which a lock is known to one machine alone."""

LOCK_SECONDS = 20
"""How long the other process may take to try a lock."""

TRY_LOCK = """
import sys
from filelock import FileLock, Timeout
try:
    FileLock(sys.argv[1]).acquire(blocking=False)
except Timeout:
    print("refused")
"""


def nearest_existing(path: Path) -> Path:
    """A path that may not exist yet, or the nearest folder above it that does."""
    return next(p for p in (path.absolute(), *path.absolute().parents) if os.path.exists(p))


class FileSystem(NamedTuple):
    """What a folder lies on.

    Attributes:
        kind: as Linux calls it, such as ext4 or nfs4.
        options: that it is mounted with.
    """

    kind: str
    options: frozenset[str]

    @property
    def is_network(self) -> bool:
        """Whether several machines may see it."""
        return NETWORK.fullmatch(self.kind) is not None

    @property
    def has_local_locks(self) -> bool:
        """Whether a lock of one machine is known not to hold on others."""
        return not self.options.isdisjoint(LOCAL_LOCKS)


def file_system(folder: Path) -> FileSystem | None:
    """What an existing folder lies on; None where the system does not say, as outside Linux."""
    try:
        lines = MOUNTS.read_text().splitlines()
    except OSError:
        return None
    found, depth = None, -1
    for line in lines:
        place, _, source = line.partition(" - ")
        _, _, _, _, point, options, *_ = place.split(" ")
        kind, _, more = source.split(" ")
        mounted = Path(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), point))
        if len(mounted.parts) >= depth and folder.resolve().is_relative_to(mounted):
            found = FileSystem(kind, frozenset(f"{options},{more}".split(",")))
            depth = len(mounted.parts)
    return found


def locks_exclude(folder: Path) -> bool:
    """Whether a lock that this process takes in a folder is refused to another of this machine.

    What it writes there for this is removed.

    Raises:
        OSError: if the folder cannot be written.
        SubprocessError: if the other process cannot try.
    """
    with TemporaryDirectory(prefix=".grokscope-", dir=folder) as inner:
        path = Path(inner, "lock")
        try:
            held = FileLock(path).acquire(blocking=False)
        except (OSError, NotImplementedError, Timeout):
            return False
        with held:
            other = [sys.executable, "-c", TRY_LOCK, str(path)]
            tried = subprocess.run(
                other, capture_output=True, text=True, check=True, timeout=LOCK_SECONDS
            )
    return tried.stdout.strip() == "refused"
