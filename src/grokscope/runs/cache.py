"""Summaries of many runs, packed: in memory, where few are unpacked at once, and in one file."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from grokscope.errors import StoreError
from grokscope.measures.table import MEASURES
from grokscope.runs.files import read_sealed, write_sealed
from grokscope.runs.summaries import Cached, Signature, Summary, signature

VERSION = 6
UNPACKED = 5
"""The version of files in which nothing was packed, which are still read."""

BLOCK = 1000
"""Entries that are packed and unpacked together."""


class Block:
    """Some entries as compressed JSON, a list for each of their parts."""

    def __init__(self, packed: bytes) -> None:
        self.packed = packed

    @classmethod
    def of(cls, entries: Mapping[str, Cached]) -> Block:
        """Pack entries, whose summaries all have the same keys."""
        keys = list(next(iter(entries.values())).summary)
        columns = {key: [entry.summary[key] for entry in entries.values()] for key in keys}
        marks, seals = [[entry[part] for entry in entries.values()] for part in (0, 1)]
        document = json.dumps([[*entries], marks, seals, columns])
        return cls(zlib.compress(document.encode(), 1))

    def entries(self) -> dict[str, Cached]:
        """What was packed, by digest."""
        names, marks, seals, columns = json.loads(zlib.decompress(self.packed))
        rows = zip(*columns.values(), strict=True)
        summaries = (dict(zip(columns, row, strict=True)) for row in rows)
        return dict(zip(names, map(Cached, marks, seals, summaries), strict=True))


Place = tuple[Signature, Block]
"""The signature of a run's file, and the block in which its entry is."""


def packed(entries: Mapping[str, Cached]) -> dict[str, Place]:
    """The places of entries in new blocks, by digest."""
    names, found = [*entries], {}
    for begin in range(0, len(names), BLOCK):
        some = {name: entries[name] for name in names[begin : begin + BLOCK]}
        block = Block.of(some)
        found |= {name: (entry.mark, block) for name, entry in some.items()}
    return found


class Summaries(Mapping[str, Summary]):
    """Summaries by digest, of which no more than a block is unpacked at once.

    They are quick to go through in their own order, in which those of a block follow each other.
    """

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = places
        self._open: tuple[Block, dict[str, Cached]] | None = None

    def entry(self, name: str) -> Cached:
        """The entry of a run; raises KeyError if there is none."""
        block = self._places[name][1]
        if self._open is None or self._open[0] is not block:
            self._open = block, block.entries()
        return self._open[1][name]

    def is_as(self, other: Summaries) -> bool:
        """Whether no file has changed between two looks into one store."""
        return self._places == other._places

    def __getitem__(self, name: str) -> Summary:
        return self.entry(name).summary

    def __iter__(self) -> Iterator[str]:
        for names in by_block(self._places).values():
            yield from names

    def __len__(self) -> int:
        return len(self._places)


def by_block(places: Mapping[str, Place]) -> dict[Block, dict[str, Signature]]:
    """The signatures by digest, of each block."""
    found: dict[Block, dict[str, Signature]] = {}
    for name, (mark, block) in places.items():
        found.setdefault(block, {})[name] = mark
    return found


def tidied(places: dict[str, Place]) -> dict[str, Place]:
    """The same entries in few blocks: those of blocks that are less than half in use together."""
    small = [names for names in by_block(places).values() if 2 * len(names) < BLOCK]
    if len(small) < 2:
        return places
    known = Summaries(places)
    return places | packed({name: known.entry(name) for names in small for name in names})


class Cache:
    """The places of a store's entries: remembered, and kept in a file.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, Place] = {}
        self._in_file: dict[str, Place] = {}
        self._mark: Signature | None = None

    def read(self) -> dict[str, Place]:
        """The places, with those that another process has written since the last time."""
        if (mark := self._mark_of_file()) != self._mark:
            (found, is_packed), self._mark = read_cache(self.path), mark
            self._places = self._places | found
            self._in_file = found if is_packed else {}
        return self._places

    def keep(self, places: dict[str, Place], write: bool) -> None:
        """Remember places instead of those before; in the file too, if they are to be written."""
        self._places = places
        if write and places != self._in_file:
            self._places = self._in_file = tidied(places)
            write_cache(self.path, self._places)
            self._mark = self._mark_of_file()

    def _mark_of_file(self) -> Signature | None:
        try:
            return signature(self.path)
        except OSError:
            return None


def read_cache(path: Path) -> tuple[dict[str, Place], bool]:
    """Places by digest, and whether the file is packed, as it is written now.

    There are none if the file is missing, damaged, of another kind or version.
    """
    try:
        header, _, content = read_sealed(path).partition(b"\n")
        document = json.loads(header)
    except (OSError, StoreError, ValueError):
        return {}, False
    version = document.get("version")
    if version not in (VERSION, UNPACKED) or document.get("measures") != [*MEASURES]:
        return {}, False
    if version == UNPACKED:
        return packed({name: Cached(*entry) for name, entry in document["runs"].items()}), False
    places, begin = {}, 0
    for marks, length in document["blocks"]:
        block = Block(content[begin : begin + length])
        places |= {name: (mark, block) for name, mark in marks.items()}
        begin += length
    return places, True


def write_cache(path: Path, places: Mapping[str, Place]) -> None:
    """Write what `read_cache` reads; skipped if the file cannot be written."""
    blocks = by_block(places)
    listed = [[marks, len(block.packed)] for block, marks in blocks.items()]
    header = json.dumps({"version": VERSION, "measures": [*MEASURES], "blocks": listed})
    content = b"".join([header.encode(), b"\n", *(block.packed for block in blocks)])
    with suppress(OSError):  # such a store is slower to open, and nothing else
        write_sealed(path, content)
