"""The gallery: a page with every figure, made from the package, the pictures and the verdicts.

`grokscope verify --no-sweeps --json > docs/verdicts.json` writes the verdicts, `make pictures` the
pictures and this page.
"""

import json
import re
from pathlib import Path

from grokscope.paper.gallery import Entry, gallery
from grokscope.paper.statements import Verdict, claims

DOCS = Path(__file__).parent
PAGE = DOCS / "gallery.md"


def verdicts() -> dict[str, Verdict]:
    """The verdict on each statement, by its name."""
    found = json.loads((DOCS / "verdicts.json").read_text())["claims"]
    return {claim["name"]: Verdict(claim["verdict"]) for claim in found}


def section_of(number: int | str) -> str:
    """The anchor in the findings of what is said of a figure; that of the statements if nothing."""
    anchor = "statements"
    for line in (DOCS / "findings.md").read_text().splitlines():
        if line.startswith("## "):
            anchor = re.sub(r"[^\w -]", "", line[3:].lower()).replace(" ", "-")
        elif re.match(rf"\*\*Figures? (\d+(\([ab]\))?, )*{number}\b", line) or (
            f"`grokscope figure {number}`" in line
        ):
            return anchor
    return "statements"


def as_page() -> str:
    """The page's Markdown."""
    entries = gallery(claims(), verdicts())
    sections = "\n".join(_section(number, entry) for number, entry in entries.items())
    return f"""# Gallery

Every figure of the paper, made anew, and two that the paper has not.
`grokscope figure N` draws one and trains what is missing. With `--from results` a diagram is drawn
from [shipped sweeps](how-to/draw-figures.md#phase-diagrams), without training.
The small print below a picture says what was trained, with how many seeds, and which values the
paper does not give.

{sections}"""


def _section(number: int | str, entry: Entry) -> str:
    return f"""## {entry.heading}

![{entry.heading}](images/figure{number}.png)

{entry.caption}

{entry.agreement} Drawn by `{entry.command}`. [Findings](findings.md#{section_of(number)}).
"""


if __name__ == "__main__":
    PAGE.write_text(as_page())
