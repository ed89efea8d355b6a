"""The command that examines the machine: doctor."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from grokscope.cli.base import RUNS, Device, Json, Store, app, use_device
from grokscope.cli.tables import console, plain_table

if TYPE_CHECKING:
    from grokscope.sweeps.machine import Facts


@app.command()
def doctor(store: Store = RUNS, device: Device = "auto", as_json: Json = False) -> None:
    """Say what this machine grants to training, how fast it is, and what is wrong: ten seconds.

    Nothing is changed, and a store that does not exist is not created.

    Example: [bold]grokscope doctor --store /scratch/runs[/bold]
    """
    from grokscope.sweeps.machine import examine

    use_device(device)
    parts = examine(store)
    advice = [*dict.fromkeys(line for part in parts.values() for line in part.advice)]
    if as_json:
        facts = {name: dict(part.facts) for name, part in parts.items()}
        print(json.dumps(facts | {"advice": advice}))
        return
    table = plain_table()
    table.add_column(no_wrap=True)
    table.add_column()
    for name, part in parts.items():
        table.add_row(name, WORDS[name](part.facts) if part.facts else "not known")
    console().print(table)
    for line in advice or ["Nothing is wrong."]:
        print(line)


def _versions(facts: Facts) -> str:
    return ", ".join(f"{name} {number}" for name, number in facts.items())


def _devices(facts: Facts) -> str:
    kinds = facts["devices"]
    named = ", ".join(f"{kinds.count(kind)} × {kind}" for kind in dict.fromkeys(kinds))
    words = f"{named}, products of matrices in precision {facts['matrix_products']}"
    on_cpu = facts["platform"] == "cpu"
    return f"{words}, threads a process: {facts['threads'] or 'all'}" if on_cpu else words


def _allowed(unit: str, scale: float = 1) -> Callable[[Facts], str]:
    """Words for what is allowed of what is present."""

    def words(facts: Facts) -> str:
        allowed, present = (
            "not known" if value is None else f"{value / scale:,.0f}{unit}"
            for value in (facts["allowed"], facts["present"])
        )
        return f"{allowed} allowed of {present}"

    return words


def _store(facts: Facts) -> str:
    exists = "" if facts["exists"] else " (not there yet)"
    locks = {True: "locks exclude", False: "locks do not exclude", None: "locks not tried"}
    return (
        f"{facts['path']}{exists}: {facts['free_bytes'] / 1e9:,.1f} GB free, "
        f"{facts['file_system'] or 'file system not known'}, {locks[facts['locks_exclude']]}"
    )


def _cache(facts: Facts) -> str:
    if facts["path"] is None:
        return "none"
    return f"{facts['path']}: {facts['files']:,} files, {facts['bytes'] / 1e6:,.0f} MB"


def _speed(facts: Facts) -> str:
    verdict = {True: ": slow", False: ": as expected", None: ""}[facts["is_slow"]]
    return (
        f"{facts['step'] * 1e3:.2f} ms a default step, {facts['ratio']:.2f} times its products at "
        f"{facts['operations'] / 1e9:,.0f} GFLOP/s{verdict}"
    )


WORDS: dict[str, Callable[[Facts], str]] = {
    "versions": _versions,
    "devices": _devices,
    "cores": _allowed(""),
    "memory": _allowed(" GB", 1e9),
    "store": _store,
    "cache": _cache,
    "speed": _speed,
}
"""What is printed of each part."""
