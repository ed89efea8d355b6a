"""The documentation is complete, its links resolve, and its shell examples run."""

import base64
import inspect
import os
import pkgutil
import re
import shlex
import signal
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
import typer
from gallery import PAGE as GALLERY
from gallery import as_page, verdicts
from run_notebooks import NOTEBOOKS, execute
from tutorial_notebook import IN_NOTEBOOK, NOTEBOOK, as_notebook, blocks

import grokscope
from grokscope import Experiment, cli, digest, train
from grokscope.paper.figures import figures
from grokscope.paper.statements import Verdict, claims

DOCS = Path(__file__).parent.parent / "docs"
GENERATED = (DOCS / "reference", DOCS / "_build")
PAGES = sorted(
    page for page in DOCS.rglob("*.md") if not any(part in page.parents for part in GENERATED)
)
GROUP = typer.main.get_command(cli.app)
COMMANDS: dict = GROUP.commands  # type: ignore[attr-defined]

LINK = re.compile(r"\]\(([^)\s]+)\)")


def name(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_is_in_the_docs(command):
    assert f"Example: [bold]grokscope {command}" in COMMANDS[command].help
    assert any(f"$ grokscope {command}" in page.read_text("utf-8") for page in PAGES)


@pytest.mark.parametrize("public", dir(grokscope))
def test_every_public_name_has_a_docstring(public):
    value = getattr(grokscope, public)
    assert vars(value)["__doc__"] if inspect.isclass(value) else value.__doc__


PYTHON = "".join(
    block.body
    for page in (*PAGES, DOCS.parent / "README.md")
    for block in blocks(page.read_text("utf-8"))
    if block.kind == "pycon"
)


@pytest.mark.parametrize("public", sorted({*dir(grokscope)} - {"WorkerError"}))
def test_every_public_name_has_an_example_that_runs(public):
    """Beside the error of a process that dies. A module has one of any function."""
    value = getattr(grokscope, public)
    if inspect.ismodule(value):
        files = [Path(value.__file__), *Path(value.__file__).parent.glob("*.py")]
        files = files if value.__file__.endswith("__init__.py") else files[:1]
        assert any(">>> " in file.read_text("utf-8") for file in files)
    else:
        told = vars(value)["__doc__"] if inspect.isclass(value) else value.__doc__
        assert ">>> " in told or re.search(rf"\b{public}\b", PYTHON)


def test_every_option_of_every_command_is_described():
    for name in COMMANDS:
        _, command, _ = GROUP.resolve_command(typer.Context(GROUP), [name])  # type: ignore
        for option in command.params:
            assert option.help, (name, option.name)


TUTORIAL = DOCS / "tutorial.md"
WITH_SHELL = [
    page
    for page in PAGES
    if page != TUTORIAL and any(block.is_run for block in blocks(page.read_text("utf-8")))
]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_SHELL, ids=name)
def test_shell_examples_run(page, tmp_path, monkeypatch, capsys):
    """In order, in one folder a page; a block that begins "# NAME" is that file."""
    monkeypatch.chdir(tmp_path)
    # What `main` replaces for the whole process is put back after the test.
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "path", [*sys.path])
    ran = 0
    for block in blocks(page.read_text("utf-8")):
        if block.file:
            Path(block.file).write_text(block.body, "utf-8")
        for command in block.commands if block.is_run else ():
            command, _, target = command.partition(" > ")
            program, *arguments = shlex.split(command)
            if program == "python":
                subprocess.run([sys.executable, *arguments], check=True)
                ran += 1
            if program != "grokscope":
                continue
            with pytest.raises(SystemExit) as ended:
                cli.main(arguments)
            printed = capsys.readouterr()
            assert not ended.value.code, f"{command}\n{printed.err}"
            if target:
                Path(target).write_text(printed.out, "utf-8")
            ran += 1
    assert ran


