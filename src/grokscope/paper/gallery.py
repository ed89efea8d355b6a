"""The gallery: of every figure what there is to see, what of the paper agrees, and its command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from grokscope.paper.figures import SweepFigure, figures
from grokscope.paper.statements import Claim, Verdict

WORDS = {
    Verdict.SUPPORTED: "supported",
    Verdict.CONTRADICTED: "contradicted",
    Verdict.NOT_REPRODUCED: "not reproduced at our setting",
    Verdict.ONE_SEED: "measured with one seed and without a verdict",
    Verdict.UNDECIDED: "undecided",
}


class Entry(NamedTuple):
    """A figure in the gallery.

    Attributes:
        heading: "Figure 3", or the name of a figure that the paper has not, and its title.
        caption: what there is to see.
        agreement: how many statements about it have each verdict, in words.
        command: what draws it.
        sweeps: the sweeps that it shows.
    """

    heading: str
    caption: str
    agreement: str
    command: str
    sweeps: tuple[str, ...]


def gallery(
    all_claims: Mapping[str, Claim], verdicts: Mapping[str, Verdict]
) -> dict[int | str, Entry]:
    """An entry for each figure, by its number or name.

    Args:
        all_claims: every statement by name.
        verdicts: the verdict on each, by the statement's name.
    """
    entries = {}
    for number, figure in figures().items():
        names = [name for name, claim in all_claims.items() if number in figures_of(claim)]
        of_sweeps = isinstance(figure, SweepFigure)
        entries[number] = Entry(
            heading=f"{name_of(number)}: {figure.title}",
            caption=figure.caption,
            agreement=_in_words([verdicts[name] for name in names]),
            command=f"grokscope figure {number}" + (" --from results" if of_sweeps else ""),
            sweeps=figure.grids if of_sweeps else (),
        )
    return entries


def name_of(number: int | str) -> str:
    """What a figure is called.

    >>> name_of(3), name_of("notebook")
    ('Figure 3', 'Notebook')
    """
    return f"Figure {number}" if isinstance(number, int) else number.capitalize()


def figures_of(claim: Claim) -> list[int]:
    """The numbers of the figures that show what a statement is about, from its section."""
    return [int(number) for number in re.findall(r"Fig\. (\d+)", claim.section)]


def _in_words(verdicts: list[Verdict]) -> str:
    counts = {verdict: verdicts.count(verdict) for verdict in Verdict if verdict in verdicts}
    if not counts:
        return "None of the statements that are checked is about it alone."
    if len(verdicts) == 1:
        return f"The statement about it is {WORDS[verdicts[0]]}."
    words = [f"{count} {WORDS[verdict]}" for verdict, count in counts.items()]
    if len(counts) == 1:
        words = [f"all {WORDS[verdicts[0]]}"]
    return f"{len(verdicts)} statements about it: {', '.join(words)}."
