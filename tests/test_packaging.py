"""What is shipped: the wheel, the source archive, the conda recipe, and their version."""

import datetime
import email
import re
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = SETTINGS["project"]
RECIPE = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text("utf-8"))
CONDA = {"matplotlib": "matplotlib-base"}
"""Names on conda-forge that differ in more than their case."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")))
    with zipfile.ZipFile(path) as archive:
        yield archive


def files(*folders):
    """Files of the project, by their paths in it."""
    every = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in every if "__pycache__" not in path.parts}


def words(markdown):
    """Without the targets of links."""
    return re.findall(r"\w+", re.sub(r"\]\([^)]*\)", "", markdown))


def test_the_wheel_has_the_package_its_types_and_nothing_else(wheel):
    information = f"grokscope-{PROJECT['version']}.dist-info/"
    names = {name for name in wheel.namelist() if not name.startswith(information)}
    assert {f"src/{name}" for name in names} == files("src/grokscope")
    assert {"grokscope/py.typed", "grokscope/__init__.pyi"} <= names
    endings = {Path(name).suffix for name in names}
    assert endings == {".py", ".pyi", ".typed", ".js", ".css", ".html", ".sha256"}
    assert f"{information}licenses/LICENSE" in wheel.namelist()


def test_an_index_shows_the_readme_without_what_leads_nowhere(wheel):
    """All of its words, and no link or picture that is relative."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    shown = email.message_from_bytes(wheel.read(name)).get_payload(decode=True).decode()
    assert not re.search(r"\]\((?!https?://)", shown)
    assert not re.search(r"^!(?!\[)", shown, re.M), "a picture became half a picture"
    assert words(shown) == words((ROOT / "README.md").read_text("utf-8"))


def test_the_readme_names_version_pythons_and_licence():
    kinds = (name.split(" :: ") for name in PROJECT["classifiers"])
    pythons = ", ".join(kind[-1] for kind in kinds if kind[-2] == "Python" and "." in kind[-1])
    line = f"version {PROJECT['version']} · Python {pythons} · {PROJECT['license']} licence"
    assert line in (ROOT / "README.md").read_text("utf-8").splitlines()


def test_the_source_archive_has_all_but_the_sweeps(tmp_path):
    (path,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path))
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", "Makefile"}
    assert needed | {"constraints.txt", "results/README.md", "docs/index.md"} <= names
    assert files("src", "tests") <= names
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert folders == {"src", "tests", "docs", "benchmarks", "packaging", "results"}
    assert not [name for name in names if re.match(r"results/.*\.nc$", name)]


def test_the_recipe_asks_for_what_the_package_asks_for():
    assert RECIPE["context"]["python_min"] == PROJECT["requires-python"].removeprefix(">=")
    bounds = (requirement.split(">=") for requirement in PROJECT["dependencies"])
    wanted = {f"{CONDA.get(name, name.lower())} >={least}" for name, least in bounds}
    assert {*RECIPE["requirements"]["run"]} == wanted | {"python >=${{ python_min }}"}
    build = {"pip", "python ${{ python_min }}.*"} | {*SETTINGS["build-system"]["requires"]}
    assert {*RECIPE["requirements"]["host"]} == build
    commands = {f"{name} = {function}" for name, function in PROJECT["scripts"].items()}
    assert {*RECIPE["build"]["python"]["entry_points"]} == commands


def test_version_and_date_are_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    heading = re.search(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)[1]
    version, _, date = heading.partition(" - ")
    assert {version, citation["version"], RECIPE["context"]["version"]} == {PROJECT["version"]}
    assert datetime.date.fromisoformat(date) == citation["date-released"]
    assert citation["license"] == RECIPE["about"]["license"] == PROJECT["license"]


def test_every_python_that_is_named_is_tested():
    prefix = "Programming Language :: Python :: 3."
    named = [name for name in PROJECT["classifiers"] if name.startswith(prefix)]
    workflow = ROOT / ".github/workflows/tests.yml"
    if not workflow.exists():
        pytest.skip("the source archive has no workflows")
    jobs = yaml.safe_load(workflow.read_text("utf-8"))["jobs"]
    for job in ("tests", "newest"):
        pythons = jobs[job]["strategy"]["matrix"]["python"]
        assert [f"{prefix}{python.removeprefix('3.')}" for python in pythons] == named