@pytest.mark.slow  # its Python runs in the default suite, as do other pages' commands
def test_the_tutorial_runs_as_a_notebook():
    """Which fails at the first cell that does."""
    execute(as_notebook(TUTORIAL.read_text("utf-8")))


def test_the_tutorial_s_notebook_is_made_from_its_page():
    made = as_notebook(TUTORIAL.read_text("utf-8"))
    kept = nbformat.read(NOTEBOOK, as_version=4)
    sources = [
        [(cell.cell_type, cell.source, cell.get("attachments")) for cell in one.cells]
        for one in (made, kept)
    ]
    assert sources[0] == sources[1], "the page has changed: run `make notebook`"


def test_the_notebook_brings_its_pictures_and_needs_no_shell():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    attached = re.findall(r"!\[.*?\]\(attachment:(.*?)\)", "".join(cell.source for cell in cells))
    pictures = [one["image/png"] for cell in cells for one in cell.get("attachments", {}).values()]
    assert len(pictures) == len(attached)
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    drawn = [
        output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})
    ]
    assert len(attached) + len(drawn) >= TUTORIAL.read_text("utf-8").count("![")
    for picture in (*pictures, *drawn):
        assert base64.b64decode(picture).startswith(b"\x89PNG")
    assert not any(cell.source.startswith(("!", "%%sh")) for cell in cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_show_what_their_cells_gave(path):
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert not any(output.output_type == "error" for output in outputs)
    shown = [output.data for output in outputs if "data" in output]
    assert any("image/png" in data or "<img" in data.get("text/html", "") for data in shown)
    assert "%pip install" in cells[1].source


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path):
    if path.stem == "own-network" and find_spec("torch") is None:
        pytest.skip("needs PyTorch")
    execute(nbformat.read(path, as_version=4))


def test_the_tutorial_names_its_run_and_picture():
    page = TUTORIAL.read_text("utf-8")
    small = Experiment(train_fraction=0.8, corruption_fraction=0.3, steps=400)
    run = digest(small.replace(modulus=41, width=200, weight_decay=4))
    assert f"runs/{run}.nc" in page
    assert f"figures/{run[:12]}.png" in page


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_says_what_it_is_and_no_mark_is_misspelt(page):
    text = page.read_text("utf-8")
    fences = re.findall(r"^```(\S*)", text, re.M)
    assert all(fences[::2]), "a fence without a language"
    assert all(not fence for fence in fences[1::2]), "a fence that is not closed"
    marks = re.findall(r"<!-- (.*?) -->", text.replace("\n-->", " -->"), re.S)
    assert all(mark.startswith(("not run: ", IN_NOTEBOOK)) for mark in marks)
    for block in blocks(text):
        assert ">>> " not in block.body or block.kind == "pycon"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_resolve(page):
    for target in LINK.findall(page.read_text("utf-8")):
        path = target.partition("#")[0]
        if "://" not in target and path:
            assert (page.parent / path).exists(), target


def test_every_page_is_in_a_table_of_contents():
    listed = {DOCS / "index.md"}
    for page in PAGES:
        for body in re.findall(
            r"^```\{toctree\}\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S
        ):
            entries = [line for line in body.split() if not line.startswith(":")]
            listed |= {page.parent / f"{entry}.md" for entry in entries}
    assert set(PAGES) <= listed


FAILING = re.compile(
    r"<!-- not run: ends with the error below -->\n```console\n(.*?)```\n\n```text\n(.*?)```", re.S
)


