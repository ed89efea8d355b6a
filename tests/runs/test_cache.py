"""Packed summaries: the same when unpacked, few at once, and in one file."""

import json
import math

import pytest

from grokscope.measures.table import MEASURES
from grokscope.runs import cache
from grokscope.runs.cache import (
    BLOCK,
    UNPACKED,
    Block,
    Cache,
    Summaries,
    packed,
    read_cache,
    tidied,
    write_cache,
)
from grokscope.runs.files import read_sealed, write_sealed
from grokscope.runs.store import SUMMARIES, Store
from grokscope.runs.summaries import Cached, signature

KINDS = [None, 3, 0.1 + 0.2, True, -1e-300]


def entries(n, begin=0):
    """Entries that no run has, of every kind of number."""
    found = {}
    for i in range(begin, begin + n):
        summary = {name: KINDS[(i + place) % 5] for place, name in enumerate(MEASURES)}
        summary |= {"norm": {"U": i / 7}, "own": {}, "ipr_counts": {"hidden": [i, 0]}}
        summary |= {"created": "now", "experiment": f'{{"seed":{i}}}'}
        found[f"{i:064x}"] = Cached([i, 2**62 + i, 7], f"{i + 1:064x}", summary)
    return found


@pytest.fixture
def unpacked(monkeypatch):
    """The blocks that are unpacked from now on."""
    blocks, real = [], Block.entries

    def counted(block):
        blocks.append(block)
        return real(block)

    monkeypatch.setattr(Block, "entries", counted)
    return blocks


def test_what_is_unpacked_is_what_was_packed_to_the_last_bit(tmp_path):
    known = entries(2 * BLOCK + 7)
    places = packed(known)
    write_cache(tmp_path / "cache", places)
    again, is_packed = read_cache(tmp_path / "cache")
    assert is_packed
    assert [*again] == [*known]
    assert {name: place[0] for name, place in again.items()} == {
        n: e.mark for n, e in known.items()
    }
    found = Summaries(again)
    assert repr([found.entry(name) for name in found]) == repr([*known.values()])
    with pytest.raises(KeyError):
        found["no such run"]


def test_summaries_are_unpacked_a_block_at_a_time(unpacked):
    places = packed(entries(3 * BLOCK))
    mixed = dict(sorted(places.items(), key=lambda item: hash(item[0])))
    found = Summaries(mixed)
    assert len({*found}) == len([*found.values()]) == 3 * BLOCK
    assert len(unpacked) == len({*unpacked}) == 3


def test_many_small_blocks_become_few():
    """As of a sweep that writes down every minute what it has trained."""
    places = {}
    for begin in range(0, 3 * BLOCK, 100):
        places = tidied(places | packed(entries(100, begin)))
        assert len({block for _, block in places.values()}) <= 1 + begin * 2 // BLOCK
    assert Summaries(places) == Summaries(packed(entries(3 * BLOCK)))


def test_a_block_whose_entries_were_made_again_is_dropped():
    places = packed(entries(BLOCK))
    again = {name: entry._replace(mark=[0, 0, 0]) for name, entry in entries(BLOCK).items()}
    places = tidied(places | packed(again))
    assert len({block for _, block in places.values()}) == 1
    assert all(place[0] == [0, 0, 0] for place in places.values())


def test_a_file_of_before_is_read_and_written_anew(tmp_path):
    known, path = entries(5), tmp_path / "cache"
    document = {"version": UNPACKED, "measures": [*MEASURES], "runs": known}
    write_sealed(path, json.dumps(document).encode())
    kept = Cache(path)
    places = kept.read()
    assert Summaries(places) == Summaries(packed(known))
    kept.keep(places, write=True)
    assert read_cache(path)[1]
    document["measures"] = ["another"]
    write_sealed(path, json.dumps(document).encode())
    assert Cache(path).read() == {}


def test_nothing_is_written_where_nothing_is_new(tmp_path):
    path, places = tmp_path / "cache", packed(entries(5))
    Cache(path).keep(places, write=False)
    assert not path.exists()
    Cache(path).keep(places, write=True)
    mark = signature(path)
    kept = Cache(path)
    kept.keep(dict(kept.read()), write=True)
    assert signature(path) == mark
    assert math.isclose(len(read_sealed(path)), path.stat().st_size, abs_tol=100)


def test_a_large_store_is_opened_by_one_listing_and_one_file(tmp_path, monkeypatch):
    made = {}
    for name, entry in entries(500).items():
        path = tmp_path / f"{name}.nc"
        path.touch()
        made[name] = entry._replace(mark=signature(path))
    Store(tmp_path).summaries(made)
    listed, read = [], []
    listing, reading = cache.read_sealed, Store._files
    monkeypatch.setattr(cache, "read_sealed", lambda path: read.append(path) or listing(path))
    monkeypatch.setattr(Store, "_files", lambda store: listed.append(store) or reading(store))
    monkeypatch.setattr("grokscope.runs.store.open_run", None)
    monkeypatch.setattr("grokscope.runs.store.seal_of", None)
    found = Store(tmp_path).summaries()
    assert dict(found) == {name: entry.summary for name, entry in made.items()}
    assert (len(listed), read) == (1, [tmp_path / SUMMARIES])
