"""The shipped sweeps: their checksums, their page, and how they are found without a clone."""

import hashlib
import re
from pathlib import Path

import pytest

import grokscope
from grokscope.cli import main
from grokscope.cli.provenance import _page
from grokscope.errors import StoreError
from grokscope.paper.grids import GRIDS
from grokscope.paper.shipped import (
    SOURCE,
    checksums,
    is_shipped,
    located,
    require_shipped,
    shipped,
)
from grokscope.sweeps.archive import load_sweep
from grokscope.sweeps.provenance import provenance_of


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty working folder, an empty cache, and no address."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(SOURCE, raising=False)
    return tmp_path


def test_the_package_knows_every_shipped_file(results):
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in results.glob("*.nc")
    }
    assert found == checksums(), "run `make shipped`"
    assert {name.removesuffix(".nc") for name in found} <= set(GRIDS)


@pytest.mark.slow
def test_the_page_of_the_results_is_what_their_files_tell(results):
    page = _page(Path("results"), Path("results/README.md"), provenance_of(results))
    assert (results / "README.md").read_text() == page, "run `make shipped`"


def test_a_folder_is_asked_before_anything_else(elsewhere, results):
    assert shipped("figure14", results) == results / "figure14.nc"
    assert shipped("figure14") is None
    with pytest.raises(StoreError, match=f"must be a folder with figure14.nc.*set {SOURCE}") as e:
        grokscope.paper.figure(14, results="results")
    assert "\n" not in str(e.value)


def test_outside_a_clone_a_sweep_is_downloaded_once(elsewhere, server, monkeypatch, results):
    monkeypatch.setenv(SOURCE, server(results))
    assert is_shipped("figure14")
    assert not (elsewhere / "cache").exists()  # it was only asked for
    path = require_shipped("figure14", "results")
    assert path.read_bytes() == (results / "figure14.nc").read_bytes()
    monkeypatch.setenv(SOURCE, "http://127.0.0.1:9/none/")
    assert require_shipped("figure14", "results") == path
    assert load_sweep(path).sizes["train_fraction"] == 2
    with pytest.raises(StoreError, match=r"`figure12.nc` must be downloaded.*but that failed"):
        shipped("figure12")


def test_another_file_is_not_taken(elsewhere, server, monkeypatch):
    (elsewhere / "served").mkdir()
    (elsewhere / "served/figure14.nc").write_bytes(b"something else")
    monkeypatch.setenv(SOURCE, server(elsewhere / "served"))
    with pytest.raises(StoreError, match="but that failed"):
        shipped("figure14")
    assert not [*elsewhere.glob("cache/**/*.nc")]


def test_a_folder_that_is_there_or_named_is_not_completed_by_a_download(
    elsewhere, server, monkeypatch, results
):
    monkeypatch.setenv(SOURCE, server(results))
    assert not is_shipped("figure14", "other")
    (elsewhere / "results").mkdir()
    assert not is_shipped("figure14")
    assert shipped("figure14") is None


def test_a_shipped_sweep_is_opened_by_its_name(elsewhere, server, monkeypatch, capsys, results):
    with pytest.raises(SystemExit) as ended:
        main(["phases", "figure14"])
    assert ended.value.code == 2
    words = f"grokscope: `figure14` is shipped .*{SOURCE}.* grokscope sweep figure14.\n"
    assert re.fullmatch(words, capsys.readouterr().err)
    monkeypatch.setenv(SOURCE, server(results))
    assert located(Path("figure14")).read_bytes() == (results / "figure14.nc").read_bytes()
    for command in ("phases figure14 --json", "explore figure14 --export page.html"):
        with pytest.raises(SystemExit) as ended:
            main(command.split())
        assert ended.value.code == 0
    assert (elsewhere / "page.html").stat().st_size > 1e6
    (elsewhere / "figure14").mkdir()
    assert located(Path("figure14")) == Path("figure14"), "what is here comes first"
