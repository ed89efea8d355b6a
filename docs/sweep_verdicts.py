"""The verdicts on statements about sweeps, judged anew after a sweep in results has changed.

Verdicts on statements about single networks stay as they are in docs/verdicts.json: `make verdicts`
judges them too, which trains all of their networks.
"""

import json
from pathlib import Path

from grokscope.analysis.statistics import Interval
from grokscope.cli.paper import finding_document
from grokscope.cli.tables import jsonable
from grokscope.paper.statements import Claim, Finding, Verdict, claims, counted, families, verify

VERDICTS = Path(__file__).parent / "verdicts.json"


def main() -> None:
    """Write the verdicts, and print those that have changed and how many there are of each."""
    everything = claims()
    members = families(everything)
    of_sweeps = [name for name, claim in everything.items() if claim.sweeps]
    found = verify(of_sweeps, train_sweeps=False)
    rows = json.loads(VERDICTS.read_text("utf-8"))["claims"]
    for place, old in enumerate(rows):
        name = old["name"]
        if name in found:
            rows[place] = new = _row(name, everything[name], found[name], members[name])
            if new != old:
                print(f"{name}: {_words(old)} -> {_words(new)}")
    VERDICTS.write_text(json.dumps({"claims": rows}, ensure_ascii=False) + "\n", "utf-8")
    print(counted(everything, {row["name"]: _finding(row) for row in rows}))


def _row(name: str, claim: Claim, finding: Finding, family: str) -> dict:
    """What `grokscope verify --json` says of a statement."""
    return json.loads(json.dumps(jsonable(finding_document(name, claim, finding, family))))


def _finding(row: dict) -> Finding:
    """A row as the verdict that is counted."""
    nothing = Interval(*[float("nan")] * 3)
    p = float("nan") if row["p"] is None else row["p"]
    return Finding(Verdict(row["verdict"]), nothing, row["n"], p=p)


def _words(row: dict) -> str:
    ends = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
    estimate = "nothing" if row["estimate"] is None else f"{row['estimate']:.3f}{ends}"
    return f"{row['verdict']}, {estimate} of {row['n']} seeds"


if __name__ == "__main__":
    main()
