"""The tutorial as a notebook, made from its page: `make notebook` runs it and keeps the outputs."""

import base64
import doctest
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbclient
import nbformat
from nbformat import v4

PAGE = Path(__file__).parent / "tutorial.md"
NOTEBOOK = PAGE.with_suffix(".ipynb")

FENCE = re.compile(
    r"(?:<!-- (?P<mark>.*?) -->\n+)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.M | re.S
)
"""A block of a page; a mark before it says why the tests do not run it."""

BEGINNING = """\
import os, tempfile
os.chdir(tempfile.mkdtemp())  # what is trained and drawn here goes into a new folder
os.environ |= {"COLUMNS": "110", "FORCE_COLOR": ""}  # plain text, wide enough for the tables"""


class Block(NamedTuple):
    """What a fence holds; `file` is what it is called in its first line, if it is a file."""

    kind: str
    body: str
    mark: str

    @property
    def is_run(self) -> bool:
        """Whether its commands are run by the tests."""
        return self.kind == "console" and not self.mark.startswith("not run: ")

    @property
    def file(self) -> str | None:
        """The name of the file that the block is, if it begins with one: "# NAME"."""
        first = self.body.partition("\n")[0]
        is_file = self.kind in ("toml", "python") and first.startswith("# ")
        return first.removeprefix("# ") if is_file else None

    @property
    def commands(self) -> list[str]:
        """The lines of a shell that the reader types."""
        lines = self.body.replace("\\\n", " ").splitlines()
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def blocks(text: str) -> list[Block]:
    """All fenced blocks of a page."""
    return [_block(match) for match in FENCE.finditer(text)]


def _block(match: re.Match[str]) -> Block:
    return Block(match["kind"], match["body"], match["mark"] or "")


def as_notebook(text: str) -> nbformat.NotebookNode:
    """A page as a notebook: commands, files and doctests become cells that run."""
    cells = [v4.new_code_cell(BEGINNING)]
    end = 0
    for match in FENCE.finditer(text):
        block = _block(match)
        code = list(_code(block))
        if code:
            cells += _prose(text[end : match.start()])
            cells += map(v4.new_code_cell, code)
            end = match.end()
    cells += _prose(text[end:])
    for index, cell in enumerate(cells):
        cell.id = f"cell-{index}"  # random ones would differ every time
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": spec})


def _code(block: Block) -> Iterator[str]:
    """The code cells that a block becomes; none if it is only to be read."""
    if block.file:
        yield f"%%writefile {block.file}\n{block.body.rstrip()}"
    elif block.is_run:
        yield "\n".join(["%%sh", *block.commands])
    elif block.kind == "pycon":
        sources: list[str] = []
        for example in doctest.DocTestParser().get_examples(block.body):
            sources.append(example.source)
            if example.want:  # only the last expression of a cell is shown
                yield "".join(sources).rstrip()
                sources.clear()
        if sources:
            yield "".join(sources).rstrip()


def _prose(text: str) -> list[nbformat.NotebookNode]:
    """A Markdown cell, if there is anything to read; links without words show their page.

    Its pictures are within it, so that the notebook may be taken elsewhere.
    """
    text = re.sub(r"\[\]\((\S+?)\)", r"[\1](\1)", text.strip())
    text = re.sub(r"\nIt is a notebook too: .*", "", text)
    attached = {
        name: {"image/png": base64.b64encode((PAGE.parent / "images" / name).read_bytes()).decode()}
        for name in re.findall(r"\]\(images/(\S+?)\)", text)
    }
    text = text.replace("](images/", "](attachment:")
    return [v4.new_markdown_cell(text, attachments=attached)] if text else []


if __name__ == "__main__":
    made = as_notebook(PAGE.read_text("utf-8"))
    nbclient.NotebookClient(made, timeout=600, coalesce_streams=True).execute()
    for cell in made.cells:
        cell.metadata.clear()  # times of execution
    nbformat.write(made, NOTEBOOK)
    print(f"notebook {NOTEBOOK}")
