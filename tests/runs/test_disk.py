"""File systems as `df` names them, and locks that are tried."""

import os
import subprocess
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from grokscope.runs import disk
from grokscope.runs.disk import FileSystem, file_system, locks_exclude

MOUNTED = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:30 / /home rw - nfs4 server:/home rw,vers=4.2,local_lock=none
24 22 0:31 / /home/with\040space rw - nfs server:/x rw,local_lock=all
25 22 0:32 / /scratch rw - ext4 /dev/sdb1 rw
26 22 0:33 / /scratch rw - lustre mds:/s rw,localflock
27 22 0:34 / /homes rw - fuse.sshfs server: rw
"""


@pytest.fixture
def mounted(monkeypatch, tmp_path):
    """Other mounts than this machine's."""
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTED)
    monkeypatch.setattr(disk, "MOUNTS", file)


@pytest.mark.parametrize(
    ("folder", "kind", "is_network", "has_local_locks"),
    [
        ("/opt/runs", "ext4", False, False),
        ("/home/me", "nfs4", True, False),
        ("/home/with space/runs", "nfs", True, True),
        ("/scratch", "lustre", True, True),
        ("/homes", "fuse.sshfs", True, False),
    ],
)
@pytest.mark.usefixtures("mounted")
def test_a_folder_lies_on_the_deepest_and_latest_mount(folder, kind, is_network, has_local_locks):
    found = file_system(Path(folder))
    assert found is not None
    assert (found.kind, found.is_network, found.has_local_locks) == (
        kind, is_network, has_local_locks,
    )  # fmt: skip


@pytest.mark.skipif(not disk.MOUNTS.exists(), reason="reads /proc")
@pytest.mark.parametrize("folder", ["/proc/self", "/dev/shm", os.curdir])
def test_the_file_system_is_what_df_says(folder):
    asked = ["df", "--output=fstype", folder]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[-1]
    found = file_system(Path(folder))
    assert found is not None
    assert found.kind == said


def test_where_mounts_are_not_listed_nothing_is_known(monkeypatch, tmp_path):
    monkeypatch.setattr(disk, "MOUNTS", tmp_path / "none")
    assert file_system(tmp_path) is None
    assert not FileSystem("ext4", frozenset()).is_network


def test_a_lock_is_refused_to_another_process_and_nothing_is_left(tmp_path):
    assert locks_exclude(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_lock_that_holds_nobody_off_is_noticed(monkeypatch, tmp_path):
    monkeypatch.setattr(
        disk, "FileLock", lambda path: SimpleNamespace(acquire=lambda blocking: nullcontext())
    )
    assert not locks_exclude(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_locks_has_none(monkeypatch, tmp_path):
    def refuse(blocking):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(disk, "FileLock", lambda path: SimpleNamespace(acquire=refuse))
    assert not locks_exclude(tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_process_that_cannot_try_says_nothing_of_locks(monkeypatch, tmp_path):
    monkeypatch.setattr(disk, "TRY_LOCK", "raise SystemExit(1)")
    with pytest.raises(subprocess.CalledProcessError):
        locks_exclude(tmp_path)
    assert not list(tmp_path.iterdir())