@pytest.mark.slow  # each command is a process of its own
def test_errors_are_as_the_page_on_errors_has_them(tmp_path):
    """`…` stands for anything. No GPU is visible, and no folder of the user's has files."""
    found = FAILING.findall((DOCS / "faq.md").read_text("utf-8"))
    assert found
    hidden = {"CUDA_VISIBLE_DEVICES": "", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for commands, messages in found:
        for line, message in zip(commands.splitlines(), messages.splitlines(), strict=True):
            *variables, rest = re.fullmatch(r"\$ (?:(\w+)=(\S+) )?grokscope (.*)", line).groups()  # type: ignore[union-attr]
            own = {name: value for name, value in os.environ.items() if "GROKSCOPE" not in name}
            environment = own | hidden | dict([variables] if variables[0] else [])
            ended = subprocess.run(
                [sys.executable, "-m", "grokscope", *shlex.split(rest)],
                env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
            )  # fmt: skip
            pattern = ".*".join(map(re.escape, message.split("…")))
            assert ended.returncode == 2, line
            assert re.fullmatch(pattern, ended.stderr.strip()), f"{line}\n{ended.stderr}"


def test_the_page_on_run_files_names_everything_in_one():
    run = train(Experiment(steps=0).replace(modulus=5, width=2))
    page = (DOCS / "how-to" / "read-run-files.md").read_text("utf-8")
    for found in (*run.dataset.variables, *run.dataset.attrs):
        assert f"`{found}`" in page


def test_the_page_on_figures_names_every_figure():
    page = (DOCS / "how-to" / "draw-figures.md").read_text("utf-8")
    words = "|".join(name for name in figures() if isinstance(name, str))
    rows = re.findall(rf"^\| ([\d, ]+|{words}) \|", page, re.M)
    assert {name.strip() for row in rows for name in row.split(",")} == set(map(str, figures()))


@pytest.mark.parametrize("page", [*PAGES, *DOCS.parent.glob("*.md")], ids=lambda page: page.name)
def test_every_link_has_a_text(page):
    """A site fills in a missing one from the linked page's title; a file shows nothing."""
    assert not re.search(r"\[\s*\]\(|\{(doc|ref|any|download)\}", page.read_text("utf-8"))


def test_the_gallery_is_what_figures_and_verdicts_give():
    assert GALLERY.read_text("utf-8") == as_page(), "run `python docs/gallery.py`"
    assert all((DOCS / f"images/figure{number}.png").exists() for number in figures())


def test_every_sentence_of_the_paper_has_a_statement_and_every_statement_a_sentence():
    page = (DOCS / "explanation" / "sentences.md").read_text("utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    named = [re.findall(r"`([a-z0-9-]+)`", row[-1]) for row in rows]
    assert len(rows) == 196
    assert all(named)
    assert {one for names in named for one in names} == set(claims())


def test_findings_count_the_verdicts_on_today_s_statements():
    assert [*verdicts()] == [*claims()], "run `make verdicts`"
    found = [*verdicts().values()]
    for verdict in Verdict:
        assert f"| {verdict} | {found.count(verdict)} |" in (DOCS / "findings.md").read_text(
            "utf-8"
        )


REFERENCE = (DOCS / "reference.md").read_text("utf-8")
NAMED = re.compile(r"`\.?([\w.]+)`")


def test_the_reference_lists_every_public_name_and_no_other():
    rows = re.findall(r"^\| (`gs\..*?) \|", REFERENCE, re.M)
    listed = [name for row in rows for name in NAMED.findall(row) if name.startswith("gs.")]
    assert sorted(name.removeprefix("gs.") for name in listed) == dir(grokscope)


def test_the_names_that_the_reference_lists_of_submodules_exist():
    tables = re.findall(
        r"^\| `gs\.\w+` \(`(grokscope[\w.]*)`\) \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", REFERENCE, re.M
    )
    assert len(tables) == sum(inspect.ismodule(getattr(grokscope, n)) for n in dir(grokscope))
    for module, rows in tables:
        for row in rows.splitlines():
            for name in NAMED.findall(row.split("|")[1]):
                assert callable(pkgutil.resolve_name(f"{module}.{name}")), name


def test_the_reference_lists_every_command():
    assert re.findall(r"^\| `grokscope (\w+)` \|", REFERENCE, re.M) == list(COMMANDS)
