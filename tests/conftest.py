"""Every test runs with array shapes and types checked at each call; some need a browser."""

import shutil
from pathlib import Path
from pkgutil import iter_modules

import pytest
from jaxtyping import install_import_hook

import grokscope

WITHOUT_ARRAYS = {"experiment"}
"""Which pydantic checks, and which are called a hundred thousand times."""

MODULES = {module.name for module in iter_modules(grokscope.__path__)} - {"__main__"}
install_import_hook([f"grokscope.{name}" for name in MODULES - WITHOUT_ARRAYS], "beartype.beartype")


grokscope.allow_code(Path(__file__).parent)  # where `plain_data` is


@pytest.fixture(scope="session")
def browser():
    """A real headless Chromium; without one the tests that need it are skipped."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
