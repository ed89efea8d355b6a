"""The tutorial as a notebook, made from its page: `make notebook` runs it and keeps the outputs.

A shell's commands become the Python that stands in a comment before them.
"""

import base64
import doctest
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import v4
from run_notebooks import execute

PAGE = Path(__file__).parent / "tutorial.md"
NOTEBOOK = PAGE.with_suffix(".ipynb")

FENCE = re.compile(
    r"(?:<!-- (?P<mark>(?:(?!-->).)*?)\s-->\n+)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.M | re.S
)
"""A block of a page; a mark before it says why tests do not run it, or what a notebook runs."""

IN_NOTEBOOK = "in a notebook:\n"

PICTURE = re.compile(r"(?: ?(?:[^.:\n]|\.(?=\S))+:(?=\n\n))?\n*!\[[^\]]*\]\(images/(\S+?)\)")
"""A picture and the sentence that names it; a dot within a file's name ends no sentence."""

BEGINNING = """\
import os, tempfile
os.chdir(tempfile.mkdtemp())  # what is trained here goes into a new folder"""


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
    def in_notebook(self) -> list[str]:
        """The cells that a notebook has in place of its commands."""
        is_said = self.mark.startswith(IN_NOTEBOOK)
        return self.mark.removeprefix(IN_NOTEBOOK).split("\n\n") if is_said else []

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
    end, draws = 0, False  # a cell draws the pictures that the page has after it
    for match in FENCE.finditer(text):
        block = _block(match)
        code = list(_code(block))
        if code:
            cells += _prose(text[end : match.start()], draws)
            cells += map(v4.new_code_cell, code)
            end, draws = match.end(), bool(block.in_notebook)
    cells += _prose(text[end:], draws)
    for index, cell in enumerate(cells):
        cell.id = f"cell-{index}"  # random ones would differ every time
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": spec})


def _code(block: Block) -> Iterator[str]:
    """The code cells that a block becomes; none if it is only to be read."""
    if block.file:
        yield f"%%writefile {block.file}\n{block.body.rstrip()}"
    elif block.in_notebook:
        yield from (cell.strip() for cell in block.in_notebook)
    elif block.kind == "pycon":
        sources: list[str] = []
        for example in doctest.DocTestParser().get_examples(block.body):
            sources.append(example.source)
            if example.want:  # only the last expression of a cell is shown
                yield "".join(sources).rstrip()
                sources.clear()
        if sources:
            yield "".join(sources).rstrip()


def _prose(text: str, without_pictures: bool) -> list[nbformat.NotebookNode]:
    """A Markdown cell, if there is anything to read.

    Its pictures are within it, so that the notebook may be taken elsewhere.
    """
    text = re.sub(r"\nIt is a notebook too: .*", "", text.strip())
    text = PICTURE.sub("", text) if without_pictures else text
    attached = {
        name: {"image/png": base64.b64encode((PAGE.parent / "images" / name).read_bytes()).decode()}
        for name in re.findall(r"\]\(images/(\S+?)\)", text)
    }
    text = text.replace("](images/", "](attachment:")
    return [v4.new_markdown_cell(text, attachments=attached)] if text else []


if __name__ == "__main__":
    made = as_notebook(PAGE.read_text("utf-8"))
    execute(made)
    nbformat.write(made, NOTEBOOK)
    print(f"notebook {NOTEBOOK}")
